"""Data that change while a sweep trains on them."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from helpers.image_folders import draw, fill, load
from helpers.results import assert_same
from PIL import Image

from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.core.errors import InputError
from lrdecay.execution.local.process import Process
from lrdecay.execution.trainer import Setup, Trainer
from lrdecay.runner import run_sweep

TEXT = """\
dataset: {folder: mine, channels: 1}
epochs: 40
schedulers: {constant: {class: constant}}
seeds: 2
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    fill(tmp_path / "mine")
    path = tmp_path / "small.yaml"
    path.write_text(TEXT)
    return path


def replace_an_image(file: Path) -> None:
    Image.fromarray(np.flipud(draw(1, 99))).save(file.parent / "mine" / "cat" / "003.png")


class Watch:
    """Stops both workers after an epoch, replaces an image and kills the first; the second goes on
    once it is told that no other one can train."""

    def __init__(self, file: Path, workers: list[Process]) -> None:
        self.notes: list[str] = []
        self._file, self._workers = file, workers
        self._stopped: list[Process] = []

    def start(self, runs, done, workers) -> None: ...

    def grow(self, runs) -> None: ...

    def finished(self, record) -> None: ...

    def epoch(self, done) -> None:
        own = next((each for each in self._workers if done.run in each.runs), None)
        if own is None or own in self._stopped or len(self._stopped) == 2:
            return
        os.kill(own.process.pid, signal.SIGSTOP)
        self._stopped.append(own)
        if len(self._stopped) == 2:
            replace_an_image(self._file)
            self._stopped[0].process.kill()

    def note(self, text: str) -> None:
        self.notes.append(text)
        if "cannot train" in text:
            os.kill(self._stopped[1].process.pid, signal.SIGCONT)


@pytest.mark.slow
def test_what_trains_on_the_data_as_planned_goes_on(file, tmp_path, monkeypatch):
    expected = run_sweep(file, tmp_path / "before", workers=0, engine="reference", group_size=1)
    workers: list[Process] = []
    start = Process.start.__func__

    def remember(cls, *args):
        workers.append(start(cls, *args))
        return workers[-1]

    monkeypatch.setattr(Process, "start", classmethod(remember))
    watch = Watch(file, workers)
    settings = {"workers": 2, "engine": "reference", "group_size": 1}
    summary = run_sweep(file, tmp_path / "after", progress=watch, **settings)
    assert (summary.completed, summary.failed, len(workers)) == (2, 0, 3)
    about = [note for note in watch.notes if "the data have changed" in note]
    assert about == [
        "a worker process cannot train: InputError: mine: the data have changed since the sweep "
        "began; put them back as they were, or end the sweep and start it again, which trains on "
        "the new data. The others go on, and no more are started"
    ]
    assert_same(summary.folder, expected.folder)
    again = run_sweep(file, tmp_path / "after", workers=0)
    assert (again.reused, again.completed) == (0, 2)


def test_a_worker_that_reads_other_data_says_so(file):
    folder = file.parent / "mine"
    spec = DatasetSpec(folder=str(folder), channels=1)
    setup = Setup(spec, None, load(folder).digest, 2, "cpu")
    Trainer(setup)
    replace_an_image(file)
    with pytest.raises(
        InputError, match=r"^mine: the data have changed since the sweep began; put"
    ):
        Trainer(setup)
