"""What a result was made with: versions, commit, device."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch


@cache
def read_versions() -> dict[str, str | None]:
    """Return the columns of `runs` that name software: torch, Python, lrdecay and its commit."""
    return {
        "torch_version": torch.__version__,
        "python_version": platform.python_version(),
        "lrdecay_version": _own_version(),
        "git_commit": _git_commit(),
    }


def _own_version() -> str:
    try:
        return version("lrdecay")
    except PackageNotFoundError:  # run from its sources without being installed
        return "unknown"


def _git_commit() -> str | None:
    """Return the commit that lrdecay runs from, with `+changes` where files differ from it.

    None where it runs from no checkout.
    """
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.check_output(
            command, cwd=here.parents[1], stderr=subprocess.DEVNULL, text=True
        ).strip()

    try:
        git("ls-files", "--error-unmatch", str(here))  # an installed copy may lie in a checkout
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None
