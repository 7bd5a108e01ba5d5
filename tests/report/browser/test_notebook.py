"""The page in a notebook: in a frame from which nothing reaches what is around it."""

from pathlib import Path

import pytest
from helpers.browser_pages import HOSTILE, OpenPage, table_rows, tick, write_page
from helpers.frames import make_tables

from lrdecay.report.page_file import PageFile

AROUND = "<!doctype html><meta charset='utf-8'><title>notebook</title>"


@pytest.mark.slow
def test_a_notebook_shows_the_page_in_a_frame_of_its_own(
    path: Path, open_page: OpenPage, tmp_path: Path
) -> None:
    around = tmp_path / "notebook.html"
    around.write_text(AROUND + PageFile(path)._repr_html_(), encoding="utf-8")
    page = open_page(around)
    alone = open_page(path)
    (frame,) = page.frames[1:]
    assert frame.url == "about:srcdoc"
    assert frame.locator("h1").inner_text() == alone.locator("h1").inner_text()
    (height,) = page.locator("iframe").evaluate_all("all => all.map(e => e.clientHeight)")
    assert height == round(0.8 * page.viewport_size["height"])
    assert frame.evaluate("origin") == "null"
    # its script runs, and its links lead to itself
    frame.locator("nav a[href='#answer'], a[href='#cells']").first.click()
    assert frame.url.startswith("about:srcdoc#")
    assert page.url == around.as_uri()
    assert table_rows(frame, "cells") == table_rows(alone, "cells")
    for each in (frame, alone):
        tick(each, "dropout", "0.3")
    assert table_rows(frame, "cells") == table_rows(alone, "cells")


def test_labels_stay_within_the_frame(open_page: OpenPage, tmp_path: Path) -> None:
    path = write_page(tmp_path / "hostile", make_tables(HOSTILE, (0.0,), 8, 2))
    around = tmp_path / "notebook.html"
    around.write_text(AROUND + path._repr_html_(), encoding="utf-8")
    page = open_page(around)
    assert [frame.evaluate("window.ran") for frame in page.frames] == [None, None]
    shown = page.frames[1].locator("main").inner_text()
    assert all(label in shown for label in HOSTILE[:2])
    assert page.locator("body > *").evaluate_all("all => all.map(e => e.tagName)") == [
        *("CODE", "BR", "IFRAME")
    ]
