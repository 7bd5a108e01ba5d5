"""Tables: CSV, Parquet and JSON lines; a run table of Weights & Biases is one."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pandas as pd

from lrdecay.core.errors import InputError
from lrdecay.core.text import first_line
from lrdecay.store.importing.curves import Source

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
"""How the names of such files end."""


def read_table(place: str) -> Source:
    """Return the rows of a table as they are. Lines of CSV that begin with # are comments.

    Raises:
        InputError: there is no such file, or it is no table.
    """
    path = Path(place)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{place}: a table must end with one of {', '.join(SUFFIXES)}")
    try:
        if suffix == ".parquet":
            return Source(pd.read_parquet(path))
        if suffix in (".jsonl", ".ndjson"):
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            rows = [json.loads(line) for line in lines if line.strip()]
            if not all(isinstance(row, dict) for row in rows):
                raise ValueError("a line is no JSON object")
            return Source(pd.DataFrame(rows))
        return Source(_read_csv(path, "\t" if suffix == ".tsv" else ","))
    except FileNotFoundError as error:
        raise InputError(f"{place}: no such file") from error
    except (OSError, ValueError) as error:  # those of pandas and pyarrow are such
        raise InputError(f"{place}: no table that can be read ({first_line(error)})") from error


def _read_csv(path: Path, separator: str) -> pd.DataFrame:
    """Return a CSV file's rows; only a whole line is a comment, since a label may hold a #."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = StringIO("".join(line for line in file if not line.startswith("#")))
    frame: pd.DataFrame = pd.read_csv(rows, sep=separator)
    return frame
