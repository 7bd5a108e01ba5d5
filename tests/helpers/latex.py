r"""Reads LaTeX as strictly as `compare --format latex` writes it: what is not known here fails."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

COMMANDS = {
    *("begin", "end", "centering", "small", "caption", "label", "ref", "emph", "multicolumn"),
    *("toprule", "midrule", "bottomrule", "cmidrule", "mathbf", "pm", "char"),
    *("textbackslash", "textasciicircum", "textasciitilde", "textless", "textgreater", "textbar"),
}
SPECIAL = "{}$&#_%"
_PRINTED = {
    r"\textbackslash{}": "\\",
    r"\textasciicircum{}": "^",
    r"\textasciitilde{}": "~",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    r"{\char34}": '"',
    r"{\char96}": "`",
}
_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|.", re.DOTALL)


@dataclass
class Tabular:
    """A tabular: how many columns it has, and its rows, each of its cells, spans as one cell."""

    columns: int
    rows: list[list[str]] = field(default_factory=list)


@dataclass
class Document:
    """What was read: comments, captions, labels, references, and tabulars in their order."""

    comments: list[str]
    captions: list[str]
    labels: list[str]
    references: list[str]
    tabulars: list[Tabular]


def read_latex(text: str) -> Document:
    """Read tables. Raises `ValueError` for anything that is not as it must be."""
    found = Document([], [], [], [], [])
    opened: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("%"):
            found.comments.append(line[1:].strip())
            continue
        try:
            _check_line(line)
            _read_line(line.strip(), opened, found)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}: {line}") from error
    if opened:
        raise ValueError(f"never closed: {opened}")
    return found


def _check_line(line: str) -> None:
    """Raise `ValueError` for braces or math that do not close, commands that are not known, and
    characters that mean something to LaTeX and were not meant to."""
    depth, in_math = 0, False
    for token in _TOKEN.findall(line.replace("{'}", "")):  # which joins with nothing
        if token == "{":
            depth += 1
        elif token == "}":
            depth -= 1
        elif token == "$":
            in_math = not in_math
        elif token in "#_^~%" and not (token == "^" and in_math):
            raise ValueError(f"{token} is not escaped")
        elif token in "<>|\"`'" and not in_math:
            raise ValueError(f"{token} prints something else")
        elif (
            token.startswith("\\") and token[1:] not in COMMANDS and token[1] not in SPECIAL + "\\"
        ):
            raise ValueError(f"unknown command {token}")
        elif token in (r"\mathbf", r"\pm") and not in_math:
            raise ValueError(f"{token} outside of math")
        if depth < 0:
            raise ValueError("a brace closes nothing")
    if depth or in_math:
        raise ValueError("a brace or math is left open")
    if "--" in re.sub(r"(?<=[&{]) -- (?=[&\\])", "", line.replace(" & ", " &  & ")):
        raise ValueError("dashes that join")


def _read_line(line: str, opened: list[str], found: Document) -> None:
    in_tabular = bool(opened) and opened[-1] == "tabular"
    if begun := re.fullmatch(r"\\begin\{(\w+)\}(.*)", line):
        opened.append(begun[1])
        if begun[1] == "tabular":
            spec = re.fullmatch(r"\{@\{\}([lrc]+)@\{\}\}", begun[2])
            if spec is None:
                raise ValueError("columns that are not known")
            found.tabulars.append(Tabular(len(spec[1])))
    elif ended := re.fullmatch(r"\\end\{(\w+)\}", line):
        if not opened or opened.pop() != ended[1]:
            raise ValueError("ends what is not open")
    elif inner := re.fullmatch(r"\\(caption|label)\{(.*)\}", line):
        (found.captions if inner[1] == "caption" else found.labels).append(inner[2])
        found.references += re.findall(r"\\ref\{([^}]*)\}", inner[2])
    elif in_tabular and not re.match(r"\\(top|mid|bottom|cmid)rule", line):
        if not line.endswith(r"\\") or line.startswith(("[", "*")):
            raise ValueError("no row")
        _read_row(line.removesuffix(r"\\").strip(), found.tabulars[-1])
    elif line and not in_tabular and line not in (r"\centering\small",):
        raise ValueError("text outside of a table")


def _read_row(text: str, tabular: Tabular) -> None:
    cells, tokens = [""], _TOKEN.findall(text)
    depth = 0
    for token in tokens:
        depth += {"{": 1, "}": -1}.get(token, 0)
        if token == "&" and not depth:
            cells.append("")
        else:
            cells[-1] += token
    spans = [re.match(r"\s*\\multicolumn\{(\d+)\}", cell) for cell in cells]
    width = sum(1 if span is None else int(span[1]) for span in spans)
    if width != tabular.columns:
        raise ValueError(f"{width} cells in {tabular.columns} columns")
    tabular.rows.append([cell.strip() for cell in cells])


def print_latex(text: str) -> str:
    """Return what LaTeX prints of an escaped text."""
    for written, printed in _PRINTED.items():
        text = text.replace(written, "\0" + str(ord(printed)) + "\0")
    text = re.sub(r"\\([{}$&#_%])", lambda m: f"\0{ord(m[1])}\0", text)
    text = re.sub(r"[{}]", "", text)
    return re.sub("\0(\\d+)\0", lambda m: chr(int(m[1])), text)
