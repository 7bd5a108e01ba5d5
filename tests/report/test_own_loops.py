"""The report of runs that a loop of the user's own trained, or a program, says what is recorded of
them, and nothing that is true of lrdecay's own loop alone."""

from html import unescape

import numpy as np
import pytest
from helpers.frames import make_tables, write_folder
from helpers.html_page import Page

from lrdecay.report import provenance
from lrdecay.report.page import write_report
from lrdecay.report.tables import tabulate_rates

pytestmark = pytest.mark.usefixtures("empty_figures")

FALSE = (
    "images",
    "dropout masks",
    "read from stored digests",
    "Test accuracy by cell",
    "Searle",
    "Only validation data steers anything",
)
VERIFIED = (
    "Runs of one seed had the same initial weights and first batches: of those that are judged the "
    "recorded digests agree. A difference is taken seed by seed"
)
START = (
    "Runs of one seed had the same initial weights: of those that are judged the recorded digests "
    "agree; whether they then saw the same batches is not recorded. A difference is taken"
)
BY_SEED = (
    "Runs are paired by the number of their seed alone: nothing that is recorded shows that those "
    "of one seed had the same initial weights or saw the same batches."
)
NO_IMAGES = {"test_correct": None, "test_images": None, "dataset_digest": None, "validation": None}


def build(folder, sweep_text="name: mine\n", **columns) -> Page:
    """The page of 16 made-up runs with some columns as given."""
    runs, epochs, *_ = make_tables(("constant", "step"), (0.0,), seeds=8)
    runs = runs.assign(trainer="mine", **NO_IMAGES | columns)
    return Page(write_report(write_folder(folder / "mine", (runs, epochs), sweep_text)))


def find_section(page: Page, name: str) -> str:
    """A section of a page, from its first tag on, with plain spaces and quotes."""
    start = page.source.index(f'<section id="{name}">')
    part = page.source[start : page.source.index("</section>", start)]
    return " ".join(unescape(part).split())


@pytest.mark.parametrize(
    ("columns", "pairing"),
    [
        ({}, VERIFIED),
        ({"order_digest": None}, START),
        ({"order_digest": None, "init_digest": None}, BY_SEED),
    ],
)
def test_the_method_says_how_runs_of_a_loop_of_ones_own_are_paired(tmp_path, columns, pairing):
    page = build(tmp_path, engine="own", **columns)
    made, means = find_section(page, "made"), find_section(page, "means")
    assert f"A training loop of the user's own trained these runs. {pairing}" in made
    assert "Which schedulers may be best is what no interval of a pair excludes." in made
    assert "<h2>Means by cell</h2>" in means
    assert "Test accuracy, in percentage points: mean and standard deviation" in means
    for part in (made, means, find_section(page, "contrasts"), find_section(page, "slopes")):
        for words in FALSE:
            assert words not in part, words
    assert "Learning rates as applied" in page.source


def test_what_a_program_told_is_said_to_be_told(tmp_path):
    rates = {"rates_digest": None, "lr_changes": None}
    page = build(tmp_path, engine="command", plugins='{"trainer command":"ab"}', **rates)
    made = find_section(page, "made")
    assert (
        "A program trained these runs: all numbers, learning rates too, are as told by the "
        "program; device and versions are those of the process that started it. "
        f"{VERIFIED}"
    ) in made
    assert "lrdecay sweep mine.yaml --command COMMAND   #" in page.source
    assert "Learning rates as told by the program" in page.source
    assert "Learning rate as told by the program, epoch by epoch" in page.source
    assert "as applied" not in page.source
    assert "that was applied" not in page.source


def test_rates_that_nobody_told_are_not_said_to_be_the_same(tmp_path):
    runs, epochs, *_ = make_tables(("constant", "step"), (0.0,), seeds=8)
    runs = runs.assign(trainer="command", engine="command", **NO_IMAGES, rates_digest=None)
    lost = dict.fromkeys(["learning_rate", "learning_rate_first", "learning_rate_last"])
    folder = write_folder(tmp_path / "mine", (runs, epochs.assign(**lost)), "name: mine\n")
    assert "applied the same learning rate" not in Page(write_report(folder)).source


def test_lrdecays_own_runs_are_told_of_as_before(tmp_path):
    runs, epochs, *_ = make_tables(("constant", "step"), (0.0,), seeds=8)
    page = Page(write_report(write_folder(tmp_path / "mine", (runs, epochs), "name: mine\n")))
    assert "that they did is read from stored digests. So a difference is taken" in page.source
    assert "<h2>Test accuracy by cell</h2>" in page.source
    assert "Percent of test images right after the last epoch" in page.source
    assert "same initial weights, batches and dropout masks" in page.source


RATES = ["learning_rate", "learning_rate_first", "learning_rate_last"]


def test_a_program_that_told_no_rates_is_said_to_have_told_none(tmp_path):
    runs, epochs, *_ = make_tables(("constant", "step"), (0.0,), seeds=8)
    runs = runs.assign(trainer="command", engine="command", **NO_IMAGES)
    lost = epochs.assign(**dict.fromkeys(RATES, np.nan))
    page = Page(write_report(write_folder(tmp_path / "mine", (runs, lost), "name: mine\n")))
    assert (
        "A program trained these runs: all numbers are as told by the program; device and versions "
        "are those of the process that started it. It told no learning rates, so nothing shows "
        "that it followed the schedules. Runs of one seed"
    ) in find_section(page, "made")


def test_a_script_is_run_again_by_itself():
    runs, _ = make_tables(("constant",), (0.0,), seeds=1)
    assert provenance.write_commands("my runs", runs.assign(trainer="script")) == (
        "python SCRIPT   # which asks for its trials of 'my runs.yaml', the sweep file below\n"
        "lrdecay report 'results/my runs'\n"
        "lrdecay verify 'results/my runs'"
    )
    assert provenance.write_commands("a", runs).startswith("lrdecay sweep a.yaml   # the sweep")


def test_what_trained_is_called_a_training_loop():
    runs, _ = make_tables(("constant",), (0.0,), seeds=1)
    own = runs.assign(trainer="mine", dataset="mine", engine="own")
    imported = own.assign(trainer="imported", dataset="cifar10", engine="imported")
    for name, table in (("training loop", own), ("dataset", runs), ("dataset", imported)):
        facts = dict(provenance.provenance_facts(table, runs.iloc[:0]))
        assert facts[name] == table["dataset"].item()
        assert provenance.provenance_matrix(table)[0] == (name, table["dataset"].item(), 1)


def test_trials_of_another_loop_are_chosen_by_a_loss_without_a_unit():
    trials, _ = make_tables(("constant",), (0.3,), seeds=2, lr=[0.1, 0.2])
    trials = trials.assign(phase="choose", lr_chosen_per="scheduler")
    for engine, words in (("reference", " (nats per image). A rate"), ("own", ". A rate")):
        caption = tabulate_rates(trials.assign(engine=engine))["listing"].caption
        assert f"the lowest mean validation loss after the last epoch{words}" in caption


def test_runs_that_are_not_judged_are_paired_by_nothing(tmp_path):
    """All of one scheduler failed: the others are paired as their digests say."""
    runs, epochs = make_tables(
        ("constant", "step", "cosine"),
        (0.0,),
        seeds=8,
        status=lambda scheduler, *_: "failed" if scheduler == "cosine" else "completed",
    )
    runs = runs.assign(trainer="mine", engine="own", **NO_IMAGES)
    page = Page(write_report(write_folder(tmp_path / "mine", (runs, epochs), "name: mine\n")))
    made = find_section(page, "made")
    assert f"A training loop of the user's own trained these runs. {VERIFIED}" in made
    assert "by the number of their seed alone" not in made
    assert "Not evaluated, since 8 of 8 seeds" in page.source
