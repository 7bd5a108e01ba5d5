"""Sweeps over label smoothing and clipping: axes from the file to the report, and resuming."""

import json
import math

import numpy as np
import pytest
from helpers.training import digits
from typer.testing import CliRunner

from lrdecay import analysis
from lrdecay.analysis.contrasts import PRIMARY
from lrdecay.cli.app import app
from lrdecay.core.errors import InputError
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_epochs, read_plan_runs, read_runs
from lrdecay.store.schema import make_plan
from lrdecay.store.verify import verify_results
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

PLAIN = """\
name: recipes
dataset: digits
epochs: 4
optimizer: {name: Adam, lr: 0.01}
dropout: 0.0
schedulers: {constant: {class: constant}, step: {class: StepLR, step_size: 1}}
seeds: 2
"""
TEXT = f"{PLAIN}loss: {{label_smoothing: [0, 0.2]}}\nclip_grad_norm: [none, 0.1]\n"
SETTINGS = [(0.0, 0.1), (0.0, math.inf), (0.2, 0.1), (0.2, math.inf)]


def list_settings(text: str) -> list[tuple[float, float]]:
    runs = list_runs(parse_sweep(text), digits())
    return list(dict.fromkeys((run.label_smoothing, run.clip_grad_norm) for run in runs))


def test_a_value_is_one_setting_and_a_list_is_an_axis():
    assert sorted(list_settings(TEXT)) == SETTINGS
    assert list_settings(PLAIN) == [(0.0, math.inf)]
    assert list_settings(PLAIN + "loss: cross_entropy\nclip_grad_norm: none\n") == SETTINGS[1:2]
    assert list_settings(PLAIN + "clip_grad_norm: 3\n") == [(0.0, 3.0)]
    assert list_settings(PLAIN + "loss: {label_smoothing: 0.5}\n") == [(0.5, math.inf)]


def test_axes_are_there_only_where_the_file_gives_them():
    recipe = {"label_smoothing", "clip_grad_norm"}
    assert not recipe & set(parse_sweep(PLAIN).axes())
    assert not recipe & set(parse_sweep(PLAIN + "clip_grad_norm: [none]\n").axes())
    axes = parse_sweep(TEXT).axes()
    assert (axes["label_smoothing"], axes["clip_grad_norm"]) == ([0.0, 0.2], [math.inf, 0.1])
    assert parse_sweep(TEXT).cells == 4 * parse_sweep(PLAIN).cells


def test_runs_without_them_are_the_runs_that_they_were():
    plain = {run.run_id for run in list_runs(parse_sweep(PLAIN), digits())}
    ids = {
        run.run_id: (run.label_smoothing, run.clip_grad_norm)
        for run in list_runs(parse_sweep(TEXT), digits())
    }
    assert len(ids) == 16
    assert {run for run, setting in ids.items() if setting == (0.0, math.inf)} == plain


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("clip_grad_norm: 0", "3:17: clip_grad_norm: must be above 0, not 0"),
        ("clip_grad_norm: [1.0, -2]", "3:23: clip_grad_norm: must be above 0, not -2"),
        ("clip_grad_norm: .inf", "3:17: clip_grad_norm: must be a finite number, not inf"),
        ("clip_grad_norm: [none, 1, none]", "3:27: clip_grad_norm: 'none' is in the list already"),
        ("clip_grad_norm: []", "3:17: clip_grad_norm: must not be empty; give at least one"),
        *(
            (
                f"clip_grad_norm: {value}",
                "clip_grad_norm: must be a number above 0, or none where nothing is to be "
                f"clipped, not {shown}",
            )
            for value, shown in (("null", "nothing"), ("off", "'off'"), ("true", "true"))
        ),
        ("loss: mse", "3:7: loss: 'mse' is unknown; choices: cross_entropy"),
        ("loss: {label_smoothing: 1}", "3:25: loss.label_smoothing: must be below 1, not 1"),
        (
            "loss: {label_smoothing: [0.1, -0.1]}",
            "3:31: loss.label_smoothing: must be at least 0, not -0.1",
        ),
        (
            "loss: {smoothing: 0.1}",
            "3:8: loss: the key 'smoothing' is unknown; did you mean label_smoothing?",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(line, message):
    text = f"dataset: digits\nschedulers: {{c: {{class: constant}}}}\n{line}\n"
    with pytest.raises(InputError) as raised:
        parse_sweep(text)
    assert message in str(raised.value)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    (results / "recipes.yaml").write_text(TEXT)
    return run_sweep(results / "recipes.yaml", results, workers=0).folder


def test_tables_have_them_and_are_verified(trained):
    runs = read_runs(trained)
    assert set(runs["status"]) == {"completed"}
    assert "native" not in set(runs.query("label_smoothing > 0 or clip_grad_norm < 1")["engine"])
    pairs = runs[["label_smoothing", "clip_grad_norm"]].drop_duplicates()
    assert sorted(map(tuple, pairs.to_numpy())) == SETTINGS
    planned = list_runs(parse_sweep(TEXT), digits())
    assert read_plan_runs(trained) == planned
    assert make_plan(planned).column("clip_grad_norm").null_count == 0
    assert (verify_results(trained).findings, verify_results(trained).runs) == ((), 16)


def test_training_shows_the_smoothed_loss_and_evaluations_the_plain_one(trained):
    runs, epochs = read_runs(trained), read_epochs(trained)
    rows = epochs.merge(runs[["run_id", "label_smoothing", "clip_grad_norm"]], on="run_id")
    means = rows.groupby(["clip_grad_norm", "label_smoothing", "split"])["loss"].mean().unstack()
    for limit in (0.1, math.inf):
        plain, smoothed = means.loc[(limit, 0.0)], means.loc[(limit, 0.2)]
        # of 10 classes: the least that a smoothed loss can be
        floor = -(0.82 * np.log(0.82) + 0.18 * np.log(0.02))
        assert smoothed["train"] > max(floor, plain["train"])
        assert plain["test"] < floor
        assert smoothed["train"] > smoothed["train_eval"]


@pytest.mark.slow
def test_they_are_axes_of_the_comparison_and_of_the_report(trained):
    runs = read_runs(trained)
    assert analysis.extra_axes(runs) == ["label_smoothing", "clip_grad_norm"]
    table = analysis.compare(runs, reference="constant", metric="test_accuracy")
    primary = table[table["family"] == PRIMARY]
    found = primary[["label_smoothing", "clip_grad_norm"]].drop_duplicates()
    assert list(map(tuple, found.to_numpy())) == SETTINGS
    summary = analysis.cell_summary(runs)
    assert summary["n"].tolist() == [2] * 8
    result = CliRunner().invoke(app, ["report", str(trained)])
    assert result.exit_code == 0, result.output
    page = (trained / "report.html").read_text()
    assert "label_smoothing 0.2, clip_grad_norm 0.1" in page
    assert "label_smoothing 0, clip_grad_norm inf" in page
    result = CliRunner().invoke(app, ["compare", str(trained), "--format", "json"])
    assert result.exit_code == 0, result.output
    limits = {row["clip_grad_norm"] for row in json.loads(result.output)["contrasts"]}
    assert limits == {None, 0.1}


def test_where_they_do_not_vary_they_are_not_shown(trained, tmp_path):
    runs = read_runs(trained).query("label_smoothing == 0 and clip_grad_norm > 1")
    shown = analysis.describe_matrix(runs)["axis"].tolist()
    assert not {"label_smoothing", "clip_grad_norm"} & set(shown)
    assert {"lr", "batch_size"} < set(shown)
    assert analysis.extra_axes(runs) == []
    result = CliRunner().invoke(app, ["plan", _write(tmp_path, PLAIN)])
    assert result.exit_code == 0, result.output
    assert "smoothing" not in result.output
    assert "clip" not in result.output
    result = CliRunner().invoke(app, ["plan", _write(tmp_path, TEXT)])
    assert "label_smoothing" in result.output
    assert "clip_grad_norm" in result.output


def _write(folder, text: str) -> str:
    path = folder / "recipes.yaml"
    path.write_text(text)
    return str(path)


def test_a_sweep_goes_on_with_the_runs_that_it_lacks(trained, tmp_path):
    run_sweep(parse_sweep(PLAIN), tmp_path, workers=0)
    before = read_runs(tmp_path / "recipes").set_index("run_id")["finished_at"]
    summary = run_sweep(parse_sweep(TEXT), tmp_path, workers=0)
    assert (summary.total, summary.reused) == (16, 4)
    after = read_runs(tmp_path / "recipes").set_index("run_id")
    assert (after["finished_at"][before.index] == before).all()
    # and it comes to what it comes to at once
    whole = read_runs(trained).set_index("run_id")
    for column in ("test_loss", "val_loss", "test_accuracy"):
        assert (after[column].sort_index() == whole[column].sort_index()).all()
    again = run_sweep(parse_sweep(TEXT), tmp_path, workers=0)
    assert again.reused == 16
