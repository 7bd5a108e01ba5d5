"""Report pages for the browser, and what is read from them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from helpers.frames import Tables, make_tables, write_folder
from playwright.sync_api import Page

from lrdecay.report.page import write_report

OpenPage = Callable[..., Page]


HOSTILE = (
    "<script>window.ran = 1</script>",
    "</script><img src=x onerror='window.ran = 1'>",
    "\"'><svg/onload=window.ran=1>",
    "]]><!-- & {{ 7 * 7 }} `${window.ran=1}`",
    "a=b&scheduler=c#d\\",
)


WIDTHS = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 390, "height": 844}}


def colour(page: Page, selector: str, of: str) -> tuple[float, ...]:
    """Red, green, blue as a reader sees them."""
    text = page.locator(selector).first.evaluate("(e, of) => getComputedStyle(e)[of]", of)
    return tuple(map(float, re.findall(r"[\d.]+", text)))[:3]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Contrast ratio as WCAG 2 defines it, from 1 to 21."""

    def luminance(rgb: tuple[float, ...]) -> float:
        parts = [c / 255 for c in rgb]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


SCHEDULERS = ("constant", "step", "cosine", "plateau")
DROPOUTS = (0.0, 0.3, 0.5)
RATES = (0.001, 0.01)


def some_end_early(scheduler: str, dropout: float, seed: int) -> str:
    """A third of the runs diverge or fail, and no completed run is left of one cell."""
    if (scheduler, dropout) == ("cosine", 0.5):
        return "diverged"
    place = SCHEDULERS.index(scheduler) + DROPOUTS.index(dropout) + seed
    return {0: "diverged", 1: "failed"}.get(place % 6, "completed")


def example_tables() -> Tables:
    """Two base rates, four schedulers, three dropouts, four seeds."""
    return make_tables(SCHEDULERS, DROPOUTS, 4, 3, status=some_end_early, lr=RATES)


def write_page(folder: Path, tables: Tables, sweep_text: str = "name: example\n") -> Path:
    """Write the report of some tables and return its path."""
    return write_report(write_folder(folder, tables, sweep_text))


def ended(runs: pd.DataFrame) -> list[list[str]]:
    """The rows of the table of runs that ended early: base rate, scheduler, dropout, seed."""
    rows = runs[runs["status"] != "completed"]
    return [
        [f"{lr:g}", scheduler, f"{dropout:g}", str(seed)]
        for lr, scheduler, dropout, seed in zip(
            rows["lr"], rows["scheduler"], rows["dropout"], rows["seed"], strict=True
        )
    ]


VISIBLE = """e => {
    const { width, height } = e.getBoundingClientRect();
    return width > 0 && height > 0 && getComputedStyle(e).visibility === "visible";
}"""


def table_rows(page: Page, table: str) -> list[list[str]]:
    """The text of each cell that a reader can see, without the header."""
    # asked for at once, since each question to the browser takes its time
    rows: list[list[str]] = page.locator(f"#{table} tbody tr").evaluate_all(
        f"""rows => rows.filter({VISIBLE}).map(
            row => [...row.querySelectorAll("th, td")].filter({VISIBLE}).map(e => e.innerText)
        )"""
    )
    return rows


def tick(page: Page, axis: str, *values: str) -> None:
    """Tick or untick values of an axis."""
    if page.locator("#bar details:not([open])").count():
        page.locator("#bar summary").click()
    for value in values:
        page.get_by_role("group", name=axis, exact=True).get_by_label(value, exact=True).click()


def marks(page: Page, figure: str, axis: str) -> set[str]:
    """The values of an axis whose marks are drawn in a figure."""
    drawn = (
        "e => { while (e && getComputedStyle(e).display != 'none') e = e.parentElement; return !e }"
    )
    shown = page.locator(f"#{figure} [data-{axis}]").evaluate_all(
        f"(all, name) => all.filter({drawn}).map(e => e.getAttribute(name))", f"data-{axis}"
    )
    return set(shown)
