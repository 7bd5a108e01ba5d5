"""One results folder to one HTML page that needs nothing else: no network, no font, no library.

The page is a function of the tables and the sweep file alone, so the same input gives the same
bytes. `write_report` reads, renders and writes; `render_report` is the pure part.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.style
import pandas as pd
from markupsafe import Markup

from lrdecay import charts, choosing, results
from lrdecay.analysis import (
    axis_values,
    cell_summary,
    compared,
    describe_matrix,
    extra_axes,
    made_with,
    rates_chosen,
    status_counts,
)
from lrdecay.assets import page_assets
from lrdecay.errors import InputError
from lrdecay.files import write_text
from lrdecay.inert import inert
from lrdecay.results import Plan
from lrdecay.styles import scheduler_styles

MAX_COMBINATIONS = 4
"""Combinations of extra axes that get figures; all of them get a table."""
MAX_ENDED_EARLY = 100
"""Diverged or failed runs that are listed one by one."""

MATPLOTLIB_STYLE: list[str | Path | dict[str, Any]] = [
    "default",
    {"font.size": 10.0, "axes.linewidth": 0.7},
]


def write_report(folder: str | Path, output: str | Path | None = None) -> Path:
    """Write the report of a results folder and return its path.

    Args:
        folder: a results folder, as `lrdecay sweep` leaves it, finished or not.
        output: the file to write; `folder`/report.html unless given.

    Raises:
        InputError: the folder is missing or holds no runs, or only trials of base rates.
    """
    folder = Path(folder)
    runs = results.read_runs(folder)
    if compared(runs).empty:
        found = "no runs" if runs.empty else f"only {len(runs)} trials of base rates"
        raise InputError(f"{found} in {folder}: `lrdecay sweep FILE` trains a sweep into it")
    page = render_report(
        runs,
        results.read_epochs(folder),
        name=folder.resolve().name,
        plan=results.read_plan(folder),
    )
    path = folder / "report.html" if output is None else Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(page, path)
    return path


def render_report(runs: pd.DataFrame, epochs: pd.DataFrame, *, name: str, plan: Plan) -> str:
    """Return the page as text; `runs` has at least one row of the comparison."""
    trials, runs = runs[runs["phase"] == "choose"], compared(runs)
    settings = charts.split_settings(runs, epochs)
    shown = settings[:MAX_COMBINATIONS]
    by_rate = charts.split_settings(runs, epochs, but=["lr"]) if "lr" in extra_axes(runs) else []
    styles = scheduler_styles(runs)
    # The reader's own matplotlib settings must not change the page.
    with matplotlib.style.context(MATPLOTLIB_STYLE):
        figures = {
            "rates": [charts.rates(setting, styles) for setting in shown],
            "loss": [charts.curves(setting, "loss", styles) for setting in shown],
            "accuracy": [charts.curves(setting, "accuracy", styles) for setting in shown],
            "by_rate": [charts.accuracy_by_rate(s, styles) for s in by_rate[:MAX_COMBINATIONS]],
            "by_dropout": [charts.accuracy_by_dropout(setting, styles) for setting in shown],
            "gap": [charts.gap_by_dropout(setting, styles) for setting in shown],
        }
        keys = [charts.legend_key(style, number) for number, style in enumerate(styles.values())]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lrdecay"),
        autoescape=True,
        finalize=_inert,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        **page_assets(),
        name=name,
        sweep_text=plan.sweep_text.strip(),
        counts=status_counts(runs).to_dict(),
        planned=plan.runs,
        missing=max(0, plan.runs - len(runs)),
        mixed=_mixed(runs),
        matrix=_matrix(runs),
        tables=[_mean_table(setting) for setting in settings],
        figures={title: [c for c in made if c is not None] for title, made in figures.items()},
        key_symbols=keys,
        not_shown={
            title: [s.title for s in (by_rate if title == "by_rate" else settings)][
                MAX_COMBINATIONS:
            ]
            for title in figures
        },
        choice=None if trials.empty else _choice(trials),
        ended_early=_ended_early(runs),
        provenance=_provenance(runs, trials),
    )


def _inert(value: object) -> object:
    """Return any value of the page, text without what a browser would obey; figures as they are."""
    return inert(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _matrix(runs: pd.DataFrame) -> list[tuple[str, str, int]]:
    table = describe_matrix(runs)
    rows = zip(table["axis"], table["values"], table["n_values"], strict=True)
    chosen = " (chosen)" if rates_chosen(runs) else ""
    return [
        (axis, _listed(values) + (chosen if axis == "lr" else ""), n) for axis, values, n in rows
    ]


def _mixed(runs: pd.DataFrame) -> list[str]:
    """How many runs were made on what, if not all were made alike."""
    rows = made_with(runs).to_dict("records")
    texts = [
        f"{row['runs']} with torch {charts.text_of(row['torch_version'])} on "
        f"{charts.text_of(row['device'])}"
        for row in rows
    ]
    return texts if len(texts) > 1 else []


def _choice(trials: pd.DataFrame) -> dict[str, Any]:
    """The mean validation loss of each base rate that was tried, a row for each choice."""
    table = choosing.rate_table(trials)
    by = choosing.cell_columns(trials["lr_chosen_per"].iloc[0])
    axes = ["scheduler", *(a for a in by if a != "scheduler" and table[a].nunique() > 1)]
    rates = sorted(table["lr"].unique())
    rows, warnings = [], []
    for _, cell in table.groupby(by, sort=False, dropna=False):
        at = {row["lr"]: row for row in cell.to_dict("records")}
        names = [charts.text_of(cell[axis].iloc[0]) for axis in axes]
        rows.append((names, [_tried(at.get(rate)) for rate in rates]))
        if (warning := _doubt(cell)) is not None:
            others = [f"{axis} {name}" for axis, name in zip(axes[1:], names[1:], strict=True)]
            warnings.append(f"{', '.join([names[0], *others])}: {warning}")
    return {
        "axes": axes,
        "rates": [charts.text_of(rate) for rate in rates],
        "rows": rows,
        "warnings": warnings,
        "per": trials["lr_chosen_per"].iloc[0].replace(", ", " and each "),
        "trials": len(trials),
        "seeds": _listed(axis_values(trials, "seed")),
    }


def _tried(rate: Mapping[Hashable, Any] | None) -> dict[str, Any]:
    if rate is None:
        return {"loss": "", "n": 0, "n_out": 0, "chosen": False}
    loss = "" if pd.isna(rate["val_loss"]) else f"{rate['val_loss']:.4f}"
    return {"loss": loss, **{key: rate[key] for key in ("n", "n_out", "chosen")}}


def _doubt(rates: pd.DataFrame) -> str | None:
    """What a reader should know of one choice; `rates` are its rows of `choosing.rate_table`."""
    chosen = rates.loc[rates["chosen"], "lr"]
    if chosen.empty:
        return (
            "no rate is chosen, since a trial diverged or failed at every rate of the grid; it is "
            "not compared"
            if (rates["n_out"] > 0).all()
            else "no rate is chosen yet; trials are still to come"
        )
    rate = charts.text_of(chosen.item())
    if len(rates) > 1 and rates["val_loss"].nunique(dropna=False) == 1:
        return f"every rate gives the same loss, since it sets its own rates; {rate} stands"
    for end, extreme in (("smallest", rates["lr"].min()), ("largest", rates["lr"].max())):
        if chosen.item() == extreme:
            return f"{rate} is the {end} of the grid; the best rate may lie outside the grid"
    return None


def _listed(values: Sequence[Any]) -> str:
    """The values with commas between, or "0 to 63" for a long row of whole numbers."""
    if len(values) > 4 and values == list(range(len(values))):
        return f"0 to {values[-1]}"
    return ", ".join(map(charts.text_of, values))


def _mean_table(setting: charts.Setting) -> dict[str, Any]:
    """Test accuracy in percent: one row per scheduler, one column per dropout."""
    cells = {
        (cell["scheduler"], cell["dropout"]): {
            "value": _mean_and_sd(cell["mean"], cell["sd"]),
            "sort": "" if pd.isna(cell["mean"]) else f"{100 * cell['mean']:.6f}",
            "n": int(cell["n"]),
            "diverged": int(cell["n_diverged"]),
            "failed": int(cell["n_failed"]),
        }
        for cell in cell_summary(setting.runs, "test_accuracy").to_dict("records")
    }
    dropouts = axis_values(setting.runs, "dropout")
    return {
        "setting": setting.title,
        "about": setting.about,
        "dropouts": [charts.text_of(dropout) for dropout in dropouts],
        "rows": [
            (scheduler, [cells.get((scheduler, dropout)) for dropout in dropouts])
            for scheduler in axis_values(setting.runs, "scheduler")
        ],
    }


def _mean_and_sd(mean: float, sd: float) -> str:
    if pd.isna(mean):
        return "no mean"
    return f"{100 * mean:.2f}" + ("" if pd.isna(sd) else f" \N{PLUS-MINUS SIGN} {100 * sd:.2f}")


def _ended_early(runs: pd.DataFrame) -> dict[str, Any]:
    ended = runs[runs["status"] != "completed"]
    axes = [*extra_axes(runs), "scheduler", "dropout", "seed"]
    rows = [
        (
            {axis: charts.text_of(row[axis]) for axis in axes if axis != "seed"},
            [charts.text_of(row[axis]) for axis in axes],
            row["status"],
            _what_happened(row),
        )
        for row in ended.head(MAX_ENDED_EARLY).to_dict("records")
    ]
    return {"axes": axes, "rows": rows, "left_out": len(ended) - len(rows)}


def _what_happened(row: Mapping[Hashable, Any]) -> str:
    step, error = row["diverged_at_step"], row["error"]
    parts = [f"diverged at step {int(step)}"] if pd.notna(step) else []
    if pd.notna(error):
        parts.append(error if len(error) <= 500 else error[:500] + "\N{HORIZONTAL ELLIPSIS}")
    return "; ".join(parts)


def _provenance(runs: pd.DataFrame, trials: pd.DataFrame) -> list[tuple[str, str]]:
    """What made the numbers, as far as the tables know it: pairs of a name and a text."""

    def listed(column: str) -> str:
        return ", ".join(charts.text_of(value) for value in sorted(runs[column].dropna().unique()))

    finished = runs["finished_at"].dt.strftime("%Y-%m-%d %H:%M UTC")
    facts = {
        "lrdecay": listed("lrdecay_version"),
        "git commit": listed("git_commit"),
        "torch": listed("torch_version"),
        "Python": listed("python_version"),
        "device": listed("device"),
        "engine": listed("engine"),
        "dataset": listed("dataset"),
        "dataset digest": listed("dataset_digest"),
        "images held out for validation": listed("validation"),
        "test images": listed("test_images"),
        "seeds": str(runs["seed"].nunique()),
        "training time, all runs": _duration(runs["seconds"].sum()),
        "training time, trials": "" if trials.empty else _duration(trials["seconds"].sum()),
        "runs finished": " to ".join(dict.fromkeys([finished.min(), finished.max()])),
    }
    return [(name, text) for name, text in facts.items() if text]


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
