"""Curves tell their values, legends hide and show, figures become files."""

import re
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers.browser_pages import SCHEDULERS, OpenPage, marks, write_page
from helpers.frames import Tables, make_tables
from matplotlib import image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow  # such a page takes seconds to write

EPOCHS = 6


@pytest.fixture(scope="module")
def whole() -> Tables:
    return make_tables(SCHEDULERS, (0.0, 0.3), seeds=4, n_epochs=EPOCHS)


@pytest.fixture(scope="module")
def plain(whole: Tables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("plain") / "example", whole)


def count_means(
    tables: Tables, metric: str, epoch: int, schedulers: tuple[str, ...] = SCHEDULERS
) -> list[tuple[str, float, float]]:
    """Scheduler, mean and sd that a read-out of the test curves at dropout 0.3 should tell."""
    rows = tables[1].query("split == 'test' and dropout == 0.3 and epoch == @epoch")
    scale = 100 if metric == "accuracy" else 1
    own = {name: scale * rows.loc[rows["scheduler"] == name, metric] for name in schedulers}
    return [(name, values.mean(), values.std()) for name, values in own.items()]


def assert_told(page: Page, epoch: int, means: list[tuple[str, float, float]]) -> None:
    head, *said = hear(page)
    assert head == f"epoch {epoch}"
    for line, (scheduler, mean, sd) in zip(said, means, strict=True):
        name, *numbers = re.split(r" (?:\N{PLUS-MINUS SIGN} )?", line)
        assert name == scheduler
        assert [float(number) for number in numbers] == pytest.approx([mean, sd], rel=0.05)
        assert float(numbers[0]) == pytest.approx(mean, rel=0.005, abs=0.006)


def hear(page: Page) -> list[str]:
    """The lines of the tip, a scheduler's name and its value in one."""
    head, *rows = [
        " ".join(text.split())
        for text in page.locator("#tip > *").evaluate_all("all => all.map(e => e.textContent)")
    ]
    return [head, *rows]


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_keys_tell_every_scheduler_at_each_epoch(
    open_page: OpenPage, plain: Path, whole: Tables, metric: str
) -> None:
    page = open_page(plain)
    page.locator(f"#{metric}-0-test-1").focus()
    for epoch in (*range(1, EPOCHS + 1), EPOCHS):  # it stops at the last
        page.keyboard.press("ArrowRight")
        assert_told(page, epoch, count_means(whole, metric, epoch))
    page.keyboard.press("ArrowLeft")
    assert_told(page, EPOCHS - 1, count_means(whole, metric, EPOCHS - 1))
    assert page.locator("#tip").get_attribute("role") == "status"
    page.keyboard.press("Escape")
    expect(page.locator("#tip")).to_be_hidden()
    assert page.locator(".guide").count() == 0
    page.keyboard.press("ArrowLeft")
    assert hear(page)[0] == f"epoch {EPOCHS}"
    page.keyboard.press("Tab")
    expect(page.locator("#tip")).to_be_hidden()


def test_the_pointer_tells_the_epoch_that_is_next_to_it(
    open_page: OpenPage, plain: Path, whole: Tables
) -> None:
    page = open_page(plain, "#scheduler=step&scheduler=plateau")
    plot = page.locator("#accuracy-0-test-1")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    markers = plot.locator("g[data-scheduler=step]:has(> path) use").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect()).map(r => (r.left + r.right) / 2)"
    )
    assert len(markers) == EPOCHS
    for epoch, x in enumerate(markers, start=1):
        page.mouse.move(x + 3, box["y"] + box["height"] / 3)
        assert_told(page, epoch, count_means(whole, "accuracy", epoch, ("step", "plateau")))
        guide = plot.locator(".guide").evaluate("e => e.getBoundingClientRect().left")
        assert guide == pytest.approx(x, abs=1)
    page.mouse.move(5, 5)
    expect(page.locator("#tip")).to_be_hidden()


def test_relative_curves_and_rates_tell_theirs(
    open_page: OpenPage, plain: Path, whole: Tables
) -> None:
    page = open_page(plain)
    rows = whole[1].query("split == 'test' and dropout == 0.3 and epoch == 1")
    wide = 100 * rows.pivot(index="seed", columns="scheduler", values="accuracy")
    page.locator("#relative-accuracy-0-1").focus()
    page.keyboard.press("ArrowRight")
    head, *said = hear(page)
    assert head == "epoch 1"
    assert [line.split()[0] for line in said] == list(SCHEDULERS[1:])
    for line, scheduler in zip(said, SCHEDULERS[1:], strict=True):
        difference = (wide[scheduler] - wide["constant"]).mean()
        assert float(line.split()[1]) == pytest.approx(difference, abs=0.006)
    page.locator("#relative-rate-0-1").focus()
    page.keyboard.press("ArrowRight")
    first = whole[1].query("epoch == 1").drop_duplicates("scheduler").set_index("scheduler")
    for line, scheduler in zip(hear(page)[1:], SCHEDULERS, strict=True):
        assert line.startswith(f"{scheduler} {first.loc[scheduler, 'learning_rate_first']:.3g}")


def test_an_entry_of_a_legend_hides_and_shows_its_scheduler(
    open_page: OpenPage, plain: Path
) -> None:
    page = open_page(plain)
    entry = page.locator("#loss .legend").get_by_role("button", name="step", exact=True)
    expect(entry).to_have_attribute("aria-pressed", "true")
    entry.scroll_into_view_if_needed()
    before = entry.bounding_box()
    entry.click()
    others = [name for name in SCHEDULERS if name != "step"]
    assert page.url.endswith("#" + "&".join(f"scheduler={name}" for name in others))
    for figure in ("rates-0", "loss-0-test-1", "by-dropout-0"):
        assert marks(page, figure, "scheduler") == set(others)
    expect(entry).to_have_attribute("aria-pressed", "false")
    after = entry.bounding_box()
    assert before is not None
    assert after is not None
    assert after["y"] == pytest.approx(before["y"], abs=1)  # it stays under the pointer
    for name in others[:2]:
        page.locator("#loss .legend").get_by_role("button", name=name, exact=True).click()
    assert page.url.endswith(f"#scheduler={others[2]}")
    entry.press("Enter")
    assert marks(page, "rates-0", "scheduler") == {"step", others[2]}
    page.go_back()
    assert marks(page, "rates-0", "scheduler") == {others[2]}
    page.locator("#loss .legend").get_by_role("button", name=others[2], exact=True).click()
    assert marks(page, "rates-0", "scheduler") == set(SCHEDULERS)  # none is left, so all are shown


def save(page: Page, section: str, kind: str) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        page.locator(f"#{section} .pictures").first.get_by_role("button", name=kind).click()
    path = waiting.value.path()
    return waiting.value.suggested_filename, Path(path).read_bytes()


def test_a_figure_is_saved_as_it_is_shown(open_page: OpenPage, plain: Path) -> None:
    page = open_page(plain, "#scheduler=step&scheduler=cosine")
    name, written = save(page, "loss", "SVG")
    assert name == "example-loss.svg"
    svg = ElementTree.fromstring(written)
    space = "{http://www.w3.org/2000/svg}"
    assert {e.get("data-scheduler") for e in svg.iter(f"{space}g")} - {None} == {"step", "cosine"}
    panels = [e for e in svg.findall(f"{space}svg") if e.get("aria-label")]
    assert len(panels) == 2 * 4
    words = [e.text for e in svg.findall(f"{space}text")]
    assert words.count("dropout 0.3") == 4
    assert words[0] == "Training images"
    assert [e.text for e in svg.findall(f"{space}g/{space}text")] == ["step", "cosine"]
    ids = {e.get("id") for e in svg.iter() if e.get("id")}
    links = re.findall(r'(?:href="|url\()#([^")]+)', written.decode())
    assert set(links) <= ids  # it needs nothing of the page


PLACES = """all => all.map(e => e.getBBox()).map(box => [box.x, box.x + box.width, box.y])"""


def test_names_in_a_saved_legend_end_within_it_and_apart(
    open_page: OpenPage, tmp_path: Path
) -> None:
    labels = ("W" * 64, "CAPITALS " + "M" * 20, "i" * 64, "\u00c9\u00df\u00c6" * 5, "step", "plain")
    tables = make_tables(labels, (0.3,), seeds=2, n_epochs=2)
    page = open_page(write_page(tmp_path / "long", tables))
    _, written = save(page, "rates", "SVG")
    picture = tmp_path / "picture.svg"
    picture.write_bytes(written)
    drawn = open_page(picture)
    width = drawn.locator(":root").evaluate("e => e.viewBox.baseVal.width")
    assert drawn.locator(":root > g > text").all_text_contents() == list(labels)
    lines: dict[float, list[float]] = {}
    keys = drawn.locator(":root > g > svg").evaluate_all("all => all.map(e => e.x.baseVal.value)")
    for (begin, end, y), key in zip(
        drawn.locator(":root > g > text").evaluate_all(PLACES), keys, strict=True
    ):
        assert end <= width
        assert key + 36 < begin
        assert key >= max(lines.setdefault(round(y), [0.0]))
        lines[round(y)].append(end)
    assert len(lines) > 2
    assert max(map(len, lines.values())) > 1  # short ones stand side by side
    widest = max(end for ends in lines.values() for end in ends)
    assert width == pytest.approx(widest, abs=2)  # no wider than they take


def test_a_png_has_300_dots_per_inch_and_the_curves_on_white(
    open_page: OpenPage, plain: Path
) -> None:
    page = open_page(plain, color_scheme="dark")
    name, written = save(page, "rates", "PNG")
    assert name == "example-rates.png"
    pixels = image.imread(BytesIO(written))
    view = page.locator("#rates-0").evaluate("e => e.viewBox.baseVal.width")
    assert pixels.shape[1] == pytest.approx(view * 300 / 72, abs=1)
    assert np.allclose(pixels[0, 0, :3], 1)
    share = (pixels[..., :3].max(axis=-1) < 0.3).mean()
    assert 0.002 < share < 0.2  # axes and words are black


def test_every_figure_can_be_saved(open_page: OpenPage, plain: Path) -> None:
    page = open_page(plain)
    count = page.locator("figure").count()
    assert count > 10
    assert page.locator("figure .pictures").count() == count
    drawn = page.evaluate(
        "[...document.querySelectorAll('figure')].map(f => composePicture(f).viewBox.baseVal)"
        ".map(({ width, height }) => width > 100 && height > 60)"
    )
    assert drawn == [True] * count


def test_a_refused_picture_is_said(open_page: OpenPage, plain: Path) -> None:
    page = open_page(plain)
    page.evaluate("window.URL.createObjectURL = () => { throw new Error('no room') }; 0")
    page.locator("#rates .pictures").get_by_role("button", name="PNG").click()
    expect(page.locator("#said")).to_have_text("No PNG: no room.")


def test_who_may_be_best_is_in_the_table(open_page: OpenPage, tmp_path: Path) -> None:
    runs, epochs = make_tables(("constant", "step", "cosine"), (0.0,), seeds=8, n_epochs=2)
    worse = runs["scheduler"] == "step"
    runs["test_accuracy"] -= 0.3 * worse
    page = open_page(write_page(tmp_path / "best", (runs, epochs)))
    rows = page.locator("#table-cells tbody tr").all()
    column = page.locator("#table-cells thead th").all_inner_texts().index("may be best")
    said = {row.locator("td").first.inner_text(): row.locator("td").nth(column) for row in rows}
    assert said["step"].inner_text() == "no"
    assert "yes" in {said["constant"].inner_text(), said["cosine"].inner_text()}
