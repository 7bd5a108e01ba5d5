"""The tables in results/README.md and results/published/README.md, made of the results there.

A table stands between `<!-- KIND FOLDER ... -->` and `<!-- end -->`; `python docs/generate.py`
writes it anew. The kinds are the keys of `TABLES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from result_numbers import (
    conclude,
    find_changes,
    find_detectable,
    find_difference,
    find_trial_rates,
    read_compared,
    read_last,
)
from scipy import stats

import lrdecay
from lrdecay.analysis.headline import write_answer
from lrdecay.analysis.number_text import format_interval
from lrdecay.analysis.sentences import list_best
from lrdecay.analysis.verdicts import EQUIVALENT, HIGHER, IDENTICAL, LOWER, NOT_EVALUATED
from lrdecay.core.text import capitalize, format_named, spell_time

_SEEDS = (8, 16, 32)
_TABLE = re.compile(r"<!-- (\w+) ([^\n]*?) -->\n.*?<!-- end -->", re.DOTALL)


def fill_tables(text: str, home: Path) -> str:
    """Return a page whose tables are those of the results in `home`, the folder that it lies in.

    Raises:
        InputError: a table names a folder without results.
        KeyError: there is no such kind of table.
        ValueError: a table begins inside another, whose end is missing.
    """

    def fill(found: re.Match[str]) -> str:
        kind, names = found.groups()
        if found.group().count("<!-- ") > 2:
            raise ValueError(f"the table {kind} {names}: its <!-- end --> is missing")
        table = TABLES[kind]([home / name for name in names.split()])
        return f"<!-- {kind} {names} -->\n\n{table}\n<!-- end -->"

    return _TABLE.sub(fill, text)


def join_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown, the cells of each line on one."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(' '.join(cell.split()) for cell in line)} |\n" for line in lines)


# What is found


def _answer(folders: Sequence[Path]) -> str:
    """The answer of a sweep in a sentence, as its report begins, and which may be the best."""
    (folder,) = folders
    found = conclude(folder)
    best = [
        f"- {capitalize(each.where)}, may be the best: {', '.join(each.left)}\n"
        for each in list_best(found.best)
    ]
    return f"{capitalize(write_answer(found))}\n\n{''.join(best)}"


def _accuracies(folders: Sequence[Path]) -> str:
    """Of each scheduler the base rate, and at each place of the matrix its mean test accuracy in
    percent and, in points, what it differs by from the reference."""
    (folder,) = folders
    runs = read_compared(folder)
    (axis,) = [name for name in ("epochs", "dropout") if runs[name].nunique() > 1] or ["dropout"]
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
            _list_rates([rates[scheduler, place] for place in places]),
            *(
                f"{100 * means[scheduler, place]:.2f}{differences.get((scheduler, place), '')}"
                for place in places
            ),
        )
        for scheduler in runs["scheduler"].drop_duplicates()
    ]
    head = ("scheduler", "base rate", *(format_named(axis, place) for place in places))
    return join_table(head, rows)


def _list_rates(rates: Sequence[str]) -> str:
    """Name a scheduler's base rate; those of all places in their order if they are not one."""
    return rates[0] if len(set(rates)) == 1 else ", ".join(rates)


def _rates(folders: Sequence[Path]) -> str:
    """Of each scheduler the base rate that the trials at each dropout alone would have chosen, and
    the mean test accuracy of these trials in percent."""
    (folder,) = folders
    rates = find_trial_rates(folder)
    places = rates.index.unique("dropout").sort_values()
    rows = [
        (name, *(_describe_rate(rates.loc[(name, place)]) for place in places))
        for name in rates.index.unique("scheduler")
    ]
    return join_table(("scheduler", *(format_named("dropout", place) for place in places)), rows)


def _describe_rate(row: pd.Series[Any]) -> str:
    return f"{row['lr']:g}: {100 * row['test_accuracy']:.2f}"


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


def _budgets(folders: Sequence[Path]) -> str:
    """Of a sweep what each scheduler gains on the reference at each number of epochs, less what it
    gains at the fewest, in points."""
    (folder,) = folders
    changes = find_changes(folder)
    more = list(dict.fromkeys(changes["epochs"]))
    fewest = read_compared(folder)["epochs"].min()
    cells = {(each["scheduler"], each["epochs"]): each for each in changes.to_dict("records")}
    rows = [
        (name, *(_describe_change(cells[name, epochs]) for epochs in more))
        for name in changes["scheduler"].drop_duplicates()
    ]
    head = (_link(folder), *(f"{epochs} epochs against {fewest}" for epochs in more))
    return join_table(head, rows)


def _describe_change(change: Mapping[Any, Any]) -> str:
    bold = "**" if change["low"] > 0 or change["high"] < 0 else ""
    return f"{bold}{change['mean']:+.2f}{bold} ({_round_interval(change)})"


def _describe_difference(row: Mapping[Any, Any]) -> str:
    """Say what a contrast is found to be: in bold where it is resolved, with a mark where that is
    not so for new images, or rests on differences that are not skewed."""
    if row["verdict"] == IDENTICAL:
        return f"identical at {row['n']} seeds"
    if row["verdict"] == NOT_EVALUATED:
        same = row["n_one_schedule"]
        return f"the same rates at {same} seeds" if same else "not judged"
    text = f"{row['mean']:+.2f} ({_round_interval(row)})"
    if row["verdict"] not in (HIGHER, LOWER, EQUIVALENT):
        return text
    marks = "" if row["new_images"] is True else "\\*"
    if row["verdict"] == EQUIVALENT:
        return f"{text}, equivalent{marks}"
    marks += "" if row["skew_holds"] else "†"
    return f"**{row['mean']:+.2f}**{marks} ({_round_interval(row)})"


def _round_interval(row: Mapping[Any, Any]) -> str:
    """Return an interval to two decimals, or to as many as tell its ends from 0."""
    low, high = row["low"], row["high"]
    if round(low, 2) == 0 or round(high, 2) == 0:
        return format_interval(low, high)
    return f"{low:.2f} to {high:.2f}"


def _seeds(folders: Sequence[Path]) -> str:
    """Of each sweep what became of the differences that it was to decide, at how many seeds; and
    which true difference is found with a probability of 80% at 8, 16 and 32 planned seeds, at the
    middle and at the largest sd."""
    counted = ("sweep", "differences", "resolved", "equivalent, identical", "open", "seeds", "sd")
    return join_table((*counted, *(f"found at {n}" for n in _SEEDS)), map(_describe_seeds, folders))


def _describe_seeds(folder: Path) -> Sequence[str]:
    primary = conclude(folder).primary
    verdicts = primary["verdict"]
    alike = verdicts.isin((EQUIVALENT, IDENTICAL)) | (primary["n_one_schedule"] > 0)
    counts = [int(each.sum()) for each in (verdicts.isin((HIGHER, LOWER)), alike)]
    sds = primary.loc[primary["sd"] > 0, "sd"]
    found = [find_detectable(primary, n) for n in _SEEDS]
    return (
        _link(folder),
        *map(str, (len(primary), *counts, len(primary) - sum(counts))),
        _describe_range(primary["n"].min(), primary["n"].max()),
        _describe_range(f"{sds.min():.2f}", f"{sds.max():.2f}"),
        *(f"{middle:.2f}, {largest:.2f}" for middle, largest in found),
    )


def _describe_range(low: object, high: object) -> str:
    return str(low) if low == high else f"{low} to {high}"


# Ours beside theirs


def _beside(folders: Sequence[Path]) -> str:
    """Of each published problem the final test accuracies in percent, theirs and ours, with what
    ours differ by in points; theirs are in `elsewhere.csv`, beside the folders."""
    head = ("problem", "theirs", "ours", "ours less theirs")
    return join_table(head, map(_describe_problem, folders))


def _describe_problem(folder: Path) -> Sequence[str]:
    ours, theirs = read_last(folder)
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
        _describe_range(seeds.min(), seeds.max()),
        f"{runs['epochs'].sum():,}",
        spell_time(runs["seconds"].sum()),
        ", ".join(sorted(runs["engine"].unique())),
    )


def _link(folder: Path) -> str:
    return f"[{folder.name}]({folder.parent.name}/{folder.name}/report.html)"


TABLES: Mapping[str, Callable[[Sequence[Path]], str]] = {
    "answer": _answer,
    "accuracies": _accuracies,
    "rates": _rates,
    "gains": _gains,
    "dropouts": _dropouts,
    "budgets": _budgets,
    "seeds": _seeds,
    "beside": _beside,
    "costs": _costs,
}
"""Kind of table -> what makes it of folders of results."""
