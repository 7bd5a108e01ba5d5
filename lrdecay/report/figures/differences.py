"""Charts of the differences to the reference."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from lrdecay import plots
from lrdecay.analysis import Conclusions, axis_values
from lrdecay.analysis.axes import has_dropout, select_rows
from lrdecay.analysis.later_seeds import leaves_interval
from lrdecay.analysis.number_text import format_percent
from lrdecay.analysis.pairing import NOT_PAIRED
from lrdecay.plots.differences import MOST_SEEDS
from lrdecay.report.conclusions import describe_condition
from lrdecay.report.figures import panels
from lrdecay.report.figures.panels import Chart, Setting

MAX_ROWS = 80
"""Differences that get a row each."""
MAX_SLOPED = 8
"""Schedulers beside the reference that get slopes."""


def draw_differences(setting: Setting, found: Conclusions) -> Chart | None:
    """The headline: differences to the reference with their intervals, a row each."""
    table = setting.own(found.primary)
    if table["mean"].isna().all():
        return None
    # of too many the ones that were not evaluated make room
    shown = table if len(table) <= MAX_ROWS else table.dropna(subset=["mean"])
    rows = shown.sort_values("dropout", kind="stable").head(MAX_ROWS)
    judged = rows.dropna(subset=["mean"])
    count = len(rows) + rows["dropout"].nunique()
    ax = plots.plot_differences(
        rows,
        margin=found.criteria.margin,
        unit=found.metric.unit,
        styles=setting.styles,
        ax=panels.make_panel((panels.SINGLE_INCHES[0], 0.9 + 0.22 * count)),
    )
    means, counts = _describe_means(judged)
    caption = " ".join(
        (
            f"Difference to {found.reference} in {found.metric.title}, {means}.",
            *(f"{_bar(found)} {_margin(found)} {counts}.", *_explain_marks(judged)),
        )
    )
    if left_out := len(table) - len(rows):
        caption += f" {left_out} more are in the table."
    label = f"differences to {found.reference} with their intervals; see the table"
    return panels.make_single(setting, ax, "differences", label, caption)


def _describe_means(judged: pd.DataFrame) -> tuple[str, str]:
    """Return what the means of some differences are of, and of how many."""
    unpaired = judged["pairing"] == NOT_PAIRED
    means, counts = [], []
    if not unpaired.all():
        means.append("mean over pairs of runs with the same seed")
        counts.append(f"{panels.format_counts(judged.loc[~unpaired, 'n'])} pairs")
    if unpaired.any():
        means.append("of the means of runs that are no pairs")
        sizes = pd.concat([judged.loc[unpaired, side] for side in ("n_a", "n_b")])
        counts.append(f"{panels.format_counts(sizes)} runs a side")
    return " or ".join(means), "; ".join(counts)


def _explain_marks(judged: pd.DataFrame) -> Iterator[str]:
    """Yield why a mean has no interval, or is not inside of it."""
    unpaired, unseen = judged["pairing"] == NOT_PAIRED, judged["look"] == 0
    for rows, what in ((unseen & ~unpaired, "seeds"), (unseen & unpaired, "runs a side")):
        if rows.any():
            begin = judged.loc[rows, "next_look"].min()
            yield f"Hollow: no interval yet, since verdicts begin at {begin} {what}."
    if np.isinf(judged.loc[~unseen, "low"]).any():
        yield "Hollow: no interval, since all differences up to the look are one number."
    if (judged["low"] > judged["high"]).any():
        yield "Hollow: no interval, since the looks exclude each other."
    bounded = judged[np.isfinite(judged["low"]) & np.isfinite(judged["high"])]
    if any(map(leaves_interval, bounded.to_dict("records"))):
        yield (
            "A mean outside of its interval is of all seeds, the interval of the first ones: later "
            "seeds are unlike these."
        )


def draw_gain(setting: Setting, found: Conclusions) -> Chart | None:
    """Interaction: what each scheduler gains on the reference, against dropout."""
    table = setting.own(found.primary)
    judged = table.dropna(subset=["mean"])
    if judged.empty or table["dropout"].nunique() < 2 or not has_dropout(table).all():
        return None
    unit = found.metric.unit
    ax = plots.plot_gain_by_dropout(table, unit=unit, ax=panels.make_panel(), **setting.options)
    caption = (
        f"What each scheduler differs from {found.reference} by, at each dropout: mean over pairs. "
        f"{_bar(found)} Were there no interaction with dropout, each line would be level; verdicts "
        "on that are in the table of the other differences. "
        f"{panels.format_counts(judged['n'])} pairs."
        f"{panels.describe_shift(judged, 'dropout')}"
    )
    label = f"difference to {found.reference} by dropout"
    return panels.make_single(setting, ax, "gain", label, caption, judged["scheduler"])


def draw_slopes(setting: Setting, found: Conclusions) -> Chart | None:
    """Scheduler against reference, one line per seed: a panel per dropout."""
    table = setting.own(found.primary).dropna(subset=["mean"])
    if table.empty:
        return None
    others = axis_values(table, "scheduler")
    kept = {found.reference, *others[:MAX_SLOPED]}
    same = ", same initial weights, batches and dropout masks" if found.blocks.is_built_in else ""
    caption = (
        f"Each thin line is one seed: from the run of {found.reference} (left) to that of the "
        f"scheduler (right){same}. Thick: the means. "
        f"{panels.format_counts(table['n'])} pairs."
    )
    if table["n"].max() > MOST_SEEDS:
        caption += f" Lines are of the first {MOST_SEEDS} seeds; means are of all."
    if left_out := others[MAX_SLOPED:]:
        caption += f" Left out: {', '.join(map(str, left_out))}."

    def draw(judged: pd.DataFrame, ax: Axes) -> Axes:
        # what is not evaluated there has seeds that are no pairs
        own = {found.reference, *judged["scheduler"]}
        runs = select_rows(setting.runs, "dropout", judged["dropout"].iloc[0])
        return plots.plot_slopes(
            runs[runs["scheduler"].isin(own & kept)],
            found.reference,
            found.metric,
            epochs=setting.epochs,
            styles=setting.styles,
            ax=ax,
        )

    chart = panels.draw_by_dropout(
        setting, table, draw, "slopes", f"{found.metric.title} seed by seed", caption
    )
    return replace(chart, keys=setting.list_keys(others[:MAX_SLOPED]))


def draw_closing(setting: Setting, found: Conclusions) -> Chart | None:
    """How the intervals closed as seeds were added: a panel per dropout."""
    steps = setting.own(found.history)
    if steps["n"].nunique() < 2:
        return None
    given = {"margin": found.criteria.margin, "unit": found.metric.unit, **setting.options}
    most = steps.groupby(["scheduler", "dropout"], dropna=False)["n"].max()
    caption = (
        f"Difference to {found.reference} at each look: mean of the seeds so far (thin) and both "
        f"ends of what the intervals have in common. {_bar(found)} {_margin(found)} Ring: the "
        f"first verdict. The first intervals may lie beyond the axis. "
        f"{panels.format_counts(most)} pairs in the end."
    )
    return panels.draw_by_dropout(
        setting,
        steps,
        lambda own, ax: plots.plot_closing(own, ax=ax, **given),
        "closing",
        "interval by number of seeds",
        caption,
    )


def _bar(found: Conclusions) -> str:
    size = len(found.primary)
    right = "right" if size == 1 else f"all {size} right together"
    sure = f"{right} with {format_percent(found.criteria.confidence)} confidence"
    return f"Intervals: {sure}{describe_condition(found)}."


def _margin(found: Conclusions) -> str:
    margin = found.spell_margin()
    return f"Grey: the margin, \N{PLUS-MINUS SIGN}{margin}." if margin else "No margin is given."
