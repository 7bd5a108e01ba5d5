"""What is said beside verdicts, a sentence at a time: on paper, in a terminal and in a notebook."""

from collections.abc import Iterator, Sequence

import numpy as np

from lrdecay.analysis import Conclusions
from lrdecay.analysis.identical_runs import describe_identical_runs
from lrdecay.analysis.pairing import describe_pairing
from lrdecay.analysis.sentences import list_best
from lrdecay.analysis.uncompared import explain_uncompared
from lrdecay.analysis.verdicts import HIGHER, LOWER
from lrdecay.core.text import join_some, join_words, spell_count
from lrdecay.report.conclusions import write_engines
from lrdecay.report.later_seed_notes import write_later_seeds
from lrdecay.report.next_step import write_next_step

_NAMED = 3  # differences that do not hold for new images


def write_remarks(
    found: Conclusions, doubts: Sequence[str] = (), pairing: bool = True
) -> Iterator[str]:
    """Yield what is said after the verdicts: which schedulers may be best, what it would take to
    settle what is open, and what a reader should know; `doubts` are those of the data."""
    yield from write_pairing(found) if pairing else ()
    yield from write_new_images(found)
    yield from write_best(found)
    yield from write_next_step(found)
    yield from write_notes(found, doubts)


def write_notes(found: Conclusions, doubts: Sequence[str] = ()) -> Iterator[str]:
    """Yield what a reader of the verdicts should know beside them."""
    table, metric = found.table, found.metric
    if found.departures:
        yield (
            f"Not as planned, so exploratory: {'; '.join(found.departures)}. Verdicts that were "
            f"chosen with results at hand err more often than they say."
        )
    yield from (f"{text}." for text in doubts)
    if found.criteria.margin is None:
        unit = metric.unit_name
        yield f"Nothing is called equivalent, since no margin in {unit} is given (--margin)."
    yield from write_later_seeds(found)
    yield from describe_identical_runs(found.blocks)
    yield from write_engines(found)
    if apart := explain_uncompared(found):
        yield apart
    elif table.empty:
        one = "cell" if len(found.blocks.cells) == 1 else "scheduler"
        yield f"There is one {one} only, so nothing to compare."
    waiting = int(table["n_waiting"].max()) if len(table) else 0
    if waiting:
        still = spell_count(waiting, "seed")
        yield f"Runs of up to {still} are still to come: these do not count yet."
    if found.blocks.is_built_in and metric.name != "test_accuracy":
        yield (
            "Whether it holds for new images is not known: only test accuracy is stored image by "
            "image."
        )


def write_pairing(found: Conclusions) -> Iterator[str]:
    """Yield how runs were paired, where that is not by digests that were verified."""
    described = map(describe_pairing, found.primary.to_dict("records"))
    if told := list(dict.fromkeys(filter(None, described))):
        yield f"{join_some(told, 3)}."


def write_new_images(found: Conclusions) -> Iterator[str]:
    """Yield how many of the primary differences that are resolved hold for new images too, where
    that is known."""
    rows = found.primary
    rows = rows[rows["verdict"].isin((HIGHER, LOWER)) & np.isfinite(rows["images_low"])]
    holds = rows["new_images"].fillna(False).astype(bool)
    held = int(holds.sum())
    if len(rows) == 1:
        yield "It holds for new images too." if held else "For new images it is not resolved."
    elif len(rows):
        every = "Both" if len(rows) == 2 else f"All {len(rows)}"
        some = f"{held or 'None'} of the {len(rows)}"
        count = every if held == len(rows) else some
        others = [
            row["a"] + (f" at {row['where']}" if row["where"] else "")
            for row in rows[~holds].to_dict("records")
        ]
        but = f", but not {join_words(others)}" if held and 0 < len(others) <= _NAMED else ""
        yield f"{count} differences that are resolved hold for new images too{but}."


def write_best(found: Conclusions) -> Iterator[str]:
    """Yield which schedulers may be best, a line for each dropout."""
    for best in list_best(found.best):
        where = f" at {best.where}" if best.where else ""
        if not best.left:
            yield f"Which scheduler may be best{where} is not evaluated yet."
            continue
        others = ", ".join(best.not_evaluated)
        yield f"Not excluded as best{where}: {', '.join(best.left)}" + (
            f"; not evaluated: {others}" if others else ""
        )
