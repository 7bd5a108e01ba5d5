"""What the tables say: frames in, frames out, no state in between.

Every function takes `runs` (and `epochs` where curves are needed) as the store returns them, or
any rows of them that the caller kept: filter in pandas first, then ask. Only runs whose status is
`completed` enter a mean; diverged and failed runs are counted beside it, never dropped silently.
Where the sweep chose base rates first, `compared(runs)` leaves out the trials; a mean over both is
refused.

`compare` gives the whole table of verdicts: paired differences, each with an interval that may be
looked at after every seed. It and whatever else shows verdicts has them from `conclude`.
"""

from typing import TYPE_CHECKING

from lrdecay.core.lazy import make_lazy

if TYPE_CHECKING:
    from lrdecay.analysis.axes import (
        AXES,
        axis_values,
        cell_axes,
        compared,
        extra_axes,
        rates_chosen,
    )
    from lrdecay.analysis.comparison import best_set, compare, open_questions, verdicts_by_seeds
    from lrdecay.analysis.conclusions import Conclusions, conclude
    from lrdecay.analysis.confidence_sequences import (
        FEWEST_SEEDS,
        fixed_radius,
        seeds_needed,
        sequence_radius,
    )
    from lrdecay.analysis.contrasts import EXPLORATORY, FAMILIES, PRIMARY
    from lrdecay.analysis.metrics import METRICS_COMPARED
    from lrdecay.analysis.settings import Comparison, Criteria, SeedsUntil
    from lrdecay.analysis.summaries import (
        METRICS,
        cell_summary,
        describe_matrix,
        learning_curves,
        learning_rate_curves,
        made_with,
        status_counts,
        train_test_gap,
    )
    from lrdecay.analysis.targets import time_to_target
    from lrdecay.analysis.tuning_curve import expected_best
    from lrdecay.analysis.variability import noise_floor, seed_spread

__all__ = [
    "AXES",
    "EXPLORATORY",
    "FAMILIES",
    "FEWEST_SEEDS",
    "METRICS",
    "METRICS_COMPARED",
    "PRIMARY",
    "Comparison",
    "Conclusions",
    "Criteria",
    "SeedsUntil",
    "axis_values",
    "best_set",
    "cell_axes",
    "cell_summary",
    "compare",
    "compared",
    "conclude",
    "describe_matrix",
    "expected_best",
    "extra_axes",
    "fixed_radius",
    "learning_curves",
    "learning_rate_curves",
    "made_with",
    "noise_floor",
    "open_questions",
    "rates_chosen",
    "seed_spread",
    "seeds_needed",
    "sequence_radius",
    "status_counts",
    "time_to_target",
    "train_test_gap",
    "verdicts_by_seeds",
]
__getattr__, __dir__ = make_lazy(
    __name__,
    {
        "axes": ("AXES", "axis_values", "cell_axes", "compared", "extra_axes", "rates_chosen"),
        "comparison": ("best_set", "compare", "open_questions", "verdicts_by_seeds"),
        "conclusions": ("Conclusions", "conclude"),
        "confidence_sequences": ["FEWEST_SEEDS", "fixed_radius", "seeds_needed", "sequence_radius"],
        "contrasts": ("EXPLORATORY", "FAMILIES", "PRIMARY"),
        "metrics": ("METRICS_COMPARED",),
        "settings": ("Comparison", "Criteria", "SeedsUntil"),
        "summaries": (
            *("METRICS", "cell_summary", "describe_matrix", "learning_curves"),
            *("learning_rate_curves", "made_with", "status_counts", "train_test_gap"),
        ),
        "targets": ("time_to_target",),
        "tuning_curve": ("expected_best",),
        "variability": ("noise_floor", "seed_spread"),
    },
)
