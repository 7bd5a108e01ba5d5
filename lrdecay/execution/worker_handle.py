"""A worker as the coordinator has it: what it trains, what it says, and when it is overdue."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from queue import SimpleQueue

from lrdecay.core.run import Run
from lrdecay.execution.grouping import Group
from lrdecay.execution.messages import Beat, Lost, Message, Ready
from lrdecay.store.schema import Record

SILENCE_SECONDS = 120.0
"""So long a worker may say nothing, not even that it is at work, before it is ended."""
LOOK_SECONDS = 0.25
"""How often the coordinator looks after its workers."""

_START_SECONDS = 600.0  # the same while it starts: a slow disk has torch to read, and the data


class Clock:
    """Seconds that this process has been at work: none pass while it is stopped or the computer
    sleeps, so that nobody is blamed for a silence that nobody could have heard end."""

    def __init__(self) -> None:
        self.now = 0.0
        self._seen = time.monotonic()

    def tick(self) -> None:
        """Let the time since the last call pass, if it is not too long to have been spent here."""
        seen = time.monotonic()
        self.now += min(seen - self._seen, 4 * LOOK_SECONDS)
        self._seen = seen


class Worker(ABC):
    """One that trains, as the coordinator has it.

    What it says goes into an inbox, by `hear`, with None after the last.
    """

    kind = "worker"
    """What to call it in a message."""

    def __init__(self, clock: Clock, inbox: Inbox) -> None:
        self.engine = ""
        self.runs: list[Run] = []
        """Those it has not finished."""
        self.ready = False
        self.cause = ""
        """Why it was ended; empty if it ended by itself."""
        self.place_lost = False
        """Whether the machine that it was on is gone, for which no run is to blame."""
        self._clock = clock
        self._inbox = inbox
        self._heard = self._moved = clock.now

    @abstractmethod
    def send(self, group: Group) -> None:
        """Have it train a group; that it is gone is heard, and no error here."""

    @abstractmethod
    def end(self) -> str:
        """End it, which has nothing to lose, and return how it ended, such as an exit status.

        All that it has said is in the inbox then.
        """

    def take(self, group: Group) -> None:
        """Give it a group to train."""
        self.engine, self.runs = group.engine, list(group.runs)
        self._moved = self._clock.now
        self.send(group)

    def hear(self, message: Ready | Lost | Message | None) -> None:
        """Take what it says."""
        self._heard = self._clock.now
        if not isinstance(message, Beat):
            self._moved = self._heard
            self._inbox.put((self, message))

    def finished(self, done: Record) -> Run:
        """Strike a run off those to be trained, and return it."""
        (run,) = (run for run in self.runs if run.run_id == done.run["run_id"])
        self.runs.remove(run)
        return run

    def overdue(self, time_limit: float | None) -> str:
        """Return why it is to be ended, if it is: for too long it told of nothing."""
        now = self._clock.now
        silence = SILENCE_SECONDS if self.ready else _START_SECONDS
        if now - self._heard > silence:
            return f"the {self.kind} said nothing for {silence:g} s and was ended"
        if self.runs and time_limit is not None and now - self._moved > time_limit:
            return f"no epoch was finished within {time_limit:g} s (--time-limit)"
        return ""


Inbox = SimpleQueue[tuple[Worker, Ready | Lost | Message | None]]
Start = Callable[[Clock, Inbox], Worker]
