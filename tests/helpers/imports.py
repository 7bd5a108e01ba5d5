"""Tables of results that others trained, for tests of imports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from lrdecay.report.frame_import import from_frame
from lrdecay.report.imported import Imported

CASES = Path(__file__).resolve().parents[1] / "store" / "importing" / "cases"
"""Public tables, each with its source in its first line."""


def read_case(name: str) -> pd.DataFrame:
    """A public table as pandas reads it."""
    return pd.read_csv(CASES / f"{name}.csv", comment="#")


def make_table(seeds: int = 9, **columns: object) -> pd.DataFrame:
    """Two labels at each seed, with an accuracy in percent; b is better by about 1 point."""
    rng = np.random.default_rng(5)
    accuracy = 90 + rng.normal(0, 0.5, (2, seeds)) + [[0], [1]]
    rows = [
        {"label": label, "seed": seed, "acc": accuracy[place, seed]}
        for place, label in enumerate("ab")
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows).assign(**columns)


def take(table: pd.DataFrame, **options: object) -> Imported:
    """The table imported, as `make_table` has its columns unless said otherwise."""
    usual = {"scheduler": "label", "seed": "seed", "metric": {"test_accuracy": "acc"}}
    return from_frame(table, **(usual | options))


def primary(table: pd.DataFrame) -> pd.Series:
    """The one contrast of the primary family."""
    rows = table[table["family"] == "scheduler"]
    assert len(rows) == 1
    return rows.iloc[0]


def write_state(folder: Path, steps: int, f1: float) -> None:
    """A trainer_state.json whose last evaluation has this f1."""
    folder.mkdir(parents=True)
    log = [
        {"epoch": 1.0, "loss": 0.9, "step": 10},
        {"epoch": 1.0, "eval_f1": f1 / 2, "eval_loss": 0.5, "step": 10},
        {"epoch": 2.0, "eval_f1": f1, "eval_runtime": 1.5, "step": steps},
        {"test_f1": f1 / 4, "step": steps},
    ]
    state = {"global_step": steps, "epoch": 2.0, "log_history": log}
    (folder / "trainer_state.json").write_text(json.dumps(state))
