"""The options of `run_sweep`, beside the sweep itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from lrdecay.core.errors import InputError
from lrdecay.execution.executor import Executor, check_limits
from lrdecay.execution.grouping import ENGINES
from lrdecay.execution.local.executor import Local
from lrdecay.runner.sharding import Shard
from lrdecay.sweep.config import Sweep


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """How a sweep trains, and where its results go.

    Attributes:
        results: Results go to the folder ``results/NAME``.
        data_dir: Folder of the datasets. None: ``$LRDECAY_DATA``, else ``data``.
        device: auto, cpu or cuda; auto takes a GPU if there is one.
        workers: Processes that train. None: one per core, or one per GPU; 0: this process.
        engine: reference (one run at a time), stacked (many at once) or auto, the one that is
            faster for each run.
        group_size: Most runs that train at once. None: as many as is fastest.
        strict: Warnings about the schedules are errors.
        plugins: Those that the sweep file may use: Python files, or modules.
        command: The command line of the program that trains, where the sweep's trainer is
            `command`: see docs/own-loops.md.
        allow_mixed: Go on with results of another version of torch or another device.
        time_limit: Longest, in seconds, that runs may take from the end of one epoch to the end of
            the next. None: any time; with 0 workers there can be none.
        repeat: The runs at so many of the seeds then train once more, into ``repeats`` within the
            folder: `lrdecay.analysis.noise_floor` compares them.
        executor: Trains the runs elsewhere than in processes of this machine; `device`, `workers`
            and `time_limit` are then its own.
        shard: Only this part of the runs trains, into a folder of its own:
            `lrdecay.merge_results` joins them.

    Raises `InputError` for values that make no sense.
    """

    results: str | Path = "results"
    data_dir: str | Path | None = None
    device: str = "auto"
    workers: int | None = None
    engine: str = "auto"
    group_size: int | None = None
    strict: bool = False
    plugins: Sequence[str | Path] = ()
    command: str | None = None
    allow_mixed: bool = False
    time_limit: float | None = None
    repeat: int = 0
    executor: Executor | None = None
    shard: Shard | None = None

    def __post_init__(self) -> None:
        if self.executor is None:
            check_limits(self.workers, self.time_limit)
        if self.engine not in ENGINES:
            raise InputError(f"engine: must be one of {', '.join(ENGINES)}, not {self.engine}")
        if self.group_size is not None and self.group_size < 1:
            raise InputError(f"group_size: must be at least 1, not {self.group_size}")
        if self.repeat < 0:
            raise InputError(f"repeat: must be at least 0 seeds, not {self.repeat}")
        if self.repeat and self.shard:
            raise InputError("repeat: shards are not repeated; repeat the merged sweep")

    def find_executor(self) -> Executor:
        """Return what trains the runs."""
        if self.executor is not None:
            return self.executor
        return Local(self.device, self.workers, self.time_limit)

    def home(self, sweep: Sweep) -> Path:
        """Return the results folder of a sweep."""
        return Path(self.results) / sweep.name

    def folder(self, sweep: Sweep) -> Path:
        """Return the folder that is written to: the sweep's, or the shard's within it."""
        home = self.home(sweep)
        return home if self.shard is None else self.shard.folder(home)


def change_options(
    options: SweepOptions | str | Path | None, changes: Mapping[str, Any]
) -> SweepOptions:
    """Return options with some of them changed; a path alone is the folder of results.

    >>> change_options("mine", {"workers": 0}) == SweepOptions(results="mine", workers=0)
    True

    Raises `TypeError` for a name that is not an option's.
    """
    known = [field.name for field in fields(SweepOptions)]
    if unknown := sorted(changes.keys() - {*known}):
        raise TypeError(f"no such option: {', '.join(unknown)}; there are {', '.join(known)}")
    if not isinstance(options, SweepOptions):
        options = SweepOptions() if options is None else SweepOptions(results=options)
    return replace(options, **changes)
