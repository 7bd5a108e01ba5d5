"""Several results folders of one sweep -> one: shards, or the same sweep from several machines."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from lrdecay.core.errors import InputError
from lrdecay.core.first_plan import join_first_plans
from lrdecay.core.run import ROLES, Run
from lrdecay.core.text import join_words
from lrdecay.store.columns import FOREIGN
from lrdecay.store.layout import KEPT, digest_text, has_results, list_files
from lrdecay.store.lock import hold_folder, share_folder
from lrdecay.store.reader import Plan, read_plan, read_plan_runs
from lrdecay.store.row_index import Place, Places, Rows, index_folder
from lrdecay.store.schema import HOW_LONG, MADE_WITH
from lrdecay.store.writer import Store

_AT_ONCE = 2000  # runs whose rows are in memory

_DECIDE_ENGINE = (
    *("model", "batch_norm", "optimizer", "optimizer_args", "batch_size", "epochs", "validation"),
    *("precision", "kernels", "label_smoothing", "clip_grad_norm"),
    *("model_args", "augment", "loss_function"),
    *("scheduler_class", "scheduler_args"),
)
"""Runs that agree in these train on one engine, wherever that is chosen in the same way."""


@dataclass(frozen=True)
class Merged:
    """The outcome of a merge: how many runs the folder has now, how many of these are new there,
    and how many that the sweep asks for are missing; `empty` are folders without any yet."""

    folder: Path
    runs: int
    added: int
    missing: int
    empty: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Source:
    folder: Path
    plan: Plan
    places: Mapping[str, Places]

    @property
    def runs(self) -> Places:
        return self.places["runs"]


def merge_results(
    folders: Sequence[str | Path], into: str | Path, allow_mixed: bool = False
) -> Merged:
    """Join results folders of one sweep into one, which may hold some already; they stay as they
    are. The outcome does not depend on their order. Interrupted, it can be called again.

    Raises `InputError` where there are no results, or a sweep is writing; for folders of different
    sweep files; for a run whose numbers differ between two of them; and, unless `allow_mixed`, for
    runs of several devices or versions of torch, and runs alike of several engines.
    """
    into = Path(into)
    named = dict.fromkeys(path.resolve() for path in map(Path, folders))
    named.pop(into.resolve(), None)
    with ExitStack() as held:
        for path in named:
            if (who := held.enter_context(share_folder(path))) is not None:
                raise InputError(
                    f"{path}: a sweep is writing to this folder ({who}); wait for its end"
                )
        # a sweep was stopped in these before it had written anything
        empty = [path for path in named if (path / ".lock").exists() and not has_results(path)]
        paths = [path for path in named if path not in empty]
        if not paths:
            raise InputError(
                "merge: name at least one results folder beside the one that they go into"
            )
        into.mkdir(parents=True, exist_ok=True)
        held.enter_context(hold_folder(into))
        sources = [_source(path) for path in paths]
        store = Store(into)
        there = _source(into) if list_files(into, "runs") else None
        known = sources if there is None else [there, *sources]
        asking = sources if _extend(sources, there) else known
        _refuse_other_sweeps(asking)
        chosen = _choose_copies(known)
        planned = _planned(asking)
        if not allow_mixed:
            _refuse_mixture({run: chosen[run] for run in planned if run in chosen})
        new = {
            run: source
            for run, source in chosen.items()
            if there is None or run not in there.runs or there.runs[run].failed
            if source is not there
        }
        if new:
            store.rescue(
                {
                    "runs": {run: source.runs[run] for run, source in new.items()},
                    **{name: dict(_find_rows(new, known, name)) for name in ("epochs", "metrics")},
                }
            )
        plan = max((source.plan for source in asking), key=lambda plan: plan.runs)
        first_plan = join_first_plans(each.plan.first_plan for each in known)
        about = plan.warnings, plan.data, first_plan
        store.compact([*planned.values()], plan.sweep_text, plan.target, plan.runs, *about)
        done = store.done()
        missing = sum(run not in done for run in planned)
    return Merged(into, len(chosen), len(new), missing, tuple(empty))


def _source(folder: Path) -> _Source:
    return _Source(folder, read_plan(folder), index_folder(folder))


def _extend(shards: Sequence[_Source], there: _Source | None) -> bool:
    """Whether these are shards of a changed sweep file that left out what the folder holds of the
    file before: they then determine what is asked for, as a sweep that is continued does."""
    if there is None:
        return False
    text = there.plan.sweep_text
    return all(shard.plan.extends == digest_text(text) for shard in shards)


def _refuse_other_sweeps(sources: Sequence[_Source]) -> None:
    first = sources[0]
    for other in sources[1:]:
        if other.plan.sweep_text != first.plan.sweep_text:
            raise InputError(
                f"{other.folder} was made from another sweep file than {first.folder}; results are "
                f"merged where both are the same (sweep.yaml in each)"
            )


def _choose_copies(sources: Sequence[_Source]) -> dict[str, _Source]:
    """Return where each run is taken from: the first that has it, but a failure gives way.

    Raises `InputError` if two have a run with different numbers.
    """
    chosen: dict[str, _Source] = {}
    for source in sources:
        twice: dict[int, list[str]] = {}  # by the source that has a run already
        for run, place in source.runs.items():
            before = chosen.get(run)
            if before is None or before.runs[run].failed:
                chosen[run] = source
            elif not place.failed:
                twice.setdefault(sources.index(before), []).append(run)
        for index, runs in twice.items():
            _refuse_conflicts(sources[index], source, runs)
    return chosen


def _refuse_conflicts(one: _Source, other: _Source, runs: Sequence[str]) -> None:
    """Raise `InputError` where the rows of a run differ in anything but how long it took."""
    for name in KEPT:
        here, there = one.places[name], other.places[name]
        with Rows(name) as rows:
            for some in _chunks([run for run in runs if run in here and run in there]):
                left, right = (
                    _numbers(rows.take([of[run] for run in some])) for of in (here, there)
                )
                if left.equals(right):
                    continue
                run, column = _describe_conflict(left, right, name)
                raise InputError(
                    f"{one.folder} and {other.folder} both have run {run}, with different "
                    f"{column}: such results are not merged; remove the one that is wrong"
                )


def _numbers(rows: pa.Table) -> pa.Table:
    left_out = {*HOW_LONG, *ROLES, "target", "epochs_to_target"}
    return rows.select([name for name in rows.column_names if name not in left_out])


def _describe_conflict(left: pa.Table, right: pa.Table, name: str) -> tuple[str, str]:
    for one, other in zip(left.to_pylist(), right.to_pylist(), strict=False):
        for column in one:
            if one[column] != other[column]:
                return one["run_id"], column
    return left["run_id"][0].as_py(), name  # one of them has more


def _refuse_mixture(chosen: Mapping[str, _Source]) -> None:
    made_with: dict[tuple[str, ...], Path] = {}
    engines: dict[tuple[object, ...], dict[str, Path]] = {}
    with Rows("runs") as rows:
        for some in _chunks(list(chosen)):
            taken = rows.take([chosen[run].runs[run] for run in some])
            columns = [*MADE_WITH, "engine", *_DECIDE_ENGINE]
            for run, row in zip(some, taken.select(columns).to_pylist(), strict=True):
                folder = chosen[run].folder
                made_with.setdefault(tuple(row[name] for name in MADE_WITH), folder)
                if row["engine"] not in FOREIGN:
                    alike = engines.setdefault(tuple(row[name] for name in _DECIDE_ENGINE), {})
                    alike.setdefault(row["engine"], folder)
    if len(made_with) > 1:
        kinds = [f"torch {torch} on {name} in {path}" for (name, torch), path in made_with.items()]
        raise InputError(
            f"there are runs of {join_words(kinds)}. Such numbers are not compared unless you ask "
            f"for it: --allow-mixed merges them, and the report says so"
        )
    for alike in engines.values():
        if len(alike) > 1:
            kinds = [f"the {engine} engine in {path}" for engine, path in alike.items()]
            raise InputError(
                f"runs of the same network, optimizer and scheduler trained on "
                f"{join_words(kinds)}: their numbers agree but for rounding, which training "
                f"magnifies. --allow-mixed merges them, and the report names both"
            )


def _find_rows(
    chosen: Mapping[str, _Source], sources: Sequence[_Source], name: str
) -> Iterator[tuple[str, Place]]:
    for run, source in chosen.items():
        for each in (source, *sources):  # a kill may have left them elsewhere
            if run in each.places[name]:
                yield run, each.places[name][run]
                break


def _planned(sources: Sequence[_Source]) -> dict[str, Run]:
    """Return all runs that are planned anywhere by id, in the sweep's order.

    Shards differ where one knew of base rates or of more seeds and another did not yet: the longest
    plan comes first then, and what only others have after it. The next sweep puts that in order.
    """
    plans = [read_plan_runs(source.folder) for source in sources]
    plans.sort(key=lambda runs: (-len(runs), [run.run_id for run in runs]))
    joined: dict[str, Run] = {}
    for run in (run for runs in plans for run in runs):
        joined.setdefault(run.run_id, run)
    return joined


def _chunks(runs: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(runs)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
