"""Trials of base rates beside the runs that are compared, made up."""

from __future__ import annotations

import numpy as np
import pandas as pd
from helpers.frames import Tables, make_tables

from lrdecay.analysis import lr_selection

GRID = (0.001, 0.01, 0.1)
CHOSEN = {"constant": 0.01, "step": 0.1, "cosine": 0.001}


def trials(per: str = "scheduler", **axes: object) -> Tables:
    """Trials of three rates with losses at random; by mean loss no two are equal."""
    runs, epochs = make_tables(phase=["choose"], lr_chosen_per=[per], lr=list(GRID), **axes)
    losses = np.random.default_rng(5).uniform(0.1, 2.0, len(runs))
    return runs.assign(val_loss=losses), epochs


def rates_of(frame: pd.DataFrame, *by: str) -> dict[object, float]:
    """The chosen rate by the columns that are named."""
    chosen = lr_selection.compare_rates(frame).query("chosen")
    index = chosen.set_index(list(by))["lr"]
    assert index.index.is_unique
    return dict(index)


def both(chosen: dict[str, float], **axes: object) -> Tables:
    """Trials, and a comparison with a rate for each scheduler."""
    tried, tried_epochs = trials(seeds=2, n_epochs=2, **axes)
    of_trials = dict(zip(tried["run_id"], "t" + tried["run_id"].str[1:], strict=True))
    runs, epochs = make_tables(lr_chosen_per=["scheduler"], n_epochs=2, **axes)
    runs["lr"] = runs["scheduler"].map(chosen)
    frames = [
        (tried.assign(run_id=tried["run_id"].map(of_trials), seed=tried["seed"] + 10**6), runs),
        (tried_epochs.assign(run_id=tried_epochs["run_id"].map(of_trials)), epochs),
    ]
    return tuple(pd.concat(pair, ignore_index=True) for pair in frames)  # type: ignore[return-value]
