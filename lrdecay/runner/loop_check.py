"""Mistakes in a loop of the user's own that its first results show, long before the last run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from lrdecay.components.trainers.signature import COMMAND
from lrdecay.core.run import Run
from lrdecay.runner.run_names import name_run
from lrdecay.store.schema import AXES, Record, list_rows
from lrdecay.store.writer import Store

FAILED_ALIKE = 3
"""Runs that fail with one error, and none completed: no other run would do better."""

_STRATUM = [axis for axis in AXES if axis not in ("scheduler", "dropout", "lr")]
_UNLIKE = {"init_digest": "began with different weights", "order_digest": "saw different batches"}
_REMEDIES = {
    "init_digest": "build the same layers in the same order right after trial.seed_everything()",
    "order_digest": "give the DataLoader generator=trial.generator(), or draw the order from it",
}


class LoopCheck:
    """Looks at the runs of one sweep as they end; those that lrdecay's own loop trained pass."""

    def __init__(self) -> None:
        self._completed = False
        self._failed: defaultdict[str, set[str]] = defaultdict(set)  # by error, the runs' ids
        self._first: dict[tuple[object, ...], Mapping[str, object]] = {}
        self._warned: set[str] = set()

    def add_earlier(self, store: Store, runs: Sequence[Run]) -> list[str]:
        """Take what a folder has of the runs already, and return warnings; those that failed are
        tried again, perhaps by a loop that is mended."""
        own = [run for run in runs if run.trainer is not None]
        rows = list_rows(store.outcomes(own)) if own else []
        ended = [Record(row, []) for row in rows if row["status"] != "failed"]
        return [text for record in ended for text in self.add(record)]

    def add(self, record: Record) -> list[str]:
        """Take a run, and return warnings: of the first two of one stratum and seed that are no
        pair, since they did not begin with the same weights or see the same batches."""
        row = record.run
        if row["trainer"] is None:
            return []
        if row["status"] == "failed":
            self._failed[str(row["error"])].add(str(row["run_id"]))
        if row["status"] != "completed":
            return []
        self._completed = True
        return self._find_unlike(row) if row["phase"] == "compare" else []

    def find_common_error(self) -> str | None:
        """Return the error that `FAILED_ALIKE` runs or more have failed with, if none has
        completed."""
        alike = (error for error, runs in self._failed.items() if len(runs) >= FAILED_ALIKE)
        return None if self._completed else next(alike, None)

    def _find_unlike(self, row: Mapping[str, object]) -> list[str]:
        # a base rate that was chosen is no axis: it comes with its scheduler
        rate = row["lr"] if row["lr_chosen_per"] is None else None
        place = (*(row[axis] for axis in _STRATUM), rate, row["seed"])
        warnings = []
        for name, unlike in _UNLIKE.items():
            if row[name] is None or name in self._warned:
                continue
            first = self._first.setdefault((name, *place), row)
            if first[name] != row[name]:
                self._warned.add(name)
                by_program = row["trainer"] == COMMAND
                remedy = "let them depend on {seed} alone" if by_program else _REMEDIES[name]
                warnings.append(
                    f"warning: the runs {name_run(first)} and {name_run(row)} {unlike}, so they "
                    f"are no pair: {remedy}"
                )
        return warnings
