"""Why a contrast is not evaluated, in words."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from lrdecay.analysis.pairing import NOT_PAIRED
from lrdecay.analysis.seed_blocks import DIGESTS
from lrdecay.core.first_plan import FirstPlan
from lrdecay.core.text import spell_count, spell_each

Row = Mapping[Hashable, Any]
"""A row of a table of verdicts."""


def list_reasons(row: Row, plan: FirstPlan) -> Iterator[str]:
    """Yield why a contrast is not evaluated; too few seeds are a reason where there is no other."""
    there = min(row["n_a"], row["n_b"]) if row["pairing"] == NOT_PAIRED else row["n"]
    yield from list(_faults(row)) or [_count_seeds(there, row["next_look"], plan)]


def _count_seeds(there: int, look: int, plan: FirstPlan) -> str:
    """Return what is there of the seeds that the first verdict needs."""
    if there >= look:
        return f"not all of the first {look} seeds are there yet"
    is_are = "is" if there == 1 else "are"
    if look != plan.first:
        return f"{spell_count(there, 'seed')} {is_are} there, and verdicts begin at {look}"
    return f"{there} of the planned {look} seeds {is_are} there"


def _faults(row: Row) -> Iterator[str]:
    """What no further seed can fix; what diverged is a finding, so it comes first."""
    asked = spell_count(row["n_asked"], "seed")
    for side in ("a", "b"):
        if diverged := row[f"n_diverged_{side}"]:
            name = row[side] if row["family"] != "interaction" else _mixed(row, side)
            yield f"{diverged} of {asked} diverged for {name}"
    for count, one, several in (
        ("n_failed", "ended with an error", "ended with an error"),
        ("n_missing", "lacks a run", "lack a run"),
        ("n_without", "has a run without the metric", "have a run without the metric"),
    ):
        if row[count] and not (count == "n_missing" and row.get("one_sided")):
            # of runs that are all imported there is no plan
            hint = count == "n_missing" and "one_sided" not in row
            plan = " (planned= tells which were asked for)" if hint else ""
            yield f"{row[count]} of {asked} {one if row[count] == 1 else several}{plan}"
    if unknown := row["n_unknown"]:
        have, they = ("has", "it") if unknown == 1 else ("have", "they")
        runs = spell_count(unknown, "run")
        yield f"{runs} {have} no value, and whether {they} diverged is not known"
    if row["n_missing"] and row.get("one_sided"):
        seeds, are = ("seeds", "are") if row["n_missing"] > 1 else ("seed", "is")
        both = "not there for both schedulers at"
        mixed = {"average": f"{both} each dropout", "interaction": f"{both} both dropouts"}
        only = mixed.get(row["family"], "there for one side only")
        yield f"{seeds} {row['one_sided']} {are} {only}"
    for name, what in DIGESTS.items():
        if row[f"n_unlike_{name}"] and row["pairing"] == NOT_PAIRED:
            yield f"the {what} differ between the runs"
            continue
        if unlike := row[f"n_unlike_{name}"] - row[f"n_lacking_{name}"]:
            yield f"the {what} differ at {spell_count(unlike, 'seed')}: these are no pairs"
        if lacking := row[f"n_lacking_{name}"]:
            seeds = spell_count(lacking, "seed")
            yield f"the {what} are not recorded at {seeds}: whether these are pairs is not known"
    if row["n_same"]:
        same = spell_each(row["n_same"], "seed")
        yield f"dropout changed nothing: the runs are the same to the bit at {same}"
    if row["n_one_schedule"]:
        yield (
            f"{row['a']} and {row['b']} had the same learning rate in every step of every run, and "
            f"the same outcome: here they are one schedule under two names"
        )


def _mixed(row: Row, side: str) -> str:
    """The two cells of a side of an interaction."""
    a, b = (row["a"], row["b"]) if side == "a" else (row["b"], row["a"])
    return f"{a} at dropout {row['dropout']:g} or {b} at dropout {row['versus_dropout']:g}"
