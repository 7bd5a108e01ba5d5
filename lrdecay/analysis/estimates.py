"""The numbers of each contrast: how many pairs, their differences, and how these vary."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lrdecay.analysis.contrasts import Contrast
from lrdecay.analysis.crossed_effects import Bitmaps
from lrdecay.analysis.looks import Look
from lrdecay.analysis.paired_statistics import (
    ELEMENTS,
    NUMBERS,
    compute_paired_statistics,
    describe_differences,
    find_rounding,
)
from lrdecay.analysis.seed_blocks import (
    DIGESTS,
    Blocks,
    State,
    find_lacking,
    find_unlike_digests,
)

FAULTS = (
    *("n_missing", "n_failed", "n_without", "n_unknown", "n_diverged_a", "n_diverged_b"),
    *(f"n_unlike_{name}" for name in DIGESTS),
    *("n_same", "n_one_schedule"),
)
"""Counts of seeds of which any that is not 0 leaves a contrast without pairs."""
_LACKING = tuple(f"n_lacking_{name}" for name in DIGESTS)
COUNTS = ("n", "n_asked", "n_waiting", *FAULTS, *_LACKING, "n_same_rates")


def estimate_contrasts(
    blocks: Blocks,
    contrasts: Sequence[Contrast],
    higher_is_better: bool | None = True,
    sign_flips: bool = False,
) -> pd.DataFrame:
    """Return one row per contrast, in their order, in the metric's unit, of all pairs there are.

    Returns:
        Counts of seeds: `n` pairs; `n_asked`; `n_missing` and `n_waiting` (not there, or still to
        come), `n_failed`, `n_without` (completed without the metric), `n_unknown` (imported without
        it, and without a word on how they ended), `n_diverged_a`, `n_diverged_b` (by side),
        `n_unlike_*` (digests that differ, or that a run of lrdecay's own lacks) and of these
        `n_lacking_*` (that are lacking, and not different where they are there), `n_same` (all of
        them, where another dropout changed nothing), `n_one_schedule` (all of them, where both
        sides had the same rates and the same outcome), `n_same_rates` (all of them, where they had
        the same rates). Where any of `FAULTS` is not 0 nothing is paired, and the numbers are null:
        `mean`, `sd` and `skew` of the differences, of which those that are one number but for
        rounding have sd 0; `effect`, mean/sd (Cohen's d_z); the `correlation` that pairing found
        between the sides, and `unpaired_sd`, the sd without it; `wins`, the share of seeds where a
        beats b, ties half, with its 95% Wilson interval; and `p_signflip`, the p-value of the
        sign-flip test for a number of seeds fixed beforehand (if asked for; up to 64 seeds).
    """
    columns = {name: np.zeros(len(contrasts), int) for name in COUNTS}
    columns |= {name: np.full(len(contrasts), np.nan) for name in NUMBERS}
    for places, pairs in _pair_up(blocks, contrasts):
        for name, numbers in pairs.counts.items():
            columns[name][places] = numbers
        seeds = pairs.there.sum(axis=1)
        for n in np.unique(seeds[seeds > 0]).tolist():
            those = np.flatnonzero(seeds == n)
            used = pairs.there[those]
            a, b = (side[those][used].reshape(-1, n) for side in (pairs.plus, pairs.minus))
            least = pairs.least[those][used].reshape(-1, n)
            found = compute_paired_statistics(a, b, higher_is_better, sign_flips, least)
            for name, numbers in found.items():
                columns[name][places[those]] = numbers
    return pd.DataFrame(columns)


def estimate_at_looks(
    blocks: Blocks, contrasts: Sequence[Contrast], looks: Sequence[Look]
) -> pd.DataFrame:
    """Return what a verdict needs of the first n seeds of each contrast, at each look that it has
    reached: at which all of these seeds are pairs.

    Returns:
        A row for each, by contrast and n: `place` of the contrast, `n`, `share`, `planned`, and of
        the differences `mean`, `sd` and `skew` as `estimate_contrasts` has them.
    """
    names = ("place", "n", "share", "planned", "mean", "sd", "skew")
    parts = [pd.DataFrame({name: [] for name in names})]  # so that there are columns in any case
    for places, pairs in _pair_up(blocks, contrasts):
        for own, there, differences, least in pairs.by_asked_seeds():
            for look in looks:
                reached = there[:, : look.n].all(axis=1) if look.n <= there.shape[1] else there[:0]
                if not reached.any():
                    break
                first = (slice(None), slice(look.n))
                found = describe_differences(differences[reached][first], least[reached][first])
                at = {"place": places[own[reached]], "n": look.n, "share": look.share}
                parts.append(pd.DataFrame({**at, "planned": look.planned, **found}))
    rows = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    rows = rows.astype({"place": int, "n": int, "planned": bool})
    return rows.sort_values(["place", "n"], ignore_index=True)


def estimate_on_images(blocks: Blocks, contrasts: Sequence[Contrast], n: np.ndarray) -> np.ndarray:
    """Return the standard error on new images of each contrast's mean over its first n seeds; NaN
    for fewer than two, and where no bitmaps are stored."""
    found = np.full(len(contrasts), np.nan)
    bitmaps = Bitmaps(blocks)
    # stratum by stratum, as the bitmaps are read
    for place in sorted(np.flatnonzero(n > 1).tolist(), key=lambda at: contrasts[at].stratum):
        contrast = contrasts[place]
        used = _are_asked(blocks, blocks.state[None, list(contrast.cells)])[0]
        used &= used.cumsum() <= n[place]
        found[place] = np.sqrt(bitmaps.variance(contrast.cells, contrast.weights, used))
    return found


@dataclass(frozen=True)
class _Pairs:
    """Some contrasts x seeds: both sides, where they are pairs, which seeds are asked for, below
    what differences are apart by rounding, and counts by name."""

    plus: np.ndarray
    minus: np.ndarray
    there: np.ndarray
    asked: np.ndarray
    least: np.ndarray
    counts: Mapping[str, np.ndarray]

    def by_asked_seeds(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield contrasts that are asked for at the same seeds: which, and at these seeds where
        they are pairs, their differences, and `least`."""
        kinds, of_kind = np.unique(self.asked, axis=0, return_inverse=True)
        for number, asked in enumerate(kinds):
            own = np.flatnonzero(of_kind == number)
            differences = self.plus[own][:, asked] - self.minus[own][:, asked]
            yield own, self.there[own][:, asked], differences, self.least[own][:, asked]


def _pair_up(blocks: Blocks, contrasts: Sequence[Contrast]) -> Iterator[tuple[np.ndarray, _Pairs]]:
    """Yield the pairs of contrasts, some at a time, with the places of these."""
    of_dropouts = np.array([contrast.is_of_dropouts for contrast in contrasts], bool)
    of_schedulers = np.array([c.scheduler != c.versus_scheduler for c in contrasts], bool)
    for places, cells, weights in _alike(blocks, contrasts):
        asks = of_dropouts[places], of_schedulers[places]
        counts, paired, asked = _counts(blocks, cells, weights, *asks)
        terms = weights[:, :, None] * blocks.values[cells]
        # a contrast's own missing seeds are NaN in these, and are not paired
        plus = np.where((weights > 0)[:, :, None], terms, 0.0).sum(axis=1)
        minus = -np.where((weights < 0)[:, :, None], terms, 0.0).sum(axis=1)
        rounding = find_rounding(terms, axis=1)
        minus = np.where(abs(plus - minus) < rounding, plus, minus)
        least = np.maximum(_find_least(blocks, cells, weights)[:, None], rounding)
        yield places, _Pairs(plus, minus, paired, asked, least, counts)


def _alike(
    blocks: Blocks, contrasts: Sequence[Contrast]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield contrasts with one number of terms together, not too many at once: their places, and
    cells and weights (contrasts x terms)."""
    lengths = np.array([len(contrast.cells) for contrast in contrasts], int)
    for terms in np.unique(lengths):
        places = np.flatnonzero(lengths == terms)
        at_once = max(1, ELEMENTS // (int(terms) * len(blocks.seeds)))
        for start in range(0, len(places), at_once):
            some = places[start : start + at_once]
            cells = np.array([contrasts[place].cells for place in some])
            yield some, cells, np.array([contrasts[place].weights for place in some])


def _find_least(blocks: Blocks, cells: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return, for each contrast, half the smallest step that its differences over seeds can make,
    0 where that is not known."""
    steps = blocks.steps[cells].min(axis=(1, 2)) * abs(weights).min(axis=1)
    least: np.ndarray = np.where(np.isfinite(steps), steps / 2, 0.0)
    return least


def _counts(
    blocks: Blocks,
    cells: np.ndarray,
    weights: np.ndarray,
    of_dropouts: np.ndarray,
    of_schedulers: np.ndarray,
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return the counts by name, and which seeds are paired and asked for (contrasts x seeds).

    `of_dropouts` and `of_schedulers` say which contrasts ask what these do.
    """
    states = blocks.state[cells]
    asked = _are_asked(blocks, states)
    complete = (states == State.COMPLETED).all(axis=1)

    def seeds_with(state: State, terms: np.ndarray | None = None) -> np.ndarray:
        there = states == state
        if terms is not None:
            there &= terms[:, :, None]
        return np.asarray((there.any(axis=1) & asked).sum(axis=1))

    missing = seeds_with(State.MISSING)
    none = np.zeros_like(missing)
    counts = {
        "n_asked": asked.sum(axis=1),
        "n_missing": none if blocks.waiting else missing,
        "n_waiting": missing if blocks.waiting else none,
        "n_failed": seeds_with(State.FAILED),
        "n_without": seeds_with(State.NO_VALUE),
        "n_unknown": seeds_with(State.UNKNOWN),
        "n_diverged_a": seeds_with(State.DIVERGED, weights > 0),
        "n_diverged_b": seeds_with(State.DIVERGED, weights < 0),
    }
    for name, unlike in find_unlike_digests(blocks, cells).items():
        counts[f"n_unlike_{name}"] = unlike.sum(axis=1)
        counts[f"n_lacking_{name}"] = find_lacking(blocks, name, cells, unlike).sum(axis=1)
    counts["n"] = complete.sum(axis=1)
    same = _are_alike(blocks.outcomes[cells], reverse=True)
    counts["n_same"] = np.where(of_dropouts & (same | ~complete).all(axis=1), counts["n"], 0)
    same_rates = _are_alike(blocks.rates[cells]) & of_schedulers[:, None]
    one = same_rates & _are_alike(blocks.outcomes[cells])
    for name, where in (("n_same_rates", same_rates), ("n_one_schedule", one)):
        counts[name] = np.where((where | ~complete).all(axis=1), counts["n"], 0)
    wrong = sum(counts[name] for name in FAULTS)
    return counts, complete & (wrong == 0)[:, None], asked


def _are_asked(blocks: Blocks, states: np.ndarray) -> np.ndarray:
    """Return at which seeds contrasts (contrasts x terms x seeds) are asked for. Imported results
    have no plan: what none of a contrast's cells has was not asked of it."""
    asked: np.ndarray = (states != State.UNASKED).all(axis=1)
    if blocks.imported:
        asked &= (states != State.MISSING).any(axis=1)
    return asked


def _are_alike(codes: np.ndarray, reverse: bool = False) -> np.ndarray:
    """Return where the first half of a contrast's terms (contrasts x terms x seeds) has the codes
    of the second, in the same order or the other way round."""
    other = codes[:, ::-1] if reverse else np.roll(codes, codes.shape[1] // 2, axis=1)
    alike: np.ndarray = ((codes == other) & (codes >= 0)).all(axis=1)
    return alike
