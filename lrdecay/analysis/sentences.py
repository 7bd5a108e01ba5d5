"""Verdicts in words: one sentence per contrast, and never a bare winner."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from lrdecay.analysis.axes import list_strata
from lrdecay.analysis.intervals import t_radius
from lrdecay.analysis.later_seeds import leaves_interval
from lrdecay.analysis.looks import list_looks
from lrdecay.analysis.metrics import Metric
from lrdecay.analysis.number_text import (
    count_decimals,
    format_decimals,
    format_interval,
    format_number,
)
from lrdecay.analysis.pairing import NOT_PAIRED, describe_basis, describe_pairing
from lrdecay.analysis.reasons import Row, list_reasons
from lrdecay.analysis.verdicts import (
    DEFAULT_BUDGET,
    EQUIVALENT,
    HIGHER,
    IDENTICAL,
    LOWER,
    NOT_EVALUATED,
    UNRESOLVED,
)
from lrdecay.core.first_plan import FEWEST_SEEDS, FirstPlan
from lrdecay.core.text import format_named, join_filled, join_words, spell_count, spell_each


@dataclass(frozen=True)
class Best:
    """Which schedulers of one dropout and stratum are not excluded as best, and which are not
    evaluated; `about` are the axes that these are of."""

    about: Mapping[str, object]
    left: Sequence[str]
    not_evaluated: Sequence[str]
    excluded: Sequence[str] = ()

    @property
    def where(self) -> str:
        """What they are of, in words; nothing where there is only one such place."""
        return join_filled(*(format_named(axis, value) for axis, value in self.about.items()))

    @property
    def answers(self) -> dict[str, str]:
        """Whether each scheduler may be best, in a word or two."""
        words = {"yes": self.left, "no": self.excluded, "not evaluated": self.not_evaluated}
        return {name: answer for answer, names in words.items() for name in names}


def list_best(table: pd.DataFrame | None) -> Iterator[Best]:
    """Yield what a table of `lrdecay.analysis.best_set` says wherever there are two to choose from;
    `left` is empty where none is evaluated yet. Without a table there is nothing to say."""
    if table is None:
        return
    axes = [*list_strata(table), "dropout"]
    for values, rows in table.groupby(axes, sort=False, dropna=False):
        if len(rows) > 1:
            evaluated = rows["n_compared"] > 0
            yield Best(
                dict(zip(axes, values, strict=True)),
                rows.loc[evaluated & rows["in_set"], "scheduler"].tolist(),
                rows.loc[~evaluated, "scheduler"].tolist(),
                rows.loc[evaluated & ~rows["in_set"], "scheduler"].tolist(),
            )


def write_sentences(
    table: pd.DataFrame,
    metric: Metric,
    margin: float | None,
    plan: FirstPlan,
    budget: int = DEFAULT_BUDGET,
) -> list[str]:
    """Return the sentence of each row of a table of verdicts, whose looks rest on `plan`."""
    return [_sentence(row, metric, margin, plan, budget) for row in table.to_dict("records")]


def describe_looks(plan: FirstPlan, there: int) -> str:
    """Return at which looks a verdict of the first `there` seeds was made.

    >>> describe_looks(FirstPlan(8), 8), describe_looks(FirstPlan(8), 16)
    ('at the planned 8 seeds', 'looks at 8 seeds as planned and at 12 and 16')
    >>> describe_looks(FirstPlan(8, 64), 12), describe_looks(FirstPlan(24), 8)
    ('planned looks at 8 and 12 seeds', 'a look at 8 seeds before the planned 24')
    """
    looks = list_looks(plan.first, plan.most, there)
    if plan.first < FEWEST_SEEDS:  # so that none is as planned
        numbers = [look.n for look in looks]
        return f"{'looks ' if len(numbers) > 1 else ''}at {join_words(numbers)} seeds"
    planned = [look.n for look in looks if look.planned]
    others = [look.n for look in looks if not look.planned]
    if not planned:
        seeds = f"{join_words(others)} seeds before the planned {plan.first}"
        return f"a look at {seeds}" if len(others) == 1 else f"looks at {seeds}"
    if others:
        return f"looks at {join_words(planned)} seeds as planned and at {join_words(others)}"
    if len(planned) > 1:
        return f"planned looks at {join_words(planned)} seeds"
    return f"at the planned {planned[0]} seeds"


def name_contrast(row: Row, minus: str = "\N{MINUS SIGN}") -> str:
    """Return what is subtracted from what, and where."""
    return f"{_where(row, ': ')}{row['a']} {minus} {row['b']}"


def _sentence(row: Row, metric: Metric, margin: float | None, plan: FirstPlan, budget: int) -> str:
    verdict = row["verdict"]
    if verdict == NOT_EVALUATED:
        reasons = "; ".join(list_reasons(row, plan))
        return f"{_subject(row)}: Not evaluated, since {reasons}.{_describe_seen(row, metric)}"
    looks = describe_basis(row, "" if row.get("fixed") else describe_looks(plan, row["look"]))
    low, high, mean = row["low"], row["high"], row["mean"]
    within = "" if margin is None else metric.spell(f"{margin:g}")
    marks = () if margin is None else (margin,)
    if verdict in (HIGHER, LOWER):
        # what is said is how much the one has more, so the interval is of that too
        near, far = sorted((abs(low), abs(high)))
        gain, decimals = mean if verdict == HIGHER else -mean, count_decimals(near, far, marks)
        interval = format_interval(near, far, *marks)
        outside, gained = leaves_interval(row), format_decimals(gain, decimals)
        amount = metric.spell(interval if outside else gained)
        size = f", by {row['size']} {within}" if isinstance(row["size"], str) else ""
        text = (
            f"{_where(row, ': ')}{_claim(row, metric, amount)} on {metric.images} "
            f"(family-wise interval {interval}, {looks}){size}."
        )
        if outside:
            text += f" Of all {row['n']} seeds the mean is {gained}, outside of that."
        if pd.notna(row["skew_holds"]) and not row["skew_holds"]:
            text += (
                " It supposes differences that are not skewed: corrected for their skewness the "
                "interval contains 0."
            )
    elif verdict == IDENTICAL:
        text = (
            f"{_subject(row)}: Identical {metric.title} at {_seeds_of_look(row)} on "
            f"{metric.images}: at most {math.ceil(100 * row['may_differ'])}% of seeds can differ "
            f"(family-wise).{_describe_later(row)}"
        )
    elif verdict == EQUIVALENT:
        text = (
            f"{_subject(row)}: Equivalent within {within} on {metric.images} "
            f"(family-wise interval {format_interval(low, high, *marks)}, {looks})."
            f"{_describe_later(row)}"
        )
    elif low > high:
        text = (
            f"{_subject(row)}: No verdict on {metric.images}, since its looks exclude each other: "
            f"at {row['low_look']} seeds the difference is at least "
            f"{metric.spell(format_number(low))}, at {row['high_look']} seeds at most "
            f"{format_number(high)}."
        )
    else:
        text = (
            f"{_subject(row)}: No difference resolved on {metric.images} "
            f"(family-wise interval {format_interval(low, high, *marks)}, {looks}). "
            f"{_outlook(row, metric, budget)}"
        )
    on_new_images = "" if verdict == IDENTICAL else _new_images(row)
    return f"{text}{on_new_images}{_same_rates(row)}"


def _seeds_of_look(row: Row) -> str:
    """Return that all seeds of the last look are meant, which are the first of those there."""
    if row["n"] == row["look"]:
        return spell_each(row["look"], "seed")
    return f"each of the first {spell_count(row['look'], 'seed')}"


def _describe_later(row: Row) -> str:
    """Return the mean of all seeds where that is unlike what is said of the first."""
    if not leaves_interval(row):
        return ""
    return f" Of all {spell_count(row['n'], 'seed')} the mean is {format_number(row['mean'])}."


def _same_rates(row: Row) -> str:
    if not row["n_same_rates"]:
        return ""
    return " Both had the same learning rate in every step of every run."


def _subject(row: Row) -> str:
    if row["family"] == "interaction":
        return f"{_where(row)}what {row['a']} gains on {row['b']}"
    return f"{_where(row)}{row['a']} against {row['b']}"


def _where(row: Row, then: str = ", ") -> str:
    """Where in the matrix it is; nothing where there is no more than schedulers."""
    return f"{row['where']}{then}" if row["where"] else ""


def _claim(row: Row, metric: Metric, amount: str) -> str:
    a, b = row["a"], row["b"]
    higher = row["verdict"] == HIGHER
    if row["family"] == "interaction":
        if metric.higher_is_better is None:
            more = "larger" if higher else "smaller"
            return f"{a}'s {metric.title} less {b}'s is {more} by {amount}"
        more = "more" if higher == metric.higher_is_better else "less"
        return f"{a} gains {amount} {more} on {b}"
    if metric.higher_is_better is None:
        return f"the {metric.title} of {a} is {row['verdict']} than that of {b} by {amount}"
    first, second = (a, b) if higher == metric.higher_is_better else (b, a)
    return f"{first} beats {second} by {amount}"


def _describe_seen(row: Row, metric: Metric) -> str:
    """Return the difference that imported runs show where there is no verdict, with the interval
    that a number of seeds fixed beforehand would give."""
    mean = row["mean"]
    if "fixed_low" not in row or pd.isna(mean):
        return ""
    text = f" The difference seen is {metric.spell(format_number(mean))}"
    low, high = row["fixed_low"], row["fixed_high"]
    if math.isfinite(low):
        interval = metric.spell(format_interval(low, high))
        text += f" (were the number of seeds fixed beforehand: {interval})"
    basis = describe_pairing(row)
    return f"{text}; {basis}." if basis else f"{text}."


def _outlook(row: Row, metric: Metric, budget: int) -> str:
    """Return what the seeds so far could resolve, and what more of them would."""
    if row.get("fixed"):
        return _outlook_fixed(row, budget)
    sd, look, next_look = row["sd_at_look"], row["look"], f"the next look is at {row['next_look']}"
    if sd == 0:
        return (
            f"All differences at {spell_count(look, 'seed')} are one number, which tells nothing "
            f"of their spread; {next_look}."
        )
    needed = metric.spell(format_number(float(t_radius(look, sd, row["level"]))))
    text = f"A difference of sd {format_number(sd)} is resolved from {needed} on at {look} seeds"
    if row["n"] >= budget:
        return f"{text}; this one is open at all {spell_count(row['n'], 'seed')}."
    if not math.isfinite(row["more_seeds"]):
        return f"{text}; this one may not be resolvable within {spell_count(budget, 'seed')}."
    resolving = int(row["resolving_look"])
    if resolving == row["next_look"]:
        return (
            f"{text}; the next look, at {resolving}, would resolve this one if it stays as it is."
        )
    return (
        f"{text}; the look at {resolving:,} would resolve this one if it stays as it is; "
        f"{next_look}."
    )


def _outlook_fixed(row: Row, budget: int) -> str:
    """Return how many seeds would resolve a difference, had that been their number from the
    start."""
    if not math.isfinite(row["more_seeds"]):
        return f"It may not be resolvable within {spell_count(budget, 'seed')}."
    number = row["look"] + row["more_seeds"]
    if row["pairing"] == NOT_PAIRED:
        return (
            f"About {spell_count(number, 'new run')} a side would resolve this one if it stays as "
            f"it is; added to these they would not be a number fixed beforehand."
        )
    return f"About {spell_count(number, 'seed')} would resolve this one if it stays as it is."


def _new_images(row: Row) -> str:
    low, high = row["images_low"], row["images_high"]
    if not math.isfinite(low):
        return ""
    if row["verdict"] == LOWER:
        low, high = -high, -low
    width = format_interval(low, high)
    if row["verdict"] == UNRESOLVED:
        return f" For new images: {width}."
    if row["new_images"]:
        # how large it is there is another question
        claim = "That they differ" if isinstance(row["size"], str) else "It"
        return f" {claim} holds for new images too ({width})."
    return f" For new images it is not resolved ({width})."
