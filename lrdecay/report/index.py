"""The page that lists the reports of a results directory: `results/index.html`.

It is a function of the folders there, so the same folders give the same bytes.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lrdecay.analysis import compared
from lrdecay.core.errors import InputError
from lrdecay.report.html import make_link, render_template, write_page
from lrdecay.store import reader

REPORT, COMPARED, INDEX = "report.html", "compared.html", "index.html"
_MARK = b'<meta name="generator" content="lrdecay index">'
_BEGINNING = 4096
_COLUMNS = ["run_id", "phase", "status", "dataset", "finished_at"]


@dataclass(frozen=True)
class Overview:
    """How far a sweep is, and on what it trains; trials of base rates do not count.

    `done` are the runs that have ended, completed or not; `finished` is when the last of them did,
    empty if there is none.
    """

    name: str
    datasets: tuple[str, ...]
    done: int
    planned: int
    finished: str

    @property
    def complete(self) -> bool:
        """Whether every run that is asked for has ended."""
        return 0 < self.planned <= self.done


def read_overview(folder: Path) -> Overview:
    """Return how far the sweep of a results folder is.

    Raises:
        InputError: there are no results, or they are damaged.
    """
    runs = compared(reader.read_runs(folder, _COLUMNS))
    return make_overview(folder.resolve().name, runs, reader.read_plan(folder))


def make_overview(name: str, runs: pd.DataFrame, plan: reader.Plan) -> Overview:
    """Return the same of the runs of a comparison and their plan."""
    known = runs["finished_at"].dropna()
    finished = known.max().strftime("%Y-%m-%d %H:%M UTC") if len(known) else ""
    datasets = tuple(runs["dataset"].drop_duplicates())
    return Overview(name, datasets, len(runs), plan.runs, finished)


def find_home(folder: Path) -> Path:
    """Return the directory that a results folder lies in."""
    return folder.parent if folder.name not in ("", "..") else folder.resolve().parent


def write_index(home: Path) -> Path | None:
    """Write the list of the reports that lie in the folders of `home`, and return its path.

    None where there is an index.html that lrdecay has not written: it stays as it is.
    """
    path = home / INDEX
    if not _may_write(path):
        return None
    rows = [
        {"name": folder.name, "link": make_link([folder.name, REPORT]), **_describe(folder)}
        for folder in sorted(home.iterdir(), key=os.fsencode)
        if _has_report(folder)
    ]
    compared_link = make_link([COMPARED]) if (home / COMPARED).is_file() else None
    return write_page(render_template("index.html.j2", rows=rows, compared=compared_link), path)


def _has_report(folder: Path) -> bool:
    try:
        return folder.is_dir() and (folder / REPORT).is_file()
    except OSError:  # of somebody else, who lets nobody look into it
        return False


def _describe(folder: Path) -> dict[str, object]:
    """One folder that cannot be read must not hide the others."""
    try:
        return {"sweep": read_overview(folder), "problem": None}
    except (InputError, OSError) as error:
        return {"sweep": None, "problem": str(error)}


def _may_write(path: Path) -> bool:
    if not os.path.lexists(path):
        return True
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return _MARK in file.read(_BEGINNING)
