"""What is written is what is read, whatever was interrupted in between."""

import os
import shutil
import signal
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.folders import RUN, SIX, TEXT, filled, record

from lrdecay.core import signals
from lrdecay.core.errors import InputError
from lrdecay.core.first_plan import FirstPlan
from lrdecay.store import parquet, writer
from lrdecay.store.atomic import write_text
from lrdecay.store.parquet import write_table
from lrdecay.store.reader import Plan, read_epochs, read_plan, read_plan_runs, read_runs
from lrdecay.store.schema import EPOCHS, PLAN, RUNS, make_plan, make_table
from lrdecay.store.verify import verify_results
from lrdecay.store.versions import read_table
from lrdecay.store.writer import Store


def seeds(folder) -> list[int]:
    return list(read_runs(folder)["seed"])


def test_parts_are_read_before_and_after_they_are_in_the_tables(tmp_path):
    opened = filled(tmp_path)
    assert seeds(tmp_path) == [0, 1, 2]
    before = read_runs(tmp_path), read_epochs(tmp_path)
    opened.compact(SIX, TEXT)
    assert not list((tmp_path / "parts").iterdir())
    pd.testing.assert_frame_equal(
        before[0].sort_values("seed", ignore_index=True), read_runs(tmp_path)
    )
    keys = ["run_id", "epoch", "split"]
    pd.testing.assert_frame_equal(
        before[1].sort_values(keys, ignore_index=True),
        read_epochs(tmp_path).sort_values(keys, ignore_index=True),
    )


def test_pandas_alone_reads_the_tables(tmp_path):
    filled(tmp_path).compact(SIX, TEXT)
    plain = pd.read_parquet(tmp_path / "runs.parquet")
    assert list(plain.columns) == RUNS.names
    assert list(plain["seed"]) == [0, 1, 2]
    epochs = pd.read_parquet(tmp_path / "epochs.parquet")
    assert list(epochs.columns) == EPOCHS.names
    assert list(epochs["split"][:4]) == ["train", "train_eval", "val", "test"]
    assert list(epochs["epoch"][:8]) == [1] * 4 + [2] * 4


def test_types_and_nulls_are_the_schema_s_even_when_a_column_is_empty(tmp_path):
    filled(tmp_path, parts=((0,),)).compact(SIX, TEXT)
    written = pq.read_schema(tmp_path / "runs.parquet").remove_metadata()
    assert written.equals(RUNS)
    assert pq.read_schema(tmp_path / "epochs.parquet").remove_metadata().equals(EPOCHS)
    assert read_runs(tmp_path)["best_epoch"].isna().all()


def test_the_plan_is_kept_with_the_tables(tmp_path):
    filled(tmp_path)
    assert read_plan(tmp_path) == Plan(6, TEXT)
    assert (tmp_path / "sweep.yaml").read_text() == TEXT


def test_rows_follow_the_sweep_s_order_and_names(tmp_path):
    opened = filled(tmp_path)
    wanted = [replace(run, scheduler="flat", dataset="mine") for run in reversed(SIX)]
    assert [run.run_id for run in wanted] == [run.run_id for run in reversed(SIX)]
    opened.compact(wanted, TEXT)
    table = read_runs(tmp_path)
    assert list(table["seed"]) == [2, 1, 0]
    assert set(table["scheduler"]) == {"flat"}
    assert set(table["dataset"]) == {"mine"}
    assert set(read_epochs(tmp_path)["scheduler"]) == {"flat"}


def test_runs_that_are_not_wanted_are_kept_and_come_back(tmp_path):
    opened = filled(tmp_path)
    opened.compact(SIX[:1], TEXT)
    assert seeds(tmp_path) == [0]
    assert set(read_epochs(tmp_path)["seed"]) == {0}
    assert opened.done() == {run.run_id for run in SIX[:3]}
    opened.compact(SIX[2:], TEXT)
    assert seeds(tmp_path) == [2]
    opened.compact(SIX, TEXT)
    assert seeds(tmp_path) == [0, 1, 2]
    assert len(read_epochs(tmp_path)) == 3 * 8


def test_runs_that_are_in_other_places_too_are_counted_once(tmp_path):
    opened = filled(tmp_path)
    opened.compact([], TEXT)  # all to earlier/
    opened.compact(SIX, TEXT)  # and back: all of it is in the tables as well
    assert opened.done() == {run.run_id for run in SIX[:3]}
    assert opened.made_with(SIX) == {("none", "2"): 3}
    engines = read_runs(tmp_path).set_index("run_id")["engine"].to_dict()
    assert opened.find_engines(SIX) == engines
    assert opened.find_engines(SIX[1:2]) == {SIX[1].run_id: engines[SIX[1].run_id]}


def test_a_failed_run_is_not_done_and_gives_way_to_its_success(tmp_path):
    opened = filled(tmp_path, parts=())
    opened.commit([record(SIX[0], "failed"), record(SIX[1], "diverged")])
    assert opened.done() == {SIX[1].run_id}
    opened.compact(SIX, TEXT)
    opened.commit([record(SIX[0], accuracy=0.75)])
    opened.compact(SIX, TEXT)
    table = read_runs(tmp_path)
    assert list(table["status"]) == ["completed", "diverged"]
    assert table["test_accuracy"][0] == 0.75


def test_a_success_after_a_failure_is_kept_when_it_is_no_longer_wanted(tmp_path):
    opened = Store(tmp_path)
    opened.commit([record(SIX[0], "failed")])
    opened.compact(SIX[1:], TEXT)  # the failure rests in `earlier`
    opened.compact(SIX, TEXT)
    opened.commit([record(SIX[0])])
    opened.compact(SIX, TEXT)
    opened.compact(SIX[1:], TEXT)
    assert opened.done() == {SIX[0].run_id}
    opened.compact(SIX, TEXT)
    assert list(read_runs(tmp_path)["status"]) == ["completed"]


def test_the_sweep_file_is_the_last_one(tmp_path):
    filled(tmp_path).compact(SIX[:2], "name: other\n")
    assert (tmp_path / "sweep.yaml").read_text() == "name: other\n"
    assert read_plan(tmp_path) == Plan(2, "name: other\n")


def test_epochs_are_in_place_before_their_runs(tmp_path, monkeypatch):
    opened, order, real = filled(tmp_path), [], os.replace

    def spy(scratch, path):
        order.append(path.name)
        real(scratch, path)

    monkeypatch.setattr(os, "replace", spy)
    opened.compact(SIX, TEXT)
    assert order == ["epochs.parquet", "runs.parquet"]


def test_a_table_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    filled(tmp_path).compact(SIX, TEXT)
    path = tmp_path / "runs.parquet"
    before = path.read_bytes()

    def breaks(file):
        file.write(b"half of a tab")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "_seal", breaks)
    with pytest.raises(OSError, match="No space"):
        write_table(RUNS.empty_table(), path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_file_that_is_no_table_is_named(tmp_path):
    (tmp_path / "runs.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(InputError, match=r"runs\.parquet: damaged"):
        read_runs(tmp_path)


def test_files_of_a_desktop_among_the_parts_do_no_harm(tmp_path):
    filled(tmp_path)
    for name in (".DS_Store", "Thumbs.db"):
        (tmp_path / "parts" / name).write_bytes(b"x")
    assert seeds(tmp_path) == [0, 1, 2]
    Store(tmp_path).compact(SIX, TEXT)
    assert seeds(tmp_path) == [0, 1, 2]


def test_epochs_to_target_is_the_first_epoch_that_reaches_it_on_validation(tmp_path):
    opened = Store(tmp_path)
    opened.commit([record(run, accuracy=a) for run, a in zip(SIX, (0.2, 0.45, 0.5), strict=False)])
    opened.compact(SIX, TEXT, target=0.5)
    table = read_runs(tmp_path)
    assert table["epochs_to_target"].fillna(0).tolist() == [0, 2, 1]
    assert set(table["target"]) == {0.5}
    opened.compact(SIX, TEXT)
    assert read_runs(tmp_path)["epochs_to_target"].isna().all()


@pytest.mark.parametrize("stop", range(1, 8))
def test_a_kill_within_compaction_loses_nothing(tmp_path, monkeypatch, stop):
    """Fails the `stop`-th change to the disk, for every one that compaction makes."""
    opened = filled(tmp_path, wanted=SIX[:2])
    opened.compact(SIX[:1], TEXT)  # so that there is something in `earlier`
    opened.commit([record(SIX[3]), record(SIX[4])])
    before = opened.done()
    calls = 0

    def dies(real):
        def wrapper(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == stop:
                raise KeyboardInterrupt
            return real(*args, **kwargs)

        return wrapper

    with monkeypatch.context() as patch:
        patch.setattr(writer, "write_table", dies(writer.write_table))
        patch.setattr(writer, "write_text", dies(writer.write_text))
        patch.setattr(shutil, "rmtree", dies(shutil.rmtree))
        try:
            opened.compact(SIX[1:4], TEXT)
            finished = True
        except KeyboardInterrupt:
            finished = False
    assert finished == (calls < stop)
    again = Store(tmp_path)
    assert again.done() == before
    again.compact(SIX, TEXT)
    assert seeds(tmp_path) == [0, 1, 2, 3, 4]
    assert not read_epochs(tmp_path).duplicated(["run_id", "epoch", "split"]).any()
    assert len(read_epochs(tmp_path)) == 5 * 8


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_a_commit_that_was_interrupted_can_be_made_again(tmp_path, monkeypatch, stop):
    opened = filled(tmp_path, parts=())
    calls = 0

    def dies(real):
        def wrapper(*args, **kwargs):
            nonlocal calls
            calls += 1
            result = real(*args, **kwargs)
            if calls == stop:
                raise KeyboardInterrupt
            return result

        return wrapper

    records = [record(SIX[0]), record(SIX[1])]
    with monkeypatch.context() as patch:
        for module, name in (
            (writer, "write_table"),
            (writer.os, "rename"),
            (writer, "sync_folder"),
        ):
            patch.setattr(module, name, dies(getattr(module, name)))
        with pytest.raises(KeyboardInterrupt):
            opened.commit(records)
    assert seeds(tmp_path) == ([] if stop < 3 else [0, 1])
    opened.commit(records)
    opened.commit([record(SIX[2])])
    assert seeds(tmp_path) == [0, 1, 2]
    assert len(read_epochs(tmp_path)) == 3 * 8


def test_a_half_written_part_is_not_read_and_is_taken_away(tmp_path):
    filled(tmp_path)
    scratch = tmp_path / "parts" / ".new"
    scratch.mkdir()
    (scratch / "runs.parquet").write_bytes(b"PAR1")
    assert seeds(tmp_path) == [0, 1, 2]
    Store(tmp_path)
    assert not scratch.exists()


def test_a_part_is_named_by_what_it_holds(tmp_path):
    opened = filled(tmp_path, parts=())
    opened.commit([record(replace(SIX[0], scheduler="../../<b>"))])
    (part,) = (tmp_path / "parts").iterdir()
    assert len(part.name) == 16
    assert int(part.name, 16) >= 0


def test_every_single_bit_flip_in_a_page_is_noticed(tmp_path):
    path = tmp_path / "runs.parquet"
    rows = [record(replace(RUN, seed=seed)).run for seed in range(20)]
    write_table(make_table(rows, RUNS), path)
    good = path.read_bytes()
    expected = read_table(path)
    footer = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
    random = np.random.default_rng(0)
    noticed = 0
    for position in random.integers(4, footer, 100):
        flipped = bytearray(good)
        flipped[position] ^= 1 << int(random.integers(8))
        path.write_bytes(flipped)
        try:
            found = read_table(path)
        except (OSError, ValueError):
            noticed += 1
            continue
        assert found.equals(expected)  # a page header has bits that mean nothing
    assert noticed >= 70


def test_a_row_with_other_columns_is_refused():
    row = dict(record(RUN).run)
    del row["seed"]
    with pytest.raises(ValueError, match="not the schema's: seed"):
        make_table([row], RUNS)


def test_tables_of_another_version_are_refused_by_name(tmp_path):
    path = tmp_path / "runs.parquet"
    plain = RUNS.empty_table().replace_schema_metadata({"lrdecay.schema": "99"})
    pq.write_table(plain, path)
    with pytest.raises(InputError, match=r"newer lrdecay \(version 99.*reads up to 9\)"):
        read_runs(tmp_path)


def test_a_plan_of_another_version_stops_before_anything_is_written(tmp_path, monkeypatch):
    opened = filled(tmp_path)
    with monkeypatch.context() as newer:
        newer.setattr(parquet, "SCHEMA_VERSION", 99)
        write_table(read_table(tmp_path / "plan.parquet"), tmp_path / "plan.parquet")
    with pytest.raises(InputError, match=r"plan\.parquet: written by a newer lrdecay"):
        opened.compact(SIX[1:], "name: other\n")
    assert not (tmp_path / "earlier").exists()
    assert (tmp_path / "sweep.yaml").read_text() == TEXT


@pytest.mark.parametrize("reader", [read_runs, read_epochs, read_plan])
def test_no_results_is_said_with_the_command_that_makes_them(tmp_path, reader):
    with pytest.raises(InputError, match=r"no results in .*nowhere: `lrdecay sweep FILE`"):
        reader(tmp_path / "nowhere")


def test_warnings_of_the_schedules_are_kept_with_the_plan(tmp_path):
    opened = filled(tmp_path)
    opened.compact(SIX, TEXT)
    assert read_plan(tmp_path).warnings == ()
    before = (tmp_path / "runs.parquet").read_bytes()
    opened.compact(SIX, TEXT, warnings=["schedulers.half: stops halfway"])
    assert read_plan(tmp_path).warnings == ("schedulers.half: stops halfway",)
    assert (tmp_path / "runs.parquet").read_bytes() == before
    opened.compact(SIX, TEXT)
    assert read_plan(tmp_path).warnings == ()


def test_a_plan_is_the_rows_of_its_runs():
    runs = [*SIX, replace(RUN, dropout=None), replace(RUN, lr_chosen_per="scheduler", seed=2**62)]
    rows = [{"run_id": run.run_id, **asdict(run)} for run in runs]
    assert make_plan(runs).equals(pa.Table.from_pylist(rows, schema=PLAN), check_metadata=True)
    assert make_plan([]).equals(PLAN.empty_table())


def test_a_plan_is_written_when_it_changes(tmp_path, monkeypatch):
    written = []

    def write(rows, path, facts=None):
        written.append((path.name, len(rows)))
        write_table(rows, path, facts)

    monkeypatch.setattr(writer, "write_table", write)
    opened = Store(tmp_path)
    for runs in (SIX[:2], SIX[:2], list(SIX[:2]), SIX, SIX[:2]):
        opened.compact(runs, TEXT)
    Store(tmp_path).compact(SIX[:2], TEXT)  # it is there already
    assert written == [("plan.parquet", count) for count in (2, 6, 2)]
    opened.compact(SIX[:2], TEXT + "# changed\n")
    assert written[3:] == [("plan.parquet", 2)]
    assert (tmp_path / "sweep.yaml").read_text() == TEXT + "# changed\n"


def test_a_signal_that_comes_as_a_plan_is_written_waits_for_both_of_its_files(
    tmp_path, monkeypatch
):
    def write(text, path):
        os.kill(os.getpid(), signal.SIGTERM)
        write_text(text, path)

    opened = Store(tmp_path)
    opened.compact(SIX[:2], TEXT)
    monkeypatch.setattr(signals, "_first", None)
    monkeypatch.setattr(signals, "_first", None)  # as it is put back
    monkeypatch.setattr(writer, "write_text", write)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(signals.Stopped), signals.stop_on_signal():
            opened.compact(SIX, "name: other\n")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (tmp_path / "sweep.yaml").read_text() == "name: other\n"
    assert read_plan(tmp_path).sweep_text == "name: other\n"
    assert [run.seed for run in read_plan_runs(tmp_path)] == list(range(6))


PLANNED = FirstPlan(8, 64, 9, "test_accuracy", "constant", ("constant {}",), 0.5, 0.95)


def test_the_first_plan_is_kept_with_the_plan(tmp_path):
    opened = filled(tmp_path)
    assert read_plan(tmp_path).first_plan is None
    opened.compact(SIX, TEXT, first_plan=PLANNED)
    assert read_plan(tmp_path) == Plan(6, TEXT, first_plan=PLANNED)
    assert opened.read_plan() == Plan(6, TEXT, first_plan=PLANNED)
    assert opened.read_plan_rows()["run_id"].tolist() == [run.run_id for run in SIX]
    # the plan is written again where nothing but this has changed
    opened.compact(SIX, TEXT, first_plan=replace(PLANNED, family=12))
    assert read_plan(tmp_path).first_plan == replace(PLANNED, family=12)
    # what runs went elsewhere does not matter
    opened.compact(SIX[:1], TEXT, first_plan=PLANNED)
    assert read_plan(tmp_path) == Plan(1, TEXT, first_plan=PLANNED)


def test_a_shard_reads_the_plan_of_the_folder_beside_until_it_has_one(tmp_path):
    home, shard = tmp_path / "small", tmp_path / "small" / "shards" / "1-of-2"
    assert Store(shard, beside=home).read_plan() is None
    assert Store(shard, beside=home).read_plan_rows() is None
    filled(home).compact(SIX, TEXT, first_plan=PLANNED)
    beside = Store(shard, beside=home)
    assert beside.read_plan().first_plan == PLANNED
    assert len(beside.read_plan_rows()) == 6
    assert beside.has_compared()
    assert not Store(shard).has_compared()
    beside.compact(SIX, TEXT, first_plan=replace(PLANNED, most=32))
    assert beside.read_plan().first_plan == replace(PLANNED, most=32)
    assert read_plan(home).first_plan == PLANNED


def test_verifying_keeps_the_first_plan(tmp_path):
    filled(tmp_path).compact(SIX, TEXT, first_plan=PLANNED)
    part = filled(tmp_path / "other", parts=((3,),))
    (damaged,) = (tmp_path / "other" / "parts").iterdir()
    shutil.copytree(damaged, tmp_path / "parts" / "wrongname")
    assert len(part.done()) == 1
    found = verify_results(tmp_path)
    assert [finding.path for finding in found.findings] == ["parts/wrongname"]
    assert read_plan(tmp_path).first_plan == PLANNED
    assert seeds(tmp_path) == [0, 1, 2, 3]
