"""How a command is stopped: SIGINT, SIGTERM and SIGHUP end it in order, a second one at once.

Only a command asks for this. Whoever calls lrdecay as a library keeps Python's own handlers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ONE_REQUEST_SECONDS = 0.5  # a terminal and a wrapper such as `timeout` both pass one signal on

children: set[subprocess.Popen[bytes]] = set()
"""The processes that a second signal ends with this one."""

_first: tuple[int, float] | None = None  # the signal that has come, and when
_held = 0


class Stopped(KeyboardInterrupt):
    """A signal asks to stop; it ends what it is raised in as a Ctrl-C does.

    `exit_code` is what shells give to a process that the signal has ended.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def stop_on_signal() -> Iterator[None]:
    """Let a signal end the block with `Stopped`; one that is ignored (nohup) stays so.

    A second signal ends the process and its `children` there and then.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():  # no other may
        for number in _STOPPING:
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, _on_signal)
    try:
        yield
    except BaseException:
        # whatever it was, the signal caused it: an import that it broke, a lost terminal
        check_signals()
        raise
    finally:
        if _first is None:  # else the process is about to end, and a second signal may come
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def hold_signals() -> Iterator[None]:
    """Let a first signal not break into the block, but wait for its end, or for a check in it."""
    global _held
    _held += 1
    try:
        yield
    finally:
        _held -= 1
    check_signals()


def check_signals() -> None:
    """Raise `Stopped` if a signal has come: one raised by a handler may have been swallowed."""
    if _first is not None:
        raise Stopped(_first[0]) from None


def _on_signal(number: int, _: FrameType | None) -> None:
    global _first
    now = time.monotonic()
    if _first is None:
        _first = (number, now)
        if not _held:
            raise Stopped(number)
    elif now - _first[1] > _ONE_REQUEST_SECONDS:
        for process in list(children):
            process.kill()
        os._exit(128 + number)
