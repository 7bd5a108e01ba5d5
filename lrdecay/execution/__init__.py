"""Groups of runs in, records out: on this machine or a Ray cluster."""

from typing import TYPE_CHECKING

from lrdecay.core.lazy import make_lazy

if TYPE_CHECKING:
    from lrdecay.execution.executor import Executor as Executor
    from lrdecay.execution.executor import Site as Site
    from lrdecay.execution.grouping import plan_groups as plan_groups
    from lrdecay.execution.local.executor import Local as Local
    from lrdecay.execution.own.errors import TrialError as TrialError
    from lrdecay.execution.own.trial import Trial as Trial
    from lrdecay.execution.ray.executor import Cluster as Cluster
else:
    __getattr__, __dir__, __all__ = make_lazy(
        __name__,
        {
            "executor": "Executor Site",
            "grouping": "plan_groups",
            "local.executor": "Local",
            "own.errors": "TrialError",
            "own.trial": "Trial",
            "ray.executor": "Cluster",
        },
    )
