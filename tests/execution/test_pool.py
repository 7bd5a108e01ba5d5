"""The pool with workers that only say what a test has them say, and GPUs that are not there."""

from dataclasses import replace
from threading import Timer

import pytest
import torch
from helpers.training import digits

from lrdecay.core.errors import WorkerError
from lrdecay.engine import devices
from lrdecay.engine.record import record_failed
from lrdecay.execution import worker_handle
from lrdecay.execution.grouping import Group
from lrdecay.execution.local.executor import Local
from lrdecay.execution.messages import Beat, Lost, Note, Ready
from lrdecay.execution.pool import Pool
from lrdecay.execution.worker_handle import LOOK_SECONDS, Worker
from lrdecay.store.schema import Record
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

RUNS = list_runs(
    parse_sweep("dataset: digits\nschedulers: {constant: {class: constant}}\nseeds: 4"), digits()
)
CPU = torch.device("cpu")
ILLEGAL = "AcceleratorError: CUDA error: an illegal memory access was encountered"
CHANGED = "InputError: mine: the data have changed since the sweep began"
REFUSED = f"a fake worker cannot train: {CHANGED}"
GO_ON = f"{REFUSED}. The others go on, and no more are started"


class Fake(Worker):
    """Does with each group what the next of its `fates` says."""

    kind = "fake worker"

    def __init__(self, clock, inbox, fates):
        super().__init__(clock, inbox)
        self._fates = fates
        self.taken = []
        match fates[:1]:
            case ["never starts"]:
                pass
            case ["dies at its start"]:
                self._inbox.put((self, None))
            case ["cannot train"]:
                self.hear(Ready(error=CHANGED))
            case ["starts late", *_]:
                fates.pop(0)
                Timer(2 * LOOK_SECONDS, self.hear, [Ready()]).start()
            case _:
                self.hear(Ready())

    def send(self, group):
        self.taken.append(group)
        match self._fates.pop(0):
            case "trains":
                self._finish(group)
            case "slow":
                Timer(3 * LOOK_SECONDS, self._finish, [group]).start()
            case "dies":
                self._inbox.put((self, None))
            case "loses its place":
                self.place_lost = True
                self._inbox.put((self, None))
            case "loses its GPU":
                self._lose_gpu()
            case "finishes one and loses its GPU":
                self._finish(replace(group, runs=group.runs[:1]))
                self._lose_gpu()
            case list() as bad if any(run.seed in bad for run in group.runs):
                self._lose_gpu()
            case list():
                self._finish(group)

    def _lose_gpu(self):
        self.hear(Lost(ILLEGAL))
        self._inbox.put((self, None))  # its process ends

    def _finish(self, group):
        for run in group.runs:
            row = dict(record_failed(run, "", group.engine, CPU).run) | {"status": "completed"}
            self.hear(Record(row, []))

    def end(self):
        return "as it was told to"


LOST = f"the fake worker's GPU failed ({ILLEGAL})"


class Site:
    """A pool whose workers have these fates, in the order in which they start."""

    def __init__(self, *fates, room=1):
        self.workers, self.told = [], []
        self._fates = list(fates)
        self._room = room

    def train(self, groups):
        Pool(groups, self._start, lambda: self._room, "cpu", self.told.append, None).train()
        return [message.run["seed"] for message in self.told if isinstance(message, Record)]

    def _start(self, clock, inbox):
        if not self._fates:
            raise KeyboardInterrupt
        self.workers.append(Fake(clock, inbox, self._fates.pop(0)))
        return self.workers[-1]

    @property
    def notes(self):
        return [message.text for message in self.told if isinstance(message, Note)]


def test_a_group_whose_machine_is_gone_starts_anew_whole_and_blames_no_run():
    lost = [["loses its place"]] * 3
    site = Site(*[list(fate) for fate in lost], ["trains"])
    group = Group("reference", tuple(RUNS[:2]))
    assert site.train([group]) == [0, 1]
    assert [worker.taken for worker in site.workers] == [[group]] * 4
    line = "the fake worker died (as it was told to); 2 runs of it start again elsewhere"
    assert site.notes == [line] * 3


def test_a_run_under_which_machines_keep_going_is_suspected_in_the_end():
    site = Site(*[["loses its place"] for _ in range(13)])
    site.train([Group("reference", tuple(RUNS[:1]))])
    (row,) = (message.run for message in site.told if isinstance(message, Record))
    assert row["status"] == "failed"
    assert row["error"] == "the fake worker died (as it was told to) (tried 3 times)"
    assert len(site.workers) == 10 + 3


def test_a_group_whose_worker_died_is_halved():
    site = Site(["dies"], ["trains", "trains"])
    assert site.train([Group("stacked", tuple(RUNS))]) == [0, 1, 2, 3]
    assert [[len(g.runs) for g in worker.taken] for worker in site.workers] == [[4], [2, 2]]


def test_a_worker_for_whom_there_is_no_room_is_no_failure(monkeypatch):
    """It is given up and started again, as long as another one is at work."""
    monkeypatch.setattr(worker_handle, "_START_SECONDS", -1.0)
    site = Site(["silent"], *[["never starts"] for _ in range(9)], room=2)

    groups = [Group("reference", (run,)) for run in RUNS[:2]]
    with pytest.raises(KeyboardInterrupt):
        site.train(groups)
    assert (len(site.workers), site.notes) == (10, [])


def test_workers_of_which_none_ever_starts_end_the_sweep(monkeypatch):
    monkeypatch.setattr(worker_handle, "_START_SECONDS", -1.0)
    site = Site(*[["never starts"] for _ in range(3)])
    with pytest.raises(WorkerError, match="a fake worker ended before it could train"):
        site.train([Group("reference", tuple(RUNS[:1]))])
    assert len(site.workers) == 3


def test_no_more_workers_start_than_there_are_groups_or_room():
    site = Site(*[["trains"] * 4 for _ in range(4)], room=3)
    site.train([Group("reference", (run,)) for run in RUNS[:2]])
    assert len(site.workers) == 2
    site = Site(*[["trains"] * 4 for _ in range(4)], room=3)
    site.train([Group("reference", (run,)) for run in RUNS])
    assert len(site.workers) == 3


@pytest.fixture
def gpus(monkeypatch):
    """Three GPUs, of which the second is of another model."""
    names = ["H200", "T4", "H200"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(names))
    monkeypatch.setattr(
        torch.cuda, "get_device_name", lambda where: names[where if isinstance(where, int) else 0]
    )
    devices.device_name.cache_clear()
    yield
    devices.device_name.cache_clear()


@pytest.mark.parametrize(
    ("listed", "expected"), [(None, ["0", "2", "0", "2"]), ("4,5,GPU-6", ["4", "GPU-6"] * 2)]
)
def test_processes_are_dealt_out_to_the_gpus_of_one_model(gpus, monkeypatch, listed, expected):
    if listed is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    seen = [devices.gpu_environment(number)["CUDA_VISIBLE_DEVICES"] for number in range(4)]
    assert seen == expected


def test_one_worker_a_gpu_and_as_many_as_asked_for_share_its_memory(gpus):
    assert Local().site() == Local("cuda").site()
    site = Local().site()
    assert (site.device, site.made_with[0], site.workers, site.sharing) == ("cuda", "H200", 2, 1)
    assert Local(workers=5).site().sharing == 3
    assert Local("cpu", workers=5).site().sharing == 5


def test_starts_that_fail_cost_nothing_while_another_worker_trains():
    """Who trains goes on alone; only without anyone is it the end."""
    site = Site(["slow", "trains"], *[["dies at its start"] for _ in range(3)], room=2)
    assert site.train([Group("reference", (run,)) for run in RUNS[:2]]) == [0, 1]
    assert len(site.workers) == 4
    died = "the fake worker died (as it was told to) while it started; "
    assert site.notes == [f"{died}another one starts"] * 2 + [f"{died}the others go on"]


def test_time_that_passes_is_told():
    site = Site(["slow"])
    site.train([Group("reference", tuple(RUNS[:1]))])
    assert Beat() in site.told


# Workers that cannot train, such as one that finds other data than the sweep began with


def alone(count: int) -> list[Group]:
    return [Group("reference", (run,)) for run in RUNS[:count]]


def test_a_worker_that_cannot_train_ends_none_that_can():
    site = Site(["slow", "trains", "trains"], ["cannot train"], room=2)
    assert site.train(alone(3)) == [0, 1, 2]
    assert (len(site.workers), site.notes) == (2, [GO_ON])


def test_that_several_cannot_is_said_once():
    site = Site(["slow", "trains", "trains"], ["cannot train"], ["cannot train"], room=3)
    assert site.train(alone(3)) == [0, 1, 2]
    assert (len(site.workers), site.notes) == (3, [GO_ON])


def test_it_is_said_as_soon_as_another_one_is_ready():
    site = Site(["cannot train"], ["starts late", "trains", "trains"], room=2)
    assert site.train(alone(2)) == [0, 1]
    assert (len(site.workers), site.notes) == (2, [GO_ON])


def test_if_none_can_train_the_pool_ends_with_the_reason():
    site = Site(["cannot train"], ["cannot train"], room=2)
    with pytest.raises(WorkerError) as caught:
        site.train(alone(3))
    assert (str(caught.value), site.notes) == (REFUSED, [])


def test_a_run_whose_worker_died_goes_to_one_that_can_train():
    """It would get a fresh worker, but there is none to be had."""
    site = Site(["dies"], ["slow", "trains"], ["cannot train"], room=2)
    assert sorted(site.train(alone(2))) == [0, 1]
    assert [len(worker.taken) for worker in site.workers] == [1, 2, 0]
    assert site.notes[-1] == GO_ON
    assert sum("cannot train" in note for note in site.notes) == 1


def test_once_the_last_worker_is_gone_what_finished_is_kept():
    site = Site(["slow", "dies"], ["cannot train"], room=2)
    with pytest.raises(WorkerError, match=r"^no worker is left for 2 runs$"):
        site.train(alone(3))
    done = [message.run["seed"] for message in site.told if isinstance(message, Record)]
    assert done == [0]
    assert site.notes[0] == GO_ON


# Workers whose GPU can train no more


def outcomes(site: Site) -> dict[int, str]:
    rows = [message.run for message in site.told if isinstance(message, Record)]
    assert len({row["run_id"] for row in rows}) == len(rows)
    return {row["seed"]: row["status"] for row in rows}


def test_what_a_lost_gpu_had_begun_starts_again_in_a_fresh_worker_in_halves():
    site = Site(["loses its GPU"], ["trains", "trains", "trains"])
    groups = [Group("stacked", tuple(RUNS[3:])), Group("stacked", tuple(RUNS[:3]))]
    site.train(groups[::-1])
    assert outcomes(site) == dict.fromkeys(range(4), "completed")
    taken = [[[run.seed for run in group.runs] for group in each.taken] for each in site.workers]
    assert taken == [[[0, 1, 2]], [[0, 1], [2], [3]]]
    assert site.notes == [f"{LOST} with 3 runs at once; they start again, 2 at once"]


def test_what_it_had_finished_is_kept():
    site = Site(["finishes one and loses its GPU"], ["trains"])
    site.train([Group("stacked", tuple(RUNS[:2]))])
    assert outcomes(site) == {0: "completed", 1: "completed"}
    assert len(site.workers[1].taken[0].runs) == 1


@pytest.mark.parametrize("bad", [[0], [2], [3], [1, 2], [0, 3]])
@pytest.mark.parametrize("engine", ["stacked", "reference"])
def test_the_run_that_is_to_blame_fails_and_no_other(engine, bad):
    """Each try takes a fresh worker, and there are three of a run: no more."""
    site = Site(*[[bad] * 9 for _ in range(40)])
    groups = [Group(engine, tuple(RUNS))]
    if engine == "reference":
        groups = alone(4)
    site.train(groups)
    expected = {seed: "failed" if seed in bad else "completed" for seed in range(4)}
    assert outcomes(site) == expected
    rows = [message.run for message in site.told if isinstance(message, Record)]
    errors = {row["error"] for row in rows if row["status"] == "failed"}
    assert errors == {f"{LOST} (tried 3 times)"}
    # of 4 runs: whole, in halves, alone; then two more tries of each that is bad
    assert len(site.workers) <= 1 + 2 + 3 * len(bad) + 1
    for worker in site.workers:
        lost = [any(run.seed in bad for run in group.runs) for group in worker.taken]
        assert True not in lost[:-1]  # nothing is given to a worker that has lost its GPU


@pytest.mark.parametrize("engine", ["stacked", "reference"])
def test_a_gpu_that_fails_with_all_runs_ends_the_sweep_soon(engine):
    site = Site(*[[list(range(1, 9))] * 9 for _ in range(60)])
    runs = tuple(replace(RUNS[0], seed=seed) for seed in range(9))
    with pytest.raises(WorkerError) as raised:
        site.train([Group(engine, (run,)) for run in runs[:1]] + [Group(engine, runs[1:])])
    assert outcomes(site) == {0: "completed"}
    assert str(raised.value) == (
        f"{LOST}, as with 2 other runs before and none finished between; `nvidia-smi` shows "
        f"whether it works"
    )
    # of 8 runs at once: 8, 4, 2 and one alone, another, and the first of the next two
    assert len(site.workers) <= 9


def test_others_go_on_while_one_worker_loses_its_gpu():
    site = Site(["slow", "trains"], ["loses its GPU"], ["trains"], room=2)
    site.train(alone(2))
    assert outcomes(site) == {0: "completed", 1: "completed"}
    (note,) = site.notes
    assert note.endswith(f"{LOST}; trying again, alone (2 of 3)")
