"""A sweep that is stopped while it starts, or as a round ends: soon, and with nothing lost."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers.results import assert_same
from helpers.tiers import slow_but

from lrdecay.core import run
from lrdecay.execution.local.executor import Local
from lrdecay.runner import workload
from lrdecay.runner.agenda import AgendaSource
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store import parquet, writer
from lrdecay.store.reader import read_plan_runs, read_runs
from lrdecay.store.writer import Store
from lrdecay.sweep import matrix

TEXT = """\
name: small
dataset: digits
epochs: 1
schedulers: {constant: {class: constant}, step: {class: StepLR, step_size: 1}}
"""
CHOSEN = TEXT + "optimizer: {lr: {choose: [0.001, 0.01], seeds: 1}}\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def calls(monkeypatch):
    """How often what a sweep asks for was found, and its tables were written."""
    counted = Counter()

    def count(kind, name):
        real = getattr(kind, name)

        def counts(*args, **kwargs):
            counted[name] += 1
            return real(*args, **kwargs)

        monkeypatch.setattr(kind, name, counts)

    count(AgendaSource, "build")
    count(Store, "compact")
    return counted


def read_files(folder: Path) -> dict[str, bytes]:
    """All that is in a folder; who holds it counts for nothing."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".lock", ".holder")
    }


def interrupt_at(monkeypatch, place, name: str, call: int) -> None:
    """Have the `call`-th call of a function raise what a signal raises."""
    real, calls = getattr(place, name), 0

    def interrupts(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(place, name, interrupts)


class Interrupted:
    """This process, which trains so many groups and is then interrupted."""

    def __init__(self, groups: int, folder: Path) -> None:
        self._local = Local("cpu", 0)
        self._groups = groups
        self._folder = folder
        self.before: dict[str, bytes] = {}

    def site(self, precision, kernels):
        return self._local.site(precision, kernels)

    def plan(self, runs, data, engine, group_size):
        return self._local.plan(runs, data, engine, group_size)

    def train(self, groups, setup, tell):
        self.before = read_files(self._folder)
        self._local.train(groups[: self._groups], setup, tell)
        raise KeyboardInterrupt


BUILDING = [
    (workload, "expand_matrix", 1),
    (matrix, "Run", 2),
    (matrix, "replace", 5),
    (run, "to_canonical_json", 6),
    (Local, "plan", 1),
    (writer, "make_plan", 1),
]


@pytest.mark.parametrize(("place", "name", "call"), slow_but(BUILDING[:1], BUILDING))
def test_what_is_interrupted_while_it_is_built_leaves_the_folder_as_it_was(
    file, tmp_path, place, name, call
):
    folder = run_sweep(file, tmp_path, workers=0).folder
    before = read_files(folder)
    file.write_text(TEXT + "seeds: 3\n")
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, place, name, call)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(file, tmp_path, workers=0)
    assert read_files(folder) == before
    summary = run_sweep(file, tmp_path, workers=0)
    assert (summary.reused, summary.completed) == (2, 4)
    assert_same(folder, run_sweep(file, tmp_path / "fresh", workers=0).folder)


def test_a_plan_half_written_is_no_plan(file, tmp_path):
    folder = run_sweep(file, tmp_path, workers=0).folder
    before = read_files(folder)
    file.write_text(TEXT + "seeds: 3\n")
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, parquet, "_seal", 1)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(file, tmp_path, workers=0)
    # only the copy of the file was replaced, which nothing reads beside a plan
    assert read_files(folder) == {**before, "sweep.yaml": file.read_bytes()}
    assert len(read_plan_runs(folder)) == 2
    run_sweep(file, tmp_path, workers=0)
    assert [run.seed for run in read_plan_runs(folder)] == [0, 0, 1, 1, 2, 2]


def test_before_anything_has_ended_there_is_nothing_to_write(file, tmp_path, calls):
    file.write_text(TEXT + "seeds: 3\n")
    executor = Interrupted(0, tmp_path / "small")
    with pytest.raises(KeyboardInterrupt):
        run_sweep(file, tmp_path, executor=executor)
    assert calls == {"build": 1, "compact": 1}
    assert read_files(tmp_path / "small") == executor.before
    assert len(read_plan_runs(tmp_path / "small")) == 6
    assert run_sweep(file, tmp_path, workers=0).completed == 6


def test_what_has_ended_is_in_the_tables_and_what_follows_from_it_waits(file, tmp_path, calls):
    file.write_text(TEXT + "seeds: 3\n")
    options = {"engine": "stacked", "group_size": 2}
    with pytest.raises(KeyboardInterrupt):
        run_sweep(file, tmp_path, executor=Interrupted(1, tmp_path / "small"), **options)
    assert calls == {"build": 1, "compact": 2}
    assert len(pq.read_table(tmp_path / "small" / "runs.parquet")) == 2
    assert not list((tmp_path / "small" / "parts").iterdir())
    summary = run_sweep(file, tmp_path, workers=0, **options)
    assert (summary.reused, summary.completed) == (2, 4)
    fresh = run_sweep(file, tmp_path / "fresh", workers=0, **options)
    assert_same(summary.folder, fresh.folder)


@pytest.mark.slow
def test_a_round_is_written_once_unless_it_asks_for_more(file, tmp_path, calls):
    run_sweep(file, tmp_path, workers=0)
    assert calls == {"build": 2, "compact": 2}  # at the start, and at the end
    calls.clear()
    file.write_text(CHOSEN)
    run_sweep(file, tmp_path / "chosen", workers=0)
    # at the start, with the trials, with the runs that they ask for, and at the end
    assert calls == {"build": 3, "compact": 4}


@pytest.mark.slow
def test_a_sweep_interrupted_between_its_rounds_goes_on_there(file, tmp_path):
    file.write_text(CHOSEN)
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, AgendaSource, "build", 2)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(file, tmp_path, workers=0)
    assert read_runs(tmp_path / "small")["phase"].tolist() == ["choose"] * 4
    assert {run.phase for run in read_plan_runs(tmp_path / "small")} == {"choose"}
    summary = run_sweep(file, tmp_path, workers=0)
    assert (summary.reused, summary.completed) == (4, 2)
    assert_same(summary.folder, run_sweep(file, tmp_path / "fresh", workers=0).folder)
