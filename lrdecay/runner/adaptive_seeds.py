"""Seeds that are added until the comparison is decided: tables so far -> seeds of each cell.

All cells begin with the same seeds. After each round those whose difference from the reference is
still open get seeds up to the next look, as does the reference, until each difference has a verdict
or there is no look within the budget of seeds.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import pandas as pd

from lrdecay.analysis import Comparison, Criteria, SeedsUntil, conclude, open_questions
from lrdecay.analysis.axes import has_dropout, list_strata
from lrdecay.analysis.looks import find_next_look
from lrdecay.analysis.metrics import Metric
from lrdecay.core.first_plan import FirstPlan
from lrdecay.core.run import Run
from lrdecay.core.text import spell_count


@dataclass(frozen=True)
class SeedRound:
    """A round that has ended: how many seeds the cells that had most of them had, and what was open
    after it, names of differences."""

    seeds: int
    still_open: tuple[str, ...]


@dataclass(frozen=True)
class SeedPlan:
    """How many seeds each cell has, those with the widest interval first; and each round that has
    ended."""

    counts: dict[Run, int]
    rounds: tuple[SeedRound, ...]
    contrasts: int
    over: bool
    """Whether no more seeds will be added."""


def plan_seeds(
    cells: Sequence[Run],
    seeds: Sequence[int],
    adding: SeedsUntil,
    comparison: Comparison,
    reference: str,
    first_plan: FirstPlan,
    ended: pd.DataFrame,
    epochs: pd.DataFrame | None = None,
    declared: tuple[Metric, ...] = (),
) -> SeedPlan:
    """Return how many of the seeds each cell is to have so far.

    It goes by the runs of each round alone, one round after the other, so that the answer is the
    same however often the sweep was interrupted, and whatever else there is.

    Args:
        cells: what is compared, each as a run of seed 0.
        seeds: all that there may be.
        adding: how many of them there are at first and at most.
        comparison: what is to be decided.
        reference: the label of the scheduler that the others are compared with.
        first_plan: what the looks rest on.
        ended: rows of the runs table; those that are not asked for do not count.
        epochs: their rows of the epochs table, where the metric needs them.
        declared: metrics of the user's own.
    """
    asked_for = {**dict(comparison), "reference": reference}
    criteria = Criteria(**asked_for, budget=adding.max, declared=declared)
    counts = dict.fromkeys(cells, adding.min)
    rounds: list[SeedRound] = []
    contrasts = 0
    if all(cell.scheduler != reference for cell in cells):  # no base rate could be chosen for it
        return SeedPlan(counts, (), contrasts, over=True)
    known = set(ended["run_id"])
    while True:
        asked = _planned(counts, seeds)
        if not set(asked["run_id"]) <= known:
            return SeedPlan(counts, tuple(rounds), contrasts, over=False)
        own = ended[ended["run_id"].isin(asked["run_id"])]
        table = conclude(own, epochs, criteria, planned=asked, first_plan=first_plan).brief
        contrasts = len(table)
        still_open = open_questions(table)
        names = tuple(_name(row) for row in still_open.to_dict("records"))
        rounds.append(SeedRound(max(counts.values()), names))
        looks = {
            cell: find_next_look(first_plan.first, first_plan.most, counts[cell]).n
            for cell in _cells_of(still_open, cells)
        }
        grown = {cell: look for cell, look in looks.items() if look <= adding.max}
        if not grown:
            return SeedPlan(counts, tuple(rounds), contrasts, over=True)
        counts = grown | {cell: n for cell, n in counts.items() if cell not in grown}


def describe_rounds(added: SeedPlan) -> list[str]:
    """Return a line for each round that has ended: what it left open, and what follows."""
    lines = []
    of_all = spell_count(added.contrasts, "difference")
    for number, each_round in enumerate(added.rounds):
        still_open, after = each_round.still_open, f"after {each_round.seeds} seeds"
        if not still_open:
            each = "the difference" if added.contrasts == 1 else f"each of {of_all}"
            lines.append(f"{after}: {each} is resolved")
            continue
        listed = "; ".join(still_open[:3]) + ("; ..." if len(still_open) > 3 else "")
        what = f"{after}: {len(still_open)} of {of_all} open ({listed})"
        last = number == len(added.rounds) - 1 and added.over
        lines.append(f"{what}; {'no more seeds are allowed' if last else 'more seeds for these'}")
    return lines


def _planned(counts: dict[Run, int], seeds: Sequence[int]) -> pd.DataFrame:
    runs = [replace(cell, seed=seed) for cell, n in counts.items() for seed in seeds[:n]]
    rows = pd.DataFrame([{"run_id": run.run_id, **asdict(run)} for run in runs])
    # a network's own rates are null, as in the tables
    return rows.astype({"dropout": "float64"}) if runs else rows


def _cells_of(still_open: pd.DataFrame, cells: Iterable[Run]) -> list[Run]:
    """Return the cells that these differences are between, in their order."""
    axes = list_strata(still_open)
    by_values = {
        (*(getattr(cell, axis) for axis in axes), cell.scheduler, cell.dropout): cell
        for cell in cells
    }
    found: dict[Run, None] = {}
    for row in still_open.to_dict("records"):
        stratum = tuple(row[axis] for axis in axes)
        for label in (row["scheduler"], row["versus_scheduler"]):
            dropout = row["dropout"] if has_dropout(row) else None
            found[by_values[(*stratum, label, dropout)]] = None
    return list(found)


def _name(row: Mapping[Hashable, object]) -> str:
    pair = f"{row['scheduler']} against {row['versus_scheduler']}"
    return f"{pair} at {row['where']}" if row["where"] else pair
