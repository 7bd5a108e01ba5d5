"""Where the commands print: consoles that show control characters instead of obeying them."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from lrdecay.core.sanitize import sanitize

for _size in ("COLUMNS", "LINES"):
    if not os.environ.get(_size, "").strip("0"):  # what has no terminal may set them to 0
        os.environ.pop(_size, None)


class _Inert(Console):
    """A console that obeys nothing in what it prints: labels, paths and errors are the user's, or
    come with a folder that someone else filled."""

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, stderr=stderr)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return any text that is printed, also that of a table's cells."""
        return super().render_str(sanitize(text), **options)

    def say(self, text: str) -> None:
        """Print text without breaking it into lines: a path can be copied in one piece."""
        self.print(text, soft_wrap=True)


out = _Inert()
err = _Inert(stderr=True)


def program_name() -> str:
    """Return what to type to call this program again."""
    called = sys.argv[0]
    return "lrdecay" if shutil.which("lrdecay") or Path(called).name != "lrdecay" else called
