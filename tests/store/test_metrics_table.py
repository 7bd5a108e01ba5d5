"""Metrics of the user's own, in a table that is there only if a run has any: written, moved on,
read, verified, merged and exported with the others."""

import shutil
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pytest
from helpers.folders import SIX, TEXT, record

import lrdecay
from lrdecay.core.errors import InputError
from lrdecay.report.watch import read_state
from lrdecay.store import layout
from lrdecay.store.export import export_results
from lrdecay.store.export.base import Tables
from lrdecay.store.export.rows import list_exported
from lrdecay.store.layout import list_current
from lrdecay.store.merge import merge_results
from lrdecay.store.parquet import write_table
from lrdecay.store.reader import read_epochs, read_metrics, read_plan_runs, read_runs
from lrdecay.store.schema import METRICS, Record, make_table
from lrdecay.store.verify import verify_results
from lrdecay.store.writer import Store


def values(run, f1: float = 0.5) -> list[dict[str, object]]:
    """Four values of a run: of two epochs, of the whole run on a split, and on none."""
    rows = [(1, "test", "f1", f1), (2, "test", "f1", f1 + 0.25)]
    rows += [(None, "val", "wer", 0.125), (None, None, "energy", 12.0 + run.seed)]
    names = ("epoch", "split", "metric", "value")
    return [{"run_id": run.run_id} | dict(zip(names, row, strict=True)) for row in rows]


def own(run, f1: float = 0.5) -> Record:
    """An outcome of a loop of the user's own."""
    made = record(run)
    return Record({**made.run, "engine": "own"}, made.epochs, values(run, f1))


def filled(folder, runs=SIX[:3], wanted=SIX) -> Store:
    store = Store(folder)
    store.compact(wanted, TEXT)
    for run in runs:
        store.commit([own(run)])
    return store


def expected(runs) -> pd.DataFrame:
    return make_table([row for run in runs for row in values(run)], METRICS).to_pandas()


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(["run_id", "metric", "epoch"], ignore_index=True)


def assert_read(folder, runs) -> None:
    pd.testing.assert_frame_equal(in_order(read_metrics(folder)), in_order(expected(runs)))
    assert set(read_runs(folder)["metric_values"]) == {4}


def test_they_are_read_before_and_after_they_are_in_the_table(tmp_path):
    store = filled(tmp_path)
    assert_read(tmp_path, SIX[:3])
    assert not (tmp_path / "metrics.parquet").exists()
    store.compact(SIX, TEXT)
    assert_read(tmp_path, SIX[:3])
    plain = pd.read_parquet(tmp_path / "metrics.parquet")
    pd.testing.assert_frame_equal(plain, expected(SIX[:3]))
    assert not list((tmp_path / "parts").iterdir())
    assert lrdecay.read_metrics is read_metrics


def test_there_is_no_file_where_no_run_has_any(tmp_path):
    store = Store(tmp_path)
    store.compact(SIX, TEXT)
    store.commit([record(run) for run in SIX])
    assert read_metrics(tmp_path).empty
    store.compact(SIX, TEXT)
    assert not list(tmp_path.rglob("metrics.parquet"))
    assert list(read_metrics(tmp_path)) == METRICS.names
    assert read_runs(tmp_path)["metric_values"].isna().all()
    with pytest.raises(InputError, match="no results in"):
        read_metrics(tmp_path / "nothing")


def test_a_batch_carries_them(tmp_path):
    runs = [replace(SIX[0], seed=seed) for seed in range(66)]
    store = filled(tmp_path, runs, runs)
    assert len(list((tmp_path / "batches").iterdir())) == 1
    assert_read(tmp_path, runs)
    store.compact(runs, TEXT)
    assert_read(tmp_path, runs)


def test_some_runs_with_and_some_without(tmp_path):
    store = Store(tmp_path)
    store.compact(SIX, TEXT)
    store.commit([own(SIX[0]), record(SIX[1]), own(SIX[2])])
    store.compact(SIX, TEXT)
    pd.testing.assert_frame_equal(read_metrics(tmp_path), expected([SIX[0], SIX[2]]))
    assert read_runs(tmp_path)["metric_values"].fillna(0).tolist() == [4, 0, 4]
    assert verify_results(tmp_path).findings == ()


def test_those_of_runs_that_are_not_wanted_are_kept_and_come_back(tmp_path):
    store = filled(tmp_path)
    store.compact(SIX[:1], TEXT)
    assert_read(tmp_path, SIX[:1])
    store.compact([], TEXT)
    assert read_metrics(tmp_path).empty
    store.compact(SIX, TEXT)
    assert_read(tmp_path, SIX[:3])
    pd.testing.assert_frame_equal(read_metrics(tmp_path), expected(SIX[:3]))


def test_a_row_whose_values_have_moved_already_is_read_with_them(tmp_path):
    """As a sweep leaves it that asks for less and is killed between two tables."""
    store = filled(tmp_path)
    store.compact(SIX, TEXT)
    before = (tmp_path / "runs.parquet").read_bytes()
    store.compact(SIX[:1], TEXT)
    (tmp_path / "runs.parquet").write_bytes(before)
    assert_read(tmp_path, SIX[:3])


def test_a_part_that_moves_on_meanwhile_is_not_taken_for_one_without(tmp_path, monkeypatch):
    filled(tmp_path, SIX[:1])
    (part,) = (tmp_path / "parts").iterdir()
    assert list_current(tmp_path, "metrics") == [part / "metrics.parquet"]
    gone = tmp_path / "parts" / "gone"  # listed, and then renamed
    monkeypatch.setattr(layout, "list_parts", lambda folder: [gone, part])
    (part / "metrics.parquet").unlink()
    assert list_current(tmp_path, "metrics") == [gone / "metrics.parquet"]


def test_outcomes_are_in_the_order_of_the_runs(tmp_path):
    store = filled(tmp_path)
    found = store.outcomes([SIX[2], SIX[5], SIX[0]], "metrics")
    pd.testing.assert_frame_equal(found, expected([SIX[2], SIX[0]]))


def test_all_of_them_are_verified(tmp_path):
    filled(tmp_path).compact(SIX, TEXT)
    found = verify_results(tmp_path)
    assert (found.files, found.runs, found.epochs, found.findings) == (3, 3, 6, ())


@pytest.mark.parametrize("in_place", [("metrics",), ("metrics", "epochs")])
def test_what_a_kill_leaves_of_tables_that_were_never_whole_is_no_damage(tmp_path, in_place):
    store = filled(tmp_path)
    store.compact(SIX[:1], TEXT)
    for name in {"runs", "epochs", "metrics"} - set(in_place):
        (tmp_path / "earlier" / f"{name}.parquet").unlink()
    assert verify_results(tmp_path).findings == ()
    assert_read(tmp_path, SIX[:1])


def lose_rows(path) -> None:
    rows = pa.Table.from_pandas(pd.read_parquet(path).iloc[:-1], METRICS, preserve_index=False)
    write_table(rows, path)


def flip_bit(path) -> None:
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("fault", [lose_rows, flip_bit, lambda path: path.unlink()])
def test_a_run_that_lost_some_trains_again(tmp_path, fault):
    filled(tmp_path).compact(SIX, TEXT)
    fault(tmp_path / "metrics.parquet")
    found = verify_results(tmp_path)
    assert {finding.path for finding in found.findings} == {"metrics.parquet"}
    lost = {run.run_id for run in found.pending}
    kept = [run for run in SIX[:3] if run.run_id not in lost]
    if fault is not flip_bit:  # which may be where no value is
        assert kept == (SIX[:2] if fault is lose_rows else [])
    again = verify_results(tmp_path)
    assert (again.runs, again.findings) == (len(kept), ())
    if kept:
        assert_read(tmp_path, kept)
        assert len(read_epochs(tmp_path)) == len(kept) * 8


def test_those_of_a_folder_whose_runs_are_damaged_are_set_aside_too(tmp_path):
    store = filled(tmp_path, SIX[:1])
    store.compact(SIX, TEXT)
    store.commit([own(SIX[1])])
    flip_bit(tmp_path / "runs.parquet")
    found = verify_results(tmp_path)
    assert [finding.path for finding in found.findings] == ["runs.parquet"]
    kept = list((tmp_path / "quarantine").rglob("metrics.parquet"))
    assert len(kept) == 1
    assert SIX[1].run_id not in {run.run_id for run in found.pending}
    assert verify_results(tmp_path).findings == ()


def test_shards_are_merged_with_them(tmp_path):
    filled(tmp_path / "a", SIX[:2])
    filled(tmp_path / "b", SIX[1:4])
    merged = merge_results([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    assert (merged.runs, merged.added) == (4, 4)
    assert_read(tmp_path / "both", SIX[:4])
    assert verify_results(tmp_path / "both").findings == ()


def test_a_run_with_other_values_elsewhere_is_not_merged(tmp_path):
    filled(tmp_path / "a", SIX[:1])
    store = filled(tmp_path / "b", [])
    store.commit([own(SIX[0], f1=0.25)])
    with pytest.raises(InputError, match=f"both have run {SIX[0].run_id}, with different value:"):
        merge_results([tmp_path / "a", tmp_path / "b"], tmp_path / "both")


def test_a_watched_report_knows_that_they_changed(tmp_path):
    filled(tmp_path).compact(SIX, TEXT)
    before = read_state(tmp_path)
    shutil.copy(tmp_path / "metrics.parquet", tmp_path / "copy")
    (tmp_path / "copy").rename(tmp_path / "metrics.parquet")
    assert read_state(tmp_path) != before


def test_they_are_exported(tmp_path):
    filled(tmp_path).compact(SIX, TEXT)
    home = export_results(tmp_path, "csv")
    read = pd.read_csv(home / "metrics.csv", dtype={"epoch": "float64"})
    pd.testing.assert_frame_equal(read, expected(SIX[:3]), check_dtype=False)
    frames = read_runs(tmp_path), read_epochs(tmp_path), read_metrics(tmp_path)
    runs = list(list_exported(Tables("small", *frames, tmp_path)))
    assert [run.outcomes["energy"] for run in runs] == [12.0, 13.0, 14.0]
    assert runs[0].outcomes["wer/val"] == 0.125
    assert {epoch: run["f1/test"] for epoch, run in runs[0].curves.items()} == {1: 0.5, 2: 0.75}


def test_what_a_loop_did_not_measure_is_not_exported(tmp_path):
    runs, epochs = make_frames(tmp_path)
    epochs["accuracy"] = float("nan")
    runs["finished_at"] = pd.NaT
    of = Tables("small", runs.assign(engine="own"), epochs, read_metrics(tmp_path), tmp_path)
    (run,) = list_exported(of)
    assert not [name for name in run.curves[1] if name.startswith("accuracy")]
    assert run.curves[1]["loss/test"] == 0.001
    assert run.finished == pd.Timestamp(0, tz="UTC")


def make_frames(folder):
    filled(folder, SIX[:1])
    return read_runs(folder), read_epochs(folder)


ODD = [
    ("value", float("inf"), "value is inf; valid is a finite number"),
    ("value", None, "value is null; valid is a value"),
    ("metric", "F1", "metric is F1; valid is a lower-case letter"),
    ("metric", "loss", "metric is loss; valid is a lower-case letter"),
    ("metric", "seconds", "metric is seconds; valid is a lower-case letter"),  # a column of runs
    ("metric", "images", "metric is images; valid is"),  # would be test_images
    ("epoch", 0, "epoch is 0; valid is at least 1"),
    ("split", "dev", "split is dev; valid is one of train, train_eval, val, test"),
    ("run_id", "unknown", "run unknown: it is not in runs.parquet; valid is values of runs"),
    ("epoch", 2, ", epoch 2, split test, metric f1; valid is each metric of a run"),
]


@pytest.mark.parametrize(("column", "value", "line"), ODD)
def test_what_cannot_be_true_is_refused_as_it_is_read(tmp_path, column, value, line):
    filled(tmp_path).compact(SIX, TEXT)
    frame = read_metrics(tmp_path).astype({column: object})
    frame.at[0, column] = value
    nullable = pa.schema([pa.field(field.name, field.type) for field in METRICS])
    rows = pa.Table.from_pandas(frame, nullable, preserve_index=False)
    write_table(rows, tmp_path / "metrics.parquet")
    with pytest.raises(InputError) as caught:
        read_metrics(tmp_path)
    assert line in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'metrics.parquet'}: run ")


# ---- runs of a loop of the user's own

LOOP = dict.fromkeys(
    ("dataset_digest", "validation", "model", "batch_norm", "optimizer", "optimizer_args")
) | {"batch_size": None, "precision": None}
OWN = [
    replace(run, dataset="wiki", trainer="mine", trainer_args='{"width":64}', **LOOP)
    for run in SIX[:2]
]


def test_the_plan_of_a_loop_of_one_s_own_comes_back_as_it_was(tmp_path):
    store = filled(tmp_path, OWN, OWN)
    assert read_plan_runs(tmp_path) == OWN
    store.compact(OWN, TEXT)
    assert read_plan_runs(tmp_path) == OWN
    runs = read_runs(tmp_path)
    assert runs["trainer"].tolist() == ["mine"] * 2
    assert runs["model"].isna().all()
    found = verify_results(tmp_path)
    assert (found.findings, found.pending) == ((), ())


def test_its_epochs_may_have_any_splits(tmp_path):
    store = filled(tmp_path, [], OWN)
    made = own(OWN[0])
    some = [row for row in made.epochs if row["split"] == "test" or row["epoch"] == 2]
    store.commit([replace(made, epochs=some), replace(own(OWN[1]), epochs=[])])
    assert verify_results(tmp_path).findings == ()
    builtin = replace(SIX[0], seed=9)
    store.compact([*OWN, builtin], TEXT)
    store.commit([replace(record(builtin), epochs=some_of(builtin))])
    (finding,) = verify_results(tmp_path).findings
    assert finding.reason == f"run {builtin.run_id} has missing epochs or splits"


def some_of(run):
    return [row for row in record(run).epochs if row["split"] == "test" or row["epoch"] == 2]


def test_its_values_count_in_its_identity():
    ids = {run.run_id for run in OWN}
    ids |= {replace(OWN[0], trainer=None, trainer_args=None).run_id}
    ids |= {replace(OWN[0], trainer="other").run_id}
    ids |= {replace(OWN[0], trainer_args='{"width":65}').run_id}
    assert len(ids) == 5
    assert replace(SIX[0], trainer=None, trainer_args=None).run_id == SIX[0].run_id
