"""Groups of runs in, records out: on this machine or a Ray cluster."""

from typing import TYPE_CHECKING

from lrdecay.core.lazy import make_lazy

if TYPE_CHECKING:
    from lrdecay.execution.executor import Executor, Site
    from lrdecay.execution.local.executor import Local
    from lrdecay.execution.ray.executor import Cluster

__all__ = [
    "Cluster",
    "Executor",
    "Local",
    "Site",
]
__getattr__, __dir__ = make_lazy(
    __name__,
    {
        "executor": (
            "Executor",
            "Site",
        ),
        "local.executor": ("Local",),
        "ray.executor": ("Cluster",),
    },
)
