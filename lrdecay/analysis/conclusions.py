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
from lrdecay.analysis.departures import list_departures, list_schedules
from lrdecay.analysis.estimates import (
    estimate_at_looks,
    estimate_contrasts,
    estimate_on_images,
)
from lrdecay.analysis.fixed_seeds import (
    add_fixed_interval,
    fix_seeds,
    judge_two_samples,
    keep_whole,
    list_fixed_looks,
)
from lrdecay.analysis.looks import Look, list_looks
from lrdecay.analysis.metrics import Metric
from lrdecay.analysis.pairing import (
    NOT_PAIRED,
    count_seeds,
    list_one_sided,
    list_shared,
    name_pairing,
)
from lrdecay.analysis.seed_blocks import Blocks, build_seed_blocks
from lrdecay.analysis.sentences import write_sentences
from lrdecay.analysis.settings import Criteria
from lrdecay.analysis.verdicts import (
    HIGHER,
    LOWER,
    NOT_EVALUATED,
    find_spoilt,
    judge_contrasts,
    judge_looks,
    judge_on_images,
)
from lrdecay.core.errors import InputError
from lrdecay.core.first_plan import UNPLANNED, FirstPlan
from lrdecay.core.text import join_some

_SEEDS = 10  # of one side alone that are named


@dataclass(frozen=True, eq=False)
class Conclusions:
    """What runs say by some criteria, whose reference is known; `conclude` makes one.

    A table is worked out when it is first asked for. `first_plan` is what the looks rest on;
    `family_sizes` are those of families of which the runs are only a part.
    """

    criteria: Criteria
    reference: str
    metric: Metric
    blocks: Blocks
    first_plan: FirstPlan
    exploratory: bool
    family_sizes: Mapping[str, int]

    def spell_margin(self) -> str:
        """Return the margin with its unit; nothing where none is given, or nothing is within it."""
        margin = self.criteria.margin
        return self.metric.spell(f"{margin:g}") if margin else ""

    @cached_property
    def table(self) -> pd.DataFrame:
        """The table of verdicts, as `compare` returns it."""
        families = [name for name in FAMILIES if name != EXPLORATORY or self.exploratory]
        listed = list_contrasts(self.blocks, self.reference, families)
        table = self._judge_families(listed, sign_flips=True)
        images_sd = np.full(len(table), np.nan)
        if self.metric.name == "test_accuracy":
            in_pairs = table["look"].where(table["pairing"] != NOT_PAIRED, 0)
            images_sd = estimate_on_images(self.blocks, listed, in_pairs.to_numpy())
        table = judge_on_images(table, images_sd, self.criteria.margin, self._reach(listed))
        table["sentence"] = write_sentences(
            table, self.metric, self.criteria.margin, self.first_plan, self.criteria.budget
        )
        return table

    @property
    def primary(self) -> pd.DataFrame:
        """The differences that were fixed beforehand."""
        return self.table[self.table["family"] == PRIMARY]

    @property
    def has_pairs(self) -> bool:
        """Whether a primary difference is one of pairs; where none is, there are no looks."""
        return bool((self.primary["pairing"] != NOT_PAIRED).any())

    @cached_property
    def brief(self) -> pd.DataFrame:
        """`primary` in little time: without `p_signflip`, the interval on new images and what is
        made of either, and sentences."""
        return self._judge_families(list_contrasts(self.blocks, self.reference, [PRIMARY]))

    @cached_property
    def best(self) -> pd.DataFrame | None:
        """The table that `best_set` returns; None where neither more nor less is better."""
        return None if self.metric.higher_is_better is None else self._exclude_schedulers()

    @cached_property
    def history(self) -> pd.DataFrame:
        """The verdicts after each look, as `verdicts_by_look` returns them."""
        listed = list_contrasts(self.blocks, self.reference, [PRIMARY])
        judged = self._judge_looks(listed, self._count_contrasts(listed), self.criteria.margin)
        judged = judged[~find_spoilt(self.brief)[judged["place"]]].reset_index(drop=True)
        own = self.brief.iloc[judged["place"]].reset_index(drop=True)
        cells = own[[*self.blocks.strata, "scheduler", "versus_scheduler", "dropout"]]
        numbers = judged[["n", "planned", "mean", "low", "high", "verdict"]]
        history: pd.DataFrame = pd.concat([cells, numbers], axis=1)
        return history

    @cached_property
    def looks(self) -> list[Look]:
        """The looks at as many seeds as there are; any number of these, if it was fixed."""
        if self.criteria.seeds_fixed:
            return list_fixed_looks(len(self.blocks.seeds))
        return list_looks(self.first_plan.first, self.first_plan.most, len(self.blocks.seeds))

    @cached_property
    def departures(self) -> tuple[str, ...]:
        """What is not as it was planned first, in words; with any, verdicts are exploratory."""
        found = list_schedules(self.blocks.runs, self.reference), self.blocks.seeds.tolist()
        return tuple(list_departures(self.first_plan, self.criteria, self.reference, *found))

    def _judge_families(self, listed: Sequence[Contrast], **extra: bool) -> pd.DataFrame:
        """Return the verdicts of contrasts, each at the level of its family's size."""
        sizes = self._count_contrasts(listed)
        table = self._judge(listed, sizes, self.criteria.margin, **extra)
        table["p"] = np.minimum(table["p"] * sizes, 1.0)
        table = table.assign(family_size=sizes, as_planned=not self.departures)
        return pd.concat([contrasts_to_frame(listed, self.blocks), table], axis=1)

    def _exclude_schedulers(self) -> pd.DataFrame:
        pairs = list_contrasts(self.blocks, self.reference, [EXPLORATORY])
        places = [(pair.stratum, pair.dropout) for pair in pairs]
        at_place = Counter(places)
        sizes = np.array([at_place[place] for place in places], int)
        judged = self._judge(pairs, sizes, None)
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

    def _judge(
        self,
        listed: Sequence[Contrast],
        sizes: np.ndarray,
        margin: float | None,
        sign_flips: bool = False,
    ) -> pd.DataFrame:
        """Apply both rules, to a row for each contrast, at the level of families of these sizes."""
        better = self.metric.higher_is_better
        estimates = estimate_contrasts(self.blocks, listed, better, sign_flips)
        judged, alpha = self._judge_looks(listed, sizes, margin), self._alpha / sizes
        budget = self.criteria.budget
        table = judge_contrasts(estimates, judged, alpha, margin, self.first_plan, budget)
        table["pairing"] = name_pairing(self.blocks, listed)
        if self.criteria.seeds_fixed:
            table = fix_seeds(table, alpha, margin, budget)
        return self._add_imported(table, listed, alpha, margin) if self.blocks.imported else table

    def _add_imported(
        self,
        table: pd.DataFrame,
        listed: Sequence[Contrast],
        alpha: np.ndarray,
        margin: float | None,
    ) -> pd.DataFrame:
        """Return verdicts of imported runs with what is said of such alone."""
        reach, budget = self._reach(listed), self.criteria.budget
        table = judge_two_samples(table, self.blocks, listed, alpha, margin, reach, budget)
        one_sided = (list_one_sided(self.blocks, contrast) for contrast in listed)
        return add_fixed_interval(table, alpha, reach).assign(
            one_sided=[join_some(seeds, _SEEDS) for seeds in one_sided],
            n_seeds=[count_seeds(self.blocks, contrast) for contrast in listed],
        )

    def _judge_looks(
        self, listed: Sequence[Contrast], sizes: np.ndarray, margin: float | None
    ) -> pd.DataFrame:
        at_looks = estimate_at_looks(self.blocks, listed, self.looks)
        if self.criteria.seeds_fixed:
            counts = [len(list_shared(self.blocks, contrast)) for contrast in listed]
            at_looks = keep_whole(at_looks, np.array(counts, int))
        places = at_looks["place"].to_numpy()
        alpha = self._alpha / sizes[places]
        return judge_looks(at_looks, alpha, margin, self._reach(listed)[places])

    def _reach(self, listed: Sequence[Contrast]) -> np.ndarray:
        """How large each difference can be."""
        return self.metric.span * np.array([contrast.weight for contrast in listed], float)

    @property
    def _alpha(self) -> float:
        return 1.0 - self.criteria.confidence

    def _count_contrasts(self, listed: Sequence[Contrast]) -> np.ndarray:
        """Return the size of each contrast's family: as given, else how many there are; of the
        primary one, the largest that was ever planned."""
        sizes = dict(Counter(contrast.family for contrast in listed))
        for name, size in self.family_sizes.items():
            if size < sizes.get(name, 1):
                raise InputError(
                    f"family_sizes: the family {name} has {sizes.get(name, 1)} contrasts here, so "
                    f"at least as many in all, not {size}"
                )
            sizes[name] = size
        if PRIMARY in sizes:
            sizes[PRIMARY] = max(sizes[PRIMARY], self.first_plan.family)
        return np.array([sizes[contrast.family] for contrast in listed], int)


def conclude(
    runs: pd.DataFrame,
    epochs: pd.DataFrame | None,
    criteria: Criteria,
    *,
    planned: pd.DataFrame | None = None,
    first_plan: FirstPlan | None = None,
    exploratory: bool = False,
    family_sizes: Mapping[str, int] | None = None,
) -> Conclusions:
    """Return what runs say by some criteria.

    `first_plan` is what was planned before there were results: 8 seeds unless given, and nothing of
    runs that were imported or whose engine is not known; the other arguments are as for `compare`.

    Raises:
        InputError: as `compare`; for sizes of families only when a table is asked for.
    """
    metric = criteria.compared
    blocks = build_seed_blocks(runs, metric, epochs, planned, criteria.common_seeds)
    reference = find_reference(blocks.cells, criteria.reference)
    unless_given = UNPLANNED if blocks.imported else FirstPlan()
    plan, sizes = first_plan or unless_given, family_sizes or {}
    return Conclusions(criteria, reference, metric, blocks, plan, exploratory, sizes)
