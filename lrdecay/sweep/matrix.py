"""A sweep and a dataset -> the matrix of cells, each fully resolved, and its runs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from lrdecay.analysis import lr_selection
from lrdecay.components import schedulers
from lrdecay.components.datasets.dataset import Dataset, default_validation
from lrdecay.components.losses.functions import CROSS_ENTROPY, check_loss
from lrdecay.components.transforms.plugin_check import check_augment
from lrdecay.components.transforms.spec import pop_augment
from lrdecay.core.errors import InputError
from lrdecay.core.run import Run, parse_arguments, to_canonical_json
from lrdecay.core.text import spell_count
from lrdecay.sweep import checks
from lrdecay.sweep.resolution import (
    digest_used_plugins,
    resolve_model,
    resolve_optimizer,
    resolve_scheduler,
)

if TYPE_CHECKING:
    from lrdecay.sweep.config import Sweep


@dataclass(frozen=True)
class Matrix:
    """The cells of a sweep, each as a run of seed 0: one for each combination of the axes' values,
    and for each base rate to choose from."""

    cells: tuple[Run, ...]
    seeds: tuple[int, ...]
    trial_seeds: tuple[int, ...]
    _made: dict[Run, dict[int, Run]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    """The runs of each cell by seed: each is made once, so that its id is computed once."""

    def trials(self) -> list[Run]:
        """Return the runs that choose base rates, one seed after the other."""
        if not self.trial_seeds:
            return []
        cells = [replace(cell, phase="choose") for cell in self.cells]
        return self._at_seeds(cells, self.trial_seeds)

    def compared(self, rates: Mapping[lr_selection.CellKey, float | None]) -> list[Run]:
        """Return the cells to compare, each as a run of seed 0.

        Of cells whose base rate is to be chosen, those that have one in `rates`.
        """
        return [
            cell
            for cell in self.cells
            if cell.lr_chosen_per is None or rates.get(lr_selection.cell_key(cell)) == cell.lr
        ]

    def comparison(
        self,
        rates: Mapping[lr_selection.CellKey, float | None],
        counts: Mapping[Run, int] | None = None,
    ) -> list[Run]:
        """Return the runs to compare, one seed after the other.

        `counts` says how many of the seeds each of the `compared` cells has; all unless given.
        """
        cells = self.compared(rates)
        return self._at_seeds(cells, self.seeds, counts)

    def _at_seeds(
        self, cells: Sequence[Run], seeds: Sequence[int], counts: Mapping[Run, int] | None = None
    ) -> list[Run]:
        """Return the runs of cells at seeds, one seed after the other."""
        made = [self._made.setdefault(cell, {}) for cell in cells]
        sizes = [len(seeds) if counts is None else counts[cell] for cell in cells]
        runs = []
        for place, seed in enumerate(seeds):
            for cell, of_cell, size in zip(cells, made, sizes, strict=True):
                if place < size:
                    if seed not in of_cell:
                        of_cell[seed] = replace(cell, seed=seed)
                    runs.append(of_cell[seed])
        return runs


def expand_matrix(sweep: Sweep, dataset: Dataset) -> Matrix:
    """Return the matrix of a sweep.

    Raises `InputError` where the dataset does not allow what the sweep asks for, and where a
    schedule cannot be run to its end.
    """
    cells = tuple(_expand_cells(sweep, dataset, sweep.axes()))
    refuse_twins(cells)
    return Matrix(cells, sweep.seeds, sweep.trial_seeds)


def make_run(sweep: Sweep, dataset: Dataset, cell: Mapping[str, Any]) -> Run:
    """Return the run of one cell at the sweep's first seed, as the sweep would train it.

    Args:
        sweep: what its file says.
        dataset: its dataset.
        cell: a value of each of its axes.

    Raises `InputError` as `expand_matrix` does.
    """
    axes = {name: [cell[name]] for name in sweep.axes()}
    (run,) = _expand_cells(sweep, dataset, axes)
    return replace(run, seed=sweep.seeds[0])


def refuse_twins(cells: Sequence[Run]) -> None:
    """Raise `InputError` if two labels are of one scheduler."""
    labels: dict[str, str] = {}
    for cell in cells:
        twin = labels.setdefault(cell.run_id, cell.scheduler)
        if twin != cell.scheduler:
            raise InputError(
                f"schedulers.{cell.scheduler}: the same scheduler as {twin} in runs of "
                f"{cell.epochs} epochs; leave one of them out"
            )


def list_runs(sweep: Sweep, dataset: Dataset) -> list[Run]:
    """Return every run that is known before any has trained, one seed after the
    other: all of them, or the trials where base rates are to be chosen.

    Raises `InputError` as `expand_matrix` does.
    """
    matrix = expand_matrix(sweep, dataset)
    return [*matrix.trials(), *matrix.comparison({})]


def _count_validation(sweep: Sweep, dataset: Dataset) -> int:
    """Return how many training images are held out; the dataset's own validation split, if it has
    one."""
    count, own = dataset.train_count, dataset.validation_count
    if own is not None:
        if sweep.validation not in (None, own):
            raise InputError(
                f"validation: {dataset.name} has a validation split of {spell_count(own, 'image')}"
                f", which are held out in every run; leave validation out, or give {own}, not "
                f"{sweep.validation}"
            )
        return own
    validation = default_validation(count) if sweep.validation is None else sweep.validation
    if validation >= count:
        raise InputError(
            f"validation: {validation} of {dataset.name}'s {count} training images cannot be "
            f"held out; give less than {count}"
        )
    if validation == 0:
        specs = {label: (spec.class_, spec.arguments) for label, spec in sweep.schedulers.items()}
        chooses = sweep.optimizer.choice is not None
        metric, target = sweep.comparison.metric, sweep.target
        for why in checks.find_validation_reasons(specs, metric, target, chooses):
            raise InputError(
                f"{dataset.name}: its {count} training images are too few to hold some out for "
                f"validation by default; give validation, since {why}"
            )
    return validation


def _expand_cells(
    sweep: Sweep, dataset: Dataset, axes: Mapping[str, Sequence[Any]]
) -> Iterator[Run]:
    """Yield one run for each combination of the axes' values, all of seed 0."""
    of_model = sweep.model.arguments()
    model_args = cache(partial(resolve_model, dataset))
    for name, *own in itertools.product(axes["model"], *(axes[key] for key in of_model)):
        model_args(name, to_canonical_json(dict(zip(of_model, own, strict=True))))
    for name in axes.get("loss_function", ()):
        try:
            check_loss(name, dataset.classes)
        except ValueError as error:
            raise InputError(f"{dataset.name}: {error}") from error
    validation = _count_validation(sweep, dataset)
    arguments = sweep.optimizer.arguments()
    choice = sweep.optimizer.choice

    mistakes: dict[str, str] = {}  # the first of each scheduler

    @cache
    def scheduler_args(
        label: str, horizon: schedulers.Horizon, stays: str | None, groups: int
    ) -> str | None:
        try:
            return resolve_scheduler(sweep, label, horizon, stays, groups)
        except ValueError as error:
            mistakes.setdefault(label, f"schedulers.{label}: {error}")
            return None

    @cache
    def optimizer_args(name: str, given: str) -> tuple[str, str | None, int]:
        return resolve_optimizer(sweep, name, given)

    @cache
    def checked(augment: str) -> str:
        try:
            check_augment(parse_arguments(augment), dataset.shape)
        except ValueError as error:
            raise InputError(f"{dataset.name}: {error}") from error
        return augment

    digests = cache(digest_used_plugins)

    for values in itertools.product(*axes.values()):
        cell = dict(zip(axes, values, strict=True))
        given = {name: cell.pop(name) for name in arguments}
        augment = checked(pop_augment(cell))
        given_model = to_canonical_json({name: cell.pop(name) for name in of_model})
        label, epochs = cell["scheduler"], cell["epochs"]
        resolved, stays, groups = optimizer_args(cell["optimizer"], to_canonical_json(given))
        steps = math.ceil((dataset.train_count - validation) / cell["batch_size"])
        horizon = schedulers.Horizon.of(epochs, steps, cell["lr"])
        given_scheduler = scheduler_args(label, horizon, stays, groups)
        if given_scheduler is None:
            continue
        scheduler = sweep.schedulers[label].class_, given_scheduler
        yield Run(
            dataset=dataset.name,
            dataset_digest=dataset.digest,
            validation=validation,
            model_args=model_args(cell["model"], given_model),
            optimizer_args=resolved,
            scheduler_class=scheduler[0],
            scheduler_args=scheduler[1],
            precision=sweep.precision,
            kernels=sweep.kernels,
            augment=augment,
            plugins=digests(
                *(cell["model"], cell["optimizer"], *scheduler),
                *(augment, cell.get("loss_function", CROSS_ENTROPY)),
            ),
            seed=0,
            lr_chosen_per=None if choice is None else ", ".join(choice.per),
            **cell,
        )
    if mistakes:
        raise InputError("\n".join(mistakes.values()))
