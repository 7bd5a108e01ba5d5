r"""LaTeX's side of the tables of a paper: text made inert, and floats with the rules of booktabs.

What is written needs `\usepackage{booktabs}` and nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lrdecay.analysis.metrics import OWN, POINTS, UNIT_TITLES, Metric
from lrdecay.core.sanitize import sanitize_line

MOST_LINES = 40
"""Rows of a float; of more there is one after the other, or they would run off the page."""

_INERT = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "{}$&#_%"},
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # these would be an argument of the row's end before them, or join with what is beside them
    **{character: f"{{{character}}}" for character in "[]*'"},
    '"': r"{\char34}",
    "`": r"{\char96}",
}


def escape(text: object) -> str:
    r"""Return text that LaTeX prints as it is.

    >>> print(escape("50% of a_b & {c} -- [d]"))
    50\% of a\_b \& \{c\} -{}- {[}d{]}
    """
    inert = "".join(_INERT.get(character, character) for character in sanitize_line(str(text)))
    return re.sub(r"([-,])(?=\1)", r"\1{}", inert)


def write_number(value: float, decimals: int, signed: bool = False) -> str:
    """Return a number in math mode, with a sign in front if it is `signed`; dashes for none.

    >>> write_number(-0.123, 2), write_number(0.0, 1, signed=True), write_number(math.nan, 1)
    ('$-0.12$', '$0.0$', '--')
    """
    if not math.isfinite(value):
        return "--"
    value = round(value, decimals) + 0.0  # no minus before 0
    return f"${value:{'+' if signed and value else ''}.{decimals}f}$"


def write_title(metric: Metric) -> str:
    """Return a metric and its unit, as the head of a table."""
    unit = UNIT_TITLES[metric.unit]
    if metric.unit == POINTS and metric.name != "gap":
        unit = "%"
    return escape(metric.title if metric.unit == OWN else f"{metric.title} ({unit})")


def write_label(folder: str, metric: Metric, what: str) -> str:
    """Return what a table is referred to by, of a results folder's name and a metric's."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.rstrip("/").rpartition("/")[2].lower()).strip("-")
    return f"tab:{name or 'lrdecay'}-{metric.name.replace('_', '-')}-{what}"


@dataclass(frozen=True)
class Group:
    """Rows under a head that spans the table and the names of their own columns; without either
    where it is empty. All are LaTeX."""

    head: str
    rows: Sequence[Sequence[str]]
    names: Sequence[str] = ()

    @property
    def lines(self) -> Sequence[Sequence[str]]:
        """The rows with the names above them."""
        return [self.names, *self.rows] if self.names else self.rows


@dataclass(frozen=True)
class Table:
    """A table as LaTeX has it: its caption, label and columns (`lrr`), the lines of its head, each
    with its end, and its rows."""

    caption: str
    label: str
    columns: str
    head: Sequence[str]
    groups: Sequence[Group]


def write_floats(table: Table) -> Iterator[str]:
    """Yield the lines of a table, as one float or several."""
    for number, groups in enumerate(_split(table.groups)):
        if number:
            yield ""
        continued = rf"Continues Table \ref{{{table.label}}}."
        yield r"\begin{table}[tb]"
        yield r"  \centering\small"
        yield rf"  \caption{{{continued if number else table.caption}}}"
        if not number:
            yield rf"  \label{{{table.label}}}"
        yield rf"  \begin{{tabular}}{{@{{}}{table.columns}@{{}}}}"
        yield r"    \toprule"
        yield from (f"    {line}" for line in table.head)
        for group in groups:
            yield r"    \midrule"
            if group.head:
                yield rf"    \multicolumn{{{len(table.columns)}}}{{@{{}}l}}{{{group.head}}} \\"
            yield from (rf"    {' & '.join(row)} \\" for row in group.lines)
        yield r"    \bottomrule"
        yield r"  \end{tabular}"
        yield r"\end{table}"


def _split(groups: Sequence[Group]) -> Iterator[list[Group]]:
    """Yield groups of at most `MOST_LINES` rows together; a longer one goes on under its head
    and the names of its columns."""
    parts = [
        replace(group, rows=group.rows[start : start + most])
        for group in groups
        for most in [MOST_LINES - bool(group.names)]
        for start in range(0, len(group.rows), most)
    ]
    taken: list[Group] = []
    for part in parts:
        if taken and sum(len(each.lines) for each in [*taken, part]) > MOST_LINES:
            yield taken
            taken = []
        taken.append(part)
    if taken:
        yield taken
