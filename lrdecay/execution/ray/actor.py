"""Actors of a Ray cluster as the coordinator has them, and the one thread that hears them all."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

from lrdecay.core.text import first_line
from lrdecay.execution.grouping import Group
from lrdecay.execution.messages import Ready
from lrdecay.execution.worker_handle import Clock, Inbox, Worker

_POLL_SECONDS = 0.05


class Actor(Worker):
    """An actor that trains, as the coordinator has it."""

    kind = "Ray actor"

    def __init__(self, handle: Any, ears: Listener, clock: Clock, inbox: Inbox) -> None:
        super().__init__(clock, inbox)
        self.handle = handle
        self._ears = ears
        self._node = ""
        self._how = "ended"

    def send(self, group: Group) -> None:
        """Have it train a group."""
        self.follow(self.handle.train.options(num_returns="streaming").remote(group))

    def follow(self, stream: Any) -> None:
        """Hear what comes through a stream of its."""
        self._ears.listen(stream, self)

    def hear(self, message: Any) -> None:
        """Take what it says."""
        if isinstance(message, Ready):
            self._node = message.node
        super().hear(message)

    def lost(self, error: Exception, alive: set[str]) -> None:
        """Take that it is gone."""
        self._how = first_line(error)
        self.place_lost = self._node != "" and (
            self._node not in alive or "its node has died" in str(error)
        )
        self._inbox.put((self, None))

    def end(self) -> str:
        """End it and return how it ended."""
        self._ears.drop(self)
        return self._how


class Listener:
    """One thread that hears all actors."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._streams: dict[Any, Actor] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def listen(self, stream: Any, actor: Actor) -> None:
        """Hear what an actor says in a stream, until that ends."""
        with self._lock:
            self._streams[stream] = actor

    def drop(self, actor: Actor) -> None:
        """End an actor at once, and hear no more of it."""
        with self._lock:
            self._streams = {s: whose for s, whose in self._streams.items() if whose is not actor}
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(actor.handle)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def _listen(self) -> None:
        while not self._stopped.is_set():
            with self._lock:
                streams = list(self._streams)
            if not streams:
                time.sleep(_POLL_SECONDS)
                continue
            some, _ = self._ray.wait(streams, timeout=_POLL_SECONDS)
            if some:
                every, _ = self._ray.wait(streams, num_returns=len(streams), timeout=0)
                for stream in every:
                    self._hear(stream)

    def _hear(self, stream: Any) -> None:
        with self._lock:
            actor = self._streams.get(stream)
        if actor is None:
            return
        try:
            for message in self._ray.get(next(stream)):
                actor.hear(message)
        except StopIteration:
            self._end(stream)
        except Exception as error:
            self._end(stream)
            alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
            actor.lost(error, alive)

    def _end(self, stream: Any) -> None:
        with self._lock:
            self._streams.pop(stream, None)
