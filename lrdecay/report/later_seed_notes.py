"""What is said where seeds after a look are unlike the first, so that means and verdicts differ."""

from collections.abc import Iterator

import numpy as np

from lrdecay.analysis import Conclusions
from lrdecay.analysis.later_seeds import leaves_interval
from lrdecay.core.text import join_some

_NAMED = 3  # differences


def write_later_seeds(found: Conclusions) -> Iterator[str]:
    """Yield of which primary differences the mean of all seeds is not what the verdict says."""
    rows = [row for row in found.primary.to_dict("records") if leaves_interval(row)]
    if rows:
        where = (f" at {row['where']}" if row["where"] else "" for row in rows)
        names = (f"{row['a']}{at}" for row, at in zip(rows, where, strict=True))
        named = join_some(names, _NAMED)
        yield (
            f"The mean of all seeds does not agree with the verdict on {named}, which is of the "
            f"first ones: later seeds are unlike these."
        )


def explain_exclusion(found: Conclusions, mark: str) -> str:
    """Return how it comes that a scheduler is excluded as best, and has no `mark`, by one whose
    mean of all runs is less good; nothing where none is."""
    blocks, best = found.blocks, found.best
    if best is None:
        return ""
    values = [row[np.isfinite(row)] for row in blocks.values]
    means = [row.mean() if len(row) else np.nan for row in values]
    sign = 1.0 if found.metric.higher_is_better else -1.0
    rows = best.assign(mean=sign * np.array(means))
    for _, own in rows.groupby([*blocks.strata, "dropout"], dropna=False):
        at = dict(zip(own["scheduler"], own["mean"], strict=True))
        for mean, others in zip(own["mean"], own["excluded_by"], strict=True):
            if any(at[other] < mean for other in others):
                return (
                    f"{mark} goes by the pairs of the first seeds, up to a look, so a better mean "
                    f"of all runs may be without it."
                )
    return ""
