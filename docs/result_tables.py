"""The tables in results/README.md and results/published/README.md, made of the results there.

A table stands between `<!-- KIND FOLDER ... -->` and `<!-- end -->`; `python docs/generate.py`
writes it anew. The kinds are the keys of `TABLES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import lrdecay
from lrdecay.analysis import Conclusions
from lrdecay.analysis.headline import write_answer
from lrdecay.analysis.number_text import format_interval, format_signed
from lrdecay.analysis.verdicts import EQUIVALENT, HIGHER, IDENTICAL, LOWER
from lrdecay.core.text import format_named, spell_time
from lrdecay.report.remarks import write_best

_TABLE = re.compile(r"<!-- (\w+) ([^\n]*?) -->\n.*?<!-- end -->", re.DOTALL)


def fill_tables(text: str, home: Path) -> str:
    """Return a page whose tables are those of the results in `home`, the folder that it lies in.

    Raises:
        InputError: a table names a folder without results.
        KeyError: there is no such kind of table.
    """

    def fill(found: re.Match[str]) -> str:
        kind, names = found.groups()
        table = TABLES[kind]([home / name for name in names.split()])
        return f"<!-- {kind} {names} -->\n\n{table}\n<!-- end -->"

    return _TABLE.sub(fill, text)


def join_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown, the cells of each line on one."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(' '.join(cell.split()) for cell in line)} |\n" for line in lines)


def read_compared(folder: Path) -> pd.DataFrame:
    """Return the runs of a results folder that are compared; trials of base rates are left out."""
    runs = lrdecay.read_runs(folder)
    return runs[runs["phase"] == "compare"]


@cache
def conclude(folder: Path) -> Conclusions:
    """Return what `lrdecay compare` finds in a results folder."""
    return lrdecay.compare_folder(folder).found


# What is found


def _answers(folders: Sequence[Path]) -> str:
    """The answer of each sweep in a sentence, as its report begins, and which may be best."""
    lines = []
    for folder in folders:
        found = conclude(folder)
        lines.append(f"- {_link(folder)}: {write_answer(found)}\n")
        lines += [f"  - {text}\n" for text in write_best(found)]
    return "".join(lines)


def _accuracies(folders: Sequence[Path]) -> str:
    """Of each scheduler the base rate, and at each place of the matrix its mean test accuracy in
    percent and, in points, what it differs by from the reference."""
    (folder,) = folders
    runs = read_compared(folder)
    axis = "epochs" if runs["epochs"].nunique() > 1 else "dropout"
    places = sorted(runs[axis].unique())
    cells = runs.groupby(["scheduler", axis])
    means = cells["test_accuracy"].mean()
    rates = cells["lr"].unique().map(lambda rates: f"{rates.item():g}")
    differences = {
        (row["scheduler"], row[axis]): f": {_describe_difference(row)}"
        for row in conclude(folder).primary.to_dict("records")
    }
    rows = [
        (
            scheduler,
            ", ".join(dict.fromkeys(rates[scheduler, place] for place in places)),
            *(
                f"{100 * means[scheduler, place]:.2f}{differences.get((scheduler, place), '')}"
                for place in places
            ),
        )
        for scheduler in runs["scheduler"].drop_duplicates()
    ]
    head = ("scheduler", "base rate", *(format_named(axis, place) for place in places))
    return join_table(head, rows)


def _gains(folders: Sequence[Path]) -> str:
    """Of each sweep what a scheduler gains on the reference at each dropout, less what it gains at
    the lowest, in points."""
    return "\n".join(_describe_family(folder, "interaction", "a", "where") for folder in folders)


def _dropouts(folders: Sequence[Path]) -> str:
    """Of each sweep what each scheduler's accuracy differs by at each dropout from that at the
    lowest, in points."""
    return "\n".join(_describe_family(folder, "dropout", "where", "a") for folder in folders)


def _describe_family(folder: Path, family: str, row: str, column: str) -> str:
    table = conclude(folder).table
    table = table[table["family"] == family]
    cells = {(each[row], each[column]): each for each in table.to_dict("records")}
    columns = list(table[column].drop_duplicates())
    rows = [
        (name, *(_describe_difference(cells[name, place]) for place in columns))
        for name in table[row].drop_duplicates()
    ]
    return join_table((_link(folder), *columns), rows)


def _describe_difference(row: Mapping[Any, Any]) -> str:
    """Say what a contrast is found to be: in bold where it is resolved."""
    if row["verdict"] == "identical":
        return "identical"
    mean, interval = format_signed(row["mean"]), format_interval(row["low"], row["high"])
    if row["verdict"] in (HIGHER, LOWER):
        return f"**{mean}** ({interval})"
    return f"{mean} ({interval}{', equivalent' if row['verdict'] == EQUIVALENT else ''})"


def _seeds(folders: Sequence[Path]) -> str:
    """Of each sweep how many of the differences it was to decide are decided, at how many seeds."""
    head = ("sweep", "seeds", "differences", "resolved", "equivalent or identical", "open")
    return join_table(head, map(_describe_seeds, folders))


def _describe_seeds(folder: Path) -> Sequence[str]:
    primary = conclude(folder).primary
    resolved = int(primary["verdict"].isin((HIGHER, LOWER)).sum())
    alike = int(primary["verdict"].isin((EQUIVALENT, IDENTICAL)).sum())
    open_ = len(primary) - resolved - alike
    seeds = " to ".join(str(count) for count in sorted({primary["n"].min(), primary["n"].max()}))
    return _link(folder), seeds, *map(str, (len(primary), resolved, alike, open_))


# Ours beside theirs


def _beside(folders: Sequence[Path]) -> str:
    """Of each published problem the final test accuracies in percent, theirs and ours, with what
    ours differ by in points; theirs are in `elsewhere.csv`, beside the folders."""
    head = ("problem", "theirs", "ours", "ours less theirs")
    return join_table(head, map(_describe_problem, folders))


def _describe_problem(folder: Path) -> Sequence[str]:
    elsewhere = pd.read_csv(folder.parent / "elsewhere.csv")
    theirs = elsewhere[elsewhere["problem"] == folder.name]
    theirs = theirs.loc[theirs["epoch"] == theirs["epoch"].max(), "test_accuracy"].to_numpy()
    ours = read_compared(folder)["test_accuracy"].to_numpy()
    low, high = find_difference(100 * ours, 100 * theirs)
    return (
        f"[{folder.name}]({folder.name}/report.html)",
        _describe_mean(theirs),
        _describe_mean(ours),
        f"{100 * (ours.mean() - theirs.mean()):+.2f} ({format_interval(low, high)})",
    )


def _describe_mean(accuracies: np.ndarray) -> str:
    mean, n = 100 * accuracies.mean(), len(accuracies)
    if n == 1:
        return f"{mean:.2f}, one seed"
    half = 100 * stats.sem(accuracies) * stats.t.ppf(0.975, n - 1)
    return f"{mean:.2f} ({mean - half:.2f} to {mean + half:.2f}), {n} seeds"


def find_difference(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """Return the 95% interval of the difference of two means by Welch's t; of a single number it is
    that of one more run less their number, as wide as runs differ.

    >>> low, high = find_difference(np.array([1.0, 2.0, 3.0]), np.array([2.0]))
    >>> round(high, 4) == round(stats.t.ppf(0.975, 2) * (1 + 1 / 3) ** 0.5, 4) == -round(low, 4)
    True
    """
    if len(theirs) > 1:
        low, high = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
        return float(low), float(high)
    n = len(ours)
    half = stats.t.ppf(0.975, n - 1) * ours.std(ddof=1) * (1 + 1 / n) ** 0.5
    mean = float(ours.mean() - theirs.item())
    return mean - half, mean + half


# What it took


def _costs(folders: Sequence[Path]) -> str:
    """Of each folder its runs, trials and seeds, the times that the runs took, added up, and the
    engines that trained them."""
    head = (
        "results",
        "runs",
        "of them trials",
        "seeds",
        "epochs",
        "their times added up",
        "engine",
    )
    return join_table(head, map(_describe_cost, folders))


def _describe_cost(folder: Path) -> Sequence[str]:
    runs = lrdecay.read_runs(folder)
    trials = runs["phase"] == "choose"
    cells = runs[~trials].groupby(["scheduler", "epochs", "dropout"], dropna=False)
    seeds = cells["seed"].nunique()
    return (
        _link(folder),
        f"{len(runs):,}",
        f"{trials.sum():,}",
        " to ".join(f"{count}" for count in sorted({seeds.min(), seeds.max()})),
        f"{runs['epochs'].sum():,}",
        spell_time(runs["seconds"].sum()),
        ", ".join(sorted(runs["engine"].unique())),
    )


def _link(folder: Path) -> str:
    return f"[{folder.name}]({folder.parent.name}/{folder.name}/report.html)"


TABLES: Mapping[str, Callable[[Sequence[Path]], str]] = {
    "answers": _answers,
    "accuracies": _accuracies,
    "gains": _gains,
    "dropouts": _dropouts,
    "seeds": _seeds,
    "beside": _beside,
    "costs": _costs,
}
"""Kind of table -> what makes it of folders of results."""
