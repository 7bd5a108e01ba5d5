"""What can be compared: the metrics, their units, and how a verdict words them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lrdecay.analysis.axes import require_columns
from lrdecay.analysis.summaries import train_test_gap
from lrdecay.core.errors import InputError

POINTS, NATS, SECONDS, OWN = "points", "nats", "seconds", "own"
"""Percentage points of a share from 0 to 1, or of a gap; nats per image of a loss; one that has no
name here."""
UNIT_TITLES = {
    POINTS: "percentage points",
    NATS: "nats per image",
    SECONDS: "seconds",
    OWN: "its own unit",
}


@dataclass(frozen=True)
class Metric:
    """One number of each run. `images` are those that it was measured on; `higher_is_better` is
    None where neither is better in itself."""

    name: str
    title: str
    unit: str
    images: str
    higher_is_better: bool | None

    @property
    def unit_name(self) -> str:
        """The unit in a sentence."""
        return UNIT_TITLES[OWN] if self.unit == OWN else self.unit

    def spell(self, number: str) -> str:
        """Return a number with the unit, if that has a name."""
        return number if self.unit == OWN else f"{number} {self.unit}"

    @property
    def needs_epochs(self) -> bool:
        """Whether it is computed from the epochs table too."""
        return self.name == "gap"

    @property
    def scale(self) -> float:
        """What the column of `runs` is multiplied by to be in the metric's unit."""
        return 100.0 if self.unit == POINTS and self.name != "gap" else 1.0

    @property
    def span(self) -> float:
        """How far apart two values of it can be, in its unit."""
        if self.unit != POINTS:
            return math.inf
        return 200.0 if self.name == "gap" else 100.0


METRICS_COMPARED = {
    metric.name: metric
    for metric in (
        Metric("test_accuracy", "test accuracy", POINTS, "this test set", True),
        Metric("test_loss", "test loss", NATS, "this test set", False),
        Metric("val_accuracy", "validation accuracy", POINTS, "these validation images", True),
        Metric("val_loss", "validation loss", NATS, "these validation images", False),
        Metric(
            "best_test_accuracy",
            "test accuracy at the epoch with the lowest validation loss",
            POINTS,
            "this test set",
            True,
        ),
        Metric("gap", "train-test gap", POINTS, "these images", None),
    )
}
"""By name, the default first."""


_CLASS_TITLES = {"balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1"}


def list_class_metrics(names: Iterable[str]) -> tuple[Metric, ...]:
    """Return what can be compared of some of `CLASS_METRICS`: each on test and validation images,
    a share from 0 to 1.

    >>> [metric.name for metric in list_class_metrics(["macro_f1"])]
    ['test_macro_f1', 'val_macro_f1']
    """
    accuracies = [METRICS_COMPARED["test_accuracy"], METRICS_COMPARED["val_accuracy"]]
    return tuple(
        replace(
            like,
            name=like.name.replace("accuracy", name),
            title=like.title.replace("accuracy", _CLASS_TITLES[name]),
        )
        for name in names
        for like in accuracies
    )


def describe_images(name: str) -> str:
    """Return what a metric of somebody else's was measured on, as far as its name says."""
    of_split = {"test": "this test set", "val": "this validation set", "train": "this training set"}
    return of_split.get(name.partition("_")[0], "these data")


def _of_own_loop(metric: Metric) -> Metric:
    unit = OWN if metric.unit == NATS else metric.unit
    return replace(metric, unit=unit, images=describe_images(metric.name.removeprefix("best_")))


OF_OWN_LOOPS = tuple(
    own for metric in METRICS_COMPARED.values() if (own := _of_own_loop(metric)) != metric
)
"""Those that are something else of a loop of the user's own: its data may be no images, and its
loss is in whatever unit it has there."""


def find_metric(name: str, declared: Iterable[Metric] = ()) -> Metric:
    """Return a metric by its name: one of `METRICS_COMPARED`, or of those that are declared.

    Raises:
        InputError: there is none of that name.
    """
    known = METRICS_COMPARED | {metric.name: metric for metric in declared}
    if name not in known:
        raise InputError(f"unknown metric {name!r}; choose one of {', '.join(known)}")
    return known[name]


def with_metrics(
    runs: pd.DataFrame, metrics: pd.DataFrame, declared: Iterable[Metric] = ()
) -> pd.DataFrame:
    """Return runs with a column for each metric of the metrics table: SPLIT_NAME, or NAME for one
    of no split, of the run's last epoch or of the whole run, which counts where both are there.

    Args:
        runs: rows of the runs table.
        metrics: rows of the metrics table, of these runs or of more.
        declared: metrics whose column is there in any case, null where no run has a value.

    Returns:
        The rows of `runs` in their order; null is what a run does not have.
    """
    require_columns(runs, ["run_id"])
    own = metrics[metrics["run_id"].isin(runs["run_id"])]
    last = own.groupby("run_id")["epoch"].transform("max")
    own = own[own["epoch"].isna() | (own["epoch"] == last)]
    split = own["split"].fillna("")
    own = own.assign(column=own["metric"].where(split == "", split + "_" + own["metric"]))
    own = own.sort_values("epoch", kind="stable", na_position="last")
    found = own.groupby(["run_id", "column"])["value"].last().unstack()
    lacking = (m.name for m in declared if m.name not in {*runs, *found} and not m.needs_epochs)
    names = [*found, *lacking]
    columns = found.reindex(index=runs["run_id"], columns=names).astype("float64")
    return runs.assign(**{name: columns[name].to_numpy() for name in map(str, names)})


def read_metric(
    runs: pd.DataFrame, metric: Metric, epochs: pd.DataFrame | None = None
) -> np.ndarray:
    """Return the metric of each run in its unit, NaN where a run did not complete or lacks it.

    Raises:
        InputError: a column is missing, or the gap is asked for without `epochs`.
    """
    require_columns(runs, ["status"])
    if metric.needs_epochs:
        if epochs is None:
            raise InputError("the train-test gap needs the epochs table as well: pass epochs=")
        column = train_test_gap(runs, epochs)["train_test_gap"]
    else:
        require_columns(runs, [metric.name])
        column = runs[metric.name].astype("float64").where(runs["status"] == "completed")
    return metric.scale * column.to_numpy(dtype=float)


def find_steps(runs: pd.DataFrame, metric: Metric) -> np.ndarray:
    """Return the smallest difference that two values of each run's metric can have, in its unit:
    that of one image; 0 where the images' number is not known, and of a loss."""
    of_images = {"val_accuracy": ["validation"], "gap": ["test_images", "validation"]}
    names = of_images.get(metric.name, ["test_images"])
    counted = METRICS_COMPARED.get(metric.name) == metric and metric.unit == POINTS
    if not counted or any(name not in runs for name in names):
        return np.zeros(len(runs))
    counts = runs[names].astype("float64").fillna(0.0).to_numpy(dtype=int)
    # of shares of two numbers of images the common denominator is the least multiple of both
    images = np.lcm.reduce(counts, axis=1)
    steps: np.ndarray = np.where(images > 0, 100.0 / np.maximum(images, 1), 0.0)
    return steps
