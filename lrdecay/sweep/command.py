"""The command line of `--command` with the sweep file that it is for."""

from __future__ import annotations

from lrdecay.components.trainers.command import CommandTemplate, list_placeholders
from lrdecay.components.trainers.signature import COMMAND
from lrdecay.core.errors import InputError
from lrdecay.sweep.config import Sweep

_EXAMPLE = "--command 'python train.py --seed {seed} --lr {lr} --out {folder}'"


def read_command(sweep: Sweep, given: str | None) -> CommandTemplate | None:
    """Return the command line of the program that trains a sweep's runs; None where none does.

    Raises:
        InputError: one is given and the trainer is not `command`, or the other way round; or it
            has placeholders that the sweep has nothing for.
    """
    is_program = sweep.trainer is not None and sweep.trainer.name == COMMAND
    if given is None:
        if is_program:
            raise InputError(f"trainer: command needs --command, such as {_EXAMPLE}")
        return None
    if not is_program:
        kind = "dataset" if sweep.trainer is None else "trainer"
        raise InputError(
            f"--command: goes with trainer: command, and this sweep file has {kind}: "
            f"{sweep.subject}"
        )
    assert sweep.trainer is not None
    template = CommandTemplate(given)
    template.check(list_placeholders(sweep.trainer.arguments(), sweep.axes()["dropout"] != [None]))
    return template
