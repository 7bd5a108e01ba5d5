"""Lightning's Trainer as the loop of a trial; needs the extra `lightning`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lrdecay.adapters.logged_names import log_by_split
from lrdecay.execution.own import Trial, TrialError

try:
    from lightning.pytorch.callbacks import Callback
except ImportError as error:
    raise ImportError(
        "lrdecay.adapters.lightning needs Lightning: pip install 'lrdecay[lightning]'"
    ) from error

_BATCHES = 8
_SPLITS = {"train": "train", "val": "val", "test": "test"}


class TrialCallback(Callback):
    """Records what a Trainer does with a trial.

    Metrics that the module logs as `train_NAME`, `val_NAME` and `test_NAME` are the trial's. The
    module's `configure_optimizers` gives the schedule:

        scheduler = trial.scheduler(optimizer, steps_per_epoch=...)
        stepped = {"scheduler": scheduler, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": stepped}
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Watch the module.

        Raises:
            TrialError: the Trainer has another number of epochs than the trial.
        """
        if stage != "fit":
            return
        if trainer.max_epochs != self._trial.epochs:
            raise TrialError(
                f"Trainer(max_epochs={trainer.max_epochs}): the trial has {self._trial.epochs}; "
                f"give max_epochs=trial.epochs"
            )
        self._trial.watch(pl_module)

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Digest the first batches: a module need not be called to train."""
        if trainer.current_epoch == 0 and batch_idx < _BATCHES:
            self._trial.saw(*_list_tensors(batch))

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Log what was measured on validation data."""
        if not trainer.sanity_checking:
            self._log(trainer, trainer.current_epoch + 1, "val")

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Log what was measured in training."""
        self._log(trainer, trainer.current_epoch + 1, "train")

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """Log what was measured on test data."""
        self._log(trainer, self._trial.epochs, "test")

    def _log(self, trainer: Any, epoch: int, prefix: str) -> None:
        log_by_split(self._trial, epoch, trainer.callback_metrics, {prefix: _SPLITS[prefix]})


def _list_tensors(batch: Any) -> list[Tensor]:
    parts = batch.values() if isinstance(batch, Mapping) else batch
    parts = parts if isinstance(parts, list | tuple | type({}.values())) else [parts]
    return [part for part in parts if isinstance(part, Tensor)]
