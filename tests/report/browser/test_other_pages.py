"""The pages beside the report: sweeps side by side, and the list of reports."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from helpers.browser_pages import HOSTILE, WIDTHS, OpenPage, colour, contrast
from helpers.empty_figures import leave_figures_empty
from helpers.frames import make_tables, write_folder
from helpers.shared import make_once
from helpers.tiers import slow_but
from playwright.sync_api import expect

from lrdecay.report.index import write_index
from lrdecay.report.page import write_report
from lrdecay.report.side_by_side import write_comparison

PAGES = ("compared", "index")
WIDE = ("wide", "light")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sweeps with reports, a third without, and both pages about them."""
    return make_once(tmp_path_factory, "other_pages", write_pages)


def write_pages(home: Path) -> None:
    folders = []
    for number, name in enumerate(("one", HOSTILE[4].replace("/", ""), "three")):
        labels = ("constant", HOSTILE[number])
        tables = make_tables(labels, (0.0, 0.3), 2 + number, 1, batch_size=[64 * (number + 1)])
        folders.append(write_folder(home / name, tables))
    with pytest.MonkeyPatch.context() as monkeypatch:
        leave_figures_empty(monkeypatch)
        for folder in folders[:2]:
            write_report(folder)
    write_comparison(folders)
    write_index(home)
    write_averages(home)


def write_averages(home: Path) -> None:
    """Sweeps of three datasets, averaged."""
    folders = []
    for name in ("mnist", HOSTILE[0], "digits"):
        labels = ("constant", "step", HOSTILE[1])
        tables = make_tables(labels, (0.0, 0.3), 8, 1, dataset=[name], dataset_digest=[name])
        folders.append(write_folder(home / "datasets" / str(len(folders)), tables))
    write_comparison(folders, home / "averaged.html")


@pytest.mark.parametrize("name", slow_but(["index", "averaged"], [*PAGES, "averaged"]))
@pytest.mark.parametrize(("size", "scheme"), slow_but([WIDE], [WIDE, ("narrow", "dark")]))
def test_it_asks_for_nothing_fits_the_window_and_axe_finds_no_fault(
    open_page: OpenPage, home: Path, name: str, size: str, scheme: str
) -> None:
    page = open_page(home / f"{name}.html", viewport=WIDTHS[size], color_scheme=scheme)
    page.wait_for_load_state("networkidle")  # the fixture tells of requests and errors
    width, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= window
    report = Axe().run(page).generate_report()
    assert report == "Found 0 accessibility violations:\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_it_is_light_or_dark_as_the_system_is_and_black_on_white_in_print(
    open_page: OpenPage, home: Path, name: str
) -> None:
    for scheme in ("light", "dark"):
        page = open_page(home / f"{name}.html", color_scheme=scheme)
        behind = colour(page, "body", "backgroundColor")
        assert (max(behind) < 60) == (scheme == "dark")
        for selector in ("h1", "thead th", "a"):
            assert contrast(colour(page, selector, "color"), behind) >= 4.5, selector
    page.emulate_media(media="print")
    assert colour(page, "body", "backgroundColor") == (255, 255, 255)
    assert colour(page, "h1", "color") == colour(page, "a", "color") == (0, 0, 0)


@pytest.mark.slow
def test_the_list_leads_to_each_report_and_to_the_sweeps_side_by_side(
    open_page: OpenPage, home: Path, faults: list[str]
) -> None:
    names = sorted(folder.parent.name for folder in home.glob("*/report.html"))
    links = open_page(home / "index.html").locator("tbody a")
    assert sorted(links.all_inner_texts()) == names
    for name in names:
        page = open_page(home / "index.html")
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.locator("h1")).to_have_text(f"{name}: learning-rate schedulers compared")
    page = open_page(home / "index.html")
    page.get_by_role("link", name="Several sweeps side by side").click()
    expect(page.locator("#sweeps tbody tr")).to_have_count(3)
    reports = [(home / name / "report.html").as_uri() for name in names]
    went = [*reports, (home / "compared.html").as_uri()]
    assert sorted(faults) == sorted(f"GET {address}" for address in went)
    faults.clear()


def test_sweeps_side_by_side_have_a_column_each(open_page: OpenPage, home: Path) -> None:
    page = open_page(home / "compared.html")
    heads = page.locator("#cells thead th").all_inner_texts()
    assert heads == ["cell", "one", HOSTILE[4].replace("/", ""), "three"]
    rows = [row.locator("td").all_inner_texts() for row in page.locator("#cells tbody tr").all()]
    assert len(rows) == 2 + 3 * 2  # constant is in all, at two dropouts; each has one of its own
    assert all("n = 4" in row[2] for row in rows[:2])
    assert rows[2][1:] == ["not in this sweep"] * 2
    assert page.locator("img, script").count() == 0


def test_datasets_are_drawn_and_averaged_and_sentences_fold(
    open_page: OpenPage, home: Path
) -> None:
    page = open_page(home / "averaged.html", java_script_enabled=False)
    assert page.locator("svg#datasets-forest").is_visible()
    assert page.locator(".legend li").all_inner_texts() == [
        *("mnist", HOSTILE[0], "digits", "average over datasets"),
    ]
    assert page.locator("#averages tbody tr").count() == 4
    sentences = page.locator("#verdicts li")
    assert (sentences.count(), sentences.first.is_visible()) == (12, False)
    page.locator("summary").first.click()
    assert sentences.first.is_visible()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_diamond_is_seen_on_any_page(open_page: OpenPage, home: Path, scheme: str) -> None:
    page = open_page(home / "averaged.html", color_scheme=scheme)
    diamond = "#datasets-forest g:has(> title):not([data-dataset]) path"
    behind = colour(page, "body", "backgroundColor")
    assert contrast(colour(page, diamond, "fill"), behind) > 4.5
