"""The columns of the tables: their types, what they hold, and when they are null.

`tables.py` makes the schemas of them, `documents.py` the page `docs/tables.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column. `null` says when it is null; a column without it never is."""

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    null: str = ""

    @property
    def field(self) -> pa.Field:
        """The column as a schema has it."""
        return pa.field(self.name, self.type, nullable=bool(self.null))


_INT, _LONG, _FLOAT, _TEXT = pa.int32(), pa.int64(), pa.float64(), pa.string()

_OWN_RATES = "the network has dropout rates of its own"
_NOT_COMPLETED = "the run did not complete"
_NO_VALIDATION = f"{_NOT_COMPLETED}, or no images are held out"
_FAILED = "the run failed"
_NOT_FINITE = "is not finite"

ASKED = (
    Column(
        "run_id", _TEXT, "the run's identity: 16 hex digits of the hash of all that it rests on"
    ),
    Column("dataset", _TEXT, "the dataset's name"),
    Column("dataset_digest", _TEXT, "the digest of its images and labels"),
    Column("validation", _INT, "training images that are held out", "images"),
    Column("model", _TEXT, "the network's name"),
    Column("batch_norm", pa.bool_(), "whether it has batch normalisation after each convolution"),
    Column("optimizer", _TEXT, "the optimizer's name"),
    Column("optimizer_args", _TEXT, "its arguments beside lr as JSON, defaults filled in"),
    Column("lr", _FLOAT, "the base rate"),
    Column("batch_size", _INT, "images in a step", "images"),
    Column("epochs", _INT, "passes over the training images", "epochs"),
    Column("scheduler", _TEXT, "the scheduler's label in the sweep file"),
    Column("scheduler_class", _TEXT, "its class"),
    Column("scheduler_args", _TEXT, "its arguments as JSON, defaults filled in, words as numbers"),
    Column("dropout", _FLOAT, "the dropout rate", null=_OWN_RATES),
    Column("precision", _TEXT, "float32, tf32 or bfloat16"),
    Column("seed", _LONG, "of initial weights, batches and dropout"),
    Column(
        "plugins",
        _TEXT,
        "what of these a plug-in gave: kind and name -> digest of its code, as JSON",
    ),
    Column("phase", _TEXT, "choose for a trial of a base rate, compare for all else"),
    Column(
        "lr_chosen_per",
        _TEXT,
        "what base rates are chosen for: scheduler, or scheduler, dropout",
        null="the sweep file gives lr",
    ),
)
"""What was asked for."""

ENDED = (
    Column(
        "semantics",
        _INT,
        "the version of the code's meaning: with what was asked for, that is the run_id",
        null="it was written before tables of version 4",
    ),
    Column("status", _TEXT, "completed, diverged or failed"),
    Column(
        "diverged_at_step",
        _LONG,
        "the first step (from 0) whose loss is not finite",
        "steps",
        "the run did not diverge",
    ),
    Column("error", _TEXT, "what ended it", null="the run did not fail"),
    Column(
        "val_loss", _FLOAT, "validation loss after the last epoch", "nats per image", _NO_VALIDATION
    ),
    Column(
        "val_accuracy", _FLOAT, "validation accuracy after the last epoch", "0 to 1", _NO_VALIDATION
    ),
    Column(
        "test_loss",
        _FLOAT,
        "test loss after the last epoch",
        "nats per image",
        f"{_NOT_COMPLETED}, or the loss {_NOT_FINITE}",
    ),
    Column("test_accuracy", _FLOAT, "test accuracy after the last epoch", "0 to 1", _NOT_COMPLETED),
    Column(
        "best_epoch",
        _INT,
        "the epoch (from 1) with the lowest validation loss, the first of equal ones",
        "epochs",
        _NO_VALIDATION,
    ),
    Column("best_val_loss", _FLOAT, "validation loss then", "nats per image", _NO_VALIDATION),
    Column("best_val_accuracy", _FLOAT, "validation accuracy then", "0 to 1", _NO_VALIDATION),
    Column(
        "best_test_loss",
        _FLOAT,
        "test loss then",
        "nats per image",
        f"{_NO_VALIDATION}, or the loss {_NOT_FINITE}",
    ),
    Column("best_test_accuracy", _FLOAT, "test accuracy then", "0 to 1", _NO_VALIDATION),
    Column(
        "target",
        _FLOAT,
        "the validation accuracy to reach",
        "0 to 1",
        "the sweep file gives no target",
    ),
    Column(
        "epochs_to_target",
        _INT,
        "the first epoch (from 1) that reaches it",
        "epochs",
        "there is no target, or the run did not reach it",
    ),
    Column(
        "lr_changes",
        _INT,
        "steps whose learning rate differs from the step before",
        "steps",
        _NOT_COMPLETED,
    ),
    Column(
        "applied_dropout",
        _FLOAT,
        "the dropout rate as read from the live network",
        null=f"{_FAILED}, or {_OWN_RATES}",
    ),
    Column(
        "init_digest",
        _TEXT,
        "the digest of the initial weights, equal for equal seeds of one network",
        null=_FAILED,
    ),
    Column(
        "order_digest",
        _TEXT,
        "the digest of the first epoch's order of images, equal for equal seeds",
        null=_FAILED,
    ),
    Column("test_images", _INT, "how many test images there are", "images", _NOT_COMPLETED),
    Column(
        "test_correct",
        pa.binary(),
        "which of them were right after the last epoch: a bit each, as numpy.packbits packs them",
        null=_NOT_COMPLETED,
    ),
)
"""How it ended: numbers of the last epoch, and of the one with the lowest validation loss."""

MADE = (
    Column(
        "seconds",
        _FLOAT,
        "how long it trained; of runs that trained together each has its share",
        "seconds",
        _FAILED,
    ),
    Column(
        "samples_per_second",
        _FLOAT,
        "training images in a second of that",
        "images per second",
        _NOT_COMPLETED,
    ),
    Column("engine", _TEXT, "reference or stacked"),
    Column(
        "group_size",
        _INT,
        "how many runs trained at once",
        "runs",
        f"{_FAILED}, or it was written before tables of version 2",
    ),
    Column("device", _TEXT, "the processor that it trained on"),
    Column("torch_version", _TEXT, "the version of PyTorch"),
    Column("python_version", _TEXT, "the version of Python"),
    Column("lrdecay_version", _TEXT, "the version of lrdecay"),
    Column(
        "git_commit",
        _TEXT,
        "the commit of lrdecay, with +changes where its files differ",
        null="lrdecay is not in a git checkout",
    ),
    Column("finished_at", pa.timestamp("us", tz="UTC"), "when it ended", "UTC"),
)
"""How it was made."""

EPOCH = (
    Column("run_id", _TEXT, "the run"),
    Column("scheduler", _TEXT, "as in runs"),
    Column("dropout", _FLOAT, "as in runs", null=_OWN_RATES),
    Column("seed", _LONG, "as in runs"),
    Column("phase", _TEXT, "as in runs"),
    Column("epoch", _INT, "the epoch, from 1", "epochs"),
    Column("split", _TEXT, "train, train_eval, val or test"),
    Column("loss", _FLOAT, "the mean over the split's images", "nats per image"),
    Column("accuracy", _FLOAT, "the share of the split's images that are right", "0 to 1"),
    Column("learning_rate", _FLOAT, "the rate applied: its mean over the epoch's steps"),
    Column("learning_rate_first", _FLOAT, "the rate of the epoch's first step"),
    Column("learning_rate_last", _FLOAT, "the rate of its last step"),
)
"""One row per run, epoch and split."""
