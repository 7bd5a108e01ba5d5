"""A small sweep on the digits that is trained once, for all tests that need results of training."""

from dataclasses import dataclass
from pathlib import Path

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
    """The sweep file and its results folder; both are only read."""

    file: Path
    folder: Path


def train_sweep(home: Path) -> None:
    """Train it in this process."""
    from lrdecay.runner.coordinator import run_sweep

    (home / "small.yaml").write_text(TEXT)
    run_sweep(home / "small.yaml", home, workers=0)
