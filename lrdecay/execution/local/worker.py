"""A training process: takes groups from a pipe, trains them, sends the runs' rows back.

Started by `process` as a process of its own that calls `run_worker`. It ends when the coordinator
does, at whatever moment and in whatever way that happens: the pipe then closes.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from lrdecay.core.errors import DeviceLostError
from lrdecay.core.text import describe_error
from lrdecay.engine.precision import use_training_settings
from lrdecay.execution.messages import Beat, Lost, Ready
from lrdecay.execution.trainer import Setup

_BEAT_SECONDS = 1.0


def run_worker(descriptor: int) -> None:
    """Train what comes through the pipe with this file descriptor until it closes."""
    connection: Connection[Any, Any] = Connection(descriptor)
    inbox: SimpleQueue[Any] = SimpleQueue()
    one_at_a_time = threading.Lock()

    def send(message: object) -> None:
        with one_at_a_time:
            connection.send(message)

    def receive() -> None:
        try:
            while True:
                inbox.put(connection.recv())
        except (EOFError, OSError):  # the coordinator is gone, and with it the need to go on
            os._exit(1)

    def beat() -> None:
        while True:
            time.sleep(_BEAT_SECONDS)
            with suppress(OSError):  # `receive` ends the process
                send(Beat())

    for task in (receive, beat):
        threading.Thread(target=task, daemon=True).start()
    with use_training_settings():
        try:
            setup: Setup = inbox.get()
            trainer = setup.trainer(setup)
        except Exception as error:
            send(Ready(error=describe_error(error)))
            return
        send(Ready())
        try:
            while True:
                trainer.train(inbox.get(), send)
        except DeviceLostError as error:
            send(Lost(str(error)))
            os._exit(1)  # in good order it would ask the GPU once more
