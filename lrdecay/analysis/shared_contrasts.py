"""What several sweeps have in common: differences to one reference, by one metric, on each of their
datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from lrdecay.analysis.axes import list_strata
from lrdecay.analysis.conclusions import Conclusions
from lrdecay.analysis.departures import list_schedules
from lrdecay.core.text import format_dropout, join_filled, join_words
from lrdecay.core.yaml import YamlError, parse_yaml

_PLACE = ["scheduler", "dropout"]


@dataclass(frozen=True, eq=False)
class DatasetPart:
    """The primary differences of one sweep on one dataset: rows of its `found.primary`, whose index
    is the number of the contrast. `digest` is that of the dataset."""

    label: str
    sweep: str
    dataset: str
    digest: str
    found: Conclusions
    stated: Mapping[str, Any]

    @property
    def rows(self) -> pd.DataFrame:
        """The rows of this dataset, numbered as the contrasts of the sweep are."""
        table = self.found.primary.reset_index(drop=True)
        return table[table["dataset"] == self.dataset] if "dataset" in table else table

    def find_schedule(self, scheduler: str) -> tuple[str, ...]:
        """Return what a label stands for in the runs; nothing where that is not known, as of runs
        that were imported, whose arguments tell imports apart and no schedules."""
        if self.found.blocks.imported:
            return ()
        listed = list_schedules(self.found.blocks.runs, scheduler)
        return tuple(text for text in listed if isinstance(text, str))


@dataclass(frozen=True, eq=False)
class SharedContrasts:
    """What sweeps share. `apart` says which sweeps are not here, and why; `incomparable`, why no
    two of the rest can be shown together, if so; `not_averaged`, why nothing is averaged, if so;
    `left_out`, what is not averaged of what is shown."""

    parts: Sequence[DatasetPart] = ()
    places: Sequence[tuple[str, float]] = ()
    apart: Sequence[str] = ()
    incomparable: str = ""
    not_averaged: str = ""
    left_out: Sequence[str] = field(default_factory=tuple)

    @property
    def are_datasets(self) -> bool:
        """Whether the parts are as many datasets, by their names."""
        names = [part.dataset for part in self.parts]
        return all(names) and len(set(names)) == len(names)


def find_shared_contrasts(
    sweeps: Mapping[str, Conclusions], sweep_texts: Mapping[str, str] | None = None
) -> SharedContrasts:
    """Return what sweeps, by their names, have in common.

    A scheduler is the same in two sweeps if its class and arguments are, or if the sweep files,
    `sweep_texts`, say the same of it: `T_max: epochs` is the length of each sweep's own runs. Of
    imported runs the label is all that is known, so it counts.
    """
    apart = [each for name, found in sweeps.items() for each in _find_several(name, found)]
    whole = {name: f for name, f in sweeps.items() if not [*_find_several(name, f)]}
    parts = _list_parts(whole, sweep_texts or {})
    if len(parts) < 2:
        return SharedContrasts(
            parts, apart=apart, incomparable="Fewer than two are left to compare."
        )
    if why := _find_unlike(parts):
        return SharedContrasts(parts, apart=apart, incomparable=why)
    places = [p for p in _list_places(parts[0]) if all(p in _list_places(q) for q in parts[1:])]
    differing = [s for s in dict.fromkeys(s for s, _ in places) if _differs(parts, s)]
    kept = [place for place in places if place[0] not in differing]
    left_out = [*_list_left_out(parts, places, differing)]
    why = _find_overlap(parts)
    if not why and not kept:
        why = "no scheduler is the same in all of them, at a dropout that all have"
    return SharedContrasts(parts, [] if why else kept, apart, "", why, [] if why else left_out)


def _find_several(name: str, found: Conclusions) -> Iterator[str]:
    """Yield that a sweep has several settings, of which none is the one to compare."""
    axes = [axis for axis in list_strata(found.primary) if axis != "dataset"]
    if axes:
        yield f"{name} has several values of {join_words(axes)}"
    elif found.primary.empty:
        several = found.blocks.cells["scheduler"].nunique() > 1
        what = f"nothing to compare with {found.reference}" if several else "one scheduler only"
        yield f"{name} has {what}"


def _list_parts(
    sweeps: Mapping[str, Conclusions], sweep_texts: Mapping[str, str]
) -> list[DatasetPart]:
    found = []
    for name, each in sweeps.items():
        runs = each.blocks.runs
        columns = {key: runs.get(key, "") for key in ("dataset", "dataset_digest")}
        stated = _read_schedulers(sweep_texts.get(name, ""))
        own = pd.DataFrame(columns, index=runs.index).fillna("").drop_duplicates("dataset")
        for dataset, digest in own.itertuples(index=False):
            found.append((name, str(dataset), str(digest), each, stated))
    # a dataset's own name says more than that of its sweep, where it has one
    datasets = [dataset for _, dataset, *_ in found]
    named = len(set(datasets)) == len(datasets) and all(datasets)
    several = len({name for name, *_ in found}) < len(found)
    labels = [
        dataset if named else join_filled(name, dataset if several else "")
        for name, dataset, *_ in found
    ]
    return [DatasetPart(label, *each) for label, each in zip(labels, found, strict=True)]


def _read_schedulers(sweep_text: str) -> Mapping[str, Any]:
    """Return what a sweep file says of each scheduler; nothing where it cannot be read."""
    try:
        value = parse_yaml(sweep_text).value if sweep_text.strip() else {}
    except YamlError:
        return {}
    schedulers = value.get("schedulers") if isinstance(value, dict) else None
    return schedulers if isinstance(schedulers, dict) else {}


def _find_unlike(parts: Sequence[DatasetPart]) -> str:
    """Return why differences cannot stand on one axis; nothing where they can."""
    for what, values in (
        ("metrics", [part.found.metric.title for part in parts]),
        ("units or directions of the metric", [part.found.metric for part in parts]),
        ("references", [part.found.reference for part in parts]),
    ):
        if len(set(values)) > 1:
            named = [v for v in dict.fromkeys(values) if isinstance(v, str)]
            return f"They have different {what}{': ' if named else ''}{', '.join(named)}."
    return ""


def _find_overlap(parts: Sequence[DatasetPart]) -> str:
    """Return why these are not as many datasets; nothing where they are, and have one reference."""
    for place, part in enumerate(parts):
        if not part.dataset:
            return f"of which dataset {part.label} is, is not known"
        for other in parts[:place]:
            if part.dataset == other.dataset or part.digest == other.digest != "":
                return (
                    f"{other.label} and {part.label} are of one dataset, {part.dataset}, so they "
                    f"share their images, and two such are not two datasets"
                )
    reference = parts[0].found.reference
    if _differs(parts, reference):
        return f"the reference, {reference}, is not the same in all of them"
    return ""


def _differs(parts: Sequence[DatasetPart], scheduler: str) -> bool:
    """Return whether a label stands for several schedules, as the runs and as the files have it."""
    known = {schedule for part in parts if (schedule := part.find_schedule(scheduler))}
    stated = [part.stated.get(scheduler) for part in parts]
    return len(known) > 1 and (stated[0] is None or any(each != stated[0] for each in stated))


def _list_places(part: DatasetPart) -> list[tuple[str, float]]:
    """Return scheduler and dropout of each difference; -1 is a network's own dropout, which is
    null."""
    rows = part.rows[_PLACE].fillna({"dropout": -1.0})
    return [(str(scheduler), float(rate)) for scheduler, rate in rows.itertuples(index=False)]


def _list_left_out(
    parts: Sequence[DatasetPart], places: Sequence[tuple[str, float]], differing: Sequence[str]
) -> Iterator[str]:
    """Yield what is not averaged, and why."""
    if differing:
        differ = "differs" if len(differing) == 1 else "differ"
        yield f"{join_words(differing)} {differ} in parameters between the sweeps"
    every = dict.fromkeys(place for part in parts for place in _list_places(part))
    for rate in sorted({rate for _, rate in every}):
        names = [s for s, r in every if r == rate and (s, r) not in places]
        if names:
            where = "" if rate < 0 else f" at {format_dropout(rate)}"
            verb = "is" if len(names) == 1 else "are"
            yield f"{join_words(names)}{where} {verb} not in all of the sweeps"
