"""Several processes that want to write to one folder at the same moment: one of them does."""

import os
import shutil

import pytest
from helpers.tiny import RUNS_OF_TEXT, assert_same, begin, fork_context, in_no_time, replay

from lrdecay.core.errors import InputError
from lrdecay.execution.local.executor import Local
from lrdecay.runner import coordinator
from lrdecay.store.lock import find_holder, hold_folder
from lrdecay.store.status import read_status
from lrdecay.store.verify import verify_results

PATIENCE = 300  # seconds, for a machine that does much else


def attempt(told, together, end, trained, results) -> None:
    """Sweep when all others do; who trains goes on until all others have given up."""
    told.send(os.getpid())

    def train(*args):
        told.send("trains")
        assert end.wait(PATIENCE)
        replay(trained.records)(*args)

    with in_no_time(trained.records) as patch:
        patch.setattr(Local, "train", train)
        try:
            together.wait(PATIENCE)
            told.send(coordinator.run_sweep(trained.file, results, workers=0).completed)
        except InputError as error:
            told.send(str(error))
        except BaseException as error:
            told.send(repr(error))
            raise


def hear(told):
    """The next that a process tells."""
    assert told.poll(PATIENCE), "a process says nothing"
    return told.recv()


@pytest.mark.parametrize("count", [2, 8])
def test_of_processes_that_start_at_once_one_runs(trained, tmp_path, often, figure, count):
    times = often(2, 100)
    for number in range(times):
        results = tmp_path / str(number)
        together, end = fork_context.Barrier(count), fork_context.Event()
        pipes = [fork_context.Pipe(duplex=False) for _ in range(count)]
        args = (together, end, trained, results)
        processes = [begin(attempt, tell, *args) for _, tell in pipes]
        pids = [hear(told) for told, _ in pipes]
        said = [hear(told) for told, _ in pipes]
        (first,) = (i for i, what in enumerate(said) if what == "trains")
        for i, what in enumerate(said):
            if i != first:
                assert what.startswith(f"{results}/tiny: another sweep is writing to this folder")
                assert f"(process {pids[first]} on " in what
        end.set()
        assert hear(pipes[first][0]) == RUNS_OF_TEXT
        for process in processes:
            process.join(PATIENCE)
            assert process.exitcode == 0
        assert_same(results / "tiny", trained.folder)
        shutil.rmtree(results)
    figure(f"{count} processes at once", f"{times} times, exactly one trained")


def test_who_holds_a_folder_is_seen_and_forgotten(trained, tmp_path):
    results = shutil.copytree(trained.folder, tmp_path / "tiny")
    assert find_holder(results) is None
    run = next(iter(trained.records))
    with hold_folder(results) as hold:
        hold.training([run])
        found = find_holder(results)
        assert (found.pid, found.training) == (os.getpid(), (run,))
        with pytest.raises(InputError, match=rf"another sweep .* \(process {os.getpid()} on "):
            verify_results(results)
        assert read_status(results)[1] == found
    assert find_holder(results) is None
    assert not (results / ".holder").exists()


def test_the_kernel_lets_go_of_what_a_killed_process_held(trained, tmp_path):
    together, end = fork_context.Barrier(1), fork_context.Event()
    told, tell = fork_context.Pipe(duplex=False)
    process = begin(attempt, tell, together, end, trained, tmp_path)
    assert (hear(told), hear(told)) == (process.pid, "trains")
    assert find_holder(tmp_path / "tiny").pid == process.pid
    process.kill()
    process.join()
    assert find_holder(tmp_path / "tiny") is None
    with in_no_time(trained.records):
        assert coordinator.run_sweep(trained.file, tmp_path, workers=0).completed == RUNS_OF_TEXT
