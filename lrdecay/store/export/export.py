"""Which formats there are, and how an export comes into place."""

import os
import shlex
import shutil
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from lrdecay.core.errors import InputError
from lrdecay.core.sanitize import sanitize_line
from lrdecay.core.text import join_words
from lrdecay.store.atomic import lock_scratch, name_scratch, remove_scratch, sync_folder
from lrdecay.store.export.base import OnProgress, Tables
from lrdecay.store.layout import EXPORT, refuse_link

_MARK = ".lrdecay-export"


@dataclass(frozen=True)
class Format:
    """A format of `lrdecay export`: the modules that it needs, the packages that have them, and the
    command that shows an export."""

    needs: tuple[str, ...] = ()
    packages: str = ""
    look: str = ""

    def write_command(self, folder: Path) -> str:
        """Return the command that shows the export in a folder; empty where there is none."""
        return self.look.format(folder=shlex.quote(str(folder)))


FORMATS = {
    "csv": Format(),
    "tensorboard": Format(("tensorboardX",), "tensorboardX", "tensorboard --logdir {folder}"),
    "mlflow": Format(
        ("mlflow", "sqlalchemy", "alembic"),
        "mlflow-skinny sqlalchemy alembic",
        "cd {folder} && mlflow ui --backend-store-uri sqlite:///mlflow.db",
    ),
}


def export_results(
    folder: Path,
    to: str,
    output: Path | None = None,
    on_progress: OnProgress = lambda done, of: None,
) -> Path:
    """Write the tables of a results folder in another format and return the folder of the export.

    An earlier export there is replaced entirely, once the new one is complete.

    Args:
        folder: a results folder, as `lrdecay sweep` leaves it, finished or not.
        to: one of `FORMATS`.
        output: the folder to write; export/`to` in the results folder unless given.
        on_progress: called on the way with how many runs (csv: rows) are written, and of how many.

    Raises:
        InputError: there are no runs, no such format, the packages that it takes are not installed,
            or the folder to write holds something that no export has written.
    """
    if to not in FORMATS:
        raise InputError(f"--to {to}: unknown; choose one of {', '.join(FORMATS)}")
    chosen = FORMATS[to]
    missing = [name for name in chosen.needs if find_spec(name) is None]
    if missing:
        raise InputError(
            f"--to {to} needs {join_words(missing)}, not installed here: pip install "
            f"{chosen.packages}"
        )
    if output is None:
        refuse_link(folder, EXPORT)
    home = folder / EXPORT / to if output is None else output
    _check_place(home)

    from lrdecay.store import reader

    runs = reader.read_runs(folder)
    if runs.empty:
        raise InputError(f"no runs in {folder}: `lrdecay sweep FILE` trains a sweep into it")
    epochs, metrics = reader.read_epochs(folder), reader.read_metrics(folder)
    home.parent.mkdir(parents=True, exist_ok=True)
    remove_scratch(home)
    scratch = name_scratch(home)
    scratch.mkdir()
    try:
        # the packages of a format are imported only now
        write = getattr(import_module(f"lrdecay.store.export.{to}"), f"write_{to}")
        name = sanitize_line(folder.resolve().name)
        tables = Tables(name, runs, epochs, metrics, home.resolve())
        with lock_scratch(scratch):
            write(tables, scratch, on_progress)
            (scratch / _MARK).write_text(f"{to}\n")
            _put(scratch, home)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return home


def _check_place(home: Path) -> None:
    if not os.path.lexists(home):
        return
    if home.is_symlink() or not home.is_dir():
        raise InputError(f"--output {home}: not a folder")
    if any(home.iterdir()) and not (home / _MARK).is_file():
        raise InputError(
            f"--output {home}: it holds files that `lrdecay export` has not written; give an empty "
            f"or a new folder"
        )


def _put(scratch: Path, home: Path) -> None:
    """Bring a complete export into place; the one before leaves by a rename, so that no moment has
    a mixture of both."""
    _check_place(home)  # once more: writing may have taken minutes
    before = name_scratch(home, "old")
    if home.exists():
        os.rename(home, before)
    try:
        os.rename(scratch, home)
    except OSError:
        if before.exists():
            os.rename(before, home)
        raise
    if before.exists():
        shutil.rmtree(before)
    remove_scratch(home, "old")
    sync_folder(home.parent)
