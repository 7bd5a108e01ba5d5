"""A sweep that is told to stop: in order at the first signal, at once at the second."""

import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

import pytest
from helpers.results import assert_same

from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_runs

TEXT = """\
name: tiny
dataset: digits
epochs: 4
schedulers:
  constant: {class: constant}
  plateau:  {class: ReduceLROnPlateau, factor: 0.5, patience: 0}
dropout: [0.0, 0.3]
seeds: 2
"""
RUNS = 8
SECONDS = 60  # a bound for a machine that does much else


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "tiny.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def fresh(file, tmp_path_factory):
    return run_sweep(file, tmp_path_factory.mktemp("fresh"), workers=0).folder


def start(*command: object) -> subprocess.Popen[str]:
    """A command in a session of its own, with Python's own handlers."""
    # a shell's background job ignores Ctrl-C, and so would what it starts
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def start_sweep(file: Path, results: Path) -> subprocess.Popen[str]:
    options = ("--results", results, "--workers", 2, "--group-size", 1)
    return start("-m", "lrdecay", "sweep", file, *options)


def until(condition, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 2 * SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def listens(process: subprocess.Popen[str]) -> bool:
    """Whether it has a handler for SIGTERM."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    (caught,) = (int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def committed(results: Path) -> bool:
    parts = results / "tiny" / "parts"
    return parts.is_dir() and any(part.name[0] != "." for part in parts.iterdir())


def of_session(session: int) -> list[int]:
    """The processes of a session that are alive."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, its = stat.read_text().rpartition(")")[2].split()[:4]
            if int(its) == session and state != "Z":
                found.append(int(stat.parent.name))
    return found


def assert_nobody_is_left(process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while left := of_session(process.pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def assert_goes_on(file: Path, results: Path, fresh: Path) -> int:
    """What is finished is in the tables, and the rest comes out the same; return how much is."""
    done = len(read_runs(results / "tiny")) if (results / "tiny" / "runs.parquet").exists() else 0
    summary = run_sweep(file, results, workers=0)
    assert (summary.reused, summary.completed) == (done, RUNS - done)
    assert_same(summary.folder, fresh)
    return done


@pytest.mark.soak
def test_a_signal_stops_a_sweep_in_order(file, fresh, tmp_path, often):
    for stop in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)[: often(1, 3)]:
        results = tmp_path / stop.name
        process = start_sweep(file, results)
        until(lambda process=process, results=results: committed(results), process)
        process.send_signal(stop)
        output, errors = process.communicate(timeout=SECONDS)
        assert process.returncode == 128 + stop, (output, errors)
        assert errors == (
            f"\nInterrupted; finished runs are in {results}/tiny. To continue: lrdecay sweep "
            f"{file} --results {results} --workers 2 --group-size 1\n"
        )
        assert_nobody_is_left(process)
        assert 1 <= assert_goes_on(file, results, fresh) < RUNS


@pytest.mark.soak
def test_two_signals_do_no_damage(file, fresh, tmp_path, often, figure):
    times = often(1, 10)
    for number in range(times):
        for second in (signal.SIGINT, signal.SIGKILL):
            results = tmp_path / f"{second.name}{number}"
            process = start_sweep(file, results)
            until(lambda process=process, results=results: committed(results), process)
            process.send_signal(signal.SIGINT if second == signal.SIGINT else signal.SIGTERM)
            time.sleep(0.05 if second == signal.SIGKILL else random.Random(number).uniform(0, 1))
            process.send_signal(second)
            process.communicate(timeout=SECONDS)
            # the first one may have been followed to the end by then
            # (-2: the second one came when Python itself had ended)
            expected = (130, -2) if second == signal.SIGINT else (-9, 143)
            assert process.returncode in expected
            assert_nobody_is_left(process)
            assert_goes_on(file, results, fresh)
    figure("TERM then KILL; INT then INT", f"{times} times each")


def test_a_signal_at_any_moment_does_no_damage(file, fresh, tmp_path, often, figure):
    """From the first moments, in which torch is still being imported, to the last ones."""
    seconds, finished = [], []
    for number in range(often(2, 50)):
        results = tmp_path / str(number)
        delay = random.Random(number).uniform(0, 14) if number else 0.0
        process = start_sweep(file, results)
        until(lambda process=process: listens(process), process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        told = time.monotonic()
        process.terminate()
        output, errors = process.communicate(timeout=SECONDS)
        seconds.append(time.monotonic() - told)
        # once all is trained, a process that is about to end has no handler any more
        assert process.returncode == 143 or "8 trained now" in output, (output, errors)
        if process.returncode == 143:
            line = errors.removeprefix("\n").removesuffix("\n")
            assert "\n" not in line, errors
            assert line.startswith("Interrupted; ")
            assert f"To continue: lrdecay sweep {file}" in line
        assert_nobody_is_left(process)
        finished.append(assert_goes_on(file, results, fresh))
    figure("TERM at random moments", f"{len(seconds)} times, {sum(finished)} runs kept")
    figure("seconds to stop", f"median {median(seconds):.2f}, most {max(seconds):.2f}")


# The module alone, without torch

HELD = """\
import signal, subprocess, sys, time
from lrdecay.core import signals
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with signals.stop_on_signal():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    signals.children.add(child)
    with signals.hold_signals():
        print("ready", flush=True)
        while True:
            time.sleep(0.01)
"""


def test_the_second_signal_ends_all_at_once_and_an_ignored_one_nothing():
    process = start("-c", HELD)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)  # still the same request
    time.sleep(1)
    assert process.poll() is None
    assert len(of_session(process.pid)) == 2
    process.terminate()
    assert process.wait(SECONDS) == 143
    assert_nobody_is_left(process)
    process.communicate()


SWALLOWED = """\
import os, signal
from lrdecay.core import signals
class Swallows:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
try:
    with signals.stop_on_signal():
        Swallows()
        print("goes on")
        try:
            raise ImportError("the signal broke it")
        except ImportError:
            signals.check_signals()
except signals.Stopped as stop:
    print(stop, stop.exit_code)
"""


def test_what_python_swallows_is_not_forgotten():
    process = start("-c", SWALLOWED)
    output, errors = process.communicate(timeout=SECONDS)
    assert output == "goes on\nSIGTERM 143\n"
    assert "Exception ignored" in errors


def test_an_error_that_a_signal_causes_is_a_stop():
    code = SWALLOWED.replace("signals.check_signals()", "raise")
    output, _ = start("-c", code).communicate(timeout=SECONDS)
    assert output == "goes on\nSIGTERM 143\n"


def test_a_library_call_leaves_the_handlers_alone(file, tmp_path):
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    seen = []

    class Interrupts:
        def start(self, runs, done, workers):
            """Nothing is shown."""

        note = epoch = print

        def finished(self, record):
            seen.append([signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, 1)])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(file, tmp_path, workers=0, progress=Interrupts())
    assert seen == [before]
    assert read_runs(tmp_path / "tiny")["status"].tolist() == ["completed"]
