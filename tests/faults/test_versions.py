"""Tables of every older version are read, reported, verified and continued; newer ones left alone.

What each version wrote is set down here column by column, so that no change of today's writer
changes it.
"""

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.made_up import Training, record
from helpers.training import digits
from typer.testing import CliRunner

from lrdecay.cli.app import app
from lrdecay.core.errors import InputError
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store import parquet
from lrdecay.store.parquet import open_sealed
from lrdecay.store.reader import Plan, read_epochs, read_plan, read_plan_runs, read_runs
from lrdecay.store.schema import EPOCHS, RUNS
from lrdecay.store.status import read_status
from lrdecay.store.verify import verify_results
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

TEXT = """\
name: old
dataset: digits
epochs: 2
schedulers:
  constant: {class: constant}
  step:     {class: StepLR, step_size: 1, gamma: 0.5}
seeds: 3
"""

# name, type, and ! where it is never null
RUNS_1 = """\
run_id string!
dataset string!
dataset_digest string!
validation int32!
model string!
batch_norm bool!
optimizer string!
optimizer_args string!
lr double!
batch_size int32!
epochs int32!
scheduler string!
scheduler_class string!
scheduler_args string!
dropout double!
seed int64!
status string!
diverged_at_step int64
error string
val_loss double
val_accuracy double
test_loss double
test_accuracy double
best_epoch int32
best_val_loss double
best_val_accuracy double
best_test_loss double
best_test_accuracy double
target double
epochs_to_target int32
lr_changes int32
applied_dropout double
init_digest string
order_digest string
test_images int32
test_correct binary
seconds double
samples_per_second double
engine string!
device string!
torch_version string!
python_version string!
lrdecay_version string!
git_commit string
finished_at time!
"""
EPOCHS_1 = """\
run_id string!
scheduler string!
dropout double!
seed int64!
epoch int32!
split string!
loss double!
accuracy double!
learning_rate double!
learning_rate_first double!
learning_rate_last double!
"""
RUNS_2 = RUNS_1.replace("seed int64!", "precision string!\nseed int64!").replace(
    "engine string!", "engine string!\ngroup_size int32"
)
RUNS_3 = RUNS_2.replace(
    "status string!", "plugins string!\nphase string!\nlr_chosen_per string\nstatus string!"
)
EPOCHS_3 = EPOCHS_1.replace("epoch int32!", "phase string!\nepoch int32!")
WRITTEN = {1: (RUNS_1, EPOCHS_1), 2: (RUNS_2, EPOCHS_1), 3: (RUNS_3, EPOCHS_3)}
FILLED_IN = {
    "precision": "float32",
    "plugins": "{}",
    "phase": "compare",
    "kernels": "torch",
    "label_smoothing": 0.0,
    "clip_grad_norm": math.inf,
    "model_args": "{}",
    "augment": "{}",
    "loss_function": "cross_entropy",
}
"""What every run had before there was a column for it; all else is null."""

SINCE_9 = {"model_args", "augment", "loss_function"}
SINCE_8 = {"label_smoothing", "clip_grad_norm", *SINCE_9}
SINCE_7 = {"trainer", "trainer_args", "metric_values", *SINCE_8}

every_version = pytest.mark.parametrize("version", WRITTEN)


def schema(columns: str) -> pa.Schema:
    """The schema that lines such as `run_id string!` describe."""
    types = {"time": pa.timestamp("us", tz="UTC"), "double": pa.float64(), "bool": pa.bool_()}
    fields = []
    for name, kind in map(str.split, columns.splitlines()):
        plain = kind.removesuffix("!")
        known = types.get(plain) or getattr(pa, plain)()
        fields.append(pa.field(name, known, nullable=kind == plain))
    return pa.schema(fields)


def write_old(home: Path, version: int, records, facts=None) -> None:
    """Write both tables of a folder as that version did: no seal, page checksums, facts as
    metadata of the runs."""
    home.mkdir(parents=True, exist_ok=True)
    rows = {
        "runs": [each.run for each in records],
        "epochs": [row for each in records for row in each.epochs],
    }
    for name, columns in zip(("runs", "epochs"), map(schema, WRITTEN[version]), strict=True):
        table = pa.Table.from_pylist(
            [{key: row[key] for key in columns.names} for row in rows[name]], columns
        )
        said = {"schema": str(version), **((facts or {}) if name == "runs" else {})}
        table = table.replace_schema_metadata({f"lrdecay.{k}": v for k, v in said.items()})
        path = home / f"{name}.parquet"
        pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def asked(text: str = TEXT):
    return list_runs(parse_sweep(text), digits())


def old_folder(results: Path, version: int, name=lambda run: run.run_id):
    """A sweep of six runs of which four are in the tables, one is in a part and one has not
    trained; another, with dropout 0.1, was asked for earlier. Runs are called as `name` says."""
    folder = results / "old"
    *done, committed, _ = asked()
    records = {}
    for run in (*done, committed, replace(done[0], dropout=0.1)):
        made = record(run)
        called = {"run_id": name(run)}
        rows = [row | called for row in made.epochs]
        records[name(run)] = replace(made, run={**made.run, **called}, epochs=rows)
    *tables, in_part, earlier = records.values()
    write_old(folder, version, tables, {"planned": "6", "sweep": TEXT})
    (folder / "sweep.yaml").write_text(TEXT)
    write_old(folder / "earlier", version, [earlier])
    scratch = folder / "parts" / "scratch"
    write_old(scratch, version, [in_part])
    sha = hashlib.sha256()
    for table in ("runs", "epochs"):
        sha.update((scratch / f"{table}.parquet").read_bytes())
    scratch.rename(scratch.with_name(sha.hexdigest()[:16]))
    return folder, [*tables, in_part], earlier


def lrdecay(*arguments) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def frame(rows, columns: pa.Schema, written: str) -> pd.DataFrame:
    """What is to be read of rows of which only some columns were written."""
    there = schema(written).names
    filled = [
        {key: row[key] if key in there else FILLED_IN.get(key) for key in columns.names}
        for row in rows
    ]
    return pa.Table.from_pylist(filled, columns).to_pandas()


@every_version
def test_old_tables_are_read_in_the_columns_of_today(tmp_path, version):
    folder, records, _ = old_folder(tmp_path, version)
    runs, epochs = WRITTEN[version]
    expected = frame([each.run for each in records], RUNS, runs)
    pd.testing.assert_frame_equal(read_runs(folder), expected)
    expected = frame([row for each in records for row in each.epochs], EPOCHS, epochs)
    pd.testing.assert_frame_equal(read_epochs(folder), expected)
    assert read_plan(folder) == Plan(6, TEXT)


@every_version
def test_old_folders_are_known_to_every_command(tmp_path, version):
    folder, *_ = old_folder(tmp_path, version)
    counts, holder = read_status(folder)
    assert counts[["scheduler", "runs", "completed"]].values.tolist() == [
        ["constant", 3, 3],
        ["step", 2, 2],
    ]
    assert holder is None
    lrdecay("report", folder)
    page = (folder / "report.html").read_text()
    assert "step_size: 1, gamma: 0.5" in page
    assert "1 of the sweep's 6 runs is still to come" in page
    found = verify_results(folder)
    assert (found.files, found.runs, found.epochs) == (6, 6, 12)
    assert (found.findings, found.pending) == ((), None)
    assert "every checksum, key, count and identity is right" in lrdecay("verify", folder)


def versions(folder: Path) -> dict[str, int]:
    found = {}
    for path in sorted(folder.rglob("*.parquet")):
        with open_sealed(path) as sealed:
            found[str(path.relative_to(folder))] = sealed.version
    return found


@every_version
def test_an_old_folder_is_continued(tmp_path, version, monkeypatch):
    folder, records, _ = old_folder(tmp_path, version)
    training = Training(monkeypatch)
    summary = run_sweep(parse_sweep(TEXT), tmp_path, workers=0)
    assert training.runs == asked()[-1:]
    assert (summary.total, summary.reused) == (6, 5)
    runs = read_runs(folder)
    assert runs["run_id"].tolist() == [run.run_id for run in asked()]
    assert runs["finished_at"].tolist()[:5] == [each.run["finished_at"] for each in records]
    assert runs["semantics"].isna().tolist() == [True] * 5 + [False]
    tables = dict.fromkeys(("runs.parquet", "epochs.parquet", "plan.parquet"), 9)
    assert {name: n for name, n in versions(folder).items() if "/" not in name} == tables
    found = verify_results(folder)
    assert (found.findings, found.pending) == ((), ())
    # what was asked for before it was written anew is still there
    training.forget()
    run_sweep(parse_sweep(TEXT + "dropout: [0.1, 0.3]\n"), tmp_path, workers=0)
    assert len(training.runs) == 5
    assert not {run.run_id for run in training.runs} & {run.run_id for run in asked()}
    pd.testing.assert_frame_equal(
        read_runs(folder).query("dropout == 0.3").reset_index(drop=True), runs
    )


@every_version
def test_runs_of_code_that_gave_other_results_train_again_and_are_kept(
    tmp_path, version, monkeypatch
):
    folder, records, earlier = old_folder(tmp_path, version, lambda run: run.run_id[::-1])
    training = Training(monkeypatch)
    run_sweep(parse_sweep(TEXT), tmp_path, workers=0)
    assert sorted(run.run_id for run in training.runs) == sorted(run.run_id for run in asked())
    assert set(versions(folder).values()) == {9}
    kept = read_runs(folder / "earlier")
    assert sorted(kept["run_id"]) == sorted(each.run["run_id"] for each in (*records, earlier))
    assert (verify_results(folder).findings, verify_results(folder).runs) == ((), 12)


@pytest.mark.parametrize(
    ("version", "lacking"),
    [
        (4, {"rates_digest", "kernels", *SINCE_7}),
        (5, {"kernels", *SINCE_7}),
        (6, SINCE_7),
        (7, SINCE_8),
        (8, SINCE_9),
    ],
)
def test_a_folder_without_the_latest_columns_is_continued(version, lacking, tmp_path, monkeypatch):
    training = Training(monkeypatch)
    run_sweep(parse_sweep(TEXT), tmp_path, workers=0)
    folder = tmp_path / "old"
    runs = read_runs(folder)
    assert runs["rates_digest"].notna().all()
    assert set(runs["kernels"]) == {"torch"}
    for path in folder.glob("*.parquet"):
        with open_sealed(path) as sealed:
            table, facts = sealed.file.read(), dict(sealed.facts) | {"schema": str(version)}
        kept = [name for name in table.column_names if name not in lacking]
        parquet.write_table(table.select(kept), path, facts)
    assert set(versions(folder).values()) == {version}
    before = read_runs(folder)
    if "rates_digest" in lacking:
        assert before["rates_digest"].isna().all()
        before["rates_digest"] = runs["rates_digest"]
    pd.testing.assert_frame_equal(before, runs)
    assert read_plan_runs(folder) == asked()
    assert (verify_results(folder).findings, verify_results(folder).runs) == ((), 6)
    training.forget()
    summary = run_sweep(parse_sweep(TEXT + "dropout: [0.3, 0.1]\n"), tmp_path, workers=0)
    assert (summary.total, summary.reused) == (12, 6)
    after = read_runs(folder)
    assert after["rates_digest"].isna().sum() == (6 if "rates_digest" in lacking else 0)
    assert set(after["kernels"]) == {"torch"}
    assert set(versions(folder).values()) == {9}


@pytest.mark.parametrize(
    "newer",
    ["runs", "epochs", "plan", "earlier/runs", "earlier/epochs", "parts/*/runs", "parts/*/epochs"],
)
def test_what_a_newer_lrdecay_wrote_is_refused_and_left_as_it_is(tmp_path, newer, monkeypatch):
    training = Training(monkeypatch)
    run_sweep(parse_sweep(TEXT + "dropout: 0.1\n"), tmp_path, workers=0)
    run_sweep(parse_sweep(TEXT), tmp_path, workers=0)
    folder = tmp_path / "old"
    write_old(folder / "parts" / "scratch", 3, [record(replace(asked()[0], seed=7))])
    scratch = folder / "parts" / "scratch"
    scratch.rename(scratch.with_name("0123456789abcdef"))
    (path,) = folder.glob(f"{newer}.parquet")
    with open_sealed(path) as sealed:
        table, facts = sealed.file.read(), dict(sealed.facts) | {"schema": "10"}
    parquet.write_table(table, path, facts)
    before = {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
    training.forget()
    message = rf"{path}: written by a newer lrdecay \(version 10 of the tables; this one reads up"
    changed = parse_sweep(TEXT + "dropout: 0.2\n")
    for command in (
        lambda: run_sweep(changed, tmp_path, workers=0),
        lambda: verify_results(folder),
    ):
        with pytest.raises(InputError, match=message):
            command()
        assert {path: path.read_bytes() for path in before} == before
        assert set(folder.rglob("*.parquet")) <= before.keys()
    assert training.runs == []
