"""What the tables say: frames in, frames out, no state in between.

Every function takes `runs` (and `epochs` where curves are needed) as the store returns them, or
any rows of them that the caller kept: filter in pandas first. Only runs whose status is
`completed` enter a mean; diverged and failed runs are counted beside it, never dropped silently.
Where the sweep chose base rates first, `compared(runs)` leaves out the trials; a mean over both is
refused.

`compare` gives the table of all verdicts: paired differences, each with an interval that holds at
every look together. It and everything else that shows verdicts gets them from `conclude`.
"""

from typing import TYPE_CHECKING

from lrdecay.core.lazy import make_lazy

if TYPE_CHECKING:
    from lrdecay.analysis.axes import AXES as AXES
    from lrdecay.analysis.axes import axis_values as axis_values
    from lrdecay.analysis.axes import cell_axes as cell_axes
    from lrdecay.analysis.axes import compared as compared
    from lrdecay.analysis.axes import extra_axes as extra_axes
    from lrdecay.analysis.axes import rates_chosen as rates_chosen
    from lrdecay.analysis.comparison import best_set as best_set
    from lrdecay.analysis.comparison import compare as compare
    from lrdecay.analysis.comparison import open_questions as open_questions
    from lrdecay.analysis.comparison import verdicts_by_look as verdicts_by_look
    from lrdecay.analysis.conclusions import Conclusions as Conclusions
    from lrdecay.analysis.conclusions import conclude as conclude
    from lrdecay.analysis.contrasts import EXPLORATORY as EXPLORATORY
    from lrdecay.analysis.contrasts import FAMILIES as FAMILIES
    from lrdecay.analysis.contrasts import PRIMARY as PRIMARY
    from lrdecay.analysis.dataset_averages import DatasetAverages as DatasetAverages
    from lrdecay.analysis.dataset_averages import average_datasets as average_datasets
    from lrdecay.analysis.intervals import detectable_effect as detectable_effect
    from lrdecay.analysis.intervals import t_radius as t_radius
    from lrdecay.analysis.looks import iterate_looks as iterate_looks
    from lrdecay.analysis.metrics import METRICS_COMPARED as METRICS_COMPARED
    from lrdecay.analysis.metrics import Metric as Metric
    from lrdecay.analysis.metrics import with_metrics as with_metrics
    from lrdecay.analysis.paired_curves import late_changes as late_changes
    from lrdecay.analysis.paired_curves import relative_curves as relative_curves
    from lrdecay.analysis.settings import Comparison as Comparison
    from lrdecay.analysis.settings import Criteria as Criteria
    from lrdecay.analysis.settings import SeedsUntil as SeedsUntil
    from lrdecay.analysis.summaries import METRICS as METRICS
    from lrdecay.analysis.summaries import applied_rates as applied_rates
    from lrdecay.analysis.summaries import cell_summary as cell_summary
    from lrdecay.analysis.summaries import describe_matrix as describe_matrix
    from lrdecay.analysis.summaries import learning_curves as learning_curves
    from lrdecay.analysis.summaries import learning_rate_curves as learning_rate_curves
    from lrdecay.analysis.summaries import made_with as made_with
    from lrdecay.analysis.summaries import status_counts as status_counts
    from lrdecay.analysis.summaries import train_test_gap as train_test_gap
    from lrdecay.analysis.target_time import time_to_target as time_to_target
    from lrdecay.analysis.tuning_curve import expected_best as expected_best
    from lrdecay.analysis.variability import noise_floor as noise_floor
    from lrdecay.analysis.variability import seed_spread as seed_spread
else:
    __getattr__, __dir__, __all__ = make_lazy(
        __name__,
        {
            "axes": "AXES axis_values cell_axes compared extra_axes rates_chosen",
            "comparison": "best_set compare open_questions verdicts_by_look",
            "conclusions": "Conclusions conclude",
            "contrasts": "EXPLORATORY FAMILIES PRIMARY",
            "dataset_averages": "DatasetAverages average_datasets",
            "intervals": "detectable_effect t_radius",
            "looks": "iterate_looks",
            "metrics": "METRICS_COMPARED Metric with_metrics",
            "paired_curves": "late_changes relative_curves",
            "settings": "Comparison Criteria SeedsUntil",
            "summaries": (
                "METRICS applied_rates cell_summary describe_matrix learning_curves "
                "learning_rate_curves made_with status_counts train_test_gap"
            ),
            "target_time": "time_to_target",
            "tuning_curve": "expected_best",
            "variability": "noise_floor seed_spread",
        },
    )
