"""The example of a loop of one's own: what changes in the script, and that it can be killed."""

import difflib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from helpers.paths import HOME
from helpers.plugged import as_in_a_new_process
from helpers.results import TIMES

from lrdecay.components.schedulers import Horizon, resolve_arguments, simulate_schedule
from lrdecay.engine.record import digest_rates
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.layout import list_current
from lrdecay.store.reader import read_epochs, read_runs

EXAMPLE = HOME / "examples" / "own_loop"
PLUGIN = EXAMPLE / "trainer.py"


@pytest.fixture(scope="module")
def few_images(data_dir, tmp_path_factory) -> Path:
    """A folder as torchvision lays it out, of the first images of MNIST."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "MNIST" / "raw").mkdir(parents=True)
    for part, count in (("train", 160), ("t10k", 50)):
        for name, header, size in (("images-idx3", 16, 784), ("labels-idx1", 8, 1)):
            path = f"MNIST/raw/{part}-{name}-ubyte"
            whole = (data_dir / path).read_bytes()
            few = whole[:4] + count.to_bytes(4, "big") + whole[8 : header + count * size]
            (folder / path).write_bytes(few)
    return folder


def write_sweep(folder: Path, data: Path, **changes: object) -> Path:
    """The example's sweep file for a few images."""
    document = yaml.safe_load((EXAMPLE / "sweep.yaml").read_text())
    trainer = {"name": "mnist_cnn", "data": str(data), "images": 128, "channels": 4}
    file = folder / "sweep.yaml"
    file.write_text(yaml.safe_dump(document | {"trainer": trainer} | changes, sort_keys=False))
    return file


def test_eight_lines_are_others():
    before, after = (
        (EXAMPLE / name).read_text().splitlines()[1:] for name in ("train.py", "trainer.py")
    )
    changes = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert len(before) < 50
    assert sum(line.startswith("+") for line in changes) == 8


def test_it_trains_with_the_file_that_is_beside_it(few_images, tmp_path):
    file = write_sweep(tmp_path, few_images, seeds=1, epochs=1, dropout=[0.25])
    with as_in_a_new_process():
        summary = run_sweep(file, tmp_path, workers=0, plugins=[PLUGIN])
    assert (summary.completed, summary.failed) == (4, 0)
    runs = read_runs(summary.folder).set_index("scheduler")
    assert set(runs["applied_dropout"]) == {0.25}
    assert runs["init_digest"].nunique() == runs["order_digest"].nunique() == 1
    # two steps in an epoch; the rates are those of the schedule
    given = {"T_max": "steps", "interval": "step"}
    horizon = Horizon.of(1, 2, 0.003)
    curve = simulate_schedule(
        "CosineAnnealingLR", resolve_arguments("CosineAnnealingLR", given, horizon), horizon
    )
    assert runs.loc["cosine", "rates_digest"] == digest_rates([curve.step_rates])


def start(file: Path, results: Path) -> subprocess.Popen[bytes]:
    command = "from lrdecay.cli import main; main()"
    arguments = ["sweep", file, "--plugin", PLUGIN, "--results", results, "--workers", 2]
    return subprocess.Popen(
        [sys.executable, "-c", command, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(HOME)},
        stdout=subprocess.DEVNULL,
    )


def count_runs(folder: Path) -> int:
    return len(read_runs(folder)) if list_current(folder, "runs") else 0


@pytest.mark.slow
def test_killed_twice_it_ends_with_the_tables_of_a_sweep_that_was_not(few_images, tmp_path):
    """Four schedulers at two dropouts and eight seeds, on two workers."""
    file = write_sweep(tmp_path, few_images, epochs=2)
    folder = tmp_path / "killed" / "own_loop"
    for least in (4, 24):
        process = start(file, tmp_path / "killed")
        while process.poll() is None and count_runs(folder) < least:
            time.sleep(0.2)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert least <= count_runs(folder) < 64
    assert start(file, tmp_path / "killed").wait() == 0
    with as_in_a_new_process():
        whole = run_sweep(file, tmp_path / "whole", workers=0, plugins=[PLUGIN]).folder
    runs = read_runs(folder)
    assert runs.groupby(["scheduler", "dropout"]).size().tolist() == [8] * 8
    assert set(runs["status"]) == {"completed"}
    assert runs.groupby("seed")["init_digest"].nunique().tolist() == [1] * 8
    assert runs["init_digest"].nunique() == runs["order_digest"].nunique() == 8
    pd.testing.assert_frame_equal(
        runs.drop(columns=TIMES), read_runs(whole).drop(columns=TIMES), check_exact=True
    )
    pd.testing.assert_frame_equal(read_epochs(folder), read_epochs(whole), check_exact=True)
