"""What a line, or a row of a table, says of a contrast."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from lrdecay.analysis import EXPLORATORY, PRIMARY, Conclusions
from lrdecay.analysis.contrasts import describe_family
from lrdecay.analysis.headline import name_outcome
from lrdecay.analysis.later_seeds import add_look
from lrdecay.analysis.metrics import Metric
from lrdecay.analysis.number_text import format_interval, format_number, format_signed
from lrdecay.analysis.pairing import count_pairs
from lrdecay.analysis.sentences import name_contrast
from lrdecay.core.text import capitalize, spell_count

SHOWN = 100
"""Contrasts of a family that are listed; all of them are in the machines' formats."""
BRIEF_COLUMNS = ("", "difference", "interval", "seeds", "verdict")
COLUMNS = ("contrast", "n", "mean", "interval", "wins", "d_z", "r", "skew", "verdict")


def format_row(row: dict[Any, Any]) -> tuple[str, ...]:
    """Return what a table shows of a contrast, one text for each of `COLUMNS`."""
    return (
        name_contrast(row, minus="-"),
        count_pairs(row),
        format_number(row["mean"]),
        "" if pd.isna(row["low"]) else format_interval(row["low"], row["high"]),
        *(format_number(row[name]) for name in ("wins", "effect", "correlation", "skew")),
        add_look(row["verdict"], row),
    )


def format_brief(row: dict[Any, Any], metric: Metric) -> tuple[str, ...]:
    """Return what a terminal shows of a contrast, one text for each of `BRIEF_COLUMNS`; its place
    in the matrix is left out."""
    of_reference = row["family"] == PRIMARY
    return (
        row["a"] if of_reference else f"{row['a']} - {row['b']}",
        format_signed(row["mean"]),
        "" if not math.isfinite(row["low"]) else format_interval(row["low"], row["high"]),
        count_pairs(row),
        add_look(name_outcome(row["verdict"], metric), row),
    )


def list_lines(rows: pd.DataFrame, metric: Metric) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each contrast's place in the matrix, empty where the one before is at the same, and
    what `format_brief` returns."""
    before = ""
    for row in rows.to_dict("records"):
        yield "" if row["where"] == before else row["where"], format_brief(row, metric)
        before = row["where"]


def list_families(found: Conclusions, everything: bool) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the families of contrasts, each with its rows, place by place: the primary one and
    pairs that were asked for, or all."""
    for family, rows in found.table.groupby("family", sort=False):
        if everything or family in (PRIMARY, EXPLORATORY):
            places = pd.factorize(rows["where"])[0]
            yield str(family), rows.iloc[np.argsort(places, kind="stable")]


def write_family_title(family: str, rows: pd.DataFrame) -> str:
    """Return what a family of contrasts is called, of what kind it is, and its size."""
    primary = "primary" if rows["as_planned"].all() else "primary, but not as planned: exploratory"
    kind = {PRIMARY: primary, EXPLORATORY: "exploratory"}
    what = describe_family(family, rows)
    size = spell_count(int(rows["family_size"].iloc[0]), "contrast")
    return f"{capitalize(what)} ({kind.get(family, 'secondary')}, {size})"


def write_legend(found: Conclusions) -> str:
    """Return what the columns of the tables mean."""
    return (
        f"Differences are first minus second, in {found.metric.unit_name}; wins is the share of "
        f"seeds at which the first is better, ties half; r the correlation of the pairs, which is "
        f"what pairing gains; d_z the mean difference over its sd; skew that of the differences: "
        f"at 8 seeds a family of nine meant to err in 5% of the cases errs in 8.5% at skew 1, and "
        f"in 22% at skew 2."
    )
