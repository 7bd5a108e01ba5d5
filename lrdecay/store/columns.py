"""The columns of the tables: their types, what they hold, in which range, and when they are null.

`schema` makes the tables' schemas of them, `constraints` holds values to their ranges, and
docs/generate.py makes the page `docs/tables.md`.
"""

from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from functools import partial

import pyarrow as pa

SPLITS = ("train", "train_eval", "val", "test")
STATUSES = ("completed", "diverged", "failed")
PHASES = ("choose", "compare")
FOREIGN = ("own", "command", "imported")
"""Engines that are not lrdecay's: a loop of the user's own, a program, and one that trained before
its results were imported."""


@dataclass(frozen=True)
class Range:
    """The values that a column may hold, in words and as bounds. Null is in every range, NaN in
    none."""

    valid: str
    least: float | datetime | None = None
    above: float | None = None
    below: float | None = None
    most: float | datetime | None = None
    finite: bool = False
    choices: tuple[str, ...] = ()
    pattern: str = ""
    reserved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One column. `null` says when it is null; a column without it never is, unless it is one that
    a run of a `FOREIGN` engine may lack, which is `loop`."""

    name: str
    meaning: str
    null: str = ""
    _: KW_ONLY
    type: pa.DataType
    unit: str = ""
    range: Range | None = None
    loop: bool = False

    @property
    def field(self) -> pa.Field:
        """The column as a schema has it."""
        return pa.field(self.name, self.type, nullable=bool(self.when_null))

    @property
    def when_null(self) -> str:
        """When it is null, in words."""
        return ", or ".join(filter(None, (self.null, _FOREIGN_LOOP if self.loop else "")))


_FOREIGN_LOOP = "the loop was the user's own or the run imported, and did not say"


def _choice(name: str, meaning: str, choices: tuple[str, ...], null: str = "") -> Column:
    valid = Range(f"one of {', '.join(choices)}", choices=choices)
    return Column(name, meaning, null, type=pa.string(), range=valid)


_FROM_0, _FROM_1 = Range("at least 0", least=0), Range("at least 1", least=1)
_FINITE = Range("a finite number", finite=True)
_text = partial(Column, type=pa.string())
_count = partial(Column, type=pa.int32(), range=_FROM_0)
_positive = partial(Column, type=pa.int32(), range=_FROM_1)
_long = partial(Column, type=pa.int64(), range=_FROM_0)
_float = partial(Column, type=pa.float64())
_rate = partial(_float, range=_FINITE)
_loss = partial(_float, range=_FINITE, unit="nats per image")
_share = partial(_float, range=Range("from 0 to 1", least=0, most=1))
_dropout = partial(_float, range=Range("at least 0 and less than 1", least=0, below=1))
_amount = partial(_float, range=Range("a finite number of at least 0", least=0, finite=True))

_OWN_RATES = "the network has dropout rates of its own, or none"
_BUILT_IN = "lrdecay's own loop trains it"
_NOT_COMPLETED = "the run did not complete"
_NO_VALIDATION = f"{_NOT_COMPLETED}, or no images are held out"
_FAILED = "the run failed"
_NOT_FINITE = "is not finite"

ASKED = (
    _text("run_id", "the run's identity: 16 hex digits of the hash of all that it rests on"),
    _text("dataset", "the dataset's name"),
    _text("dataset_digest", "the digest of its images and labels", loop=True),
    _count("validation", "training images that are held out", unit="images", loop=True),
    _text("model", "the network's name", loop=True),
    Column(
        "batch_norm",
        "whether it has batch normalisation after each convolution",
        type=pa.bool_(),
        loop=True,
    ),
    _text("optimizer", "the optimizer's name", loop=True),
    _text("optimizer_args", "its arguments beside lr as JSON, defaults filled in", loop=True),
    _float(
        "lr",
        "the base rate",
        range=Range("a finite number above 0", above=0, finite=True),
        loop=True,
    ),
    _positive("batch_size", "images in a step", unit="images", loop=True),
    _positive("epochs", "passes over the training images", unit="epochs", loop=True),
    _text("scheduler", "the scheduler's label in the sweep file"),
    _text("scheduler_class", "its class", loop=True),
    _text(
        "scheduler_args", "its arguments as JSON, defaults filled in, words as numbers", loop=True
    ),
    _dropout("dropout", "the dropout rate", _OWN_RATES),
    _text("precision", "float32, tf32, tf32x3 or bfloat16", loop=True),
    _text("kernels", "what computes where many train at once on a GPU: torch or triton"),
    _float(
        "label_smoothing",
        "label smoothing of the loss that lrdecay's own loop minimises; 0 of any other loop",
        range=Range("at least 0 and less than 1", least=0, below=1),
    ),
    _float(
        "clip_grad_norm",
        "the largest norm that all gradients together may have; inf where lrdecay clips nothing",
        range=Range("above 0", above=0),
    ),
    _text("model_args", "the network's own arguments as JSON, defaults filled in"),
    _text(
        "augment",
        "what lrdecay's own loop does to training images, as JSON: transform -> its argument",
    ),
    _text(
        "loss_function",
        "what lrdecay's own loop minimises; cross_entropy, whatever any other loop does",
    ),
    _text("trainer", "the name of the user's own loop that trains it", _BUILT_IN),
    _text("trainer_args", "the loop's own values as JSON", _BUILT_IN),
    _long("seed", "of initial weights, batches, augmentation and dropout"),
    _text("plugins", "what of these a plug-in gave: kind and name -> digest of its code, as JSON"),
    _choice("phase", "choose for a trial of a base rate, compare for all else", PHASES),
    _text(
        "lr_chosen_per",
        "what base rates are chosen for: scheduler, or scheduler, dropout",
        "the sweep file gives lr",
    ),
)
"""What was asked for."""

ENDED = (
    Column(
        "semantics",
        "the version of the code's meaning: with what was asked for, that is the run_id",
        "it was written before tables of version 4",
        type=pa.int32(),
    ),
    _choice("status", "how it ended", STATUSES),
    _long(
        "diverged_at_step",
        "the first step (from 0) whose loss is not finite",
        "the run did not diverge",
        unit="steps",
    ),
    _text("error", "what ended it", "the run did not fail"),
    _loss("val_loss", "validation loss after the last epoch", _NO_VALIDATION),
    _share("val_accuracy", "validation accuracy after the last epoch", _NO_VALIDATION),
    _loss(
        "test_loss",
        "test loss after the last epoch",
        f"{_NOT_COMPLETED}, or the loss {_NOT_FINITE}",
        loop=True,
    ),
    _share("test_accuracy", "test accuracy after the last epoch", _NOT_COMPLETED, loop=True),
    _positive(
        "best_epoch",
        "the epoch (from 1) with the lowest validation loss, the first of equal ones",
        _NO_VALIDATION,
        unit="epochs",
    ),
    _loss("best_val_loss", "validation loss then", _NO_VALIDATION),
    _share("best_val_accuracy", "validation accuracy then", _NO_VALIDATION),
    _loss("best_test_loss", "test loss then", f"{_NO_VALIDATION}, or the loss {_NOT_FINITE}"),
    _share("best_test_accuracy", "test accuracy then", _NO_VALIDATION),
    _share("target", "the validation accuracy to reach", "the sweep file gives no target"),
    _positive(
        "epochs_to_target",
        "the first epoch (from 1) that reaches it",
        "there is no target, or the run did not reach it",
        unit="epochs",
    ),
    _count(
        "lr_changes",
        "steps whose learning rate differs from the step before",
        _NOT_COMPLETED,
        unit="steps",
        loop=True,
    ),
    _text(
        "rates_digest",
        "the digest of the learning rates of all steps, equal where every one is",
        f"{_NOT_COMPLETED}, or it was written before tables of version 5",
        loop=True,
    ),
    _dropout(
        "applied_dropout",
        "the dropout rate as read from the live network's dropout layers",
        f"{_FAILED}, {_OWN_RATES}, or a loop of the user's own has no such layers of one rate",
    ),
    _text(
        "init_digest",
        "the digest of the initial weights, equal for equal seeds of one network",
        _FAILED,
        loop=True,
    ),
    _text(
        "order_digest",
        "the digest of the first epoch's order of images, equal for equal seeds",
        _FAILED,
        loop=True,
    ),
    _positive(
        "test_images", "how many test images there are", _NOT_COMPLETED, unit="images", loop=True
    ),
    Column(
        "test_correct",
        "which of them were right after the last epoch: a bit each, as numpy.packbits packs them",
        _NOT_COMPLETED,
        type=pa.binary(),
        loop=True,
    ),
    _positive("metric_values", "how many rows it has in `metrics`", "it has none there"),
)
"""How it ended: numbers of the last epoch, and of the one with the lowest validation loss."""

MADE = (
    _amount(
        "seconds",
        "how long it trained; of runs that trained together each has its share",
        _FAILED,
        unit="seconds",
    ),
    _amount(
        "samples_per_second",
        "training images in a second of that",
        _NOT_COMPLETED,
        unit="images per second",
    ),
    _text(
        "engine",
        f"what trained it: reference, stacked or native of lrdecay; {', '.join(FOREIGN)} else",
    ),
    _positive(
        "group_size",
        "how many runs trained at once",
        f"{_FAILED}, or it was written before tables of version 2",
        unit="runs",
    ),
    _text("device", "the processor that it trained on", loop=True),
    _text("torch_version", "the version of PyTorch", loop=True),
    _text("python_version", "the version of Python", loop=True),
    _text("lrdecay_version", "the version of lrdecay"),
    _text(
        "git_commit",
        "the commit of lrdecay, with +changes where its files differ",
        "lrdecay is not in a git checkout",
    ),
    Column(
        "finished_at",
        "when it ended",
        type=pa.timestamp("us", tz="UTC"),
        unit="UTC",
        range=Range(
            "from 1970-01-01 to 9999-12-31",
            least=datetime(1970, 1, 1, tzinfo=UTC),
            most=datetime(9999, 12, 31, tzinfo=UTC),
        ),
        loop=True,
    ),
)
"""How it was made."""

EPOCH = (
    _text("run_id", "the run"),
    _text("scheduler", "as in runs"),
    _dropout("dropout", "as in runs", _OWN_RATES),
    _long("seed", "as in runs"),
    _choice("phase", "as in runs", PHASES),
    _positive("epoch", "the epoch, from 1", unit="epochs"),
    _choice("split", "the images that it was measured on", SPLITS),
    # of a diverging run it may be anything
    _float("loss", "the mean over the split's images", unit="nats per image", loop=True),
    _share("accuracy", "the share of the split's images that are right", loop=True),
    _rate("learning_rate", "the rate applied: its mean over the epoch's steps", loop=True),
    _rate("learning_rate_first", "the rate of the epoch's first step", loop=True),
    _rate("learning_rate_last", "the rate of its last step", loop=True),
)
"""One row per run, epoch and split."""

_TAKEN = {column.name for column in (*ASKED, *ENDED, *MADE, *EPOCH)}

METRIC_NAME = Range(
    "a lower-case letter, then at most 63 of these, digits and _; no name of another column, nor "
    "what one has after its split, such as loss or accuracy",
    pattern="^[a-z][a-z0-9_]{0,63}$",
    reserved=tuple(sorted(_TAKEN | {n.removeprefix(f"{s}_") for n in _TAKEN for s in SPLITS})),
)
"""What a metric may be called, so that it can be a column of `runs`."""

CLASS_METRICS = ("balanced_accuracy", "macro_f1")
"""What lrdecay's own training measures beside loss and accuracy where a sweep file asks for it."""

METRIC = (
    _text("run_id", "the run"),
    _positive(
        "epoch", "the epoch, from 1, after which it was", "it is of the whole run", unit="epochs"
    ),
    _choice("split", "what it was measured on", SPLITS, "it is of no split"),
    _text("metric", "its name", range=METRIC_NAME),
    _float("value", "the number, in the metric's own unit", range=_FINITE),
)
"""One row per run and value of a metric of the user's own, or of `CLASS_METRICS`."""

OF_TABLE = {
    "runs": (*ASKED, *ENDED, *MADE),
    "epochs": EPOCH,
    "metrics": METRIC,
    "plan": ASKED,
}
"""The columns of each table, in its order."""

BY_NAME = {column.name: column for column in (*METRIC, *ASKED, *ENDED, *MADE, *EPOCH)}
"""Each column, whichever table it is of; one that `epochs` has is as it is there."""
