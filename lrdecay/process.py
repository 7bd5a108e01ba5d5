"""A process that trains, as the coordinator has it: started, listened to, ended.

`worker` is the other side.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from lrdecay import signals
from lrdecay.groups import Group
from lrdecay.run import Run
from lrdecay.tables import Record
from lrdecay.worker import Beat, Message, Ready, Setup

SILENCE_SECONDS = 120.0
"""So long a process may say nothing, not even that it is at work, before it is ended."""
LOOK_SECONDS = 0.25
"""How often the coordinator looks after its processes."""

_HOME = Path(__file__).resolve().parent.parent
_START_SECONDS = 600.0  # the same while it starts: a slow disk has torch to read, and the data
_PIPE_SECONDS = 5.0  # a process's own child may hold its pipe open


def environment() -> dict[str, str]:
    """Return the environment variables of a training process: one thread, and memory that is kept.

    By default glibc gives the memory of each step back to the system and takes it again with a page
    fault for every 4 KiB, which costs a fifth of the time on small images.
    """
    tunables = {
        "mmap_threshold": 2**32,
        "trim_threshold": 2**32,
        "top_pad": 2**26,
        "hugetlb": 1,
    }
    ours = [f"glibc.malloc.{name}={value}" for name, value in tunables.items()]
    theirs = os.environ.get("GLIBC_TUNABLES")
    return {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "GLIBC_TUNABLES": ":".join([*ours, *filter(None, [theirs])]),
    }


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


class Worker:
    """A process that trains, and a thread that hears what it says.

    The thread puts it into an inbox, with None after the last; a message of which only a part ever
    comes then holds up nobody else.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        connection: Connection[Any, Any],
        clock: Clock,
        inbox: Inbox,
    ) -> None:
        self.process = process
        self.engine = ""
        self.runs: list[Run] = []
        """Those it has not finished."""
        self.ready = False
        self.cause = ""
        """Why it was ended; empty if it ended by itself."""
        self._connection = connection
        self._clock = clock
        self._inbox = inbox
        self._heard = self._moved = clock.now
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @classmethod
    def start(cls, setup: Setup, group: Group, clock: Clock, inbox: Inbox) -> Worker:
        """Start a process and give it its first group."""
        ours, theirs = Pipe()
        # A process of our own making rather than multiprocessing's: it does not import the
        # caller's script again, and a Ctrl-C in the terminal reaches the coordinator alone.
        # -P: files in the current folder do not hide modules; lrdecay itself is found all the same.
        code = f"from lrdecay import worker; worker.main({theirs.fileno()})"
        paths = [str(_HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | environment() | {"PYTHONPATH": os.pathsep.join(paths)},
            process_group=0,
        )
        signals.children.add(process)
        theirs.close()
        worker = cls(process, ours, clock, inbox)
        worker._send(setup)
        worker.take(group)
        return worker

    def take(self, group: Group) -> None:
        """Give the process a group to train."""
        self.engine, self.runs = group.engine, list(group.runs)
        self._moved = self._clock.now
        self._send(group)

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
            return f"the worker process said nothing for {silence:g} s and was ended"
        if self.ready and time_limit is not None and now - self._moved > time_limit:
            return f"no epoch was finished within {time_limit:g} s (--time-limit)"
        return ""

    def end(self) -> int:
        """End the process, which has nothing to lose, and return its exit status.

        All that it has said is in the inbox then.
        """
        self.process.kill()  # a stopped process would not hear a gentler signal
        status = self.process.wait()
        self._listener.join(_PIPE_SECONDS)
        if not self._listener.is_alive():
            self._connection.close()
        signals.children.discard(self.process)
        return status

    def _listen(self) -> None:
        with suppress(EOFError, OSError):  # the process is gone
            while True:
                message = self._connection.recv()
                self._heard = self._clock.now
                if not isinstance(message, Beat):
                    self._moved = self._heard
                    self._inbox.put((self, message))
        self._inbox.put((self, None))

    def _send(self, message: object) -> None:
        with suppress(OSError):  # that a process is gone, its listener tells
            self._connection.send(message)


Inbox = SimpleQueue[tuple[Worker, Ready | Message | None]]
