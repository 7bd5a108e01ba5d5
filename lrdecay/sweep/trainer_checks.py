"""Mistakes in a sweep file whose runs a loop of the user's own trains."""

from collections.abc import Iterator

from lrdecay.components.trainers.command import OF_RUN
from lrdecay.components.trainers.signature import COMMAND, RESERVED
from lrdecay.core.yaml import Document, Problem
from lrdecay.sweep.diagnostics import locate_problem

OF_LOOP = (
    *("dataset", "model", "validation", "batch_size", "precision", "kernels"),
    *("augment", "loss", "clip_grad_norm"),
)
"""Keys of a sweep file that are the business of the loop, where it is the user's."""


def find_trainer_problems(document: Document) -> Iterator[Problem]:
    """Yield each key that is the loop's own business, and each of its values that is called what
    something else is."""
    given = document.value
    for key in OF_LOOP:
        if key in given:
            yield _refuse_key(document, key)
    optimizer = given.get("optimizer")
    if isinstance(optimizer, str):
        yield _refuse_key(document, "optimizer")
    for key in optimizer if isinstance(optimizer, dict) else ():
        if key != "lr":
            yield _refuse_key(document, "optimizer", key)
    trainer = given["trainer"]
    if not isinstance(trainer, dict):
        return
    more = OF_RUN if trainer.get("name") == COMMAND else ()
    reserved = list(dict.fromkeys([*RESERVED, *more]))
    for key in trainer:
        if key in reserved and key != "name":
            message = f"has a meaning already ({', '.join(reserved)} have); name it otherwise"
            yield locate_problem(document, ("trainer", key), message, key=True)


def _refuse_key(document: Document, *path: str) -> Problem:
    return locate_problem(
        document,
        path,
        "is the loop's own business with trainer; give it there, under trainer if it varies",
        key=True,
    )
