"""Arguments of schedulers that are axes: a list of values where the class takes one value.

`step: {class: StepLR, step_size: [3, 5]}` stands for two schedulers. They are written out before
anything else is checked, under labels that carry their values (`step step_size=3`), so that all
else sees schedulers with labels.
"""

import math
import typing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from lrdecay.components import schedulers
from lrdecay.core.text import quote
from lrdecay.core.yaml import Document, Path, Problem, walk_value
from lrdecay.sweep.diagnostics import locate_problem

MOST = 1000
"""Schedulers that the axes of a file make at most."""

Places = dict[Path, tuple[int, int]]


@dataclass(frozen=True)
class Expanded:
    """A document whose schedulers have one value for each argument.

    `families` has the labels of the file that stand for several schedulers, each with theirs.
    """

    document: Document
    families: Mapping[str, Sequence[str]]
    problems: Sequence[Problem]


@dataclass(frozen=True)
class _Axis:
    """An argument with a list of values: its path within the scheduler, and the numbers of the
    items that count."""

    path: Path
    values: Sequence[Any]
    items: Sequence[int]


def expand_axes(document: Document) -> Expanded:
    """Return a document of keys and values with each axis of a scheduler written out.

    What is at a place of the new document is found where the file has it.
    """
    given = document.value.get("schedulers")
    if not isinstance(given, dict):
        return Expanded(document, {}, [])
    labelled: dict[str, Any] = {}
    families: dict[str, list[str]] = {}
    problems: list[Problem] = []
    values, keys = dict(document.values), dict(document.keys)
    of_label = [_group_places(places) for places in (document.values, document.keys)]
    made = 0
    for label, spec in given.items():
        path = ("schedulers", label)
        axes = list(_find_axes(document, path, problems))
        count = math.prod(len(axis.items) for axis in axes)
        made += count if count > 1 else 0
        if count > 1 and made > MOST:
            message = f"{made:,} schedulers of lists are too many; at most {MOST:,}"
            problems.append(locate_problem(document, path, message, key=True))
            axes = [replace(axis, items=axis.items[:1]) for axis in axes]
        for chosen in product(*(axis.items for axis in axes)):
            new = _make_label(label, axes, chosen)
            if new != label and (new in given or new in labelled):
                message = f"the label {quote(new)} is here already; rename one of them"
                problems.append(locate_problem(document, path, message, key=True))
                continue
            labelled[new] = _choose(spec, axes, chosen) if axes else spec
            if count > 1:
                families.setdefault(label, []).append(new)
            if axes:
                for places, own in zip((values, keys), of_label, strict=True):
                    moved = _move_places(own.get(label, {}), axes, chosen)
                    places |= {("schedulers", new, *rest): at for rest, at in moved.items()}
    value = {**document.value, "schedulers": labelled}
    return Expanded(Document(value, values, keys), families, problems)


def _find_axes(document: Document, path: Path, problems: list[Problem]) -> Iterator[_Axis]:
    """Yield the axes of the scheduler at a path, and of those within it."""
    node = schedulers.read_node(_look_up(document.value, path))
    if node is None:
        return
    for place, model in schedulers.argument_models(*node).items():
        whole = (*path, *place)
        known = tuple(walk_value(document.value, whole)) == whole
        arguments = _look_up(document.value, whole) if known else None
        for key, values in arguments.items() if isinstance(arguments, dict) else ():
            field = model.model_fields.get(key)
            if field is None or key in schedulers.NESTED.values():
                continue
            if not _is_axis(values, field.annotation):
                continue
            first: dict[str, int] = {}  # by what a label would have
            for number, value in enumerate(values):
                before = first.setdefault(_write(value), number)
                if before != number:
                    where, alike = (*whole, key, number), values[before]
                    form = "" if repr(alike) == repr(value) else f" as {quote(alike)}"
                    message = f"{quote(value)} is in the list already{form}; leave it out"
                    problems.append(locate_problem(document, where, message))
            yield _Axis((*place, key), values, list(first.values()))


def _look_up(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _is_axis(value: Any, hint: Any) -> bool:
    """Return whether a value is a list of values, of an argument whose own type is the hint."""
    if not isinstance(value, list) or not value:
        return False
    if _takes_list(hint):
        return all(isinstance(item, list) for item in value)
    return not any(isinstance(item, list | dict) for item in value)


def _takes_list(hint: Any) -> bool:
    origin = typing.get_origin(hint) or hint
    if origin in (list, tuple, Any, Sequence):
        return True
    return origin is not typing.Literal and any(map(_takes_list, typing.get_args(hint)))


def _make_label(label: str, axes: Sequence[_Axis], chosen: Sequence[int]) -> str:
    """Return a label with the values of what differs, each under its argument's name."""
    named = [(axis, item) for axis, item in zip(axes, chosen, strict=True) if len(axis.values) > 1]
    count = Counter(axis.path[-1] for axis, _ in named)
    words = [label]
    for axis, item in named:
        alone = count[axis.path[-1]] == 1
        name = axis.path[-1] if alone else ".".join(map(str, axis.path))
        words.append(f"{name}={_write(axis.values[item])}")
    return " ".join(words)


def _write(value: Any) -> str:
    """Return a value as a sweep file has it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_write, value))}]"
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return value if isinstance(value, str) else quote(value)


def _choose(spec: Any, axes: Sequence[_Axis], chosen: Sequence[int]) -> Any:
    """Return a scheduler with one value of each axis."""
    spec = deepcopy(spec)
    for axis, item in zip(axes, chosen, strict=True):
        _look_up(spec, axis.path[:-1])[axis.path[-1]] = axis.values[item]
    return spec


def _group_places(places: Mapping[Path, tuple[int, int]]) -> dict[Any, Places]:
    """Return the places within each scheduler, by label and path within it."""
    found: dict[Any, Places] = {}
    for path, at in places.items():
        if len(path) > 1 and path[0] == "schedulers":
            found.setdefault(path[1], {})[path[2:]] = at
    return found


def _move_places(places: Places, axes: Sequence[_Axis], chosen: Sequence[int]) -> Places:
    """Return the places within a scheduler with one value of each axis, which has its item's."""
    moved = dict(places)
    for axis, item in zip(axes, chosen, strict=True):
        within = (*axis.path, item)
        for path, at in places.items():
            if path[: len(within)] == within:
                moved[(*axis.path, *path[len(within) :])] = at
    return moved
