"""A process that trains, as the coordinator has it: started, listened to, ended.

`worker` is the other side.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, Self

from lrdecay.core import signals
from lrdecay.execution.grouping import Group
from lrdecay.execution.trainer import Setup
from lrdecay.execution.worker_handle import Clock, Inbox, Worker

_HOME = Path(__file__).resolve().parents[3]
_PIPE_SECONDS = 5.0  # a process's own child may hold its pipe open


def training_environment() -> dict[str, str]:
    """Return the environment variables of a training process: one thread, and memory that is kept.

    By default glibc gives the memory of each step back to the system and takes it again with a page
    fault for every 4 KiB, which costs a fifth of the time on small images.
    """
    tunables = {"mmap_threshold": 2**32, "trim_threshold": 2**32, "top_pad": 2**26, "hugetlb": 1}
    ours = [f"glibc.malloc.{name}={value}" for name, value in tunables.items()]
    tunings = filter(None, [*ours, os.environ.get("GLIBC_TUNABLES")])
    paths = filter(None, [str(_HOME), os.environ.get("PYTHONPATH")])
    return {
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "GLIBC_TUNABLES": ":".join(tunings),
    }


def start_python(
    function: str, variables: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], Connection[Any, Any]]:
    """Start a process that calls a function of this package with the file descriptor of a pipe, and
    return it with the pipe's other end. It is one of `signals.children` until it is taken out."""
    ours, theirs = Pipe()
    # A process of our own making rather than multiprocessing's: it does not import the
    # caller's script again, and a Ctrl-C in the terminal reaches the coordinator alone.
    # -P: files in the current folder do not hide modules; lrdecay itself is found all the same.
    module = function.partition(".")[0]
    code = f"from lrdecay.execution.local import {module}; {function}({theirs.fileno()})"
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        env={**os.environ, **training_environment(), **variables},
        process_group=0,
    )
    signals.children.add(process)
    theirs.close()
    return process, ours


class Process(Worker):
    """A process that trains, and a thread that hears what it says: a message of which only a part
    ever comes then holds up nobody else."""

    kind = "worker process"

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        connection: Connection[Any, Any],
        clock: Clock,
        inbox: Inbox,
    ) -> None:
        super().__init__(clock, inbox)
        self.process = process
        self._connection = connection
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @classmethod
    def start(cls, setup: Setup, variables: Mapping[str, str], clock: Clock, inbox: Inbox) -> Self:
        """Start a process, with these environment variables beside those that all have."""
        worker = cls(*start_python("worker.run_worker", variables), clock, inbox)
        worker.send(setup)
        return worker

    def send(self, group: Group | Setup) -> None:
        """Have it train a group, or first of all set itself up."""
        with suppress(OSError):  # that a process is gone, its listener tells
            self._connection.send(group)

    def end(self) -> str:
        """End the process and return its exit status."""
        self.process.kill()  # a stopped process would not hear a gentler signal
        status = self.process.wait()
        self._listener.join(_PIPE_SECONDS)
        if not self._listener.is_alive():
            self._connection.close()
        signals.children.discard(self.process)
        return f"exit status {status}"

    def _listen(self) -> None:
        with suppress(EOFError, OSError):  # the process is gone
            while True:
                self.hear(self._connection.recv())
        self._inbox.put((self, None))
