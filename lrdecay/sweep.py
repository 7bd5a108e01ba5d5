"""YAML text -> a validated, frozen Sweep -> the list of its Runs, each with its identity."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from lrdecay import yamlfile
from lrdecay.errors import InputError
from lrdecay.problems import SweepFileError, suggest, translate
from lrdecay.yamlfile import Document, Problem

if TYPE_CHECKING:
    from lrdecay.data import Dataset

SEMANTICS = 1
"""Raised whenever a change of code changes results: runs made before it then train again."""

MAX_RUNS = 1_000_000

T = TypeVar("T")


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,)


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    for value, times in Counter(values).items():
        if times > 1:
            raise ValueError(f"{value} stands in the list {times} times")
    return values


Axis = Annotated[
    tuple[T, ...], BeforeValidator(_as_tuple), Field(min_length=1), AfterValidator(_distinct)
]
"""A scalar, or a list of them: then one more axis of the matrix."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DatasetSpec(_Strict):
    """A dataset by name, or a folder of images of the user's own."""

    name: Literal["digits", "mnist", "fashion_mnist", "kmnist", "cifar10"] | None = None
    folder: Annotated[str, Field(min_length=1)] | None = None
    size: Annotated[int, Field(ge=4, le=1024)] | None = None
    channels: Literal[1, 3] = 3

    @model_validator(mode="after")
    def _name_or_folder(self) -> DatasetSpec:
        if (self.name is None) == (self.folder is None):
            raise ValueError("give either a name or a folder")
        if self.name is not None and self.model_fields_set - {"name"}:
            raise ValueError(f"size and channels are for a folder of images, not for {self.name}")
        return self


class ModelSpec(_Strict):
    """The network."""

    name: Axis[Literal["cnn"]] = ("cnn",)
    batch_norm: Axis[bool] = (False,)


Fraction = Annotated[float, Field(ge=0, lt=1)]


class OptimizerSpec(_Strict):
    """The optimizer: torch's class of that name, with torch's own argument names."""

    name: Axis[Literal["Adam", "AdamW", "SGD"]] = ("Adam",)
    lr: Axis[Annotated[float, Field(gt=0)]] = (0.001,)
    weight_decay: Axis[Annotated[float, Field(ge=0)]] | None = None
    eps: Axis[Annotated[float, Field(gt=0)]] | None = None
    betas: Annotated[tuple[Fraction, Fraction], BeforeValidator(_as_tuple)] | None = None
    momentum: Axis[Fraction] | None = None
    nesterov: Axis[bool] | None = None

    @model_validator(mode="after")
    def _arguments_fit(self) -> OptimizerSpec:
        allowed = {
            "Adam": {"weight_decay", "eps", "betas"},
            "AdamW": {"weight_decay", "eps", "betas"},
            "SGD": {"weight_decay", "momentum", "nesterov"},
        }
        for name in self.name:
            for wrong in sorted(self.model_fields_set - {"name", "lr"} - allowed[name]):
                raise ValueError(
                    f"{wrong} is not an argument of {name}; it takes lr, "
                    f"{', '.join(sorted(allowed[name]))}"
                )
        if self.nesterov and True in self.nesterov and 0.0 in (self.momentum or (0.0,)):
            raise ValueError("nesterov needs a momentum above 0")
        return self

    def arguments(self) -> list[str]:
        """Return every combination of the arguments beside name and lr that the file gives."""
        given = {
            name: getattr(self, name)
            for name in ("weight_decay", "eps", "momentum", "nesterov")
            if getattr(self, name) is not None
        }
        fixed = {} if self.betas is None else {"betas": list(self.betas)}
        return [
            canonical(fixed | dict(zip(given, values, strict=True)))
            for values in itertools.product(*given.values())
        ]


class SchedulerSpec(BaseModel):
    """One scheduler of the matrix: a class, and its arguments as given."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    class_: str = Field(alias="class")

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Comparison(_Strict):
    """What the sweep is to decide, fixed before it runs. `margin` is in percentage points."""

    reference: str | None = None
    metric: Literal["test_accuracy", "test_loss", "val_accuracy", "val_loss"] = "test_accuracy"
    margin: Annotated[float, Field(ge=0)] = 0.05
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95


def _shorthand(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _seed_list(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MAX_RUNS:
            raise ValueError(f"must be from 1 to {MAX_RUNS}")
        return tuple(range(value))
    if not isinstance(value, list):
        raise ValueError("must be a number of seeds, such as 8, or a list of them")
    return tuple(value)


Positive = Annotated[int, Field(ge=1, le=10**9)]


class Sweep(_Strict):
    """A matrix of runs, as a sweep file states it. Only dataset and schedulers have no default;
    the other defaults are the tutorial's values."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] = "sweep"
    dataset: Annotated[DatasetSpec, BeforeValidator(_shorthand)]
    validation: Annotated[int, Field(ge=0)] | None = None
    model: Annotated[ModelSpec, BeforeValidator(_shorthand)] = ModelSpec()
    optimizer: Annotated[OptimizerSpec, BeforeValidator(_shorthand)] = OptimizerSpec()
    batch_size: Axis[Positive] = (64,)
    epochs: Axis[Annotated[int, Field(ge=1, le=100_000)]] = (10,)
    schedulers: Annotated[dict[str, SchedulerSpec], Field(min_length=1)]
    dropout: Axis[Fraction] = (0.3,)
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=2**63)], ...],
        BeforeValidator(_seed_list),
        Field(min_length=1),
        AfterValidator(_distinct),
    ] = (0,)
    target: Annotated[float, Field(gt=0, le=1)] | None = None
    comparison: Comparison = Comparison()
    _text: str = PrivateAttr(default="")

    @property
    def text(self) -> str:
        """The file as it was written; empty for a sweep that came from no file."""
        return self._text

    @property
    def reference(self) -> str:
        """The label that the others are compared with: as given, else `constant`, else the first."""
        labels = list(self.schedulers)
        default = "constant" if "constant" in labels else labels[0]
        return self.comparison.reference or default

    @property
    def cells(self) -> int:
        """How many runs each seed has."""
        return math.prod(len(values) for values in self.axes().values())

    def runs(self, dataset: Dataset) -> list[Run]:
        """Return every run, a whole block of one seed after the other.

        Raises `InputError` where the dataset does not allow what the file asks for.
        """
        from lrdecay import schedulers
        from lrdecay.data import default_validation

        count = dataset.train_count
        validation = default_validation(count) if self.validation is None else self.validation
        if validation >= count:
            raise InputError(
                f"validation: {validation} of {dataset.name}'s {count} training images cannot be "
                f"held out; give less than {count}"
            )
        runs = []
        for seed in self.seeds:
            for cell in self._cells():
                spec = self.schedulers[cell["scheduler"]]
                steps = cell["epochs"] * math.ceil((count - validation) / cell["batch_size"])
                horizon = schedulers.Horizon(cell["epochs"], steps)
                runs.append(
                    Run(
                        dataset=dataset.name,
                        dataset_digest=dataset.digest,
                        validation=validation,
                        scheduler_class=spec.class_,
                        scheduler_args=canonical(
                            schedulers.resolve(spec.class_, spec.arguments, horizon)
                        ),
                        seed=seed,
                        **cell,
                    )
                )
        return runs

    def axes(self) -> dict[str, list[Any]]:
        """Return every axis beside the seeds, by the name of its column, with its values."""
        return {
            "model": list(self.model.name),
            "batch_norm": list(self.model.batch_norm),
            "optimizer": list(self.optimizer.name),
            "lr": list(self.optimizer.lr),
            "optimizer_args": self.optimizer.arguments(),
            "batch_size": list(self.batch_size),
            "epochs": list(self.epochs),
            "scheduler": list(self.schedulers),
            "dropout": list(self.dropout),
        }

    def _cells(self) -> Iterator[dict[str, Any]]:
        axes = self.axes()
        for values in itertools.product(*axes.values()):
            yield dict(zip(axes, values, strict=True))


@dataclass(frozen=True)
class Run:
    """One training run, fully resolved. Two runs of one `run_id` are one run."""

    dataset: str
    dataset_digest: str
    validation: int
    model: str
    batch_norm: bool
    optimizer: str
    optimizer_args: str
    lr: float
    batch_size: int
    epochs: int
    scheduler: str
    scheduler_class: str
    scheduler_args: str
    dropout: float
    seed: int

    @cached_property
    def run_id(self) -> str:
        """The first 16 hex digits of the SHA-256 of all that results depend on.

        The scheduler's label and the dataset's name are what the user calls things, so they do
        not count; a field added later does.
        """
        counted = asdict(self) | {"semantics": SEMANTICS}
        for name in ("scheduler", "dataset"):
            del counted[name]
        return hashlib.sha256(canonical(counted).encode()).hexdigest()[:16]


def canonical(value: Mapping[str, Any]) -> str:
    """Return JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def load_sweep(path: str | Path) -> Sweep:
    """Read and check a sweep file.

    Raises `SweepFileError`, which lists every mistake as ``file:line:column: message``.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SweepFileError(
            str(path), [Problem(1, 1, f"not UTF-8 text (byte {error.start})")]
        ) from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    return parse_sweep(text, source=str(path))


def parse_sweep(text: str, source: str = "sweep.yaml") -> Sweep:
    """Check the text of a sweep file; `source` is the name that errors give it.

    The sweep's default name is the file's, and a dataset's folder is relative to the file.
    """
    try:
        document = yamlfile.parse(text)
    except yamlfile.YamlError as error:
        raise SweepFileError(source, error.problems) from error
    sweep = check(document, source)
    sweep._text = text
    return sweep


def check(document: Document, source: str) -> Sweep:
    """Return the sweep that a parsed document states, or raise every mistake in it at once."""
    value = document.value
    if not isinstance(value, dict):
        message = f"expected keys and values, such as dataset: digits, not {value!r}"
        raise SweepFileError(source, [Problem(*document.place(()), message)])
    problems = [*_scheduler_problems(document), *_reference_problems(document)]
    try:
        sweep = Sweep.model_validate({"name": _default_name(source), **value})
    except ValidationError as error:
        problems += translate(error, document, _MODELS)
        raise SweepFileError(source, problems) from error
    if sweep.cells * len(sweep.seeds) > MAX_RUNS:
        message = f"seeds: {len(sweep.seeds):,} seeds x {sweep.cells:,} cells; at most {MAX_RUNS:,}"
        problems.append(Problem(*document.place(("seeds",)), message))
    problems += _validation_problems(sweep, document)
    if problems:
        raise SweepFileError(source, problems)
    if sweep.dataset.folder is not None:
        folder = str((Path(source).parent / sweep.dataset.folder).absolute())
        dataset = sweep.dataset.model_copy(update={"folder": folder})
        sweep = sweep.model_copy(update={"dataset": dataset})
    return sweep


_MODELS: dict[tuple[str | int, ...], type[BaseModel]] = {
    (): Sweep,
    ("dataset",): DatasetSpec,
    ("model",): ModelSpec,
    ("optimizer",): OptimizerSpec,
    ("comparison",): Comparison,
}


def _default_name(source: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", Path(source).stem).lstrip("_.-")[:64] or "sweep"


def _scheduler_problems(document: Document) -> Iterator[Problem]:
    """Check each scheduler's class and arguments against torch's own signature."""
    from lrdecay import schedulers

    given = document.value.get("schedulers")
    epochs = document.value.get("epochs", 10)
    # Any horizon will do to check the arguments; the true one is known when the data are.
    length = epochs if isinstance(epochs, int) and 0 < epochs <= 100_000 else 10
    horizon = schedulers.Horizon(length, length * 1009)
    seen: dict[str, str] = {}
    for label, spec in given.items() if isinstance(given, dict) else ():
        path = ("schedulers", label)
        if not label.strip() or len(label) > 64 or not label.isprintable():
            message = f"schedulers: {label!r} is no label; give 1 to 64 printable characters"
            yield Problem(*document.place(path, key=True), message)
        if not isinstance(spec, dict) or not isinstance(spec.get("class"), str):
            continue  # the model of the whole file says so
        name = spec["class"]
        if name not in schedulers.CLASSES:
            message = f"schedulers.{label}.class: {suggest(name, schedulers.CLASSES)}"
            yield Problem(*document.place((*path, "class")), message)
            continue
        arguments = {key: value for key, value in spec.items() if key != "class"}
        try:
            resolved = canonical(schedulers.resolve(name, arguments, horizon))
        except ValidationError as error:
            yield from translate(error, document, {path: schedulers.arguments(name)}, path)
        except ValueError as error:
            yield Problem(*document.place(path, key=True), f"schedulers.{label}: {error}")
        else:
            twin = seen.setdefault(f"{name}{resolved}", label)
            if twin != label:
                message = f"schedulers.{label}: the same scheduler as {twin}; leave one of them out"
                yield Problem(*document.place(path, key=True), message)


def _reference_problems(document: Document) -> Iterator[Problem]:
    comparison = document.value.get("comparison")
    labels = document.value.get("schedulers")
    if not isinstance(comparison, dict) or not isinstance(labels, dict):
        return
    reference = comparison.get("reference")
    if isinstance(reference, str) and reference not in labels:
        message = f"comparison.reference: {suggest(reference, labels)}"
        yield Problem(*document.place(("comparison", "reference")), message)


def _validation_problems(sweep: Sweep, document: Document) -> Iterator[Problem]:
    """Refuse to hold no images out where a scheduler or the comparison needs them."""
    from lrdecay import schedulers

    if sweep.validation != 0:
        return
    place = document.place(("validation",))
    for label, spec in sweep.schedulers.items():
        if spec.class_ in schedulers.CLASSES and schedulers.needs_validation(spec.class_):
            message = f"{label} ({spec.class_}) is steered by the validation loss"
            yield Problem(*place, f"validation: must be above 0, since {message}")
    if sweep.comparison.metric.startswith("val_"):
        message = f"since comparison.metric is {sweep.comparison.metric}"
        yield Problem(*place, f"validation: must be above 0, {message}")
    if sweep.target is not None:
        yield Problem(*place, "validation: must be above 0, since target is a validation accuracy")
