"""The verdicts that a sweep waits for while it trains."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lrdecay.analysis.blocks import seed_blocks
from lrdecay.analysis.contrasts import as_frame, primary
from lrdecay.analysis.estimates import estimates
from lrdecay.analysis.metrics import metric_named
from lrdecay.analysis.verdicts import judge


def primary_verdicts(
    runs: pd.DataFrame,
    planned: pd.DataFrame,
    epochs: pd.DataFrame | None = None,
    *,
    reference: str | None,
    metric: str,
    margin: float,
    confidence: float,
) -> pd.DataFrame:
    """Return the verdicts on the primary family, as `compare` has them, in little time.

    Args:
        runs: rows of the runs table.
        planned: all runs of those cells that the sweep asks for, so that the family is whole.
        epochs: as for `compare`, as are the others.

    Returns:
        One row per contrast of the primary family, with the columns of `compare` but for p-values,
        the crossed interval and sentences.
    """
    asked = metric_named(metric)
    blocks = seed_blocks(runs, asked, epochs, planned)
    listed = primary(blocks, reference)
    table = estimates(blocks, listed, asked.higher_is_better)
    alpha = np.full(len(listed), (1.0 - confidence) / max(len(listed), 1))
    return pd.concat([as_frame(listed, blocks), judge(table, alpha, margin)], axis=1)
