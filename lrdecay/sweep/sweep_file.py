"""Which file is meant by what a user gives: a path, or the name of a sweep, here or shipped.

A sweep that comes with lrdecay is named by its path in `shipped/`, without the ending: `digits`, or
`published/mnist_example`.
"""

import os
from pathlib import Path

from lrdecay.core.errors import InputError
from lrdecay.core.text import suggest_name

SUFFIXES = (".yaml", ".yml")
DEFAULT_FILE = "sweep.yaml"
DEFAULT_NAME = "digits"
SHIPPED = Path(__file__).parent / "shipped"


def list_shipped() -> dict[str, Path]:
    """Return the sweep files that come with lrdecay by name, those in folders last."""
    names = [path.relative_to(SHIPPED).with_suffix("") for path in SHIPPED.rglob("*.yaml")]
    names.sort(key=lambda name: (len(name.parts), name))
    return {name.as_posix(): SHIPPED / f"{name}.yaml" for name in names}


def find_sweep_file(given: str | Path | None = None) -> Path:
    """Return the sweep file that is meant; whether it can be read is for the reader to say.

    A path of a file, or one that ends as a sweep file does, is taken as it is, anything else as a
    name; see `find_by_name`. Nothing at all is `sweep.yaml` here, else the digits.

    Raises:
        InputError: there is no sweep of that name; says which ones come with lrdecay.
    """
    if given is None:
        here = Path(DEFAULT_FILE)
        return here if os.path.isfile(here) else list_shipped()[DEFAULT_NAME]
    path = Path(given)
    # the methods of Path raise for names that no file can have
    is_folder = os.path.isdir(path)
    if path.suffix in SUFFIXES or (os.path.lexists(path) and not is_folder):
        return path
    found = find_by_name(path)
    if found is None and not is_folder:
        raise InputError(
            f"sweep {suggest_name(str(path), list_shipped())}; "
            f"nor is there a file of that name, with .yaml or without, in {Path.cwd()}"
        )
    return found or path


def find_by_name(name: Path) -> Path | None:
    """Return NAME.yaml or NAME.yml, else the sweep of that name that comes with lrdecay, if any:
    what users have here goes before what they were given."""
    for suffix in SUFFIXES:
        if os.path.isfile(here := Path(f"{name}{suffix}")):
            return here
    return list_shipped().get(name.as_posix())


def suggest_shipped(path: Path) -> str:
    """Return which sweep may be meant by a path without a file, to be added to what is wrong; empty
    if none that comes with lrdecay has that name."""
    meant = [name for name in list_shipped() if Path(name).name == path.stem]
    return f"; did you mean {meant[0]}, which comes with lrdecay?" if meant else ""
