"""Runs to verdicts: the one way from settings, pairs, contrasts and estimates to sentences.

`conclude` lays out the runs; every table of its `Conclusions` comes from the same seed blocks by
the same two rules (`lrdecay.analysis.verdicts`), so that command, pages and adaptive seeds agree.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from lrdecay.analysis.contrasts import (
    EXPLORATORY,
    FAMILIES,
    PRIMARY,
    Contrast,
    contrasts_to_frame,
    find_reference,
    list_contrasts,
)
from lrdecay.analysis.estimates import COUNTS, estimate_by_seeds, estimate_contrasts
from lrdecay.analysis.metrics import Metric, find_metric
from lrdecay.analysis.seed_blocks import Blocks, build_seed_blocks
from lrdecay.analysis.sentences import write_sentences
from lrdecay.analysis.settings import Criteria
from lrdecay.analysis.verdicts import (
    HIGHER,
    LOWER,
    NOT_EVALUATED,
    find_spoilt,
    judge_contrasts,
)
from lrdecay.core.errors import InputError


@dataclass(frozen=True, eq=False)
class Conclusions:
    """What runs say by some criteria, whose reference is known; `conclude` makes one.

    A table is worked out when it is first asked for. `family_sizes` are those of families of which
    the runs are only a part.
    """

    criteria: Criteria
    reference: str
    metric: Metric
    blocks: Blocks
    exploratory: bool
    family_sizes: Mapping[str, int]

    @cached_property
    def table(self) -> pd.DataFrame:
        """The table of verdicts, as `compare` returns it."""
        families = [name for name in FAMILIES if name != EXPLORATORY or self.exploratory]
        images = self.metric.name == "test_accuracy"
        table = self._judge_families(families, images=images, sign_flips=True)
        table["p_holm"] = _adjust_by_holm(table)
        margin, budget = self.criteria.margin, self.criteria.budget
        table["sentence"] = write_sentences(table, self.metric, margin, budget)
        return table

    @property
    def primary(self) -> pd.DataFrame:
        """The differences that were fixed beforehand."""
        return self.table[self.table["family"] == PRIMARY]

    @cached_property
    def brief(self) -> pd.DataFrame:
        """`primary` in little time: without `p_signflip`, the interval on new images and what is
        made of either, `p_holm` and sentences."""
        return self._judge_families([PRIMARY])

    @cached_property
    def best(self) -> pd.DataFrame | None:
        """The table that `best_set` returns; None where neither more nor less is better."""
        return None if self.metric.higher_is_better is None else self._exclude_schedulers()

    @cached_property
    def history(self) -> pd.DataFrame:
        """The verdicts after each number of seeds, as `verdicts_by_seeds` returns them."""
        listed = list_contrasts(self.blocks, self.reference, [PRIMARY])
        sound = np.flatnonzero(~find_spoilt(self.brief))
        steps = estimate_by_seeds(self.blocks, [listed[place] for place in sound])
        places = sound[steps["place"].to_numpy()]
        own = self.brief.iloc[places].reset_index(drop=True)
        nothing_wrong = {name: 0 for name in COUNTS if name != "n"}
        estimates = steps.assign(images_sd=np.nan, **nothing_wrong)
        sizes = own["family_size"].to_numpy()
        judged = self._judge(estimates, [listed[p] for p in places], sizes, self.criteria.margin)
        cells = own[[*self.blocks.strata, "scheduler", "versus_scheduler", "dropout"]]
        numbers = judged[["n", "mean", "low", "high", "verdict"]]
        history: pd.DataFrame = pd.concat([cells, numbers], axis=1)
        return history

    def _judge_families(self, families: Sequence[str], **extra: bool) -> pd.DataFrame:
        """Return the verdicts of some families, each at the level of its size."""
        listed = list_contrasts(self.blocks, self.reference, families)
        sizes = _count_contrasts(listed, self.family_sizes)
        table = self._judge(self._estimate(listed, **extra), listed, sizes, self.criteria.margin)
        frame = contrasts_to_frame(listed, self.blocks)
        return pd.concat([frame, table.assign(family_size=sizes)], axis=1)

    def _exclude_schedulers(self) -> pd.DataFrame:
        pairs = list_contrasts(self.blocks, self.reference, [EXPLORATORY])
        places = [(pair.stratum, pair.dropout) for pair in pairs]
        at_place = Counter(places)
        sizes = np.array([at_place[place] for place in places], int)
        judged = self._judge(self._estimate(pairs), pairs, sizes, None)
        names = self.blocks.cells["scheduler"].tolist()
        excluded: list[list[str]] = [[] for _ in names]
        n_compared = np.zeros(len(names), int)
        first_is_better = HIGHER if self.metric.higher_is_better else LOWER
        for pair, verdict in zip(pairs, judged["verdict"], strict=True):
            n_compared[list(pair.cells)] += verdict != NOT_EVALUATED
            if verdict in (HIGHER, LOWER):
                winner, loser = pair.cells if verdict == first_is_better else pair.cells[::-1]
                excluded[loser].append(names[winner])
        return self.blocks.cells.assign(
            n_compared=n_compared,
            excluded_by=pd.Series([tuple(others) for others in excluded], dtype=object),
            in_set=[not others for others in excluded],
        )

    def _estimate(self, listed: Sequence[Contrast], **extra: bool) -> pd.DataFrame:
        return estimate_contrasts(self.blocks, listed, self.metric.higher_is_better, **extra)

    def _judge(
        self,
        estimates: pd.DataFrame,
        contrasts: Sequence[Contrast],
        sizes: np.ndarray,
        margin: float | None,
    ) -> pd.DataFrame:
        """Apply both rules, to a row for each contrast, at the level of families of these sizes."""
        alpha = (1.0 - self.criteria.confidence) / sizes
        reach = self.metric.span * np.array([contrast.weight for contrast in contrasts], float)
        return judge_contrasts(estimates, alpha, margin, self.criteria.budget, reach)


def conclude(
    runs: pd.DataFrame,
    epochs: pd.DataFrame | None,
    criteria: Criteria,
    *,
    planned: pd.DataFrame | None = None,
    exploratory: bool = False,
    family_sizes: Mapping[str, int] | None = None,
) -> Conclusions:
    """Return what runs say by some criteria; the other arguments are as for `compare`.

    Raises:
        InputError: as `compare`; for sizes of families only when a table is asked for.
    """
    metric = find_metric(criteria.metric)
    blocks = build_seed_blocks(runs, metric, epochs, planned)
    reference = find_reference(blocks.cells, criteria.reference)
    return Conclusions(criteria, reference, metric, blocks, exploratory, family_sizes or {})


def _count_contrasts(listed: Sequence[Contrast], given: Mapping[str, int]) -> np.ndarray:
    """Return the size of each contrast's family: as `given`, else how many there are."""
    sizes = dict(Counter(contrast.family for contrast in listed))
    for name, size in given.items():
        if size < sizes.get(name, 1):
            raise InputError(
                f"family_sizes: the family {name} has {sizes.get(name, 1)} contrasts here, so at "
                f"least as many in all, not {size}"
            )
        sizes[name] = size
    return np.array([sizes[contrast.family] for contrast in listed], int)


def _adjust_by_holm(table: pd.DataFrame) -> np.ndarray:
    """Return Holm's adjusted p-values by family; contrasts without one take a place all the same.

    As `statsmodels.stats.multitest.multipletests(p, method="holm")`, which collects garbage at
    every call, and so would take nine tenths of the time of a comparison.
    """
    p, sizes = table["p_t"].to_numpy(float), table["family_size"].to_numpy()
    adjusted = np.full(len(p), np.nan)
    for name in table["family"].unique():
        known = np.flatnonzero((table["family"] == name) & np.isfinite(p))
        order = known[np.argsort(p[known], kind="stable")]
        left = sizes[order] - np.arange(len(order))
        adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * left), 1.0)
    return adjusted
