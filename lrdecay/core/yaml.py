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

from lrdecay.core.text import quote

Path = tuple[str | int, ...]

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MAX_DIGITS = 40

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INF = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NAN = {".nan", ".NaN", ".NAN"}


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
        return self.values.get(path, (1, 1))


class YamlError(Exception):
    """The text is not a YAML document that can be used; `problems` says why, and where.

    `document` is what the text says otherwise, where it could be read to the end.
    """

    def __init__(self, problems: list[Problem], document: Document | None = None) -> None:
        super().__init__("\n".join(problem.message for problem in problems))
        self.problems = problems
        self.document = document


def parse_yaml(text: str) -> Document:
    """Parse one YAML document.

    Raises `YamlError` for text that is not YAML, and for duplicate keys, tags, anchors, more than
    one document, nesting deeper than 20 levels, or more than 1 MiB.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise YamlError([Problem(1, 1, f"the file is larger than {MAX_BYTES // 1024} KiB")])
    builder = _Builder()
    try:
        loader: Any = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        what = f"the character {chr(error.character)!r} is not allowed; leave it out"
        raise YamlError([Problem(line, column, f"not YAML: {what}")]) from error
    try:
        while loader.check_event():
            builder.take(loader.get_event())
    except yaml.MarkedYAMLError as error:
        raise YamlError([*builder.problems, _syntax_problem(error)]) from error
    except (ValueError, OverflowError) as error:  # PyYAML lets these through: "\UFFFFFFFF"
        mark = loader.get_mark()
        what = "not YAML: a number or an escape here is larger than any character or version"
        raise YamlError(
            [*builder.problems, Problem(mark.line + 1, mark.column + 1, what)]
        ) from error
    finally:
        loader.dispose()
    if builder.problems:
        raise YamlError(builder.problems, builder.document)
    return builder.document


# PyYAML's words -> ours, and whether the mistake is where its context begins. {line} is there.
_SYNTAX: list[tuple[str, str, bool]] = [
    (r"found character '\\t' that cannot", "a tab cannot stand here; indent with spaces", False),
    (
        r"found character '(.)' that cannot",
        "a plain word cannot begin with {0}; put it in quotes",
        False,
    ),
    (r"while scanning a quoted scalar.*end of stream", "this quote is not closed", True),
    (r"while scanning a quoted scalar.*document separator", "this quote is not closed", True),
    (r"node content", "expected a value here", False),
    (r"a flow (?:sequence|mapping).*'<stream end>'", "this bracket is not closed", True),
    (
        r"a flow sequence.*expected",
        "expected , or ] in the list that opens in line {line}",
        False,
    ),
    (
        r"a flow mapping.*expected",
        "expected , or }} in the keys and values that open in line {line}",
        False,
    ),
    (
        r"mapping values are not allowed",
        "a ':' is not allowed here; look for quotes, a space after a ':', or an indentation amiss",
        False,
    ),
    (r"could not find expected ':'", "expected a ':' and a value after this", True),
    (
        r"sequence entries are not allowed",
        "a '-' is not allowed here; begin a list in a line of its own",
        False,
    ),
    (
        r"a block (?:mapping|collection).*expected <block end>",
        "this is not expected here; indent a key like its neighbours, and give it one value",
        False,
    ),
    (r"unknown escape character '(.)'", "\\{0} is no escape; write \\\\ for a backslash", False),
    (r"document start", "expected one set of keys and values, and nothing after it", False),
]


def _syntax_problem(error: yaml.MarkedYAMLError) -> Problem:
    """Say in plain words, and at the place to mend, why the text is not YAML."""
    what = ", ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark or error.context_mark
    for pattern, words, at_context in _SYNTAX:
        found = re.search(pattern, what, re.DOTALL)
        if found:
            opened = error.context_mark
            what = words.format(*found.groups(), line=opened.line + 1 if opened else 1)
            mark = opened if at_context and opened else mark
            break
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Problem(*place, f"not YAML: {' '.join(what.split())}")


class _Builder:
    """Turns events into a tree; `take` is called once per event, in order."""

    def __init__(self) -> None:
        self.document = Document(None)
        self.problems: list[Problem] = []
        self._open: list[_Collection] = []
        self._documents = 0

    def take(self, event: Any) -> None:
        place = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._end(place, "a second document begins here; give one per file")
        elif isinstance(event, yaml.AliasEvent):
            if self._open and self._open[-1].wants_key:
                raise self._end(place, f"a key must be a single word, not *{event.anchor}")
            self._say(place, f"aliases (*{event.anchor}) are not supported; write the value out")
            self._add(None, place)
        elif isinstance(event, yaml.NodeEvent):
            self._check_plain(event, place)
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event, place)
            else:
                self._start(event, place)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()

    def _check_plain(self, event: Any, place: tuple[int, int]) -> None:
        if event.anchor is not None:
            self._say(place, f"anchors (&{event.anchor}) are not supported; leave it out")
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._say(place, f"tags ({quote(tag, quote=False)}) are not supported; leave it out")

    def _scalar(self, event: yaml.ScalarEvent, place: tuple[int, int]) -> None:
        parent = self._open[-1] if self._open else None
        if parent is None or not parent.wants_key:
            self._add(self._value(event, place), place)
            return
        key = self._text(event, place)
        path = (*parent.path, key)
        if key in parent.value:
            first = self.document.keys[path][0]
            self._say(place, f"the key {quote(key)} stands here already (line {first}); keep one")
        elif key == "<<" and event.implicit[0]:
            self._say(place, "merge keys (<<) are not supported; write the keys and values out")
        self.document.keys.setdefault(path, place)
        parent.key = key

    def _text(self, event: yaml.ScalarEvent, place: tuple[int, int]) -> str:
        text: str = event.value
        half = _SURROGATE.search(text)
        if half:
            self._say(place, f"{half[0]!r} is half of a character; write the character itself")
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)

    def _value(self, event: yaml.ScalarEvent, place: tuple[int, int]) -> Any:
        if not event.implicit[0]:  # in quotes
            return self._text(event, place)
        digits = len(event.value.lstrip("+-"))
        if digits > MAX_DIGITS and _INT.fullmatch(event.value):
            self._say(place, f"a number of {digits:,} digits; give {MAX_DIGITS} at most")
        return parse_scalar(event.value)

    def _start(self, event: Any, place: tuple[int, int]) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise self._end(place, f"nested deeper than {MAX_DEPTH} levels")
        if self._open and self._open[-1].wants_key:
            raise self._end(place, "a key must be a single word, not a list or keys and values")
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

    def _say(self, place: tuple[int, int], message: str) -> None:
        self.problems.append(Problem(*place, message))

    def _end(self, place: tuple[int, int], message: str) -> YamlError:
        """Return the error for a mistake after which the rest cannot be read."""
        return YamlError([*self.problems, Problem(*place, message)])


@dataclass
class _Collection:
    value: Any
    path: Path
    key: str | None = None

    @property
    def wants_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is None

    def add(self, value: Any) -> Path:
        if isinstance(self.value, list):
            self.value.append(value)
            return (*self.path, len(self.value) - 1)
        assert self.key is not None
        path = (*self.path, self.key)
        self.value[self.key] = value
        self.key = None
        return path


def parse_scalar(text: str) -> Any:
    """Return what an unquoted word means in YAML 1.2: null, a bool, a number or the text itself.

    >>> [parse_scalar(x) for x in ("1e-3", "64", "true", "on", "0.5 epochs")]
    [0.001, 64, True, 'on', '0.5 epochs']
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text) and len(text) <= MAX_DIGITS + 1:
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if found := _INF.fullmatch(text):
        return float(f"{found[1]}inf")
    if text in _NAN:
        return float("nan")
    return text


def walk_value(value: Any, loc: Path) -> Iterator[str | int]:
    """Yield the parts of a validator's `loc` that exist in the document, leaving out its own."""
    for part in loc:
        known = isinstance(value, dict) and part in value
        if known or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            value = value[part]
            yield part
