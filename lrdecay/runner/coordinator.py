"""The coordinator: pending runs -> groups -> executor -> store, until nothing is pending.

What is pending is a function of the sweep and of what the store holds. Where base rates are to be
chosen, the trials come first, and with their results what the sweep asks for grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from lrdecay.analysis import lr_selection
from lrdecay.components.datasets import sources
from lrdecay.components.plugins import list_loaded as loaded_plugins
from lrdecay.components.plugins import load_plugins as load_plugins
from lrdecay.core.errors import InputError
from lrdecay.core.run import Run
from lrdecay.execution.cost import estimate_flops
from lrdecay.execution.executor import Executor
from lrdecay.execution.grouping import ENGINES, Group, Plan
from lrdecay.execution.local.executor import Local
from lrdecay.execution.messages import Tell
from lrdecay.execution.trainer import Setup
from lrdecay.runner.agenda import Agenda, Outcomes, build_agenda, describe_agenda
from lrdecay.runner.loop import Progress, Summary, SweepLoop
from lrdecay.runner.sharding import Shard, take_share
from lrdecay.store.layout import REPEATS
from lrdecay.store.lock import hold_folder
from lrdecay.store.writer import Store
from lrdecay.sweep import schedule_lint
from lrdecay.sweep.config import Sweep, load_sweep
from lrdecay.sweep.matrix import expand_matrix


def run_sweep(
    sweep: Sweep | str | Path,
    results: str | Path = "results",
    data_dir: str | Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    progress: Progress | None = None,
    engine: str = "auto",
    group_size: int | None = None,
    strict: bool = False,
    plugins: Sequence[str | Path] = (),
    allow_mixed: bool = False,
    time_limit: float | None = None,
    repeat: int = 0,
    executor: Executor | None = None,
    shard: Shard | None = None,
) -> Summary:
    """Train what a sweep asks for and the results folder does not have yet.

    Results go to ``results/NAME``. Interrupting loses only runs that had not ended; calling again
    goes on from there. `workers` is the number of processes (None: one per core, or one per GPU;
    0: this process). `engine` is auto, reference (one run at a time) or stacked (many at once,
    at most `group_size`); auto is the one that is faster for each run.

    A run that fails is tried again, at most twice, alone in a process of its own; with 0 `workers`
    it is tried once. `time_limit` is the longest, in seconds, that runs may take from the end of
    one epoch to the end of the next (None: any time); with 0 `workers` there can be none.

    What is probably not meant in the schedules is told to `progress`, or, if `strict`, an error.

    With `repeat` the runs at so many of the seeds then train once more, into ``repeats`` within the
    folder: `lrdecay.analysis.noise_floor` compares them.

    `plugins` are those that the sweep file may use: Python files, or modules.

    Results of another version of torch or another device are not continued, unless `allow_mixed`.

    An `executor` trains the runs elsewhere than in processes of this machine; `device`, `workers`
    and `time_limit` are then its own. With a `shard` only its part of the runs trains, into a
    folder of its own (`Shard.folder`): `lrdecay.merge_results` joins them.

    Raises `InputError` for a sweep, plug-in, data or device that cannot be used, for a folder that
    another process writes to, and for results that would be mixed.
    """
    load_plugins(plugins)
    if not isinstance(sweep, Sweep):
        sweep = load_sweep(sweep)
    if engine not in ENGINES:
        raise InputError(f"engine: must be one of {', '.join(ENGINES)}, not {engine}")
    if group_size is not None and group_size < 1:
        raise InputError(f"group_size: must be at least 1, not {group_size}")
    if repeat < 0:
        raise InputError(f"repeat: must be at least 0 seeds, not {repeat}")
    if repeat and shard:
        raise InputError("repeat: shards are not repeated; repeat the merged sweep")
    where = Local(device, workers, time_limit) if executor is None else executor
    site = where.site(sweep.precision)
    dataset = sources.load_dataset(sweep.dataset, data_dir)
    matrix = expand_matrix(sweep, dataset)
    validation = matrix.cells[0].validation
    odd = schedule_lint.lint_schedules(
        schedule_lint.simulate_schedules(matrix.cells, dataset.train_count - validation)
    )
    if odd and strict:
        raise InputError("\n".join(odd))
    home = Path(results) / sweep.name
    folder = home if shard is None else shard.folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    with hold_folder(folder) as hold:
        setup = Setup(
            dataset=sweep.dataset,
            data_dir=None if data_dir is None else str(data_dir),
            dataset_digest=dataset.digest,
            validation=validation,
            device=site.device,
            plugins=loaded_plugins(),
            data=dataset,
        )

        def plan(runs: Sequence[Run]) -> Plan:
            return where.plan(runs, dataset, engine, group_size) if runs else Plan(())

        def check(store: Store, asked: Agenda) -> None:
            if not allow_mixed:
                _refuse_mixture(store, asked, site.made_with)

        def train(groups: Sequence[Group], tell: Tell) -> None:
            where.train(groups, setup, tell)

        mine = None
        if shard is not None:
            fewest = None if sweep.adding is None else sweep.adding.min
            mine = shard.part(matrix, partial(estimate_flops, dataset=dataset), fewest)

        def asks(outcomes: Outcomes, done: set[str]) -> Agenda:
            asked = build_agenda(sweep, matrix, outcomes, done)
            return asked if mine is None else take_share(asked, mine, done)

        course = SweepLoop(sweep, hold, check, plan, train, site.workers, progress, odd)
        lines = partial(describe_agenda, sweep, matrix)
        store = Store(folder, beside=None if shard is None else home)
        summary, asked = course.run(store, asks, lines, [f"warning: {t}" for t in odd])
        summary = replace(
            summary, without_rate=lr_selection.list_without_rate(matrix.cells, asked.rates)
        )
        if repeat == 0:
            return summary
        again = asked.at_seeds(matrix.seeds[:repeat])
        with hold_folder(folder / REPEATS):
            store = Store(folder / REPEATS)
            repeats, _ = course.run(store, lambda _, done: again.without(done))
        return replace(summary, repeats=repeats)


def _refuse_mixture(store: Store, asked: Agenda, ours: tuple[str, ...]) -> None:
    """Raise `InputError` if the comparison would have runs of several devices or torch versions."""
    waiting = {run.run_id for run in asked.pending}
    made_with = store.made_with([run for run in asked.runs if run.run_id not in waiting])
    if len({*made_with, *([ours] if waiting else [])}) > 1:
        there = " and ".join(
            f"{count} with torch {version} on {name}"
            for (name, version), count in made_with.items()
        )
        raise InputError(
            f"{store.folder}: of the runs that this sweep asks for there are {there}; "
            f"here is torch {ours[1]} on {ours[0]}. Such numbers are not compared unless you ask "
            f"for it: --allow-mixed goes on, and the report says so; --results DIR starts anew "
            f"elsewhere"
        )
