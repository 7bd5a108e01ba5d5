"""The coordinator: pending runs -> groups -> executor -> store, until nothing is pending.

What is pending is a function of the sweep and of what the store holds. Where base rates are to be
chosen, the trials come first, and with their results what the sweep asks for grows.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from lrdecay.components import plugins
from lrdecay.runner.agenda import AgendaSource
from lrdecay.runner.first_plan import (
    describe_first_plan,
    propose_first_plan,
    settle_first_plan,
)
from lrdecay.runner.loop import Progress, SweepLoop
from lrdecay.runner.options import SweepOptions, change_options
from lrdecay.runner.progress import show_progress
from lrdecay.runner.summary import Summary
from lrdecay.runner.workload import prepare_workload
from lrdecay.store.layout import REPEATS, refuse_link
from lrdecay.store.lock import hold_folder
from lrdecay.store.writer import Store
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.reading import load_sweep


def run_sweep(
    sweep: Sweep | str | Path,
    options: SweepOptions | str | Path | None = None,
    *,
    progress: Progress | Literal["auto"] | None = "auto",
    **changes: Any,
) -> Summary:
    """Train what a sweep asks for and the results folder does not have yet.

    Results go to ``results/NAME``. Interrupting loses only unfinished runs; calling again
    continues from there.

    A run that fails is tried again, at most twice, alone in a process of its own; with 0 `workers`
    it is tried once.

    Args:
        sweep: A sweep, or the path or name of its file.
        options: How it trains, and where its results go; a path alone is the `results` folder.
        progress: Is notified of how it goes, and of warnings about schedules and networks. `auto`
            shows both: on stderr, as a bar in a terminal and else as a line every few seconds, or
            in a notebook as one line under the cell. It shows nothing in a process that Python's
            multiprocessing started; None shows nothing anywhere.
        **changes: Any of the `SweepOptions` by name, such as ``workers=2``.

    Raises `InputError` for a sweep, option, plug-in, data or device that cannot be used, for a
    folder that another process writes to, and for results that would be mixed.
    """
    options = change_options(options, changes)
    plugins.load_plugins(options.plugins)
    if not isinstance(sweep, Sweep):
        sweep = load_sweep(sweep)
    with show_progress(progress) as notified:
        return _train_sweep(sweep, options, notified)


def _train_sweep(sweep: Sweep, options: SweepOptions, progress: Progress | None) -> Summary:
    executor = options.find_executor()
    site = executor.site(sweep.precision, sweep.kernels)
    work = prepare_workload(sweep, options, site.device)
    folder, shard, matrix = options.folder(sweep), options.shard, work.matrix
    if shard is not None:
        refuse_link(folder.parent.parent, folder.parent.name)
        refuse_link(folder.parent, folder.name)
    folder.mkdir(parents=True, exist_ok=True)
    with hold_folder(folder) as hold:
        mine = None if shard is None else shard.part(matrix, work.cost, sweep.adding)
        store = Store(folder, beside=None if shard is None else options.home(sweep))
        proposed = propose_first_plan(sweep, matrix)
        first_plan = settle_first_plan(store, proposed)
        loop = SweepLoop(
            source=AgendaSource(sweep, matrix, first_plan, mine),
            options=options,
            executor=executor,
            site=site,
            setup=work.setup,
            store=store,
            hold=hold,
            progress=progress,
            warnings=[*work.data_warnings, *work.warnings],
            facts=work.facts,
        )
        about = [*site.notes, *work.about, *describe_first_plan(first_plan, proposed)]
        summary = loop.run(
            [*about, *(f"warning: {text}" for text in (*work.doubts, *work.warnings))]
        )
        if options.repeat:
            again = replace(
                loop.source, repeated=loop.agenda.at_seeds(matrix.seeds[: options.repeat])
            )
            with hold_folder(folder / REPEATS):
                repeats = replace(loop, source=again, store=Store(folder / REPEATS)).run()
            summary = replace(summary, repeats=replace(repeats, sweep_folder=repeats.folder))
        return summary
