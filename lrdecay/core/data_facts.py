"""What a dataset holds, as plan, sweep and report say it: images by class and split."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from operator import index
from typing import Self

from lrdecay.core.sanitize import sanitize_line
from lrdecay.core.text import join_words, spell_count

_LISTED = 20


@dataclass(frozen=True)
class DataFacts:
    """How many images of each class each split has, and how they were read.

    The counts are in the order of `classes`; `train` counts the images trained on, `validation`
    those that every run holds out. `notes` are sentences.
    """

    classes: tuple[str, ...]
    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return them as one JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote.

        Raises `KeyError`, `TypeError` or `ValueError` for text that it cannot have written.
        """
        found = json.loads(text)
        facts = cls(
            tuple(sanitize_line(str(name)) for name in found["classes"]),
            tuple(map(index, found["train"])),
            tuple(map(index, found["validation"])),
            tuple(map(index, found["test"])),
            tuple(sanitize_line(str(note)) for note in found["notes"]),
        )
        counts = facts.train, facts.validation, facts.test
        if any(len(each) != len(facts.classes) or min(each, default=0) < 0 for each in counts):
            raise ValueError("its counts are not those of its classes")
        return facts


def describe_classes(facts: DataFacts) -> str:
    """Return the classes with their images in each split, those of the first ones by name.

    >>> describe_classes(DataFacts(("cat", "dog"), (25, 24), (5, 6), (10, 10)))
    '2 classes; images for training, validation and testing: cat 25, 5, 10; dog 24, 6, 10'
    """
    splits = {"training": facts.train, "validation": facts.validation, "testing": facts.test}
    there = {name: counts for name, counts in splits.items() if any(counts)}
    rows = [
        f"{name} {', '.join(f'{count:,}' for count in counts)}"
        for name, *counts in zip(facts.classes, *there.values(), strict=True)
    ]
    if more := len(rows[_LISTED:]):
        rows[_LISTED:] = [f"and {more:,} more"]
    size = spell_count(len(facts.classes), "class")
    return f"{size}; images for {join_words(list(there))}: {'; '.join(rows)}"
