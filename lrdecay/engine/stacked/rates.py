"""The learning rates of many runs, from torch's own schedulers, ahead of the steps they are for."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lrdecay.components import schedulers
from lrdecay.components.optimizers.build import build_still_optimizer
from lrdecay.core.run import Run


class Rates:
    """What the runs' schedulers say for each step, one epoch at a time.

    Each scheduler is torch's own object, on an optimizer with the run's arguments that never steps.
    Runs that must get the same rates share one: those of one scheduler, whatever their seed and
    dropout, unless it is steered by their own validation.
    """

    def __init__(self, runs: Sequence[Run], steps: int) -> None:
        """`steps` is the number of optimizer steps in an epoch."""
        schedules: dict[object, _Schedule] = {}
        self._of_run = []
        for run in runs:
            steered = schedulers.needs_validation(run.scheduler_class, run.scheduler_arguments)
            same = run.run_id if steered else run.schedule
            if same not in schedules:
                schedules[same] = _Schedule(run, steps)
            self._of_run.append(schedules[same])

    def next_epoch(self) -> tuple[Tensor, Tensor]:
        """Return learning rates and momenta of the coming epoch, each (steps, runs) in float64.

        A momentum is that of SGD or Adam's first beta, which OneCycleLR and CyclicLR cycle too.
        """
        for schedule in dict.fromkeys(self._of_run):
            schedule.walk_epoch()
        rates = torch.stack([schedule.rates for schedule in self._of_run], 1)
        momenta = torch.stack([schedule.momenta for schedule in self._of_run], 1)
        return rates, momenta

    def end_epoch(self, monitored: Sequence[float | None]) -> None:
        """Step the schedulers that are stepped every epoch, with each run's own validation loss, or
        accuracy where it monitors that."""
        stepped = set()
        for schedule, value in zip(self._of_run, monitored, strict=True):
            if schedule not in stepped:
                schedule.scheduler.after_epoch(value)
                stepped.add(schedule)

    def keep(self, places: Sequence[int]) -> None:
        """Go on with the runs at these places."""
        self._of_run = [self._of_run[place] for place in places]


class _Schedule:
    def __init__(self, run: Run, steps: int) -> None:
        self._optimizer = build_still_optimizer(run.lr, run.optimizer, run.optimizer_arguments)
        resolved = run.scheduler_arguments
        self.scheduler = schedulers.build_scheduler(run.scheduler_class, resolved, self._optimizer)
        self._steps = steps
        self.rates = torch.empty(steps, dtype=torch.float64)
        self.momenta = torch.empty(steps, dtype=torch.float64)

    def walk_epoch(self) -> None:
        """Take the steps of an epoch, at once where that gives the same."""
        self._optimizer.step()  # torch warns where a scheduler comes first
        rate, momentum = self._read()
        if self.scheduler.holds_rate:
            self.rates.fill_(rate)
            self.momenta.fill_(momentum)
            self.scheduler.after_step()
            return
        ahead = self.scheduler.take_steps(self._steps)
        if ahead is not None:
            self.rates = torch.tensor([rate, *ahead[:-1]], dtype=torch.float64)
            self.momenta.fill_(momentum)
            return
        read = []
        for _ in range(self._steps):
            read.append(self._read())
            self.scheduler.after_step()
        self.rates, self.momenta = torch.tensor(read, dtype=torch.float64).T

    def _read(self) -> tuple[float, float]:
        groups = self._optimizer.param_groups
        rate = float(schedulers.read_rate(groups))  # type: ignore[arg-type]  # complex: a TypeError
        return rate, schedulers.read_momentum(groups[0])
