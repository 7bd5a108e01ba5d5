"""Results that others trained: compared, saved and reported as far as they say what they are."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from lrdecay.analysis import Conclusions, Criteria, conclude
from lrdecay.analysis.metrics import Metric
from lrdecay.core.errors import InputError
from lrdecay.core.first_plan import UNPLANNED
from lrdecay.core.text import suggest_name
from lrdecay.plots.figure_kinds import find_function, require_numbers, shows_verdicts
from lrdecay.plots.figure_rows import select_found, select_where
from lrdecay.plots.style import style_schedulers
from lrdecay.report.page import write_report
from lrdecay.report.page_file import PageFile
from lrdecay.store.importing.save import Origin, save_import


@dataclass(frozen=True, eq=False)
class Imported:
    """Results that others trained.

    Attributes:
        runs: one row per run, in the columns of `lrdecay.read_runs`, and one for each metric.
        epochs: one row per run, epoch and split, as far as curves were given.
        metrics: the metrics that the runs table has no column for, one row per value.
        notes: what was left out, or taken for granted.
        name: what they are called.
        declared: what the metrics are, the first one being what is compared unless said.
        origin: where they came from.
    """

    runs: pd.DataFrame
    epochs: pd.DataFrame
    metrics: pd.DataFrame
    notes: tuple[str, ...]
    name: str
    declared: tuple[Metric, ...]
    origin: Origin

    def conclude(
        self,
        metric: str | None = None,
        *,
        reference: str | None = None,
        margin: float | None = None,
        confidence: float = 0.95,
        seeds_fixed: bool = False,
        common_seeds: bool = False,
        exploratory: bool = False,
    ) -> Conclusions:
        """Return what they say; the arguments are those of `compare`."""
        criteria = Criteria(
            reference,
            self._name_metric(metric),
            margin,
            confidence,
            declared=self.declared,
            seeds_fixed=seeds_fixed,
            common_seeds=common_seeds,
        )
        return conclude(self.runs, None, criteria, first_plan=UNPLANNED, exploratory=exploratory)

    def compare(
        self,
        metric: str | None = None,
        *,
        reference: str | None = None,
        margin: float | None = None,
        confidence: float = 0.95,
        seeds_fixed: bool = False,
        common_seeds: bool = False,
        exploratory: bool = False,
    ) -> pd.DataFrame:
        """Compare schedulers and dropouts, each difference with an interval and a verdict.

        Args:
            metric: the first one unless given.
            reference: the scheduler that others are compared with; `constant`, else the first.
            margin: a difference below which two are equivalent, in the metric's unit.
            confidence: of each family as a whole.
            seeds_fixed: that the number of seeds was fixed beforehand, so that one t interval of
                all of them has all the error; without it verdicts begin at 8 seeds.
            common_seeds: leave out seeds that only one side has, where else nothing is evaluated.
            exploratory: whether to compare all pairs of schedulers too.

        Returns:
            As `lrdecay.analysis.compare`, with how each contrast is paired as `pairing`
            (`lrdecay.analysis.pairing.PAIRING`).

        Raises:
            InputError: the metric or the reference is unknown.
        """
        return self.conclude(
            metric,
            reference=reference,
            margin=margin,
            confidence=confidence,
            seeds_fixed=seeds_fixed,
            common_seeds=common_seeds,
            exploratory=exploratory,
        ).table

    def best_set(
        self, metric: str | None = None, *, confidence: float = 0.95, seeds_fixed: bool = False
    ) -> pd.DataFrame:
        """Say which schedulers are not excluded as best, as `lrdecay.analysis.best_set` does."""
        found = self.conclude(metric, confidence=confidence, seeds_fixed=seeds_fixed).best
        assert found is not None  # of every imported metric it is known which way is better
        return found

    def plot(self, kind: str, ax: Axes | None = None, **where: object) -> Axes:
        """Draw a figure of one kind, as `lrdecay plot` has them, in the styles of the report.

        Args:
            kind: such as accuracy-by-dropout; of differences and the like those in the first
                metric.
            ax: to draw on; a new figure's unless given.
            where: the value of each axis that is shown, such as `dataset="cifar10"`.

        Raises:
            InputError: there is no such kind or run, or the runs are not such that it can show
                them.
        """
        function, asked = find_function(kind), [f"{axis}={value}" for axis, value in where.items()]
        takes = signature(function).parameters
        runs = select_where(self.runs, asked)
        tables: dict[str, Any] = {"runs": runs, "epochs": self.epochs, "trials": runs}
        if shows_verdicts(kind):
            tables |= select_found(self.conclude(), asked, takes)
        else:
            require_numbers(kind, tables)
        tables["styles"] = style_schedulers(self.runs)
        drawn: Axes = function(**{k: v for k, v in tables.items() if k in takes}, ax=ax)
        return drawn

    def save(
        self,
        folder: str | Path,
        *,
        metric: str | None = None,
        reference: str | None = None,
        margin: float | None = None,
        seeds_fixed: bool = False,
        common_seeds: bool = False,
        replace: bool = False,
    ) -> Path:
        """Write a results folder, on which compare, report, plot, export, merge and verify work.

        The question (`metric` to `common_seeds`, as for `compare`) is kept with it. Saving the same
        results again changes nothing.

        Raises:
            InputError: as `compare`; or other results are in the folder, and `replace` is not said.
        """
        name = self._name_metric(metric)
        Criteria(reference, name, margin, declared=self.declared)  # raises where it cannot be
        comparison: dict[str, Any] = {"metric": name}
        comparison |= {} if reference is None else {"reference": self._check_label(reference)}
        comparison |= {} if margin is None else {"margin": margin}
        comparison |= {"seeds": "fixed"} if seeds_fixed else {}
        comparison |= {"common_seeds": True} if common_seeds else {}
        tables = self.runs, self.epochs, self.metrics
        declared = {each.name: _declare(each) for each in self.declared}
        home = Path(folder)
        save_import(home, tables, self.origin, declared, comparison, UNPLANNED, replace)
        return home

    def write_report(self, path: str | Path, **question: Any) -> PageFile:
        """Write the report to a file and return its path, which in a notebook shows it; `question`
        is as for `save`."""
        with TemporaryDirectory() as scratch:
            home = self.save(Path(scratch) / self.name, **question)
            return write_report(home, path)

    def _name_metric(self, metric: str | None) -> str:
        names = [each.name for each in self.declared]
        if metric is not None and metric not in names:
            raise InputError(f"metric: {suggest_name(metric, names)}")
        return metric or names[0]

    def _check_label(self, label: str) -> str:
        labels = list(dict.fromkeys(self.runs["scheduler"]))
        if label not in labels:
            raise InputError(
                f"no run of the reference {label!r}; choose one of {', '.join(labels)}"
            )
        return label


def _declare(metric: Metric) -> dict[str, Any]:
    """Return a metric as a sweep file has it."""
    return {
        "higher_is_better": metric.higher_is_better,
        "unit": metric.unit,
        "title": metric.title,
    }
