"""Whether runs had the learning rates that their schedulers gave as the sweep was planned.

A plug-in's scheduler may rest on what is neither the step nor the training: the process, the hour,
the machine, a number drawn as its file is loaded. Within one process it looks like a function of
the step, and its runs would be compared that trained at rates of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from lrdecay.components import registry, schedulers
from lrdecay.core.errors import InputError
from lrdecay.core.run import Run
from lrdecay.core.text import spell_count
from lrdecay.engine.rate_check import simulate_meant
from lrdecay.engine.record import digest_rates, to_failed
from lrdecay.store.schema import Record
from lrdecay.store.writer import Store

_WHY = (
    "its rates rest on something beside the step, such as the process, the time or the machine; "
    "make them a function of the step"
)


class PlannedRates:
    """The digests of the rates of plug-ins' schedulers that are functions of the step, each as it
    is in this process when `add` first sees a run of it."""

    def __init__(self, train_images: int) -> None:
        """`train_images` is how many a run trains on; 0 in a loop of the user's own."""
        self._images = train_images
        self._by_schedule: dict[object, str | None] = {}
        self._by_run: dict[str, str] = {}

    def add(self, runs: Iterable[Run]) -> None:
        """Find the rates of runs, of which several may have one schedule; a trial of a loop of the
        user's own checks them itself."""
        for run in runs:
            if run.plugins == "{}" or run.trainer is not None:
                continue
            schedule = (*run.schedule, run.epochs, run.batch_size)
            if schedule not in self._by_schedule:
                self._by_schedule[schedule] = self._find_digest(run) if _is_doubtful(run) else None
            if (digest := self._by_schedule[schedule]) is not None:
                self._by_run[run.run_id] = digest

    def check(self, record: Record) -> Record:
        """Return the record of a run that has ended, as failed if its rates were others."""
        row = record.run
        if self._agrees(str(row["run_id"]), row["rates_digest"]):
            return record
        return to_failed(
            record,
            f"the learning rates of {row['scheduler_class']} were not those of the plan: {_WHY}",
        )

    def check_store(self, store: Store, runs: Sequence[Run]) -> None:
        """Raise `InputError` if runs that are in a store had other rates."""
        doubtful = {run.run_id: run for run in runs if run.run_id in self._by_run}
        applied = store.find_rates(list(doubtful.values())) if doubtful else {}
        others = [name for name, digest in applied.items() if not self._agrees(name, digest)]
        if others:
            first = doubtful[others[0]]
            raise InputError(
                f"{store.folder}: {spell_count(len(others), 'run')} of {first.scheduler} trained "
                f"at other learning rates than {first.scheduler_class} gives now: {_WHY}, and "
                f"start again with --results DIR"
            )

    def _agrees(self, run: str, digest: object) -> bool:
        """Whether a digest is that of the plan, if both are known."""
        return digest is None or self._by_run.get(run, digest) == digest

    def _find_digest(self, run: Run) -> str:
        steps = math.ceil(self._images / run.batch_size)
        rates = simulate_meant(run.schedule, run.epochs, steps).step_rates
        return digest_rates(rates[at : at + steps] for at in range(0, len(rates), steps))


def _is_doubtful(run: Run) -> bool:
    """Whether a plug-in says what rates a run has, and nothing of its training."""
    scheduler = run.scheduler_class, run.scheduler_arguments
    given = any(registry.find_plugin("scheduler", n) for n, _ in schedulers.walk_tree(*scheduler))
    steered = schedulers.list_needs(*scheduler) or schedulers.needs_validation(*scheduler)
    return given and not steered
