"""Starts a program in a session of its own, and ends it with whoever asked for it, in whatever way
that ends: standard input is then closed. It is run as a script, and imports nothing of lrdecay.

    python guard.py PROGRAM ARGUMENT...
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

_PATIENCE_SECONDS = 5.0  # for a launcher to end what it has started in other sessions


def run_guarded(argv: Sequence[str]) -> int:
    """Run a program to its end, or to that of standard input, and return its exit status as a
    shell would."""
    try:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
        return 127
    threading.Thread(target=_end_with_input, args=(child,), daemon=True).start()
    code = child.wait()
    _send(child, signal.SIGKILL)  # to what it has left behind in its session
    return code if code >= 0 else 128 - code


def _end_with_input(child: subprocess.Popen[bytes]) -> None:
    os.read(0, 1)
    _send(child, signal.SIGTERM)
    threading.Event().wait(_PATIENCE_SECONDS)
    _send(child, signal.SIGKILL)


def _send(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nothing of it is left
        os.killpg(child.pid, number)


if __name__ == "__main__":
    sys.exit(run_guarded(sys.argv[1:]))
