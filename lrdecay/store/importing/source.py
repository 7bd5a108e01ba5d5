"""Which reader suits a file or folder, and what every reader gives."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lrdecay.core.errors import InputError
from lrdecay.store.importing.curves import Source
from lrdecay.store.importing.mlflow import is_mlflow_store, read_mlflow
from lrdecay.store.importing.table import SUFFIXES, read_table
from lrdecay.store.importing.tensorboard import find_event_files, read_tensorboard
from lrdecay.store.importing.trainer_state import find_trainer_states, read_trainer_states

READERS: dict[str, Callable[[str], Source]] = {
    "table": read_table,
    "wandb": read_table,  # its run table is one
    "tensorboard": read_tensorboard,
    "mlflow": read_mlflow,
    "trainer-state": read_trainer_states,
}
"""By what `lrdecay import --from` calls them."""


def read_source(place: str, kind: str = "auto") -> Source:
    """Return what a file, a folder or a store of MLflow holds.

    Args:
        place: a path, or `sqlite:///FILE#EXPERIMENT`.
        kind: one of `READERS`; auto looks at the place.

    Raises:
        InputError: there is nothing, or nothing that the reader knows.
    """
    if kind == "auto":
        kind = find_kind(place)
    if kind not in READERS:
        raise InputError(f"--from must be auto or one of {', '.join(READERS)}, not {kind!r}")
    return READERS[kind](place)


def find_kind(place: str) -> str:
    """Return which of `READERS` a place is for.

    Raises:
        InputError: none of them.
    """
    if is_mlflow_store(place):
        return "mlflow"
    path = Path(place)
    if not path.exists():
        raise InputError(f"{place}: no such file or folder")
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return "table"
    if path.name == "trainer_state.json" or find_trainer_states(path):
        return "trainer-state"
    if find_event_files(path):
        return "tensorboard"
    raise InputError(
        f"{place}: neither a table ({', '.join(SUFFIXES)}), nor a folder with event files of "
        f"TensorBoard or with trainer_state.json, nor a store of MLflow; say which with --from"
    )


def digest_source(place: str, runs: pd.DataFrame) -> str:
    """Return the SHA-256 of a file, or of the runs that were read of a folder or store."""
    path = Path(place)
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return digest_frame(runs)


def digest_frame(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of a frame's columns and values."""
    sha = hashlib.sha256(repr([str(name) for name in frame]).encode())
    sha.update(pd.util.hash_pandas_object(frame.astype(str), index=False).to_numpy().tobytes())
    return sha.hexdigest()


def extract_columns(runs: pd.DataFrame, pattern: str, column: str = "run") -> pd.DataFrame:
    """Return the table with a column for each named group of a pattern that is found in `column`.

    Raises:
        InputError: the pattern is none, has no named group, or a row does not match.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f"--extract: {pattern!r} is no regular expression: {error}") from error
    if not compiled.groupindex:
        raise InputError("--extract: name what it takes out, such as '(?P<seed>[0-9]+)'")
    if column not in runs:
        raise InputError(f"--extract: it reads the column {column!r}, which the source has not")
    found = [compiled.search(str(text)) for text in runs[column]]
    lost = [str(text) for text, match in zip(runs[column], found, strict=True) if match is None]
    if lost:
        raise InputError(f"--extract: {pattern!r} is not in {column} {lost[0]!r}")
    taken = {
        name: [match[name] for match in found if match is not None] for name in compiled.groupindex
    }
    return runs.assign(**taken)
