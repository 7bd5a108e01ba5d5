"""Results that are there already, to `Imported`: by which columns, and as what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version

import pandas as pd

from lrdecay.analysis.metrics import Metric
from lrdecay.analysis.settings import describe_imported
from lrdecay.report.imported import Imported
from lrdecay.store.importing.columns import Columns, Duplicates
from lrdecay.store.importing.frame import read_frame
from lrdecay.store.importing.rows import make_epochs, make_metrics, make_runs
from lrdecay.store.importing.save import Origin
from lrdecay.store.importing.source import digest_frame
from lrdecay.store.importing.units import ImportedMetric


def from_frame(
    df: pd.DataFrame,
    *,
    scheduler: str,
    seed: str,
    metric: str | Sequence[str] | Mapping[str, str],
    dropout: str | float | None = None,
    axes: Sequence[str] = (),
    epochs: pd.DataFrame | None = None,
    status: str | None = None,
    same_start: str | None = None,
    digests: Mapping[str, str] | None = None,
    higher_is_better: bool | Mapping[str, bool] | None = None,
    unit: str | Mapping[str, str] | None = None,
    drop: Sequence[object] = (),
    duplicates: Duplicates = "refuse",
    name: str = "imported",
) -> Imported:
    """Take results that are there already, a row per run, whoever trained them.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"label": ["fix", "step"], "n": [1, 1], "acc": [0.91, 0.93]})
    >>> got = from_frame(table, scheduler="label", seed="n", metric={"test_accuracy": "acc"})
    >>> got.compare()["pairing"].tolist()
    ['by seed']

    Args:
        df: the results.
        scheduler: the column of what is compared.
        seed: the column of whole numbers from 0; runs of one seed are pairs.
        metric: the column of what they are compared by, several of them, or these by what lrdecay
            is to call them. `NAME[PROBLEM]` makes an axis `dataset` of several columns.
        dropout: the column of the dropout rate, or the rate of all runs.
        axes: further columns that tell cells apart.
        epochs: curves: the columns that name a run, `epoch`, `split`, and `loss`, `accuracy` or
            `learning_rate`.
        status: the column of how runs ended: completed, diverged or failed, or as trackers say it.
        same_start: a column that is equal for runs of one start, such as the first batch's loss.
        digests: the columns of init_digest, order_digest and dataset_digest.
        higher_is_better: which way is better, of all metrics or by name, where the name does not
            tell.
        unit: share, percent, nats, seconds or own, of all metrics or by name.
        drop: values of the seed's column whose rows are no runs, such as "mean".
        duplicates: what to do about several rows of one cell and seed: refuse, or take the last.
        name: what the results are called.

    Raises:
        InputError: what is said does not fit the table; the message says where, and what would.
    """
    columns = Columns(
        scheduler,
        seed,
        metric,
        dropout,
        tuple(axes),
        status,
        same_start,
        dict(digests or {}),
        higher_is_better,
        unit,
        tuple(drop),
        duplicates,
    )
    at = datetime.now(UTC).date().isoformat()
    origin = Origin("a data frame", digest_frame(df), len(df), at, columns.describe())
    return import_frame(df, columns, origin, epochs, name)


def import_frame(
    df: pd.DataFrame,
    columns: Columns,
    origin: Origin,
    epochs: pd.DataFrame | None = None,
    name: str = "imported",
) -> Imported:
    """Take results of any origin; raises as `from_frame`."""
    found = read_frame(df, columns)
    said = json.dumps(columns.describe(), sort_keys=True, default=str)
    identity = hashlib.sha256(f"{digest_frame(df)} {said}".encode()).hexdigest()
    runs = make_runs(found, name, identity, version("lrdecay"))
    names = {columns.scheduler: "scheduler", columns.seed: "seed"}
    names |= {columns.dropout: "dropout"} if isinstance(columns.dropout, str) else {}
    names |= {axis: axis for axis in found.axes}
    curves = make_epochs(runs, found, epochs, names)
    own = make_metrics(runs, [metric.name for metric in found.metrics])
    declared = tuple(map(_make_metric, found.metrics))
    origin = replace(origin, notes=found.notes)
    return Imported(runs, curves, own, found.notes, name, declared, origin)


def _make_metric(given: ImportedMetric) -> Metric:
    title = given.name.replace("_", " ")
    return describe_imported(Metric(given.name, title, given.unit, "", given.higher_is_better))
