"""What a sweep trains: lrdecay's own networks on a dataset, or whatever a loop of the user's own
does; found before any of it has trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lrdecay.components import plugins
from lrdecay.components.datasets import sources
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.components.trainers.command import CommandTemplate
from lrdecay.core.data_facts import DataFacts
from lrdecay.core.errors import InputError
from lrdecay.core.run import Run
from lrdecay.execution.cost import estimate_flops
from lrdecay.execution.own import Terms
from lrdecay.execution.own.program import ProgramSetup
from lrdecay.execution.own.trainer import LoopSetup
from lrdecay.execution.trainer import Setup
from lrdecay.runner.options import SweepOptions
from lrdecay.sweep import data_lint, schedule_lint
from lrdecay.sweep.command import read_command
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.matrix import Matrix, expand_matrix
from lrdecay.sweep.network_lint import lint_networks
from lrdecay.sweep.own_matrix import expand_own_matrix, foresee_runs


@dataclass(frozen=True)
class Workload:
    """The runs of a sweep, and what they take.

    `cost` is about how much work a run is, in any unit. `warnings` are about schedules and
    networks, and `data_warnings` and `doubts` about the data: the former are written with the
    tables. `about` describes the data.
    """

    matrix: Matrix
    setup: Setup
    cost: Callable[[Run], float]
    warnings: Sequence[str]
    facts: DataFacts | None = None
    data_warnings: Sequence[str] = ()
    doubts: Sequence[str] = ()
    about: Sequence[str] = ()


def prepare_workload(sweep: Sweep, options: SweepOptions, device: str) -> Workload:
    """Return what a sweep trains on a device, `cpu` or `cuda`.

    Raises:
        InputError: the sweep, the data or an option cannot be used, or there are warnings and the
            options are strict.
    """
    template = read_command(sweep, options.command)
    if sweep.trainer is not None:
        return _prepare_own(sweep, options, device, template)
    assert sweep.dataset is not None
    return _prepare_built_in(sweep, sweep.dataset, options, device)


def _prepare_built_in(
    sweep: Sweep, spec: DatasetSpec, options: SweepOptions, device: str
) -> Workload:
    dataset = sources.load_dataset(spec, options.data_dir)
    matrix = expand_matrix(sweep, dataset)
    validation = matrix.cells[0].validation
    facts = dataset.count_images(validation)
    curves = schedule_lint.simulate_schedules(matrix.cells, dataset.train_count - validation)
    warnings = schedule_lint.lint_schedules(curves, sweep.schedulers)
    warnings += lint_networks(matrix.cells, dataset)
    _refuse_warnings(warnings, options)
    setup = Setup(
        dataset=spec,
        data_dir=options.data_dir,
        dataset_digest=dataset.digest,
        validation=validation,
        device=device,
        plugins=plugins.list_loaded(),
        data=dataset,
        class_metrics=sweep.class_metrics,
    )
    return Workload(
        matrix,
        setup,
        partial(estimate_flops, dataset=dataset),
        warnings,
        facts,
        dataset.warnings,
        data_lint.lint_data(dataset, facts, sweep.comparison.metric),
        data_lint.describe_data(dataset, facts),
    )


def _prepare_own(
    sweep: Sweep, options: SweepOptions, device: str, template: CommandTemplate | None
) -> Workload:
    assert sweep.trainer is not None
    if template is None and not sweep.trainer.is_function:
        raise InputError(
            f"trainer: {sweep.trainer.name} is no function that a worker could call; run the "
            f"script that has `for trial in lrdecay.trials(FILE)`, or name a loop of a plug-in"
        )
    for name in ("engine", "group_size"):
        if getattr(options, name) != getattr(SweepOptions(), name):
            raise InputError(f"{name}: is the loop's own business with trainer; leave it out")
    matrix = expand_own_matrix(sweep, template)
    warnings = lint_own_schedules(sweep, matrix)
    _refuse_warnings(warnings, options)
    terms = find_terms(sweep)
    setup = Setup(
        dataset=None,
        data_dir=None,
        dataset_digest="",
        validation=0,
        device=device,
        plugins=plugins.list_loaded(),
        trainer=LoopSetup(terms) if template is None else ProgramSetup.of(template, terms),
    )
    return Workload(matrix, setup, lambda run: float(run.epochs), warnings)


def find_terms(sweep: Sweep) -> Terms:
    """Return what a sweep holds each of its trials to."""
    return Terms(sweep.comparison.metric, sweep.steps_per_epoch)


def lint_own_schedules(sweep: Sweep, matrix: Matrix) -> list[str]:
    """Return the warnings about schedules of a loop of the user's own; none where the sweep file
    gives no `steps_per_epoch`.

    Raises:
        InputError: a schedule cannot be run to its end.
    """
    steps = sweep.steps_per_epoch or 0
    curves = schedule_lint.simulate_schedules(foresee_runs(sweep, matrix), steps)
    return schedule_lint.lint_schedules(curves, sweep.schedulers)


def _refuse_warnings(warnings: Sequence[str], options: SweepOptions) -> None:
    if warnings and options.strict:
        raise InputError("\n".join(warnings))
