"""A sweep whose runs a loop of the user's own trains -> the matrix of cells."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lrdecay.components import registry, schedulers
from lrdecay.components.schedulers import Horizon
from lrdecay.components.schedulers.spec import SchedulerSpec
from lrdecay.components.trainers.command import CommandTemplate
from lrdecay.components.trainers.spec import TrainerSpec
from lrdecay.core.errors import InputError
from lrdecay.core.run import Run, to_canonical_json
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.matrix import Matrix, refuse_twins
from lrdecay.sweep.resolution import resolve_scheduler

_OF_LOOP = (
    *("dataset_digest", "validation", "model", "batch_norm", "optimizer", "optimizer_args"),
    *("batch_size", "precision"),
)


def expand_own_matrix(sweep: Sweep, template: CommandTemplate | None = None) -> Matrix:
    """Return the matrix of a sweep with a trainer; `template` is the command line of a program.

    A scheduler's arguments are kept as the file gives them, for words such as `steps` mean what the
    loop says later.
    """
    assert sweep.trainer is not None
    cells = tuple(_expand_cells(sweep, sweep.trainer, template))
    refuse_twins(cells)
    return Matrix(cells, sweep.seeds, sweep.trial_seeds)


def _expand_cells(
    sweep: Sweep, trainer: TrainerSpec, template: CommandTemplate | None
) -> Iterator[Run]:
    axes, own, choice = sweep.axes(), trainer.arguments(), sweep.optimizer.choice
    for values in itertools.product(*axes.values()):
        cell = dict(zip(axes, values, strict=True))
        arguments = {name: cell.pop(name) for name in own}
        scheduler = sweep.schedulers[cell["scheduler"]]
        asked: dict[str, Any] = dict.fromkeys(_OF_LOOP) | cell
        yield Run(
            dataset=trainer.name,
            scheduler_class=scheduler.class_,
            scheduler_args=to_canonical_json(scheduler.arguments),
            plugins=_digest_plugins(trainer.name, scheduler, template),
            seed=0,
            lr_chosen_per=None if choice is None else ", ".join(choice.per),
            trainer=trainer.name,
            trainer_args=to_canonical_json(arguments),
            **asked,
        )


def _digest_plugins(
    trainer: str, scheduler: SchedulerSpec, template: CommandTemplate | None
) -> str:
    nodes = schedulers.walk_tree(scheduler.class_, scheduler.arguments)
    used = [("trainer", trainer), *(("scheduler", name) for name, _ in nodes)]
    found = registry.digest_plugins(used)
    if template is None:
        return found
    return to_canonical_json(json.loads(found) | json.loads(template.plugins))


def foresee_runs(sweep: Sweep, matrix: Matrix) -> list[Run]:
    """Return the cells as runs whose schedules can be walked through, as if an epoch were so many
    batches of one image; none where the sweep file gives no `steps_per_epoch`.

    Raises:
        InputError: a schedule cannot be run to its end.
    """
    steps = sweep.steps_per_epoch
    if steps is None:
        return []
    found: list[Run] = []
    mistakes: dict[str, str] = {}  # the first of each scheduler
    for cell in matrix.cells:
        horizon = Horizon.of(cell.epochs, steps, cell.lr)
        try:
            resolved = resolve_scheduler(sweep, cell.scheduler, horizon)
        except ValueError as error:
            mistakes.setdefault(cell.scheduler, f"schedulers.{cell.scheduler}: {error}")
        else:
            found.append(replace(cell, batch_size=1, scheduler_args=resolved))
    if mistakes:
        raise InputError("\n".join(mistakes.values()))
    return found
