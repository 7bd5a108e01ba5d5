"""A trial in the hands of a program: all that is known of it is what the program writes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from lrdecay.execution.own.errors import TrialError
from lrdecay.execution.own.trial import Trial

METRICS_FILE = "metrics.jsonl"
_LONGEST = 64  # characters of a digest


class ProgramTrial(Trial):
    """A trial whose measurements come as lines of JSON. Nothing of what they say is verified."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._rates: dict[int, float] = {}  # by epoch
        self._digests: dict[str, str] = {}

    def take_line(self, number: int, line: str) -> None:
        """Keep what a line of the program says: what `log` takes, and `learning_rate`, of an epoch,
        `init_digest` and `order_digest`.

        Raises:
            TrialError: it is no JSON, or cannot be kept; the line's number, from 1, is told.
            Diverged: as `log`.
        """
        where = f"line {number} of {METRICS_FILE}"
        try:
            row = json.loads(line)
        except ValueError:
            raise TrialError(f"{where} is no JSON: {line[:80]!r}") from None
        if not isinstance(row, dict):
            raise TrialError(f"{where} is no JSON object: {line[:80]!r}")
        try:
            self._take(row)
        except TrialError as error:
            raise TrialError(f"{where}: {str(error).removeprefix('trial.log: ')}") from None

    def _take(self, row: dict[str, Any]) -> None:
        epoch, split = row.pop("epoch", None), row.pop("split", None)
        beside = {
            name: row.pop(name)
            for name in ("learning_rate", "init_digest", "order_digest")
            if row.get(name) is not None
        }
        for name, value in beside.items():
            if name == "learning_rate":
                self._keep_rate(epoch, value)
            else:
                self._keep_digest(name, value)
        if row or not beside:
            self.log(epoch, split, **row)

    def _keep_rate(self, epoch: object, rate: object) -> None:
        if type(epoch) is not int or not 1 <= epoch <= self.epochs:
            raise TrialError(
                f"learning_rate is of an epoch: give epoch, from 1 to {self.epochs}, not {epoch!r}"
            )
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < math.inf:
            raise TrialError(f"learning_rate must be a finite number from 0, not {rate!r}")
        if (before := self._rates.setdefault(epoch, float(rate))) != rate:
            raise TrialError(f"learning_rate of epoch {epoch} is {rate}, and was {before} before")

    def _keep_digest(self, name: str, digest: object) -> None:
        if not isinstance(digest, str) or not 0 < len(digest) <= _LONGEST:
            raise TrialError(f"{name} must be a text of 1 to {_LONGEST} characters, not {digest!r}")
        if (before := self._digests.setdefault(name, digest)) != digest:
            raise TrialError(f"{name} is {digest!r}, and was {before!r} before")

    def _check_complete(self) -> None:
        reached = self._measured.reached
        if not self._measured.epochs and not self._measured.own:
            raise TrialError(f"the command wrote nothing into {{folder}}/{METRICS_FILE}")
        if reached < self.epochs:
            raise TrialError(f"the command ended after {reached} of {self.epochs} epochs logged")
        if 0 < len(self._rates) < self.epochs:
            raise TrialError(
                f"learning_rate is there for {len(self._rates)} of {self.epochs} epochs; give it "
                f"for all of them, or for none"
            )
        self._measured.check_last(self._terms.compared, chooses=self.run.phase == "choose")

    def _read_digests(self) -> tuple[str | None, str | None]:
        return self._digests.get("init_digest"), self._digests.get("order_digest")

    def _read_rates(self) -> Mapping[int, float]:
        return self._rates
