"""Sweeps over augmentation: axes from the file to the report, identity, resuming and verifying."""

import json

import pytest
from helpers.training import digits
from typer.testing import CliRunner

from lrdecay import analysis
from lrdecay.cli.app import app
from lrdecay.core.errors import InputError
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_epochs, read_plan_runs, read_runs
from lrdecay.store.verify import verify_results
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

PLAIN = """\
name: augmented
dataset: digits
validation: 600
epochs: 3
optimizer: {name: Adam, lr: 0.01}
dropout: 0.0
schedulers: {constant: {class: constant}, step: {class: StepLR, step_size: 1}}
seeds: 2
"""
TEXT = f"{PLAIN}augment: {{random_crop: [0, 1], cutout: [none, 3]}}\n"
SETTINGS = ["{}", '{"cutout":3}', '{"cutout":3,"random_crop":1}', '{"random_crop":1}']


def list_settings(lines: str) -> list[str]:
    runs = list_runs(parse_sweep(PLAIN + lines), digits())
    return list(dict.fromkeys(run.augment for run in runs))


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        ("", ["{}"]),
        ("augment: {}\n", ["{}"]),
        ("augment: {random_crop: 0, horizontal_flip: none, cutout: 0}\n", ["{}"]),
        ("augment: {horizontal_flip: [0.0, 1]}\n", ["{}", '{"horizontal_flip":1.0}']),
        ("augment: {horizontal_flip: -0.0}\n", ["{}"]),
        ("augment: {cutout: 8, random_crop: 4}\n", ['{"cutout":8,"random_crop":4}']),
    ],
)
def test_nothing_is_the_same_however_it_is_written(line, settings):
    assert list_settings(line) == settings


def test_runs_without_augmentation_are_the_runs_that_they_were():
    plain = {run.run_id for run in list_runs(parse_sweep(PLAIN), digits())}
    ids = {run.run_id: run.augment for run in list_runs(parse_sweep(TEXT), digits())}
    assert len(ids) == 16
    assert sorted(set(ids.values())) == sorted(SETTINGS)
    assert {run for run, setting in ids.items() if setting == "{}"} == plain
    assert "augment.cutout" not in parse_sweep(PLAIN).axes()
    assert parse_sweep(TEXT).axes()["augment.cutout"] == [0, 3]
    assert parse_sweep(TEXT).cells == 4 * parse_sweep(PLAIN).cells


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{random_crop: -1}", "3:24: augment.random_crop: must be at least 0, not -1"),
        ("{random_crop: 1.5}", "augment.random_crop: must be a whole number, not 1.5"),
        (
            "{random_crop: [4, four]}",
            "augment.random_crop: must be a whole number of pixels, or none, not 'four'",
        ),
        ("{cutout: [none, 0]}", "3:26: augment.cutout: 0 is in the list already; leave it out"),
        ("{horizontal_flip: 1.5}", "augment.horizontal_flip: must be at most 1, not 1.5"),
        (
            "{horizontal_flip: true}",
            "augment.horizontal_flip: must be a probability from 0 to 1, or none, not true",
        ),
        (
            "{flip: 0.5}",
            "3:11: augment: the key 'flip' is unknown; choices: random_crop, horizontal_flip, "
            "cutout",
        ),
        ("{cut_out: 8}", "the key 'cut_out' is unknown; did you mean cutout?"),
        ("cutout", "3:10: augment: must be keys and values (keys: random_crop, horizontal_flip"),
        (
            "{cutout: null}",
            "augment.cutout: must be a whole number of pixels, or none, not nothing",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(line, message):
    text = f"dataset: digits\nschedulers: {{c: {{class: constant}}}}\naugment: {line}\n"
    with pytest.raises(InputError) as raised:
        parse_sweep(text)
    assert message in str(raised.value)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    (results / "augmented.yaml").write_text(TEXT)
    return run_sweep(results / "augmented.yaml", results, workers=0).folder


def test_tables_have_it_and_are_verified(trained):
    runs = read_runs(trained)
    assert set(runs["status"]) == {"completed"}
    assert "native" not in set(runs.query("augment != '{}'")["engine"])
    assert set(runs["augment"]) == set(SETTINGS)
    assert read_plan_runs(trained) == list_runs(parse_sweep(TEXT), digits())
    assert (verify_results(trained).findings, verify_results(trained).runs) == ((), 16)


def test_what_is_trained_on_is_harder_than_what_is_evaluated(trained):
    """The split train is of the images as training saw them."""
    runs, epochs = read_runs(trained), read_epochs(trained)
    rows = epochs.merge(runs[["run_id", "augment"]], on="run_id").query("epoch == 3")
    means = rows.groupby(["augment", "split"])["loss"].mean().unstack()
    assert (means.loc[SETTINGS[1:], "train"] > 1.5 * means.loc["{}", "train"]).all()
    assert (means.loc[SETTINGS[1:], "train"] > means.loc[SETTINGS[1:], "train_eval"]).all()


@pytest.mark.slow
def test_it_is_an_axis_of_the_comparison_and_of_the_report(trained):
    runs = read_runs(trained)
    assert analysis.extra_axes(runs) == ["augment"]
    summary = analysis.cell_summary(runs)
    assert summary["n"].tolist() == [2] * 8
    result = CliRunner().invoke(app, ["report", str(trained)])
    assert result.exit_code == 0, result.output
    page = (trained / "report.html").read_text()
    assert "cutout 3, random_crop 1" in page
    assert "no augment" in page
    result = CliRunner().invoke(app, ["compare", str(trained), "--format", "json"])
    assert result.exit_code == 0, result.output
    assert {row["augment"] for row in json.loads(result.output)["contrasts"]} == set(SETTINGS)


def test_a_cell_is_named_by_its_transforms(tmp_path):
    path = tmp_path / "augmented.yaml"
    path.write_text(TEXT)
    cell = "scheduler=step,augment.random_crop=1,augment.cutout=3"
    result = CliRunner().invoke(app, ["train", str(path), "--cell", cell])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, ["train", str(path), "--cell", "scheduler=step"])
    assert result.exit_code == 2
    assert "augment.random_crop: 0, 1" in result.output


def test_a_sweep_goes_on_with_the_runs_that_it_lacks(trained, tmp_path):
    run_sweep(parse_sweep(PLAIN), tmp_path, workers=0)
    before = read_runs(tmp_path / "augmented").set_index("run_id")["finished_at"]
    summary = run_sweep(parse_sweep(TEXT), tmp_path, workers=0)
    assert (summary.total, summary.reused) == (16, 4)
    after = read_runs(tmp_path / "augmented").set_index("run_id")
    assert (after["finished_at"][before.index] == before).all()
    # and it comes to what it comes to at once
    whole = read_runs(trained).set_index("run_id")
    for column in ("test_loss", "val_loss", "test_accuracy"):
        assert (after[column].sort_index() == whole[column].sort_index()).all()
    assert run_sweep(parse_sweep(TEXT), tmp_path, workers=0).reused == 16
