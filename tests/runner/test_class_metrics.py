"""A sweep whose file asks lrdecay's own training for metrics of the confusion matrix: trained,
continued, verified, compared and reported."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers.commands import call
from helpers.results import assert_same
from helpers.training import digits

from lrdecay.analysis import compare, with_metrics
from lrdecay.analysis.settings import read_criteria
from lrdecay.core.errors import InputError
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.merge import merge_results
from lrdecay.store.reader import read_epochs, read_metrics, read_plan, read_runs
from lrdecay.store.verify import verify_results
from lrdecay.sweep.reading import parse_sweep

TEXT = """\
name: asked
dataset: digits
epochs: 2
schedulers:
  constant: {class: constant}
  step: {class: StepLR, step_size: 1, gamma: 0.01}
dropout: 0.0
seeds: 8
metrics: [macro_f1, balanced_accuracy]
comparison: {metric: test_macro_f1, margin: 0.5}
"""
WITHOUT = TEXT[: TEXT.index("metrics:")]


def run(text, home, **options):
    sweep = parse_sweep(text)
    notes = Notes()
    return run_sweep(sweep, home, workers=0, progress=notes, **options), notes.texts


class Notes:
    """Keeps the notes of a sweep."""

    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)

    def __getattr__(self, name):
        return lambda *given: None


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    summary, notes = run(TEXT, tmp_path_factory.mktemp("asked"))
    assert not [text for text in notes if "metric" in text or "macro_f1" in text]
    return summary.folder


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    return run(WITHOUT, tmp_path_factory.mktemp("without"))[0].folder


def test_each_run_has_them_of_each_epoch_and_split(whole):
    runs, metrics = read_runs(whole), read_metrics(whole)
    assert set(runs["metric_values"]) == {2 * 3 * 2}
    counts = metrics.groupby(["epoch", "split", "metric"]).size()
    assert set(counts) == {16}
    assert set(counts.index) == {
        (epoch, split, metric)
        for epoch in (1, 2)
        for split in ("train_eval", "val", "test")
        for metric in ("macro_f1", "balanced_accuracy")
    }


def test_balanced_accuracy_is_that_of_the_images_that_are_stored_as_right(whole):
    runs = read_runs(whole)
    found = with_metrics(runs, read_metrics(whole))["test_balanced_accuracy"]
    labels = digits().test_labels.numpy()
    for bitmap, value in zip(runs["test_correct"], found, strict=True):
        right = np.unpackbits(np.frombuffer(bitmap, np.uint8), count=len(labels))
        shares = [right[labels == label].mean() for label in range(10)]
        assert value == pytest.approx(np.mean(shares), rel=1e-14)
    assert (found != runs["test_accuracy"]).all()


def test_nothing_else_of_the_results_depends_on_them(whole, without):
    columns = ["run_id", "test_accuracy", "test_loss", "val_loss", "best_epoch", "rates_digest"]
    pd.testing.assert_frame_equal(read_runs(whole)[columns], read_runs(without)[columns])
    pd.testing.assert_frame_equal(read_epochs(whole), read_epochs(without))
    assert read_metrics(without).empty
    assert not (without / "metrics.parquet").exists()


def test_a_sweep_goes_on_where_it_stopped_and_ends_the_same(whole, tmp_path):
    first, _ = run(TEXT.replace("seeds: 8", "seeds: 3"), tmp_path)
    assert first.completed == 6
    summary, notes = run(TEXT, tmp_path)
    assert (summary.reused, summary.completed) == (6, 10)
    assert not [text for text in notes if "macro_f1" in text]
    assert_same(summary.folder, whole)
    pd.testing.assert_frame_equal(read_metrics(summary.folder), read_metrics(whole))


def test_values_that_are_lost_make_a_run_train_again(whole, tmp_path):
    folder = tmp_path / "asked"
    shutil.copytree(whole, folder)
    found = verify_results(folder)
    assert (found.findings, found.pending) == ((), ())
    (folder / "metrics.parquet").unlink()
    found = verify_results(folder)
    assert {finding.path for finding in found.findings} == {"metrics.parquet"}
    assert found.pending is not None
    assert len(found.pending) == 16
    summary, _ = run(TEXT, tmp_path)
    assert summary.completed == 16
    pd.testing.assert_frame_equal(read_metrics(folder), read_metrics(whole))


@pytest.mark.slow
def test_shards_are_merged_with_them(whole, tmp_path):
    from lrdecay.runner.sharding import Shard

    for number in (1, 2):
        run(TEXT, tmp_path, shard=Shard(number, 2))
    shards = sorted((tmp_path / "asked").glob("shards/*"))
    merged = merge_results(shards, tmp_path / "asked")
    assert (merged.runs, merged.missing) == (16, 0)
    pd.testing.assert_frame_equal(read_metrics(tmp_path / "asked"), read_metrics(whole))


def by_hand(folder) -> np.ndarray:
    """Step minus constant at each seed, in percentage points of macro F1 on the test images."""
    metrics = read_metrics(folder)
    last = metrics[
        (metrics["epoch"] == 2) & (metrics["split"] == "test") & (metrics["metric"] == "macro_f1")
    ]
    values = last.set_index("run_id")["value"]
    runs = read_runs(folder)
    runs["value"] = 100 * runs["run_id"].map(values)
    wide = runs.pivot(index="seed", columns="scheduler", values="value")
    return (wide["step"] - wide["constant"]).to_numpy()


def test_verdicts_are_of_the_metric_in_percentage_points(whole):
    differences = by_hand(whole)
    criteria = read_criteria(read_plan(whole).sweep_text or TEXT)
    runs = with_metrics(read_runs(whole), read_metrics(whole), criteria.declared)
    (row,) = compare(runs, metric="test_macro_f1", margin=0.5, declared=criteria.declared).to_dict(
        "records"
    )
    assert row["mean"] == pytest.approx(differences.mean(), rel=1e-12)
    assert row["n"] == 8
    assert row["verdict"] == "lower"
    assert f"constant beats step by {-row['mean']:.2f} points on this test set" in row["sentence"]


@pytest.mark.slow
def test_compare_and_report_go_by_it(whole):
    mean = by_hand(whole).mean()
    found = json.loads(call("compare", whole, "--format", "json").stdout)
    assert (found["metric"], found["unit"], found["margin"]) == ("test_macro_f1", "points", 0.5)
    assert found["contrasts"][0]["mean"] == pytest.approx(mean, rel=1e-12)
    other = call("compare", whole, "--metric", "val_balanced_accuracy", "--format", "json")
    assert json.loads(other.stdout)["contrasts"][0]["verdict"] == "lower"
    assert call("report", whole).exit_code == 0
    page = (whole / "report.html").read_text(encoding="utf-8")
    assert f"constant beats step by {-mean:.2f} points on this test set" in page
    assert "test macro F1" in page


def test_plan_says_what_seeds_resolve_of_it(whole, tmp_path):
    file = tmp_path / "asked.yaml"
    file.write_text(TEXT)
    result = call("plan", file, "--results", whole.parent, "--device", "cpu")
    assert result.exit_code == 0, result.output
    sd = np.std(by_hand(whole), ddof=1)
    assert f" at an sd of {sd:.2f}." in result.stdout


def test_seeds_are_added_until_it_is_resolved(whole, tmp_path):
    text = TEXT.replace("seeds: 8", "seeds: {min: 8, max: 64, until: resolved}")
    summary, notes = run(text, tmp_path)
    assert "after 8 seeds: the difference is resolved" in notes
    assert summary.completed == 16
    pd.testing.assert_frame_equal(read_metrics(summary.folder), read_metrics(whole))


def test_runs_that_ended_before_it_was_asked_for_are_not_compared_by_it(without, tmp_path):
    folder = tmp_path / "asked"
    shutil.copytree(without, folder)
    before = (folder / "runs.parquet").read_bytes()
    with pytest.raises(InputError) as caught:
        run(TEXT, tmp_path)
    assert str(caught.value) == (
        f"{folder}: 16 runs of this sweep ended before its file asked for macro_f1, so that the "
        f"comparison by test_macro_f1 would lack them. Runs that have ended do not train again for "
        f"it; --results DIR, or another name in the file, starts again elsewhere, where all runs "
        f"have it"
    )
    assert (folder / "runs.parquet").read_bytes() == before
    assert "macro_f1" not in (folder / "sweep.yaml").read_text()
    # where it is not compared, what is new has it, and what is there is told of
    asked = TEXT.replace("metric: test_macro_f1, ", "").replace("seeds: 8", "seeds: 9")
    summary, notes = run(asked, tmp_path)
    assert (summary.reused, summary.completed) == (16, 2)
    (note,) = [text for text in notes if "macro_f1" in text]
    assert note.startswith(
        "16 runs of this sweep ended before its file asked for macro_f1 and balanced_accuracy, and "
        "have none. Runs that have ended do not train again for it"
    )
    assert read_runs(folder)["metric_values"].notna().sum() == 2
    assert verify_results(folder).findings == ()
    # compared all the same, it is said
    (row,) = json.loads(
        call("compare", folder, "--metric", "test_macro_f1", "--format", "json").stdout
    )["contrasts"]
    assert row["sentence"].endswith(
        "Not evaluated, since 8 of 9 seeds have a run without the metric."
    )


def test_one_of_two_that_is_new_is_told_alone(whole, tmp_path):
    folder = tmp_path / "asked"
    run(TEXT.replace(", balanced_accuracy", "").replace("seeds: 8", "seeds: 1"), tmp_path)
    summary, notes = run(TEXT.replace("seeds: 8", "seeds: 2"), tmp_path)
    assert summary.completed == 2
    (note,) = [text for text in notes if "balanced_accuracy" in text]
    assert note.startswith(
        "2 runs of this sweep ended before its file asked for balanced_accuracy,"
    )
    counts = read_metrics(folder).groupby("metric").size().to_dict()
    assert counts == {"macro_f1": 24, "balanced_accuracy": 12}


@pytest.mark.slow
def test_one_run_prints_them(tmp_path):
    file = tmp_path / "asked.yaml"
    file.write_text(TEXT)
    result = call("train", file, "--cell", "scheduler=step", "--device", "cpu")
    assert result.exit_code == 0, result.output
    (line,) = [x for x in result.stdout.splitlines() if x.startswith("epoch 2 of 2:")]
    assert line.count("macro_f1 ") == line.count("balanced_accuracy ") == 2
