"""An executor that trains nothing: it makes results up at once, and remembers for which runs."""

import math

import torch
from helpers.training import CPU, digits

from lrdecay.components import schedulers
from lrdecay.core.run import Run
from lrdecay.engine.measured import Epoch, Measured, Metrics
from lrdecay.engine.record import record_finished
from lrdecay.execution import grouping
from lrdecay.execution.grouping import Group, Plan
from lrdecay.execution.local.executor import Local
from lrdecay.store.schema import SPLITS, Record


def record(run: Run) -> Record:
    """Return made-up results of a run: its schedule, and losses that never improve."""
    steps = math.ceil((digits().train_count - run.validation) / run.batch_size)
    horizon = schedulers.Horizon.of(run.epochs, steps, run.lr)
    scheduler = run.scheduler_class, run.scheduler_arguments
    of_steps = schedulers.simulate_schedule(*scheduler, horizon).step_rates
    splits = [split for split in SPLITS if split != "val" or run.validation]
    epochs = [
        Epoch(
            number,
            of_steps[(number - 1) * steps : number * steps],
            {split: Metrics(1.0, 0.5 + index / 10) for index, split in enumerate(splits)},
        )
        for number in range(1, run.epochs + 1)
    ]
    right = torch.arange(len(digits().test_labels)) % 2 == 0
    digests = f"init {run.seed}", f"order {run.seed}"
    measured = Measured(epochs, None, run.dropout, *digests, right, 2.0, 1000, 1)
    return record_finished(run, measured, "reference", CPU)


class Training:
    """Stands in for `Local.train`; `runs` are those it was asked to train since `forget`."""

    def __init__(self, monkeypatch) -> None:
        self.runs: list[Run] = []
        monkeypatch.setattr(Local, "train", self._train)
        monkeypatch.setattr(grouping, "plan_groups", self._plan)

    def _plan(self, runs, *_) -> Plan:
        return Plan((Group("reference", tuple(runs)),) if runs else ())

    def _train(self, groups, setup, tell) -> None:
        for run in (run for group in groups for run in group.runs):
            self.runs.append(run)
            tell(record(run))

    def forget(self) -> None:
        self.runs.clear()
