"""The effect of a scheduler averaged over datasets: a family of contrasts of its own.

Each dataset enters with the mean of its paired differences. Two questions are asked of their
average, each with an interval and a verdict: what it is *on these datasets*, and what it would be
*for datasets like these*, of which each is one block. The rule is in
`lrdecay.analysis.average_intervals`; each meaning is right as a whole with the confidence asked
for, at all joint looks together (`lrdecay.analysis.joint_looks`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from lrdecay.analysis.average_intervals import FEWEST_DATASETS, SAME, judge_average
from lrdecay.analysis.conclusions import Conclusions
from lrdecay.analysis.contrasts import PRIMARY, list_contrasts
from lrdecay.analysis.estimates import estimate_at_looks
from lrdecay.analysis.joint_looks import JointLook, join_looks, schedule_fixed, schedule_looks
from lrdecay.analysis.metrics import Metric
from lrdecay.analysis.paired_statistics import find_rounding
from lrdecay.analysis.pairing import NOT_PAIRED, list_shared
from lrdecay.analysis.shared_contrasts import DatasetPart, SharedContrasts, find_shared_contrasts
from lrdecay.analysis.verdicts import NOT_EVALUATED, find_spoilt
from lrdecay.core.text import join_words, spell_count

_SHOWN = [
    *("scheduler", "versus_scheduler", "dropout", "a", "b", "where", "n", "look"),
    *("mean", "sd", "low", "high", "verdict"),
]


@dataclass(frozen=True, eq=False)
class DatasetAverages:
    """What several sweeps say together; `average_datasets` makes one.

    `shared` says what they have in common, and what is left out, and why.
    """

    shared: SharedContrasts

    @property
    def confidence(self) -> float:
        """Of each meaning as a whole: the highest that any of the sweeps asks for."""
        return max(part.found.criteria.confidence for part in self.shared.parts)

    @property
    def margin(self) -> float | None:
        """The margin that all sweeps have; None where they differ."""
        return None if self.margins_differ else self.shared.parts[0].found.criteria.margin

    @property
    def margins_differ(self) -> bool:
        """Whether the sweeps have different margins."""
        return len({part.found.criteria.margin for part in self.shared.parts}) > 1

    @property
    def exploratory(self) -> bool:
        """Whether any sweep is not as it was first planned."""
        return any(part.found.departures for part in self.shared.parts)

    @property
    def datasets(self) -> list[str]:
        """What is averaged over, as it is named."""
        return [part.label for part in self.shared.parts]

    @property
    def metric(self) -> Metric:
        """By which metric."""
        return self.shared.parts[0].found.metric

    @property
    def reference(self) -> str:
        """What the others are compared with."""
        return self.shared.parts[0].found.reference

    @cached_property
    def by_dataset(self) -> pd.DataFrame:
        """The primary differences of each sweep, with the verdicts that it has itself: `dataset`
        beside columns of `lrdecay.analysis.compare`. Empty where they cannot be compared."""
        if self.shared.incomparable:
            return pd.DataFrame(columns=["dataset", *_SHOWN])
        tables = [part.rows[_SHOWN].assign(dataset=part.label) for part in self.shared.parts]
        columns = ["dataset", *_SHOWN]
        return pd.concat([table[columns] for table in tables], ignore_index=True)

    @property
    def spoilt(self) -> np.ndarray:
        """Which rows of `by_dataset` no further seed can fix, as `find_spoilt` has it."""
        return np.concatenate([find_spoilt(part.rows) for part in self.shared.parts])

    @cached_property
    def table(self) -> pd.DataFrame:
        """The averages, a row for each scheduler and dropout that all sweeps have.

        Columns: `scheduler`, `versus_scheduler`, `dropout`; `n_datasets`; `family_size`; `seeds`,
        the numbers at the last joint look, one for each dataset, none before the first; `planned`;
        `mean`, the mean over datasets of the mean of all pairs of each; `low`, `high` and
        `verdict` on these datasets; `like_low`, `like_high` and `like_verdict` for datasets like
        these; `why` and `like_why`, why there is no interval, in words.
        """
        sizes = [_Estimates(part) for part in self.shared.parts]
        rows = [self._average(sizes, *place) for place in self.shared.places]
        columns = [
            *("scheduler", "versus_scheduler", "dropout", "n_datasets", "family_size", "seeds"),
            *("planned", "mean", "low", "high", "verdict", "like_low", "like_high"),
            *("like_verdict", "why", "like_why"),
        ]
        return pd.DataFrame(rows, columns=columns)

    def _average(
        self, parts: Sequence[_Estimates], scheduler: str, dropout: float
    ) -> dict[str, Any]:
        places = [part.find(scheduler, dropout) for part in parts]
        numbered = list(zip(parts, places, strict=True))
        own = [part.rows.loc[place] for part, place in numbered]
        row: dict[str, Any] = {
            "scheduler": scheduler,
            "versus_scheduler": self.reference,
            "dropout": own[0]["dropout"],
            "n_datasets": len(own),
            "family_size": len(self.shared.places),
            "seeds": (),
            "mean": float(np.mean([each["mean"] for each in own])),  # NaN if one is
            "verdict": NOT_EVALUATED,
            "like_verdict": NOT_EVALUATED,
        }
        spoilt = [part.label for part, place in numbered if part.spoilt[place]]
        if spoilt:
            why = f"not evaluated on {join_words(spoilt)}"
            return row | {"why": why, "like_why": why}
        pairings = zip(parts, own, strict=True)
        if apart := [part.label for part, each in pairings if each["pairing"] == NOT_PAIRED]:
            why = f"the runs on {join_words(apart)} are not paired"
            return row | {"why": why, "like_why": why}
        looks = _list_reached(numbered)
        if not looks:
            few = [part.label for part, place in numbered if not part.reached(place)]
            why = f"not enough seeds yet on {join_words(few or [part.label for part in parts])}"
            return row | {"why": why, "like_why": why}
        return row | self._judge(numbered, looks)

    def _judge(
        self, numbered: Sequence[tuple[_Estimates, int]], looks: Sequence[JointLook]
    ) -> dict[str, Any]:
        numbers = np.array(
            [
                [part.at[place, n] for (part, place), n in zip(numbered, look.n, strict=True)]
                for look in looks
            ]
        )
        n = np.array([look.n for look in looks], float)
        mean, sd = numbers[..., 0], numbers[..., 1]
        share = np.array([look.share for look in looks])
        alpha = (1.0 - self.confidence) / len(self.shared.places)
        here, like = judge_average(n, mean, sd, share, alpha, self.margin, self.metric.span)
        found: dict[str, Any] = {"seeds": looks[-1].n, "planned": looks[-1].planned}
        for name, each in (("", here), ("like_", like)):
            found |= {f"{name}{key}": getattr(each, key)[-1] for key in ("low", "high", "verdict")}
        still = [part.label for (part, _), each in zip(numbered, sd[-1], strict=True) if each == 0]
        if math.isinf(found["low"]) and still:
            found["why"] = (
                f"all differences on {join_words(still)} are one number, which tells nothing of "
                f"their spread"
            )
        if math.isinf(found["like_low"]) and np.ptp(mean[-1]) < find_rounding(mean[-1], share=SAME):
            found["like_why"] = "the datasets all have one mean, which tells nothing of others"
        if len(numbered) < FEWEST_DATASETS:
            found |= {"like_verdict": NOT_EVALUATED, "like_why": _say_too_few(len(numbered))}
        return found


def average_datasets(
    sweeps: Mapping[str, Conclusions], sweep_texts: Mapping[str, str] | None = None
) -> DatasetAverages:
    """Average what sweeps of several datasets conclude, scheduler by scheduler.

    Args:
        sweeps: what `conclude` returns of each, by name, one or more.
        sweep_texts: their sweep files, by the same names: a scheduler of which they say the same is
            the same, although the lengths that it is given depend on those of the runs.

    Returns:
        Averages where the sweeps are of different datasets and share reference, metric and
        schedulers; `shared` says what is left out otherwise, and why.
    """
    return DatasetAverages(find_shared_contrasts(sweeps, sweep_texts))


def _say_too_few(count: int) -> str:
    return f"{spell_count(count, 'dataset')} cannot tell it"


class _Estimates:
    """The numbers of one dataset's contrasts: `at[contrast, n]` is mean and sd of the first n
    differences, at each look that the contrast has reached."""

    def __init__(self, part: DatasetPart) -> None:
        found = part.found
        self.label, self.found, self.rows = part.label, found, part.rows
        self.contrasts = list_contrasts(found.blocks, found.reference, [PRIMARY])
        self.spoilt = find_spoilt(found.primary)
        at = estimate_at_looks(found.blocks, self.contrasts, found.looks)
        keys = zip(at["place"].tolist(), at["n"].tolist(), strict=True)
        self.at = dict(zip(keys, at[["mean", "sd"]].to_numpy().tolist(), strict=True))

    def find(self, scheduler: str, dropout: float) -> int:
        """Return the number of a contrast; -1 is a dropout that is null."""
        rates = self.rows["dropout"].fillna(-1.0)
        found = self.rows.index[(self.rows["scheduler"] == scheduler) & (rates == dropout)]
        return int(found[0])

    def reached(self, place: int) -> bool:
        """Return whether a contrast has reached any look of its own sweep."""
        return any(contrast == place for contrast, _ in self.at)


def _list_reached(numbered: Sequence[tuple[_Estimates, int]]) -> list[JointLook]:
    """Return the joint looks that a contrast has reached on every dataset."""
    schedules = [
        schedule_fixed(len(list_shared(part.found.blocks, part.contrasts[place])))
        if part.found.criteria.seeds_fixed
        else schedule_looks(part.found.first_plan, len(part.found.blocks.seeds))
        for part, place in numbered
    ]
    return [
        look
        for look in join_looks(schedules)
        if all((place, n) in part.at for (part, place), n in zip(numbered, look.n, strict=True))
    ]
