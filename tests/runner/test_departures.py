"""What a comparison does otherwise than it was planned is said wherever its verdicts are."""

import json

import pytest
from helpers.commands import call
from helpers.first_plans import FEWER, SCHEDULERS, looks_of, planned, sweep, text
from helpers.made_up import Training
from helpers.tiers import slow_but

from lrdecay.report.compare import as_json, compare_folder, write_headline
from lrdecay.report.page import write_report
from lrdecay.report.side_by_side import write_comparison


@pytest.fixture
def training(monkeypatch) -> Training:
    return Training(monkeypatch)


def shown(results) -> dict[str, str]:
    """What each format says of a folder."""
    folder = results / "small"
    answer = compare_folder(folder)
    return {
        "table": "planned" if answer.found.table["as_planned"].all() else "exploratory",
        "json": "planned" if json.loads(as_json(answer))["as_planned"] else "exploratory",
        "headline": write_headline(answer),
        "notes": " ".join(answer.notes),
        "text": call("compare", folder).output,
        "markdown": call("compare", folder, "--format", "markdown").output,
        "latex": call("compare", folder, "--format", "latex").output,
        "methods": call("compare", folder, "--format", "methods").output,
        "figure": call("plot", folder, "differences", "--output", results / "x.svg").output,
        "page": write_report(folder).read_text(encoding="utf-8"),
        "side by side": write_comparison([folder]).read_text(encoding="utf-8"),
    }


OTHER_SEEDS = "seeds that were asked for before are left out, or are in another order"
SWAPPED = """
  cosine:   {class: constant}
  step:     {class: StepLR, step_size: 1, gamma: 0.5}
  constant: {class: CosineAnnealingLR, T_max: epochs}
"""

DEPARTURES = [
    (
        text(comparison="reference: step, margin: 0.5"),
        "the reference was to be constant, not step",
    ),
    (text(comparison="margin: 0.2"), "the margin was to be 0.5, not 0.2"),
    (text(comparison="margin: 0.5, confidence: 0.9"), "the confidence was to be 0.95, not 0.9"),
    (
        text(comparison="metric: val_accuracy, margin: 0.5"),
        "the metric was to be test_accuracy, not val_accuracy",
    ),
    # a margin in nats is not compared with one in points
    (
        text(comparison="metric: test_loss, margin: 0.01"),
        "the metric was to be test_accuracy, not test_loss",
    ),
    (text([7, 0, 1, 2, 3, 4, 5, 6]), OTHER_SEEDS),
    (text([0, 1, 2, 3, 4, 5, 6, 8]), OTHER_SEEDS),
    (
        text(schedulers=SWAPPED),
        "constant was to be constant(), not CosineAnnealingLR(T_max=2, eta_min=0.0)",
    ),
    (
        text(schedulers=SCHEDULERS.replace("constant}", "constant, interval: step}")),
        "constant was to be constant(), not constant(interval=step)",
    ),
    (
        text(comparison="reference: cosine, margin: 0.1, confidence: 0.8"),
        "the reference was to be constant, not cosine; the confidence was to be 0.95, not 0.8; "
        "the margin was to be 0.5, not 0.1",
    ),
]
"""What the file says later, and what is said of it."""


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_what_is_as_planned_is_not_called_exploratory(tmp_path, training):
    sweep(tmp_path, text())
    assert "exploratory" not in " ".join(shown(tmp_path).values())


@pytest.mark.usefixtures("empty_figures")
@pytest.mark.parametrize(("sweep_text", "why"), slow_but(DEPARTURES[:1], DEPARTURES))
def test_what_is_not_as_planned_is_exploratory_everywhere(tmp_path, training, sweep_text, why):
    sweep(tmp_path, text())
    assert sweep(tmp_path, sweep_text)[0] == planned()
    found = shown(tmp_path)
    assert [name for name, said in found.items() if "exploratory" not in said] == []
    assert found["headline"].endswith(", not as planned: exploratory")
    said, reasons = " ".join(found["text"].split()), f"Not as planned, so exploratory: {why}."
    assert found["text"].splitlines()[1].endswith("; not as planned: exploratory")
    assert reasons in said
    assert found["notes"].startswith(reasons)
    assert f"<strong>Not as planned, so exploratory</strong>: {why}." in found["page"]
    assert "; not as planned, so exploratory" in found["side by side"]
    # and as planned once more
    sweep(tmp_path, text())
    assert compare_folder(tmp_path / "small").found.departures == ()


def test_what_was_left_out_on_the_command_line_is_not_as_planned_either(tmp_path, training):
    sweep(tmp_path, text())
    folder = tmp_path / "small"
    assert compare_folder(folder).found.departures == ()
    assert compare_folder(folder, margin=0.5, confidence=0.95).found.departures == ()
    for options, why in (
        ({"reference": "step"}, "the reference was to be constant, not step"),
        ({"metric": "test_loss"}, "the metric was to be test_accuracy, not test_loss"),
        ({"margin": 0.1}, "the margin was to be 0.5, not 0.1"),
        ({"confidence": 0.99}, "the confidence was to be 0.95, not 0.99"),
    ):
        found = compare_folder(folder, **options).found
        assert found.departures == (why,)
        assert not found.table["as_planned"].any()


def test_more_or_fewer_seeds_are_as_planned(tmp_path, training):
    sweep(tmp_path, text(16))
    for seeds, looks in ((24, [8, 12, 16, 24]), (8, [8]), (12, [8, 12])):
        sweep(tmp_path, text(seeds))
        found = compare_folder(tmp_path / "small").found
        assert (found.departures, looks_of(tmp_path)) == ((), looks)
    # at 12 of 16 planned seeds: half of the 5% for looks before the planned one
    assert found.primary["level"].tolist() == pytest.approx([0.025 * 0.05 / 2] * 2)
    assert found.primary["verdict"].tolist() == ["identical"] * 2


def test_seeds_that_were_seen_are_not_chosen_among(tmp_path, training):
    """Neither the best ones, nor those at which nothing diverged."""
    sweep(tmp_path, text(16))
    for seeds in (
        [1, 2, 3, 4, 5, 6, 7, 8],
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16],
        [3, 4, 5],
    ):
        sweep(tmp_path, text(seeds))
        assert compare_folder(tmp_path / "small").found.departures == (OTHER_SEEDS,)
    # the list that was asked for first is as planned, as are its first ones and more
    for seeds, there in ((range(16), 16), (range(8), 8), ([*range(16), 99, 50], 18)):
        sweep(tmp_path, text(list(seeds)))
        found = compare_folder(tmp_path / "small").found
        assert (found.departures, len(found.blocks.seeds)) == ((), there)
    # and what was added counts as asked for too
    sweep(tmp_path, text([*range(16), 50, 99]))
    assert compare_folder(tmp_path / "small").found.departures == (OTHER_SEEDS,)


def test_a_first_plan_that_was_damaged_is_said_to_be_lost(tmp_path, training):
    sweep(tmp_path, text(16))
    plan = tmp_path / "small" / "plan.parquet"
    plan.write_bytes(plan.read_bytes()[:-40])
    assert call("verify", tmp_path / "small").exit_code == 1
    assert call("status", tmp_path / "small").output.endswith(
        "No verdict counts as planned: what was planned first was in a plan.parquet that was "
        "damaged\n"
    )
    assert sweep(tmp_path, text(8, FEWER))[0].lost
    assert compare_folder(tmp_path / "small").found.departures == (
        "what was planned first was in a plan.parquet that was damaged",
    )
    sweep(tmp_path, text(16))
    assert not compare_folder(tmp_path / "small").found.table["as_planned"].any()


def test_results_that_were_planned_otherwise_are_not_merged_into_planned_ones(tmp_path, training):
    folders = []
    for name, comparison in (("a", "margin: 0.5"), ("b", "margin: 0.05")):
        sweep(tmp_path / name, text(comparison=comparison))
        folders.append(tmp_path / name / "small")
    # of one sweep file in the end, as a merge asks for
    sweep(tmp_path / "a", text(comparison="margin: 0.05"))
    merged = call("merge", *folders, "--into", tmp_path / "both")
    assert merged.exit_code == 0, merged.output
    assert compare_folder(tmp_path / "both").found.departures == (
        "results were merged that were planned with another margin",
    )
