"""A trial: one run of a sweep in the hands of a training loop of the user's own."""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import Optimizer

from lrdecay.components import rng
from lrdecay.components.models.build import digest_weights
from lrdecay.components.registry import describe_cause
from lrdecay.core.run import Run
from lrdecay.engine.record import record_failed
from lrdecay.execution.messages import EpochDone, Note, Tell
from lrdecay.execution.own.applied_rates import AppliedRates
from lrdecay.execution.own.errors import Diverged, TrialError
from lrdecay.execution.own.measurements import Measurements
from lrdecay.execution.own.outcome import Evidence, name_engine, record_trial
from lrdecay.execution.own.schedule import Schedule
from lrdecay.execution.own.trial_scheduler import TrialScheduler
from lrdecay.store.schema import Record

_BATCHES = 8
"""Training batches that are digested: enough to tell two orders apart."""
_OF_NUMPY = (torch.float16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Terms:
    """What a sweep holds every trial to: the metric that it compares, which each must log, and the
    optimizer steps in an epoch, where its file gives them."""

    compared: str = ""
    steps_per_epoch: int | None = None


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
        terms: Terms = Terms(),
    ) -> None:
        self.run, self.device = run, torch.device(device)
        self.seed, self.dropout, self.lr, self.epochs = run.seed, run.dropout, run.lr, run.epochs
        self.label, self.run_id = run.scheduler, run.run_id
        self.values: Mapping[str, Any] = json.loads(run.trainer_args or "{}")
        self.record: Record | None = None
        self._tell, self._terms = tell, terms
        self._measured = Measurements(run.epochs)
        self._schedule: Schedule | None = None
        self._model: nn.Module | None = None
        self._init_digest: str | None = None
        self._order: hashlib._Hash | None = None
        self._started = time.perf_counter()
        self._diverged = False
        self._diverged_at: int | None = None

    def __getitem__(self, name: str) -> Any:
        """Return one of the loop's own values.

        Raises:
            KeyError: there is none of that name.
        """
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
            values = _to_array(each)
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
                not given or not that of the sweep file, or there is a scheduler already.
        """
        if self._schedule is not None:
            raise TrialError("trial.scheduler was called twice; a trial has one schedule")
        foreseen = self._terms.steps_per_epoch
        if foreseen is not None and steps_per_epoch not in (None, foreseen):
            raise TrialError(
                f"steps_per_epoch is {steps_per_epoch} here and {foreseen} in the sweep file"
            )
        self._schedule = Schedule(self.run, optimizer, steps_per_epoch, self._monitored)
        return self._schedule.scheduler

    def _monitored(self, epoch: int, name: str) -> float | None:
        return self._measured.epochs.get((epoch, "val"), {}).get(name)

    # what is measured

    def log(
        self,
        /,
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
        before = self._measured.reached
        self._measured.add(epoch, split, values)
        if self._schedule is not None:
            self._schedule.scheduler.take_validation()
        if epoch is not None and epoch > before:
            self._tell(EpochDone(self.run, epoch, split, values.get("accuracy")))

    def diverged(self, step: int | None = None) -> NoReturn:
        """End the run as diverged, at a step from 0; at the last one unless given.

        Raises:
            Diverged: always; let it pass.
        """
        if step is None and self._schedule is not None:
            step = max(0, len(self._schedule.rates.of_steps) - 1)
        self._diverged, self._diverged_at = True, step
        raise Diverged("diverged" if step is None else f"diverged at step {step}")

    # the end

    def finish(self) -> Record:
        """Return the outcome of the loop, which has ended.

        Raises:
            TrialError: the loop did not do what a run takes.
        """
        if not self._diverged:
            self._check_complete()
        evidence = Evidence(
            "diverged" if self._diverged else "completed",
            self._diverged_at,
            *self._read_digests(),
            self._read_dropout(),
            time.perf_counter() - self._started,
        )
        rates = self._read_rates()
        self.record = record_trial(self.run, self._measured, rates, evidence, self.device)
        return self.record

    def fail(self, error: str, is_final: bool = False) -> Record:
        """Return the outcome of a loop that an error has ended; a final one is not tried again."""
        failed = record_failed(self.run, error, name_engine(self.run), self.device)
        self.record = replace(failed, is_final=is_final)
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
        cut_short = self._schedule.check_end()
        applied = self._read_dropout()
        if self.dropout is not None and applied not in (None, self.dropout):
            raise TrialError(
                f"the dropout layers of the network are at {applied:g}, and the run is of "
                f"{self.dropout:g}: give nn.Dropout(trial.dropout), or trial.set_dropout(model)"
            )
        for each in filter(None, (note, cut_short)):
            self._tell(Note(each, once=True))
        if not note:
            self._schedule.check_rates()
        self._measured.check_last(self._terms.compared, chooses=self.run.phase == "choose")

    def _read_digests(self) -> tuple[str | None, str | None]:
        """Return the digests of the initial weights and of the order of the data."""
        return self._init_digest, None if self._order is None else self._order.hexdigest()[:16]

    def _read_rates(self) -> AppliedRates | Mapping[int, float] | None:
        return None if self._schedule is None else self._schedule.rates

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
            assert trace is not None
            self.fail(describe_cause(error, trace.tb_frame.f_code.co_filename))
        return isinstance(error, Exception)


def _to_array(given: Any) -> np.ndarray:
    """Return a batch, or a part of one, as numpy has it: values, never where an object lies."""
    if isinstance(given, torch.Tensor):
        given = given.detach().cpu().to_dense().resolve_conj().resolve_neg()
        if given.is_floating_point() and given.dtype not in _OF_NUMPY:
            given = given.float()
    try:
        values = np.ascontiguousarray(given)
    except (TypeError, ValueError):
        values = None
    if values is None or values.dtype.hasobject:
        raise TrialError(
            f"trial.saw: give tensors, arrays or numbers, one after the other, not "
            f"{type(given).__name__}"
        )
    return values
