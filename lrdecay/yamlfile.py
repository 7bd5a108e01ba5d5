"""YAML text -> plain values, with the line and column of each, and nothing that surprises.

Scalars follow YAML 1.2's core schema (`1e-3` is a number, `on` is a word), duplicate keys,
anchors, tags and deep nesting are refused, and no Python object is ever made. The tree is built
from PyYAML's event stream without recursion, so no input exhausts the stack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]

MAX_BYTES = 1 << 20
MAX_DEPTH = 20

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]{1,40}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is (line and column from 1; 0 if there is no file) and what."""

    line: int
    column: int
    message: str


@dataclass(frozen=True)
class Document:
    """A parsed file: its value, and the place of every value and key by path."""

    value: Any
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def place(self, path: Path, key: bool = False) -> tuple[int, int]:
        """Return line and column of the value (or key) at `path`, or of the nearest one above."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, (0, 0))


class YamlError(Exception):
    """The text is not a YAML document that can be used; `problems` says why, and where."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(problem.message for problem in problems))
        self.problems = problems


def parse(text: str) -> Document:
    """Parse one YAML document.

    Raises `YamlError` for text that is not YAML, and for duplicate keys, tags, anchors, more than
    one document, nesting deeper than 20 levels, or more than 1 MiB.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise YamlError([Problem(1, 1, f"the file is larger than {MAX_BYTES // 1024} KiB")])
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise YamlError([*builder.problems, Problem(line, column, f"not YAML: {what}")]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
        what = f"the character {chr(error.character)!r} is not allowed"
        raise YamlError([Problem(line, column, f"not YAML: {what}")]) from error
    if builder.problems:
        raise YamlError(builder.problems)
    return builder.document


class _Builder:
    """Turns events into a tree; `take` is called once per event, in order."""

    def __init__(self) -> None:
        self.document = Document(None)
        self.problems: list[Problem] = []
        self._open: list[_Collection] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise YamlError(
                    [*self.problems, Problem(line, column, "more than one document in the file")]
                )
        elif isinstance(event, yaml.AliasEvent):
            self._say(line, column, f"aliases (*{event.anchor}) are not supported: write it out")
            self._add(None, (line, column))
        elif isinstance(event, yaml.NodeEvent):
            self._check_plain(event, line, column)
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event, (line, column))
            else:
                self._start(event, (line, column))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()

    def _check_plain(self, event: Any, line: int, column: int) -> None:
        if event.anchor is not None:
            self._say(line, column, f"anchors (&{event.anchor}) are not supported: write it out")
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._say(line, column, f"tags ({tag}) are not supported: write a plain value")

    def _scalar(self, event: yaml.ScalarEvent, place: tuple[int, int]) -> None:
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.wants_key:
            if parent.has(event.value):
                first_line = self.document.keys[(*parent.path, event.value)][0]
                self._say(*place, f"the key {event.value!r} stands here twice (line {first_line})")
            else:
                self.document.keys[(*parent.path, event.value)] = place
            parent.key = event.value
        else:
            self._add(plain_value(event.value) if event.implicit[0] else event.value, place)

    def _start(self, event: yaml.CollectionStartEvent, place: tuple[int, int]) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise YamlError([Problem(*place, f"nested deeper than {MAX_DEPTH} levels")])
        if self._open and self._open[-1].wants_key:
            raise YamlError([*self.problems, Problem(*place, "a key must be a single word")])
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._open.append(_Collection(value, self._add(value, place)))

    def _add(self, value: Any, place: tuple[int, int]) -> Path:
        """Put a value where the next one belongs, and return its path."""
        path: Path = ()
        if self._open:
            path = self._open[-1].add(value)
        else:
            self.document = Document(value, self.document.values, self.document.keys)
        self.document.values[path] = place
        return path

    def _say(self, line: int, column: int, message: str) -> None:
        self.problems.append(Problem(line, column, message))


@dataclass
class _Collection:
    value: Any
    path: Path
    key: str | None = None

    @property
    def wants_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is None

    def has(self, key: str) -> bool:
        return key in self.value

    def add(self, value: Any) -> Path:
        if isinstance(self.value, list):
            self.value.append(value)
            return (*self.path, len(self.value) - 1)
        key = self.key
        if key is None:  # an alias where a key belongs; already reported
            return self.path
        self.key = None
        self.value[key] = value
        return (*self.path, key)


def plain_value(text: str) -> Any:
    """Return what an unquoted word means in YAML 1.2: null, a bool, a number or the text itself.

    >>> [plain_value(x) for x in ("1e-3", "64", "true", "on", "0.5 epochs")]
    [0.001, 64, True, 'on', '0.5 epochs']
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if text.lower() in _SPECIAL:
        return float(_SPECIAL[text.lower()])
    return text


def walk(value: Any, loc: Path) -> Iterator[str | int]:
    """Yield the parts of a validator's `loc` that exist in the document, leaving out its own."""
    for part in loc:
        if (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        ):
            value = value[part]
            yield part
