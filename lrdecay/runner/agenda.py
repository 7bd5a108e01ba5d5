"""What a sweep asks for, given what has ended: a pure function of the sweep and its tables.

Where base rates are to be chosen, the trials come first; where seeds are added until the comparison
is decided, a few come first. With their results what the sweep asks for grows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from lrdecay.analysis import lr_selection
from lrdecay.analysis.metrics import find_metric, with_metrics
from lrdecay.core.first_plan import FirstPlan
from lrdecay.core.run import Run
from lrdecay.runner import adaptive_seeds
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.matrix import Matrix

Outcomes = Callable[[Sequence[Run], str], pd.DataFrame]
"""Returns the rows of those of the given runs that are in a table: runs, epochs or metrics."""


@dataclass(frozen=True)
class Agenda:
    """What a sweep asks for, as far as the finished runs determine it.

    `runs` are in the order of the tables, and `pending` those without a result. `whole` has all
    that there will be: cells whose base rate is still to be chosen are in it at one of the grid.
    `rates` are those chosen so far, None where none could be. `elsewhere` are those that are
    left to other shards.
    """

    runs: list[Run]
    pending: list[Run]
    whole: list[Run]
    rates: dict[lr_selection.CellKey, float | None]
    added: adaptive_seeds.SeedPlan | None = None
    elsewhere: Collection[Run] = ()

    @property
    def grows(self) -> bool:
        """Whether more may be asked for once what is asked for now has ended."""
        return len(self.whole) > len(self.runs) or (self.added is not None and not self.added.over)

    def here(self, runs: Sequence[Run]) -> list[Run]:
        """Return those runs that are not left to others."""
        elsewhere = set(self.elsewhere)
        return [run for run in runs if run not in elsewhere] if elsewhere else list(runs)

    def at_seeds(self, seeds: Collection[int]) -> Agenda:
        """Return the runs of the comparison at some seeds, as if nothing had ended."""
        runs = [run for run in self.runs if run.phase == "compare" and run.seed in seeds]
        return Agenda(runs, runs, runs, {})

    def without(self, done: Collection[str]) -> Agenda:
        """Return the same, with what is `done` no longer pending."""
        return replace(self, pending=list_pending(self.runs, done))

    def share(self, mine: Callable[[Run], bool], done: Collection[str]) -> Agenda:
        """Return the same, of which only one part is to train here."""
        runs = (*self.runs, *self.whole)
        return replace(
            self,
            pending=[run for run in self.pending if mine(run)],
            elsewhere={run for run in runs if run.run_id not in done and not mine(run)},
        )

    @property
    def planned(self) -> int:
        """How many runs the comparison is to have."""
        return sum(run.phase == "compare" for run in self.whole)


def build_agenda(
    sweep: Sweep,
    matrix: Matrix,
    first_plan: FirstPlan,
    outcomes: Outcomes,
    done: Collection[str],
) -> Agenda:
    """Return what a sweep asks for, given its folder's first plan and the outcomes of its runs.

    `done` are the ids of runs that are not to train (again); a run that is not among them has not
    ended, whatever its outcome was.
    """

    def ended(runs: Sequence[Run], name: str = "runs") -> pd.DataFrame:
        return outcomes([run for run in runs if run.run_id in done], name)

    trials = matrix.trials()
    rates = lr_selection.select_lr(trials, ended(trials))
    rates_of_all = {**lr_selection.list_first_rates(matrix.cells), **rates}
    added, counts = None, None
    if sweep.adding is not None:
        counts = dict.fromkeys(matrix.compared(rates_of_all), sweep.adding.min)
        if rates.keys() == rates_of_all.keys():  # else some differences are still missing
            candidates = matrix.comparison(rates)
            of_candidates = ended(candidates)
            if sweep.declared:
                metrics = ended(candidates, "metrics")
                of_candidates = with_metrics(of_candidates, metrics, sweep.declared)
            with_epochs = find_metric(sweep.comparison.metric, sweep.declared).needs_epochs
            added = adaptive_seeds.plan_seeds(
                matrix.compared(rates),
                matrix.seeds,
                sweep.adding,
                sweep.comparison,
                sweep.reference,
                first_plan,
                of_candidates,
                ended(candidates, "epochs") if with_epochs else None,
                sweep.declared,
            )
            counts = added.counts
    runs = [*trials, *matrix.comparison(rates, counts)]
    whole = [*trials, *matrix.comparison(rates_of_all, counts)]
    return Agenda(runs, list_pending(runs, done), whole, rates, added)


def list_pending(runs: Sequence[Run], done: Collection[str]) -> list[Run]:
    """Return what is to train next: the runs that have no result yet, in order."""
    return [run for run in runs if run.run_id not in done]


@dataclass(frozen=True)
class AgendaSource:
    """Asks for the runs of a sweep. If `mine` is given, only the runs that it accepts train here;
    if `repeated` is given, its runs train once more instead."""

    sweep: Sweep
    matrix: Matrix
    first_plan: FirstPlan
    mine: Callable[[Run], bool] | None = None
    repeated: Agenda | None = None

    def build(self, outcomes: Outcomes, done: Collection[str]) -> Agenda:
        """Return what is asked for; see `build_agenda`."""
        if self.repeated is not None:
            return self.repeated.without(done)
        agenda = build_agenda(self.sweep, self.matrix, self.first_plan, outcomes, done)
        return agenda if self.mine is None else agenda.share(self.mine, done)

    def describe(self, agenda: Agenda) -> list[str]:
        """Return a line for each base rate chosen, and for each round of seeds that ended."""
        lines = lr_selection.describe_rates(self.matrix.cells, agenda.rates)
        if agenda.added is not None:
            lines += adaptive_seeds.describe_rounds(agenda.added)
        return lines
