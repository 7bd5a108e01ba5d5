"""What trackers leave behind is read value by value; lrdecay's own exports are the input where it
writes such."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables, write_folder
from helpers.imports import write_state

from lrdecay.core.errors import InputError
from lrdecay.store.export import export_results
from lrdecay.store.importing.guesses import guess_options
from lrdecay.store.importing.source import extract_columns, find_kind, read_source

ROWS = pd.DataFrame({"label": ["a#1", "b"], "seed": [1, 2], "acc": [0.1 + 0.2, 1 / 3]})


@pytest.fixture(scope="module")
def tables():
    def ends(scheduler, dropout, seed):
        return "diverged" if (scheduler, seed) == ("step", 1) else "completed"

    return make_tables(("constant", "step"), (0.0, 0.25), seeds=2, n_epochs=3, status=ends)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tables):
    return write_folder(tmp_path_factory.mktemp("results") / "sweep", tables)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl", "ndjson"])
def test_a_table_is_read_to_the_bit(tmp_path, suffix):
    path = tmp_path / f"runs.{suffix}"
    if suffix in ("csv", "tsv"):
        text = ROWS.to_csv(index=False, sep="," if suffix == "csv" else "\t")
        path.write_text(f"# source: somewhere\n{text}# the end\n", encoding="utf-8")
    elif suffix == "parquet":
        ROWS.to_parquet(path)
    else:
        rows = ROWS.to_dict("records")
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = read_source(str(path))
    pd.testing.assert_frame_equal(found.runs, ROWS, check_exact=True)
    assert found.curves is None


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.csv", None, "no such file or folder"),
        ("odd.csv", b"", "no table that can be read"),
        ("odd.parquet", b"PAR1", "no table that can be read"),
        ("odd.jsonl", b"{", "no table that can be read"),
        ("results.txt", b"a", "neither a table"),
    ],
)
def test_what_is_no_table_is_said(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_source(str(tmp_path / name))


def test_tensorboard_has_parameters_and_last_values(folder, tables):
    runs, epochs = tables
    found = read_source(str(export_results(folder, "tensorboard")))
    ids = found.runs["run"].str[-16:]
    assert sorted(ids) == sorted(runs["run_id"])
    own = found.runs.set_index(ids).loc[runs["run_id"]].reset_index(drop=True)
    for name in ("scheduler", "dropout", "seed", "lr"):
        assert own[name].tolist() == runs[name].tolist(), name
    expected = runs["test_accuracy"].astype("float32").astype("float64")
    np.testing.assert_array_equal(own["final/test_accuracy"], expected)
    curve = found.curves.query("metric == 'loss/val'").sort_values(["run", "step"])
    val = epochs[epochs["split"] == "val"]
    assert len(curve) == len(val)
    assert set(curve["step"]) == {1, 2, 3}
    np.testing.assert_allclose(sorted(curve["value"]), sorted(val["loss"]), rtol=1e-6)


def test_an_event_file_that_was_cut_off_has_what_came_before(folder, tmp_path):
    whole = export_results(folder, "tensorboard", tmp_path / "events")
    before = read_source(str(whole)).curves
    file = min(whole.rglob("*tfevents*"))
    file.write_bytes(file.read_bytes()[:-3])
    after = read_source(str(whole)).curves
    assert 0 < len(before) - len(after) < len(before)


@pytest.mark.filterwarnings("ignore")  # of MLflow's own code, as it writes
def test_mlflow_has_parameters_metrics_tags_and_status(folder, tables):
    runs, _ = tables
    home = export_results(folder, "mlflow")
    found = read_source(f"sqlite:///{home / 'mlflow.db'}").runs
    assert find_kind(str(home / "mlflow.db")) == "mlflow"
    own = found.set_index("lrdecay.run_id").loc[runs["run_id"]].reset_index()
    assert own["scheduler"].tolist() == runs["scheduler"].tolist()
    assert own["seed"].tolist() == runs["seed"].astype(str).tolist()
    np.testing.assert_array_equal(own["final/test_accuracy"], runs["test_accuracy"])
    assert own["lrdecay.init_digest"].tolist() == runs["init_digest"].tolist()
    failed = runs["status"] != "completed"
    assert own["status"].tolist() == np.where(failed, "FAILED", "FINISHED").tolist()


@pytest.mark.filterwarnings("ignore")  # of MLflow's own code, as it writes
def test_a_folder_of_mlflow_is_a_store_too(tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient(tracking_uri=str(tmp_path / "mlruns"))
    experiment = client.create_experiment("mine")
    run = client.create_run(experiment, run_name="first").info.run_id
    client.log_param(run, "seed", 3)
    for step, value in enumerate((0.25, 0.5)):
        client.log_metric(run, "acc", value, step=step)
    client.set_terminated(run)
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    assert find_kind(str(tmp_path / "mlruns")) == "mlflow"
    found = read_source(f"{tmp_path / 'mlruns'}#mine")
    row = {"run": run, "run_name": "first", "status": "FINISHED", "seed": "3", "acc": 0.5}
    assert found.runs.to_dict("records") == [row]
    assert found.curves[["step", "value"]].to_numpy().tolist() == [[0, 0.25], [1, 0.5]]


@pytest.mark.filterwarnings("ignore")  # of MLflow's own code, as it writes
def test_mlflow_names_the_experiments_there_are(folder, tmp_path):
    home = export_results(folder, "mlflow")
    with pytest.raises(InputError, match=r"no experiment 'odd'; there are: .*sweep"):
        read_source(f"{home / 'mlflow.db'}#odd")
    with pytest.raises(InputError, match="no such file or folder"):
        read_source(f"sqlite:///{tmp_path / 'none.db'}")
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("name", "package", "says"),
    [
        (
            "events.out.tfevents.1",
            "tensorboardX.proto.event_pb2",
            "install the extra `tensorboard`",
        ),
        ("mlflow.db", "mlflow", "install the extra `mlflow`"),
    ],
)
def test_what_an_extra_reads_says_which(tmp_path, monkeypatch, name, package, says):
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setitem(sys.modules, package, None)
    place = tmp_path if name.startswith("events") else tmp_path / name
    with pytest.raises(InputError, match=says):
        read_source(str(place))


def test_of_a_trainer_the_last_checkpoint_counts(tmp_path):
    write_state(tmp_path / "cosine-s1" / "checkpoint-20", 20, 0.8)
    write_state(tmp_path / "cosine-s1" / "checkpoint-100", 100, 0.6)
    write_state(tmp_path / "linear-s12", 7, 0.4)
    found = read_source(str(tmp_path))
    row = {"run": "cosine-s1", "steps": 100, "val_f1": 0.6, "val_loss": 0.5, "test_f1": 0.15}
    assert {name: found.runs.iloc[0][name] for name in row} == row
    assert found.runs["run"].tolist() == ["cosine-s1", "linear-s12"]
    curve = found.curves.query("run == 'linear-s12' and metric == 'val_f1'")
    assert curve[["step", "value"]].to_numpy().tolist() == [[10, 0.2], [7, 0.4]]
    taken = extract_columns(found.runs, r"(?P<scheduler>\w+)-s(?P<seed>\d+)")
    assert taken["scheduler"].tolist() == ["cosine", "linear"]
    assert taken["seed"].tolist() == ["1", "12"]


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(", "no regular expression"),
        ("x", "name what it takes out"),
        ("(?P<seed>q+)", "is not in run 'a-s1'"),
    ],
)
def test_a_pattern_that_takes_out_nothing_is_said(pattern, says):
    with pytest.raises(InputError, match=says):
        extract_columns(pd.DataFrame({"run": ["a-s1"]}), pattern)


def test_a_state_that_no_trainer_wrote_is_said(tmp_path):
    (tmp_path / "trainer_state.json").write_text("[]")
    with pytest.raises(InputError, match="not as the Trainer writes it"):
        read_source(str(tmp_path))


def test_columns_of_one_metric_on_several_problems_are_guessed_as_such():
    table = pd.DataFrame({"sched": ["a", "b"], "acc_cifar10": [90, 91.5], "acc_mean": [1, 2.0]})
    assert guess_options(table)["guess"].tolist() == [
        "--scheduler sched",
        "--metric 'test_accuracy[cifar10]=acc_cifar10'",
        "--metric acc_mean=acc_mean",
    ]


def test_each_column_has_a_guess_of_its_option():
    table = pd.DataFrame(
        {
            "State": ["finished", "crashed"],
            "scheduler": ["a", "b"],
            "random_seed": ["1", "mean"],
            "dropout": [0.1, 0.2],
            "final/test_accuracy": [0.1, 0.2],
            "lr": [0.1, 0.2],
            "note": ["x", "y"],
            "lrdecay.init_digest": ["x", "y"],
        }
    )
    found = dict(guess_options(table)[["column", "guess"]].to_numpy().tolist())
    assert found == {
        "State": "--status State",
        "scheduler": "--scheduler scheduler",
        "random_seed": "--seed random_seed --drop mean",
        "dropout": "--dropout dropout",
        "final/test_accuracy": "--metric final_test_accuracy=final/test_accuracy",
        "lr": "--axis lr",
        "note": "",
        "lrdecay.init_digest": "--digest init_digest=lrdecay.init_digest",
    }


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("runs.jsonl", b'{"n": 1}\n[1, 2]\n', "no table .* \\(a line is no JSON object\\)"),
        ("runs.jsonl", b"1\n", "a line is no JSON object"),
        ("trainer_state.json", b'{"global_step": 1, "log_history": [1]}', "not as the Trainer"),
        ("trainer_state.json", b'{"global_step": 1, "log_history": [{"step": "x"}]}', "not as the"),
    ],
)
def test_a_file_of_something_else_has_its_error(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_source(str(tmp_path / name))


def test_a_damaged_event_file_has_its_error(tmp_path):
    pytest.importorskip("tensorboardX")
    record = b"\x05" + bytes(7) + b"sum1" + b"\xff" * 5 + b"sum2"
    (tmp_path / "events.out.tfevents.1").write_bytes(record)
    with pytest.raises(InputError, match=r"tfevents\.1: no event file of TensorBoard, or a damag"):
        read_source(str(tmp_path))


def test_a_database_that_is_none_has_its_error(tmp_path):
    pytest.importorskip("mlflow")
    (tmp_path / "mlflow.db").write_bytes(b"junk" * 100)
    with pytest.raises(InputError, match="no store that MLflow reads"):
        read_source(f"sqlite:///{tmp_path}/mlflow.db")
