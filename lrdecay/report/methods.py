"""What was done, as paragraphs for the Methods section of a paper: nothing that the tables do not
say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from lrdecay.analysis import METRICS_COMPARED, Conclusions, axis_values
from lrdecay.analysis.axes import has_dropout
from lrdecay.analysis.fixed_seeds import FEWEST_FIXED
from lrdecay.analysis.looks import find_next_look
from lrdecay.analysis.number_text import format_percent
from lrdecay.analysis.pairing import BY_SEED, NOT_PAIRED, START_VERIFIED, VERIFIED
from lrdecay.analysis.seed_blocks import State
from lrdecay.analysis.verdicts import find_spoilt
from lrdecay.core.data_facts import DataFacts
from lrdecay.core.text import format_values, join_words, spell_count, to_text
from lrdecay.report.conclusions import name_places
from lrdecay.report.origin import write_pairing
from lrdecay.report.own_loops import has_own_loop
from lrdecay.report.training_methods import describe_training, list_texts
from lrdecay.store.importing.save import Origin
from lrdecay.store.schema import STATUSES

_PAIRED: Mapping[str, str] = {
    VERIFIED: (
        "Runs of one seed had the same initial weights and first batches, verified by digests, and "
        "were compared in pairs."
    ),
    START_VERIFIED: (
        "Runs of one seed began alike, as was recorded, and were compared in pairs; whether they "
        "then saw the same batches was not recorded."
    ),
    BY_SEED: (
        "Runs were paired by the number of their seed; nothing that was recorded shows that they "
        "began alike."
    ),
    NOT_PAIRED: (
        "The two sides had no seed in common and were compared as two samples, by Welch's interval "
        "with the degrees of freedom of the smaller one."
    ),
}


def write_methods(
    found: Conclusions,
    trials: pd.DataFrame,
    data: DataFacts | None = None,
    origin: Origin | None = None,
) -> list[str]:
    """Return paragraphs: what was trained, what was compared, by what rule, and with what software.

    Args:
        found: what the runs of a results folder say.
        trials: its rows of the runs table that chose base rates.
        data: the images by class, if they are known.
        origin: where runs came from that were imported.
    """
    runs = found.blocks.runs
    parts = (
        [*describe_training(runs, trials, data, origin)],
        [*_describe_runs(found), *_describe_pairs(found)],
        [*_describe_rule(found)],
        [*_describe_software(runs, origin is not None)],
    )
    return [" ".join(sentences) for sentences in parts if sentences]


def _describe_runs(found: Conclusions) -> Iterator[str]:
    runs, plan = found.blocks.runs, found.first_plan
    dropouts = [to_text(value) for value in axis_values(runs[has_dropout(runs)], "dropout")]
    where = f" at dropout {join_words(dropouts)}" if dropouts else ""
    seeds = _list_trained_seeds(found)
    fewer = "" if _has_all_seeds(found) else "up to "
    counts = runs["status"].value_counts()
    there = [name for name in STATUSES if counts.get(name)]
    ended = f"of which {join_words([f'{counts[name]:,} {name}' for name in there])}"
    ended = f"all of which {there[0]}" if len(there) == 1 else ended
    yield (
        f"Each was trained{where} with {fewer}{spell_count(len(seeds), 'seed')} "
        f"({format_values(seeds)}): {spell_count(len(runs), 'run')}, {ended}."
    )
    missing = int((found.blocks.state == State.MISSING).sum())
    if missing and found.blocks.waiting:
        verb = "is" if missing == 1 else "are"
        yield f"{spell_count(missing, 'planned run')} {verb} still to come."
    if plan.seeds and not found.blocks.imported:
        more = f", and up to {plan.most} until each had a verdict" if plan.adds_seeds else ""
        yield f"Planned before there were results were {spell_count(plan.first, 'seed')}{more}."


def _list_trained_seeds(found: Conclusions) -> list[int]:
    """Return the seeds that have a run; those of a plan may have none yet."""
    seeds: list[int] = found.blocks.seeds[(found.blocks.row >= 0).any(axis=0)].tolist()
    return seeds


def _has_all_seeds(found: Conclusions) -> bool:
    """Return whether every cell that has a run has one at every seed that has any."""
    there = found.blocks.row >= 0
    return bool(there[there.any(axis=1)][:, there.any(axis=0)].all())


def _describe_pairs(found: Conclusions) -> Iterator[str]:
    if found.primary.empty:
        return
    metric = found.metric
    own = METRICS_COMPARED.get(metric.name) == metric and not metric.name.startswith("best_")
    when = " after the last epoch" if own and found.blocks.is_built_in else ""
    others = join_words(axis_values(found.primary, "scheduler"))
    verb = "was" if found.primary["scheduler"].nunique() == 1 else "were"
    by = f"{metric.title}{when}, on {metric.images}"
    yield f"{others} {verb} compared with {found.reference} by {by}."
    if found.blocks.is_built_in:
        yield (
            "Runs of one seed had the same initial weights, batches and dropout masks whatever "
            "their scheduler, verified by digests of weights and data order, and were compared in "
            "pairs."
        )
    else:
        yield from write_pairing(found, _PAIRED)


def _describe_rule(found: Conclusions) -> Iterator[str]:
    if found.primary.empty:
        return
    judged = bool((found.primary["look"] > 0).any())
    if judged:
        yield from _describe_looks(found)
        yield from _describe_verdicts(found)
    else:
        yield _describe_no_verdict(found)
    best = found.best
    ranked = best is not None and bool((best["n_compared"] > 0).any())
    if ranked:
        place = f" at each {places}" if (places := name_places(found)) else ""
        yield (
            f"A scheduler was excluded as best where the interval of some pair showed another one "
            f"to be better, with {format_percent(found.criteria.confidence)} confidence{place} "
            f"that the best one was not."
        )
    if found.departures and (judged or ranked):
        yield f"Not as planned, so exploratory: {'; '.join(found.departures)}."


def _describe_verdicts(found: Conclusions) -> Iterator[str]:
    """Yield how often verdicts may be wrong, and which of them there are."""
    size, margin = len(found.primary), found.spell_margin()
    chance = f"{100 * (1 - found.criteria.confidence):.3g}%"
    if size == 1:
        yield f"That the verdict is wrong had a probability of at most {chance}."
    else:
        yield (
            f"The {size} differences shared the error evenly (Bonferroni), so that the probability "
            f"of any wrong verdict among them was at most {chance}."
        )
    verdicts = ["real if its interval excluded 0"]
    verdicts += [f"equivalent if it lay within {margin} of 0"] if margin else []
    verdicts += ["identical if no seed showed any"]
    yield (
        f"A difference was called {', '.join(verdicts)}, and else not resolved; none was "
        f"judged of a pair of which a run diverged, failed or was missing."
    )
    if found.blocks.is_built_in and found.metric.name == "test_accuracy":
        yield (
            "For new test images seeds and images were both taken as random and crossed, with a t "
            "interval (Searle, Casella and McCulloch, Variance Components, 1992)."
        )


def _describe_no_verdict(found: Conclusions) -> str:
    """Return why no difference has a verdict."""
    primary, plan = found.primary, found.first_plan
    fixed = found.criteria.seeds_fixed or (primary["pairing"] == NOT_PAIRED).all()
    begin = FEWEST_FIXED if fixed else find_next_look(plan.first, plan.most, 0).n
    if len(_list_trained_seeds(found)) < begin or not find_spoilt(primary).all():
        return f"Verdicts were to begin at {begin} seeds, so none was made."
    return (
        "No verdict was made, since no difference was without a run that diverged, failed, was "
        "missing or could not be compared."
    )


def _describe_looks(found: Conclusions) -> Iterator[str]:
    if found.criteria.seeds_fixed:
        yield (
            "The number of seeds was fixed beforehand, as was said at the import, and each "
            "interval was the t interval of all differences."
        )
        return
    # two samples have no looks: their `look` is how many runs the smaller one has
    reached = found.primary.loc[found.primary["pairing"] != NOT_PAIRED, "look"]
    looks = [look for look in found.looks if look.n <= reached.max()]
    if not looks:
        yield "Numbers of seeds were taken to be fixed beforehand."
        return
    shares = [f"{look.n} seeds with {100 * look.share:.3g}%" for look in looks]
    several = len(looks) > 1
    common = ", and what the intervals of all looks had in common was taken" if several else ""
    yield (
        f"Verdicts were made at {'looks' if several else 'a look'} that did not depend on results, "
        f"at {join_words(shares)} of the error: the interval was the t interval of the first so "
        f"many differences at that share{common}."
    )


def _describe_software(runs: pd.DataFrame, imported: bool) -> Iterator[str]:
    columns = {"lrdecay": "lrdecay_version", "PyTorch": "torch_version", "Python": "python_version"}
    found = {name: list_texts(runs, column) for name, column in columns.items()}
    named = [f"{name} {join_words(texts)}" for name, texts in found.items() if texts]
    if not named:
        return
    if commits := [commit[:12] for commit in list_texts(runs, "git_commit")]:
        named[0] += f" (commit{'s' if len(commits) > 1 else ''} {join_words(commits)})"
    devices = list_texts(runs, "device")
    on = f" on {join_words(devices)}" if devices else ""
    engines = [] if imported or has_own_loop(runs) else list_texts(runs, "engine")
    many = "s" if len(engines) > 1 else ""
    by = f", by lrdecay's {join_words(engines)} engine{many}" if engines else ""
    yield f"{'Read' if imported else 'Trained'} with {join_words(named)}{on}{by}."
