"""How a results folder is laid out.

It holds

    runs.parquet     one row per run of the sweep as it stands now
    epochs.parquet   one row per run x epoch x split
    metrics.parquet  one row per value of the user's own metrics, if there are any
    plan.parquet     one row per run that the sweep asks for, trained or not
    sweep.yaml       the sweep file that they belong to
    parts/           runs committed since the tables were last written
    batches/         parts of a long sweep, joined
    earlier/         runs that the sweep file no longer asks for; used again if it does
    quarantine/      files that were found damaged (`lrdecay verify`)
    repeats/         a results folder of runs that trained once more (`lrdecay sweep --repeat`)
    export/          what `lrdecay export` made of them

Runs go from parts to batches to the tables, and are in the next place before they leave the last.
Whoever reads lists the places in that order, so that it misses none.
"""

import hashlib
from pathlib import Path

from lrdecay.core.errors import InputError

RESULTS = ("runs", "epochs")
"""The tables that a part, a batch and the folder itself have; the plan is apart from them."""
KEPT = (*RESULTS, "metrics")
"""The same and the one that they may have."""

REPEATS, EXPORT = "repeats", "export"
"""The folders, within that of a sweep, of runs that trained once more, and of exports."""


def refuse_link(folder: Path, name: str) -> None:
    """Refuse what leads out of a results folder: files in there are written, moved and removed.

    Raises `InputError` where `name` in the folder is a link.
    """
    if (folder / name).is_symlink():
        raise InputError(f"{folder / name}: a link; a results folder must hold its {name} itself")


def list_folders(folder: Path, kind: str) -> list[Path]:
    """Return the committed parts or batches, oldest first."""
    home = folder / kind
    there = home.iterdir() if home.is_dir() else ()
    found = [p for p in there if p.name[0] != "." and p.is_dir() and not p.is_symlink()]
    return sorted(found, key=lambda part: (part.stat().st_mtime_ns, part.name))


def list_parts(folder: Path) -> list[Path]:
    """Return the committed parts, then the batches: the order in which runs move on."""
    return [part for kind in ("parts", "batches") for part in list_folders(folder, kind)]


def has_results(folder: Path) -> bool:
    """Return whether a sweep has written a plan or a table there."""
    tables = (path for name in RESULTS for path in list_files(folder, name))
    return any(path.exists() for path in (folder / "plan.parquet", *tables))


def digest_text(sweep_text: str) -> str:
    """Return what names a sweep file in the plan of a shard that extends it."""
    return hashlib.sha256(sweep_text.encode()).hexdigest()[:16]


def name_part(part: Path) -> str:
    """Return the name of a part or batch: a digest of what it holds, and of nothing else."""
    sha = hashlib.sha256()
    for path in list_tables(part):
        sha.update(path.read_bytes())
    return sha.hexdigest()[:16]


def list_tables(home: Path) -> list[Path]:
    """Return the files of a part, or of another folder of results: those that it must have, and
    that which it may have if it is there."""
    paths = [home / f"{name}.parquet" for name in KEPT]
    return [path for path in paths if path.stem in RESULTS or path.exists()]


def list_current(folder: Path, name: str) -> list[Path]:
    """Return the files of a table. The order in which they are looked for is that in which runs
    move on; of copies the last place is to count."""
    moving = [part / f"{name}.parquet" for part in list_parts(folder)]
    if name not in RESULTS:
        # a part that has just moved on must be missed, not taken for one without
        moving = [path for path in moving if path.exists() or not path.parent.is_dir()]
    main = folder / f"{name}.parquet"
    return [*([main] if main.exists() else []), *moving]


def list_earlier(folder: Path, name: str) -> list[Path]:
    """Return the file of a table of runs that the sweep no longer asks for, if there is one."""
    path = folder / "earlier" / f"{name}.parquet"
    return [path] if path.exists() else []


def list_files(folder: Path, name: str) -> list[Path]:
    """Return the files of a table, those of runs that the sweep no longer asks for last."""
    return [*list_current(folder, name), *list_earlier(folder, name)]
