"""The page's figures under their headings, in the page's order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from lrdecay.analysis import Conclusions, extra_axes
from lrdecay.analysis.contrasts import find_reference
from lrdecay.analysis.metrics import METRICS_COMPARED
from lrdecay.report.figures import cells, curves, decay, differences, panels
from lrdecay.report.figures.panels import Chart, Setting
from lrdecay.report.own_loops import AS_TOLD, has_program

MAX_COMBINATIONS = 4
"""Combinations of extra axes that get figures; all of them are in the tables."""


@dataclass(frozen=True)
class Section:
    """A heading of the page and the charts under it."""

    id: str
    title: str
    charts: Sequence[Chart]

    @property
    def small(self) -> bool:
        """Whether it fills half of a wide page at most."""
        return sum(chart.panels for chart in self.charts) == 1


def list_sections(
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    settings: Sequence[Setting],
    found: Conclusions | None,
    trials: pd.DataFrame,
    repeats: pd.DataFrame | None,
) -> dict[str, Section]:
    """Return the sections by their ids, in the page's order."""
    styles = settings[0].styles

    def draw(
        chart: Callable[[Setting], Chart | None], given: Sequence[Setting] = settings
    ) -> list[Chart]:
        # of the first few combinations, without those that have nothing to show
        return [made for each in given[:MAX_COMBINATIONS] if (made := chart(each)) is not None]

    def decide(chart: Callable[[Setting, Conclusions], Chart | None]) -> list[Chart]:
        return [] if found is None else draw(lambda each: chart(each, found))

    def vary(axis: str, chart: Callable[[Setting], Chart | None]) -> list[Chart]:
        if axis not in extra_axes(runs):
            return []
        return draw(chart, panels.split_settings(runs, epochs, styles, but=[axis]))

    reference = find_reference(runs) if found is None else found.reference
    tried = []
    if len(trials):
        tried = panels.split_settings(trials, epochs.iloc[:0], styles, but=["lr"])
    how = AS_TOLD if has_program(runs) else "as applied"
    by_dropout = draw(cells.draw_accuracy_by_dropout)
    spread = draw(partial(cells.draw_spread, repeats))
    by_epochs = vary("epochs", cells.draw_accuracy_by_epochs)
    relative = draw(partial(decay.draw_relative, reference))

    def draw_curves(metric: str) -> list[Chart]:
        # learning rates stand below curves once
        return draw(partial(curves.draw_curves, metric, with_rates=not relative))

    listed = [
        Section("headline", "", decide(differences.draw_differences)),
        Section("map", "", draw(cells.draw_heat_map)),
        Section("decay", "What decay does", relative),
        Section("jumps", "Jumps late in a run", draw(decay.draw_late_changes)),
        Section("ecdf", "Where runs end", draw(decay.draw_ecdf)),
        Section("slopes", "Seed by seed", decide(differences.draw_slopes)),
        Section("closing", "How the intervals closed", decide(differences.draw_closing)),
        Section("by_dropout", "Test accuracy by dropout", by_dropout),
        Section("gap", "Train-test gap by dropout", draw(cells.draw_gap_by_dropout)),
        Section("interaction", "Interaction with dropout", decide(differences.draw_gain)),
        Section("spread", "How far seeds lie apart", spread),
        Section("rates", f"Learning rates {how}", draw(curves.draw_rates)),
        Section("tried", "What more base rates are worth", draw(cells.draw_expected_best, tried)),
        Section("by_rate", "Sensitivity to the base rate", vary("lr", cells.draw_accuracy_by_rate)),
        Section("by_epochs", "Test accuracy by length of the run", by_epochs),
        Section("target", "Time to the target", draw(cells.draw_target)),
        Section("loss", "Loss by epoch", draw_curves("loss")),
        Section("accuracy", "Accuracy by epoch", draw_curves("accuracy")),
    ]
    return {section.id: section for section in listed}


def list_import_sections(
    epochs: pd.DataFrame, settings: Sequence[Setting], found: Conclusions | None
) -> dict[str, Section]:
    """Return the sections of imported results: what these have numbers for."""

    def draw(chart: Callable[[Setting], Chart | None]) -> list[Chart]:
        return [made for each in settings[:MAX_COMBINATIONS] if (made := chart(each)) is not None]

    def decide(chart: Callable[[Setting, Conclusions], Chart | None]) -> list[Chart]:
        return [] if found is None else draw(lambda each: chart(each, found))

    of_accuracy = found is not None and found.metric == METRICS_COMPARED["test_accuracy"]
    in_pairs = found is not None and found.has_pairs
    listed = [
        Section("headline", "", decide(differences.draw_differences)),
        Section("map", "", draw(cells.draw_heat_map) if of_accuracy else []),
        Section("slopes", "Seed by seed", decide(differences.draw_slopes) if in_pairs else []),
        Section("closing", "How the intervals closed", decide(differences.draw_closing)),
        Section(
            "by_dropout",
            "Test accuracy by dropout",
            draw(cells.draw_accuracy_by_dropout) if of_accuracy else [],
        ),
    ]
    if found is not None and found.criteria.seeds_fixed:  # there was but one look
        listed = [section for section in listed if section.id != "closing"]
    for name in ("loss", "accuracy"):
        if len(epochs) and epochs[name].notna().any():
            charts = draw(partial(curves.draw_curves, name))
            listed.append(Section(name, f"{name.capitalize()} by epoch", charts))
    return {section.id: section for section in listed}
