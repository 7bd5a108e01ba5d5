"""What `status`, `verify` and `--allow-mixed` say, and their exit codes."""

import os
import random
import shutil
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import pytest
from helpers.commands import call
from helpers.tiny import RUNS_OF_TEXT, flip_a_bit, in_no_time, run_ids, text

from lrdecay.analysis import made_with
from lrdecay.core.errors import InputError
from lrdecay.report.page import write_report
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.lock import hold_folder
from lrdecay.store.reader import read_plan_runs, read_runs
from lrdecay.store.schema import Record
from lrdecay.store.status import read_status
from lrdecay.store.verify import verify_results


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained.folder, tmp_path / "tiny")


def made_elsewhere(records: Mapping[str, Record], **facts: object) -> Mapping[str, Record]:
    """The first half of the runs as if they came from somewhere else."""
    half = sorted(records)[: len(records) // 2]
    return {run: Record({**records[run].run, **facts}, records[run].epochs) for run in half}


# status


def test_status_counts_each_outcome_and_adds_up(trained, tmp_path):
    runs = {row.run_id: row for row in read_runs(trained.folder).itertuples()}
    plateau = [run for run, row in runs.items() if row.scheduler == "plateau"]
    records = dict(trained.records)
    nothing = {"test_accuracy": None, "val_loss": None}
    for run, facts in (
        (plateau[0], {"status": "diverged", "diverged_at_step": 1}),
        (plateau[1], {"status": "failed", "error": "RuntimeError: no"}),
    ):
        records[run] = Record({**records[run].run, **facts, **nothing}, [])
    with in_no_time(records):
        run_sweep(trained.file, tmp_path, workers=0)
    folder = tmp_path / "tiny"
    wider = tmp_path / "tiny.yaml"
    wider.write_text(text(seeds=3))
    with in_no_time({}), pytest.raises(KeyError):  # it ends before the first of the new runs
        run_sweep(wider, tmp_path, workers=0)
    columns = ["scheduler", "runs", "completed", "diverged", "failed", "running", "missing"]
    counts, writer = read_status(folder)
    assert writer is None
    pd.testing.assert_frame_equal(
        counts.drop(columns="phase"),
        pd.DataFrame(
            [["constant", 6, 4, 0, 0, 0, 2], ["plateau", 6, 2, 1, 1, 0, 2]], columns=columns
        ),
        check_dtype=False,
    )
    with hold_folder(folder) as hold:
        missing = [run.run_id for run in read_plan_runs(folder) if run.run_id not in runs]
        hold.training([plateau[1], missing[0], plateau[2]])  # one failed before, one is done
        counts, writer = read_status(folder)
        assert (writer.pid, counts["running"].sum()) == (os.getpid(), 2)
        assert (counts["failed"].sum(), counts["missing"].sum()) == (0, 3)
        shown = call("status", folder)
    assert (counts["runs"] == counts[columns[2:]].sum(axis=1)).all()
    assert shown.exit_code == 0
    assert shown.output.splitlines()[-3].split() == ["all", "12", "6", "1", "0", "2", "3"]
    assert f"Training: process {os.getpid()} on " in shown.output
    assert call("status", folder).output.endswith(
        "No sweep is at work here.\n"
        "Verdicts are made at 8 seeds at the earliest, then at 12, 16, 24, ...\n"
    )


def test_commands_on_a_folder_without_results(tmp_path):
    for command in ("status", "verify"):
        result = call(command, tmp_path / "none")
        assert (result.exit_code, result.output.count("\n")) == (2, 1)
        assert f"no results in {tmp_path / 'none'}" in result.output
    assert not (tmp_path / "none").exists()


# verify


def test_verify_says_that_all_is_well(folder):
    result = call("verify", folder)
    assert result.exit_code == 0
    assert result.output == (
        f"{folder}: {RUNS_OF_TEXT} runs with {2 * RUNS_OF_TEXT} epochs in 3 files: every checksum, "
        f"key, count and identity is right\n"
    )


def test_verify_names_what_is_damaged_and_what_trains_again(folder):
    (folder / "epochs.parquet").unlink()
    result = call("verify", folder)
    assert result.exit_code == 1
    first, second, third, *listed = result.output.splitlines()
    assert first == f"{folder}/epochs.parquet: it is missing; moved to quarantine"
    assert second.endswith("0 runs with 0 epochs in 2 files are undamaged")
    assert third == f"{RUNS_OF_TEXT} runs to train: `lrdecay sweep FILE`"
    assert len(listed) == RUNS_OF_TEXT
    assert " plateau, dropout 0.3, seed 1, lr 0.001" in result.output
    assert call("verify", folder).exit_code == 0


def test_other_commands_name_the_damaged_file_and_the_remedy(trained, folder):
    flip_a_bit(folder / "epochs.parquet", random.Random(0))
    for arguments in (("report", folder), ("sweep", trained.file, "--results", folder.parent)):
        result = call(*arguments)
        assert (result.exit_code, result.output.count("\n")) == (2, 1)
        assert result.output.startswith(
            f"lrdecay: {folder}/epochs.parquet: damaged, or not a table"
        )
        assert "`lrdecay verify FOLDER`" in result.output


def test_rows_that_are_whole_but_wrong_are_found(trained, tmp_path):
    """Sound files whose content is not what a sweep writes."""
    run = min(trained.records)
    good = trained.records[run]
    for facts, epochs, reason in (
        ({"lr": 0.5}, good.epochs, f"run {run} does not match its identity"),
        ({}, good.epochs[:-1], f"run {run} has missing epochs or splits"),
        ({}, good.epochs[:-4], f"run {run} has missing epochs"),
        ({"status": "wonderful"}, good.epochs, f"run {run} has the status 'wonderful'"),
        ({"status": "diverged"}, good.epochs, f"run {run} has missing epochs"),
    ):
        results = tmp_path / str(len(list(tmp_path.iterdir())))
        records = {**trained.records, run: Record({**good.run, **facts}, epochs)}
        with in_no_time(records):
            run_sweep(trained.file, results, workers=0)
        found = verify_results(results / "tiny")
        assert [finding.reason for finding in found.findings] == [reason]
        assert [asked.run_id for asked in found.pending] == [run]
        assert run_ids(results / "tiny") == trained.records.keys() - {run}


# Mixtures


@pytest.mark.soak
@pytest.mark.parametrize("facts", [{"device": "NVIDIA <Z>"}, {"torch_version": "1.0"}])
def test_results_of_two_kinds_are_not_mixed_unasked(trained, tmp_path, facts):
    records = trained.records
    half = made_elsewhere(records, **facts)
    with in_no_time(half), pytest.raises(KeyError):
        run_sweep(trained.file, tmp_path, workers=0)
    folder = tmp_path / "tiny"
    there = run_ids(folder)
    assert 0 < len(there) < RUNS_OF_TEXT
    with in_no_time(records):
        with pytest.raises(InputError, match=f"there are {len(there)} with torch .*; here"):
            run_sweep(trained.file, tmp_path, workers=0)
        assert run_ids(folder) == there
        summary = run_sweep(trained.file, tmp_path, workers=0, allow_mixed=True)
    assert (summary.reused, summary.completed) == (len(there), RUNS_OF_TEXT - len(there))
    kinds = made_with(read_runs(folder))
    assert sorted(kinds["runs"]) == sorted([len(there), RUNS_OF_TEXT - len(there)])
    page = write_report(folder).read_text()
    (value,) = facts.values()
    assert "These runs were not all made alike" in page
    shown = value.replace("<", "&lt;").replace(">", "&gt;")
    assert f"{len(there)} with torch" in page
    assert shown in page
    # a mixture that is there already is not gone on with either
    with in_no_time(records), pytest.raises(InputError, match="--allow-mixed"):
        run_sweep(trained.file, tmp_path, workers=0)
    whole = write_report(trained.folder, tmp_path / "whole.html").read_text()
    assert "made alike" not in whole


def test_what_a_sweep_no_longer_asks_for_may_be_of_another_kind(trained, narrower, tmp_path):
    records = trained.records
    dropout = {row.run_id: row.dropout for row in read_runs(trained.folder).itertuples()}
    other = {
        run: replace(record, run={**record.run, "device": "other"}) if dropout[run] else record
        for run, record in records.items()
    }
    with in_no_time(other):
        run_sweep(trained.file, tmp_path, workers=0, allow_mixed=True)
    said = []

    class Listens:
        def start(self, *_):
            """Nothing is shown."""

        epoch = finished = start

        def note(self, text):
            said.append(text)

    with in_no_time(records):
        summary = run_sweep(narrower, tmp_path, workers=0, progress=Listens())
    assert (summary.reused, summary.completed) == (4, 0)
    assert said[0] == (
        f"4 runs that this sweep does not ask for are kept in {tmp_path / 'tiny' / 'earlier'}"
    )
