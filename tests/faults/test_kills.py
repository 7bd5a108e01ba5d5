"""A sweep that is killed, at any moment and before each change that it makes to the disk."""

import random
import shutil
import time
from collections import Counter

import pytest
from helpers.disk import Changes
from helpers.tiny import (
    RUNS_OF_TEXT,
    assert_same,
    in_no_time,
    in_process,
    run_ids,
    sweep_in_process,
    verify_in_process,
)

from lrdecay.core.errors import DamagedError
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.verify import verify_results
from lrdecay.store.versions import read_table


def test_kills_at_random_moments(trained, tmp_path, often, figure):
    """Every sweep trains for good, and is killed again and again until one gets to the end."""
    chance = random.Random(0)
    kills, lost, kept, sweeps = 0, 0, 0, 0
    wanted = often(3, 200)
    for results in (tmp_path / "to warm up", tmp_path / "to take the time"):
        started = time.monotonic()
        assert in_process(sweep_in_process, trained.file, results, None).itself
        whole = time.monotonic() - started
    while kills < wanted:
        results = tmp_path / str(sweeps)
        committed: set[str] = set()
        itself = False
        while not itself:
            patience = chance.uniform(0.05, whole) if kills < wanted else None
            ended = in_process(sweep_in_process, trained.file, results, None, seconds=patience)
            itself = ended.itself
            committed |= ended.committed
            there = run_ids(results / "tiny")
            lost += len(committed - there)
            if not itself:
                kills += 1
                kept = max(kept, len(committed))
        assert lost == 0
        assert_same(results / "tiny", trained.plain)
        sweeps += 1
    assert kept > 0, whole
    figure("SIGKILL at random moments", f"{kills} kills in {sweeps} sweeps, {lost} commits lost")


@pytest.fixture(scope="module")
def with_damage(on_the_way, tmp_path_factory):
    """The same with one part cut short: a run of eight is lost."""
    results = tmp_path_factory.mktemp("with_damage")
    shutil.copytree(on_the_way, results, dirs_exist_ok=True)
    part = next((results / "tiny" / "parts").iterdir()) / "epochs.parquet"
    part.write_bytes(part.read_bytes()[:-100])
    return results


@pytest.mark.parametrize("command", ["a first sweep", "a sweep that asks for less", "verify"])
def test_a_kill_before_each_change_to_the_disk(
    trained, on_the_way, with_damage, narrower, tmp_path, often, figure, command
):
    """Of commits, batches, tables, what is set aside and what is tidied up."""
    records = trained.records
    match command:
        case "a first sweep":
            before, target, args = None, sweep_in_process, (trained.file, tmp_path, records)
        case "a sweep that asks for less":
            before, target, args = on_the_way, sweep_in_process, (narrower, tmp_path, records)
        case _:
            before, target, args = with_damage, verify_in_process, (tmp_path / "tiny",)

    def restore():
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        if before is not None:
            shutil.copytree(before, tmp_path, dirs_exist_ok=True)

    restore()
    with in_no_time(records), Changes(tmp_path) as changes:
        if target is sweep_in_process:
            run_sweep(args[0], tmp_path, workers=0)
        else:
            assert len(verify_results(tmp_path / "tiny").findings) == 1
    count = len(changes.names)
    assert count > 30
    lost = 0
    for at in range(0, count, often(max(1, count // 6), 1)):
        restore()
        sound = set() if before is None else set(records)
        if before is with_damage:
            sound -= {run_of_damage(with_damage)}
        ended = in_process(target, *args, at)
        assert not ended.itself
        folder = tmp_path / "tiny"
        if before is with_damage:
            verify_results(folder)
        there = run_ids(folder) | run_ids(folder / "earlier")
        lost += len((ended.committed | sound) - there)
        assert lost == 0, changes.names[at]
        with in_no_time(records):
            summary = run_sweep(trained.file, tmp_path, workers=0)
        assert summary.completed == RUNS_OF_TEXT - len(there), changes.names[at]
        again = verify_results(tmp_path / "tiny")
        assert (again.findings, again.runs) == ((), RUNS_OF_TEXT), changes.names[at]
        assert_same(tmp_path / "tiny", trained.folder)
    names = Counter(changes.names)
    figure(f"SIGKILL before each change, {command}", f"{count} kills, {len(names)} kinds of change")


def run_of_damage(results) -> str:
    """The one run whose part is broken."""
    part = next(p for p in (results / "tiny" / "parts").iterdir() if not sound(p))
    return read_table(part / "runs.parquet")["run_id"].to_pylist()[0]


def sound(part) -> bool:
    try:
        read_table(part / "epochs.parquet")
    except DamagedError:
        return False
    return True
