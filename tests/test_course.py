"""When runs that have ended are put on the disk."""

import pytest

from lrdecay import course
from lrdecay.course import _Finished
from lrdecay.tables import Record


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
    monkeypatch.setattr(course.time, "monotonic", lambda: now[0])
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
