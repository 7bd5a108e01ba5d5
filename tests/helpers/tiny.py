"""A sweep that is over in an instant, here or in a process of its own, and what it leaves."""

from __future__ import annotations

import multiprocessing
import random
import resource
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.disk import Changes
from helpers.results import TIMES

from lrdecay.execution.local.executor import Local
from lrdecay.runner import coordinator, loop
from lrdecay.store import writer
from lrdecay.store.layout import list_current
from lrdecay.store.reader import read_epochs, read_metrics, read_runs
from lrdecay.store.schema import Record
from lrdecay.store.verify import verify_results
from lrdecay.store.versions import read_table

SCHEDULERS = """\
schedulers:
  constant: {class: constant}
  plateau:  {class: ReduceLROnPlateau, factor: 0.5, patience: 0}
"""


def text(dropout: str = "[0.0, 0.3]", seeds: object = 2, schedulers: str = SCHEDULERS) -> str:
    return (
        f"name: tiny\ndataset: digits\nepochs: 2\n{schedulers}dropout: {dropout}\nseeds: {seeds}\n"
    )


TEXT = text()
RUNS_OF_TEXT = 8

Records = Mapping[str, Record]


@dataclass(frozen=True)
class Trained:
    """A sweep file, its results folder when nothing went wrong, and the outcomes in that; `plain`
    is the folder as it was trained, without metrics of the user's own."""

    file: Path
    folder: Path
    records: Records
    plain: Path


def records_of(folder: Path) -> Records:
    """The outcomes in a results folder, by run_id, as if they had been trained again."""
    runs = [row for path in list_current(folder, "runs") for row in read_table(path).to_pylist()]
    epochs: dict[str, list[dict[str, Any]]] = {row["run_id"]: [] for row in runs}
    for path in list_current(folder, "epochs"):
        for row in read_table(path).to_pylist():
            epochs[row["run_id"]].append(row)
    return {
        row["run_id"]: Record(row, epochs[row["run_id"]], make_metrics(row["run_id"], place))
        for place, row in enumerate(runs)
    }


def make_metrics(run_id: str, place: int) -> list[dict[str, Any]]:
    """Made-up values of metrics of the user's own; every third run has none."""
    of_run = [(1, "val"), (2, "val"), (None, None)][: place % 3 and 3]
    return [
        {"run_id": run_id, "epoch": epoch, "split": split, "metric": "f1", "value": place + 0.5}
        for epoch, split in of_run
    ]


def replay(records: Records) -> Callable[..., None]:
    """`Local.train` in no time: what was recorded once is told again.

    It ends with a `KeyError` if there are runs of which no record is there.
    """

    def train(self, groups, setup, tell):
        asked = {run.run_id for group in groups for run in group.runs}
        for run in asked & records.keys():
            tell(records[run])
        if asked - records.keys():
            raise KeyError(asked - records.keys())

    return train


@contextmanager
def in_no_time(records: Records | None, parts_in_batch: int = 3):
    """Replay what is trained; a commit for each run, so that few runs are many commits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_COMMIT_SECONDS", 0.0)
        patch.setattr(writer, "_PARTS_IN_BATCH", parts_in_batch)
        if records is not None:
            patch.setattr(Local, "train", replay(records))
        yield patch


def run_ids(folder: Path) -> set[str]:
    """The runs that a reader finds, each once, with all of its epochs and metrics."""
    if not list_current(folder, "runs"):
        return set()
    runs, epochs = read_runs(folder), read_epochs(folder)
    assert runs["run_id"].is_unique
    assert not epochs.duplicated(["run_id", "epoch", "split"]).any()
    counts = epochs.groupby("run_id").size()
    for row in runs[runs["status"] == "completed"].itertuples():
        assert counts[row.run_id] == row.epochs * (4 if row.validation else 3), row.run_id
    values = read_metrics(folder).groupby("run_id").size()
    expected = runs.set_index("run_id")["metric_values"].dropna().astype("int64")
    assert values.to_dict() == expected.to_dict()
    return set(runs["run_id"])


def assert_same(folder: Path, other: Path) -> None:
    """Assert that two results folders hold the same, to the bit."""
    for one, expected in zip(frames(folder), frames(other), strict=True):
        pd.testing.assert_frame_equal(one, expected, check_exact=True)


def flip_a_bit(path: Path, chance: random.Random) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    bit = chance.randrange(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def frames(folder: Path) -> tuple[pd.DataFrame, ...]:
    return read_runs(folder).drop(columns=TIMES), read_epochs(folder), read_metrics(folder)


# In a process of its own, which may be killed

fork_context = multiprocessing.get_context("forkserver")


@contextmanager
def _preloaded() -> Iterator[None]:
    """What starts within the block is a fork of a process that has imported torch and read the
    digits, once."""
    here = Path(__file__).parent
    fork_context.set_forkserver_preload(["helpers.tiny", "helpers.warm"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(here.parent))
        yield


def begin(target: Callable[..., None], *args: object) -> BaseProcess:
    """Start a function in a process of its own."""
    with _preloaded():
        process = fork_context.Process(target=target, args=args, daemon=True)
        process.start()
        return process


def call_in_process(function: Callable[..., Any], *args: object) -> Any:
    """Return what a function does in a process of its own, or raise what it raises there."""
    with _preloaded(), fork_context.Pool(1) as pool:
        return pool.apply(function, args)


def sweep_in_process(
    told: Any,
    file: Path,
    results: Path,
    records: Records | None,
    kill_before: int | None = None,
    most_bytes: int | None = None,
) -> None:
    """Run a sweep, and tell the ids of the runs of each commit once it has returned.

    Before change `kill_before` to the disk the process is killed; no file may be longer than
    `most_bytes`, and the error that this makes is told.
    """
    with in_no_time(records) as patch, Changes(results, kill_before, kill=True):
        watch_commits(patch, told.send)
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
        try:
            coordinator.run_sweep(file, results, workers=0, group_size=2)
        except OSError as error:
            told.send(error)


def watch_commits(patch: pytest.MonkeyPatch, tell: Callable[[list[str]], None]) -> None:
    """Have the ids of the runs of each commit told once it has returned."""
    commit = writer.Store.commit

    def telling(self, records):
        records = list(records)
        commit(self, records)
        tell([record.run["run_id"] for record in records])

    patch.setattr(writer.Store, "commit", telling)


def verify_in_process(told: Any, folder: Path, kill_before: int | None = None) -> None:
    """Verify a results folder."""
    with in_no_time(None), Changes(folder, kill_before, kill=True):
        verify_results(folder)


def pipe() -> tuple[Any, Any]:
    return fork_context.Pipe(duplex=False)


@dataclass(frozen=True)
class Ended:
    """How a process ended: whether by itself, which runs it had committed, and by which error."""

    itself: bool
    committed: set[str]
    error: OSError | None


def in_process(target: Callable[..., None], *args: object, seconds: float | None = None) -> Ended:
    """Call a function in a process of its own, which is killed after so many seconds."""
    told, tell = pipe()
    process = begin(target, tell, *args)
    tell.close()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    committed: set[str] = set()
    error = None
    with suppress(EOFError):
        while True:
            match told.recv():
                case OSError() as error:
                    pass
                case runs:
                    committed.update(runs)
    return Ended(process.exitcode == 0, committed, error)
