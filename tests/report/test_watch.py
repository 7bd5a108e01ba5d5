import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers.frames import make_tables, write_folder
from helpers.tiers import slow_but

from lrdecay.core.errors import InputError
from lrdecay.report import watch
from lrdecay.report.page import write_report
from lrdecay.store.lock import hold_folder

RUNS, EPOCHS = make_tables(("constant", "step"), (0.0, 0.3), seeds=2, n_epochs=2)
REFRESH = '<meta http-equiv="refresh" content="5">'


def beginning(folder: Path) -> Path:
    """A sweep of 8 runs, 5 of which have ended."""
    return write_folder(folder, (RUNS.iloc[:5], EPOCHS), planned=8)


def land(folder: Path, start: int, end: int) -> None:
    """Commit runs as a part, as a sweep does."""
    write_folder(folder / "parts" / f"{start}", (RUNS.iloc[start:end], EPOCHS))


def watched(folder: Path, monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], None]) -> list[str]:
    """Watch a folder in which the steps happen, one between each two looks; what was said."""
    to_come = list(steps)
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: to_come.pop(0)())
    lines: list[str] = []
    watch.watch_results(folder, folder / "report.html", lines.append)
    assert to_come == []
    return lines


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_the_page_follows_the_runs_and_reloads_until_they_are_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = beginning(tmp_path / "s")
    path = folder / "report.html"
    pages: list[tuple[int, str]] = []

    def look() -> None:
        pages.append((path.stat().st_ino, path.read_text()))

    with ExitStack() as held:
        held.enter_context(hold_folder(folder))
        lines = watched(
            folder,
            monkeypatch,
            look,
            look,
            lambda: land(folder, 5, 7),
            look,
            lambda: land(folder, 7, 8),
            look,
            held.close,
        )
    (first, text), (same, _), (_, more), (_, all_of_them) = pages
    assert first == same  # nothing had changed
    for page, runs in ((text, 5), (more, 7), (all_of_them, 8)):
        assert page.count(REFRESH) == 1
        assert f"{runs} runs in the tables" in page
    assert lines == [f"{path}: {n} of 8 runs" for n in (5, 7, 8)]
    assert path.read_text() == write_report(folder, tmp_path / "plain.html").read_text()
    assert REFRESH not in path.read_text()


@pytest.mark.usefixtures("empty_figures")
def test_a_complete_sweep_that_nobody_holds_is_written_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "s", (RUNS, EPOCHS))
    assert watched(folder, monkeypatch) == [f"{folder / 'report.html'}: 8 of 8 runs"]
    assert REFRESH not in (folder / "report.html").read_text()


@pytest.mark.usefixtures("empty_figures")
def test_it_waits_for_a_sweep_that_has_just_begun_or_will_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    with ExitStack() as held:
        held.enter_context(hold_folder(folder))
        lines = watched(
            folder,
            monkeypatch,
            lambda: write_folder(folder, (RUNS.iloc[:0], EPOCHS.iloc[:0]), planned=8) and None,
            lambda: land(folder, 0, 5),
            held.close,
            lambda: None,
            lambda: land(folder, 5, 8),
        )
    assert lines == [
        f"{folder / 'report.html'}: 5 of 8 runs",
        f"{folder}: nobody trains there at the moment; waiting for more runs",
        f"{folder / 'report.html'}: 8 of 8 runs",
    ]


def test_what_holds_no_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results in"):
        watch.watch_results(tmp_path, tmp_path / "report.html", print)


@pytest.mark.usefixtures("empty_figures")
def test_an_error_leaves_a_page_that_does_not_reload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = beginning(tmp_path / "s")
    with pytest.raises(InputError, match="damaged"):
        watched(folder, monkeypatch, lambda: damage(folder / "runs.parquet"))
    assert REFRESH not in (folder / "report.html").read_text()
    assert "5 runs in the tables" in (folder / "report.html").read_text()


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("number", "code"),
    slow_but([], [(signal.SIGINT, 130), (signal.SIGTERM, 143)], soak=[(signal.SIGTERM, 143)]),
)
def test_a_signal_ends_it_in_one_line(tmp_path: Path, number: int, code: int) -> None:
    folder = beginning(tmp_path / "s")
    path = folder / "report.html"
    process = subprocess.Popen(
        [sys.executable, "-m", "lrdecay", "report", str(folder), "--watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
        # who runs the tests in the background of a shell has it ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"{path}: 5 of 8 runs\n"
    assert "waiting for more runs" in process.stdout.readline()
    assert REFRESH in path.read_text()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert err == "\nStopped watching; the page stays as it is.\n"
    assert REFRESH not in path.read_text()
