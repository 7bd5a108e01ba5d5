"""What a worker tells while it trains."""

from collections.abc import Callable
from dataclasses import dataclass

from lrdecay.core.run import Run
from lrdecay.store.schema import Record


@dataclass(frozen=True)
class Ready:
    """A worker's first message: it can train, or why it cannot; and on which node, if on any."""

    error: str | None = None
    node: str = ""


@dataclass(frozen=True)
class Lost:
    """A worker's last message: why its GPU can train no more. A fresh worker may go on."""

    error: str


@dataclass(frozen=True)
class Beat:
    """A worker's process is at work, even if it has nothing else to tell yet."""


@dataclass(frozen=True)
class EpochDone:
    """A run has finished one more epoch: its accuracy on `split`, validation if it has any; None
    where a loop of the user's own has measured something else."""

    run: Run
    epoch: int
    split: str | None
    accuracy: float | None


@dataclass(frozen=True)
class Note:
    """Something that happened on the way and that a user should know; where it is true of all that
    trains, `once`, however many workers tell it."""

    text: str
    once: bool = False


@dataclass(frozen=True)
class Training:
    """The ids of the runs that are at work now, or wait for the process that has them."""

    runs: tuple[str, ...]


Message = Beat | EpochDone | Note | Record | Training
Tell = Callable[[Message], None]
