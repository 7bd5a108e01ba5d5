"""What a comparison was planned to be before it had results: kept from then on, whatever its sweep
file says later."""

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from lrdecay.analysis import lr_selection
from lrdecay.analysis.axes import compared, list_cells
from lrdecay.analysis.contrasts import count_primary, find_reference
from lrdecay.analysis.departures import find_first_plan, list_schedules
from lrdecay.analysis.looks import find_next_look, list_looks
from lrdecay.analysis.settings import read_criteria
from lrdecay.core.first_plan import LOST, FirstPlan
from lrdecay.core.text import join_words, spell_count
from lrdecay.store.layout import has_results, list_current
from lrdecay.store.reader import Plan, read_plan, read_plan_rows, read_runs
from lrdecay.store.writer import Store
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.matrix import Matrix


@dataclass(frozen=True)
class ReadOnlyStore:
    """A results folder that is only read, for whoever asks what was planned there."""

    folder: Path

    def has_compared(self) -> bool:
        """Return whether any run of a comparison has ended, asked for still or not."""
        both = self.folder, self.folder / "earlier"
        homes = [home for home in both if list_current(home, "runs")]
        return any(len(compared(read_runs(home, ["run_id", "status", "phase"]))) for home in homes)

    def read_plan(self) -> Plan | None:
        """Return what was asked for last, None where nothing was."""
        return read_plan(self.folder) if has_results(self.folder) else None

    def read_plan_rows(self) -> pd.DataFrame | None:
        """Return the runs that were asked for last; None where they are not known."""
        return read_plan_rows(self.folder)


def propose_first_plan(sweep: Sweep, matrix: Matrix | None) -> FirstPlan:
    """Return what a sweep plans, were it the first of its folder; without its matrix, which takes
    the data, the family is counted by the axes."""
    adding, comparison = sweep.adding, sweep.comparison
    cells = None if matrix is None else _tabulate_cells(matrix)
    return FirstPlan(
        first=len(sweep.seeds) if adding is None else adding.min,
        most=None if adding is None else adding.max,
        family=max(1, _count_family(sweep, cells)),
        metric=comparison.metric,
        reference=sweep.reference,
        schedules=() if cells is None else list_schedules(cells, sweep.reference),
        margin=comparison.margin,
        confidence=comparison.confidence,
        seeds=sweep.seeds,
    )


def settle_first_plan(store: Store | ReadOnlyStore, proposed: FirstPlan) -> FirstPlan:
    """Return the first plan of a results folder, given what its sweep file plans now.

    That is what is planned now as long as no run of the comparison has ended; from then on it is
    the one that is kept, and of it only the family and the list of seeds may grow.
    """
    if not store.has_compared():
        return proposed
    return _read_first_plan(store).cover(proposed.family).extend(proposed.seeds)


def _read_first_plan(store: Store | ReadOnlyStore) -> FirstPlan:
    """Return the first plan that is kept, else what an older lrdecay planned last."""
    kept = store.read_plan()
    if kept is None or not (kept.first_plan or kept.sweep_text):
        return FirstPlan()
    if kept.first_plan is not None:
        return kept.first_plan
    stated, planned = read_criteria(kept.sweep_text), store.read_plan_rows()
    first = find_first_plan(None, stated)
    if planned is None or (planned["phase"] != "compare").all():
        return first
    planned = compared(planned)
    reference = stated.reference or find_reference(list_cells(planned))
    seeds = tuple(planned["seed"].unique().tolist())
    return first.cover(count_primary(planned, reference)).extend(seeds)


def describe_first_plan(plan: FirstPlan, proposed: FirstPlan) -> list[str]:
    """Return a line on when verdicts are made, if what is planned now is not what was first."""
    if plan.lost:
        return [f"{LOST}: no verdict of this comparison counts as planned any more"]
    if (plan.first, plan.most) == (proposed.first, proposed.most):
        return []
    planned = spell_count(plan.first, "seed")
    planned += f", and up to {plan.most}" if plan.adds_seeds else ""
    there = proposed.most or proposed.first
    looks = [look.n for look in list_looks(plan.first, plan.most, there)]
    text = f"this comparison was first planned at {planned}, so its verdicts "
    following = find_next_look(plan.first, plan.most, there).n
    if not looks:
        return [f"{text}begin at {following} seeds"]
    text += f"are made at {join_words(looks)} seeds"
    if there not in looks:
        text += f"; seeds beyond {looks[-1]} count in verdicts from {following} on"
    return [text]


def _tabulate_cells(matrix: Matrix) -> pd.DataFrame:
    cells = matrix.compared(lr_selection.list_first_rates(matrix.cells))
    return pd.DataFrame(map(asdict, cells))


def _count_family(sweep: Sweep, cells: pd.DataFrame | None) -> int:
    if cells is None:
        return sweep.cells - sweep.cells // len(sweep.schedulers)
    return count_primary(cells, sweep.reference)
