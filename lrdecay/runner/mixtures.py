"""Results that would be compared though different devices, versions or engines made them."""

from __future__ import annotations

from collections import Counter

from lrdecay.core.errors import InputError
from lrdecay.core.text import spell_count
from lrdecay.engine.stacked.kinds import find_kinds
from lrdecay.execution.grouping import Plan
from lrdecay.runner.agenda import Agenda
from lrdecay.store.writer import Store


def refuse_mixture(store: Store, agenda: Agenda, ours: tuple[str, ...]) -> None:
    """Raise `InputError` if the comparison would have runs of several devices or torch versions."""
    waiting = {run.run_id for run in agenda.pending}
    made_with = store.made_with([run for run in agenda.runs if run.run_id not in waiting])
    if len({*made_with, *([ours] if waiting else [])}) > 1:
        counts = made_with.items()
        there = " and ".join(f"{n} with torch {torch} on {name}" for (name, torch), n in counts)
        raise InputError(
            f"{store.folder}: of the runs that this sweep asks for there are {there}; "
            f"here is torch {ours[1]} on {ours[0]}. Such numbers are not compared unless you ask "
            f"for it: --allow-mixed goes on, and the report says so; --results DIR starts "
            f"again elsewhere"
        )


def refuse_engines(store: Store, agenda: Agenda, plan: Plan) -> None:
    """Raise `InputError` if runs of one kind would be compared that two engines trained."""
    kinds = find_kinds([group.runs[0] for group in plan.groups])
    now = dict(zip(kinds, (group.engine for group in plan.groups), strict=True))
    waiting = {run.run_id for run in agenda.pending}
    engines = store.find_engines([run for run in agenda.runs if run.run_id not in waiting])
    there = [run for run in agenda.runs if run.run_id in engines]
    differ = Counter(
        (engines[run.run_id], ours)
        for run, kind in zip(there, find_kinds(there), strict=True)
        if (ours := now.get(kind)) not in (None, engines[run.run_id])
    )
    for (theirs, ours), count in differ.most_common(1):
        raise InputError(
            f"{store.folder}: {spell_count(count, 'run')} of this sweep trained on the {theirs} "
            f"engine, and those like them would train on the {ours} one now: their numbers agree "
            f"but for rounding, which training magnifies. --engine {theirs} goes on as before; "
            f"--allow-mixed mixes them, and the report names both"
        )
