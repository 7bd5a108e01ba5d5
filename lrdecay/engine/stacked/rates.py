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
        self._by_steps = schedulers.find_clock(run.scheduler_class, resolved) == "step"
        self.rates = torch.empty(steps, dtype=torch.float64)
        self.momenta = torch.empty(steps, dtype=torch.float64)

    def walk_epoch(self) -> None:
        groups = self._optimizer.param_groups
        self._optimizer.step()  # torch warns where a scheduler comes first
        if not self._by_steps:
            self.rates.fill_(_read_rate(groups))
            self.momenta.fill_(schedulers.read_momentum(groups[0]))
            self.scheduler.after_step()
            return
        for step in range(len(self.rates)):
            self.rates[step] = _read_rate(groups)
            self.momenta[step] = schedulers.read_momentum(groups[0])
            self.scheduler.after_step()


def _read_rate(groups: schedulers.Groups) -> float:
    return float(schedulers.read_rate(groups))  # type: ignore[arg-type]  # complex: a TypeError
