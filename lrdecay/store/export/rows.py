"""A run as other programs store it: what was asked for, how it ended, and its curves."""

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pandas as pd

from lrdecay.core.text import format_dropout
from lrdecay.store.columns import FOREIGN
from lrdecay.store.export.base import Tables
from lrdecay.store.schema import PLAN

OUTCOMES = (
    *("val_loss", "val_accuracy", "test_loss", "test_accuracy"),
    *("best_epoch", "best_val_loss", "best_val_accuracy"),
    *("best_test_loss", "best_test_accuracy"),
    *("epochs_to_target", "lr_changes", "applied_dropout", "seconds", "samples_per_second"),
)
"""The columns of runs that are numbers known when a run has ended."""
MADE_BY = (
    *("status", "error", "init_digest", "order_digest", "engine", "device"),
    *("torch_version", "python_version", "lrdecay_version", "git_commit"),
)
"""The columns that say how it ended and what made it."""

_PARAMETERS = [name for name in PLAN.names if name != "run_id"]
_CURVES = ("epoch", "split", "loss", "accuracy", "learning_rate")
_METRICS = ("epoch", "split", "metric", "value")
_AT_ONCE = 1000
_NOT_IN_NAMES = set('%/\\:*?"<>|')
"""Characters that some file system does not have in names, and the one that escapes them."""
_LONGEST = 150  # bytes of a label; a name has 255 at most


@dataclass(frozen=True)
class Run:
    """One run; what it does not have is left out. `name` is fit for a folder and unlike all others.

    `curves` has, for each epoch, the numbers by their names: loss/SPLIT, accuracy/SPLIT,
    learning_rate, and METRIC/SPLIT of the user's own. Those of the whole run are in `outcomes`.
    Formats need the time at which it `finished`: 1970 where that is not known.
    """

    id: str
    name: str
    parameters: dict[str, Any]
    outcomes: dict[str, float]
    made_by: dict[str, str]
    curves: dict[int, dict[str, float]]
    finished: pd.Timestamp
    seconds: float

    @property
    def completed(self) -> bool:
        """Whether it trained to its end."""
        return self.made_by["status"] == "completed"


def list_exported(tables: Tables) -> Iterator[Run]:
    """Give the runs one by one, in the order of the table, trials of base rates included."""
    epochs = _Rows(tables.epochs, _CURVES)
    metrics = _Rows(tables.metrics, _METRICS)
    for start in range(0, len(tables.runs), _AT_ONCE):
        for row in tables.runs.iloc[start : start + _AT_ONCE].to_dict("records"):
            yield _run(row, epochs.of(row["run_id"]), [*metrics.of(row["run_id"])])


class _Rows:
    """The rows of each run in some columns of a table."""

    def __init__(self, table: pd.DataFrame, names: Iterable[str]) -> None:
        self._places = table.groupby("run_id", sort=False).indices
        self._columns = [table[name].to_numpy() for name in names]

    def of(self, run: str) -> Iterator[tuple[Any, ...]]:
        own = self._places.get(run, [])
        return zip(*(column[own] for column in self._columns), strict=True)


def _run(
    row: Mapping[Hashable, Any],
    epochs: Iterable[tuple[Any, ...]],
    metrics: Iterable[tuple[Any, ...]],
) -> Run:
    outcomes = {name: float(value) for name, value in _known(row, OUTCOMES).items()}
    curves = _by_epoch(epochs, measures_all=row["engine"] not in FOREIGN)
    for epoch, split, metric, value in metrics:
        name = metric if pd.isna(split) else f"{metric}/{split}"
        numbers = outcomes if pd.isna(epoch) else curves.setdefault(int(epoch), {})
        numbers[name] = float(value)
    finished = row["finished_at"]
    return Run(
        row["run_id"],
        _name(row),
        _known(row, _PARAMETERS),
        outcomes,
        {name: str(value) for name, value in _known(row, MADE_BY).items()},
        curves,
        pd.Timestamp(0, tz="UTC") if pd.isna(finished) else finished,
        outcomes.get("seconds", 0.0),
    )


def _known(row: Mapping[Hashable, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if pd.notna(row[name])}


def _name(row: Mapping[Hashable, Any]) -> str:
    """Return scheduler, dropout, seed and identity."""
    label = spell_name(row["scheduler"])
    phase = "trial-" if row["phase"] == "choose" else ""
    dropout = format_dropout(row["dropout"]).replace(" ", "")
    parts = f"{phase}{label}", dropout, f"seed{row['seed']}", row["run_id"]
    return "-".join(part for part in parts if part)


def spell_name(label: str) -> str:
    """Return a label, which may hold any character, as part of a name of a file; labels that differ
    stay apart.

    >>> spell_name("step, halved"), spell_name("a/b"), spell_name("..")
    ('step, halved', 'a%2Fb', '%2E.')
    """
    spelled = "".join(
        c if c.isprintable() and c not in _NOT_IN_NAMES else quote(c, safe="") for c in label
    )
    if spelled.startswith("."):
        spelled = f"%2E{spelled[1:]}"
    if len(spelled.encode()) <= _LONGEST:
        return spelled
    digest = hashlib.sha256(label.encode()).hexdigest()[:8]
    return f"{spelled.encode()[:_LONGEST].decode(errors='ignore')}~{digest}"


def _by_epoch(rows: Iterable[tuple[Any, ...]], measures_all: bool) -> dict[int, dict[str, float]]:
    """Return the numbers of each epoch: NaN is one, unless the loop need not measure all."""
    found: dict[int, dict[str, float]] = {}
    for epoch, split, loss, accuracy, rate in rows:
        numbers = found.setdefault(int(epoch), {})
        values = {"learning_rate": rate, f"loss/{split}": loss, f"accuracy/{split}": accuracy}
        numbers |= {
            name: float(value) for name, value in values.items() if measures_all or pd.notna(value)
        }
    return found
