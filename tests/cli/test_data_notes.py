"""What plan, sweep, report and compare say of the data."""

import json
from pathlib import Path

import pytest
from helpers.commands import call
from helpers.html_page import Page
from helpers.image_folders import fill
from PIL import Image

from lrdecay.core.data_facts import DataFacts
from lrdecay.store.reader import read_plan

TEXT = """\
dataset: {folder: mine, channels: 1}
epochs: 2
optimizer: {name: SGD, lr: 1e-9}
schedulers: {constant: {class: constant}, step: {class: StepLR, step_size: 1}}
"""
CLASSES = "mine: 2 classes; images for training, validation and testing: cat 9, 3, 3; dog 25, 3, 7"
DRAWN = (
    "mine: there is no folder of test images: one image in 5 of each class is held out for "
    "testing, 10 in all, the same ones in every run"
)
SKIPPED = "mine: skipped 1 file without an image's ending: 1 .txt"
UNEVEN = (
    "The classes are uneven: of 10 test images 7 are of dog and 3 of cat. To always answer dog is "
    "right for 70.0%, and test accuracy says little of the rarer classes; test_macro_f1 weighs "
    "all alike (metrics: [macro_f1] in the sweep file)"
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fill(tmp_path / "mine", {"cat": 15, "dog": 35})
    (tmp_path / "mine" / "cat" / "caption.txt").write_text("a cat")
    Image.new("L", (12, 12), 7).save(tmp_path / "mine" / "cat" / "000.png")
    path = tmp_path / "small.yaml"
    path.write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    return path


@pytest.mark.slow
def test_plan_and_sweep_say_it_before_anything_trains_and_the_report_keeps_it(file):
    blank = "mine: of one colour throughout: 1 of 50 images, such as cat/000.png"
    said = [CLASSES, SKIPPED, DRAWN, f"warning: {blank}", f"warning: mine: {UNEVEN}"]
    for command in (("plan", file, "--strict"), ("sweep", file, "--workers", 0)):
        result = call(*command)
        assert result.exit_code == 0, result.output
        for line in said:
            assert line in result.output
    plan = read_plan(file.parent / "results" / "small")
    notes = tuple(line.removeprefix("mine: ") for line in (SKIPPED, DRAWN))
    assert plan.data == DataFacts(("cat", "dog"), (9, 25), (3, 3), (3, 7), notes)
    assert plan.warnings == (blank,)
    assert call("report", "results/small").exit_code == 0
    page = Page(file.parent / "results" / "small" / "report.html")
    assert str(file.parent) not in page.source
    for text in (CLASSES, SKIPPED, DRAWN):
        assert f"{text.removeprefix('mine: ')}." in page.text
    for text in (f"{UNEVEN}.", "No run is better than chance in: constant, dropout 0.3; step, dr"):
        assert text in page.text
    assert f"{blank}." in page.text


def test_compare_says_it_of_the_metric_that_is_compared(file):
    assert call("sweep", file, "--workers", 0).exit_code == 0
    chance = "No run is better than chance in: constant, dropout 0.3; step, dropout 0.3. To always"
    plain = call("compare", "results/small").output
    assert f"{UNEVEN}.\n" in plain
    assert chance in plain
    loss = call("compare", "results/small", "--metric", "test_loss", "--format", "json").output
    departs, first, *others = json.loads(loss)["notes"]
    assert departs.startswith("Not as planned, so exploratory: the metric was to be test_accuracy")
    assert first.startswith(chance)
    assert not any("uneven" in note for note in others)


def test_nothing_is_said_of_data_of_which_there_is_nothing_to_say(tmp_path):
    path = tmp_path / "plain.yaml"
    resolved = "seeds: 8\ncomparison: {margin: 5}\n"
    path.write_text(TEXT.replace("{folder: mine, channels: 1}", "digits") + resolved)
    result = call("plan", path)
    assert "classes" not in result.output
    assert "warning" not in result.output
