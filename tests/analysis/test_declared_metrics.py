"""Metrics of the user's own: columns made of the third table, compared in their own unit and
direction."""

import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables
from scipy import stats

from lrdecay import analysis
from lrdecay.analysis.metrics import NATS, OWN, POINTS, SECONDS, find_metric, with_metrics
from lrdecay.analysis.settings import MetricSpec, declare_metrics, read_criteria
from lrdecay.core.errors import InputError
from lrdecay.store.schema import METRICS

SEEDS = 8


def metric(name="test_f1", unit=OWN, better=True, title="F1 on test") -> analysis.Metric:
    return analysis.Metric(name, title, unit, "these data", better)


def long(rows) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["run_id", "epoch", "split", "metric", "value"])
    return frame.astype({"epoch": "float64", "value": "float64"})


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    return make_tables(("constant", "step"), (0.3,), SEEDS, n_epochs=1)[0]


def test_columns_are_of_the_last_epoch_or_of_the_whole_run(runs):
    a, b, c = runs["run_id"][:3]
    metrics = long(
        [
            (a, 1, "test", "f1", 0.25),
            (a, 2, "test", "f1", 0.75),
            (a, 1, "val", "f1", 0.5),  # not at the last epoch of the run
            (a, 2, None, "grad_norm", 3.0),
            (a, None, None, "energy", 7.0),
            (b, 2, "test", "f1", 0.5),
            (b, None, "test", "f1", 0.625),  # of the whole run, which counts
            ("elsewhere", 1, "test", "bleu", 9.0),
        ]
    )
    found = with_metrics(runs, metrics, [metric("test_f1"), metric("wer")])
    assert list(found)[: len(runs.columns)] == list(runs)
    assert set(found) - set(runs) == {"test_f1", "grad_norm", "energy", "wer"}
    first = found.set_index("run_id").loc[[a, b, c]]
    np.testing.assert_array_equal(first["test_f1"], [0.75, 0.625, np.nan])
    np.testing.assert_array_equal(first["energy"], [7.0, np.nan, np.nan])
    np.testing.assert_array_equal(first["grad_norm"], [3.0, np.nan, np.nan])
    assert found["wer"].isna().all()
    assert found["wer"].dtype == "float64"
    pd.testing.assert_frame_equal(found[list(runs)], runs)


def test_a_table_without_rows_adds_what_is_declared(runs):
    empty = METRICS.empty_table().to_pandas()
    pd.testing.assert_frame_equal(with_metrics(runs, empty), runs)
    found = with_metrics(runs, empty, [metric("test_f1"), metric("test_accuracy")])
    assert set(found) - set(runs) == {"test_f1"}
    pd.testing.assert_series_equal(found["test_accuracy"], runs["test_accuracy"])


def with_values(runs, scale=1.0) -> tuple[pd.DataFrame, pd.Series]:
    """Runs whose step is better by 2, give or take, at each seed; and the differences."""
    noise = np.random.default_rng(5).normal(0, 0.5, len(runs))
    values = scale * (10 + 2 * (runs["scheduler"] == "step") + noise)
    rows = zip(runs["run_id"], values, strict=True)
    metrics = long([(run, None, None, "test_f1", value) for run, value in rows])
    wide = runs.assign(value=values).pivot(index="seed", columns="scheduler", values="value")
    return with_metrics(runs, metrics), wide["step"] - wide["constant"]


def test_the_unit_of_its_own_is_compared_as_it_is_and_not_printed(runs):
    frame, differences = with_values(runs)
    (row,) = analysis.compare(frame, metric="test_f1", margin=0.1, declared=[metric()]).to_dict(
        "records"
    )
    assert row["mean"] == pytest.approx(differences.mean(), rel=1e-12)
    assert row["verdict"] == "higher"
    for word in ("own", "points", "nats"):
        assert word not in row["sentence"]
    assert f"step beats constant by {row['mean']:.2f} on these data" in row["sentence"]


def test_how_small_the_unit_makes_numbers_changes_no_verdict():
    """Values of 5e-10 differ as those of 5 do, and are printed with as many digits."""
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.uniform(4, 5, SEEDS), rng.uniform(0.5, 1, SEEDS)])
    mse = analysis.Metric("mse", "mse", "own", "these data", False)
    labels = np.repeat(["constant", "cosine"], SEEDS)
    seeds = [*range(SEEDS)] * 2
    runs = pd.DataFrame({"scheduler": labels, "seed": seeds, "status": "completed", "mse": values})
    large, small = (
        analysis.compare(runs.assign(mse=runs["mse"] * unit), metric="mse", declared=[mse])
        for unit in (1.0, 1e-10)
    )
    assert large["verdict"].item() == small["verdict"].item() == "lower"
    for name in ("mean", "sd", "low", "high"):
        assert small[name].item() == pytest.approx(1e-10 * large[name].item(), rel=1e-9)
    for name in ("wins", "p", "correlation", "skew"):
        assert small[name].item() == pytest.approx(large[name].item(), rel=1e-9)
    gain = values[:SEEDS] - values[SEEDS:]
    ends = stats.ttest_1samp(gain, 0).confidence_interval(1 - 0.8 * 0.05)
    said = f"interval {1e-10 * ends.low:.2e} to {1e-10 * ends.high:.2e}, "
    assert f"cosine beats constant by {1e-10 * gain.mean():.2e} on" in small["sentence"].item()
    assert said in small["sentence"].item()


def test_large_values_that_differ_by_one_number_but_for_rounding_tell_nothing_of_spread():
    values = np.round(np.random.default_rng(1).uniform(1e8, 2e8, SEEDS), 1)
    own = analysis.Metric("tokens", "tokens", "own", "these data", True)
    runs = pd.concat(
        pd.DataFrame({"scheduler": label, "seed": range(SEEDS), "tokens": values + more})
        for label, more in (("constant", 0.0), ("cosine", 0.1))
    ).assign(status="completed")
    row = analysis.compare(runs, metric="tokens", declared=[own]).iloc[0]
    assert (row["verdict"], row["sd"]) == ("unresolved", 0)
    assert "All differences at 8 seeds are one number, which tells" in row["sentence"]


@pytest.mark.parametrize(
    ("unit", "scale", "word"), [(POINTS, 100, "points"), (NATS, 1, "nats"), (SECONDS, 1, "seconds")]
)
def test_a_known_unit_is_printed(runs, unit, scale, word):
    frame, differences = with_values(runs, 0.01)
    table = analysis.compare(frame, metric="test_f1", declared=[metric(unit=unit)])
    (row,) = table.to_dict("records")
    assert row["mean"] == pytest.approx(scale * differences.mean(), rel=1e-12)
    assert f"{word} on these data" in row["sentence"]


def test_points_are_of_shares_and_percent_is_refused(runs):
    frame, _ = with_values(runs, 0.01)
    percent = frame.assign(test_f1=frame["test_f1"].where(frame["seed"] != 3, 80.5))
    with pytest.raises(InputError) as error:
        analysis.compare(percent, metric="test_f1", declared=[metric(unit=POINTS)])
    row = int((frame["seed"] == 3).to_numpy().argmax())
    assert str(error.value) == (
        f"test_f1 is 80.5 in row {row} from 0 (run {frame['run_id'][row]}), the first of 2 such "
        f"rows; valid is a share from 0 to 1, since its unit is points: divide percent by 100"
    )
    analysis.compare(percent, metric="test_f1", declared=[metric(unit=OWN)])


def test_the_direction_decides_which_is_best_and_how_it_is_worded(runs):
    frame, _ = with_values(runs)
    for better, best in ((True, {"step"}), (False, {"constant"})):
        declared = [metric(better=better)]
        found = analysis.best_set(frame, metric="test_f1", declared=declared)
        assert set(found.loc[found["in_set"], "scheduler"]) == best
        found = analysis.verdicts_by_look(frame, metric="test_f1", declared=declared)
        assert found["verdict"].tolist() == ["higher"]  # of the number, whatever is better
        (text,) = analysis.compare(frame, metric="test_f1", declared=declared)["sentence"]
        assert ("step beats constant" in text) is better
        assert ("constant beats step" in text) is not better


def test_no_image_is_the_smallest_step_of_it(runs):
    """Values that lie on no grid of images are not rounded to one."""
    from lrdecay.analysis.metrics import find_steps

    assert find_steps(runs, find_metric("test_accuracy")).tolist() == [0.1] * len(runs)
    assert find_steps(runs, metric("test_f1", POINTS)).tolist() == [0.0] * len(runs)


def test_every_run_failed_and_the_column_is_there(runs):
    failed = runs.assign(status="failed")
    declared = [metric()]
    frame = with_metrics(failed, METRICS.empty_table().to_pandas(), declared)
    table = analysis.compare(frame, metric="test_f1", declared=declared)
    assert table["verdict"].tolist() == ["not evaluated"]


def test_what_is_not_declared_is_refused_as_before(runs):
    frame, _ = with_values(runs)
    with pytest.raises(InputError, match=r"unknown metric 'test_f1'; choose one of test_accuracy"):
        analysis.compare(frame, metric="test_f1")
    with pytest.raises(InputError, match=r"unknown metric 'f1'; choose .*, gap, test_f1$"):
        analysis.compare(frame, metric="f1", declared=[metric()])
    with pytest.raises(InputError, match=r"no column 'test_f1'"):
        analysis.compare(runs, metric="test_f1", declared=[metric()])


TEXT = """\
metrics:
  test_f1: {higher_is_better: true, title: F1 on test}
  energy: {higher_is_better: false, unit: seconds}
comparison: {metric: energy, margin: 3}
"""


def test_a_sweep_file_s_text_says_what_is_declared():
    criteria = read_criteria(TEXT)
    assert criteria.declared == (
        metric(),
        analysis.Metric("energy", "energy", SECONDS, "these data", False),
    )
    assert criteria.compared == criteria.declared[1]
    assert declare_metrics({"a_b": MetricSpec(higher_is_better=True)})[0].title == "a b"
    with pytest.raises(InputError, match="unknown metric 'joules'"):
        read_criteria(TEXT.replace("metric: energy", "metric: joules"))


def test_metrics_of_a_loop_of_ones_own_are_of_no_images_and_its_losses_of_no_unit():
    known = analysis.METRICS_COMPARED
    for text in ("trainer: script\n", "trainer: {name: mine}\n" + TEXT):
        found = {each.name: each for each in read_criteria(text).declared}
        assert {name: found[name].unit for name in found if name in known} == {
            **dict.fromkeys(("test_loss", "val_loss"), "own"),
            **dict.fromkeys(("val_accuracy", "gap"), "points"),
        }
        assert found["val_accuracy"].images == found["val_loss"].images == "this validation set"
        assert found["test_loss"].images == "this test set"
        assert found["gap"].images == "these data"
    assert read_criteria(TEXT).compared == read_criteria("trainer: script\n" + TEXT).compared
    # what runs lack is made a column, but for what is computed
    declared = read_criteria("trainer: script").declared
    runs = with_metrics(pd.DataFrame({"run_id": ["a"]}), long([]), declared)
    assert [*runs] == ["run_id", "test_loss", "val_accuracy", "val_loss"]
