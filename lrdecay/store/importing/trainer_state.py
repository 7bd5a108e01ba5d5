"""Hugging Face's Trainer: the trainer_state.json that each run or checkpoint leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from lrdecay.core.errors import InputError
from lrdecay.store.importing.curves import CURVES, Source

FILE = "trainer_state.json"
_SPLITS = {"eval": "val", "test": "test"}


def find_trainer_states(folder: Path) -> list[Path]:
    """Return such files of a folder and those in it."""
    return sorted(folder.rglob(FILE)) if folder.is_dir() else []


def read_trainer_states(place: str) -> Source:
    """Return a row for each run: its folder within `place` as `run`, its `steps` and `epochs`, and
    the last value of each metric: `eval_f1` as `val_f1`, `test_loss` as it is.

    Of the checkpoints of one run the one with the most steps counts.

    Raises:
        InputError: there is no such file, or it is none of the Trainer's.
    """
    path = Path(place)
    home = path if path.is_dir() else path.parent
    files = find_trainer_states(path) if path.is_dir() else [path]
    if not files or not files[0].exists():
        raise InputError(f"{place}: no {FILE} there")
    latest: dict[str, dict[str, Any]] = {}
    for file in files:
        folder = file.parent
        folder = folder.parent if folder.name.startswith("checkpoint-") else folder
        run = folder.relative_to(home).as_posix() if folder.is_relative_to(home) else folder.name
        state = _read_state(file)
        if run not in latest or state["global_step"] > latest[run]["global_step"]:
            latest[run] = state
    rows, curves = [], []
    for run, state in latest.items():
        row = {"run": run, "steps": state["global_step"], "epochs": state.get("epoch")}
        for entry in state["log_history"]:
            for name, value in _name_metrics(entry).items():
                row[name] = value
                curves.append((run, entry.get("step", 0), name, value))
        rows.append(row)
    return Source(pd.DataFrame(rows), pd.DataFrame(curves, columns=list(CURVES)))


def _read_state(file: Path) -> dict[str, Any]:
    try:
        state = json.loads(file.read_text("utf-8"))
        steps = [state["global_step"], *(each.get("step", 0) for each in state["log_history"])]
        if all(isinstance(step, int) for step in steps):
            return dict(state)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise InputError(f"{file}: not as the Trainer writes it (global_step and log_history)")


def _name_metrics(entry: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of an evaluation, named by the split that they are of."""
    found = {}
    for key, value in entry.items():
        split, _, name = key.partition("_")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if split in _SPLITS and name and is_number:
            found[f"{_SPLITS[split]}_{name}"] = float(value)
    return found
