"""What was exported is read back: by pandas, and by the programs that it is for."""

import io
import os
import shlex
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from helpers.frames import Tables, make_tables, write_folder
from pandas.testing import assert_frame_equal
from rich.console import Console
from typer.testing import CliRunner

from lrdecay.cli import progress
from lrdecay.cli.app import app
from lrdecay.cli.export import To
from lrdecay.core.errors import InputError
from lrdecay.core.sanitize import sanitize_line
from lrdecay.store import atomic
from lrdecay.store.export import FORMATS, base, export, export_results, rows
from lrdecay.store.export.rows import list_exported
from lrdecay.store.reader import read_epochs, read_metrics, read_runs

HOSTILE = "../../=cmd, <b>\n"


def some_end_early(scheduler: str, dropout: float, seed: int) -> str:
    ends = {("step", 0): "diverged", ("step", 1): "failed"}
    return ends.get((scheduler, seed), "completed")


@pytest.fixture(scope="module")
def tables() -> Tables:
    runs, epochs = make_tables(
        ("constant", "step", HOSTILE), (0.0, 0.25), seeds=2, n_epochs=3, status=some_end_early
    )
    trials, of_trials = make_tables(("constant",), (0.0,), seeds=1, n_epochs=1)
    trials = trials.assign(run_id="f" * 16, phase="choose")
    of_trials = of_trials.assign(run_id="f" * 16, phase="choose")
    both = pd.concat([runs, trials]), pd.concat([epochs, of_trials])
    return both[0].reset_index(drop=True), both[1].reset_index(drop=True)


@pytest.fixture
def folder(tmp_path: Path, tables: Tables) -> Path:
    return write_folder(tmp_path / "sweep", tables)


def test_csv_holds_every_value_of_both_tables(folder: Path) -> None:
    home = export_results(folder, "csv")
    assert home == folder / "export" / "csv"
    runs, epochs = (pd.read_csv(home / f"{name}.csv") for name in ("runs", "epochs"))
    expected = read_runs(folder)
    assert list(runs.columns) == list(expected.columns)
    assert list(runs["run_id"].astype(str).str.zfill(16)) == list(expected["run_id"])
    for column in ("test_accuracy", "val_loss", "lr", "dropout", "best_epoch", "diverged_at_step"):
        assert runs[column].astype(float).equals(expected[column].astype(float)), column
    for column in ("scheduler", "status", "error", "phase", "scheduler_args"):
        ours = expected[column].astype(object)
        assert runs[column].astype(object).where(runs[column].notna(), None).tolist() == (
            ours.where(ours.notna(), None).tolist()
        ), column
    bits = [bytes.fromhex(text) if isinstance(text, str) else None for text in runs["test_correct"]]
    assert bits == expected["test_correct"].tolist()
    assert any(bits)
    finished = pd.to_datetime(runs["finished_at"])
    assert finished.tolist() == expected["finished_at"].tolist()
    columns = ["epoch", "split", "loss", "accuracy", "learning_rate", "learning_rate_first"]
    assert_frame_equal(epochs[columns], read_epochs(folder)[columns], check_dtype=False)


def test_whole_numbers_stay_whole_in_csv(folder: Path) -> None:
    lines = (export_results(folder, "csv") / "runs.csv").read_text().splitlines()
    place = lines[0].split(",").index("diverged_at_step")
    steps = pd.read_csv(folder / "export" / "csv" / "runs.csv", dtype=str)["diverged_at_step"]
    assert steps.dropna().tolist() == ["17", "17"]
    assert lines[1].split(",")[place - 1] == "completed"
    assert lines[1].split(",")[place] == ""


def test_the_same_tables_give_the_same_csv_and_leave_no_other_file(
    folder: Path, tmp_path: Path
) -> None:
    first, second = (export_results(folder, "csv", tmp_path / "new" / name) for name in "ab")
    for name in ("runs.csv", "epochs.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert sorted(p.name for p in first.parent.iterdir()) == ["a", "b"]
    assert sorted(p.name for p in first.iterdir()) == [".lrdecay-export", "epochs.csv", "runs.csv"]


def test_an_export_is_replaced_as_a_whole_and_nothing_else_ever(
    folder: Path, tmp_path: Path
) -> None:
    home = export_results(folder, "csv", tmp_path / "out")
    (home / "runs.csv").write_text("old")
    (home / "stale.csv").write_text("old")
    export_results(folder, "csv", home)
    assert sorted(p.name for p in home.iterdir()) == [".lrdecay-export", "epochs.csv", "runs.csv"]
    assert (home / "runs.csv").read_text() != "old"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("x")
    (tmp_path / "link").symlink_to(home)
    for place in (mine, mine / "thesis.tex", tmp_path / "link"):
        with pytest.raises(InputError, match=str(place)):
            export_results(folder, "csv", place)
    assert [p.name for p in mine.iterdir()] == ["thesis.tex"]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert (export_results(folder, "csv", empty) / "runs.csv").is_file()


def test_an_export_that_breaks_off_leaves_the_one_before(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = export_results(folder, "csv", tmp_path / "out")
    before = (home / "runs.csv").read_bytes()
    from lrdecay.store.export import csv

    def breaks(tables: object, folder: Path, told: object) -> None:
        (folder / "runs.csv").write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(csv, "write_csv", breaks)
    with pytest.raises(OSError, match="disk full"):
        export_results(folder, "csv", home)
    assert (home / "runs.csv").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "sweep"]


def test_a_format_without_its_packages_says_how_to_install_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    for to, needed in (
        ("tensorboard", "tensorboardX, not installed here: pip install tensorboardX"),
        (
            "mlflow",
            "mlflow, sqlalchemy and alembic, not installed here: pip install mlflow-skinny "
            "sqlalchemy alembic",
        ),
    ):
        result = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["export", str(folder), "--to", to])
        assert result.exit_code == 2
        assert f"--to {to} needs {needed}" in result.output
    assert not (folder / "export").exists()


def test_a_signal_leaves_nothing_behind(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lrdecay.core import signals
    from lrdecay.store.export import csv

    def is_stopped(tables: object, folder: Path, told: object) -> None:
        (folder / "runs.csv").write_text("half")
        raise signals.Stopped(signal.SIGTERM)

    monkeypatch.setattr(csv, "write_csv", is_stopped)
    output = tmp_path / "out"
    command = ["export", str(folder), "--to", "csv", "--output", str(output)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 143
    assert result.output == "\nStopped; nothing was exported.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["sweep"]


def test_bad_input(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match="no results in"):
        export_results(tmp_path / "nowhere", "csv")
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(InputError, match=r"--to xls: unknown; choose one of csv, tensorboard, ml"):
        export_results(folder, "xls")
    result = CliRunner().invoke(app, ["export", str(folder), "--to", "xls"])
    assert result.exit_code == 2


def test_the_command_says_where_it_is(folder: Path) -> None:
    result = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["export", str(folder), "--to", "csv"])
    assert (result.exit_code, result.output) == (0, f"{folder}/export/csv\n")
    assert list(FORMATS) == list(get_args(To))


def expected_scalars(folder: Path, run: str) -> dict[str, dict[int, float]]:
    """The curves and final numbers of a run, from its rows."""
    rows = read_epochs(folder).query("run_id == @run")
    found: dict[str, dict[int, float]] = {}
    for row in rows.to_dict("records"):
        for metric in ("loss", "accuracy"):
            found.setdefault(f"{metric}/{row['split']}", {})[row["epoch"]] = row[metric]
        found.setdefault("learning_rate", {})[row["epoch"]] = row["learning_rate"]
    last = int(rows["epoch"].max())
    own = read_runs(folder).query("run_id == @run").iloc[0]
    for name in ("test_accuracy", "val_loss", "best_epoch", "seconds", "lr_changes"):
        if pd.notna(own[name]):
            found[f"final/{name}"] = {last: own[name]}
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_every_run_back(folder: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    home = export_results(folder, "tensorboard")
    runs = read_runs(folder)
    folders = {path.name.rsplit("-", 1)[1]: path for path in home.iterdir() if path.is_dir()}
    assert set(folders) == set(runs["run_id"])
    assert {path.parent for path in folders.values()} == {home}
    assert folders["f" * 16].name == f"trial-constant-dropout0-seed0-{'f' * 16}"
    for row in runs.to_dict("records"):
        events = EventAccumulator(str(folders[row["run_id"]]), size_guidance={"scalars": 0})
        events.Reload()
        expected = expected_scalars(folder, row["run_id"])
        missing = {"final/seconds"} if row["status"] == "failed" else set()
        assert set(expected) - missing <= set(events.Tags()["scalars"])
        for tag, values in expected.items():
            read = {event.step: event.value for event in events.Scalars(tag)}
            assert read == pytest.approx(values, rel=1e-6), tag
            times = {event.wall_time for event in events.Scalars(tag)}
            assert times == {row["finished_at"].timestamp()}
        plugin = events.summary_metadata
        start = plugin_data_pb2.HParamsPluginData.FromString(
            plugin["_hparams_/session_start_info"].plugin_data.content
        ).session_start_info.hparams
        assert start["scheduler"].string_value == row["scheduler"]
        assert start["dropout"].number_value == row["dropout"]
        assert start["batch_norm"].bool_value is False
        assert ("_hparams_/session_end_info" in plugin) == (row["status"] == "completed")
        (text,) = events.Tensors("made_by/text_summary")
        assert f"    run_id: {row['run_id']}\n" in text.tensor_proto.string_val[0].decode()


def test_the_same_tables_give_the_same_events(folder: Path, tmp_path: Path) -> None:
    first, second = (export_results(folder, "tensorboard", tmp_path / name) for name in "ab")
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 14  # one for each run, and the mark
    assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_reads_every_run_back(folder: Path, tmp_path: Path) -> None:
    for _ in range(2):  # the second replaces the first
        home = export_results(folder, "mlflow", tmp_path / "store")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sweep")
    assert experiment is not None
    assert experiment.artifact_location == (home / "artifacts").as_uri()
    found = {
        run.data.tags["lrdecay.run_id"]: run
        for run in client.search_runs([experiment.experiment_id])
    }
    runs = read_runs(folder)
    assert set(found) == set(runs["run_id"])
    for row in runs.to_dict("records"):
        run = found[row["run_id"]]
        completed = row["status"] == "completed"
        assert run.info.status == ("FINISHED" if completed else "FAILED")
        assert run.info.end_time == row["finished_at"].timestamp() * 1000
        assert run.data.params["scheduler"] == row["scheduler"]
        assert float(run.data.params["dropout"]) == row["dropout"]
        assert run.data.params["phase"] == row["phase"]
        assert run.data.tags["lrdecay.status"] == row["status"]
        assert run.data.tags.get("lrdecay.error") == (
            row["error"] if pd.notna(row["error"]) else None
        )
        expected = expected_scalars(folder, row["run_id"])
        assert ("final/test_accuracy" in run.data.metrics) == completed
        for name, values in expected.items():
            history = client.get_metric_history(run.info.run_id, name)
            assert {point.step: point.value for point in history} == values, name
    with sqlite3.connect(home / "mlflow.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_all_that_is_known_of_a_run(folder: Path, tmp_path: Path) -> None:
    from lrdecay.store.export import mlflow

    long = [table.assign(run_id="e" * 16) for table in make_tables(("step",), (0.0,), 1, 120)]
    runs, epochs = (
        pd.concat(both, ignore_index=True)
        for both in zip((read_runs(folder), read_epochs(folder)), long, strict=True)
    )
    epochs.loc[5, "loss"], epochs.loc[6, "loss"], epochs.loc[7, "loss"] = np.inf, -np.inf, np.nan
    assert len(set(epochs["run_id"][5:8])) == 1
    home = tmp_path / "store"
    home.mkdir()
    tables = base.Tables("sweep", runs, epochs, read_metrics(folder), home)
    told: list[tuple[int, int]] = []
    mlflow.write_mlflow(tables, home, lambda done, of: told.append((done, of)))
    assert told == [(number, 14) for number in range(1, 15)]
    assert [path.name for path in home.iterdir()] == ["mlflow.db"]

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    found = {run.data.tags["lrdecay.run_id"]: run for run in client.search_runs(["1"])}
    assert len(found) == len(client.search_runs(["0", "1"])) == 14
    largest, points = sys.float_info.max, 0
    for run in list_exported(tables):
        info, data = found[run.id].info, found[run.id].data
        ended = round(1000 * run.finished.timestamp())
        assert (info.run_name, info.user_id) == (run.name, "unknown")
        assert (info.status, info.lifecycle_stage) == (
            "FINISHED" if run.completed else "FAILED",
            "active",
        )
        assert (info.start_time, info.end_time) == (ended - round(1000 * run.seconds), ended)
        assert info.artifact_uri == f"{(home / 'artifacts').as_uri()}/{info.run_id}/artifacts"
        tags = {f"lrdecay.{name}": value for name, value in run.made_by.items()}
        assert data.tags == tags | {"lrdecay.run_id": run.id, "mlflow.runName": run.name}
        assert data.params == {name: str(value) for name, value in run.parameters.items()}
        last = max(run.curves, default=0)
        expected = {f"final/{name}": {last: value} for name, value in run.outcomes.items()}
        for epoch, numbers in run.curves.items():
            for name, value in numbers.items():
                expected.setdefault(name, {})[epoch] = min(max(value, -largest), largest)
        assert set(data.metrics) == set(expected)
        for name, values in expected.items():
            history = client.get_metric_history(info.run_id, name)
            assert len(history) == len(values)
            points += len(history)
            assert {point.timestamp for point in history} == {ended}
            read = {point.step: point.value for point in history}
            assert read == pytest.approx(values, rel=0, abs=0, nan_ok=True), name
            assert data.metrics[name] == pytest.approx(values[last], rel=0, abs=0, nan_ok=True)
    assert points == sum(len(run.outcomes) + 9 * len(run.curves) for run in list_exported(tables))


LABELS = [
    *("step", "café", "cafe\u0301", "日本", "🚀", "..", ".", ".hidden", "a b", "a_b", "a-b"),
    *("a/b", "a\\b", "a:b", "a|b", "a?b", "a%2Fb", "a\tb", "a\u202eb", "../../up"),
    *("x" * 64, "x" * 63 + "y", "🚀" * 64, "🚀" * 63 + "!", "/" * 64, "x" * 10_000),
]


def test_labels_stay_apart_and_readable_in_names() -> None:
    spelled = {label: rows.spell_name(label) for label in LABELS}
    assert len(set(spelled.values())) == len(LABELS)
    for label in ("step", "café", "日本", "🚀", "a b", "a_b", "a-b", "x" * 64):
        assert spelled[label] == label
    assert (spelled["a/b"], spelled["a\\b"], spelled["a:b"]) == ("a%2Fb", "a%5Cb", "a%3Ab")
    assert (spelled[".."], spelled["a%2Fb"]) == ("%2E.", "a%252Fb")
    for name in spelled.values():
        assert not set(name) & set('/\\:*?"<>|\0\n\u202e')
        assert not name.startswith(".")
        assert len(f"trial-{name}-dropout0.25-seed1000000-{'f' * 16}".encode()) <= 255


def test_tensorboard_has_a_folder_of_its_own_name_for_each_label(tmp_path: Path) -> None:
    tables = make_tables(LABELS, (0.25,), seeds=1, n_epochs=1)
    home = export_results(write_folder(tmp_path / "s", tables), "tensorboard")
    names = {path.name for path in home.iterdir() if path.is_dir()}
    assert names == {
        f"{rows.spell_name(row.scheduler)}-dropout0.25-seed0-{row.run_id}"
        for row in tables[0].itertuples()
    }


def test_no_label_is_a_formula_in_csv(tmp_path: Path) -> None:
    labels = ("=1+1", "+a", "-b", "@c", "\t=d", "a=b", "step")
    tables = make_tables(labels, (0.0,), seeds=1, n_epochs=1)
    home = export_results(write_folder(tmp_path / "s", tables), "csv")
    for name in ("runs", "epochs"):
        frame = pd.read_csv(home / f"{name}.csv", dtype=str, keep_default_na=False)
        assert list(dict.fromkeys(frame["scheduler"])) == [
            *("'=1+1", "'+a", "'-b", "'@c", "'\t=d", "a=b", "step"),
        ]
        texts = frame.drop(columns=["learning_rate"], errors="ignore").to_numpy().ravel()
        assert not [text for text in texts if text[:1] in ("=", "+", "@", "\t", "\r")]


def test_what_killed_exports_left_goes_with_the_next(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "out"
    export_results(folder, "csv", place)
    left = [f".out.{os.getpid()}.tmp", ".out.77.old", ".out.0123456789ab.tmp"]
    for name in left:
        (tmp_path / name).mkdir()
        (tmp_path / name / "runs.csv").write_text("half")
    (tmp_path / ".out.notes.old").mkdir()
    export_results(folder, "csv", place)  # one of them has this process's own number
    assert {path.name for path in tmp_path.iterdir()} == {"sweep", "out", ".out.notes.old", *left}
    monkeypatch.setattr(atomic, "_YOUNG", -1.0)
    with atomic.lock_scratch(tmp_path / left[0]):  # an export that is at work
        export_results(folder, "csv", place)
    assert {path.name for path in tmp_path.iterdir()} == {"sweep", "out", ".out.notes.old", left[0]}
    assert (place / "runs.csv").read_text() != "half"


ODD = ["why?", "a#b", "a%20b", "it's mine", os.fsdecode(b"mine\xff")]


@pytest.mark.parametrize("name", ODD, ids=ascii)
@pytest.mark.parametrize("to", ["csv", "tensorboard"])
def test_an_export_is_in_its_folder_whatever_that_is_called(tmp_path: Path, name, to) -> None:
    folder = write_folder(tmp_path / name, make_tables(("step",), (0.3,), seeds=1, n_epochs=1))
    result = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["export", str(folder), "--to", to])
    assert result.exit_code == 0, result.output
    assert [path.name for path in tmp_path.iterdir()] == [name]
    there = [path for path in (folder / "export" / to).rglob("*") if path.is_file()]
    assert len(there) == {"csv": 3, "tensorboard": 2}[to]
    if to == "tensorboard":
        shown = sanitize_line(shlex.quote(str(folder / "export" / to)))
        assert result.output.splitlines()[-1] == f"Next:  tensorboard --logdir {shown}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_mlflow_is_in_its_folder_whatever_that_is_called(tmp_path: Path, name: str) -> None:
    tables = make_tables(("step",), (0.3,), seeds=2, n_epochs=1)
    folder = write_folder(tmp_path / name, tables)
    command = ["export", str(folder), "--to", "mlflow"]
    result = CliRunner(env={"COLUMNS": "300"}).invoke(app, command)
    assert result.exit_code == 0, result.output
    assert [path.name for path in tmp_path.iterdir()] == [name]
    home = folder / "export" / "mlflow"
    assert sorted(path.name for path in home.iterdir()) == [".lrdecay-export", "mlflow.db"]
    shutil.copy(home / "mlflow.db", tmp_path / "copy.db")  # as a plain path
    with closing(sqlite3.connect(tmp_path / "copy.db")) as database:
        (runs,) = database.execute("SELECT count(*) FROM runs").fetchone()
        (experiment,) = database.execute(
            "SELECT name FROM experiments WHERE name != 'Default'"
        ).fetchone()
    assert (runs, experiment) == (2, sanitize_line(name))
    shown = sanitize_line(shlex.quote(str(home)))
    assert result.output.splitlines()[-1] == (
        f"Next:  cd {shown} && mlflow ui --backend-store-uri sqlite:///mlflow.db"
    )


def test_what_is_written_is_told_on_the_way(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lrdecay.store.export import csv

    monkeypatch.setattr(csv, "_AT_ONCE", 50)
    rows = len(read_runs(folder)), len(read_epochs(folder))
    told: dict[str, list[tuple[int, int]]] = {"csv": [], "tensorboard": []}
    for to, heard in told.items():
        export_results(
            folder, to, tmp_path / to, lambda done, of, heard=heard: heard.append((done, of))
        )
    assert told["tensorboard"] == [(number, 13) for number in range(1, 14)]
    assert rows == (13, 116)
    assert told["csv"] == [(13, 129), (63, 129), (113, 129), (129, 129)]
    for name, count in zip(("runs", "epochs"), rows, strict=True):
        assert len(pd.read_csv(tmp_path / "csv" / f"{name}.csv")) == count


def test_a_pipe_gets_a_line_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    heard = io.StringIO()
    with progress.show_share(Console(file=heard), "writing csv") as told:
        for done in range(1, 8):
            now[0] += 2.0
            told(1000 * done, 7000)
    assert heard.getvalue() == "writing csv: 3,000 of 7,000\nwriting csv: 6,000 of 7,000\n"


def test_a_terminal_gets_a_bar_that_leaves_nothing() -> None:
    heard = io.StringIO()
    console = Console(file=heard, force_terminal=True, width=80, legacy_windows=False)
    with progress.show_share(console, "writing csv") as told:
        told(1, 4)
        told(4, 4)
    assert "writing csv" in heard.getvalue()
    assert "100%" in heard.getvalue()
    assert heard.getvalue().endswith("\x1b[2K")
