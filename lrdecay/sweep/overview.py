"""What a sweep asks for, in words: for `lrdecay plan`, and for a notebook."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lrdecay.analysis.metrics import Metric
from lrdecay.analysis.settings import Comparison, SeedsUntil
from lrdecay.components.optimizers.spec import RateChoice
from lrdecay.components.schedulers.spec import SchedulerSpec
from lrdecay.core.text import format_call, spell_count

Row = tuple[str, str]
"""A name and what is said of it."""


def list_axes(axes: Mapping[str, Sequence[Any]], choice: RateChoice | None) -> Iterator[Row]:
    """Yield each axis with its values."""
    for axis, values in axes.items():
        listed = ", ".join(str(value) for value in values)
        if axis == "lr" and choice is not None:
            listed += f" (chosen per {' and '.join(choice.per)})"
        yield axis, listed


def list_schedulers(schedulers: Mapping[str, SchedulerSpec]) -> Iterator[Row]:
    """Yield each scheduler with its arguments."""
    for label, spec in schedulers.items():
        called = format_call({"class": spec.class_, **spec.arguments})
        yield "scheduler", f"{label}: {called}"


def describe_seeds(seeds: Sequence[int], adding: SeedsUntil | None) -> str:
    """Return which seeds train."""
    if adding is not None and adding.min < adding.max:
        first = f", from {adding.start}" if adding.start else ""
        return f"{adding.min} to {adding.max}{first}, until each difference is resolved"
    return f"{len(seeds)}, from {min(seeds)} to {max(seeds)}"


def describe_comparison(comparison: Comparison, metric: Metric, reference: str) -> str:
    """Return what is to be decided, and by what rule."""
    margin = metric.spell(f"{comparison.margin:g}")
    return (
        f"{metric.title}, against {reference}; margin {margin}, "
        f"confidence {comparison.confidence:.12g}"
    )


def count_runs(
    cells: int, seeds: Sequence[int], adding: SeedsUntil | None, choice: RateChoice | None
) -> Iterator[str]:
    """Yield how many runs each phase takes."""
    fewest = len(seeds) if adding is None else adding.min
    prefix, of_cells = "", spell_count(cells, "cell")
    if choice is not None:
        rates, own = spell_count(len(choice.choose), "rate"), spell_count(choice.seeds, "seed")
        trials = spell_count(cells * len(choice.choose) * choice.seeds, "trial")
        yield f"To choose base rates: {of_cells} x {rates} x {own} of their own = {trials}"
        prefix = "To compare: "
    most = fewest if adding is None else adding.max
    at_most = f" to {spell_count(cells * most, 'run')}" if most > fewest else ""
    each, runs = spell_count(fewest, "seed"), spell_count(cells * fewest, "run")
    yield f"{prefix}{of_cells} x {each} = {runs}{at_most}"
