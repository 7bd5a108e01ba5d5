"""Sweeps whose results are made up at once, and what their folders have as the first plan."""

from __future__ import annotations

import pytest

from lrdecay.core.first_plan import FirstPlan
from lrdecay.report.compare import compare_folder
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_plan
from lrdecay.sweep.reading import parse_sweep

SCHEDULERS = """
  constant: {class: constant}
  step:     {class: StepLR, step_size: 1, gamma: 0.5}
  cosine:   {class: CosineAnnealingLR, T_max: epochs}
"""


FEWER = "".join(SCHEDULERS.splitlines(keepends=True)[:-1])
"""Without cosine."""


def text(
    seeds: object = 8,
    schedulers: str = SCHEDULERS,
    comparison: str = "margin: 0.5",
    lr: str = "0.001",
    dropout: str = "0.3",
) -> str:
    return (
        f"name: small\ndataset: digits\nepochs: 2\nschedulers:{schedulers}dropout: {dropout}\n"
        f"optimizer: {{name: Adam, lr: {lr}}}\nseeds: {seeds}\ncomparison: {{{comparison}}}\n"
    )


def planned(first=8, most=None, family=2, seeds=range(8), **other) -> FirstPlan:
    asked = {"metric": "test_accuracy", "reference": "constant", "margin": 0.5, "confidence": 0.95}
    asked |= {"schedules": ('constant {"interval":"epoch"}',)}
    return FirstPlan(first, most, family, **(asked | other), seeds=tuple(seeds))


class Notes:
    """Remembers what was said, and can stop the sweep after so many runs."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.texts: list[str] = []
        self.left = stop_after

    def start(self, *_: object) -> None:
        """Nothing is shown."""

    epoch = grow = start

    def note(self, text: str) -> None:
        self.texts.append(text)

    def finished(self, _: object) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


def sweep(results, sweep_text, stop_after=None, **options):
    """Run a sweep, and return its folder's first plan and what was said."""
    notes = Notes(stop_after)
    parsed = parse_sweep(sweep_text)
    if stop_after is None:
        folder = run_sweep(parsed, results, workers=0, progress=notes, **options).folder
    else:
        with pytest.raises(KeyboardInterrupt):
            run_sweep(parsed, results, workers=0, progress=notes, **options)
        folder = results / "small"
    said = [each for each in notes.texts if each.startswith("this comparison was first planned")]
    return read_plan(folder).first_plan, said


def looks_of(results) -> list[int]:
    return [look.n for look in compare_folder(results / "small").found.looks]
