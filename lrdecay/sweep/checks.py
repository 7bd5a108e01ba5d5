"""Mistakes in a sweep file that no single value shows: schedulers, reference, validation."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from lrdecay.analysis.metrics import METRICS_COMPARED, list_class_metrics
from lrdecay.components import registry, schedulers
from lrdecay.components.models.build import has_own_dropout
from lrdecay.components.schedulers import Horizon
from lrdecay.core.text import join_some, quote, suggest_name
from lrdecay.core.yaml import Document, Problem
from lrdecay.store.columns import CLASS_METRICS, METRIC_NAME, SPLITS
from lrdecay.store.constraints import is_within
from lrdecay.sweep.diagnostics import locate_problem, translate_errors
from lrdecay.sweep.trainer_checks import find_trainer_problems

_TRIED = 10_000  # schedulers x lengths and rates: of more, the first ones are checked

_STEPS = (1, 10, 100, 1000, 10_000)


def find_problems(document: Document, families: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    """Yield every such mistake in a document of keys and values, whatever else is wrong with it.

    `families` has the labels that stand for several schedulers, with theirs, which the document
    has.
    """
    yield from _scheduler_problems(document, families)
    yield from _reference_problems(document, families)
    yield from _metric_problems(document)
    yield from _seed_problems(document)
    if "trainer" in document.value:
        yield from find_trainer_problems(document)
        return
    yield from _validation_problems(document)
    yield from _dropout_problems(document)
    yield from _precision_problems(document)
    if "steps_per_epoch" in document.value:
        message = "is for a trainer; lrdecay's own loop takes it from the dataset: leave it out"
        yield locate_problem(document, ("steps_per_epoch",), message, key=True)


def _precision_problems(document: Document) -> Iterator[Problem]:
    """Refuse a precision in which the kernels that are asked for do not compute."""
    match document.value.get("kernels", "torch"), document.value.get("precision"):
        case "torch", "tf32x3":
            message = "tf32x3 needs kernels: triton; torch's own take float32, tf32 or bfloat16"
        case "triton", "bfloat16":
            message = "bfloat16 needs kernels: torch; those in triton take float32, tf32 or tf32x3"
        case _:
            return
    yield locate_problem(document, ("precision",), message)


def _dropout_problems(document: Document) -> Iterator[Problem]:
    """Refuse a dropout, and one to choose base rates for, where the networks have their own."""
    model = document.value.get("model")
    path = ("model", "name") if isinstance(model, dict) else ("model",)
    listed = _listed(model.get("name") if isinstance(model, dict) else model)
    names = [n for n in listed if isinstance(n, str) and registry.is_known("model", n)]
    own = [name for name in names if has_own_dropout(name)]
    if not own:
        return
    why = f"{own[0]} has dropout rates of its own, or none"
    if len(own) < len(names):
        message = f"{why}; give networks that take one a sweep file of their own"
        yield locate_problem(document, path, message)
    if "dropout" in document.value:
        message = f"must be left out, since {why}"
        yield locate_problem(document, ("dropout",), message, key=True)
    rates = _mapping(_mapping(document.value.get("optimizer")).get("lr"))
    if "dropout" in _listed(rates.get("per")):
        message = f"must be scheduler, since {why}"
        yield locate_problem(document, ("optimizer", "lr", "per"), message)


def _seed_problems(document: Document) -> Iterator[Problem]:
    """Check that there is something to decide where seeds are added until it is."""
    schedulers = _mapping(document.value.get("schedulers"))
    if isinstance(document.value.get("seeds"), dict) and len(schedulers) == 1:
        message = "until: resolved needs a second scheduler, to compare with the reference"
        yield locate_problem(document, ("seeds",), message)


def _scheduler_problems(
    document: Document, families: Mapping[str, Sequence[str]]
) -> Iterator[Problem]:
    """Check each scheduler's arguments against torch's own signature, and that no two are one."""
    labelled = _mapping(document.value.get("schedulers"))
    horizons = _horizons(document.value, max(1, _TRIED // max(1, len(labelled))))
    family = {label: given for given, labels in families.items() for label in labels}
    seen: dict[tuple[Horizon, str], str] = {}
    told: dict[str, set[tuple[int, int]]] = {}
    for label, spec in labelled.items():
        found = [
            *_label_problems(document, label, family.get(label)),
            *_argument_problems(document, label, spec, horizons, seen),
        ]
        if label in family:  # they share what they do not differ in, and its mistakes
            places = told.setdefault(family[label], set())
            new = [problem for problem in found if (problem.line, problem.column) not in places]
            places |= {(problem.line, problem.column) for problem in new}
            found = new
        yield from found


def _label_problems(document: Document, label: str, given: str | None) -> Iterator[Problem]:
    """Check a label, or the `given` one with the values that make this of it."""
    if label.strip() and len(label) <= 64 and label.isprintable():
        return
    message = f"{quote(label)} is no label; give 1 to 64 printable characters"
    if given is not None and len(label) > 64:
        long = f"has {len(label)} characters with its values"
        message = f"the label {quote(given)} {long}; shorten it to leave at most 64"
    yield Problem(*document.place(("schedulers", label), key=True), f"schedulers: {message}")


def _argument_problems(
    document: Document,
    label: str,
    spec: Any,
    horizons: Sequence[Horizon],
    seen: dict[tuple[Horizon, str], str],
) -> Iterator[Problem]:
    """Check the arguments of one scheduler; `seen` has those before it, resolved, by label."""
    path = ("schedulers", label)
    node = schedulers.read_node(spec)
    if node is None:
        return  # the validation of the entire file reports it
    name, arguments = node
    fixed = schedulers.has_fixed_arguments(name, arguments)
    resolved = None
    for horizon in horizons:
        try:
            if resolved is None or not fixed:
                resolved = repr((name, schedulers.resolve_arguments(name, arguments, horizon)))
        except ValidationError as error:
            models = schedulers.argument_models(name, arguments, path)
            yield from translate_errors(error, document, models, path)
            return
        except ValueError as error:
            if any(_works(name, arguments, horizon, steps) for steps in _STEPS):
                continue  # it depends on the data: expanding the matrix reports it
            values = ", ".join(f"{key}: {quote(value)}" for key, value in arguments.items())
            what = " ".join(str(error).split()) + (f" (given {values})" if values else "")
            yield locate_problem(document, path, what, key=True)
            return
        twin = seen.setdefault((horizon, resolved), label)
        if twin != label:
            message = f"the same scheduler as {quote(twin, quoted=False)}; leave one of them out"
            yield locate_problem(document, path, message, key=True)
            return


def _horizons(given: Mapping[str, Any], most: int) -> list[Horizon]:
    """Return the first lengths of run and base rates that the file asks for, if they are valid.

    Any number of steps will do to check the types of a scheduler's arguments; the true one depends
    on the data.
    """
    lengths = [n for n in _listed(given.get("epochs")) if type(n) is int and 0 < n <= 100_000]
    rates = [
        float(lr)
        for lr in _listed(_mapping(given.get("optimizer")).get("lr"))
        if type(lr) in (int, float) and 0 < lr < math.inf
    ]
    all_of_them = product(lengths or [10], rates or [0.001])
    return [Horizon.of(n, 1_000_003, lr, knows_steps=False) for n, lr in islice(all_of_them, most)]


def _reference_problems(
    document: Document, families: Mapping[str, Sequence[str]]
) -> Iterator[Problem]:
    path = ("comparison", "reference")
    reference = _mapping(document.value.get("comparison")).get("reference")
    labels = document.value.get("schedulers")
    if not isinstance(reference, str) or not isinstance(labels, dict) or reference in labels:
        return
    if reference in families:
        listed = join_some([quote(label, quoted=False) for label in families[reference]], most=30)
        message = f"{quote(reference)} stands for several schedulers; give one of them: {listed}"
        yield locate_problem(document, path, message)
    else:
        yield locate_problem(document, path, suggest_name(reference, labels))


def _metric_problems(document: Document) -> Iterator[Problem]:
    """Refuse names that no metric can have, metrics that whoever trains does not measure, and a
    comparison by one that is not there."""
    given = document.value.get("metrics")
    yield from _measurer_problems(document, given)
    declared = _mapping(given)
    for name in declared:
        split = next((s for s in SPLITS if str(name).startswith(f"{s}_")), "")
        bare = str(name).removeprefix(f"{split}_")
        if name in METRICS_COMPARED:
            message = f"metrics: {name} is lrdecay's own and needs no declaration; leave it out"
        elif not is_within(pa.array([bare]), METRIC_NAME)[0].as_py():
            message = (
                f"metrics: {quote(name)} is no name for a metric; after its split, if it has one "
                f"({', '.join(SPLITS)}), valid is {METRIC_NAME.valid}"
            )
        else:
            continue
        yield Problem(*document.place(("metrics", name), key=True), message)
    compared = _mapping(document.value.get("comparison")).get("metric")
    asked = [name for name in _listed(given) if name in CLASS_METRICS]
    known = [*METRICS_COMPARED, *map(str, declared), *(m.name for m in list_class_metrics(asked))]
    if isinstance(compared, str) and compared not in known:
        message = suggest_name(compared, known)
        bare = compared.removeprefix("test_").removeprefix("val_")
        if bare in CLASS_METRICS and bare not in asked and "trainer" not in document.value:
            name = compared if bare != compared else f"test_{bare}"
            message = f"{quote(compared)} is not measured; add metrics: [{bare}] for {name}"
        elif compared in asked:
            message = f"needs the images that {compared} is of: test_{compared} or val_{compared}"
        yield locate_problem(document, ("comparison", "metric"), message)


def _measurer_problems(document: Document, given: Any) -> Iterator[Problem]:
    """Refuse a list of metrics with a trainer, and metrics of the user's own without one."""
    own = "trainer" in document.value
    if own and "metrics" in document.value and not isinstance(given, dict):
        message = (
            "a list asks lrdecay's own training for metrics; those that a loop of your own logs "
            "are keys, such as metrics: {test_macro_f1: {higher_is_better: true}}"
        )
    elif not own and "dataset" in document.value and isinstance(given, dict):
        message = (
            "keys declare what a loop of your own logs, which takes trainer; lrdecay's own "
            f"training takes a list of {' and '.join(CLASS_METRICS)}, such as "
            f"metrics: [{CLASS_METRICS[-1]}]"
        )
    else:
        return
    yield locate_problem(document, ("metrics",), message, key=True)


def _validation_problems(document: Document) -> Iterator[Problem]:
    """Refuse to hold no images out where a scheduler or the comparison needs them."""
    given = document.value
    if given.get("validation") != 0 or given["validation"] is False:
        return
    specs = {
        label: node
        for label, spec in _mapping(given.get("schedulers")).items()
        if (node := schedulers.read_node(spec))
    }
    metric = _mapping(given.get("comparison")).get("metric")
    chooses = isinstance(_mapping(given.get("optimizer")).get("lr"), dict)
    for reason in find_validation_reasons(specs, metric, given.get("target"), chooses):
        yield locate_problem(document, ("validation",), f"must be above 0, since {reason}")


def find_validation_reasons(
    specs: Mapping[str, tuple[str, Mapping[str, Any]]],
    metric: object,
    target: object,
    chooses: bool,
) -> list[str]:
    """Return why validation images are needed: by schedulers (label -> class and arguments), metric
    or target, or since the file `chooses` base rates."""
    reasons = [
        f"{quote(label, quoted=False)} ({name}) is steered by the {schedulers.MONITORS[monitor]}"
        for label, (name, given) in specs.items()
        if (monitor := schedulers.find_monitor(name, given))
    ]
    if metric == "best_test_accuracy" or str(metric).startswith("val_"):
        reasons.append(f"comparison.metric is {metric}")
    if target is not None:
        reasons.append("target is a validation accuracy")
    if chooses:
        reasons.append("optimizer.lr is chosen by the validation loss")
    return reasons


def _works(name: str, arguments: Mapping[str, Any], horizon: Horizon, steps: int) -> bool:
    """Return whether torch takes a scheduler's arguments at this number of steps in an epoch."""
    try:
        other = Horizon.of(horizon.epochs, steps, horizon.lr)
        schedulers.resolve_arguments(name, arguments, other)
    except ValueError:
        return False
    return True


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
