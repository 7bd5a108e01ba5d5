"""The kinds of figures that `lrdecay plot` draws: each a function of `lrdecay.plots`, by name, so
that listing them imports nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from lrdecay import plots
from lrdecay.core.errors import InputError
from lrdecay.core.text import suggest_name

if TYPE_CHECKING:
    import pandas as pd

KINDS: dict[str, tuple[str, str]] = {
    "differences": (
        "plot_differences",
        "differences to the --reference with their intervals, by dropout",
    ),
    "slopes": (
        "plot_slopes",
        "each scheduler beside the --reference, a line per seed, at one dropout",
    ),
    "closing": (
        "plot_closing",
        "how the intervals of the differences closed as seeds were added, at one dropout",
    ),
    "interaction": (
        "plot_gain_by_dropout",
        "differences to the --reference with their intervals, against dropout",
    ),
    "learning-rates": (
        "plot_learning_rates",
        "learning rates as applied, against epochs trained",
    ),
    "curves": (
        "plot_curves",
        "accuracy or loss (--metric) of a --split by epoch, at one dropout",
    ),
    "late-curves": (
        "plot_late_curves",
        "the last half of a run's curves, on a range of their own, at one dropout",
    ),
    "relative-curves": (
        "plot_relative_curves",
        "accuracy or loss less the --reference's at the same seed, by epoch, at one dropout",
    ),
    "jumps": (
        "plot_late_changes",
        "how much accuracy or loss changes per epoch in the last half of a run, at one dropout",
    ),
    "ecdf": ("plot_ecdf", "share of runs that ended at or below a test accuracy, at one dropout"),
    "accuracy-by-dropout": (
        "plot_accuracy_by_dropout",
        "test accuracy against dropout",
    ),
    "accuracy-by-rate": (
        "plot_accuracy_by_rate",
        "test accuracy against the base rate, at one dropout",
    ),
    "accuracy-by-epochs": (
        "plot_accuracy_by_epochs",
        "test accuracy against the length of the run, at one dropout",
    ),
    "heat-map": ("plot_heat_map", "test accuracy of each scheduler and dropout"),
    "spread": ("plot_spread", "how far seeds lie apart, beside two yardsticks"),
    "time-to-target": (
        "plot_time_to_target",
        "share of runs that have reached the sweep's target, by epoch, at one dropout",
    ),
    "expected-best": (
        "plot_expected_best",
        "validation accuracy to expect of the best of so many base rates tried, at one dropout",
    ),
    "gap-by-dropout": (
        "plot_gap_by_dropout",
        "training minus test accuracy against dropout",
    ),
}
"""By name: the function of `plots`, and what it shows. A function takes tables of `TABLES`, or of
`FOUND`, and `ax`; other parameters have defaults."""

ALIASES = {"paired": "relative-curves"}
"""Other names of kinds."""

TABLES = ("runs", "epochs", "trials")
"""Runs of the comparison, their epochs, and trials of base rates: the runs, if there are none."""
FOUND = ("table", "steps", "reference")
"""What the comparison found: the differences to the reference, what they were after each look, and
what it compared with. A kind that must have one of these shows verdicts."""

_SHOWN = {
    "learning-rates": ("epochs", "learning_rate"),
    # or what --metric says
    **dict.fromkeys(("curves", "late-curves", "relative-curves", "jumps"), ("epochs", "accuracy")),
    **dict.fromkeys(
        ("accuracy-by-dropout", "accuracy-by-rate", "accuracy-by-epochs", "heat-map", "spread"),
        ("runs", "test_accuracy"),
    ),
    "ecdf": ("runs", "test_accuracy"),
    "expected-best": ("trials", "val_accuracy"),
    "gap-by-dropout": ("epochs", "accuracy"),
}
"""The table and the column of which a kind shows the numbers."""


def find_kind(name: str) -> str:
    """Return the kind that a name means, which may be one of `ALIASES`.

    Raises:
        InputError: there is no such kind.
    """
    kind = ALIASES.get(name, name)
    if kind not in KINDS:
        raise InputError(f"kind of figure {suggest_name(name, [*KINDS, *ALIASES])}")
    return kind


def find_function(name: str) -> Callable[..., Any]:
    """Return the function that draws a kind.

    Raises:
        InputError: there is no such kind.
    """
    function: Callable[..., Any] = getattr(plots, KINDS[find_kind(name)][0])
    return function


def list_parameters(name: str) -> list[str]:
    """Return what the function of a kind takes.

    Raises:
        InputError: there is no such kind.
    """
    return list(signature(find_function(name)).parameters)


def shows_verdicts(name: str) -> bool:
    """Return whether a kind shows what the comparison found.

    Raises:
        InputError: there is no such kind.
    """
    takes = signature(find_function(name)).parameters
    return any(name in FOUND and p.default is Parameter.empty for name, p in takes.items())


def require_numbers(
    name: str, tables: Mapping[str, pd.DataFrame], metric: str | None = None
) -> None:
    """Raise `InputError` where no run has what a kind shows, as others' results may lack it.

    Args:
        name: of a kind.
        tables: by the names of `TABLES`.
        metric: accuracy or loss, where a kind can show either.
    """
    kind = find_kind(name)
    if kind not in _SHOWN:
        return
    place, column = _SHOWN[kind]
    column = metric or column
    runs, table = tables["runs"], tables[place]
    own = table if place != "epochs" else table[table["run_id"].isin(runs["run_id"])]
    if column in own and own[column].isna().all():
        raise InputError(f"nothing to draw: {kind} shows {column}, and no run has any")
