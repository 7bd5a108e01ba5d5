"""The documents that are generated: the sweep file's reference and its JSON schema from the models
of its parts, the tables' from their columns, and the tables of `results/` from the results there.
`python docs/generate.py` writes them."""

from __future__ import annotations

import json
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from result_tables import fill_tables, join_table
from sweep_schema import list_names, make_schema

from lrdecay.analysis import settings
from lrdecay.components import registry, schedulers
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.components.losses.spec import LossSpec
from lrdecay.components.models.arguments import read_model_arguments
from lrdecay.components.models.spec import ModelSpec
from lrdecay.components.optimizers.build import CLASSES, DECAY_BIASES
from lrdecay.components.optimizers.spec import OptimizerSpec, RateChoice, pair
from lrdecay.components.schedulers.spec import SchedulerSpec
from lrdecay.components.trainers.spec import TrainerSpec
from lrdecay.components.transforms.spec import AugmentSpec
from lrdecay.core import fields
from lrdecay.store import columns
from lrdecay.store.parquet import SCHEMA_VERSION
from lrdecay.sweep import config

_NOTE = "<!-- Made by `make docs` from {source}: edit that instead. -->\n"

_PARTS: dict[type[BaseModel], str] = {
    DatasetSpec: "dataset",
    TrainerSpec: "trainer",
    ModelSpec: "model",
    AugmentSpec: "augment",
    LossSpec: "loss",
    OptimizerSpec: "optimizer",
    RateChoice: "optimizer.lr",
    SchedulerSpec: "schedulers",
    settings.SeedsUntil: "seeds",
    settings.MetricSpec: "metrics",
    settings.Comparison: "comparison",
}
"""The parts of a sweep file by model, in the page's order, each under the key that holds it."""

_NAMES = {int: "whole number", float: "number", bool: "true or false", str: "text"}
_LARGE = 10**12


# What a hint takes, in words


def in_words(hint: Any, notes: Sequence[Any] = ()) -> str:
    """Return what a field takes, of its type and of what stands beside it in `Annotated`.

    >>> in_words(fields.Fraction), in_words(bool | None)
    ('number from 0 to below 1', 'true or false')
    >>> in_words(fields.Axis[Literal["a", "b"]])
    '`a` or `b`, or a list of them'
    """
    if typing.get_origin(hint) is Annotated:
        inner, *more = typing.get_args(hint)
        return in_words(inner, [*more, *notes])
    notes = list(_flat(notes))
    validators = [note.func for note in notes if isinstance(note, BeforeValidator)]
    for validator in validators:
        if isinstance(validator, partial) and validator.func is registry.require_registered:
            return _of_registry(*validator.args)
        if validator is config._seed_list:
            return "N for the seeds 0 to N - 1; or list of whole numbers from 0 on"
    arguments = [each for each in typing.get_args(hint) if each not in (type(None), ...)]
    origin = typing.get_origin(hint)
    if origin is Literal:
        return _either(f"`{each}`" for each in arguments)
    if fields.to_tuple in validators:
        few = next((note.min_length for note in notes if isinstance(note, MinLen)), 1)
        inner = in_words(arguments[0])
        return f"{inner}, or a list of them" if few < 2 else _list(inner, f"{few} or more ")
    if pair in validators:
        return _list(in_words(arguments[0]), "two ")
    if origin is dict and arguments[1] is SchedulerSpec:
        return f"labels, each with {in_words(arguments[1])}"
    if origin is dict and arguments[1] is settings.MetricSpec:
        return f"names, each with {in_words(arguments[1])}"
    if origin is dict:
        return "scheduler"
    if origin in (list, tuple, typing.get_origin(Sequence[int])):
        return _list(in_words(arguments[0]))
    if origin is not None and len(arguments) == 1:  # of a key that may be left out
        return in_words(arguments[0], notes)
    if origin is not None:
        choices = sorted({in_words(each) for each in arguments}, key=len)
        return ("; or " if any("," in each for each in choices) else " or ").join(choices)
    if issubclass(hint, BaseModel):
        keys = f"keys: see [{_PARTS[hint]}](#{_anchor(hint)})"
        return f"name; or {keys}" if config._shorthand in validators else keys
    return _NAMES[hint] + _within(notes)


def _list(inner: str, count: str = "") -> str:
    for one in ("number", "scheduler"):
        inner = inner.replace(one, f"{one}s", 1)
    return f"list of {count}{inner}"


def _flat(notes: Iterable[Any]) -> Iterator[Any]:
    for note in notes:
        yield from note.metadata if isinstance(note, FieldInfo) else [note]


def _of_registry(kind: str) -> str:
    if kind == "scheduler":
        return "one of [these classes](#the-classes)"
    beside = [registry.CATALOGUES[kind].what] if kind in registry.CATALOGUES else []
    return _either([*(f"`{name}`" for name in list_names(kind)), *beside])


def _either(choices: Iterable[str]) -> str:
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last


def _within(notes: Sequence[Any]) -> str:
    ends: dict[type, Any] = {type(note): note for note in notes}
    words = []
    if Gt in ends:
        words.append(f"above {ends[Gt].gt:,}")
    if Ge in ends:
        words.append(f"from {ends[Ge].ge:,}" + ("" if Le in ends or Lt in ends else " on"))
    if Le in ends:
        words.append(f"to {ends[Le].le:,}")
    if Lt in ends:
        words.append("on" if ends[Lt].lt > _LARGE else f"to below {ends[Lt].lt:,}")
    return "".join(f" {word}" for word in words)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.default
    if isinstance(value, BaseModel) or value is None or "unless given" in (field.description or ""):
        return ""
    return _yaml(value[0] if isinstance(value, tuple) and len(value) == 1 else value)


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | list):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value:.6g}`" if isinstance(value, float) else f"`{value}`"


def _anchor(model: type[BaseModel]) -> str:
    return _PARTS[model].replace(".", "")


# The pages


def _keys(model: type[BaseModel]) -> str:
    rows: dict[str, list[str]] = {}
    for name, field in model.model_fields.items():
        key = str(field.validation_alias or field.alias or name)
        meaning = f"{(field.description or '').removesuffix('.')}."
        meaning = meaning[0].upper() + meaning[1:]
        words = in_words(field.annotation, field.metadata)
        if key in rows:  # two fields may come from one key
            rows[key][1] += f"; or {words}"
            rows[key][3] += f" {meaning}"
        else:
            rows[key] = [f"`{key}`", words, _default(field), meaning]
    return join_table(("key", "takes", "default", "what it means"), rows.values())


def _text(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _optimizers() -> str:
    rows = []
    for name in CLASSES:
        if registry.find_plugin("optimizer", name) is None:
            defaults = OptimizerSpec.resolve(name, {})
            known = [f"`{key}` {_yaml(value)}" for key, value in defaults.items()]
            rows.append([f"`{name}`", ", ".join([*known, f"`{DECAY_BIASES}` `true`"])])
    return join_table(("optimizer", "arguments beside lr, each with its default"), rows)


def _networks() -> str:
    rows = []
    for name in list_names("model"):
        given = [
            f"`{key}`: {in_words(hint)}, {_yaml(default)}"
            for key, (hint, default) in read_model_arguments(name).items()
        ]
        rows.append([f"`{name}`", "; ".join(given) or "none"])
    return join_table(("network", "arguments, each with its default"), rows)


def _schedulers() -> str:
    rows = []
    for name, known in schedulers.CLASSES.items():
        if registry.find_plugin("scheduler", name) is not None:
            continue
        whole = getattr(known, "whole", None)
        given = [
            f"`{key}`: {in_words(field.annotation, field.metadata)}{_unless(field, key == whole)}"
            for key, field in schedulers.argument_model(name).model_fields.items()
            if key != "interval"
        ]
        rows.append([f"`{name}`", schedulers.find_interval(name), "; ".join(given) or "none"])
    return join_table(("class", "stepped every", "arguments, each with its default"), rows)


def _unless(field: FieldInfo, whole: bool) -> str:
    if whole:
        return ", the whole run"
    if field.is_required():
        return ""
    return ", optional" if field.default is None else f", {_yaml(field.default)}"


def sweep_file() -> str:
    """Return `docs/sweep-file.md`."""
    after = {
        ModelSpec: _NETWORKS + _networks(),
        OptimizerSpec: _optimizers(),
        SchedulerSpec: _SCHEDULERS + _schedulers(),
    }
    parts = [
        f"## {title}\n\n{_text(model)}\n\n{_keys(model)}" + (f"\n{more}" if more else "")
        for model, title in _PARTS.items()
        for more in [after.get(model, "")]
    ]
    whole = f"## The whole file\n\n{_text(config.Sweep)}\n\n{_keys(config.Sweep)}"
    note = _NOTE.format(source="`lrdecay/sweep/config.py` and the models of its parts")
    return "\n".join([f"# The sweep file\n\n{note}\n{_INTRODUCTION}", whole, *parts])


_INTRODUCTION = f"""\
A sweep file is YAML: keys and values. It states a matrix, and each cell of the matrix trains once
at each seed. Where a key takes a list of values, the list is one more axis of the matrix; no value
may stand in it twice. There may be {config.MAX_RUNS:,} runs at most.

A key that is not listed here is an error, as is a number that is not finite. All mistakes of a file
are reported together, each with its line and column; then, each with its key, those that it takes
the dataset or the optimizer to see. Nothing trains until there is none. Plug-ins add names, and
arguments of their own.

Editors with a YAML language server check and complete a file whose first line is
`# yaml-language-server: $schema=PATH`, where PATH leads to [sweep.schema.json](sweep.schema.json).
"""

_NETWORKS = """\
Arguments of a network stand beside its name, and a list of values is one more axis. Those of
torchvision's classifiers are [listed in sweeps.md](sweeps.md#networks).

"""

_SCHEDULERS = """\
Beside `class` a scheduler takes the arguments of that class. A length is a whole number of what the
scheduler is stepped by, `epochs` or `steps` for the whole run, `50%` for a share of it, or a time
such as `2 epochs` or `30 steps`: see [schedulers.md](schedulers.md#lengths). For any number `lr`
stands for the base rate and `10 lr` for ten times as much. `interval: epoch` or `interval: step`
says when it is stepped, where that is not as listed. A list of values, where the class takes one,
makes a scheduler of each ([an example](schedulers.md#arguments-as-axes)). What each class does is
said by `lrdecay schedulers CLASS`.

### The classes

An argument that has no default and is not optional must be given.

"""


def tables() -> str:
    """Return `docs/tables.md`."""
    note = _NOTE.format(source="`lrdecay/store/columns.py`")
    parts = [
        f"## {title}\n\n{text}\n\n{_columns(listed)}"
        for title, text, listed in (
            ("runs: what was asked for", _RUNS, columns.ASKED),
            ("runs: how it ended", _ENDED, columns.ENDED),
            ("runs: how it was made", _MADE, columns.MADE),
            ("epochs", _EPOCHS, columns.EPOCH),
            ("metrics", _METRICS, columns.METRIC),
        )
    ]
    plan = f"## plan\n\n{_PLAN}\n\n{_columns(columns.ASKED, brief=True)}"
    return "\n".join([f"# The tables\n\n{note}\n{_TABLES}", *parts, plan])


def _columns(listed: Sequence[columns.Column], brief: bool = False) -> str:
    if brief:
        return ", ".join(f"`{column.name}`" for column in listed) + ".\n"
    rows = (
        (
            f"`{column.name}`",
            str(column.type),
            column.unit,
            column.meaning,
            column.range.valid if column.range else "",
            column.when_null or "never",
        )
        for column in listed
    )
    return join_table(("column", "type", "unit", "what it holds", "valid", "null when"), rows)


_TABLES = f"""\
A results folder has three tables in parquet, and a fourth where runs have further metrics.
`pandas.read_parquet` reads each; `lrdecay.read_runs`, `lrdecay.read_epochs` and
`lrdecay.read_metrics` also see what has not been written into them yet, and verify every byte.
They are version {SCHEMA_VERSION} of the schema, and have exactly these columns in this order. A
value that is not valid for its column is refused as it is read.
Losses are means per image in nats, accuracies go from 0 to 1. Null is what a run does not have;
nothing is invented for it.
"""
_RUNS = "`runs.parquet` has one row per run, trials of base rates included."
_ENDED = (
    "Numbers of the last epoch, and (`best_`) of the one with the lowest validation loss, which "
    "is chosen without a look at test data."
)
_MADE = (
    "On a CPU two runs with one `run_id` have the same numbers to the bit where `engine`, `device` "
    "and `torch_version` are the same, whatever the others are."
)
_EPOCHS = (
    "`epochs.parquet` has one row per run, epoch and split: `train` is the running mean over the "
    "epoch's batches of what training minimises, with augmentation, dropout and label smoothing; "
    "`train_eval` a fixed sample of training images, as many as are held out, without any; `val` "
    "the images held out; `test` the test images. A run that diverged has the epochs that it "
    "finished."
)
_METRICS = (
    "`metrics.parquet` has one row per run and value of a metric of your own: after an epoch or of "
    "the whole run, on a split or on none. Of runs that lrdecay itself trained it has those that "
    "the sweep file asks for, `balanced_accuracy` and `macro_f1`, from 0 to 1, of each epoch on "
    "`train_eval`, `val` and `test`. It is there only if a run has any. "
    "`lrdecay.analysis.with_metrics` makes columns of them."
)
_PLAN = (
    "`plan.parquet` has one row per run that the sweep asks for, trained or not, with what was "
    "asked for:"
)


def sweep_schema() -> str:
    """Return `docs/sweep.schema.json`."""
    return json.dumps(make_schema(), indent=1) + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "sweep-file.md": sweep_file,
    "sweep.schema.json": sweep_schema,
    "tables.md": tables,
}
"""File in `docs/` -> what makes its text."""

WITH_TABLES = ("README.md", "published/README.md")
"""Files in `results/` that are written by hand but for the tables in them."""


def main(folder: Path = Path(__file__).parent) -> None:
    """Write all of them."""
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")
    for name in WITH_TABLES:
        page = folder.parent / "results" / name
        text = page.read_text(encoding="utf-8")
        page.write_text(fill_tables(text, page.parent), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
