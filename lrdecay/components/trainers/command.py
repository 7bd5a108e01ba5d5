"""A program as a training loop: its command line, with placeholders for what a run has."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import Formatter

from lrdecay.components.trainers.signature import COMMAND
from lrdecay.core.errors import InputError
from lrdecay.core.run import to_canonical_json

OF_RUN = ("seed", "lr", "dropout", "epochs", "scheduler", "class", "args", "folder")
"""The placeholders beside the trainer's own values; `dropout` is one where the sweep gives any."""


@dataclass(frozen=True)
class CommandTemplate:
    """A command line. No shell reads it: it is split into words as one would, and a placeholder,
    such as `{seed}`, becomes a part of its word. `{{` and `}}` are braces."""

    text: str

    @property
    def plugins(self) -> str:
        """The digest of the template, as a run's `plugins` name code of the user's own."""
        digest = hashlib.sha256(self.text.encode()).hexdigest()[:16]
        return to_canonical_json({f"trainer {COMMAND}": digest})

    def check(self, placeholders: Iterable[str]) -> None:
        """Refuse what is no command line with some of these placeholders.

        Raises:
            InputError: it is empty, a quote or a brace is left open, or a placeholder is unknown.
        """
        try:
            parts = [part for word in shlex.split(self.text) for part in _split_word(word)]
        except ValueError as error:
            raise InputError(f"--command: {self.text!r} cannot be read: {error}") from error
        if not parts:
            raise InputError("--command: is empty")
        known = list(placeholders)
        for _, name in parts:
            if name is not None and name not in known:
                raise InputError(
                    f"--command: {{{name}}} is no placeholder; there are {', '.join(known)}"
                )

    def fill(self, values: Mapping[str, str]) -> list[str]:
        """Return the words of the command with values for its placeholders."""
        return [
            "".join(text + (values[name] if name is not None else "") for text, name in parts)
            for parts in map(_split_word, shlex.split(self.text))
        ]


def list_placeholders(own: Iterable[str], has_dropout: bool) -> list[str]:
    """Return what may stand in braces, the trainer's own values last."""
    of_run = (name for name in OF_RUN if has_dropout or name != "dropout")
    return [*of_run, *own]


def _split_word(word: str) -> list[tuple[str, str | None]]:
    """Return a word as pairs of text and the placeholder after it, None at the end.

    >>> _split_word("--out={folder}/a"), _split_word("{lr:g}")
    ([('--out=', 'folder'), ('/a', None)], [('', 'lr:g')])
    """
    parts: list[tuple[str, str | None]] = []
    for text, name, form, conversion in Formatter().parse(word):
        if name is not None:  # a placeholder has no format of its own
            name += f"!{conversion}" if conversion else ""
            name += f":{form}" if form else ""
        parts.append((text, name))
    return parts or [("", None)]
