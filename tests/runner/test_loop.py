"""When runs that have ended are put on the disk."""

import pytest

from lrdecay.core.errors import InputError
from lrdecay.execution.local.executor import Local
from lrdecay.runner import loop
from lrdecay.runner.coordinator import run_sweep
from lrdecay.runner.loop import _Finished
from lrdecay.store.schema import Record


class Shelf:
    """A store that remembers what was committed together."""

    def __init__(self):
        self.commits = []

    def commit(self, records):
        self.commits.append([record.run["seed"] for record in records])


@pytest.fixture
def clock(monkeypatch):
    """Seconds, as the test sets them."""
    now = [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    return now


def ended(seed):
    return Record({"status": "completed", "seed": seed}, [])


def test_runs_that_end_together_are_committed_within_a_second_or_so_whatever_ends_next(clock):
    shelf = Shelf()
    finished = _Finished(shelf)
    for seed in range(4):  # of one group
        finished.add(ended(seed))
        finished.commit_if_due()
    assert shelf.commits == [[0]]
    clock[0] = 0.9
    finished.commit_if_due()
    assert shelf.commits == [[0]]
    clock[0] = 1.1  # nothing has ended since
    finished.commit_if_due()
    assert shelf.commits == [[0], [1, 2, 3]]
    assert finished.outcomes == {"completed": 4}
    clock[0] = 9.0
    finished.commit_if_due()
    assert len(shelf.commits) == 2


class Watching:
    """Remembers what it was told at the start."""

    def start(self, runs, done, workers):
        self.done, self.others = runs[:done], runs[done:]

    def epoch(self, done): ...

    def note(self, text): ...

    def finished(self, record): ...

    def grow(self, runs): ...


def test_progress_knows_which_runs_are_still_to_train(tmp_path):
    text = "dataset: digits\nepochs: [1, 2]\nschedulers: {c: {class: constant}}\nseeds: [{seeds}]\n"
    file = tmp_path / "small.yaml"
    file.write_text(text.replace("{seeds}", "1"))
    run_sweep(file, tmp_path, workers=0)
    file.write_text(text.replace("{seeds}", "0, 1"))
    run_sweep(file, tmp_path, workers=0, progress=(watching := Watching()))
    assert [(run.seed, run.epochs) for run in watching.done] == [(1, 1), (1, 2)]
    assert [(run.seed, run.epochs) for run in watching.others] == [(0, 1), (0, 2)]


def test_a_limit_without_a_process_to_end_is_refused():
    with pytest.raises(InputError, match="time_limit: with 0 workers nothing can end a run"):
        Local("cpu", 0, 5.0)
