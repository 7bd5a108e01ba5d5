"""Whether a results folder is as it was written: every checksum, key, count and identity.

A file that is not is moved to `quarantine/`, and its undamaged runs are kept.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lrdecay.core.errors import DamagedError, InputError
from lrdecay.core.run import SEMANTICS, Run
from lrdecay.store.columns import FOREIGN
from lrdecay.store.layout import KEPT, REPEATS, RESULTS, has_results, list_parts, name_part
from lrdecay.store.lock import hold_folder
from lrdecay.store.parquet import Sealed, open_sealed
from lrdecay.store.reader import read_plan, read_plan_runs
from lrdecay.store.row_index import Place, locate_rows
from lrdecay.store.schema import SPLITS, STATUSES
from lrdecay.store.versions import read_groups, read_table
from lrdecay.store.writer import Store

_FIELDS = tuple(each.name for each in fields(Run))


@dataclass(frozen=True)
class Finding:
    """A file or run that is not as it should be; paths are relative to the results folder."""

    path: str
    reason: str


@dataclass(frozen=True)
class Verification:
    """What was checked, and what was found.

    `pending` are the planned runs without a result, None where the plan itself is lost.
    """

    files: int
    runs: int
    epochs: int
    findings: tuple[Finding, ...]
    pending: tuple[Run, ...] | None


@dataclass
class _Home:
    """A folder with the tables: what of it is sound, and what is wrong with it."""

    path: Path
    findings: list[tuple[str, str]] = field(default_factory=list)
    places: dict[str, dict[str, Place]] = field(default_factory=lambda: {n: {} for n in KEPT})
    runs: dict[str, Mapping[str, object]] = field(default_factory=dict)
    """What was asked of each sound run, and its status, engine and count of metrics."""
    curves: dict[str, tuple[int, bool | None]] = field(default_factory=dict)
    """How many epochs of each run are there, and whether with validation; None where some have
    other splits than others."""

    def report(self, name: str, reason: str) -> None:
        self.findings.append((name, reason))


def verify_results(folder: str | Path) -> Verification:
    """Check all files of a results folder, and move those that are damaged to `quarantine/`.

    Undamaged runs of a damaged file are kept. Checked are the seals and page checksums, the names
    of parts, that each run is there once and its run_id is that of its configuration, and that its
    epochs and metrics are complete. What was trained once more, in `repeats/`, is checked too.

    Raises `InputError` where there are no results, or a sweep is writing.
    """
    folder = Path(folder)
    found = _verify(folder)
    if not _can_verify(folder / REPEATS):
        return found
    again = _verify(folder / REPEATS)
    return replace(
        found,
        files=found.files + again.files,
        runs=found.runs + again.runs,
        epochs=found.epochs + again.epochs,
        findings=found.findings
        + tuple(Finding(f"{REPEATS}/{each.path}", each.reason) for each in again.findings),
    )


def _verify(folder: Path) -> Verification:
    if not _can_verify(folder):
        raise InputError(f"no results in {folder}: nothing to verify")
    homes = [folder, folder / "earlier"]
    with hold_folder(folder):
        store = Store(folder)
        parts = list_parts(folder)
        checked = [
            _check_file(home, is_part=home in parts)
            for home in (*homes, *parts)
            if home in parts or any((home / f"{name}.parquet").exists() for name in KEPT)
        ]
        _check_together(checked)
        findings = [
            Finding(str((home.path / name).relative_to(folder)), reason)
            for home in checked
            for name, reason in home.findings
        ]
        aside = folder / "quarantine" / datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        plan = folder / "plan.parquet"
        has_plan = plan.exists()
        if has_plan:
            try:
                read_table(plan)
            except DamagedError as error:
                findings.append(Finding(plan.name, error.reason))
                _move(plan, aside / plan.name)
                has_plan = False
        for home in checked:
            if home.findings:
                _set_aside(home, checked, store, aside / home.path.relative_to(folder))
        pending = None
        if has_plan:
            planned = read_plan_runs(folder)
            if findings:
                facts = read_plan(folder)
                about = facts.warnings, facts.data, facts.first_plan
                store.compact(planned, facts.sweep_text, facts.target, facts.runs, *about)
            done = store.done()
            pending = tuple(run for run in planned if run.run_id not in done)
    sound = {run: home for home in checked for run in home.runs}
    return Verification(
        files=sum((home.path / f"{n}.parquet").exists() for home in checked for n in KEPT),
        runs=len(sound),
        epochs=sum(sound[run].curves.get(run, (0, False))[0] for run in sound),
        findings=tuple(findings),
        pending=pending,
    )


def _can_verify(folder: Path) -> bool:
    return has_results(folder) or (folder / "parts").exists()


def _check_file(home: Path, is_part: bool) -> _Home:
    """Check the tables of one folder by themselves."""
    found = _Home(home)
    checks = {"runs": _check_runs, "epochs": _check_curves, "metrics": _check_metrics}
    for name, check in checks.items():
        path = home / f"{name}.parquet"
        if not path.exists():
            # a kill while they are written for the first time leaves the others without the runs
            is_due = is_part or (name == "epochs" and (home / "runs.parquet").exists())
            if name in RESULTS and is_due:
                found.report(path.name, "it is missing")
            continue
        for sealed, group in _sound_groups(path, found):
            check(found, sealed, group)
    if is_part and not found.findings and name_part(home) != home.name:
        found.report("", "its name is not the digest of what it holds")
    return found


def _sound_groups(path: Path, found: _Home) -> Iterator[tuple[Sealed, int]]:
    """Give the row groups that can be read; say what is wrong with the file."""
    try:
        with open_sealed(path):
            pass
    except DamagedError as error:
        found.report(path.name, error.reason)
    try:
        with open_sealed(path, trust=True) as sealed:
            for group in range(sealed.file.num_row_groups):
                try:
                    read_groups(sealed, [group])
                except DamagedError as error:
                    if all(path.name != name for name, _ in found.findings):
                        found.report(path.name, error.reason)
                    continue
                yield sealed, group
    except DamagedError:
        return  # its footer cannot be trusted, which is reported already


def _check_runs(found: _Home, sealed: Sealed, group: int) -> None:
    beside = ("semantics", "status", "engine", "metric_values")
    rows = read_groups(sealed, [group], ["run_id", *_FIELDS, *beside])
    at = dict(locate_rows(sealed, [group]))
    for row in rows.to_pylist():
        run = row["run_id"]
        if run in found.runs:
            found.report("runs.parquet", f"run {run} is there twice")
        elif row["status"] not in STATUSES:
            found.report("runs.parquet", f"run {run} has the status {row['status']!r}")
        elif row["semantics"] == SEMANTICS and run != Run(**{n: row[n] for n in _FIELDS}).run_id:
            found.report("runs.parquet", f"run {run} does not match its identity")
        else:
            found.runs[run] = row
            found.places["runs"][run] = at[run]


def _check_curves(found: _Home, sealed: Sealed, group: int) -> None:
    rows = read_groups(sealed, [group], ["run_id", "epoch", "split"])
    epochs = rows["epoch"].to_numpy()
    splits = pc.index_in(rows["split"], pa.array(SPLITS)).to_numpy()
    for run, place in locate_rows(sealed, [group]):
        of_run = slice(place.first, place.first + place.count)
        count = int(epochs[of_run][-1])
        width, rest = divmod(place.count, max(count, 1))
        codes = [0, 1, 2, 3] if width == len(SPLITS) else [0, 1, 3]
        whole = (
            rest == 0
            and width == len(codes)
            and (splits[of_run].reshape(-1, width) == codes).all()
            and (epochs[of_run] == np.repeat(np.arange(1, count + 1), width)).all()
        )
        if run in found.curves:
            found.report("epochs.parquet", f"run {run} is there twice")
        else:
            found.curves[run] = (count, width == len(SPLITS) if whole else None)
            found.places["epochs"][run] = place


def _check_metrics(found: _Home, sealed: Sealed, group: int) -> None:
    for run, place in locate_rows(sealed, [group]):
        if run in found.places["metrics"]:
            found.report("metrics.parquet", f"run {run} is there twice")
        else:
            found.places["metrics"][run] = place


def _check_together(homes: Sequence[_Home]) -> None:
    """Check that each run's epochs and metrics are complete. A kill can leave a run's row and its
    epochs in different folders, so that all count; what is not complete is no result."""
    foreign = {run for home in homes for run, row in home.runs.items() if _is_foreign(row)}
    curves: dict[str, set[tuple[int, bool | None]]] = {}
    values: dict[str, set[int]] = {}
    for home in homes:
        for run, (_, validated) in list(home.curves.items()):
            if validated is None and run not in foreign:  # another loop may measure what it likes
                home.report("epochs.parquet", f"run {run} has missing epochs or splits")
                del home.curves[run], home.places["epochs"][run]
        for run, curve in home.curves.items():
            curves.setdefault(run, set()).add(curve)
        for run, place in home.places["metrics"].items():
            values.setdefault(run, set()).add(place.count)
    for home in homes:
        damaged = bool(home.findings)
        for run, row in list(home.runs.items()):
            count = row["metric_values"]
            lacking = []
            if not _is_foreign(row) and not _complete(row, curves.get(run)):
                lacking.append("epochs")
            if count is not None and values.get(run) != {count}:
                lacking.append("metrics")
            if lacking:
                del home.runs[run], home.places["runs"][run]
            for name in () if damaged else lacking:
                home.report(f"{name}.parquet", f"run {run} has missing {name}")


def _is_foreign(row: Mapping[str, object]) -> bool:
    return row["engine"] in FOREIGN


def _complete(row: Mapping[str, object], curves: set[tuple[int, bool | None]] | None) -> bool:
    epochs, validated = row["epochs"], row["validation"] != 0
    assert isinstance(epochs, int)
    match row["status"]:
        case "completed":
            return curves == {(epochs, validated)}
        case "diverged":
            return not curves or (len(curves) == 1 and next(iter(curves))[0] < epochs)
        case _:
            return True


def _set_aside(home: _Home, homes: Sequence[_Home], store: Store, aside: Path) -> None:
    """Move the tables of a folder away, after their sound runs are in a part of their own."""
    places = {name: dict(of_home) for name, of_home in home.places.items()}
    for other in homes:  # a kill may have left the epochs elsewhere
        if not other.findings:
            for name in ("epochs", "metrics"):
                elsewhere = other.places[name]
                for run in places["runs"].keys() & elsewhere.keys():
                    places[name].setdefault(run, elsewhere[run])
    places["runs"] = {
        run: place
        for run, place in places["runs"].items()
        if run in places["epochs"] or not _needs_epochs(home.runs[run])
        if run in places["metrics"] or home.runs[run]["metric_values"] is None
    }
    if places["runs"]:
        store.rescue(places)
    for name in KEPT:
        path = home.path / f"{name}.parquet"
        if path.exists():
            _move(path, aside / path.name)
    if home.path.parent.name in ("parts", "batches"):
        for left_over in home.path.iterdir():
            _move(left_over, aside / left_over.name)
        home.path.rmdir()


def _needs_epochs(row: Mapping[str, object]) -> bool:
    return row["status"] == "completed" and not _is_foreign(row)


def _move(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    os.rename(path, to)
