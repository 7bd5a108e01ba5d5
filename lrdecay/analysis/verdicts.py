"""The rules that turn estimates into intervals, and intervals into verdicts.

`judge_looks` and `judge_contrasts` are the one place where they are applied. At each look that a
contrast has reached, its interval is the t interval of the first n seeds, at the look's share of
the contrast's error; [low, high] is what the intervals of all looks so far have in common. With a
margin fixed beforehand:

1. a digest differs, a run is missing, failed or diverged, another dropout changed nothing, two
   labels are one schedule, or no look is reached: `not evaluated`;
2. every difference is 0: `identical`, with how many of all seeds may differ;
3. low > high: the looks exclude each other, `unresolved`;
4. low > 0 or high < 0: `higher` or `lower`;
5. [low, high] contains 0 and lies inside (-margin, margin): `equivalent`;
6. else `unresolved`, with how many more seeds would resolve it.
"""

import numpy as np
import pandas as pd

from lrdecay.analysis.distributions import Numbers, t_sf
from lrdecay.analysis.estimates import FAULTS
from lrdecay.analysis.intervals import (
    hall_interval,
    share_that_may_differ,
    t_radius,
    upper_sd,
)
from lrdecay.analysis.looks import find_next_look, list_looks
from lrdecay.core.first_plan import FirstPlan

HIGHER, LOWER, EQUIVALENT, IDENTICAL = "higher", "lower", "equivalent", "identical"
UNRESOLVED, NOT_EVALUATED = "unresolved", "not evaluated"
RESOLVED = (HIGHER, LOWER, EQUIVALENT, IDENTICAL)

DEFAULT_BUDGET = 1000
"""Seeds in all beyond which a contrast may not be resolvable, unless the budget is given."""


def judge_looks(
    at_looks: pd.DataFrame,
    alpha: np.ndarray,
    margin: float | None,
    reach: Numbers = np.inf,
) -> pd.DataFrame:
    """Return the verdict of each contrast after each of its looks, were that the last.

    Args:
        at_looks: rows as `estimate_at_looks` returns them, of contrasts that are sound.
        alpha: the error rate of all looks of each row's contrast.
        margin: what counts as equivalent, in the metric's unit; None leaves that out.
        reach: how large a difference can be, of all or of each row: no interval goes on beyond.

    Returns:
        More columns: `level`, the look's own error rate; `radius`, half the width of its interval,
        infinite where differences are all one number, which tells nothing of their spread; `low`
        and `high`, infinite where they say nothing; `low_look` and `high_look`, at which looks
        these ends were found, 0 for none; `p`, the least p-value of the t tests of the looks so
        far, each over its share; `may_differ`, the upper limit of the share of seeds that differ,
        null unless all differences are 0; `verdict` (of a minus b); `skew_holds`, of `higher` and
        `lower`: whether the interval corrected for skewness at the look that decided it says so.
    """
    table = at_looks.assign(level=at_looks["share"] * alpha)
    n, mean, sd, level = (table[name].to_numpy(float) for name in ("n", "mean", "sd", "level"))
    varies, contrast = sd > 0, table["place"]
    table["radius"] = np.where(varies, t_radius(n, sd, level), np.inf)
    low, high = mean - table["radius"], mean + table["radius"]
    table["low"] = low.groupby(contrast).cummax()
    table["high"] = high.groupby(contrast).cummin()
    for name, end in (("low", low), ("high", high)):
        own = np.isfinite(end) & (end == table[name])
        found_at = table["n"].where(own).groupby(contrast).ffill()
        table[f"{name}_look"] = found_at.fillna(0).astype(int)
    t = np.divide(abs(mean), sd, out=np.zeros_like(sd), where=varies) * np.sqrt(n)
    p = np.where(varies, 2.0 * t_sf(t, n - 1.0) / table["share"], np.inf)
    table["p"] = pd.Series(p, table.index).groupby(contrast).cummin()
    same = ~varies & (mean == 0)
    table["may_differ"] = np.where(same, share_that_may_differ(n, level), np.nan)
    keep_within(table, reach)
    low, high = table["low"].to_numpy(), table["high"].to_numpy()
    rules = {
        IDENTICAL: same,
        UNRESOLVED: low > high,
        HIGHER: low > 0,
        LOWER: high < 0,
        EQUIVALENT: _inside(low, high, margin),
    }
    table["verdict"] = np.select(list(rules.values()), list(rules), UNRESOLVED)
    table["skew_holds"] = pd.array(_hold_when_skewed(table), dtype="boolean")
    return table


def judge_contrasts(
    estimates: pd.DataFrame,
    judged: pd.DataFrame,
    alpha: np.ndarray,
    margin: float | None,
    plan: FirstPlan,
    budget: int = DEFAULT_BUDGET,
) -> pd.DataFrame:
    """Return `estimates` with the verdicts so far.

    Args:
        estimates: a row for each contrast, as `estimate_contrasts` returns them.
        judged: rows of `judge_looks`; `place` is the row of `estimates`.
        alpha: the error rate of each row's contrast.
        margin: what counts as equivalent, in the metric's unit; None leaves that out.
        plan: what the looks rest on.
        budget: seeds in all that could be trained at most.

    Returns:
        More columns: `look`, the last one reached, 0 for none, whether it was `planned`, and its
        error rate, `level`; `next_look`; `mean_at_look` and `sd_at_look`, of the seeds of the last
        look; `low`, `high`, `low_look`, `high_look`, `p`, `may_differ`, `verdict` and `skew_holds`
        as `judge_looks` has them; `size`, `at least` or `less than` the margin, for `higher` and
        `lower`; `more_seeds`, how many more would resolve an `unresolved` one or let one without a
        look be judged, infinite if more than the budget, if its looks exclude each other, or if its
        differences are all one number; `resolving_look`, at which an `unresolved` one would be
        resolved then, null of a number of seeds fixed beforehand. Where no look is reached these
        are null.
    """
    evaluated = ~find_spoilt(estimates)
    sound = judged[evaluated[judged["place"]]]
    last = sound.drop_duplicates("place", keep="last").set_index("place")
    last = last.reindex(range(len(estimates)))
    table = estimates.assign(
        look=last["n"].fillna(0).astype(int),
        planned=last["planned"].astype("boolean"),
        level=last["level"],
        mean_at_look=last["mean"],
        sd_at_look=last["sd"],
        low_look=last["low_look"].fillna(0).astype(int),
        high_look=last["high_look"].fillna(0).astype(int),
        verdict=last["verdict"].fillna(NOT_EVALUATED),
        skew_holds=last["skew_holds"],
        **{name: last[name] for name in ("low", "high", "p", "may_differ")},
    )
    after = {n: find_next_look(plan.first, plan.most, n).n for n in table["look"].unique()}
    table["next_look"] = table["look"].map(after).astype(int)
    table["size"] = pd.array(_compare_with_margin(table, margin), dtype="string")
    table["resolving_look"] = _find_resolving_look(table, alpha, margin, plan, budget)
    table["more_seeds"] = _count_more_seeds(table)
    return table


def judge_on_images(
    table: pd.DataFrame, images_sd: np.ndarray, margin: float | None, reach: Numbers = np.inf
) -> pd.DataFrame:
    """Return verdicts with what they are for new images.

    Args:
        table: as `judge_contrasts` returns it.
        images_sd: the standard error of each row's mean at its last look, on new images; NaN where
            it is not known.
        margin: as for `judge_contrasts`.
        reach: as for `judge_looks`.

    Returns:
        More columns: `images_sd`; `images_low` and `images_high`, the crossed interval at the last
        look's error rate, null where it says nothing; `new_images`, whether it says the same as the
        verdict, null if it is not known.
    """
    names = "look", "mean_at_look", "sd_at_look", "level"
    n, mean, sd, level = (table[name].to_numpy(float) for name in names)
    of_images = np.sqrt(n) * images_sd
    one_number = (np.minimum(sd, of_images) == 0) & (mean != 0)
    radius = np.where(one_number, np.inf, t_radius(n, of_images, level))
    ends = pd.DataFrame({"low": mean - radius, "high": mean + radius})
    keep_within(ends, reach)
    low, high = (ends[name].where(np.isfinite(ends[name])) for name in ("low", "high"))
    same = {HIGHER: low > 0, LOWER: high < 0, EQUIVALENT: _inside(low, high, margin)}
    holds = np.full(len(table), None, object)
    for verdict, found in same.items():
        known = low.notna().to_numpy() & (table["verdict"] == verdict).to_numpy()
        holds[known] = np.asarray(found)[known]
    return table.assign(
        images_sd=images_sd,
        images_low=low.to_numpy(),
        images_high=high.to_numpy(),
        new_images=pd.array(holds, dtype="boolean"),
    )


def find_spoilt(table: pd.DataFrame) -> np.ndarray:
    """Return which rows no further seed can fix: a run is missing, failed, diverged or unlike."""
    wrong: np.ndarray = (table[list(FAULTS)] > 0).any(axis=1).to_numpy()
    return wrong


def keep_within(table: pd.DataFrame, reach: Numbers) -> None:
    """Let no interval go on beyond what a difference can be; one of all there is, is infinite."""
    nothing = ((table["low"] <= -reach) & (table["high"] >= reach)).to_numpy()
    table["low"] = np.where(nothing, -np.inf, np.maximum(table["low"], -reach))
    table["high"] = np.where(nothing, np.inf, np.minimum(table["high"], reach))


def _inside(low: Numbers, high: Numbers, margin: float | None) -> np.ndarray:
    if margin is None:
        return np.zeros(len(low), bool)
    inside: np.ndarray = np.asarray((-margin < low) & (high < margin))
    return inside


def _hold_when_skewed(judged: pd.DataFrame) -> np.ndarray:
    """Return, of rows with a side, whether the look that decided gives it to skewed differences."""
    sided = judged["verdict"].isin([HIGHER, LOWER])
    holds = np.full(len(judged), None, object)
    if not sided.any():
        return holds
    rows = judged[sided]
    decided = np.where(rows["verdict"] == HIGHER, rows["low_look"], rows["high_look"])
    numbers = judged.set_index(["place", "n"]).loc[[*zip(rows["place"], decided, strict=True)]]
    n, mean, sd, skew, level = (
        numbers[name].to_numpy(float) if name != "n" else decided.astype(float)
        for name in ("n", "mean", "sd", "skew", "level")
    )
    low, high = hall_interval(n, mean, sd, skew, level)
    holds[sided.to_numpy()] = (low > 0) | (high < 0)
    return holds


def _compare_with_margin(table: pd.DataFrame, margin: float | None) -> np.ndarray:
    """How the nearer and the farther end of an interval that excludes 0 compare with the margin."""
    size = np.full(len(table), None, object)
    if not margin:
        return size
    low, high = abs(table["low"].to_numpy()), abs(table["high"].to_numpy())
    near, far = np.minimum(low, high), np.maximum(low, high)
    sided = table["verdict"].isin([HIGHER, LOWER]).to_numpy()
    size[sided & (near >= margin)] = "at least"
    size[sided & (far < margin)] = "less than"
    return size


def _find_resolving_look(
    table: pd.DataFrame, alpha: np.ndarray, margin: float | None, plan: FirstPlan, budget: int
) -> np.ndarray:
    """Return the first look ahead of unresolved rows whose interval, with the sd at its upper 80%
    limit, would exclude 0 or lie within the margin, if the mean stays as it is."""
    n, mean, sd = (table[name].to_numpy(float) for name in ("n", "mean", "sd"))
    found = np.where(table["verdict"] == UNRESOLVED, np.inf, np.nan)
    # differences that are all one number would give no interval at any look
    varying = np.isinf(found) & (table["low"] <= table["high"]).to_numpy() & (sd > 0)
    distance = abs(mean) if margin is None else np.maximum(abs(mean), margin - abs(mean))
    spread = upper_sd(n, sd)
    for look in reversed(list_looks(plan.first, plan.most, budget)):
        enough = t_radius(look.n, spread, look.share * alpha) < distance
        found[varying & enough & (table["look"] < look.n).to_numpy()] = look.n
    return found


def _count_more_seeds(table: pd.DataFrame) -> np.ndarray:
    """Return how many seeds the look needs that would resolve a row, or judge it at all. Where one
    that it needs is still to come, it may be reached with fewer pairs than there are."""
    n, ahead = (table[name].to_numpy(float) for name in ("n", "resolving_look"))
    unseen = ~find_spoilt(table) & (table["look"] == 0).to_numpy()
    ahead = np.where(unseen, table["next_look"], ahead)
    return np.where(np.isnan(ahead), np.nan, np.maximum(ahead - n, 1.0))
