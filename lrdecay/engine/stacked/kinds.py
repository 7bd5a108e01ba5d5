"""Which runs may train together: those of one kind."""

from collections.abc import Sequence
from operator import attrgetter

from lrdecay.components import schedulers
from lrdecay.core.run import Run

_SHARED = (
    *("model", "batch_norm", "optimizer", "batch_size", "epochs", "validation"),
    *("precision", "kernels", "model_args", "augment", "loss_function"),
)
_read_settings = attrgetter(
    *(*_SHARED, "label_smoothing", "clip_grad_norm"),
    *("optimizer_args", "scheduler_class", "scheduler_args"),
)


def lockstep_kind(run: Run) -> tuple[object, ...]:
    """Return what runs must have in common to be trained together; those whose schedulers need more
    of the training than validation losses never are."""
    arguments = run.optimizer_arguments
    steered = schedulers.list_needs(run.scheduler_class, run.scheduler_arguments)
    # what some runs of a group need and others do not would change the others' bits
    parts = (
        arguments.get("weight_decay", 0) > 0,
        arguments.get("momentum", 0) > 0,
        arguments.get("centered", False),
        run.label_smoothing > 0,
        run.clips,
    )
    return (*(getattr(run, name) for name in _SHARED), *parts, bool(steered))


def find_kinds(runs: Sequence[Run]) -> list[tuple[object, ...]]:
    """Return the `lockstep_kind` of each run, found once for all of the same settings: there may be
    a million runs."""
    kinds: dict[object, tuple[object, ...]] = {}
    found = []
    for run in runs:
        settings = _read_settings(run)
        if settings not in kinds:
            kinds[settings] = lockstep_kind(run)
        found.append(kinds[settings])
    return found
