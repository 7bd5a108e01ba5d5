"""Files that are written whole or not at all, whoever else writes them or was killed meanwhile."""

import os
from pathlib import Path

import pytest

from lrdecay.store import atomic
from lrdecay.store.atomic import (
    lock_scratch,
    name_scratch,
    remove_scratch,
    replace_file,
    write_text,
)


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test makes is as old as what a killed process left."""
    monkeypatch.setattr(atomic, "_YOUNG", -1.0)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_two_processes_of_one_number_write_two_files(tmp_path, old, monkeypatch):
    """As two containers have it, each with its own processes."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    path = tmp_path / "page.html"
    with replace_file(path) as one:
        one.write(b"one, ")
        with replace_file(path) as other:
            other.write(b"the other")
        assert path.read_bytes() == b"the other"
        one.write(b"complete")
    assert path.read_bytes() == b"one, complete"
    assert names(tmp_path) == ["page.html"]


def test_names_of_scratch_differ_and_tell_of_what_they_are():
    path = Path("home") / "page.html"
    found = {name_scratch(path) for _ in range(100)}
    assert len(found) == 100
    for scratch in found:
        assert scratch.parent == path.parent
        assert scratch.name.startswith(".page.html.")
        assert scratch.name.endswith(".tmp")


def test_what_killed_processes_left_goes_with_the_next_write(tmp_path, old):
    for name in (".a.html.77.tmp", ".a.html.0123456789ab.tmp"):
        (tmp_path / name).write_text("half")
    (tmp_path / ".a.html.99.tmp").mkdir()
    (tmp_path / ".a.html.99.tmp" / "half").touch()
    kept = [".a.html.notes.tmp", ".b.html.77.tmp", "a.html.77.tmp", ".a.html.77.old"]
    for name in kept:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".a.html.88.tmp").symlink_to(tmp_path / "a.html.77.tmp")
    write_text("page", tmp_path / "a.html")
    assert names(tmp_path) == sorted([*kept, ".a.html.88.tmp", "a.html"])
    assert (tmp_path / "a.html.77.tmp").read_text() == "mine"
    remove_scratch(tmp_path / "a.html", "old")
    assert ".a.html.77.old" not in names(tmp_path)


def test_what_is_in_use_or_new_stays(tmp_path, monkeypatch):
    scratch = tmp_path / ".a.html.77.tmp"
    scratch.touch()
    write_text("page", tmp_path / "a.html")
    assert scratch.exists()  # it may be locked in a moment
    monkeypatch.setattr(atomic, "_YOUNG", -1.0)
    with lock_scratch(scratch):
        write_text("page", tmp_path / "a.html")
        assert scratch.exists()
    write_text("page", tmp_path / "a.html")
    assert names(tmp_path) == ["a.html"]


def test_a_write_that_breaks_off_leaves_what_was_there(tmp_path):
    write_text("before", tmp_path / "a.html")

    def break_off() -> None:
        with replace_file(tmp_path / "a.html") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert (tmp_path / "a.html").read_text() == "before"
    assert names(tmp_path) == ["a.html"]
