"""Shards: fixed, even parts of a sweep's matrix, for a Slurm array or machines that share nothing.

Each shard has a results folder of its own, which has the complete plan and its part of the
runs; `merge_results` joins them. Which part a run is in depends on the sweep and the number of
shards alone, never on what has ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from operator import itemgetter
from pathlib import Path

from lrdecay.analysis import SeedsUntil, lr_selection
from lrdecay.analysis.looks import list_looks
from lrdecay.core.errors import InputError
from lrdecay.core.run import Run
from lrdecay.engine.stacked.kinds import find_kinds
from lrdecay.sweep.matrix import Matrix

FOLDER = "shards"
"""The folder, within that of a sweep, of its shards."""


@dataclass(frozen=True)
class Shard:
    """The part `number` (from 1) of `of` parts."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read a shard such as `2/3`.

        Raises `InputError` for anything else.

        >>> Shard.parse("2/3")
        Shard(number=2, of=3)
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise InputError(
                f"--shard {text}: expected NUMBER/OF, from 1/OF to OF/OF, such as --shard 2/3"
            )
        return cls(int(found[1]), int(found[2]))

    def folder(self, sweep: Path) -> Path:
        """Return the shard's results folder within that of the sweep."""
        return sweep / FOLDER / f"{self.number}-of-{self.of}"

    def part(
        self, matrix: Matrix, cost: Callable[[Run], float], adding: SeedsUntil | None
    ) -> Callable[[Run], bool]:
        """Return what tells whether a run of the matrix is in this part.

        Runs that may train at the same time are shared out by themselves: the trials, the first
        seeds (all, where none are added) and those up to each look. Each time runs that can
        train together stay together, seeds in order, and every part costs about the same.
        """
        own = set()
        for runs in _rounds(matrix, adding):
            kinds = map(repr, find_kinds(runs))
            runs = [run for _, run in sorted(zip(kinds, runs, strict=True), key=itemgetter(0))]
            costs = [cost(run) for run in runs]
            ends = list(accumulate(costs))
            for run, own_cost, end in zip(runs, costs, ends, strict=True):
                middle = end - own_cost / 2
                if int(self.of * middle / ends[-1]) == self.number - 1:
                    own.add(_key(run))
        return lambda run: _key(run) in own


def _rounds(matrix: Matrix, adding: SeedsUntil | None) -> list[list[Run]]:
    rates = lr_selection.list_first_rates(matrix.cells)
    runs, cells = matrix.comparison(rates), len(matrix.compared(rates))  # seed after seed
    bounds = [0, len(matrix.seeds)]
    if adding is not None:
        # the looks of this file, whatever was planned before: all shards must share out alike
        looks = list_looks(adding.min, adding.max, adding.max)
        bounds = [0, *(look.n for look in looks if look.planned)]
    rounds = [runs[start * cells : end * cells] for start, end in pairwise(bounds)]
    return [together for together in (matrix.trials(), *rounds) if together]


def _key(run: Run) -> Run:
    """Return what stands for a run whatever its base rate is chosen to be."""
    chosen = run.lr_chosen_per is not None and run.phase == "compare"
    # arguments such as `max_lr: 2 lr` depend on it
    return replace(run, lr=0.0, scheduler_args="") if chosen else run
