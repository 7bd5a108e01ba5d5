"""The differences to the reference as a table of a paper: with intervals and verdicts."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lrdecay.analysis import Conclusions
from lrdecay.analysis.headline import name_outcome
from lrdecay.analysis.later_seeds import add_look, leaves_interval
from lrdecay.analysis.metrics import OWN, UNIT_TITLES, Metric
from lrdecay.analysis.number_text import count_decimals, format_percent
from lrdecay.analysis.pairing import NOT_PAIRED, count_pairs
from lrdecay.core.text import spell_count
from lrdecay.report.conclusions import describe_condition
from lrdecay.report.latex import Group, Table, escape, write_label, write_number
from lrdecay.report.latex_units import MOST_DECIMALS, describe_units, find_exponent

Row = Mapping[Hashable, Any]


def tabulate_differences(found: Conclusions, folder: str) -> Table | None:
    """Return the differences to the reference with their intervals and verdicts; None where there
    is nothing to compare."""
    rows = found.primary
    if rows.empty:
        return None
    count = _find_count(rows)
    scale = 10.0 ** -find_exponent(found)
    rows = rows.assign(**{name: scale * rows[name] for name in ("mean", "low", "high")})
    groups = [
        Group(
            rf"\emph{{{escape(where)}}}" if where else "",
            [_write_difference(row, found.metric, not count) for row in own.to_dict("records")],
        )
        for where, own in rows.groupby("where", sort=False)
    ]
    head = ["scheduler", "difference", "interval", *([] if count else ["$n$"]), "verdict"]
    caption = " ".join(_describe_differences(found, count))
    label = write_label(folder, found.metric, "differences")
    columns = "lrrl" if count else "lrrrl"
    return Table(caption, label, columns, [rf"{' & '.join(head)} \\"], groups)


def _find_count(rows: pd.DataFrame) -> str:
    """Return how many pairs every difference is of; nothing where that is not one number."""
    counts = {count_pairs(row) for row in rows.to_dict("records")}
    return counts.pop() if len(counts) == 1 else ""


def _write_difference(row: Row, metric: Metric, with_count: bool) -> list[str]:
    low, high = row["low"], row["high"]
    interval = "empty" if low > high else "--"
    decimals = 2
    if math.isfinite(low) and math.isfinite(high) and low <= high:
        decimals = min(count_decimals(low, high), MOST_DECIMALS)
        ends = (f"{round(end, decimals) + 0.0:.{decimals}f}" for end in (low, high))
        interval = f"$[{', '.join(ends)}]$"
    elif math.isfinite(row["mean"]) and row["mean"]:
        decimals = max(2, 1 - math.floor(math.log10(abs(row["mean"]))))
    mean = write_number(row["mean"], min(decimals, MOST_DECIMALS), signed=True)
    verdict = add_look(name_outcome(row["verdict"], metric), row)
    count = [escape(count_pairs(row))] if with_count else []
    return [escape(row["a"]), mean, interval, *count, escape(verdict)]


def _describe_differences(found: Conclusions, count: str) -> Iterator[str]:
    """Yield the sentences of a caption."""
    rows, metric, margin = found.primary, found.metric, found.spell_margin()
    unit = "" if metric.unit == OWN else f" ({UNIT_TITLES[metric.unit]})"
    paired = (rows["pairing"] != NOT_PAIRED).any()
    over = (
        f"mean over {_spell_number(count, 'pair')} of runs with the same seed"
        if paired
        else f"of means of {_spell_number(count, 'run')}"
    )
    what = escape(f"Difference to {found.reference} in {metric.title}{unit}")
    bounded = np.isfinite(rows["low"]) & np.isfinite(rows["high"])
    shown = int((bounded & (rows["low"] <= rows["high"])).sum())
    yield f"{what}, {over}{_spell_confidence(found, shown)}."
    if (rows["mean"].abs() > 0).any():
        yield from describe_units(found, "Differences and intervals" if shown else "Differences")
    if shown and metric.higher_is_better is not None:
        yield escape(f"Better or worse: the interval excludes 0, on {metric.images}.")
    if shown and margin:
        yield escape(f"Equivalent: it lies within {margin} of 0.")
    if any(map(leaves_interval, rows.to_dict("records"))):
        yield "A verdict at a number of seeds is of the first so many; later ones are unlike these."
    if found.departures:
        yield "Not as it was planned, so exploratory."


def _spell_number(count: str, what: str) -> str:
    """Return how many there are of something: one number, one of either side, or `$n$` of each."""
    return spell_count(int(count), what) if count.isdigit() else f"{count or '$n$'} {what}s"


def _spell_confidence(found: Conclusions, shown: int) -> str:
    """Return how sure the intervals are that are shown; nothing of none."""
    if not shown:
        return ""
    many = "both" if shown == 2 else f"all {shown}"
    right = "the interval is right" if shown == 1 else f"{many} intervals are right together"
    sure = f"{right} with {format_percent(found.criteria.confidence)} confidence"
    return escape(f"; {sure}{describe_condition(found)}")
