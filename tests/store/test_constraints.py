"""Tables that contradict themselves end every command that reads them in one line."""

import math

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.frames import make_tables, write_folder
from typer.testing import CliRunner

from lrdecay.cli.app import app
from lrdecay.core.errors import InputError
from lrdecay.report.page import render_report
from lrdecay.store.columns import FOREIGN, OF_TABLE
from lrdecay.store.parquet import write_table
from lrdecay.store.reader import Plan, read_epochs, read_plan_rows, read_runs
from lrdecay.store.schema import EPOCHS, PLAN, RUNS


def odd_folder(folder, table, column, value, row=1):
    """A folder of two schedulers, one dropout and two seeds in which one value is changed."""
    tables = dict(
        zip(("runs", "epochs"), make_tables(("constant", "step"), (0.3,), 2, 2), strict=True)
    )
    write_folder(folder, tuple(tables.values()))
    frame = tables[table].astype({column: object})
    frame.at[row, column] = value
    schema = {"runs": RUNS, "epochs": EPOCHS}[table]
    nullable = pa.schema([pa.field(field.name, field.type) for field in schema])
    rows = pa.Table.from_pandas(frame, schema=nullable, preserve_index=False)
    write_table(rows, folder / f"{table}.parquet", {"planned": "4", "sweep": "name: odd\n"})
    return folder


def test_columns_of_one_name_have_one_range():
    ranges = {}
    for column in (column for columns in OF_TABLE.values() for column in columns):
        assert ranges.setdefault(column.name, column.range) == column.range


ODD = [
    ("runs", "lr", 0.0, "lr is 0.0; valid is a finite number above 0"),
    ("runs", "lr", math.inf, "lr is inf; valid is a finite number above 0"),
    ("runs", "dropout", 1.0, "dropout is 1.0; valid is at least 0 and less than 1"),
    ("runs", "seed", None, "seed is null; valid is a value"),
    ("runs", "status", "done", "status is done; valid is one of completed, diverged, failed"),
    ("runs", "test_accuracy", 1.5, "test_accuracy is 1.5; valid is from 0 to 1"),
    ("runs", "test_correct", b"1", "test_correct has 1 bytes; valid is one bit for each of"),
    ("runs", "seed", -1, "seed is -1; valid is at least 0"),
    ("runs", "seed", 0, "2 rows of dataset digits, model cnn, "),
    ("runs", "run_id", f"{0:016x}", f"2 rows of run_id {0:016x}; valid is each run once"),
    ("epochs", "run_id", "unknown", "run unknown: it is not in runs.parquet"),
    ("epochs", "split", "train", "2 rows of run_id"),
    ("epochs", "learning_rate", math.inf, "learning_rate is inf; valid is a finite number"),
    ("epochs", "accuracy", -0.5, "accuracy is -0.5; valid is from 0 to 1"),
]


@pytest.mark.parametrize(("table", "column", "value", "line"), ODD)
def test_what_cannot_be_true_is_refused_as_it_is_read(tmp_path, table, column, value, line):
    folder = odd_folder(tmp_path / "odd", table, column, value)
    reads = {"runs": read_runs, "epochs": read_epochs}[table]
    with pytest.raises(InputError) as caught:
        reads(folder)
    text = str(caught.value)
    assert text.startswith(f"{folder / table}.parquet: run ")
    assert line in text
    assert "\n" not in text
    assert len(text) < 600


LACKING = [
    *(("runs", name) for name in ("dataset_digest", "model", "lr", "batch_size", "finished_at")),
    *(("epochs", name) for name in ("loss", "accuracy", "learning_rate_last")),
]


@pytest.mark.parametrize(("table", "column"), LACKING)
def test_what_another_loop_did_not_say_is_null_and_of_lrdecay_s_own_runs_refused(
    tmp_path, table, column
):
    folder = odd_folder(tmp_path / "odd", table, column, None)
    read = {"runs": read_runs, "epochs": read_epochs}[table]
    with pytest.raises(InputError, match=f"{column} is null; valid is a value"):
        read(folder)
    for engine in FOREIGN:
        runs = pq.read_table(folder / "runs.parquet").to_pandas().assign(engine=engine)
        rows = pa.Table.from_pandas(runs, schema=RUNS, preserve_index=False)
        write_table(rows, folder / "runs.parquet", {"planned": "4", "sweep": "name: odd\n"})
        assert read(folder)[column].isna().tolist()[:3] == [False, True, False]


@pytest.mark.parametrize("column", ["run_id", "dataset", "scheduler", "seed", "phase", "plugins"])
def test_what_is_never_null_is_so_of_no_engine(tmp_path, column):
    folder = odd_folder(tmp_path / "odd", "runs", column, None)
    runs = pq.read_table(folder / "runs.parquet").to_pandas().assign(engine="imported")
    nullable = pa.schema([pa.field(field.name, field.type) for field in RUNS])
    rows = pa.Table.from_pandas(runs, schema=nullable, preserve_index=False)
    write_table(rows, folder / "runs.parquet", {"planned": "4", "sweep": "name: odd\n"})
    with pytest.raises(InputError, match=f"{column} is null; valid is a value"):
        read_runs(folder)


@pytest.mark.parametrize("table_and_column", [("runs", "lr"), ("epochs", "learning_rate")])
def test_every_command_that_reads_them_ends_in_one_line(tmp_path, table_and_column):
    folder = odd_folder(tmp_path / "odd", *table_and_column, math.inf)
    commands = [
        ["report", str(folder)],
        ["plot", str(folder), "curves", "--output", str(tmp_path / "x.svg")],
        ["export", str(folder), "--to", "csv"],
    ]
    if table_and_column[0] == "runs":
        commands.append(["compare", str(folder)])
    for command in commands:
        ended = CliRunner().invoke(app, command)
        assert ended.exit_code == 2, command
        assert ended.output.count("\n") == 1, ended.output
        assert ended.output.startswith(f"lrdecay: {folder}"), ended.output
        assert "is inf; valid is a finite number" in ended.output


def test_sound_tables_are_read_as_they_are(tmp_path):
    runs, epochs = make_tables(status=lambda s, d, seed: "diverged" if seed else "completed")
    epochs.loc[0, "loss"] = math.inf  # as of a run that diverges
    folder = write_folder(tmp_path / "sound", (runs, epochs))
    pd.testing.assert_frame_equal(read_runs(folder), runs)
    pd.testing.assert_frame_equal(read_epochs(folder), epochs)


def test_a_plan_is_checked_too(tmp_path):
    runs, epochs = make_tables(seeds=2)
    folder = write_folder(tmp_path / "planned", (runs, epochs))
    rows = pa.Table.from_pandas(runs, schema=PLAN, preserve_index=False)
    write_table(pa.concat_tables([rows, rows.slice(0, 1)]), folder / "plan.parquet")
    with pytest.raises(InputError, match=r"plan.parquet: run 0+: there are 2 rows of run_id 0+;"):
        read_plan_rows(folder)


@pytest.mark.slow
def test_a_label_that_the_plan_has_otherwise_is_that_of_the_run():
    """A sweep file's labels may change: the plan is written first, so a reader may meet both."""
    runs, epochs = make_tables(("constant", "step"), (0.3,), seeds=8, n_epochs=1)
    planned = runs[PLAN.names].replace({"scheduler": {"step": "stairs"}})
    page = render_report(runs, epochs, name="x", plan=Plan(16, ""), planned=planned)
    assert "step against constant at dropout 0.3" in page
    assert "stairs" not in page
