"""Figures close up: what the filter leaves of one stands side by side, and nothing empty stays."""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from helpers.browser_pages import DROPOUTS, SCHEDULERS, WIDTHS, OpenPage, tick, write_page
from helpers.frames import make_tables
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow  # such a page takes seconds to write

REFERENCE, *OTHERS = SCHEDULERS
ALL = [f"{dropout:g}" for dropout in DROPOUTS]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with verdicts; one cell has no completed run."""
    whole = make_tables(
        SCHEDULERS,
        DROPOUTS,
        seeds=8,
        n_epochs=2,
        status=lambda s, d, seed: "diverged" if (s, d) == ("cosine", 0.5) else "completed",
    )
    return write_page(tmp_path_factory.mktemp("judged") / "example", whole)


MEASURE = """(all, plot) => {
    const { left, top, width } = plot.getBoundingClientRect();
    const unit = width / plot.viewBox.baseVal.width;
    return all.filter(e => e.getClientRects().length).map(e => {
        const box = e.getBoundingClientRect();
        const x = (box.left + box.right) / 2 - left, y = (box.top + box.bottom) / 2 - top;
        return { ...e.dataset, text: e.textContent, x: x / unit, y: y / unit };
    });
}"""
CELL = "g[data-scheduler][data-dropout]:not(.row-label)"


def measure(page: Page, figure: str, which: str) -> list[dict[str, Any]]:
    """What a reader sees of a figure: each element's middle, in units from the top left corner."""
    plot = page.locator(f"#{figure}").element_handle()
    found: list[dict[str, Any]] = page.locator(f"#{figure} {which}").evaluate_all(MEASURE, plot)
    return found


def size(page: Page, figure: str) -> list[float]:
    """The width and height of a figure in its units, and how many pixels one of them is."""
    found: list[float] = page.locator(f"#{figure}").evaluate(
        "plot => [plot.viewBox.baseVal.width, plot.viewBox.baseVal.height,"
        " plot.getBoundingClientRect().width / plot.viewBox.baseVal.width]"
    )
    return found


def choose(page: Page, values: Mapping[str, Sequence[str]]) -> None:
    for axis, chosen in values.items():
        tick(page, axis, *chosen)


def rows_of(schedulers: Sequence[str], dropouts: Sequence[str]) -> list[str]:
    return [label for dropout in dropouts for label in (f"dropout {dropout}", *schedulers)]


ROWS = [
    ("differences-0", {"dropout": ["0.3"]}, rows_of(OTHERS, ["0.3"])),
    ("differences-0", {"dropout": ["0", "0.5"]}, rows_of(OTHERS, ["0", "0.5"])),
    ("differences-0", {"scheduler": [REFERENCE, "cosine"]}, rows_of(["cosine"], ALL)),
    ("differences-0", {"scheduler": ["step"], "dropout": ["0.5"]}, rows_of(["step"], ["0.5"])),
    ("spread-0", {"dropout": ["0"]}, rows_of(SCHEDULERS, ["0"])),
    ("spread-0", {"scheduler": ["step", "plateau"]}, rows_of(["step", "plateau"], ALL)),
]


@pytest.mark.parametrize(("figure", "values", "labels"), ROWS)
def test_rows_that_stay_stand_one_below_the_other(
    open_page: OpenPage,
    judged: Path,
    figure: str,
    values: Mapping[str, Sequence[str]],
    labels: list[str],
) -> None:
    page = open_page(judged)
    before = measure(page, figure, ".row-label")
    every = rows_of(SCHEDULERS if figure == "spread-0" else OTHERS, ALL)
    if figure == "spread-0":  # of a cell without a completed run there is nothing to show
        del every[-2]
    assert [row["text"] for row in before] == every
    step = before[1]["y"] - before[0]["y"]
    places = [before[0]["y"] + step * place for place in range(len(before))]
    assert [row["y"] for row in before] == pytest.approx(places, abs=0.3)
    marks, ticks = measure(page, figure, CELL), measure(page, figure, "text")
    width, height, unit = size(page, figure)

    choose(page, values)
    after = measure(page, figure, ".row-label")
    assert [row["text"] for row in after] == labels
    assert [row["y"] for row in after] == pytest.approx(places[: len(after)], abs=0.3)
    gone = step * (len(before) - len(after))
    assert size(page, figure) == pytest.approx([width, height - gone, unit], abs=0.1)

    def from_label(marks: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[list[Any]]:
        own = {(row.get("scheduler"), row["dropout"]): row["y"] for row in rows}
        return [
            [mark["text"], mark["x"], mark["y"] - own[place]]
            for mark in marks
            if (place := (mark["scheduler"], mark["dropout"])) in kept
        ]

    kept = {(row.get("scheduler"), row["dropout"]) for row in after}
    beside = from_label(measure(page, figure, CELL), after)
    for mark, was in zip(beside, from_label(marks, before), strict=True):
        assert mark == [was[0], *(pytest.approx(number, abs=0.1) for number in was[1:])]
    assert len(beside) >= len(kept) - len({dropout for _, dropout in kept})
    # the axis is as it was, where the rows end
    numbers = re.compile(r"-?[\d.]+$|difference to|sd of")
    axis = [
        (text["text"], text["x"], text["y"] - gone) for text in ticks if numbers.match(text["text"])
    ]
    now = [text for text in measure(page, figure, "text") if numbers.match(text["text"])]
    assert len(now) > 2
    for text, (words, x, y) in zip(now, axis, strict=True):
        assert text["text"] == words
        assert (text["x"], text["y"]) == pytest.approx((x, y), abs=0.1)


CELLS = [(SCHEDULERS, ("0.5",)), (("step", "plateau"), ("0", "0.5")), (("plateau",), ("0.3",))]


@pytest.mark.parametrize(("schedulers", "dropouts"), CELLS)
def test_cells_of_the_map_that_stay_stand_side_by_side(
    open_page: OpenPage, judged: Path, schedulers: Sequence[str], dropouts: Sequence[str]
) -> None:
    page = open_page(judged)
    figure = "heat-map-0"

    def cells(which: str) -> dict[tuple[str, str], dict[str, Any]]:
        return {(c["scheduler"], c["dropout"]): c for c in measure(page, figure, which)}

    fields, words = cells("path[data-dropout]"), cells(CELL)
    assert len(fields) == len(words) + 1 == 12
    width, height, unit = size(page, figure)
    choose(page, {"scheduler": schedulers, "dropout": dropouts})

    left, said = cells("path[data-dropout]"), cells(CELL)
    assert list(left) == list(product(schedulers, dropouts))
    assert set(said) == set(left) - {("cosine", "0.5")}
    for (row, scheduler), (column, dropout) in product(enumerate(schedulers), enumerate(dropouts)):
        cell, place = (scheduler, dropout), fields[SCHEDULERS[row], ALL[column]]
        for axis in ("x", "y"):
            assert left[cell][axis] == pytest.approx(place[axis], abs=0.1)
            if cell in said:
                inside = words[cell][axis] - fields[cell][axis]
                assert said[cell][axis] - place[axis] == pytest.approx(inside, abs=0.1)
                assert said[cell]["text"] == words[cell]["text"]
    for which, names, axis in (("row", schedulers, "y"), ("column", dropouts, "x")):
        labels = measure(page, figure, f".{which}-label")
        assert [label["text"] for label in labels] == list(names)
        ends = [left[schedulers[0], dropouts[0]][axis], left[schedulers[-1], dropouts[-1]][axis]]
        middles = [labels[0][axis], labels[-1][axis]]
        assert middles == pytest.approx(ends, abs=1)
    (title,) = measure(page, figure, ".column-title")
    assert title["x"] == pytest.approx(sum(label["x"] for label in labels) / len(labels), abs=0.5)

    def step(one: str, other: str, axis: str) -> float:
        return float(fields[other, "0.3"][axis] - fields[one, "0"][axis])

    lost = (
        step("step", "step", "x") * (3 - len(dropouts)),
        step("constant", "step", "y") * (4 - len(schedulers)),
    )
    shrunk = [width - lost[0], height - lost[1], unit]
    assert size(page, figure) == pytest.approx(shrunk, abs=0.1)


def test_slopes_that_stay_stand_side_by_side(open_page: OpenPage, judged: Path) -> None:
    page = open_page(judged)
    before = measure(page, "slopes-0-0", ".column-label")
    assert [label["text"] for label in before] == OTHERS
    width, height, unit = size(page, "slopes-0-0")
    tick(page, "scheduler", "step", "plateau")
    after = measure(page, "slopes-0-0", ".column-label")
    assert [label["text"] for label in after] == ["step", "plateau"]
    assert [label["x"] for label in after] == pytest.approx(
        [label["x"] for label in before[:2]], abs=0.1
    )
    step = before[1]["x"] - before[0]["x"]
    assert size(page, "slopes-0-0") == pytest.approx([width - step, height, unit], abs=0.1)
    lines = measure(page, "slopes-0-0", "g[data-scheduler]:not(.column-label)")
    assert [line["scheduler"] for line in lines] == ["step", "step", "plateau", "plateau"]
    middles = [label["x"] for label in after for _ in range(2)]
    assert [line["x"] for line in lines] == pytest.approx(middles, abs=0.5)


def test_a_turned_name_that_comes_first_stays_whole(open_page: OpenPage, tmp_path: Path) -> None:
    long = "a scheduler of some length"
    whole = make_tables((REFERENCE, "a", "b", "c", long), (0.3,), seeds=8, n_epochs=1)
    page = open_page(write_page(tmp_path / "long", whole), f"#{urlencode({'scheduler': long})}")
    edges = page.locator("#slopes-0-0").evaluate(
        "plot => [plot, plot.querySelector('.column-label:not([hidden])')]"
        ".map(e => e.getBoundingClientRect().left)"
    )
    assert edges[0] <= edges[1] + 0.5


def test_a_line_runs_through_the_points_that_stay(open_page: OpenPage, judged: Path) -> None:
    page = open_page(judged)
    line = page.locator("#by-dropout-0 g[data-scheduler=step]:has(> path) > path")
    points = page.locator("#by-dropout-0 g[data-scheduler=step]:has(> path) use[data-dropout]")
    places = points.evaluate_all("all => all.map(e => `${e.x.baseVal.value} ${e.y.baseVal.value}`)")
    assert len(places) == 3
    written = line.first.get_attribute("d")
    assert written == f"M {' L '.join(places)}"
    tick(page, "dropout", "0", "0.5")
    assert line.first.get_attribute("d") == f"M {places[0]} L {places[2]}"
    tick(page, "dropout", "0")
    assert line.first.get_attribute("d") == f"M {places[2]}"
    page.get_by_role("button", name="Show all").click()
    assert line.first.get_attribute("d") == written


def test_what_has_nothing_left_to_show_is_hidden_and_comes_back(
    open_page: OpenPage, judged: Path
) -> None:
    page = open_page(judged)
    sections = page.locator("section:has(> .charts)")
    every = sections.evaluate_all("all => all.map(e => e.id)")
    drawn = page.locator("main").evaluate("main => main.innerHTML")
    tick(page, "scheduler", REFERENCE)  # there is no difference to itself
    gone = {"slopes", "closing", "interaction"} & set(every)
    assert {"slopes", "interaction"} <= gone
    shown = sections.filter(visible=True).evaluate_all("all => all.map(e => e.id)")
    assert shown == [name for name in every if name not in gone]
    expect(page.locator("#differences-0")).to_be_hidden()
    expect(page.get_by_role("heading", name="Sentence by sentence")).to_be_hidden()
    boxes = page.locator(".half > section:visible").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect()).map(({ left, top }) => [left, top])"
    )
    assert len(boxes) == 4  # by dropout, gap, spread and rates, in two rows without a hole
    assert [boxes[0][1], boxes[2][1]] == [boxes[1][1], boxes[3][1]]
    page.get_by_role("button", name="Show all").click()
    assert page.locator("main").evaluate("main => main.innerHTML") == drawn


def test_panels_and_legends_close_up(open_page: OpenPage, judged: Path) -> None:
    page = open_page(judged, viewport=WIDTHS["wide"])
    panels = page.locator("#loss .panels").first.locator("> div")

    def widths() -> list[float]:
        found: list[float] = panels.filter(visible=True).evaluate_all(
            "all => all.map(e => e.getBoundingClientRect().width)"
        )
        return found

    legend = page.locator("#loss .legend [aria-pressed=true]:visible")
    assert legend.all_inner_texts() == list(SCHEDULERS)
    third = widths()
    assert len(third) == 3
    tick(page, "dropout", "0.5", "0.3")
    assert legend.all_inner_texts() == list(SCHEDULERS)
    half = widths()
    assert len(half) == 2
    assert half[0] > 1.4 * third[0]
    tick(page, "dropout", "0.3")
    assert widths() == [640]
    assert legend.all_inner_texts() == ["constant", "step", "plateau"]  # no run of cosine is left


def test_a_combination_that_stays_gets_the_room_of_the_others(
    open_page: OpenPage, path: Path
) -> None:
    page = open_page(path, viewport=WIDTHS["wide"])
    charts = page.locator("#rates .charts > div")

    def shares() -> list[float]:
        found: list[float] = charts.filter(visible=True).evaluate_all(
            "all => all.map(e => e.clientWidth / e.parentElement.clientWidth)"
        )
        return found

    assert [round(share, 1) for share in shares()] == [0.5, 0.5]
    tick(page, "lr", "0.01")
    assert shares() == [1.0]


@pytest.mark.parametrize("size_name", WIDTHS)
def test_closed_figures_fit_the_window_and_are_printed(
    open_page: OpenPage, judged: Path, size_name: str
) -> None:
    page = open_page(judged, "#dropout=0.3&scheduler=step", viewport=WIDTHS[size_name])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    closed = {figure: size(page, figure)[:2] for figure in ("differences-0", "heat-map-0")}
    page.emulate_media(media="print")
    for figure, shape in closed.items():
        expect(page.locator(f"#{figure}")).to_be_visible()
        assert size(page, figure)[:2] == shape
    assert measure(page, "differences-0", ".row-label")[1]["text"] == "step"
    assert page.pdf().startswith(b"%PDF")
