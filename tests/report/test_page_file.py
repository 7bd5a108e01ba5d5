"""A written page: a path to all that takes one, and a page to a notebook."""

import copy
import os
import pickle
import shutil
from pathlib import Path

import pytest
from helpers.frames import make_tables, write_folder
from helpers.html_page import Fragment, Page

from lrdecay.report import page_file
from lrdecay.report.page import write_report
from lrdecay.report.page_file import PageFile


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("home") / "a b", make_tables(("a", "b"), (0.0,)))


def test_it_is_the_path(folder, tmp_path):
    written = write_report(folder)
    plain = folder / "report.html"
    assert isinstance(written, Path)
    assert (written, hash(written), str(written)) == (plain, hash(plain), str(plain))
    assert plain == written
    assert {plain: 1}[written] == 1
    assert os.fspath(written) == str(plain)
    assert Path(written) == plain
    assert pickle.loads(pickle.dumps(written)) == plain
    assert (written.name, written.suffix, written.parent) == ("report.html", ".html", folder)
    assert written.parent / "runs.parquet" == folder / "runs.parquet"
    assert written.with_name("other.html").parent == folder
    assert written.resolve() == plain.resolve()
    assert Path(shutil.copy(written, tmp_path)).read_bytes() == plain.read_bytes()


def test_what_is_made_of_it_is_a_plain_path(folder, tmp_path, monkeypatch):
    written = write_report(folder)
    home = Path(folder)
    monkeypatch.chdir(home)
    made = {
        written.with_name("runs.parquet"): home / "runs.parquet",
        written.with_suffix(".txt"): home / "report.txt",
        written.with_stem("a"): home / "a.html",
        written.parent: home,
        written.parents[1]: home.parent,
        written / "x": home / "report.html" / "x",
        "x" / PageFile("a.html"): Path("x/a.html"),
        written.joinpath("x", "y"): home / "report.html" / "x" / "y",
        written.relative_to(home): Path("report.html"),
        PageFile("report.html").absolute(): home / "report.html",
        PageFile("report.html").resolve(): (home / "report.html").resolve(),
        PageFile("~").expanduser(): Path.home(),
        next(PageFile("..").iterdir()): Path("..", os.listdir("..")[0]),
        PageFile(shutil.copy(written, tmp_path)).rename(tmp_path / "b"): tmp_path / "b",
        PageFile(tmp_path / "b").replace(tmp_path / "c"): tmp_path / "c",
    }
    assert list(made) == list(made.values())
    assert {type(path) for path in made} == {type(home)}
    again = [pickle.loads(pickle.dumps(written)), copy.deepcopy(written), PageFile(written)]
    assert again == [written] * 3
    assert {type(path) for path in again} == {type(written)} == {PageFile}


def test_a_notebook_gets_the_whole_page_and_a_link(folder, monkeypatch):
    written = write_report(folder)
    monkeypatch.chdir(folder.parent)
    found = Fragment(PageFile("a b/report.html")._repr_html_())
    (link,) = [given for tag, given in found.tags if tag == "a"]
    assert link["href"] == "a%20b/report.html"
    (frame,) = [given for tag, given in found.tags if tag == "iframe"]
    assert frame["sandbox"] == "allow-scripts allow-downloads"  # with an origin of its own
    assert frame["srcdoc"] == written.read_text().replace(
        "<head>", '<head><base href="about:srcdoc">', 1
    )
    assert found.names == {"a", "code", "br", "iframe"}


def test_a_page_elsewhere_has_no_link_that_would_lead_nowhere(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    elsewhere = Fragment(write_report(folder)._repr_html_())
    assert elsewhere.names == {"code", "br", "iframe"}
    assert elsewhere.lines == [str(folder / "report.html")]
    (tmp_path / "..html").write_text("<head>")
    assert Fragment(PageFile("..html")._repr_html_()).tags[0] == (
        "a",
        {"href": "..html", "target": "_blank", "rel": "noopener"},
    )


def test_a_large_page_is_linked_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = PageFile("large.html")
    page.write_text("<head>" + "x" * (page_file.MAX_EMBEDDED - 6))
    assert "iframe" in Fragment(page._repr_html_()).names
    page.write_text("<head>" + "x" * (page_file.MAX_EMBEDDED - 5))
    found = Fragment(page._repr_html_())
    assert found.names == {"a", "code"}
    assert found.lines == ["large.html : 2.0 MB, so it is not shown here"]


def test_a_page_that_was_removed_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = Fragment(PageFile("<img src=x>&.html")._repr_html_())
    assert found.lines == ["<img src=x>&.html"]
    assert found.names == {"a", "code"}


def test_what_cannot_be_shown_is_named_without_an_error(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    assert Fragment(PageFile("runs.parquet")._repr_html_()).names == {"a", "code"}
    assert Fragment(PageFile(folder)._repr_html_()).names == {"a", "code"}
    assert Fragment(PageFile("a\0b")._repr_html_()).names == {"a", "code"}
    assert Fragment(PageFile("x" * 5000)._repr_html_()).names == {"a", "code"}
    written, gone = write_report(folder), tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert Fragment(written._repr_html_()).names == {"code", "br", "iframe"}
    assert Fragment(PageFile("a.html")._repr_html_()).lines == ["a.html"]


def test_the_published_reports_are_small_enough_to_be_shown():
    from helpers.paths import REFERENCE

    paths = list(REFERENCE.glob("*/report.html"))
    assert len(paths) > 2
    for path in paths:
        shown = PageFile(path)._repr_html_()
        assert len(shown) < 1.1 * path.stat().st_size + 500
        assert Page(path).source.count("<head>") == 1
        assert "<iframe" in shown
