"""A sweep file, read and checked: every mistake in it is found at once."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from lrdecay.analysis.settings import Comparison, MetricSpec, SeedsUntil
from lrdecay.components import plugins
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.components.losses.spec import LossSpec
from lrdecay.components.models.spec import build_model_spec
from lrdecay.components.optimizers.spec import RateChoice, build_optimizer_spec
from lrdecay.components.schedulers.spec import SchedulerSpec
from lrdecay.components.trainers.spec import build_trainer_spec
from lrdecay.components.transforms.spec import build_augment_spec, list_named
from lrdecay.core.errors import InputError
from lrdecay.core.text import quote
from lrdecay.core.yaml import MAX_BYTES, Document, Problem, YamlError, parse_yaml
from lrdecay.sweep import checks
from lrdecay.sweep.config import MAX_RUNS, Sweep
from lrdecay.sweep.diagnostics import SweepFileError, describe_missing, translate_errors
from lrdecay.sweep.scheduler_axes import expand_axes
from lrdecay.sweep.sweep_file import find_sweep_file, suggest_shipped
from lrdecay.sweep.sweep_name import make_name


def load_sweep(path: str | Path) -> Sweep:
    """Read and check a sweep file, given by its path or by name, such as `digits`.

    Raises `SweepFileError`, which lists every mistake as ``file:line:column: message``.
    """
    path = find_sweep_file(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        shown = str(path) if str(path).isprintable() else repr(str(path))
        hint = suggest_shipped(path) if isinstance(error, FileNotFoundError) else ""
        raise InputError(f"{shown}: {reason}{hint}") from error
    # the last character may be cut where the file is too large, which is reported then
    errors = "strict" if len(content) <= MAX_BYTES else "replace"
    try:
        text = content.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"not UTF-8 text (byte {error.object[error.start]:#04x}); save it as UTF-8"
        raise SweepFileError(str(path), [Problem(*place, message)]) from error
    return parse_sweep(text, source=str(path))


def parse_sweep(text: str, source: str = "sweep.yaml") -> Sweep:
    """Check the text of a sweep file; `source` is the name that errors give it.

    The sweep's default name is the file's, and a dataset's folder is relative to the file.
    """
    try:
        document = parse_yaml(text)
    except YamlError as error:
        problems = error.problems
        if error.document is not None:
            problems = problems + _further_problems(error.document, source, problems)
        raise SweepFileError(source, problems) from None
    sweep = check_sweep(document, source)
    sweep._text = text
    return sweep


def _further_problems(document: Document, source: str, known: Sequence[Problem]) -> list[Problem]:
    """Return what else is wrong, apart from what follows from the problems known already."""
    places = {(problem.line, problem.column) for problem in known}
    try:
        check_sweep(document, source)
    except SweepFileError as error:
        return [p for p in error.problems if (p.line, p.column) not in places]
    return []


def check_sweep(document: Document, source: str) -> Sweep:
    """Return the sweep that a parsed document states, or raise every mistake in it at once.

    Names may be those of installed plug-ins, which are loaded then, and of others that
    `load_plugins` has loaded.
    """
    value = document.value
    if not isinstance(value, dict):
        message = f"must be keys and values, such as dataset: digits, not {quote(value)}"
        raise SweepFileError(source, [Problem(*document.place(()), message)])
    if "imported" in value:
        message = "these results were imported: train more where they came from, and import again"
        raise SweepFileError(source, [Problem(*document.place(("imported",)), message)])
    plugins.load_named(_list_named(value))
    expanded = expand_axes(document)
    document, value = expanded.document, expanded.document.value
    problems = [*expanded.problems, *checks.find_problems(document, expanded.families)]
    if "dataset" not in value and "trainer" not in value:
        problems += describe_missing("dataset", (), document, Sweep)
    try:
        sweep = Sweep.model_validate({"name": make_name(source), **value})
    except ValidationError as error:
        problems += translate_errors(error, document, _list_models(document))
        raise SweepFileError(source, problems) from None
    for key in sweep.model.arguments().keys() & sweep.optimizer.arguments().keys():
        message = f"model.{key}: the optimizer has an argument of that name too; give one of them"
        problems.append(Problem(*document.place(("model", key), key=True), message))
    runs = sweep.cells * len(sweep.seeds) + sweep.trials
    if runs > MAX_RUNS:
        axes = {**{name: len(x) for name, x in sweep.axes().items()}, "seeds": len(sweep.seeds)}
        if sweep.trials:
            del axes["lr"]
        product = " x ".join(f"{n:,} {name}" for name, n in axes.items() if n > 1)
        if sweep.trials:
            product = f"{product or 1} to compare, {sweep.trials:,} to choose base rates"
        message = f"{runs:,} runs ({product}) are too many; at most {MAX_RUNS:,}"
        problems.append(Problem(*document.place(()), message))
    if problems:
        raise SweepFileError(source, problems)
    if sweep.dataset is not None and sweep.dataset.folder is not None:
        folder = str((Path(source).parent / sweep.dataset.folder).absolute())
        dataset = sweep.dataset.model_copy(update={"folder": folder})
        sweep = sweep.model_copy(update={"dataset": dataset})
    return sweep


_KINDS = {
    "dataset": "dataset",
    "model": "model",
    "optimizer": "optimizer",
    "schedulers": "scheduler",
    "trainer": "trainer",
    "loss": "loss",
}


def _list_named(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the kind and name of each dataset, model, optimizer, scheduler, trainer, loss and
    transform that a file names: any text where one may be named."""
    yield from (("transform", name) for name in list_named(value.get("augment")))
    for key, kind in _KINDS.items():
        inside = [value.get(key)]
        while inside:
            each = inside.pop()
            if isinstance(each, str):
                yield kind, each
            elif isinstance(each, dict | list):
                inside += each.values() if isinstance(each, dict) else each


def _list_models(document: Document) -> dict[tuple[str | int, ...], type[BaseModel]]:
    """Return, by path, the model whose keys are valid there."""
    return {
        (): Sweep,
        ("dataset",): DatasetSpec,
        ("model",): build_model_spec(_keys_of(document, "model")),
        ("augment",): build_augment_spec(),
        ("loss",): LossSpec,
        ("optimizer",): build_optimizer_spec(),
        ("optimizer", "lr"): RateChoice,
        ("trainer",): build_trainer_spec(_keys_of(document, "trainer")),
        ("comparison",): Comparison,
        ("seeds",): SeedsUntil,
        **{("metrics", name): MetricSpec for name in _keys_of(document, "metrics")},
        **{("schedulers", label): SchedulerSpec for label in _keys_of(document, "schedulers")},
    }


def _keys_of(document: Document, key: str) -> Mapping[str, Any]:
    value = document.value.get(key)
    return value if isinstance(value, dict) else {}
