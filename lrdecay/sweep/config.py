"""What a sweep file states: a Sweep, validated and frozen."""

import itertools
import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PrivateAttr

from lrdecay.analysis.metrics import Metric, find_metric
from lrdecay.analysis.settings import (
    MAX_START,
    ClassMetric,
    Comparison,
    MetricSpec,
    SeedsUntil,
    declare_metrics,
)
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.components.losses.spec import LossSpec
from lrdecay.components.models.spec import ModelSpec, build_model_spec
from lrdecay.components.optimizers.spec import OptimizerSpec, build_optimizer_spec
from lrdecay.components.schedulers.spec import SchedulerSpec
from lrdecay.components.trainers.spec import TrainerSpec, build_trainer_spec
from lrdecay.components.transforms.spec import AugmentSpec, build_augment_spec
from lrdecay.core.fields import Axis, Fraction, Strict, require_distinct, to_tuple
from lrdecay.core.notebook import make_table
from lrdecay.core.run import ADDED
from lrdecay.core.text import quote
from lrdecay.sweep import overview
from lrdecay.sweep.sweep_name import NAME_PATTERN

MAX_RUNS = 1_000_000


def _shorthand(value: Any) -> Any:
    return value if isinstance(value, dict | BaseModel) else {"name": value}


def _model(value: Any) -> Any:
    # which arguments there are, the networks say that it names
    return build_model_spec(value).model_validate(value) if isinstance(value, dict) else value


def _optimizer(value: Any) -> Any:
    # plug-ins may have added arguments
    return build_optimizer_spec().model_validate(value) if isinstance(value, dict) else value


def _augment(value: Any) -> Any:
    return build_augment_spec().model_validate(value) if isinstance(value, dict) else value


def _trainer(value: Any) -> Any:
    # which values it takes, its function says
    return build_trainer_spec(value).model_validate(value) if isinstance(value, dict) else value


def _seed_list(value: Any) -> Any:
    if isinstance(value, dict):  # `adding` says what is wrong with it
        default = SeedsUntil()
        start, most = value.get("start", default.start), value.get("max", default.max)
        valid = _is_whole(start, 0, MAX_START) and _is_seed_count(most)
        return tuple(range(start, start + most)) if valid else (0,)
    if isinstance(value, int) and not isinstance(value, bool):
        if not _is_seed_count(value):
            raise ValueError(
                f"must be from 1 to {MAX_RUNS:,}, or a list of seeds, not {quote(value)}"
            )
        return tuple(range(value))
    if not isinstance(value, list | tuple):
        raise ValueError(
            f"must be a number of seeds, such as 8, a list of them, or "
            f"{{min: 8, max: 64, until: resolved}}, not {quote(value)}"
        )
    return tuple(value)


def _is_seed_count(value: Any) -> bool:
    return _is_whole(value, 1, MAX_RUNS)


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _limit(value: Any) -> Any:
    if value != "none" and (isinstance(value, bool) or not isinstance(value, int | float)):
        message = "must be a number above 0, or none where nothing is to be clipped"
        raise ValueError(f"{message}, not {quote(value)}")
    return value


def _until(value: Any) -> Any:
    return value if isinstance(value, dict | SeedsUntil) else None


def _own_metrics(value: Any) -> Any:
    return value if isinstance(value, dict) else None


def _listed_metrics(value: Any) -> Any:
    return None if isinstance(value, dict) else to_tuple(value)


Positive = Annotated[int, Field(ge=1, le=10**9)]


class Sweep(Strict):
    """A matrix of runs, as a sweep file states it. Only schedulers, and dataset or trainer, have no
    default; the other defaults are the tutorial's values."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)] = "sweep"
    """The results go to `results/NAME`; the file's own name unless given. 64 letters, digits, `.`,
    `_` and `-` at most, the first a letter or digit."""
    dataset: Annotated[DatasetSpec | None, BeforeValidator(_shorthand)] = None
    """What is trained on; must be given, unless a trainer is."""
    trainer: Annotated[
        TrainerSpec | None, BeforeValidator(_trainer), BeforeValidator(_shorthand)
    ] = None
    """A training loop of your own. Dataset, model, batches and the optimizer are its business then,
    and no keys of the file; of `optimizer` only `lr` is one."""
    steps_per_epoch: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """Optimizer steps in an epoch of a trainer; where it is given, schedules are foreseen and
    warned of, and the loop is held to it."""
    validation: Annotated[int, Field(ge=0)] | None = None
    """Training images that are held out, the same in every run; those of a folder's own validation
    split, else 5,000, or a sixth if that is less, unless given. 0 only where nothing needs them."""
    model: Annotated[ModelSpec, BeforeValidator(_model), BeforeValidator(_shorthand)] = ModelSpec()
    """The network, and its arguments."""
    optimizer: Annotated[
        OptimizerSpec, BeforeValidator(_optimizer), BeforeValidator(_shorthand)
    ] = OptimizerSpec()
    """The optimizer, and the base rate."""
    augment: Annotated[AugmentSpec, BeforeValidator(_augment)] = AugmentSpec()
    """What training images go through."""
    loss: Annotated[LossSpec, BeforeValidator(_shorthand)] = LossSpec()
    """What training minimises."""
    clip_grad_norm: Axis[
        Annotated[Annotated[float, Field(gt=0)] | Literal["none"], BeforeValidator(_limit)]
    ] = ("none",)
    """The largest norm that all gradients of a step together may have, clipped as torch's
    `clip_grad_norm_` does before the optimizer's step; `none` clips nothing."""
    batch_size: Axis[Positive] = (64,)
    """Images in a step."""
    epochs: Axis[Annotated[int, Field(ge=1, le=100_000)]] = (10,)
    """Passes over the training images."""
    schedulers: Annotated[dict[str, SchedulerSpec], Field(min_length=1)]
    """What is compared, each under a label of your own; an argument with a list of values makes one
    of each, whose label carries the value."""
    dropout: Axis[Fraction] = (0.3,)
    """Dropout rates; to be left out for a network with rates of its own. A trainer has those alone
    that the file gives."""
    precision: Literal["float32", "tf32", "tf32x3", "bfloat16"] = "float32"
    """The precision of convolutions and matrix products; tf32 and bfloat16 are rougher and faster.
    tf32x3 needs `kernels: triton`: products in a convolution are three in tf32 each, about as exact
    as float32, and all others are in float32."""
    kernels: Literal["torch", "triton"] = "torch"
    """What computes where many runs train at once on a GPU: torch's own kernels, or ones in Triton
    that do a block of convolution, a dropout or an optimizer's step in one pass."""
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=2**63)], ...],
        BeforeValidator(_seed_list),
        Field(min_length=1),
        AfterValidator(require_distinct),
    ] = (0,)
    """Each cell trains once at each seed, which determines initial weights, batches, augmentation
    and dropout; the seed 0 alone unless given."""
    adding: Annotated[
        SeedsUntil | None, BeforeValidator(_until), Field(validation_alias="seeds")
    ] = None
    """How they are added, if only as many train as it takes to decide."""
    target: Annotated[float, Field(gt=0, le=1)] | None = None
    """A validation accuracy; the first epoch that reaches it is recorded."""
    measured: Annotated[
        Axis[ClassMetric] | None,
        BeforeValidator(_listed_metrics),
        Field(validation_alias="metrics"),
    ] = None
    """What lrdecay's own training measures beside loss and accuracy, after each epoch on each
    split: the mean over classes of the share of their images that are right, or of F1."""
    metrics: Annotated[dict[str, MetricSpec] | None, BeforeValidator(_own_metrics)] = None
    """Or, with `trainer`, metrics of your own that may be compared, by the names of their
    columns."""
    comparison: Comparison = Comparison()
    """What the sweep is to decide, fixed before it runs."""
    _text: str = PrivateAttr(default="")

    @property
    def text(self) -> str:
        """The file as it was written; empty for a sweep that came from no file."""
        return self._text

    @property
    def class_metrics(self) -> tuple[str, ...]:
        """What lrdecay's own training measures beside loss and accuracy."""
        return self.measured or ()

    @property
    def declared(self) -> tuple[Metric, ...]:
        """What can be compared beside what always can: metrics of the user's own, and others that
        are something else of a loop of theirs, or those that lrdecay's training is asked for."""
        named = self.metrics or self.class_metrics
        return declare_metrics(named or {}, own_loop=self.trainer is not None)

    @property
    def subject(self) -> str:
        """What is trained on, or the loop that trains."""
        if self.trainer is not None:
            return self.trainer.name
        assert self.dataset is not None
        return self.dataset.name or str(self.dataset.folder)

    @property
    def reference(self) -> str:
        """The label the others are compared with: as given, else `constant`, else the first."""
        labels = list(self.schedulers)
        default = "constant" if "constant" in labels else labels[0]
        return self.comparison.reference or default

    @property
    def cells(self) -> int:
        """How many runs of the comparison each seed has."""
        axes = self.axes()
        if self.optimizer.choice is not None:
            del axes["lr"]  # one of them, once it is chosen
        return math.prod(len(values) for values in axes.values())

    @property
    def trial_seeds(self) -> tuple[int, ...]:
        """The seeds of the trials that choose base rates; none where the file gives the rates.

        They are the first ones from 1,000,000 on that the comparison does not use: `seeds: N` never
        comes there, so that a choice stands however many seeds are added to the comparison.
        """
        choice, taken = self.optimizer.choice, set(self.seeds)
        free = (seed for seed in itertools.count(MAX_RUNS) if seed not in taken)
        return tuple(itertools.islice(free, 0 if choice is None else choice.seeds))

    @property
    def trials(self) -> int:
        """How many runs choose base rates."""
        choice = self.optimizer.choice
        return 0 if choice is None else self.cells * len(choice.choose) * choice.seeds

    def list_matrix(self) -> list[tuple[str, str]]:
        """Return what there is one of each, or several, in words, each with its name."""
        axes = self.axes()
        del axes["scheduler"]
        if not self.model.takes_batch_norm:
            axes.pop("batch_norm", None)
        if axes["dropout"] == [None]:  # the network's own, or none
            del axes["dropout"]
        return [
            ("trainer" if self.trainer else "dataset", self.subject),
            *overview.list_axes(axes, self.optimizer.choice),
            *overview.list_schedulers(self.schedulers),
            ("seeds", overview.describe_seeds(self.seeds, self.adding)),
        ]

    def count_runs(self) -> list[str]:
        """Return in words how many runs the comparison takes; before it, if any, the trials."""
        choice = self.optimizer.choice
        return list(overview.count_runs(self.cells, self.seeds, self.adding, choice))

    def _repr_html_(self) -> str:
        metric = find_metric(self.comparison.metric, self.declared)
        asked = overview.describe_comparison(self.comparison, metric, self.reference)
        rows = [("comparison", asked), ("runs", "\n".join(self.count_runs()))]
        return make_table(self.name, [*self.list_matrix(), *rows])

    def axes(self) -> dict[str, list[Any]]:
        """Return every axis beside the seeds, by name, with its values.

        Base rates to choose from come last, since they are no axis of the comparison.
        """
        rates = {"lr": list(self.optimizer.rates)}
        chosen = self.optimizer.choice is not None
        if self.trainer is not None:
            return {
                **({} if chosen else rates),
                "epochs": list(self.epochs),
                **self.trainer.arguments(),
                "scheduler": list(self.schedulers),
                "dropout": list(self.dropout) if "dropout" in self.model_fields_set else [None],
                **(rates if chosen else {}),
            }
        return {
            "model": list(self.model.name),
            **self.model.arguments(),
            "batch_norm": list(self.model.batch_norm),
            "optimizer": list(self.optimizer.name),
            **({} if chosen else rates),
            **self.optimizer.arguments(),
            "batch_size": list(self.batch_size),
            "epochs": list(self.epochs),
            **self._list_recipe(),
            "scheduler": list(self.schedulers),
            "dropout": [None] if self.model.own_dropout else list(self.dropout),
            **(rates if chosen else {}),
        }

    def _list_recipe(self) -> dict[str, list[Any]]:
        """Return the axes that are there only where the file gives more than the one value that all
        runs had before there were such keys."""
        limits = [math.inf if limit == "none" else limit for limit in self.clip_grad_norm]
        found: dict[str, list[Any]] = {
            "loss_function": list(self.loss.name),
            "label_smoothing": list(self.loss.label_smoothing),
            "clip_grad_norm": limits,
        }
        more = {name: values for name, values in found.items() if values != [ADDED[name]]}
        return {**self.augment.axes(), **more}
