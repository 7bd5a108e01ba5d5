"""The page as a whole: what it fetches, how it looks, who can use it, what cannot run in it."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from helpers.browser_pages import (
    HOSTILE,
    SCHEDULERS,
    WIDTHS,
    OpenPage,
    colour,
    contrast,
    table_rows,
    tick,
    write_page,
)
from helpers.frames import Tables, make_tables
from helpers.tiers import slow_but
from playwright.sync_api import expect


@pytest.fixture(scope="module")
def hostile_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs, epochs = make_tables(HOSTILE, (0.0, 0.3), 2, 2)
    runs.loc[0, "status"] = "failed"
    runs.loc[0, "error"] = "".join(HOSTILE)
    folder = tmp_path_factory.mktemp("hostile") / "example"
    return write_page(folder, (runs, epochs), "\n".join(HOSTILE))


def test_a_page_that_is_used_asks_for_nothing(open_page: OpenPage, path: Path) -> None:
    page = open_page(path)
    tick(page, "scheduler", "step")
    page.locator("#table-ended-early thead button").first.click()
    page.locator("#by-dropout-0").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_label("Colours").select_option("dark")
    page.wait_for_load_state("networkidle")  # the fixture tells of requests and errors


@pytest.mark.slow
def test_these_tests_notice_a_request_and_an_error(
    open_page: OpenPage, path: Path, tmp_path: Path, faults: list[str]
) -> None:
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"<meta http-equiv=.*>", "<script>console.error('no')</script>", text)
    worse = tmp_path / "worse.html"
    worse.write_text(text.replace("<h1>", '<img src="http://127.0.0.1:9/x.png"><h1>'))
    open_page(worse).wait_for_load_state("networkidle")
    assert "GET http://127.0.0.1:9/x.png" in faults
    assert "console: no" in faults
    faults.clear()


@pytest.mark.slow
def test_no_other_script_runs_and_nothing_is_fetched_even_if_it_got_in(
    open_page: OpenPage, path: Path, tmp_path: Path, faults: list[str]
) -> None:
    worse = tmp_path / "worse.html"
    smuggled = (
        "<script>window.ran = 1</script><img src='http://127.0.0.1:9/x.png' onerror='window.ran=1'>"
        "<h1>"
    )
    worse.write_text(path.read_text(encoding="utf-8").replace("<h1>", smuggled))
    page = open_page(worse)
    refused = []
    page.on("requestfailed", lambda request: refused.append((request.url, request.failure)))
    page.reload()
    page.wait_for_load_state("networkidle")
    assert refused == [("http://127.0.0.1:9/x.png", "csp")]
    assert page.evaluate("window.ran") is None
    expect(page.locator("#bar")).to_be_visible()  # ours did run
    faults.clear()


@pytest.mark.slow
def test_hostile_names_stay_text(open_page: OpenPage, hostile_path: Path) -> None:
    page = open_page(hostile_path)
    page.locator("#bar summary").click()
    group = page.get_by_role("group", name="scheduler", exact=True)
    assert [label.inner_text() for label in group.locator("label").all()] == list(HOSTILE)
    again = open_page(hostile_path)
    for name in HOSTILE:
        group.get_by_label(name, exact=True).check()
        assert {row[0] for row in table_rows(page, "table-cells")} == {name}
        again.goto(page.url)  # the same file, so only the fragment is read again
        assert {row[0] for row in table_rows(again, "table-cells")} == {name}
        legend = again.locator("#rates .legend [aria-pressed=true]:visible")
        assert legend.all_inner_texts() == [name]
        assert again.evaluate("window.ran") is None
        group.get_by_label(name, exact=True).uncheck()
    opened = open_page(hostile_path, again.url[again.url.index("#") :])
    assert {row[0] for row in table_rows(opened, "table-cells")} == {HOSTILE[-1]}
    assert opened.evaluate("window.ran") is None
    assert page.locator("#table-ended-early td").last.inner_text() == "".join(HOSTILE)
    assert page.locator("#sweep").inner_text() == "\n".join(HOSTILE)
    page.locator("#by-dropout-0").focus()
    page.keyboard.press("ArrowRight")
    assert HOSTILE[0] in page.locator("#tip").inner_text()
    assert page.locator("img, script:not(head *)").count() == 0
    assert page.evaluate("window.ran") is None


@pytest.mark.slow
def test_hovering_names_the_run(open_page: OpenPage, path: Path, tables: Tables) -> None:
    runs = tables[0].query("lr == 0.001 and status == 'completed'")
    page = open_page(path)
    expect(page.locator("#tip")).to_be_hidden()
    figure = page.locator("#by-dropout-0")
    named = set()
    for dot in figure.locator("g[data-scheduler=plateau] use[data-dropout='0.3']").all():
        dot.hover(force=True)
        named |= set(page.locator("#tip").inner_text().splitlines())
    own = runs[(runs["scheduler"] == "plateau") & (runs["dropout"] == 0.3)]
    accuracy = 100 * own["test_accuracy"]
    assert {
        f"plateau, dropout 0.3, seed {seed}: {value:.4g}"
        for seed, value in zip(own["seed"], accuracy, strict=True)
    } < named
    mean = f"plateau, dropout 0.3: mean {accuracy.mean():.4g}, sd {accuracy.std():.2g}"
    assert f"{mean}, n = {len(own)}" in named
    page.keyboard.press("Escape")
    expect(page.locator("#tip")).to_be_hidden()


@pytest.mark.slow
def test_arrow_keys_name_the_marks_that_are_shown(open_page: OpenPage, path: Path) -> None:
    page = open_page(path, "#scheduler=step&dropout=0.3&lr=0.001")
    page.locator("#jumps-0-1").focus()
    heard = []
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
        heard.append(page.locator("#tip").inner_text())
    assert heard[0] == heard[2] != heard[1] == heard[3]
    assert sorted(text[:9] for text in heard[:2]) == ["step", "step, mea"]
    assert page.locator("#tip").get_attribute("role") == "status"
    assert page.locator(".named").count() == 1
    page.keyboard.press("Tab")
    expect(page.locator("#tip")).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(open_page: OpenPage, path: Path, scheme: str) -> None:
    page = open_page(path, color_scheme=scheme)

    def assert_readable(dark: bool) -> None:
        behind = colour(page, "body", "backgroundColor")
        assert (max(behind) < 60) == dark
        for selector, of in (
            ("h1", "color"),
            ("figcaption", "color"),
            ("#table-cells thead button", "color"),
            ("#by-dropout-0 text", "fill"),
            ("#by-dropout-0 g[id] path, #by-dropout-0 path[style*=currentColor]", "stroke"),
        ):
            assert contrast(colour(page, selector, of), behind) >= 4.5, selector

    assert_readable(dark=scheme == "dark")
    expect(page.get_by_label("Colours")).to_have_value("system")
    other = "light" if scheme == "dark" else "dark"
    page.get_by_label("Colours").select_option(other)
    assert_readable(dark=other == "dark")
    page.reload()
    expect(page.get_by_label("Colours")).to_have_value(other)
    assert_readable(dark=other == "dark")
    page.get_by_label("Colours").select_option("system")
    assert_readable(dark=scheme == "dark")


@pytest.mark.slow
def test_print_is_black_on_white_without_controls_and_says_the_filter(
    open_page: OpenPage, path: Path
) -> None:
    page = open_page(path, "#scheduler=step", color_scheme="dark")
    page.get_by_label("Colours").select_option("dark")
    page.emulate_media(media="print")
    assert colour(page, "body", "backgroundColor") == (255, 255, 255)
    assert colour(page, "h1", "color") == colour(page, "#gap-0 text", "fill") == (0, 0, 0)
    for control in page.locator("#bar summary, select, .tools, a.skip").all():
        expect(control).to_be_hidden()
    expect(page.locator("#shown")).to_have_text(re.compile(r"^scheduler step: "))
    expect(page.locator("#shown")).to_be_visible()
    assert page.pdf().startswith(b"%PDF")
    page.locator("#show-all").evaluate("button => button.click()")
    expect(page.locator("#shown")).to_be_hidden()  # all rows are there, so there is nothing to say


@pytest.mark.slow
def test_four_schedulers_at_three_dropouts_are_printed_on_seven_pages(
    open_page: OpenPage, tmp_path: Path
) -> None:
    whole = make_tables(SCHEDULERS, (0.0, 0.3, 0.5), seeds=12, n_epochs=6)
    page = open_page(write_page(tmp_path / "whole", whole))
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= 7
    (size,) = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+ [\d.]+)\]", printed))
    assert [round(float(points)) for points in size.split()] == [595, 842]  # A4


@pytest.mark.slow
@pytest.mark.parametrize(("size", "scheme"), [("wide", "light"), ("narrow", "dark")])
def test_axe_finds_no_fault(open_page: OpenPage, path: Path, size: str, scheme: str) -> None:
    page = open_page(path, viewport=WIDTHS[size], color_scheme=scheme)
    page.locator("#bar summary").click()
    results = Axe().run(page)
    assert results.generate_report() == "Found 0 accessibility violations:\n"


@pytest.mark.slow
def test_axe_would_find_one(open_page: OpenPage, path: Path) -> None:
    page = open_page(path)
    page.evaluate(
        "document.querySelector('select').removeAttribute('aria-label');"
        "document.querySelector('h1').style.color = '#eee'"
    )
    found = {violation["id"] for violation in Axe().run(page).response["violations"]}
    assert found == {"select-name", "color-contrast"}


@pytest.mark.parametrize("size", slow_but(["narrow"], WIDTHS))
def test_nothing_is_wider_than_the_window(open_page: OpenPage, path: Path, size: str) -> None:
    page = open_page(path, viewport=WIDTHS[size])
    page.locator("#bar summary").click()
    wide = "[document.documentElement.scrollWidth, innerWidth]"
    width, window = page.evaluate(wide)
    assert width <= window
    # what scrolls within the page can be reached by the keyboard
    scrolling = page.locator(".scroll, pre").evaluate_all(
        "all => all.map(e => [e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight,"
        " e.tabIndex >= 0])"
    )
    assert all(scrolls == reachable for scrolls, reachable in scrolling)
    assert size == "wide" or any(scrolls for scrolls, _ in scrolling)


@pytest.mark.slow
def test_every_control_is_reached_by_tab_and_shows_it(open_page: OpenPage, path: Path) -> None:
    page = open_page(path)
    page.evaluate("document.querySelector('#bar details').open = true")
    reached, ringed = [], []
    for _ in range(200):
        page.keyboard.press("Tab")
        name, ring = page.evaluate(
            "(e => [e.id || (e.labels?.[0] ?? e).textContent.trim(),"
            " getComputedStyle(e).outlineStyle])(document.activeElement)"
        )
        reached.append(name)
        ringed.append(ring)
        if name == "rates-0":
            break
    for name in ("Skip to the content", *SCHEDULERS, "Copy as CSV", "verdict", "rates-0"):
        assert name in reached, name
    assert reached[0] == "Skip to the content"
    assert set(ringed) == {"solid"}


@pytest.mark.slow
@pytest.mark.parametrize(("size", "columns"), [("wide", 2), ("narrow", 1)])
def test_sentences_stand_in_columns_where_there_is_room(
    open_page: OpenPage, path: Path, size: str, columns: int
) -> None:
    sentences = open_page(path, viewport=WIDTHS[size]).locator(".verdicts ul").first.locator("li")
    left = sentences.evaluate_all("all => all.map((one) => one.getBoundingClientRect().left)")
    assert len(left) > 3
    assert len(set(left)) == columns


@pytest.mark.slow
def test_a_long_name_leaves_room_for_the_numbers_beside_the_map(
    open_page: OpenPage, tmp_path: Path
) -> None:
    whole = make_tables(("constant", "x" * 64), (0.0, 0.3), 2, 1)
    page = open_page(write_page(tmp_path / "long", whole), viewport=WIDTHS["wide"])
    boxes = [page.locator(f"#{place}").bounding_box() for place in ("heat-map-0", "table-cells")]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[1]["x"] > boxes[0]["x"] + boxes[0]["width"]
    assert boxes[1]["x"] + boxes[1]["width"] <= WIDTHS["wide"]["width"]
