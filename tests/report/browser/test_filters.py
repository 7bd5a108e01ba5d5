"""Filters and sorting do what they say, and the URL's fragment holds them."""

import re
from pathlib import Path

import pandas as pd
import pytest
from helpers.browser_pages import (
    DROPOUTS,
    RATES,
    SCHEDULERS,
    OpenPage,
    ended,
    marks,
    table_rows,
    tick,
    write_page,
)
from helpers.frames import Tables, make_tables
from playwright.sync_api import Page, expect


def ended_rows(page: Page) -> list[list[str]]:
    return [row[:4] for row in table_rows(page, "table-ended-early")]


@pytest.mark.slow
def test_every_axis_that_varies_has_a_group_of_its_values(open_page: OpenPage, path: Path) -> None:
    page = open_page(path)
    page.locator("#bar summary").click()
    groups = {
        group.locator("legend").inner_text(): [
            label.inner_text() for label in group.locator("label").all()
        ]
        for group in page.locator("#bar fieldset").all()
    }
    assert groups == {
        "scheduler": list(SCHEDULERS),
        "dropout": [f"{dropout:g}" for dropout in DROPOUTS],
        "lr": [f"{rate:g}" for rate in RATES],
    }
    assert page.locator("#bar summary").inner_text() == "Filter by scheduler, dropout, lr"


@pytest.mark.slow
def test_datasets_and_sizes_are_axes_too(open_page: OpenPage, tmp_path: Path) -> None:
    axes = {"dataset": ["mnist", "digits"], "batch_size": [128, 64]}
    page = open_page(write_page(tmp_path, make_tables(("step",), (0.3,), 1, 1, **axes)))
    page.locator("#bar summary").click()
    assert page.locator("#bar legend").all_inner_texts() == ["dataset", "batch_size"]
    assert page.locator("#bar fieldset label").all_inner_texts() == ["mnist", "digits", "64", "128"]
    tick(page, "batch_size", "64")
    cells = [row[:2] for row in table_rows(page, "table-cells")]
    assert cells == [["mnist", "64"], ["digits", "64"]]


@pytest.mark.slow
def test_rows_follow_the_filter_as_they_do_in_pandas(
    open_page: OpenPage, path: Path, tables: Tables
) -> None:
    runs = tables[0]
    page = open_page(path)
    assert ended_rows(page) == ended(runs)
    assert page.locator("#table-ended-early tbody tr").count() == len(ended(runs)) > 20

    tick(page, "scheduler", "step", "cosine")
    some = runs[runs["scheduler"].isin(["step", "cosine"])]
    assert ended_rows(page) == ended(some)
    tick(page, "dropout", "0.5")
    some = some[some["dropout"] == 0.5]
    assert ended_rows(page) == ended(some)
    tick(page, "lr", "0.01")
    some = some[some["lr"] == 0.01]
    assert ended_rows(page) == ended(some)
    assert 0 < len(ended(some)) < 10

    percent = 100 * some[some["scheduler"] == "step"]["test_accuracy"].dropna()
    numbers = [f"{percent.mean():.2f}", f"{percent.std():.2f}", str(len(percent))]
    step, cosine = table_rows(page, "table-cells")
    assert step[:6] == ["0.01", "step", "0.5", *numbers]
    assert cosine == ["0.01", "cosine", "0.5", "no mean", "", "0", "4", "0"]

    chosen = "scheduler step or cosine, dropout 0.5, lr 0.01"
    expect(page.locator("#shown")).to_have_text(
        re.compile(rf"^{chosen}: (\d+) of (\d+) table rows shown$")
    )
    counts = [page.locator(f".listing tbody tr{which}").count() for which in (":not([hidden])", "")]
    assert re.findall(r"\d+", page.locator("#shown").inner_text())[-2:] == list(map(str, counts))
    assert page.locator("#shown").get_attribute("role") == "status"
    page.get_by_role("button", name="Show all").click()
    assert ended_rows(page) == ended(runs)
    assert page.locator("#bar input:checked").count() == 0
    expect(page.get_by_role("button", name="Show all")).to_be_hidden()


@pytest.mark.slow
def test_marks_follow_the_filter(open_page: OpenPage, path: Path) -> None:
    page = open_page(path)
    assert marks(page, "rates-0", "scheduler") == set(SCHEDULERS)
    assert marks(page, "by-dropout-0", "dropout") == {"0", "0.3", "0.5"}
    tick(page, "scheduler", "step")
    for figure in ("rates-0", "by-dropout-0", "loss-0-test-1", "accuracy-1-val-0", "gap-1"):
        assert marks(page, figure, "scheduler") == {"step"}, figure
    pressed = page.locator("#rates .legend [aria-pressed=true]:visible")
    assert set(pressed.all_inner_texts()) == {"step"}
    tick(page, "dropout", "0.3")
    assert marks(page, "by-dropout-0", "dropout") == {"0.3"}
    assert marks(page, "heat-map-0", "scheduler") == {"step"}
    assert marks(page, "heat-map-0", "dropout") == {"0.3"}
    titles = page.locator("#loss .panel-title:visible").all_inner_texts()
    assert set(titles) == {"dropout 0.3"}
    tick(page, "lr", "0.001")
    assert page.locator("#loss figure:visible").count() == 1
    tick(page, "scheduler", "step")  # none is ticked now, so all are shown
    assert marks(page, "rates-0", "scheduler") == set(SCHEDULERS)


COLUMNS = ["lr", "scheduler", "dropout", "seed"]


@pytest.mark.slow
@pytest.mark.parametrize("column", [0, 1, 3])
def test_a_column_sorts_as_in_pandas(
    open_page: OpenPage, path: Path, tables: Tables, column: int
) -> None:
    frame = pd.DataFrame(ended(tables[0]), columns=COLUMNS)
    name = COLUMNS[column]
    page = open_page(path)
    head = page.locator("#table-ended-early thead th").nth(column)
    key = None if name == "scheduler" else pd.to_numeric
    for direction in ("ascending", "descending"):
        head.get_by_role("button", name=name).click()
        expect(head).to_have_attribute("aria-sort", direction)
        ordered = frame.sort_values(
            name, key=key, ascending=direction == "ascending", kind="stable"
        )
        assert ended_rows(page) == ordered.to_numpy().tolist()
        assert page.locator("#table-ended-early [aria-sort]").count() == 1
    head.get_by_role("button").click()
    assert ended_rows(page) == ended(tables[0])
    assert page.locator("[aria-sort]").count() == 0


@pytest.mark.slow
def test_numbers_that_are_missing_come_last(
    open_page: OpenPage, path: Path, tables: Tables
) -> None:
    runs = tables[0].query("lr == 0.001 and dropout == 0.5 and status == 'completed'")
    means = runs.groupby("scheduler")["test_accuracy"].mean().sort_values()
    page = open_page(path, "#lr=0.001&dropout=0.5")
    button = page.locator("#table-cells thead").get_by_role("button", name="mean")
    for order in (list(means.index), list(means.index[::-1])):
        button.focus()
        page.keyboard.press("Enter")
        assert [row[1] for row in table_rows(page, "table-cells")] == [*order, "cosine"]


@pytest.mark.slow
def test_differences_sort_by_what_they_are_and_not_by_how_they_look(
    open_page: OpenPage, tmp_path: Path
) -> None:
    whole = make_tables(SCHEDULERS, (0.0, 0.3), seeds=8, n_epochs=1)
    page = open_page(write_page(tmp_path, whole), "#sort-table-differences=4")
    exact = page.locator("#table-differences tbody td:nth-child(4)").evaluate_all(
        "all => all.map(e => e.dataset.sort).filter(Boolean).map(Number)"
    )
    assert len(exact) == 6
    assert exact == sorted(exact) != sorted(exact, key=str)


KEYS = [
    ("9", "10", -1),
    ("\N{MINUS SIGN}2", "1", -1),
    ("1e-3", "0.01", -1),
    ("b", "a", 1),
    ("10", "a", -1),
    ("epoch 9", "epoch 10", -1),
    ("", "1", 1),
    ("x", "", -1),
    ("2", "2.0", 0),
]


@pytest.mark.slow
def test_keys_compare(open_page: OpenPage, path: Path) -> None:
    page = open_page(path)
    compare = "([a, b, way]) => Math.sign(compareKeys(a, b, way))"
    for a, b, order in KEYS:
        assert page.evaluate(compare, [a, b, 1]) == order, (a, b)
        backwards = order if "" in (a, b) else -order
        assert page.evaluate(compare, [a, b, -1]) == backwards, (a, b)


@pytest.mark.slow
def test_the_fragment_holds_the_state_and_back_returns_to_it(
    open_page: OpenPage, path: Path, tables: Tables
) -> None:
    runs = tables[0]
    page = open_page(path)
    tick(page, "scheduler", "cosine")
    assert page.url.endswith("#scheduler=cosine")
    tick(page, "dropout", "0.5")
    page.locator("#table-ended-early thead").get_by_role("button", name="seed").click()
    assert page.url.endswith("#scheduler=cosine&dropout=0.5&sort-table-ended-early=4")

    link = open_page(path, page.url[page.url.index("#") :])
    some = runs[(runs["scheduler"] == "cosine") & (runs["dropout"] == 0.5)]
    expected = sorted(ended(some), key=lambda row: row[3])
    assert ended_rows(page) == ended_rows(link) == expected != ended(some)
    link.locator("#bar summary").click()
    assert link.locator("#bar input:checked").evaluate_all("all => all.map(e => e.value)") == [
        *("cosine", "0.5")
    ]

    page.go_back()
    assert ended_rows(page) == ended(some)
    page.go_back()
    assert ended_rows(page) == ended(runs[runs["scheduler"] == "cosine"])
    page.go_back()
    assert ended_rows(page) == ended(runs)
    assert page.locator("#bar input:checked").count() == 0
    page.go_forward()
    assert ended_rows(page) == ended(runs[runs["scheduler"] == "cosine"])
    page.reload()
    assert ended_rows(page) == ended(runs[runs["scheduler"] == "cosine"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "fragment",
    [
        "#scheduler=none&colour=red&sort-table-ended-early=99&sort-=1&sort-other=1",
        "#<img src=x onerror=alert(1)>=1&at=%3Cscript%3E",
        "#scheduler",
        "#%%%=&&&==",
        "#sort-table-ended-early=0&sort-table-ended-early=-0&sort-table-ended-early=1e9",
    ],
)
def test_what_a_fragment_says_that_the_page_does_not_know_is_ignored(
    open_page: OpenPage, path: Path, tables: Tables, fragment: str
) -> None:
    page = open_page(path, fragment)
    assert ended_rows(page) == ended(tables[0])
    expect(page.locator("#shown")).to_have_text(re.compile(r"^(\d+) of \1 table rows shown$"))


@pytest.mark.slow
def test_a_link_within_the_page_keeps_the_filter(open_page: OpenPage, path: Path) -> None:
    page = open_page(path, "#scheduler=step")
    skip = page.get_by_role("link", name="Skip to the content")
    page.keyboard.press("Tab")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    assert page.url.endswith("#scheduler=step&at=content")
    assert {row[1] for row in ended_rows(page)} == {"step"}
    other = open_page(path, "#scheduler=step&at=ended-early")
    expect(other.locator("#ended-early h2")).to_be_in_viewport()
    plain = open_page(path, "#ended-early")
    expect(plain.locator("#ended-early h2")).to_be_in_viewport()


@pytest.mark.slow
def test_an_axis_of_one_value_has_no_filter(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(write_page(tmp_path, make_tables(("step",), (0.3,), 1, 1)))
    assert page.locator("#bar details").count() == 0
    expect(page.locator("#shown")).to_have_text("1 of 1 table rows shown")


@pytest.mark.slow
def test_without_script_all_is_there_and_nothing_promises_more(
    open_page: OpenPage, path: Path, tables: Tables
) -> None:
    page = open_page(path, "#scheduler=step", java_script_enabled=False)
    assert page.locator("#table-ended-early tbody tr").count() == len(ended(tables[0]))
    assert page.locator("[hidden]").count() == 0
    assert page.locator("button, input, select").count() == 0
    assert "by-dropout" in page.content()
    assert page.locator("#by-dropout-0 title").count() > len(SCHEDULERS) * len(DROPOUTS)


@pytest.mark.slow
def test_verdicts_follow_the_filter_and_the_page_says_what_does_not(
    open_page: OpenPage, tmp_path: Path
) -> None:
    whole = make_tables(SCHEDULERS, (0.0, 0.3), seeds=8, n_epochs=1)
    page = open_page(write_page(tmp_path, whole))
    verdicts, best = page.locator(".verdicts li:visible"), page.locator(".answer li:visible")
    assert (verdicts.count(), best.count()) == (0, 2)  # sentences are folded away
    page.get_by_text("Every verdict in a sentence").click()
    assert (verdicts.count(), best.count()) == (6, 2)
    expect(page.locator("#whole")).to_be_hidden()
    tick(page, "dropout", "0.3")
    assert [text[:11] for text in verdicts.all_inner_texts()] == ["dropout 0.3"] * 3
    assert [text[:11] for text in best.all_inner_texts()] == ["dropout 0.3"]
    expect(page.locator("#whole")).to_be_visible()
    tick(page, "scheduler", "step")
    (only,) = verdicts.all_inner_texts()
    assert "step" in only
    # a heading without a sentence is hidden with them
    groups = page.locator(".verdicts > div")
    assert groups.filter(visible=True).count() == 1
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#whole")).to_be_hidden()
    assert verdicts.count() == 6
