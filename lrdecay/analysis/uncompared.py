"""Cells that nothing is compared with, as the reference has no run at their place."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay.analysis.conclusions import Conclusions
from lrdecay.core.text import format_named, join_filled, join_words, spell_count

_NAMED = 2  # places; of more it is said how many


def list_uncompared(found: Conclusions) -> Iterator[tuple[str, list[str]]]:
    """Yield each place at which the reference is not, in words, with the schedulers there."""
    cells = found.blocks.cells
    axes = [*found.blocks.strata, "dropout"]
    named = [axis for axis in axes if cells[axis].nunique(dropna=False) > 1]
    if not named:
        return
    for values, rows in cells.groupby(named, sort=False, dropna=False):
        if found.reference not in set(rows["scheduler"]):
            words = (format_named(axis, value) for axis, value in zip(named, values, strict=True))
            yield join_filled(*words), rows["scheduler"].tolist()


def say_uncompared(found: Conclusions) -> str:
    """Return which cells are not compared, as a clause; nothing where all are."""
    places = list(list_uncompared(found))
    if not places:
        return ""
    count = sum(len(names) for _, names in places)
    text = " and ".join(f"{join_words(names)} at {place}" for place, names in places)
    if len(places) > _NAMED:
        text = spell_count(count, "cell")
    return f"{text} {'is' if count == 1 else 'are'} not compared"


def explain_uncompared(found: Conclusions) -> str:
    """Return which cells are not compared, and why, in a sentence; nothing where all are."""
    places = list(list_uncompared(found))
    if not places:
        return ""
    texts = [f"{join_words(names)} at {place}" for place, names in places[:_NAMED]]
    if more := sum(len(names) for _, names in places[_NAMED:]):
        texts.append(spell_count(more, "more cell"))
    where = "there" if len(places) == 1 else "at these"
    return f"Not compared: {join_words(texts)}, since {found.reference} has no run {where}."


def say_nothing_compared(found: Conclusions) -> str:
    """Return why the reference has nothing to be compared with, in a sentence; nothing where no
    other scheduler is there."""
    places = [place for place, _ in list_uncompared(found)]
    if not places:
        return ""
    where = f"at {join_words(places)}" if len(places) <= _NAMED else "where the others have some"
    return f"Nothing can be compared with {found.reference}, which has no run {where}."
