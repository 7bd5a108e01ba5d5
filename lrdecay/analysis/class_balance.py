"""What an accuracy means, given how many images of each class it was measured on."""

from __future__ import annotations

import math

import pandas as pd

from lrdecay.analysis.axes import cell_axes
from lrdecay.analysis.metrics import METRICS_COMPARED
from lrdecay.core.data_facts import DataFacts
from lrdecay.core.text import format_dropout, format_named, join_filled

UNEVEN = 2.0
"""Classes are uneven where one has over so many times the images of another."""

_DEVIATIONS = 2.0  # of chance, above which an accuracy is more than chance
_MEASURED_ON = {
    "test_accuracy": "test",
    "best_test_accuracy": "test",
    "val_accuracy": "validation",
}
_NAMED = 8


def list_doubts(runs: pd.DataFrame, facts: DataFacts | None, metric: str) -> list[str]:
    """Return what a reader of the comparison should know of its metric, a sentence each.

    Args:
        runs: those of the comparison.
        facts: the images by class; nothing is said where they are not known.
        metric: the name of what is compared.
    """
    if facts is None:
        return []
    return [*describe_imbalance(facts, metric), *describe_chance(runs, facts)]


def describe_imbalance(facts: DataFacts, metric: str) -> list[str]:
    """Return a sentence if the metric is an accuracy over classes that are `UNEVEN`."""
    split = _MEASURED_ON.get(metric)
    counts = {} if split is None else dict(zip(facts.classes, getattr(facts, split), strict=True))
    if not any(counts.values()):
        return []
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[most] <= UNEVEN * counts[least]:
        return []
    total = sum(counts.values())
    return [
        f"The classes are uneven: of {total:,} {split} images {counts[most]:,} are of {most} and "
        f"{counts[least]:,} of {least}. To always answer {most} is right for "
        f"{counts[most] / total:.1%}, and {METRICS_COMPARED[metric].title} says little of the "
        f"rarer classes; {'val' if split == 'validation' else split}_macro_f1 weighs all alike "
        f"(metrics: [macro_f1] in the sweep file)"
    ]


def describe_chance(runs: pd.DataFrame, facts: DataFacts) -> list[str]:
    """Return a sentence that names the cells of which every completed run is at chance.

    That is a test accuracy of at most the share of the most frequent class among the test images,
    plus two standard deviations of such a share: sqrt(share (1 - share) / images).
    """
    total = sum(facts.test)
    if not total:
        return []
    share = max(facts.test) / total
    most = share + _DEVIATIONS * math.sqrt(share * (1 - share) / total)
    by = cell_axes(runs)
    completed = runs[runs["status"] == "completed"]
    highest = completed.groupby(by, sort=False, dropna=False)["test_accuracy"].max().reset_index()
    names = [
        join_filled(
            row["scheduler"],
            format_dropout(row["dropout"]),
            *(format_named(axis, row[axis]) for axis in by[:-2]),
        )
        for row in highest[highest["test_accuracy"] <= most].to_dict("records")
    ]
    if not names:
        return []
    if more := len(names[_NAMED:]):
        names[_NAMED:] = [f"and {more:,} more"]
    return [
        f"No run is better than chance in: {'; '.join(names)}. To always answer the most frequent "
        f"class is right for {share:.1%} of the test images, and up to {most:.1%} is no more than "
        f"chance gives; a difference between such cells says nothing of schedulers"
    ]
