"""Runs that are trained twice, and what the hardware alone makes of them."""

import numpy as np
import pandas as pd
import pytest
from helpers.commands import call
from helpers.frames import make_tables
from helpers.plugged import as_in_a_new_process
from helpers.results import assert_same

from lrdecay.analysis import noise_floor
from lrdecay.core.errors import InputError
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_runs
from lrdecay.store.verify import verify_results

TEXT = """\
name: twice
dataset: digits
epochs: 2
optimizer: {name: Adam, lr: {choose: [0.001, 0.003], seeds: 1}}
schedulers:
  constant: {class: constant}
  step:     {class: StepLR, step_size: 1, gamma: 0.5}
dropout: 0.2
seeds: 3
"""


def test_noise_floor_by_hand():
    runs, _ = make_tables(schedulers=("constant",), dropouts=(0.0,), seeds=4)
    again = runs.copy()
    again.loc[0, "test_accuracy"] += 0.002
    again.loc[1, "test_accuracy"] -= 0.001
    again.loc[3, "status"] = "diverged"
    again = pd.concat([again, again.iloc[[0]].assign(run_id="of no run")])
    accuracy, loss = noise_floor(runs, again).to_dict("records")
    assert (accuracy["metric"], accuracy["n"], accuracy["identical"]) == ("test_accuracy", 3, 1)
    assert accuracy["largest"] == pytest.approx(0.2)
    assert accuracy["sd"] == pytest.approx(np.sqrt((0.2**2 + 0.1**2) / 3 / 2))
    assert (loss["metric"], loss["n"], loss["identical"], loss["sd"]) == ("test_loss", 3, 3, 0)
    nothing = noise_floor(runs, again.iloc[:0])
    assert nothing["n"].tolist() == [0, 0]
    assert nothing["sd"].isna().all()


@pytest.mark.slow
def test_runs_train_twice_into_a_folder_of_their_own(tmp_path):
    file = tmp_path / "twice.yaml"
    file.write_text(TEXT)
    once = run_sweep(file, tmp_path / "once", workers=0)
    assert once.repeats is None
    summary = run_sweep(file, tmp_path / "twice", workers=0, repeat=2)
    assert_same(summary.folder, once.folder)
    assert summary.repeats is not None
    assert (summary.repeats.total, summary.repeats.completed) == (4, 4)
    repeats = read_runs(summary.repeats.folder)
    assert summary.repeats.folder == summary.folder / "repeats"
    runs = read_runs(summary.folder)
    wanted = runs[(runs["phase"] == "compare") & runs["seed"].isin([0, 1])]
    assert repeats["run_id"].tolist() == wanted["run_id"].tolist()
    # on a CPU nothing else makes a difference, and these are runs of their own
    assert noise_floor(runs, repeats)["identical"].tolist() == [4, 4]
    assert repeats["finished_at"].min() > wanted["finished_at"].max()
    for folder in (summary.folder, summary.repeats.folder):
        assert verify_results(folder).findings == ()
    more = run_sweep(file, tmp_path / "twice", workers=0, repeat=3)
    assert more.completed == 0
    assert (more.repeats.reused, more.repeats.completed) == (4, 2)
    with pytest.raises(InputError, match="repeat: must be at least 0 seeds, not -1"):
        run_sweep(file, tmp_path, repeat=-1)


FAILING = """
import os
from torch import nn
def Once(shape, classes, dropout):
    if os.path.isdir("{there}/repeats"):
        raise RuntimeError("not again")
    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))
MODELS = {{"Once": Once}}
"""


def test_a_repeat_that_fails_is_told_of_and_one_that_is_damaged_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "own.py"
    own.write_text(FAILING.format(there=tmp_path / "one"))
    (tmp_path / "one.yaml").write_text(
        "dataset: digits\nmodel: Once\nepochs: 1\nschedulers: {c: {class: constant}}\n"
    )
    words = ["sweep", "one.yaml", "--plugin", "own.py", "--workers", 0, "--repeat", 1]
    with as_in_a_new_process():
        found = call(*words, "--results", ".")
    assert found.exit_code == 1
    assert "failed: c, dropout 0.3, seed 0: RuntimeError: not again" in found.stderr
    again = tmp_path / "one" / "repeats"
    before = verify_results(tmp_path / "one")
    assert (before.runs, before.findings) == (2, ())
    table = bytearray((again / "runs.parquet").read_bytes())
    table[100] ^= 1
    (again / "runs.parquet").write_bytes(table)
    after = verify_results(tmp_path / "one")
    assert [each.path for each in after.findings] == ["repeats/runs.parquet"]
    assert list((again / "quarantine").glob("*/runs.parquet"))
