"""Who writes to a folder: one process at a time; looking at it takes no right to write."""

import os
import shutil
import tomllib
from pathlib import Path

import pytest
from helpers.commands import call
from helpers.folders import filled
from helpers.paths import HOME
from helpers.rights import open_folder, read_only

from lrdecay.core.errors import InputError
from lrdecay.report.watch import watch_results
from lrdecay.store.lock import find_holder, hold_folder, share_folder
from lrdecay.store.merge import merge_results
from lrdecay.store.reader import read_runs
from lrdecay.store.status import read_status


def begun(folder: Path, parts: tuple[tuple[int, ...], ...] = ((0, 1), (2,))) -> Path:
    """A results folder that a sweep has written to, and that nobody writes to now."""
    filled(folder, parts)
    with hold_folder(folder):
        pass
    assert (folder / ".lock").exists()
    return folder


def test_status_needs_no_right_to_write():
    with open_folder() as home:
        folder = begun(home / "s")
        there = sorted(folder.rglob("*"))
        with read_only(folder):
            with pytest.raises(PermissionError):
                (folder / "x").touch()
            counts, holder = read_status(folder)
            assert (counts["completed"].sum(), holder) == (3, None)
            result = call("status", folder)
        assert (result.exit_code, result.output.splitlines()[-1]) == (
            0,
            "No sweep is at work here.",
        )
        assert sorted(folder.rglob("*")) == there


@pytest.mark.usefixtures("empty_figures")
def test_a_report_is_watched_without_the_right_to_write():
    with open_folder() as home:
        folder = begun(home / "s", ((0, 1, 2), (3, 4, 5)))
        lines: list[str] = []
        with read_only(folder):
            watch_results(folder, home / "page.html", lines.append)
        assert lines == [f"{home / 'page.html'}: 6 of 6 runs"]
        assert "<!doctype html>" in (home / "page.html").read_text()


def test_sources_of_a_merge_need_no_right_to_write_and_are_not_changed():
    with open_folder() as home:
        sources = [begun(home / "a", ((0, 1),)), begun(home / "b", ((2, 3),))]
        (home / "c").mkdir()
        shutil.copytree(home / "a", home / "c" / "unlocked")
        (home / "c" / "unlocked" / ".lock").unlink()
        sources.append(home / "c" / "unlocked")
        before = [sorted(source.rglob("*")) for source in sources]
        with read_only(*sources):
            assert merge_results(sources, home / "into").runs == 4
        assert [sorted(source.rglob("*")) for source in sources] == before
        assert sorted(read_runs(home / "into")["seed"]) == [0, 1, 2, 3]


def test_a_lock_that_may_not_be_read_is_not_looked_at():
    with open_folder() as home:
        folder = begun(home / "s")
        with read_only(folder):
            os.seteuid(os.getuid())
            (folder / ".lock").chmod(0)
            if os.getuid() == 0:
                os.seteuid(65534)
            assert find_holder(folder) is None


def test_who_reads_sees_who_writes_and_not_who_reads(tmp_path):
    folder = begun(tmp_path / "s")
    with share_folder(folder) as first, share_folder(folder) as second:
        assert (first, second, find_holder(folder)) == (None, None, None)
        with pytest.raises(InputError, match=r"s: a merge reads this folder; wait for its end$"):
            hold_folder(folder).__enter__()
    with hold_folder(folder), share_folder(folder) as holder:
        assert holder is not None
        assert holder.pid == os.getpid()
    with hold_folder(folder):
        pass


def test_a_folder_that_nobody_wrote_to_is_only_looked_at(tmp_path):
    with share_folder(tmp_path) as holder:
        assert holder is None
    (tmp_path / "file").touch()
    assert find_holder(tmp_path / "file") is None
    assert find_holder(tmp_path / "nowhere") is None
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("command", ["status", "verify"])
def test_a_lock_that_is_a_link_is_refused(tmp_path, command):
    folder, victim = tmp_path / "s", tmp_path / "thesis.txt"
    filled(folder)
    victim.write_text("mine")
    (folder / ".lock").symlink_to("../thesis.txt")
    result = call(command, folder)
    assert (result.exit_code, result.output) == (
        2,
        f"lrdecay: {folder}/.lock: a link; a results folder must hold its .lock itself\n",
    )
    for into, sources in ((folder, [tmp_path / "x"]), (tmp_path / "x", [folder])):
        with pytest.raises(InputError, match=r"\.lock: a link; a results folder must hold"):
            merge_results(sources, into)
    assert victim.read_text() == "mine"


def test_a_lock_that_is_a_pipe_is_not_waited_for(tmp_path):
    filled(tmp_path / "s")
    os.mkfifo(tmp_path / "s" / ".lock")
    assert find_holder(tmp_path / "s") is None


def test_only_a_filelock_is_used_that_empties_nothing():
    """Below 4 it opens what a link leads to, and empties it."""
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    (needed,) = [each for each in project["dependencies"] if each.startswith("filelock")]
    assert needed == "filelock>=4.0"
    (pinned,) = [
        line for line in (HOME / "requirements.lock").read_text().splitlines() if "filelock" in line
    ]
    assert int(pinned.removeprefix("filelock==").split(".")[0]) >= 4
