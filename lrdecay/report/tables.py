"""The page's tables of cells, contrasts and runs, a row for each."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lrdecay.analysis import (
    PRIMARY,
    Conclusions,
    axis_values,
    cell_axes,
    cell_summary,
    extra_axes,
    lr_selection,
)
from lrdecay.analysis.axes import drop_own_dropout, list_strata
from lrdecay.analysis.contrasts import describe_family
from lrdecay.analysis.later_seeds import add_look
from lrdecay.analysis.metrics import METRICS_COMPARED, POINTS, UNIT_TITLES, Metric
from lrdecay.analysis.number_text import (
    drop_rounding,
    format_decimals,
    format_interval,
    format_number,
    format_percent,
)
from lrdecay.analysis.pairing import count_pairs
from lrdecay.analysis.sentences import list_best, name_contrast
from lrdecay.core.text import capitalize, format_named, format_values, join_filled, to_text
from lrdecay.plots.common import counts_images
from lrdecay.report.conclusions import find_axes
from lrdecay.report.later_seed_notes import explain_exclusion

MAX_ENDED_EARLY = 100
"""Diverged or failed runs that are listed one by one."""
MAX_LINES = 1000
_SMALL = 0.001  # of such means 4 decimals show little
"""Cells or contrasts that are listed."""

Row = Mapping[Hashable, Any]


@dataclass(frozen=True)
class Cell:
    """What one place of a table says: its text, smaller notes under it, and what it is sorted by
    where that is not what it looks like."""

    text: str
    notes: Sequence[str] = ()
    sort: str = ""
    number: bool = False
    strong: str = ""


@dataclass(frozen=True)
class Line:
    """A row, and which values of the axes it is about."""

    about: Mapping[str, str]
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Listing:
    """A table; `left_out` says how many rows more there are, and where."""

    id: str
    caption: str
    columns: Sequence[str]
    lines: Sequence[Line]
    left_out: str = ""


def tabulate_cells(
    runs: pd.DataFrame,
    metric: Metric | None = None,
    of_images: bool = True,
    found: Conclusions | None = None,
) -> Listing:
    """A metric in its unit, a row per cell; test accuracy in percent unless one is given.
    `of_images`: whether it is of images that lrdecay's own loop has counted. What `found` says of
    the best by this metric is a column more."""
    axes = drop_own_dropout(cell_axes(runs), runs)
    metric = METRICS_COMPARED["test_accuracy"] if metric is None else metric
    table = cell_summary(runs, metric.name)
    decimals = 2 if metric.unit == POINTS else _count_decimals(table["mean"].abs().max())
    lines = []
    best = {} if found is None or found.metric != metric else _find_best(found, axes)
    for cell in table.head(MAX_LINES).to_dict("records"):
        about = {axis: to_text(cell[axis]) for axis in axes}
        may_be_best = [Cell(best.get(tuple(about.values()), ""))] if best else []
        mean, sd = (
            none if math.isnan(cell[name]) else format_decimals(metric.scale * cell[name], decimals)
            for name, none in (("mean", "no mean"), ("sd", ""))
        )
        counts = [str(int(cell[name])) for name in ("n", "n_diverged", "n_failed")]
        texts = [Cell(text) for text in about.values()]
        mean_and_sd, others = (
            [Cell(text, number=True) for text in part] for part in ((mean, sd), counts)
        )
        lines.append(Line(about, [*texts, *mean_and_sd, *may_be_best, *others]))
    unit = UNIT_TITLES[metric.unit]
    what = f"{capitalize(metric.title)}, in {unit}"
    may = _describe_best(found) if found and best else ""
    if metric == METRICS_COMPARED["test_accuracy"] and of_images:
        what = "Percent of test images right after the last epoch"
    return Listing(
        "table-cells",
        f"{what}: mean and standard deviation (sd, n \N{MINUS SIGN} 1 in the denominator) over n "
        f"completed runs, which differ in seed alone.{may}",
        [*axes, "mean", "sd", *(["may be best"] if best else []), "n", "diverged", "failed"],
        lines,
        _left_out(len(table) - len(lines), "in runs.parquet"),
    )


def _count_decimals(largest: float) -> int:
    """Return how many decimals a table of means has: 4, or what gives the largest of small ones
    four digits."""
    return 3 - math.floor(math.log10(largest)) if 0 < largest < _SMALL else 4


def _find_best(found: Conclusions, axes: Sequence[str]) -> dict[tuple[str, ...], str]:
    """Return whether each cell is one of those not excluded as best, by its values of the axes;
    nothing where none is evaluated."""
    answers = {
        tuple(to_text({**best.about, "scheduler": name}[axis]) for axis in axes): answer
        for best in list_best(found.best)
        for name, answer in best.answers.items()
        if set(axes) <= {*best.about, "scheduler"}
    }
    return answers if "yes" in answers.values() else {}


def _describe_best(found: Conclusions) -> str:
    later = explain_exclusion(found, "That")
    return (
        f" May be best: no other one at the same place is shown to be better; the best one is "
        f"among them with {format_percent(found.criteria.confidence)} confidence."
        f"{f' {later}' if later else ''}"
    )


def tabulate_contrasts(found: Conclusions) -> list[Listing]:
    """The differences: those fixed beforehand, and the other families."""
    primary = found.table["family"] == PRIMARY
    size = int(primary.sum())
    others = found.table[~primary].groupby("family", sort=False)
    what = describe_family(PRIMARY, found.table[primary])
    confidence = format_percent(found.criteria.confidence)
    captions = {
        "table-differences": (
            f"The primary family{'' if found.blocks.imported else ', fixed beforehand'}: {what}. "
            + ("It is right" if size == 1 else f"All {size} are right together")
            + f" with {confidence} confidence."
        ),
        "table-other-differences": (
            "Secondary families, each right as a whole with the same confidence: "
            f"{'; '.join(describe_family(str(name), rows) for name, rows in others)}."
        ),
    }
    parts = zip(captions.items(), (found.table[primary], found.table[~primary]), strict=True)
    of_images = found.blocks.is_built_in
    return [_contrasts(*named, table, of_images) for named, table in parts if len(table)]


def _contrasts(name: str, caption: str, table: pd.DataFrame, of_images: bool) -> Listing:
    strata = list_strata(table)
    rows = table.head(MAX_LINES).to_dict("records")
    lines = [Line(find_axes(row, strata), _contrast(row, of_images)) for row in rows]
    columns = [
        *("contrast", "verdict", "n", "difference", "interval"),
        *(["on new images"] if of_images else []),
        *("wins", "d_z", "r", "skew"),
    ]
    left_out = _left_out(len(table) - len(lines), "left out: lrdecay.analysis.compare has all")
    return Listing(name, caption, columns, lines, left_out)


def _contrast(row: Row, of_images: bool) -> list[Cell]:
    low, high = row["low"], row["high"]
    interval: str = "" if pd.isna(low) else format_interval(low, high)
    known = math.isfinite(row["images_low"])
    images = format_interval(row["images_low"], row["images_high"]) if known else ""
    mean, *others = (
        Cell(format_number(row[name]), number=True, sort=_exact(row[name]))
        for name in ("mean", "wins", "effect", "correlation", "skew")
    )
    within = Cell(interval, number=True, sort=_exact(low))
    on_images = Cell(images, number=True, sort=_exact(row["images_low"]))
    named, count = Cell(name_contrast(row)), Cell(count_pairs(row), number=True)
    images_too = [on_images] if of_images else []
    return [named, Cell(add_look(row["verdict"], row)), count, mean, within, *images_too, *others]


def _exact(value: float) -> str:
    return f"{drop_rounding(value):.6g}" if math.isfinite(value) else ""


def tabulate_ended_early(runs: pd.DataFrame) -> Listing | None:
    """The runs that diverged or failed, one by one; None if there are none."""
    ended = runs[runs["status"] != "completed"]
    if ended.empty:
        return None
    axes = drop_own_dropout([*extra_axes(runs), "scheduler", "dropout", "seed"], runs)
    lines = []
    for row in ended.head(MAX_ENDED_EARLY).to_dict("records"):
        about = {axis: to_text(row[axis]) for axis in axes}
        texts = [*about.values(), row["status"], _what_happened(row)]
        about.pop("seed")
        lines.append(Line(about, [Cell(text) for text in texts]))
    return Listing(
        "table-ended-early",
        "They enter no mean and no curve on this page; how many there are in a cell is part of its "
        "result.",
        [*axes, "status", "what happened"],
        lines,
        _left_out(len(ended) - len(lines), "in runs.parquet"),
    )


def _what_happened(row: Row) -> str:
    step, error = row["diverged_at_step"], row["error"]
    parts: list[str] = [f"diverged at step {int(step)}"] if pd.notna(step) else []
    if pd.notna(error):
        parts.append(error if len(error) <= 500 else error[:500] + "\N{HORIZONTAL ELLIPSIS}")
    return "; ".join(parts)


def _left_out(count: int, where: str) -> str:
    return f"{count:,} more are {where}." if count > 0 else ""


def tabulate_rates(trials: pd.DataFrame) -> dict[str, Any]:
    """The mean validation loss of each base rate that was tried, a row for each choice."""
    table = lr_selection.compare_rates(trials)
    by = lr_selection.cell_columns(trials["lr_chosen_per"].iloc[0])
    axes = ["scheduler", *(a for a in by if a != "scheduler" and table[a].nunique() > 1)]
    rates = sorted(table["lr"].unique())
    lines, warnings = [], []
    for _, cell in table.groupby(by, sort=False, dropna=False):
        at = {row["lr"]: row for row in cell.to_dict("records")}
        about = {axis: to_text(cell[axis].iloc[0]) for axis in axes}
        tried = [_tried(at.get(rate)) for rate in rates]
        lines.append(Line(about, [*map(Cell, about.values()), *tried]))
        if (warning := _doubt(cell)) is not None:
            first, *others = about.items()
            named = join_filled(first[1], *(format_named(*each) for each in others))
            warnings.append(f"{named}: {warning}")
    per = trials["lr_chosen_per"].iloc[0].replace(", ", " and each ")
    unit = " (nats per image)" if counts_images(trials) else ""
    caption = (
        f"Each {per} has a base rate of its own, chosen from one grid with as many trials for "
        f"each: the rate with the lowest mean validation loss after the last epoch{unit}. "
        "A rate at which a trial diverged or failed is left out. The seeds of the trials, "
        f"{format_values(axis_values(trials, 'seed'))}, are not those of the comparison."
    )
    columns = [*axes, *(f"lr {to_text(rate)}" for rate in rates)]
    return {
        "listing": Listing("table-choice", caption, columns, lines),
        "warnings": warnings,
        "trials": len(trials),
    }


def _tried(rate: Row | None) -> Cell:
    if rate is None:
        return Cell("", ["n = 0"], number=True)
    loss: str = "" if pd.isna(rate["val_loss"]) else f"{rate['val_loss']:.4f}"
    n, out = rate["n"], rate["n_out"]
    note = f"{out} of {n} diverged or failed" if out else f"n = {n}"
    return Cell(loss, [note], number=True, strong="chosen" if rate["chosen"] else "")


def _doubt(rates: pd.DataFrame) -> str | None:
    """What a reader should know of one choice; `rates` are its rows of `compare_rates`."""
    chosen = rates.loc[rates["chosen"], "lr"]
    if chosen.empty:
        return (
            "no rate is chosen, since a trial diverged or failed at every rate of the grid; it is "
            "not compared"
            if (rates["n_out"] > 0).all()
            else "no rate is chosen yet; trials are still to come"
        )
    rate = to_text(chosen.item())
    if len(rates) > 1 and rates["val_loss"].nunique(dropna=False) == 1:
        return f"every rate gives the same loss, since it sets its own rates; {rate} stands"
    for end, extreme in (("smallest", rates["lr"].min()), ("largest", rates["lr"].max())):
        if chosen.item() == extreme:
            return f"{rate} is the {end} of the grid; the best rate may lie outside the grid"
    return None
