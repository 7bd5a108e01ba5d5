"""Ray, found and connected to."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lrdecay.core.errors import InputError
from lrdecay.core.text import first_line

_CONNECT_SECONDS = 10.0
_LOOPBACK = ("127.", "localhost", "[::1]", "::1")


def connect_ray(address: str | None) -> Any:
    """Return the module `ray`, connected to the cluster at an address, else to the one that this
    machine belongs to, else to one that begins and ends with this process.

    Raises `InputError` where Ray is not installed, or nobody answers.
    """
    # nothing of a sweep is anybody else's to know
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if (address or "").startswith(_LOOPBACK):
        # else Ray looks for a cluster that listens at this machine alone at its outer address
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError:
        raise InputError(
            "--executor ray: Ray is not installed here; `pip install ray` does that, on every node "
            "of the cluster"
        ) from None
    if ray.is_initialized():
        return ray
    if address is not None:
        _knock(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    with _handlers_kept():
        try:
            ray.init(address=address or "auto", **quiet)
        except ConnectionError as error:
            if address is not None:
                raise InputError(f"--address {address}: {first_line(error)}") from None
            ray.init(include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
    return ray


def _knock(address: str) -> None:
    """Raise `InputError` if nobody listens at an address, which Ray takes minutes to say."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(
            f"--address {address}: no Ray cluster answers there ({error}); give HOST:PORT of a "
            f"head node, as `ray start --head` prints it"
        ) from None


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Keep our handlers of signals, which Ray replaces."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    if threading.current_thread() is threading.main_thread():
        for number, handler in kept.items():
            signal.signal(number, handler)
