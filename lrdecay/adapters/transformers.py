"""The Trainer of transformers as the loop of a trial; needs the extra `transformers`."""

from __future__ import annotations

import math
from typing import Any

from lrdecay.adapters.logged_names import log_by_split
from lrdecay.execution.own import Trial, TrialError, TrialScheduler

try:
    from transformers import TrainerCallback
except ImportError as error:
    raise ImportError(
        "lrdecay.adapters.transformers needs transformers: pip install 'lrdecay[transformers]'"
    ) from error

_SPLITS = {"eval": "val", "test": "test"}
_TIMES = ("runtime", "samples_per_second", "steps_per_second", "model_preparation_time")


class TrialCallback(TrainerCallback):
    """Records what a Trainer does with a trial.

    What it evaluates as `eval_NAME` is the trial's on validation data, `test_NAME` on test data
    (`trainer.evaluate(data, metric_key_prefix="test")`). The schedule goes in with the optimizer:

        scheduler = trial.scheduler(optimizer, steps_per_epoch=...)
        Trainer(..., optimizers=(optimizer, scheduler), callbacks=[TrialCallback(trial)])
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **given: Any
    ) -> None:
        """Watch the model.

        Raises:
            TrialError: the Trainer has made a schedule of its own, or has another number of epochs
                than the trial.
        """
        scheduler = given.get("lr_scheduler")
        if not isinstance(getattr(scheduler, "scheduler", scheduler), TrialScheduler):
            raise TrialError(
                "the Trainer made a schedule of its own: give optimizers=(optimizer, "
                "trial.scheduler(optimizer, steps_per_epoch=...))"
            )
        if args.num_train_epochs != self._trial.epochs:
            raise TrialError(
                f"num_train_epochs is {args.num_train_epochs:g}: the trial has "
                f"{self._trial.epochs}; give num_train_epochs=trial.epochs"
            )
        self._trial.watch(model)

    def on_evaluate(
        self,
        args: Any,
        state: Any,
        control: Any,
        metrics: Any = None,
        **_: Any,
    ) -> None:
        """Log what was measured."""
        measured = {
            name: value
            for name, value in (metrics or {}).items()
            if name.partition("_")[2] not in _TIMES
        }
        log_by_split(self._trial, round(state.epoch or 0), measured, _SPLITS)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """End the trial where the training loss is not finite."""
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            self._trial.diverged()
