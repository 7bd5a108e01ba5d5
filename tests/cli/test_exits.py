"""How commands end where the system gives no room, no memory or no width: in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.commands import call
from helpers.frames import make_tables, write_folder

from lrdecay.store.export import csv


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "s", make_tables(("constant", "step"), (0.3,), 2, 1))


def program(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lrdecay", *map(str, arguments)]
    return subprocess.run(command, text=True, stderr=subprocess.PIPE, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", ["--version", "--help", "status"])
def test_a_full_disk_is_one_line(folder, command):
    arguments = [command, folder] if command == "status" else [command]
    with open("/dev/full", "w") as full:
        done = program(*arguments, stdout=full)
    assert (done.returncode, done.stderr) == (1, "lrdecay: No space left on device\n")


@pytest.mark.slow
@pytest.mark.parametrize("size", ["COLUMNS", "LINES"])
def test_a_terminal_of_no_size_is_one_of_unknown_size(folder, size):
    shown = []
    for value in ({}, {size: "0"}, {size: ""}):
        environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")} | value
        done = program("status", folder, stdout=subprocess.PIPE, env=environment)
        assert (done.returncode, done.stderr) == (0, "")
        shown.append(done.stdout)
    assert shown[0] == shown[1] == shown[2]
    assert shown[0].splitlines()[0].split() == [
        *("scheduler", "runs", "completed", "diverged", "failed", "running", "missing"),
    ]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "MemoryError"),
        (RuntimeError("can't start new thread"), "RuntimeError: can't start new thread"),
    ],
)
def test_too_little_memory_is_one_line_and_leaves_nothing(folder, monkeypatch, error, said):
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(csv, "write_csv", fails)
    result = call("export", folder, "--to", "csv")
    assert (result.exit_code, result.output) == (
        1,
        f"lrdecay: there is not enough memory, or no further process ({said})\n",
    )
    assert list((folder / "export").iterdir()) == []


def test_a_mistake_of_ours_is_no_shortage(folder, monkeypatch):
    def fails(*_: object) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(csv, "write_csv", fails)
    assert str(call("export", folder, "--to", "csv").exception) == "no such luck"


@pytest.mark.usefixtures("empty_figures")
def test_a_report_whose_list_cannot_be_written_is_complete(folder, monkeypatch):
    def fails(home: Path) -> None:
        raise PermissionError(13, "Permission denied", str(home / ".index.html.12.tmp"))

    monkeypatch.setattr("lrdecay.report.index.write_index", fails)
    result = call("report", folder)
    assert (result.exit_code, result.output) == (
        0,
        f"{folder}/report.html\n"
        f"{folder.parent}/index.html does not list the reports: Permission denied\n",
    )
