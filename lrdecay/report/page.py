"""One results folder to one HTML page that needs nothing else: no network, no font, no library.

The page is a function of the tables and the sweep file alone, so the same input gives the same
bytes. `write_report` reads, renders and writes; `render_report` is the pure part.
"""

from collections.abc import Mapping
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import matplotlib.style
import pandas as pd

from lrdecay.analysis import Conclusions, compared, conclude, headline, status_counts
from lrdecay.analysis.class_balance import list_doubts
from lrdecay.analysis.departures import find_first_plan
from lrdecay.analysis.identical_runs import describe_identical_runs
from lrdecay.analysis.metrics import METRICS_COMPARED, UNIT_TITLES
from lrdecay.analysis.number_text import format_percent
from lrdecay.analysis.settings import read_criteria
from lrdecay.analysis.verdicts import RESOLVED
from lrdecay.core.data_facts import describe_classes
from lrdecay.core.errors import InputError
from lrdecay.plots.style import MATPLOTLIB_STYLE, style_schedulers
from lrdecay.report import conclusions, next_step, provenance, sections, tables
from lrdecay.report.compare import add_declared
from lrdecay.report.figures import panels
from lrdecay.report.html import load_assets, render_template, write_page
from lrdecay.report.methods import write_methods
from lrdecay.report.origin import describe_import, list_import_facts
from lrdecay.report.own_loops import describe_loop
from lrdecay.report.page_file import PageFile
from lrdecay.report.remarks import write_new_images
from lrdecay.store import reader
from lrdecay.store.importing.save import read_origin
from lrdecay.store.reader import Plan

MAX_SENTENCES = 16
"""Verdicts that are spelled out at the top; all of them are in the table."""
MAX_NAMED = 20
"""Combinations without figures that are named."""


def write_report(folder: str | Path, output: str | Path | None = None) -> PageFile:
    """Write the report of a results folder and return its path, which in a notebook shows it.

    Args:
        folder: a results folder, as `lrdecay sweep` leaves it, finished or not.
        output: the file to write; `folder`/report.html unless given.

    Raises:
        InputError: the folder is missing or holds no runs, or only trials of base rates.
    """
    folder = Path(folder)
    page = read_and_render(folder)
    return write_page(page, folder / "report.html" if output is None else Path(output))


def read_and_render(folder: Path) -> str:
    """Return the page of a results folder as text; raises as `write_report`."""
    runs = reader.read_runs(folder)
    if compared(runs).empty:
        found = "no runs" if runs.empty else f"only {len(runs)} trials of base rates"
        raise InputError(f"{found} in {folder}: `lrdecay sweep FILE` trains a sweep into it")
    plan = reader.read_plan(folder)
    return render_report(
        add_declared(runs, folder, plan.sweep_text),
        reader.read_epochs(folder),
        name=folder.resolve().name,
        plan=plan,
        planned=reader.read_plan_rows(folder),
        repeats=reader.read_repeats(folder),
    )


def render_report(
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    *,
    name: str,
    plan: Plan,
    planned: pd.DataFrame | None = None,
    repeats: pd.DataFrame | None = None,
) -> str:
    """Return the page as text; `runs` has at least one row of the comparison, `planned` is the
    plan's rows, if they are known, and `repeats` those of runs that trained once more."""
    trials, runs = runs[runs["phase"] == "choose"], compared(runs)
    styles = style_schedulers(runs)
    settings = panels.split_settings(runs, epochs, styles)
    found, unanswered = _conclude(runs, epochs, plan, planned)
    metric = None if found is None else found.metric
    origin, loop = read_origin(plan.sweep_text), describe_loop(runs, epochs, found)
    built_in = origin is None and not loop
    # The reader's own matplotlib settings must not change the page.
    with matplotlib.style.context(MATPLOTLIB_STYLE):
        if origin is None:
            shown = sections.list_sections(runs, epochs, settings, found, trials, repeats)
        else:
            shown = sections.list_import_sections(epochs, settings, found)
        keys = [panels.draw_legend_key(style, i) for i, style in enumerate(styles.values())]
    left_out = [setting.title for setting in settings[sections.MAX_COMBINATIONS :]]
    return render_template(
        "report.html.j2",
        **load_assets(),
        name=name,
        sweep_text=plan.sweep_text.strip(),
        warnings=plan.warnings,
        counts=status_counts(runs).to_dict(),
        planned=plan.runs,
        missing=max(0, plan.runs - len(runs)),
        imported=None if origin is None else describe_import(origin, found),
        loop=loop,
        built_in=built_in,
        times_target="target" in shown and bool(shown["target"].charts),
        mixed=(mixed := provenance.find_mixed(runs)),
        mixed_pairs=provenance.describe_mixed_pairs(runs) if mixed else "",
        doubts=list_doubts(runs, plan.data, _find_metric(found)),
        images=[] if plan.data is None else [describe_classes(plan.data), *plan.data.notes],
        alike=[
            *chain.from_iterable(map(provenance.find_alike, settings[: sections.MAX_COMBINATIONS])),
            *([] if found is None else describe_identical_runs(found.blocks, epochs)),
            *([] if found is None else conclusions.write_engines(found)),
        ],
        answer=None if found is None else _answer(found),
        unanswered=unanswered,
        headline=shown.pop("headline").charts,
        contrasts=[] if found is None else tables.tabulate_contrasts(found),
        unit="" if metric is None else UNIT_TITLES[metric.unit],
        shares=[] if found is None else conclusions.list_shares(found),
        cells=tables.tabulate_cells(
            runs, None if built_in else metric, of_images=built_in, found=found
        ),
        map=shown.pop("map").charts,
        # neighbours that fill half of a wide page stand side by side
        groups=[
            list(group)
            for _, group in groupby(
                (section for section in shown.values() if section.charts), key=lambda s: s.small
            )
        ],
        matrix=provenance.provenance_matrix(runs),
        key_symbols=list(zip(styles, keys, strict=True)),
        left_out=left_out[:MAX_NAMED],
        more_left_out=max(0, len(left_out) - MAX_NAMED),
        shown=sections.MAX_COMBINATIONS,
        choice=None if trials.empty else tables.tabulate_rates(trials),
        ended_early=tables.tabulate_ended_early(runs),
        facts=list_import_facts(origin, runs)
        if origin is not None
        else provenance.provenance_facts(runs, trials),
        loading=provenance.write_loading(
            name, trials=not trials.empty, has_epochs=not epochs.empty
        ),
        commands=provenance.write_commands(name, runs),
        methods=[] if found is None else write_methods(found, trials, plan.data, origin),
    )


def _conclude(
    runs: pd.DataFrame, epochs: pd.DataFrame, plan: Plan, planned: pd.DataFrame | None
) -> tuple[Conclusions | None, str]:
    """Return what the sweep decides, or why that cannot be said: the rest of the page can."""
    try:
        stated = read_criteria(plan.sweep_text)
        first_plan = find_first_plan(plan.first_plan, stated)
        return conclude(runs, epochs, stated, planned=planned, first_plan=first_plan), ""
    except InputError as error:
        return None, str(error)


def _find_metric(found: Conclusions | None) -> str:
    return next(iter(METRICS_COMPARED)) if found is None else found.metric.name


def _answer(found: Conclusions) -> Mapping[str, Any]:
    shown = conclusions.group_sentences(found, MAX_SENTENCES)
    best = list(conclusions.list_best_sentences(found))
    primary, largest = found.primary["verdict"], headline.describe_largest(found)
    return {
        "headline": headline.write_answer(found),
        "next_step": list(next_step.write_next_step(found)),
        "sure": [*filter(None, [headline.write_confidence(found)]), *write_new_images(found)],
        "seen": [] if primary.isin(RESOLVED).any() else list(filter(None, [largest])),
        "departures": found.departures,
        "question": conclusions.write_question(found),
        "summary": conclusions.write_summary(found),
        "groups": shown,
        "left_out": len(found.primary) - sum(len(sentences) for _, sentences in shown),
        "best": best[:MAX_SENTENCES],
        "best_left_out": len(best) - len(best[:MAX_SENTENCES]),
        "places": conclusions.name_places(found),
        "outlook": next_step.write_outlook(found),
        "confidence": format_percent(found.criteria.confidence),
    }
