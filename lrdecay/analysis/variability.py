"""How far runs of one cell lie apart, beside what chance alone would do."""

import numpy as np
import pandas as pd

from lrdecay.analysis.axes import require_columns
from lrdecay.analysis.crossed_effects import Bitmaps
from lrdecay.analysis.metrics import find_metric
from lrdecay.analysis.seed_blocks import State, build_seed_blocks


def seed_spread(runs: pd.DataFrame) -> pd.DataFrame:
    """Compare the spread of test accuracy over seeds with two yardsticks, in percentage points.

    Returns:
        One row per cell: the axes that have several values, `scheduler`, `dropout`; `n` completed
        runs; `mean`; `seed_sd` (ddof = 1); `independent_sd`, the sd that runs would have if each
        erred on each image independently, at that image's own rate; and `sampling_sd`, the sd of
        one run's accuracy over test sets of that size. Null where bitmaps or runs are too few.
        (After Jordan, On the variance of neural network training with respect to test sets and
        distributions, 2023.)
    """
    blocks = build_seed_blocks(runs, find_metric("test_accuracy"))
    bitmaps = Bitmaps(blocks)
    rows = []
    for cell in range(len(blocks.cells)):
        used = blocks.state[cell] == State.COMPLETED
        values = blocks.values[cell][used]
        right = bitmaps.by_image(cell, used)
        rows.append(
            {
                "n": len(values),
                "mean": values.mean() if len(values) else np.nan,
                "seed_sd": values.std(ddof=1) if len(values) > 1 else np.nan,
                **_yardsticks(right, len(values)),
            }
        )
    return pd.concat([blocks.cells, pd.DataFrame(rows)], axis=1)


def find_hardware_sd(runs: pd.DataFrame, repeats: pd.DataFrame) -> float | None:
    """Return the sd of test accuracy that `noise_floor` finds; None where it compares no pair."""
    floor = noise_floor(runs, repeats).query("metric == 'test_accuracy' and n > 0")["sd"]
    return None if floor.empty else float(floor.item())


def noise_floor(runs: pd.DataFrame, repeats: pd.DataFrame) -> pd.DataFrame:
    """Compare each run with its repeat: with the same settings and seed, only hardware can differ.

    Args:
        runs: rows of the runs table.
        repeats: rows of the table of repeats; those of which no run is in `runs`, or of which
            either did not complete, are left out.

    Returns:
        One row per metric, test accuracy (percentage points) and test loss (nats per image):
        `metric`; `n` pairs; `identical`, how many are equal to the bit; `largest`, the largest
        difference; and `sd` of one run about its mean, from the differences of two. Null where
        there is no pair.
    """
    require_columns(runs, ["run_id", "status"])
    require_columns(repeats, ["run_id", "status"])
    completed = [table[table["status"] == "completed"] for table in (runs, repeats)]
    pairs = completed[0].merge(completed[1], on="run_id", suffixes=("", "_again"))
    rows = []
    for name in ("test_accuracy", "test_loss"):
        metric = find_metric(name)
        d = metric.scale * (pairs[name] - pairs[f"{name}_again"]).to_numpy(dtype=float)
        rows.append(
            {
                "metric": name,
                "n": len(d),
                "identical": int((d == 0).sum()),
                "largest": np.abs(d).max() if len(d) else np.nan,
                "sd": np.sqrt((d**2).mean() / 2) if len(d) else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _yardsticks(right: np.ndarray | None, n: int) -> dict[str, float]:
    if right is None or n < 2:
        return {"independent_sd": np.nan, "sampling_sd": np.nan}
    rate, images = right / n, len(right)
    # unbiased: rate (1 - rate) is too small by (n - 1)/n
    of_images = (rate * (1 - rate)).mean() * n / (n - 1)
    mean = rate.mean()
    return {
        "independent_sd": 100.0 * float(np.sqrt(of_images / images)),
        "sampling_sd": 100.0 * float(np.sqrt(mean * (1 - mean) / images)),
    }
