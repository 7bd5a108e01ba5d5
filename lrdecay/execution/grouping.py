"""Which runs train together, and on which engine: pending runs -> groups.

The engine of a run depends on the run, the data and the device alone, so that its bits do not
depend on what else is pending.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter

import torch
from torch import Tensor

from lrdecay.components import registry, schedulers
from lrdecay.components.datasets.dataset import Dataset
from lrdecay.core.errors import InputError
from lrdecay.core.run import Run
from lrdecay.core.text import join_words
from lrdecay.engine import native, reference
from lrdecay.engine.measured import EVALUATION_BATCH
from lrdecay.engine.native.coverage import find_obstacle, measure_native_bytes
from lrdecay.engine.native.library import explain_absence
from lrdecay.engine.precision import use_training_settings
from lrdecay.engine.stacked import lockstep, train
from lrdecay.engine.stacked.kernel_check import check_kernels
from lrdecay.engine.stacked.kinds import find_kinds
from lrdecay.engine.stacked.stack_check import CannotStackError, check_same_results
from lrdecay.execution.cost import count_images, estimate_flops
from lrdecay.execution.memory import build_two, find_free_memory, measure_run_bytes

ENGINES = ("auto", reference.NAME, train.NAME, native.NAME)

# On a CPU runs gain from company while the images of a step (batch x height x width) are few, and
# while those of all runs stay near the core; measured in bench/RESULTS.md.
_FEW_PIXELS = 20_000
_PIXELS_AT_ONCE = 2**16
_SAME_BITS = ("cnn",)  # on a CPU, in whatever company; others only on demand
_MOST_ON_CPU, _MOST_ON_GPU = 64, 256
_SHARE_OF_MEMORY = 0.9

_read_network = attrgetter(
    *("model", "model_args", "batch_norm", "optimizer", "batch_size", "precision", "kernels"),
    *("augment", "loss_function"),
)


@dataclass(frozen=True)
class Group:
    """Runs that one worker trains: all at once on the stacked engine, else one by one."""

    engine: str
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Plan:
    """Groups in the order in which they train, and what a user should know about them."""

    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()


def find_network(run: Run) -> tuple[object, ...]:
    """Return what decides how many runs train at once, and beside that number and whether any drops
    what the time of a step rests on."""
    return (*_read_network(run), run.label_smoothing > 0, run.clips)


def plan_groups(
    runs: Sequence[Run],
    dataset: Dataset,
    device: torch.device,
    workers: int,
    engine: str = "auto",
    group_size: int | None = None,
    sharing: int | None = None,
) -> Plan:
    """Return the groups in which runs train, those of the longest runs first.

    `engine` is one of `ENGINES`; auto is the one that is fastest for the run.
    `group_size` is the most runs that train at once (None: as many as is fastest and fits into
    memory); `sharing` is how many workers share that memory (None: all workers).

    An error of the device is raised as it is: it says nothing of a network.
    """
    kinds: dict[tuple[object, ...], list[Run]] = {}
    for run, kind in zip(runs, find_kinds(runs), strict=True):
        kinds.setdefault(kind, []).append(run)
    tried: dict[tuple[object, ...], _Company] = {}
    groups: list[Group] = []
    notes: dict[str, None] = {}
    for of_kind in kinds.values():
        first = of_kind[0]
        company = _ALONE
        if schedulers.list_needs(first.scheduler_class, first.scheduler_arguments):
            of_labels = {(run.scheduler, run.scheduler_class): run for run in of_kind}
            notes |= dict.fromkeys(map(_explain_alone, of_labels.values()))
        elif engine != reference.NAME:
            network = find_network(first)
            if network not in tried:
                share = sharing or workers
                tried[network] = _try_company(first, dataset, device, engine, group_size, share)
            company = tried[network]
            notes |= dict.fromkeys(company.notes)
        parts = _parts(of_kind, company.size, workers)
        groups += [Group(company.engine, part) for part in parts]
    if device.type == "cuda":
        torch.cuda.empty_cache()  # workers are processes of their own
    return Plan(tuple(_order_groups(groups, dataset)), tuple(notes))


@dataclass(frozen=True)
class _Company:
    """How many runs of a kind train at once, on which engine, and what a user should know of it."""

    engine: str
    size: int
    notes: tuple[str, ...] = ()


_ALONE = _Company(reference.NAME, 1)


def _try_company(
    run: Run,
    dataset: Dataset,
    device: torch.device,
    engine: str,
    group_size: int | None,
    sharing: int,
) -> _Company:
    """Return what is best for all runs of the same network, optimizer and batch size."""
    notes: tuple[str, ...] = ()
    if engine == native.NAME and device.type != "cpu":
        raise InputError("engine: native trains on a CPU; give --device cpu with it")
    if engine in ("auto", native.NAME) and device.type == "cpu":
        obstacle = find_obstacle(run, dataset.shape, dataset.classes)
        absence = None if obstacle else explain_absence()
        if not (obstacle or absence):
            return _Company(native.NAME, 1)
        if engine == native.NAME and absence:
            raise InputError(f"engine: native cannot be used here, since {absence}")
        if engine == native.NAME:
            notes = (f"{run.model}: not on the native engine, since {obstacle}",)
        elif absence:
            notes = (f"{run.model}: trains several times slower than it could, since {absence}",)
    company = _try_stacking(run, dataset, device, engine, group_size, sharing)
    return replace(company, notes=notes + company.notes)


def _try_stacking(
    run: Run,
    dataset: Dataset,
    device: torch.device,
    engine: str,
    group_size: int | None,
    sharing: int,
) -> _Company:
    """Return what is best on the engines in torch."""
    images = _some_images(dataset, run, device)
    if engine != train.NAME and not _gains(run, images):
        return _ALONE
    try:
        with use_training_settings():  # as in a worker, whatever the calling program has set
            check_stackable(run, images, dataset.classes)
            size = group_size or _size(run, images, dataset.classes, sharing)
    except CannotStackError as error:
        why = f"{run.model}: runs train one at a time, since {error}"
        return replace(_ALONE, notes=(why,))
    return _Company(train.NAME, size)


def _order_groups(groups: list[Group], dataset: Dataset) -> list[Group]:
    """Return groups of long runs first, so that none begins one when the others have ended."""
    firsts = [group.runs[0] for group in groups]
    if len({(run.model, run.model_args, run.batch_norm) for run in firsts}) == 1:
        # counting operations takes torch's compiler, which takes seconds to import
        return sorted(groups, key=lambda group: -count_images(group.runs[0], dataset))
    return sorted(groups, key=lambda group: -estimate_flops(group.runs[0], dataset))


def measure_group_bytes(group: Group, dataset: Dataset, device: torch.device) -> int:
    """Return about how much memory the runs of a group take that train at once; 0 where that is
    unknown, for a network that cannot be stacked."""
    first = group.runs[0]
    if group.engine == native.NAME:
        trained = dataset.train_count - first.validation
        first = replace(first, batch_size=min(first.batch_size, trained))
        return measure_native_bytes(first, dataset.shape, dataset.classes)
    try:
        images = _some_images(dataset, first, device)
        each = measure_run_bytes(first, images, dataset.classes)
    except CannotStackError:
        return 0
    return each * (lockstep.count_trained(len(group.runs)) if group.engine == train.NAME else 1)


def _explain_alone(run: Run) -> str:
    """Return why a run whose scheduler needs the training has it to itself."""
    nodes = schedulers.walk_tree(run.scheduler_class, run.scheduler_arguments)
    needs = {name: needed for name, _ in nodes if (needed := schedulers.list_needs(name))}
    why = join_words([f"{name} needs the {join_words(needed)}" for name, needed in needs.items()])
    return f"{run.scheduler}: runs train one at a time, at rates not known before, since {why}"


def _gains(run: Run, images: Tensor) -> bool:
    """Return whether the run trains faster in company, and the same."""
    if images.device.type == "cuda":
        return True
    return run.model in _SAME_BITS and _pixels(run, images) <= _FEW_PIXELS


def _pixels(run: Run, images: Tensor) -> int:
    return run.batch_size * images.shape[2] * images.shape[3]


def _size(run: Run, images: Tensor, classes: int, sharing: int) -> int:
    """Return how many runs to train at once."""
    memory = _SHARE_OF_MEMORY * find_free_memory(images.device) / max(sharing, 1)
    fits = int(memory / measure_run_bytes(run, images, classes))
    while lockstep.count_trained(fits) > fits:
        fits -= 1
    if images.device.type == "cuda":
        return max(1, min(fits, _MOST_ON_GPU))
    return max(1, min(fits, _MOST_ON_CPU, round(_PIXELS_AT_ONCE / _pixels(run, images))))


def _parts(runs: Sequence[Run], size: int, workers: int) -> list[tuple[Run, ...]]:
    """Return runs in parts of at most `size`, as even as can be and each worker its share."""
    count = math.ceil(len(runs) / size)
    if size > 1:
        count = min(len(runs), math.ceil(count / max(workers, 1)) * max(workers, 1))
    bounds = [len(runs) * index // count for index in range(count + 1)]
    return [tuple(runs[start:end]) for start, end in pairwise(bounds)]


def check_stackable(run: Run, images: Tensor, classes: int) -> None:
    """Raise `CannotStackError` where the run's network or optimizer cannot train in company, and
    `InputError` where it asks for kernels that cannot be used."""
    if registry.find_plugin("optimizer", run.optimizer):
        raise CannotStackError(f"the stacked engine does not know the optimizer {run.optimizer}")
    networks = build_two(run, images, classes)
    types = {parameter.dtype for parameter in networks[0].parameters()} - {torch.float32}
    if types:
        raise CannotStackError(f"its weights are {types.pop()}, and not all torch.float32")
    check_same_results(networks, images, run.precision)
    if run.kernels == "triton":
        check_kernels(run, networks, images, classes)


def count_at_once(run: Run) -> int:
    """Return the most images that a run is given at once: what a plan looks at."""
    return max(run.batch_size, EVALUATION_BATCH)


def _some_images(dataset: Dataset, run: Run, device: torch.device) -> Tensor:
    images = dataset.train_images[: count_at_once(run)]
    return (images.float() / dataset.full_scale).to(device)
