"""Several sweeps together: the answer, the chart, and the averages over their datasets in words."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.style
import numpy as np

from lrdecay.analysis import Conclusions, DatasetAverages, average_datasets
from lrdecay.analysis.average_intervals import FEWEST_DATASETS
from lrdecay.analysis.dataset_headline import write_dataset_answer
from lrdecay.analysis.headline import name_outcome, say_outcome
from lrdecay.analysis.metrics import UNIT_TITLES
from lrdecay.analysis.number_text import format_interval, format_percent, format_signed
from lrdecay.analysis.verdicts import EQUIVALENT, UNRESOLVED
from lrdecay.core.text import capitalize, format_dropout, join_filled, join_words, spell_count
from lrdecay.plots.style import MATPLOTLIB_STYLE
from lrdecay.report.figures.datasets import DatasetChart, draw_dataset_differences

Row = Mapping[Hashable, Any]


@dataclass(frozen=True)
class AverageLine:
    """One average: of what, its number, and in each meaning interval and verdict."""

    name: str
    mean: str
    here: tuple[str, str]
    like: tuple[str, str]


@dataclass(frozen=True)
class DatasetSection:
    """What the page says of the sweeps together. `notes` are what is left out, and why."""

    headline: str
    chart: DatasetChart | None
    lines: Sequence[AverageLine]
    meanings: Sequence[tuple[str, str]]
    notes: Sequence[str]
    unit: str
    exploratory: bool


def describe_datasets(
    sweeps: Mapping[str, Conclusions], sweep_texts: Mapping[str, str]
) -> DatasetSection | None:
    """Return the section of sweeps that have verdicts, by their names; None for fewer than two
    that could be shown together."""
    if not sweeps:
        return None
    averages = average_datasets(sweeps, sweep_texts)
    shared = averages.shared
    if len(shared.parts) < 2 and len(sweeps) < 2:
        return None
    notes = [*_list_notes(averages)]
    if shared.incomparable:
        return DatasetSection("", None, (), (), notes, "", False)
    with matplotlib.style.context(MATPLOTLIB_STYLE):
        chart = draw_dataset_differences(averages)
    rows = averages.table.to_dict("records")
    return DatasetSection(
        write_dataset_answer(averages),
        chart,
        [_tabulate(row, averages) for row in rows],
        [*_list_meanings(averages)] if rows else (),
        notes,
        UNIT_TITLES[averages.metric.unit],
        averages.exploratory,
    )


def _list_notes(averages: DatasetAverages) -> Iterator[str]:
    shared = averages.shared
    for why in shared.apart:
        yield f"{why}, so it is not shown here beside the others."
    if shared.incomparable:
        yield shared.incomparable
    if shared.not_averaged:
        yield f"Nothing is averaged: {shared.not_averaged}."
    for why in shared.left_out:
        yield f"Not averaged: {why}."
    if shared.places and averages.margins_differ:
        yield "The sweeps have different margins, so no average is called equivalent."


def _list_meanings(averages: DatasetAverages) -> Iterator[tuple[str, str]]:
    """Yield what each of the two averages means: its name, and two sentences."""
    names = averages.datasets
    sure, likewise = (_say_sure(averages, prefix) for prefix in ("", "like_"))
    yield (
        "On these datasets",
        f"The effect on {join_words(names)}, each counting the same, however many seeds it has. It "
        f"says nothing of other datasets; {sure}, if seeds of different datasets are independent."
        if sure
        else f"The effect on {join_words(names)}, each counting the same, however many seeds it "
        f"has. It says nothing of other datasets, and there is no verdict yet.",
    )
    like = (
        "The effect to expect on another dataset of this kind: each dataset is one block, and only "
        "how much they differ among each other counts. "
    )
    if len(names) < FEWEST_DATASETS:
        like += (
            f"From {spell_count(len(names), 'dataset')} that cannot be told, since how much "
            f"datasets differ takes {FEWEST_DATASETS} at least."
        )
    else:
        like += f"It supposes that these {len(names)} are a random sample of such datasets; "
        like += f"then {likewise}." if likewise else "there is no verdict yet."
    yield "For datasets like these", like


def _say_sure(averages: DatasetAverages, prefix: str) -> str:
    """Return how sure the verdicts of one meaning are together, of which each has an interval;
    nothing where there is none."""
    low, high = (averages.table[f"{prefix}{name}"].astype(float) for name in ("low", "high"))
    size = int((np.isfinite(low) & np.isfinite(high) & (low <= high)).sum())
    each = {0: "", 1: "the verdict is right", 2: "both verdicts are right together"}
    right = each.get(size, f"all {size} verdicts are right together")
    return f"{right} with {format_percent(averages.confidence)} confidence" if size else ""


def _tabulate(row: Row, averages: DatasetAverages) -> AverageLine:
    where = format_dropout(row["dropout"])
    return AverageLine(
        join_filled(row["scheduler"], where),
        format_signed(row["mean"]),
        _say_verdict(row, "", averages),
        _say_verdict(row, "like_", averages),
    )


def _say_verdict(row: Row, prefix: str, averages: DatasetAverages) -> tuple[str, str]:
    """Return an interval as text, nothing where there is none, and its verdict in words."""
    low, high, verdict = (row[f"{prefix}{name}"] for name in ("low", "high", "verdict"))
    why = row[f"{prefix}why"]
    if isinstance(why, str):
        return "", f"{capitalize(why)}."
    seeds = row["seeds"]
    at = f"{seeds[0]} seeds each" if len(set(seeds)) == 1 else f"{join_words(seeds)} seeds"
    if low > high:
        return "", f"No verdict at {at}: its looks exclude each other."
    bounded = math.isfinite(low) and math.isfinite(high)
    margin = averages.margin
    interval = format_interval(low, high, *([] if margin is None else [margin])) if bounded else ""
    if not low <= row["mean"] <= high:
        at += "; the mean of all seeds is outside of the interval"
    if verdict == UNRESOLVED:
        return interval, f"Not resolved at {at}."
    said = say_outcome(
        name_outcome(verdict, averages.metric), [row["scheduler"]], row["versus_scheduler"]
    )
    within = ""
    if verdict == EQUIVALENT and margin is not None:
        within = f" within {averages.metric.spell(f'{margin:g}')}"
    return interval, f"{said}{within}, at {at}."
