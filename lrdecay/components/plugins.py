"""Schedulers, models, datasets and whatever else a sweep file names, of the user's own.

A plug-in is a Python file or a module with any of the dicts SCHEDULERS, MODELS, DATASETS,
OPTIMIZERS, TRANSFORMS, LOSSES and TRAINERS (name -> class or function), or an installed package
that gives the same objects one by one, as entry points of the groups `lrdecay.schedulers` and so
on, which are loaded when they are named. `load_plugins` checks them and enters them into the
registries, beside lrdecay's own. What each must be: `contracts`.
"""

import hashlib
import importlib
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

from lrdecay.components import contracts, registry, schedulers
from lrdecay.components.registry import KINDS, PLUGGED, REGISTRIES, Plugged, find_plugin
from lrdecay.core.errors import InputError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Loaded:
    """The plug-ins of a process, for another one to load: files and modules as given, where modules
    are looked for, and what they must turn out to be."""

    given: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    expected: frozenset[tuple[str, str, str]] = frozenset()


_given: dict[str, str] = {}  # files and modules that are loaded -> digest of the source


def load_plugins(given: Sequence[str | Path] = ()) -> None:
    """Load files and modules; one that is loaded already is left alone.

    Raises `InputError` for one that cannot be imported or is not what a plug-in must be; then
    nothing of it is there. A name that exists already is refused, and a file that has changed since
    it was loaded.
    """
    for each in map(str, given):
        if each.endswith(".py") or os.sep in each:
            _load_file(each)
        elif each not in _given:
            module = _import(each)
            source = _read_source(module)
            _enter(_things(module, each), each, module, source)
            _given[each] = hashlib.sha256(source).hexdigest()


def load_named(named: Iterable[tuple[str, str]]) -> None:
    """Load the installed plug-ins that have one of these kinds and names, and no others: one that
    breaks ends only what uses it.

    Raises `InputError` as `load_plugins`.
    """
    for kind, name in dict.fromkeys(named):
        for entry in registry.list_installed(kind):
            if entry.name == name:
                _load_entry_point(kind, entry)


def list_loaded() -> Loaded:
    """Return what another process needs to have the same plug-ins as this one."""
    expected = frozenset((each.kind, each.name, each.digest) for each in PLUGGED.values())
    return Loaded(tuple(_given), tuple(sys.path) if expected else (), expected)


def load_as_elsewhere(there: Loaded) -> None:
    """Load the plug-ins that another process has.

    Raises `InputError` also where the code of one has changed since.
    """
    # at the end, so that they hide no module
    sys.path.extend(folder for folder in there.search if folder not in sys.path)
    load_plugins(there.given)
    expected = [(kind, name) for kind, name, _ in there.expected]
    load_named(each for each in expected if each not in PLUGGED)
    for kind, name, digest in sorted(there.expected):
        own = find_plugin(kind, name)
        if own is None or own.digest != digest:
            raise InputError(f"the plug-in {kind} {name} has changed since the sweep began")


def _load_entry_point(kind: str, entry: EntryPoint) -> None:
    package = f" of {entry.dist.name}" if entry.dist else ""
    origin = f"entry point {entry.name} = {entry.value}{package}"
    try:
        thing = entry.load()
    except (Exception, SystemExit) as error:
        what = registry.describe_cause(error, "")
        group = f"lrdecay.{registry.plural(kind)}"
        raise InputError(f"{origin} ({group}): cannot be loaded: {what}") from error
    own = find_plugin(kind, entry.name)
    if own is None or own.origin != origin:
        module = sys.modules[entry.module]
        _enter({(kind, entry.name): thing}, origin, module, _read_source(module))


def _load_file(given: str) -> None:
    path = Path(given).absolute()
    try:
        source = path.read_bytes()
    except OSError as error:
        raise InputError(f"plug-in {given}: {error.strerror}") from error
    digest = hashlib.sha256(source).hexdigest()
    if _given.get(str(path), digest) != digest:
        raise InputError(f"plug-in {given}: has changed since it was loaded; start again")
    if str(path) in _given:
        return
    module = _run_file(path, source, given, digest)
    _enter(_things(module, given), given, module, source)
    _given[str(path)] = digest


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        file = f"{name}.py"
        hint = f"; did you mean the file {file}?" if Path(file).is_file() else ""
        raise InputError(
            f"plug-in {name}: cannot be imported: {registry.describe_cause(error, '')}{hint}"
        ) from error


def _run_file(path: Path, source: bytes, given: str, digest: str) -> ModuleType:
    """Return a file as a module.

    What runs are the bytes that the digest is of; an import might take an older .pyc.
    """
    module = ModuleType(f"lrdecay_plugin_{path.stem}_{digest[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where types and dataclasses look for it
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        what = registry.describe_cause(error, str(path))
        raise InputError(f"plug-in {given}: cannot be imported: {what}") from error
    return module


def _read_source(module: ModuleType | None) -> bytes:
    file = getattr(module, "__file__", None)
    return Path(file).read_bytes() if file else b""


def _things(module: ModuleType, given: str) -> dict[tuple[str, str], Any]:
    """Return what a module's dicts hold, by kind and name."""
    things: dict[tuple[str, str], Any] = {}
    variables = {kind: registry.plural(kind).upper() for kind in KINDS}
    for kind, variable in variables.items():
        held = getattr(module, variable, {})
        if not isinstance(held, Mapping) or not all(isinstance(name, str) for name in held):
            raise InputError(f"plug-in {given}: {variable} must be a dict of names")
        things |= {(kind, name): thing for name, thing in held.items()}
    if not things:
        raise InputError(
            f"plug-in {given}: gives nothing; it needs one of the dicts "
            f'{", ".join(variables.values())}, such as SCHEDULERS = {{"MyLR": MyLR}}'
        )
    return things


def _enter(
    things: Mapping[tuple[str, str], Any], origin: str, module: ModuleType, source: bytes
) -> None:
    """Enter what a plug-in gives into the registries: all of it, or nothing."""
    entered: list[tuple[str, str]] = []
    try:
        for (kind, name), thing in things.items():
            where = f"plug-in {origin}: {kind} {name}"
            if not _NAME.fullmatch(name):
                raise InputError(
                    f"plug-in {origin}: {kind} {name!r} is no name; begin with a letter, go on "
                    f"with letters, digits, '.', '_' and '-', 64 at most"
                )
            if name in REGISTRIES[kind]:
                own = find_plugin(kind, name)
                there = f"in {own.origin}" if own else "in lrdecay"
                raise InputError(f"{where}: exists already, {there}; give it another name")
            REGISTRIES[kind][name] = contracts.wrap_thing(kind, thing)
            entered.append((kind, name))
            try:
                contracts.check_contract(kind, name, thing)
            except ValueError as error:
                raise InputError(f"{where}: {error}") from error
            digest = _digest_code(thing, module, source)
            file = str(getattr(module, "__file__", ""))
            PLUGGED[kind, name] = Plugged(kind, name, origin, file, digest)
    except BaseException:
        for kind, name in entered:
            del REGISTRIES[kind][name]
            PLUGGED.pop((kind, name), None)
        schedulers.argument_model.cache_clear()
        raise


def _digest_code(thing: Any, module: ModuleType, source: bytes) -> str:
    sources = {source}
    home = sys.modules.get(getattr(thing, "__module__", ""))
    if home is not module:
        sources.add(_read_source(home))
    return hashlib.sha256(b"".join(sorted(sources))).hexdigest()[:16]
