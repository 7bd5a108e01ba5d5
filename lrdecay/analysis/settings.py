"""What a comparison is to decide, and by what rule: as the sweep file states it, or a caller."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, field_validator

from lrdecay.analysis.metrics import (
    METRICS_COMPARED,
    OF_OWN_LOOPS,
    Metric,
    describe_images,
    find_metric,
    list_class_metrics,
)
from lrdecay.analysis.verdicts import DEFAULT_BUDGET
from lrdecay.core.errors import InputError
from lrdecay.core.fields import Count, Strict, to_tuple
from lrdecay.core.yaml import YamlError, parse_yaml

MAX_START = 10**9


class SeedsUntil(Strict):
    """Seeds that are added until the comparison is decided: at least `min`, at most `max`.

    Verdicts are made at looks: `min`, `max`, and steps between them.
    """

    min: Annotated[int, Field(ge=8, le=1_000_000)] = 8
    """Seeds that train in any case."""
    max: Annotated[int, Field(ge=8, le=1_000_000)] = 64
    """Seeds that train at most; at least `min`."""
    start: Annotated[int, Field(ge=0, le=MAX_START)] = 0
    """The first of them; others than an earlier sweep had confirm what that found."""
    until: Literal["resolved"] = "resolved"
    """What ends the adding: each difference from the reference has a verdict, or all seeds."""

    @field_validator("max")
    @classmethod
    def _not_less(cls, value: int, info: ValidationInfo) -> int:
        least = info.data.get("min")
        if least is not None and value < least:
            raise ValueError(f"must be at least min, {least}, not {value}")
        return value


class MetricSpec(Strict):
    """A metric of your own, under the name of its column: SPLIT_NAME after the last epoch, such as
    test_f1, or NAME of the whole run. It can be compared then."""

    higher_is_better: bool
    """Whether more of it is better."""
    unit: Literal["own", "points", "nats", "seconds"] = "own"
    """What differences are given in; `points` are percentage points of a share from 0 to 1."""
    title: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """What it is called in sentences; its name unless given."""


def declare_metrics(
    specs: Mapping[str, MetricSpec] | Sequence[str], own_loop: bool = False
) -> tuple[Metric, ...]:
    """Return the metrics that a sweep file declares, or those that follow from the names that it
    asks lrdecay's own training for; and those of `METRICS_COMPARED` that are something else of a
    loop of the user's own, which a file with a `trainer` has."""
    if not isinstance(specs, Mapping):
        return list_class_metrics(specs)
    declared = tuple(
        Metric(
            name=name,
            title=spec.title or name.replace("_", " "),
            unit=spec.unit,
            images="these data",
            higher_is_better=spec.higher_is_better,
        )
        for name, spec in specs.items()
    )
    return (*OF_OWN_LOOPS, *declared) if own_loop else declared


class Comparison(Strict):
    """What the sweep is to decide, fixed before it runs. `margin` is in percentage points, in nats
    per image where the metric is a loss, or in the unit of a metric of your own."""

    reference: str | None = None
    """The label that the others are compared with; `constant`, else the first, unless given."""
    metric: (
        Literal[
            "test_accuracy", "test_loss", "val_accuracy", "val_loss", "best_test_accuracy", "gap"
        ]
        | str
    ) = "test_accuracy"
    """What is compared, after the last epoch; `best_test_accuracy` is that of the epoch with the
    lowest validation loss, `gap` is train minus test accuracy; or one of `metrics`, of which
    those in a list have a split before their name: `test_macro_f1`, `val_macro_f1`."""
    margin: Count = 0.05
    """A difference smaller than this counts as none."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """How sure all verdicts of a family are to be together."""


class _ImportedComparison(Strict):
    """What is asked of imported results, as `lrdecay import` writes it."""

    reference: str | None = None
    metric: str
    margin: Count | None = None
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    seeds: Literal["fixed"] | None = None
    common_seeds: bool = False


ClassMetric = Literal["balanced_accuracy", "macro_f1"]
"""One of `CLASS_METRICS`."""
_METRICS = TypeAdapter(dict[str, MetricSpec])
_CLASS_METRICS = TypeAdapter(list[ClassMetric])


@dataclass(frozen=True)
class Criteria:
    """What verdicts go by, all that a comparison depends on beside the runs.

    Raises:
        InputError: the metric is unknown, or a number is out of its range.
    """

    reference: str | None = None
    """The scheduler that others are compared with; `constant`, else the first, unless given."""
    metric: str = "test_accuracy"
    """One of `lrdecay.analysis.METRICS_COMPARED`, or of those that are `declared`."""
    margin: float | None = None
    """A difference below which two are equivalent, in the metric's unit; without it none are."""
    confidence: float = 0.95
    """Of each family of verdicts as a whole."""
    budget: int = DEFAULT_BUDGET
    """Seeds in all that could be trained at most."""
    declared: tuple[Metric, ...] = ()
    """Metrics beside those of lrdecay, or in another unit or direction than these."""
    seeds_fixed: bool = False
    """Whether the number of seeds was fixed beforehand: one t interval has all the error then."""
    common_seeds: bool = False
    """Whether seeds that only one side has are left out, and not missing."""

    @property
    def compared(self) -> Metric:
        """The metric itself."""
        return find_metric(self.metric, self.declared)

    def __post_init__(self) -> None:
        find_metric(self.metric, self.declared)
        if not 0.5 <= self.confidence < 1:
            raise InputError(f"confidence must be from 0.5 to below 1, not {self.confidence:.12g}")
        if self.margin is not None and not 0 <= self.margin < math.inf:
            raise InputError(f"margin must be 0 or more, not {self.margin:g}")


def read_criteria(sweep_text: str) -> Criteria:
    """Return what a sweep file's text asks verdicts to go by; the defaults of `Comparison` where it
    says nothing.

    Raises:
        InputError: it cannot be read.
    """
    try:
        value = parse_yaml(sweep_text).value if sweep_text.strip() else {}
        given = value if isinstance(value, dict) else {}
        if "imported" in given:
            return _read_imported(given)
        seeds = given.get("seeds")
        budget = SeedsUntil.model_validate(seeds).max if isinstance(seeds, dict) else DEFAULT_BUDGET
        comparison = Comparison.model_validate(given.get("comparison") or {})
        named = given.get("metrics") or {}
        metrics: Mapping[str, MetricSpec] | Sequence[str] = (
            _METRICS.validate_python(named)
            if isinstance(named, dict)
            else _CLASS_METRICS.validate_python(list(to_tuple(named)))
        )
        declared = declare_metrics(metrics, own_loop=given.get("trainer") is not None)
        return Criteria(**dict(comparison), budget=budget, declared=declared)
    except (YamlError, ValidationError, InputError) as error:
        raise InputError(
            f"the sweep file stored with the results has no comparison that this version reads: "
            f"{str(error).splitlines()[0]}"
        ) from error


def _read_imported(given: Mapping[str, Any]) -> Criteria:
    """Return what is asked of results that were imported, as their sweep file has it: the metrics
    are its own, and unless a margin is given there is none."""
    asked = _ImportedComparison.model_validate(given.get("comparison"))
    specs = _METRICS.validate_python(given.get("metrics"))
    return Criteria(
        asked.reference,
        asked.metric,
        asked.margin,
        asked.confidence,
        declared=tuple(map(describe_imported, declare_metrics(specs))),
        seeds_fixed=asked.seeds == "fixed",
        common_seeds=asked.common_seeds,
    )


def describe_imported(metric: Metric) -> Metric:
    """Return a metric of somebody else's with what its name says: which images it is of, and what
    one that lrdecay has is called."""
    known = METRICS_COMPARED.get(metric.name)
    if known is None:
        return replace(metric, images=describe_images(metric.name))
    return replace(known, unit=metric.unit, higher_is_better=metric.higher_is_better)
