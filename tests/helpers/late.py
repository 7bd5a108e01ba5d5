"""Runs of which later seeds are unlike the first."""

import numpy as np
import pandas as pd
from helpers.frames import make_tables

EIGHT = np.array([0.4, 0.5, 0.6, 0.5, 0.45, 0.55, 0.5, 0.5]) / 100


def make_runs(
    late: float, dataset: str = "digits", first: np.ndarray = EIGHT, seeds: int = 11
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs of which cosine gains half a point at the first eight seeds, and `late` points later."""
    runs, epochs = make_tables(("constant", "cosine"), (0.3,), seeds, 1, dataset=[dataset])
    runs = runs.drop(columns=["test_correct", "test_images"])
    base = 0.9 + 0.001 * np.arange(seeds)
    own = runs["scheduler"] == "cosine"
    runs.loc[~own, "test_accuracy"] = base
    runs.loc[own, "test_accuracy"] = base + np.append(first, [late / 100] * (seeds - 8))
    runs["dataset_digest"] = dataset
    return runs, epochs
