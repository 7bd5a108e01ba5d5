"""Tables are copied and downloaded as they are shown."""

import io
from pathlib import Path

import pandas as pd
import pytest
from helpers.browser_pages import OpenPage, ended, table_rows, write_page
from helpers.frames import Tables, make_tables
from playwright.sync_api import Page, expect

FORMULA = "=HYPERLINK(1)"
ODD = 'a "b", c|d * <i>'


@pytest.fixture(scope="module")
def odd_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tables = make_tables(
        (FORMULA, ODD), (0.3,), 2, 1, status=lambda scheduler, dropout, seed: "diverged"
    )
    return write_page(tmp_path_factory.mktemp("odd") / "example", tables)


def copied(page: Page, table: str, kind: str) -> str:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tools = page.get_by_role("group", name=f"Table: {table}").first
    tools.get_by_role("button", name=f"Copy as {kind}").click()
    expect(page.locator("#said")).to_have_text(f"Copied {page_rows(page, table)} rows as {kind}.")
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def page_rows(page: Page, table: str) -> int:
    section = page.locator("section", has=page.get_by_role("heading", name=table, exact=True))
    return section.locator("table").first.locator("tbody tr:visible").count()


def read(csv: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(csv), dtype=str, keep_default_na=False)


ENDED = "Runs that diverged or failed"


@pytest.mark.slow
def test_csv_holds_the_rows_shown_in_their_order(
    open_page: OpenPage, path: Path, tables: Tables
) -> None:
    runs = tables[0]
    page = open_page(path, "#scheduler=cosine&lr=0.01&sort-table-ended-early=-4")
    frame = read(copied(page, ENDED, "CSV"))
    some = runs[(runs["scheduler"] == "cosine") & (runs["lr"] == 0.01)]
    expected = sorted(ended(some), key=lambda row: int(row[3]), reverse=True)
    columns = ["lr", "scheduler", "dropout", "seed"]
    assert list(frame.columns) == [*columns, "status", "what happened"]
    assert frame[columns].to_numpy().tolist() == expected
    first = frame[frame["seed"] == "3"].iloc[0]
    assert first["what happened"] == "diverged at step 20"


@pytest.mark.slow
def test_markdown_holds_them_too(open_page: OpenPage, path: Path, tables: Tables) -> None:
    runs = tables[0]
    page = open_page(path, "#scheduler=cosine&dropout=0.5&lr=0.01")
    head, rule, *rows = copied(page, ENDED, "Markdown").splitlines()
    assert head == "| lr | scheduler | dropout | seed | status | what happened |"
    assert rule == "| --- | --- | --- | --- | --- | --- |"
    some = runs.query("scheduler == 'cosine' and dropout == 0.5 and lr == 0.01")
    assert [row.strip("| ").split(" | ")[:4] for row in rows] == ended(some)


def test_numbers_are_those_of_pandas(open_page: OpenPage, path: Path, tables: Tables) -> None:
    page = open_page(path, "#dropout=0.3&lr=0.01")
    frame = pd.read_csv(io.StringIO(copied(page, "Test accuracy by cell", "CSV")))
    runs = tables[0].query("dropout == 0.3 and lr == 0.01 and status == 'completed'")
    percent = 100 * runs.groupby("scheduler", sort=False)["test_accuracy"].agg(["mean", "std"])
    own = frame.set_index("scheduler")[["mean", "sd"]]
    assert own.index.tolist() == percent.index.tolist()
    assert own.to_numpy() == pytest.approx(percent.to_numpy(), abs=0.005)


@pytest.mark.slow
def test_a_download_is_the_same_with_a_mark_for_spreadsheets(
    open_page: OpenPage, path: Path, tmp_path: Path
) -> None:
    page = open_page(path, "#scheduler=cosine")
    csv = copied(page, ENDED, "CSV")
    with page.expect_download() as started:
        page.get_by_role("group", name=f"Table: {ENDED}").get_by_text("Download CSV").click()
    assert started.value.suggested_filename == "example-table-ended-early.csv"
    started.value.save_as(tmp_path / "shown.csv")
    assert (tmp_path / "shown.csv").read_bytes() == csv.encode("utf-8-sig")
    assert len(read(csv)) == len(table_rows(page, "table-ended-early")) > 0


def test_texts_stay_texts_wherever_they_are_pasted(open_page: OpenPage, odd_path: Path) -> None:
    page = open_page(odd_path)
    frame = read(copied(page, ENDED, "CSV"))
    assert frame["scheduler"].tolist() == [f"'{FORMULA}"] * 2 + [ODD] * 2
    markdown = copied(page, ENDED, "Markdown").splitlines()
    assert markdown[-1].startswith('| a "b", c\\|d \\* \\<i\\> | 0.3 | 1 | diverged |')


FIELDS = {
    "\N{MINUS SIGN}0.25": "-0.25",
    "-0.25": "-0.25",
    "+1e-3": "+1e-3",
    "-6.59 to 7.29": "-6.59 to 7.29",
    "-1 to =x": "'-1 to =x",
    "-x": "'-x",
    "@x": "'@x",
    "97.15 \N{PLUS-MINUS SIGN} 0.94": "97.15 \N{PLUS-MINUS SIGN} 0.94",
    "": "",
    'say "no"': '"say ""no"""',
}


def test_fields(open_page: OpenPage, odd_path: Path) -> None:
    page = open_page(odd_path)
    written = page.evaluate("texts => texts.map(text => toCsv([[text]]))", list(FIELDS))
    assert written == [f"{field}\r\n" for field in FIELDS.values()]


@pytest.mark.slow
def test_a_page_without_a_clipboard_copies_nonetheless(open_page: OpenPage, path: Path) -> None:
    page = open_page(path, "#scheduler=cosine")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(
        "window.clipboard = navigator.clipboard;"
        "Object.defineProperty(navigator, 'clipboard', {value: undefined})"
    )
    button = page.get_by_role("group", name=f"Table: {ENDED}").get_by_text("Copy as CSV")
    button.click()
    expect(page.locator("#said")).to_have_text(f"Copied {page_rows(page, ENDED)} rows as CSV.")
    assert len(read(page.evaluate("window.clipboard.readText()"))) == page_rows(page, ENDED)
    expect(button).to_be_focused()


@pytest.mark.slow
def test_a_refused_copy_is_said(open_page: OpenPage, path: Path) -> None:
    page = open_page(path)
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', {value: undefined});"
        "document.execCommand = () => false"
    )
    page.get_by_role("group", name=f"Table: {ENDED}").get_by_text("Copy as CSV").click()
    expect(page.locator("#said")).to_have_text("Not copied: the browser refused.")
