"""How intervals close: the verdicts as they were after each number of seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lrdecay.analysis.confidence_sequences import FEWEST_SEEDS
from lrdecay.analysis.contrasts import contrasts_to_frame, list_primary
from lrdecay.analysis.estimates import COUNTS, estimate_contrasts
from lrdecay.analysis.metrics import find_metric
from lrdecay.analysis.seed_blocks import State, build_seed_blocks
from lrdecay.analysis.verdicts import find_spoilt, judge_contrasts


def verdicts_by_seeds(
    runs: pd.DataFrame,
    epochs: pd.DataFrame | None = None,
    *,
    reference: str | None = None,
    metric: str = "test_accuracy",
    margin: float | None = None,
    confidence: float = 0.95,
    planned: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return each difference of the primary family after its first 8, 9, ... seeds.

    Seeds are taken in ascending order. The last row of a contrast is that of `compare`; contrasts
    that are not evaluated have no row.

    Args:
        runs: rows of the runs table; trials of base rates are left out.
        epochs: as for `compare`, as are the others.

    Returns:
        One row per contrast and number of seeds: the axes that have several values, `scheduler`,
        `versus_scheduler`, `dropout`, `n`, `mean`, `low`, `high` and `verdict`, as in `compare`.

    Raises:
        InputError: as `compare`.
    """
    asked = find_metric(metric)
    blocks = build_seed_blocks(runs, asked, epochs, planned)
    listed = list_primary(blocks, reference)
    frame = contrasts_to_frame(listed, blocks)
    columns = [*blocks.strata, "scheduler", "versus_scheduler", "dropout"]
    numbers = ["n", "mean", "sd"]
    parts = [pd.DataFrame(columns=[*columns, *numbers])]
    wrong = find_spoilt(estimate_contrasts(blocks, listed, asked.higher_is_better))
    for place in np.flatnonzero(~wrong).tolist():
        cells = np.array(listed[place].cells)
        paired = (blocks.state[cells] == State.COMPLETED).all(axis=0)
        differences = np.array(listed[place].weights) @ blocks.values[cells][:, paired]
        running = _running(differences)
        if len(running):
            own = frame.iloc[[place] * len(running)][columns].reset_index(drop=True)
            parts.append(pd.concat([own, running], axis=1))
    table = pd.concat(parts if len(parts) == 1 else parts[1:], ignore_index=True)
    counts = {name: 0 for name in COUNTS if name != "n"}
    alpha = np.full(len(table), (1.0 - confidence) / max(len(listed), 1))
    typed = table.astype({"n": int, "mean": float, "sd": float})
    judged = judge_contrasts(typed.assign(images_sd=np.nan, **counts), alpha, margin)
    return judged[[*columns, "n", "mean", "low", "high", "verdict"]]


def _running(values: np.ndarray) -> pd.DataFrame:
    """Mean and sd (ddof = 1) of the first 8, 9, ... values."""
    counts = np.arange(FEWEST_SEEDS, len(values) + 1)
    # rounded as the differences of `compare` are, and shifted, lest the sums of squares cancel
    shifted = np.round(values, 10) - (values[0] if len(values) else 0.0)
    sums, squares = np.cumsum(shifted)[counts - 1], np.cumsum(shifted**2)[counts - 1]
    variance = np.maximum(squares - sums**2 / counts, 0.0) / (counts - 1)
    return pd.DataFrame(
        {
            "n": counts,
            "mean": sums / counts + (values[0] if len(values) else 0.0),
            "sd": np.sqrt(variance),
        }
    )
