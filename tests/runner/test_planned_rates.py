"""Plug-ins' schedulers that rest on the process, the time or the machine."""

import os
import time

import pytest
from helpers.made_up import Training
from helpers.plugged import as_in_a_new_process
from helpers.tiers import slow_but
from helpers.training import digits

from lrdecay.core.errors import InputError
from lrdecay.runner.coordinator import run_sweep
from lrdecay.runner.planned_rates import PlannedRates
from lrdecay.store.reader import read_epochs, read_runs
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

OWN = """\
import os
import random
import time

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

DRAWN = int.from_bytes(os.urandom(4), "little")


class Own(LRScheduler):
    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer)

    def share(self):
        return 0.9**self.last_epoch

    def get_lr(self):
        return [rate * self.share() for rate in self.base_lrs]


class PidLR(Own):
    def share(self):
        return 1 / (1 + os.getpid())


class DrawnLR(Own):
    def share(self):
        return 1 / (1 + DRAWN)


class HashLR(Own):
    def share(self):
        return 1 / (1 + hash("PidLR") % 2**40)


class ModeLR(Own):
    def share(self):
        return float(os.environ.get("SHARE_OF_RATE", 1))


class DayLR(Own):
    def share(self):
        return 1 / (1 + time.localtime().tm_yday)


class SteeredLR(ReduceLROnPlateau):
    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer, patience=0)


SCHEDULERS = {
    each.__name__: each for each in (Own, PidLR, DrawnLR, HashLR, ModeLR, DayLR, SteeredLR)
}
"""
SWEEP = """\
name: own
dataset: digits
epochs: 3
schedulers:
  constant: {class: constant}
  one: {class: %s}
seeds: %d
"""
WHY = (
    "its rates rest on something beside the step, such as the process, the time or the machine; "
    "make them a function of the step"
)


@pytest.fixture(autouse=True)
def fresh():
    with as_in_a_new_process() as forget:
        yield forget


@pytest.fixture
def train(tmp_path):
    """Train a sweep of a scheduler beside a constant rate, and return its runs and epochs."""
    plugin = tmp_path / "own.py"
    plugin.write_text(OWN)

    def train(name: str, seeds: int = 2, workers: int = 0):
        (tmp_path / "own.yaml").write_text(SWEEP % (name, seeds))
        file, given = tmp_path / "own.yaml", [str(plugin)]
        folder = run_sweep(file, tmp_path, workers=workers, plugins=given).folder
        return read_runs(folder), read_epochs(folder)

    return train


def failed(name: str) -> str:
    return f"the learning rates of {name} were not those of the plan: {WHY}"


def later(monkeypatch, change):
    """Let training find another world than planning did."""
    train = Training._train

    def changed(self, groups, setup, tell):
        change()
        train(self, groups, setup, tell)

    monkeypatch.setattr(Training, "_train", changed)
    return Training(monkeypatch)


@pytest.mark.parametrize("name", slow_but(["PidLR"], ["PidLR", "ModeLR", "DayLR"]))
def test_runs_with_other_rates_than_planned_have_failed(train, monkeypatch, name):
    monkeypatch.delenv("SHARE_OF_RATE", raising=False)

    other = os.getpid() + 1

    def change():
        monkeypatch.setattr(os, "getpid", lambda: other)
        monkeypatch.setenv("SHARE_OF_RATE", "0.5")
        today = time.localtime()
        tomorrow = time.struct_time([*today[:7], today[7] + 1, *today[8:]])
        monkeypatch.setattr(time, "localtime", lambda: tomorrow)

    later(monkeypatch, change)
    runs, epochs = train(name)
    for scheduler, rows in runs.groupby("scheduler"):
        if scheduler == "constant":
            assert rows["status"].tolist() == ["completed"] * 2
            continue
        assert rows["status"].tolist() == ["failed"] * 2
        assert rows["error"].tolist() == [failed(name)] * 2
        for column in ("test_accuracy", "rates_digest", "init_digest", "seconds", "group_size"):
            assert rows[column].isna().all()
        assert set(rows["engine"]) == {"reference"}
    assert set(epochs["scheduler"]) == {"constant"}


@pytest.mark.parametrize("name", slow_but(["Own"], ["Own", "SteeredLR"]))
def test_a_function_of_the_step_and_one_that_is_steered_raise_no_alarm(train, monkeypatch, name):
    later(monkeypatch, lambda: monkeypatch.setattr(os, "getpid", lambda: 1))
    runs, _ = train(name)
    assert set(runs["status"]) == {"completed"}


@pytest.mark.slow
def test_a_sweep_does_not_go_on_at_other_rates(train, monkeypatch, tmp_path):
    Training(monkeypatch)
    monkeypatch.setenv("SHARE_OF_RATE", "0.5")
    assert set(train("ModeLR", 2)[0]["status"]) == {"completed"}
    monkeypatch.setenv("SHARE_OF_RATE", "0.25")
    with pytest.raises(InputError) as caught:
        train("ModeLR", 4)
    assert str(caught.value) == (
        f"{tmp_path / 'own'}: 2 runs of one trained at other learning rates than ModeLR gives "
        f"now: {WHY}, and start again with --results DIR"
    )
    monkeypatch.setenv("SHARE_OF_RATE", "0.5")
    runs, _ = train("ModeLR", 4)
    assert runs["status"].tolist() == ["completed"] * 8
    assert runs.groupby("scheduler")["rates_digest"].nunique().tolist() == [1, 1]


@pytest.mark.slow
def test_the_digest_of_the_plan_is_that_of_a_run(train, monkeypatch, tmp_path):
    """In the last, shorter step of an epoch too, and for each length and base rate."""
    Training(monkeypatch)
    runs, _ = train("Own")
    text = (tmp_path / "own.yaml").read_text()
    listed = list_runs(parse_sweep(text + "batch_size: [64, 100]\n"), digits())
    planned = PlannedRates(digits().train_count - listed[0].validation)
    planned.add(listed)
    own = {run.run_id: run for run in listed if run.scheduler == "one"}
    assert planned._by_run.keys() == own.keys()
    assert len(set(planned._by_run.values())) == 2
    by_id = runs.set_index("run_id")["rates_digest"].to_dict()
    of_64 = [run for run in own.values() if run.batch_size == 64]
    assert [planned._by_run[run.run_id] for run in of_64] == [by_id[run.run_id] for run in of_64]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["PidLR", "DrawnLR", "HashLR"])
def test_a_true_worker_is_another_process(train, monkeypatch, name):
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    runs, _ = train(name, seeds=1, workers=1)
    rows = runs.set_index("scheduler")
    assert rows.loc["constant", "status"] == "completed"
    assert (rows.loc["one", "status"], rows.loc["one", "error"]) == ("failed", failed(name))
