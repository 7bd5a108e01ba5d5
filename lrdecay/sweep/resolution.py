"""What the parts of a cell resolve to: a scheduler, an optimizer or a network with all of its
arguments, each tried as far as that goes without training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lrdecay.components import registry, schedulers
from lrdecay.components.datasets.dataset import Dataset
from lrdecay.components.models.arguments import resolve_model_arguments
from lrdecay.components.models.build import check_shape
from lrdecay.components.optimizers import build as optimizers_build
from lrdecay.components.schedulers import probe
from lrdecay.core.errors import InputError
from lrdecay.core.run import parse_arguments, to_canonical_json

if TYPE_CHECKING:
    from lrdecay.sweep.config import Sweep

_WALKED = 20_000  # steps of a schedule that are tried before anything trains, about a second


def resolve_model(dataset: Dataset, name: str, given: str) -> str:
    """Return a network's arguments, which it was tried with; `given` are those of the sweep file.
    Both are JSON."""
    resolved = resolve_model_arguments(name, parse_arguments(given))
    try:
        check_shape(name, dataset.shape, dataset.classes, resolved)
    except ValueError as error:
        raise InputError(f"{dataset.name}: {error}") from error
    return to_canonical_json(resolved)


def resolve_optimizer(sweep: Sweep, name: str, given: str) -> tuple[str, str | None, int]:
    """Return an optimizer's arguments, which were tried if a plug-in gave it; why no scheduler may
    cycle its momentum, if none may; and how many groups of parameters the arguments make. `given`
    are those of the sweep file. Both are JSON."""
    resolved = sweep.optimizer.resolve(name, parse_arguments(given))
    arguments = to_canonical_json(resolved)
    try:
        optimizers_build.check_optimizer(name, parse_arguments(arguments))
    except ValueError as error:
        raise InputError(f"optimizer: {error}") from error
    return arguments, _explain_momentum(name, resolved), optimizers_build.count_groups(resolved)


def _explain_momentum(optimizer: str, arguments: Mapping[str, Any]) -> str | None:
    """Return what a scheduler that cycles the momentum would do that the optimizer forbids."""
    if arguments.get("momentum") == 0:
        return (
            f"would give {optimizer} a momentum that it does not have; "
            f"give cycle_momentum: false, or the optimizer a momentum"
        )
    if optimizer == "AdamWScheduleFree":
        return (
            f"would cycle the first beta, on which {optimizer}'s average rests; "
            f"give cycle_momentum: false"
        )
    if not {"betas", "momentum"} & arguments.keys():
        return f"would cycle a momentum, and {optimizer} takes none; give cycle_momentum: false"
    return None


def resolve_scheduler(
    sweep: Sweep,
    label: str,
    horizon: schedulers.Horizon,
    stays: str | None = None,
    groups: int = 1,
) -> str:
    """Return a scheduler's arguments for runs of this length and so many groups of parameters; its
    schedule was walked through, unless it rests on the training.

    `stays` says why the optimizer's momentum may not be cycled, from `resolve_optimizer`.

    Raises `ValueError` where it cannot be run to its end.
    """
    spec = sweep.schedulers[label]
    resolved = schedulers.resolve_arguments(spec.class_, spec.arguments, horizon)
    for part in schedulers.list_parts(spec.class_, resolved, horizon):
        if registry.find_plugin("scheduler", part.name):
            _check_needs(part, groups)
        if part.arguments.get("cycle_momentum") and stays is not None:
            raise ValueError(f"{part.name} {stays}")
        _check_cycle(part, horizon)
    if not schedulers.list_needs(spec.class_, resolved):
        count = min(horizon.length(schedulers.find_clock(spec.class_, resolved)), _WALKED)
        schedulers.simulate_schedule(spec.class_, resolved, horizon, count + 1)
    return to_canonical_json(resolved)


def _check_needs(part: schedulers.Part, groups: int) -> None:
    """Refuse a plug-in's scheduler that reads or changes what it does not declare."""
    tried = part.horizon.lr, min(part.length, _WALKED), groups
    with schedulers.blame_plugins(part.name, part.arguments):
        undeclared = probe.find_undeclared_need(part.name, part.arguments, *tried)
    if undeclared is not None:
        raise ValueError(f"the plug-in scheduler {part.name}: {undeclared}")


def _check_cycle(part: schedulers.Part, horizon: schedulers.Horizon) -> None:
    """Refuse a OneCycleLR that ends before its part of the run; torch would, on the way."""
    if part.name != "OneCycleLR":
        return
    given = part.arguments
    total = given["total_steps"] or given["epochs"] * given["steps_per_epoch"]
    if total < part.length:
        whole = "the run" if part.horizon == horizon else "its part of the run"
        raise ValueError(
            f"OneCycleLR ends after {total} {part.every}s, and {whole} has {part.length}; "
            f"give total_steps: {part.every}s"
        )


def digest_used_plugins(
    model: str, optimizer: str, scheduler: str, scheduler_args: str, augment: str, loss: str
) -> str:
    """Return what names the code of the plug-ins that a run uses."""
    nodes = schedulers.walk_tree(scheduler, parse_arguments(scheduler_args))
    used = [("model", model), ("optimizer", optimizer), ("loss", loss)]
    used += [("scheduler", name) for name, _ in nodes]
    used += [("transform", name) for name in parse_arguments(augment)]
    return registry.digest_plugins(used)
