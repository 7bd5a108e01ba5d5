"""Runs that ended before the sweep file asked for a metric, and so lack it.

They do not train again: what a run is does not depend on what is measured, and on a GPU its numbers
would not be the same to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay.core.errors import InputError
from lrdecay.core.text import join_words, spell_count
from lrdecay.runner.agenda import Agenda
from lrdecay.store.writer import Store
from lrdecay.sweep.config import Sweep

_HELP = (
    "Runs that have ended do not train again for it; --results DIR, or another name in the file, "
    "starts again elsewhere, where all runs have it"
)


def describe_lacking_metrics(store: Store, agenda: Agenda, sweep: Sweep) -> Iterator[str]:
    """Yield a line if completed runs of the comparison lack metrics that lrdecay's own training is
    asked for.

    Raises:
        InputError: they lack the one that is compared.
    """
    if not sweep.class_metrics:
        return
    measured = store.find_metrics([run for run in agenda.runs if run.phase == "compare"])
    lacking = {
        name: count
        for name in sweep.class_metrics
        if (count := sum(name not in names for names in measured.values()))
    }
    compared = sweep.comparison.metric
    for name, count in lacking.items():
        if compared in (f"test_{name}", f"val_{name}"):
            raise InputError(
                f"{store.folder}: {spell_count(count, 'run')} of this sweep ended before its file "
                f"asked for {name}, so that the comparison by {compared} would lack them. {_HELP}"
            )
    if lacking:
        named, count = join_words(list(lacking)), max(lacking.values())
        yield (
            f"{spell_count(count, 'run')} of this sweep ended before its file asked for {named}, "
            f"and {'has' if count == 1 else 'have'} none. {_HELP}"
        )
