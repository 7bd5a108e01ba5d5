"""A small sweep on the digits that is trained once, for all tests that need results of training."""

import os
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

TEXT = """\
name: small
dataset: digits
epochs: 3
schedulers:
  constant: {class: constant}
  step:     {class: StepLR, step_size: 2, gamma: 0.5}
  plateau:  {class: ReduceLROnPlateau, factor: 0.5, patience: 0}
  onecycle: {class: OneCycleLR, max_lr: 0.003, total_steps: steps, cycle_momentum: false}
dropout: [0.0, 0.3]
seeds: 2
target: 0.85
"""


@dataclass(frozen=True)
class DigitsSweep:
    """The sweep file and its results folder, which are everybody's: nothing is written to them."""

    file: Path
    folder: Path


def train_once(base: Path) -> DigitsSweep:
    """Return the sweep, which the first process that asks has trained on two processes.

    `base` is a temporary folder of this test process; those of xdist's lie side by side.
    """
    from lrdecay.runner.coordinator import run_sweep

    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "digits_sweep"
    file, results = home / "small.yaml", home / "results"
    home.mkdir(exist_ok=True)
    with FileLock(home / "lock"):
        if not (home / "done").exists():
            file.write_text(TEXT)
            run_sweep(file, results, workers=2)
            (home / "done").touch()
    return DigitsSweep(file, results / "small")
