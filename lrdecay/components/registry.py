"""The registries: what a sweep file can name, by kind, and what of it plug-ins gave.

The packages beside this one enter what is lrdecay's own as they are imported; `plugins` enters what
is the user's.
"""

import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import BeforeValidator

from lrdecay.core.run import to_canonical_json
from lrdecay.core.text import describe_error, find_nearest, quote, suggest_name

KINDS = ("scheduler", "model", "dataset", "optimizer", "transform", "loss", "trainer")

REGISTRIES: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
"""Kind -> name in a sweep file -> class or function."""

HINTS: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
"""Kind -> name that has a meaning elsewhere -> what to write for it."""


@dataclass(frozen=True)
class Catalogue:
    """Things of another package, which is imported only as one of them is looked up.

    `find` returns the thing of a name, or None; `list_names` all names; `what` is what messages
    call them.
    """

    what: str
    find: Callable[[str], Any]
    list_names: Callable[[], Sequence[str]]


CATALOGUES: dict[str, Catalogue] = {}
"""Kind -> what there is of it beside the registry, such as networks of torchvision."""


@dataclass(frozen=True)
class Plugged:
    """One thing that a plug-in gave.

    `origin` is the plug-in as messages name it, `file` its source. `digest` names its code: the
    first 16 hex digits of the SHA-256 of that file (and of the one that defines the thing, where it
    is another), wherever they lie.
    """

    kind: str
    name: str
    origin: str
    file: str
    digest: str


class PluginError(ValueError):
    """The code of a plug-in failed."""


PLUGGED: dict[tuple[str, str], Plugged] = {}
"""What plug-ins gave, by kind and name."""


def find_thing(kind: str, name: str) -> Any:
    """Return what a name is of a kind.

    Raises `KeyError` for one that neither the registry nor a catalogue has.
    """
    if name not in REGISTRIES[kind] and kind in CATALOGUES:
        found = CATALOGUES[kind].find(name)
        if found is not None:
            return found
    return REGISTRIES[kind][name]


def is_known(kind: str, name: str) -> bool:
    """Return whether a name is one of a kind."""
    try:
        find_thing(kind, name)
    except KeyError:
        return False
    return True


def find_plugin(kind: str, name: str) -> Plugged | None:
    """Return what is known of a name, if a plug-in gave it."""
    return PLUGGED.get((kind, name))


def list_plugins(kind: str) -> list[str]:
    """Return the names that plug-ins gave."""
    return [name for each, name in PLUGGED if each == kind]


def plural(kind: str) -> str:
    """Return what many of a kind are called, in entry points and, in capitals, in a plug-in.

    >>> plural("model"), plural("loss")
    ('models', 'losses')
    """
    return "losses" if kind == "loss" else f"{kind}s"


def list_installed(kind: str) -> tuple[EntryPoint, ...]:
    """Return what installed packages offer of a kind; looking for it loads nothing."""
    return _find_entry_points(f"lrdecay.{plural(kind)}", tuple(sys.path))


@cache
def _find_entry_points(group: str, search: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))


def list_names(kind: str) -> list[str]:
    """Return all that may be named as one of a kind, loaded or only installed."""
    installed = (entry.name for entry in list_installed(kind))
    return list(dict.fromkeys([*REGISTRIES[kind], *installed]))


def digest_plugins(used: Sequence[tuple[str, str]]) -> str:
    """Return those of (kind, name) that plug-ins gave as JSON: kind and name -> digest.

    A dataset's code is left out: the digest of its content says all.

    >>> digest_plugins([("scheduler", "StepLR"), ("model", "cnn")])
    '{}'
    """
    found = [PLUGGED[each] for each in used if each in PLUGGED]
    return to_canonical_json({f"{each.kind} {each.name}": each.digest for each in found})


def blame_plugin(own: Plugged, error: BaseException) -> str:
    """Say that a plug-in's code failed, with cause and line."""
    reason = describe_cause(error, own.file)
    return f"the plug-in {own.kind} {own.name} of {own.origin} fails: {reason}"


def describe_cause(error: BaseException, file: str) -> str:
    """Return an error as one line, with the line of `file` that it came from."""
    what = " ".join(describe_error(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == file), None)
    return what if line is None else f"{what} (line {line} of {Path(file).name})"


def require_registered(kind: str, value: Any) -> str:
    """Refuse a name that is none of a kind; plug-ins add to them."""
    if not isinstance(value, str):
        raise ValueError(f"must be one of {', '.join(_list_choices(kind))}, not {quote(value)}")
    if not is_known(kind, value):
        raise ValueError(suggest_registered(kind, value))
    return value


def suggest_registered(kind: str, name: str) -> str:
    """Say that a name is none of a kind, with what to write for it; of one with dots, as Python
    has it, the last part counts."""
    hint = HINTS[kind].get(name.rpartition(".")[2])
    if kind == "trainer" and not any(REGISTRIES[kind].values()):
        hint = "name the file of your loop with --plugin, or leave the name out in a script"
    if hint is None and kind in CATALOGUES:  # of which not all are listed
        near = find_nearest(name, [*list_names(kind), *CATALOGUES[kind].list_names()])
        hint = None if near is None else f"did you mean {near}?"
    return suggest_name(name, _list_choices(kind), hint)


def _list_choices(kind: str) -> list[str]:
    beside = [CATALOGUES[kind].what] if kind in CATALOGUES else []
    return [*list_names(kind), *beside]


def registered(kind: str) -> BeforeValidator:
    """Return what refuses a name that is not registered as one of a kind, such as `model`."""
    return BeforeValidator(partial(require_registered, kind))
