"""A trial: one run of a sweep in the hands of a training loop of the user's own."""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import Optimizer

from lrdecay.components import rng
from lrdecay.components.models.build import digest_weights
from lrdecay.core.run import Run
from lrdecay.core.text import describe_error
from lrdecay.engine.record import record_failed
from lrdecay.execution.messages import EpochDone, Note, Tell
from lrdecay.execution.own.errors import Diverged, TrialError
from lrdecay.execution.own.measurements import Measurements
from lrdecay.execution.own.outcome import NAME, Evidence, record_trial
from lrdecay.execution.own.schedule import Schedule
from lrdecay.execution.own.trial_scheduler import TrialScheduler
from lrdecay.store.schema import Record

_BATCHES = 8
"""Training batches that are digested: enough to tell two orders apart."""


class Trial:
    """One run to train with a loop of your own: its settings, and where its results go.

    Attributes:
        seed, dropout, lr, epochs: what to train with; `dropout` is None where the sweep gives none.
        label: the scheduler's label in the sweep file.
        run_id: the run's identity.
        device: where to train.
        values: the loop's own values, as the sweep file gives them; also `trial["width"]`.
        record: the outcome, once there is one.
    """

    def __init__(
        self,
        run: Run,
        device: torch.device | str = "cpu",
        tell: Tell = lambda message: None,
        compared: str = "",
    ) -> None:
        self.run, self.device = run, torch.device(device)
        self.seed, self.dropout, self.lr, self.epochs = run.seed, run.dropout, run.lr, run.epochs
        self.label, self.run_id = run.scheduler, run.run_id
        self.values: Mapping[str, Any] = json.loads(run.trainer_args or "{}")
        self.record: Record | None = None
        self._tell, self._compared = tell, compared
        self._measured = Measurements(run.epochs)
        self._schedule: Schedule | None = None
        self._model: nn.Module | None = None
        self._init_digest: str | None = None
        self._order: hashlib._Hash | None = None
        self._started = time.perf_counter()
        self._diverged_at: int | None = None

    def __getitem__(self, name: str) -> Any:
        """Return one of the loop's own values."""
        if name not in self.values:
            known = ", ".join(self.values) or "none"
            raise KeyError(f"{name!r} is no value of the sweep file's trainer; there are {known}")
        return self.values[name]

    # what makes two runs of one seed alike

    def seed_everything(self) -> int:
        """Seed random, numpy and torch, on all devices, from the run's seed, and return that."""
        random.seed(rng.make_key(self.seed, "python"))
        np.random.seed(rng.make_key(self.seed, "numpy") % 2**32)
        torch.manual_seed(rng.make_key(self.seed, "init") >> 1)
        return self.seed

    def generator(self, purpose: str = "order") -> torch.Generator:
        """Return a generator of its own, for a DataLoader: whatever else is drawn, its order
        stays."""
        return torch.Generator().manual_seed(rng.make_key(self.seed, purpose) >> 1)

    def watch(self, model: nn.Module) -> nn.Module:
        """Digest the weights as they are, and the first batches that the network trains on; return
        the network. At the end its dropout rates are read.

        Raises:
            TrialError: the network has trained already, or one is watched.
        """
        if self._schedule is not None and self._schedule.rates.of_steps:
            raise TrialError(
                "trial.watch(model) must come before the first optimizer step: it digests the "
                "initial weights"
            )
        if self._model is not None:
            raise TrialError(
                "trial.watch was called twice; put several networks into one nn.ModuleList"
            )
        self._model, self._init_digest = model, digest_weights(model)
        seen = 0

        def look(module: nn.Module, args: Any, kwargs: Any) -> None:
            nonlocal seen
            tensors = [x for x in (*args, *kwargs.values()) if isinstance(x, torch.Tensor)]
            if module.training and seen < _BATCHES and tensors:
                seen += 1
                self.saw(*tensors)

        model.register_forward_pre_hook(look, with_kwargs=True)
        return model

    def saw(self, *batch: Any) -> None:
        """Digest a batch, or its indices, where nobody calls the network that is watched."""
        self._order = self._order or hashlib.sha256()
        for each in batch:
            on_host = each.detach().cpu() if isinstance(each, torch.Tensor) else each
            if isinstance(on_host, torch.Tensor) and on_host.dtype == torch.bfloat16:
                on_host = on_host.float()  # which numpy has not
            values = np.ascontiguousarray(on_host)
            self._order.update(f"{values.dtype} {values.shape}".encode() + values.tobytes())

    def set_dropout(self, model: nn.Module) -> nn.Module:
        """Give every dropout layer of a network the run's rate, and return the network.

        Raises:
            TrialError: the sweep gives no dropout, or the network has no such layer.
        """
        layers = [layer for layer in model.modules() if isinstance(layer, _DropoutNd)]
        if self.dropout is None:
            raise TrialError("trial.set_dropout: the sweep file gives no dropout")
        if not layers:
            raise TrialError("trial.set_dropout: the network has no nn.Dropout")
        for layer in layers:
            layer.p = self.dropout
        return model

    def scheduler(self, optimizer: Optimizer, steps_per_epoch: int | None = None) -> TrialScheduler:
        """Return the run's scheduler on an optimizer.

        Args:
            optimizer: at least one of its parameter groups is at the base rate, `trial.lr`.
            steps_per_epoch: optimizer steps in an epoch; `step()` is then called after each of
                them, else once an epoch.

        Raises:
            TrialError: no group is at the base rate, the schedule goes by steps and their number is
                not given, or there is a scheduler already.
        """
        if self._schedule is not None:
            raise TrialError("trial.scheduler was called twice; a trial has one schedule")
        self._schedule = Schedule(self.run, optimizer, steps_per_epoch, self._monitored)
        return self._schedule.scheduler

    def _monitored(self, epoch: int, name: str) -> float | None:
        return self._measured.epochs.get((epoch, "val"), {}).get(name)

    # what is measured

    def log(
        self,
        epoch: int | None = None,
        split: str | None = None,
        loss: Any = None,
        accuracy: Any = None,
        **metrics: Any,
    ) -> None:
        """Keep what was measured after an epoch (from 1) on a split, or, without these, of the
        whole run. A loss that is not finite ends the run, unless it is of test data.

        Raises:
            TrialError: a value, epoch or split is none, or is there already.
            Diverged: the loss is not finite; let it pass.
        """
        given = {"loss": loss, "accuracy": accuracy, **metrics}
        values = self._measured.check(epoch, split, given)
        if split != "test" and not math.isfinite(values.get("loss", 0.0)):
            self.diverged()
        self._measured.add(epoch, split, values)
        if self._schedule is not None:
            self._schedule.scheduler.take_validation()
        if epoch is not None and split in ("val", "test"):
            self._tell(EpochDone(self.run, epoch, split, values.get("accuracy", math.nan)))

    def diverged(self, step: int | None = None) -> NoReturn:
        """End the run as diverged, at a step from 0; at the last one unless given.

        Raises:
            Diverged: always; let it pass.
        """
        taken = 0 if self._schedule is None else len(self._schedule.rates.of_steps)
        self._diverged_at = max(0, taken - 1) if step is None else step
        raise Diverged(f"diverged at step {self._diverged_at}")

    # the end

    def finish(self) -> Record:
        """Return the outcome of the loop, which has ended.

        Raises:
            TrialError: the loop did not do what a run takes.
        """
        if self._diverged_at is None:
            self._check_complete()
        evidence = Evidence(
            self._diverged_at,
            self._init_digest,
            None if self._order is None else self._order.hexdigest()[:16],
            self._read_dropout(),
            time.perf_counter() - self._started,
        )
        rates = None if self._schedule is None else self._schedule.rates
        self.record = record_trial(self.run, self._measured, rates, evidence, self.device)
        return self.record

    def fail(self, error: BaseException) -> Record:
        """Return the outcome of a loop that an error has ended."""
        self.record = record_failed(self.run, describe_error(error), NAME, self.device)
        return self.record

    def _check_complete(self) -> None:
        if self._schedule is None:
            raise TrialError(
                "the loop never asked for trial.scheduler(optimizer): its rates would not be the "
                "schedule's"
            )
        reached = self._measured.reached
        note = self._schedule.check_steps()
        if reached < self.epochs:
            raise TrialError(f"the loop ended after {reached} of {self.epochs} epochs logged")
        if note:
            self._tell(Note(note, once=True))
        else:
            self._schedule.check_rates()
        logged = self._measured.names()
        if self._compared and self._compared not in logged:
            raise TrialError(
                f"comparison.metric is {self._compared}; the loop logged {', '.join(logged)}"
            )

    def _read_dropout(self) -> float | None:
        modules = () if self._model is None else self._model.modules()
        rates = {layer.p for layer in modules if isinstance(layer, _DropoutNd)}
        return rates.pop() if len(rates) == 1 else None

    def __enter__(self) -> Trial:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Let a diverged run pass, and record an error as that of this run, so that a loop over
        trials goes on."""
        if isinstance(error, Exception) and not isinstance(error, Diverged):
            self.fail(error)
        return isinstance(error, Exception)
