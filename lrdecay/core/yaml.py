"""YAML text -> plain values, with the line and column of each, and nothing that surprises.

Scalars follow YAML 1.2's core schema (`1e-3` is a number, `on` is a word), duplicate keys,
anchors, tags and deep nesting are refused, and no Python object is ever made. PyYAML composes the
nodes; what is refused is refused before it becomes one, so no input expands or exhausts the stack.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from lrdecay.core.text import quote

Path = tuple[str | int, ...]

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MAX_DIGITS = 40

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_SURROGATE = re.compile("[\ud800-\udfff]")


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
    try:
        composer = _Composer(text)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        what = f"not YAML: the character {chr(error.character)!r} is not allowed; leave it out"
        raise YamlError([Problem(*place, what)]) from error
    try:
        root = composer.get_single_node()
    except yaml.composer.ComposerError as error:
        what = "a second document begins here; give one per file"
        raise composer.end(error.problem_mark, what) from error
    except yaml.MarkedYAMLError as error:
        raise composer.end(*_syntax_problem(error)) from error
    except (ValueError, OverflowError) as error:  # PyYAML lets these through: "\UFFFFFFFF"
        what = "not YAML: a number or an escape here is larger than any character or version"
        raise composer.end(composer.get_mark(), what) from error
    finally:
        composer.dispose()
    document = Document(None)
    if root is not None:
        document = replace(document, value=_read(root, (), document))
    if composer.problems:
        raise YamlError(composer.problems, document)
    return document


# PyYAML's words -> ours: for mistakes that are where their context begins, and for the others.
_AT_CONTEXT = {
    r"a quoted scalar.*(?:end of stream|document separator)": "this quote is not closed",
    r"a flow (?:sequence|mapping).*'<stream end>'": "this bracket is not closed",
    r"could not find expected ':'": "expected a ':' and a value after this",
}
_AT_PROBLEM = {
    r"found character '\\t' that cannot": "a tab cannot stand here; indent with spaces",
    r"found character '(.)' that cannot": "a plain word cannot begin with {0}; put it in quotes",
    r"node content": "expected a value here",
    r"a flow sequence.*expected": "expected , or ] in the list that opens in line {line}",
    r"a flow mapping.*expected": "expected , or }} in the keys and values that open in line {line}",
    r"mapping values are not allowed": (
        "a ':' is not allowed here; look for quotes, a space after a ':', or a wrong indentation"
    ),
    r"sequence entries are not": "a '-' is not allowed here; begin a list in a line of its own",
    r"a block (?:mapping|collection).*expected <block end>": (
        "this is not expected here; indent a key like its neighbours, and give it one value"
    ),
    r"unknown escape character '(.)'": r"\{0} is no escape; write \\ for a backslash",
    r"document start": "expected one set of keys and values, and nothing after it",
}


def _syntax_problem(error: yaml.MarkedYAMLError) -> tuple[yaml.Mark | None, str]:
    """Return the place to fix, and in plain words why the text is not YAML."""
    what = ", ".join(part for part in (error.context, error.problem) if part)
    context, problem = error.context_mark, error.problem_mark
    for pattern, words in (_AT_CONTEXT | _AT_PROBLEM).items():
        if found := re.search(pattern, what, re.DOTALL):
            what = words.format(*found.groups(), line=_place(context)[0])
            problem = context if pattern in _AT_CONTEXT else problem
            break
    return problem or context, f"not YAML: {' '.join(what.split())}"


def _place(mark: yaml.Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


class _Composer(yaml.BaseLoader):
    """Composes nodes, and says what is refused before a node is made of it.

    `problems` has what was found so far, also where a later mistake ends the reading.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.problems: list[Problem] = []
        self._open: list[dict[str, Any]] = []  # for each level, the marks of its keys so far

    def _say(self, mark: Any, message: str) -> None:
        self.problems.append(Problem(*_place(mark), message))

    def end(self, mark: Any, message: str) -> YamlError:
        """Return the error for a mistake after which the rest cannot be read."""
        self._say(mark, message)
        return YamlError(self.problems)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose the next node: a key if its `index` in a mapping is None.

        A tag or an anchor is left out once it is reported, and an alias is an empty value.
        """
        event: Any = yaml.BaseLoader.peek_event(self)
        mark, is_key = event.start_mark, isinstance(parent, yaml.MappingNode) and index is None
        if isinstance(event, yaml.AliasEvent):
            if is_key:
                raise self.end(mark, f"a key must be a single word, not *{event.anchor}")
            self._say(mark, f"aliases (*{event.anchor}) are not supported; write the value out")
            event = self.current_event = yaml.ScalarEvent(None, None, (True, False), "", mark, mark)
        if event.anchor is not None:
            self._say(mark, f"anchors (&{event.anchor}) are not supported; leave it out")
        if event.tag is not None:
            tag = quote(event.tag.replace("tag:yaml.org,2002:", "!!"), quoted=False)
            self._say(mark, f"tags ({tag}) are not supported; leave it out")
        event.anchor = event.tag = None
        if isinstance(event, yaml.ScalarEvent):
            self._check_scalar(event, is_key)
        elif len(self._open) >= MAX_DEPTH:
            raise self.end(mark, f"nested deeper than {MAX_DEPTH} levels")
        elif is_key:
            raise self.end(mark, "a key must be a single word, not a list or keys and values")
        self._open.append({})
        node = super().compose_node(parent, index)
        self._open.pop()
        return node

    def _check_scalar(self, event: yaml.ScalarEvent, is_key: bool) -> None:
        mark, is_plain = event.start_mark, event.style is None
        if half := _SURROGATE.search(event.value):
            self._say(mark, f"{half[0]!r} is half of a character; write the character itself")
            event.value = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", event.value)
        text, digits = event.value, len(event.value.lstrip("+-"))
        if is_key:
            first = self._open[-1].setdefault(text, mark)
            if first is not mark:
                line = _place(first)[0]
                self._say(mark, f"the key {quote(text)} is here already (line {line}); keep one")
            elif is_plain and text == "<<":
                self._say(mark, "merge keys (<<) are not supported; write the keys and values out")
        elif is_plain and digits > MAX_DIGITS and _INT.fullmatch(text):
            self._say(mark, f"a number of {digits:,} digits; give {MAX_DIGITS} at most")


def _read(node: yaml.Node, path: Path, document: Document) -> Any:
    """Return a node's value; the document gets its place, and those of all within."""
    document.values[path] = _place(node.start_mark)
    if isinstance(node, yaml.SequenceNode):
        return [_read(item, (*path, n), document) for n, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        return parse_scalar(node.value) if node.style is None else node.value
    value = {}
    for key, item in node.value:
        inner = (*path, key.value)
        document.keys.setdefault(inner, _place(key.start_mark))
        value[key.value] = _read(item, inner, document)
    return value


def parse_scalar(text: str) -> Any:
    """Return what an unquoted word means in YAML 1.2: null, a bool, a number or the text itself.

    >>> [parse_scalar(x) for x in ("1e-3", "64", "true", "on", "2 epochs")]
    [0.001, 64, True, 'on', '2 epochs']
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text) and len(text) <= MAX_DIGITS + 1:
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def walk_value(value: Any, loc: Path) -> Iterator[str | int]:
    """Yield the parts of a validator's `loc` that exist in the document, leaving out its own."""
    for part in loc:
        known = isinstance(value, dict) and part in value
        if known or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            value = value[part]
            yield part
