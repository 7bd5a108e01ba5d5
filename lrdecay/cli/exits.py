"""How a command ends: its exit code, and an error or an interruption in one line."""

import errno
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import typer

from lrdecay.cli.console import err, program_name
from lrdecay.core import signals
from lrdecay.core.errors import InputError, WorkerError
from lrdecay.core.text import describe_error

BAD_INPUT, RUN_FAILED, INTERRUPTED = 2, 1, 130
_NOT_INPUT = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE, errno.ENOMEM}
# of threads, which Arrow has no class for, and of libraries that did not fit into memory
_SHORTAGES = ("can't start new thread", "launch worker thread", "failed to map segment")


@contextmanager
def report_errors() -> Iterator[None]:
    """Turn bad input into its message and exit code 2, without a traceback."""
    try:
        yield
    except (InputError, WorkerError) as error:
        _say_last(str(error))
        raise typer.Exit(BAD_INPUT if isinstance(error, InputError) else RUN_FAILED) from None
    except OSError as error:
        _say_last(_as_text(error))
        raise typer.Exit(RUN_FAILED if error.errno in _NOT_INPUT else BAD_INPUT) from None
    except Exception as error:
        if not _is_shortage(error):
            raise
        _say_last(f"there is not enough memory, or no further process ({describe_error(error)})")
        raise typer.Exit(RUN_FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@dataclass
class Place:
    """Where the results of a sweep are, once its file has been read."""

    folder: Path | None = None


@contextmanager
def exit_on_signal() -> Iterator[Place]:
    """Let SIGINT, SIGTERM and SIGHUP end the block with their own exit code; print then, and if the
    disk is full, how to continue."""
    place = Place()
    try:
        with exit_with_line(lambda: f"Interrupted; {_how_to_go_on(place)}"):
            yield place
    except OSError as error:
        if error.errno not in _NOT_INPUT:
            raise
        _say_last(f"{_as_text(error)}; {_how_to_go_on(place)}")
        raise typer.Exit(RUN_FAILED) from None


@contextmanager
def exit_with_line(line: Callable[[], str]) -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP end the block with one line and their own exit code."""
    try:
        with signals.stop_on_signal():
            yield
    except signals.Stopped as stop:
        with suppress(OSError):  # after SIGHUP there may be no terminal
            err.say(f"\n{line()}")
        raise typer.Exit(stop.exit_code) from None


def _how_to_go_on(place: Place) -> str:
    done = f"finished runs are in {place.folder}" if place.folder else "nothing was started"
    return f"{done}. To continue: {shlex.join([program_name(), *sys.argv[1:]])}"


def _say_last(line: str) -> None:
    with suppress(OSError):  # standard error may be a full disk too
        err.say(f"lrdecay: {line}")


def _is_shortage(error: Exception) -> bool:
    """Whether the system gave no memory or no thread."""
    return isinstance(error, MemoryError) or any(each in str(error) for each in _SHORTAGES)


def _as_text(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"
