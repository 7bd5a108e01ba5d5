"""How a sweep ended, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from lrdecay.core.notebook import make_table
from lrdecay.core.text import join_words, spell_count, spell_seconds


@dataclass(frozen=True)
class Summary:
    """How a sweep ended: where its results are, and how many runs of each outcome it trained.

    In a notebook it shows that, and what to do next. `sweep_folder` is another one than `folder`
    where only a shard trained. `without_rate` names what is not in the comparison, since no base
    rate could be chosen for it; `repeats` is how the runs that were to train once more ended;
    `elsewhere` counts those left to other shards, and with `more_to_come` what is asked for after
    them depends on their results.
    """

    folder: Path
    sweep_folder: Path
    total: int
    reused: int
    completed: int
    diverged: int
    failed: int
    seconds: float
    elsewhere: int = 0
    more_to_come: bool = False
    without_rate: tuple[str, ...] = ()
    repeats: Summary | None = None

    def spell_runs(self) -> str:
        """Return how many runs there are, and how many of them were trained now, in words."""
        trained = self.completed + self.diverged + self.failed
        elsewhere = f", {self.elsewhere} left to other shards" if self.elsewhere else ""
        return (
            f"{spell_count(self.total, 'run')}, {trained} trained now "
            f"({self.diverged} diverged, {self.failed} failed) in "
            f"{spell_seconds(self.seconds)}, {self.reused} from before{elsewhere}"
        )

    def _repr_html_(self) -> str:
        return make_table(str(self.folder), self._list_facts())

    def _list_facts(self) -> Iterator[tuple[str, str]]:
        yield "runs", self.spell_runs()
        if self.repeats is not None:
            yield "trained twice", f"{self.repeats.spell_runs()}; in {self.repeats.folder}"
        if self.without_rate:
            names = join_words(self.without_rate)
            yield "no base rate", f"for {names}: not in the comparison; give smaller rates"
        for each in (self, self.repeats):
            if each is not None and each.failed:
                yield "failed", f"why is in lrdecay.read_runs({str(each.folder)!r}).error"
        if self.folder == self.sweep_folder:
            name, there = repr(str(self.folder)), quote(str(self.folder))
            yield "next", f"lrdecay.compare_folder({name})\nlrdecay.write_report({name})"
            yield "in a terminal", f"lrdecay compare {there}\nlrdecay report {there}"
            return
        shards, into = quote(str(self.folder.parent)), quote(str(self.sweep_folder))
        again = ", then run them again" if self.more_to_come else ""
        yield f"when all shards have ended{again}", f"lrdecay merge {shards}/* --into {into}"
