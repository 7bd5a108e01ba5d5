"""A real browser for the report's page, and what no page may do in it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser_pages import OpenPage, example_tables, write_page
from helpers.frames import Tables
from helpers.shared import make_once
from playwright.sync_api import Browser, Page, sync_playwright

REQUIRE_VARIABLE = "LRDECAY_REQUIRE_BROWSER"
"""Set where a browser must be there, so that no test is skipped for want of one unnoticed."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium as the system has it; Playwright's own is never downloaded."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        reason = f"no browser: none of {', '.join(BROWSERS)} is on the PATH"
        if os.environ.get(REQUIRE_VARIABLE):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def tables() -> Tables:
    """The tables of the example page."""
    return example_tables()


@pytest.fixture(scope="session")
def path(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example page."""

    def write(home: Path) -> None:
        write_page(home / "example", tables)

    return make_once(tmp_path_factory, "example_page", write) / "example" / "report.html"


@pytest.fixture
def faults() -> list[str]:
    """What pages did that they must not: a test that provokes it empties the list."""
    return []


@pytest.fixture
def open_page(browser: Browser, faults: list[str]) -> Iterator[OpenPage]:
    """`open_page(path, fragment)`: the file in a new window, like one from a mail.

    The test fails if any page made a request beside its own file, or wrote an error to the console.
    """
    contexts = []

    def opened(path: Path, fragment: str = "", **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(60_000)
        address = path.absolute().as_uri()
        context.on(
            "request",
            lambda request: (
                request.url.partition("#")[0] == address or faults.append(f"GET {request.url}")
            ),
        )
        context.on(
            "console",
            lambda message: (
                message.type in ("error", "warning") and faults.append(f"console: {message.text}")
            ),
        )
        context.on("weberror", lambda error: faults.append(f"error: {error.error}"))
        context.route("http*://**", lambda route: route.abort())
        page = context.new_page()
        page.goto(address + fragment)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []
