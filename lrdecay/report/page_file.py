"""A page that was written: a path which, in a notebook, shows the page."""

from __future__ import annotations

import os
import sys
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lrdecay.core.sanitize import sanitize

if TYPE_CHECKING:
    _Base = Path
else:  # before Python 3.12 `Path` itself cannot be derived from
    _Base = type(Path())

MAX_EMBEDDED = 2_000_000
"""Bytes of a page that is shown whole: Jupyter drops what comes at more than 1 MB a second over 3
seconds, and all of it is stored with the notebook."""
_BASE = '<base href="about:srcdoc">'
"""Without it a link within the page would lead to the notebook's address."""
_HEIGHT = "min(80vh, 48em)"


class PageFile(_Base):
    """The path of a page, in all that a `Path`. In a notebook it shows the page in a frame in which
    nothing of the page can reach the notebook; a link alone if the page is very large."""

    def with_segments(self, *segments: str | os.PathLike[str]) -> Path:
        """Return what is made of this path: its folder, for one, is no page."""
        return Path(*segments)

    if not TYPE_CHECKING and sys.version_info < (3, 12):
        # there `Path` makes what is derived of the class itself, by two methods of its own

        def __new__(cls, *segments: str | os.PathLike[str]) -> PageFile:
            """Return the page itself: the one path that is of this class."""
            return super()._from_parts(segments)

        @classmethod
        def _from_parts(cls, args: Any) -> Path:
            return _Base._from_parts(args)

        @classmethod
        def _from_parsed_parts(cls, drv: str, root: str, parts: list[str]) -> Path:
            return _Base._from_parsed_parts(drv, root, parts)

        def rename(self, target: str | os.PathLike[str]) -> Path:
            """Move the page and return where it is then."""
            return Path(self).rename(target)

        def replace(self, target: str | os.PathLike[str]) -> Path:
            """Move the page, over what is there, and return where it is then."""
            return Path(self).replace(target)

    def _repr_html_(self) -> str:
        link = _make_link(self)
        try:
            size = self.stat().st_size
            if not self.is_file():
                return link
            if size > MAX_EMBEDDED:
                return f"{link}: {size / 1e6:.1f} MB, so it is not shown here"
            page = self.read_text(encoding="utf-8")
        except (OSError, ValueError):  # it is gone, out of reach, or not a page any more
            return link
        page = page.replace("<head>", f"<head>{_BASE}", 1)
        page = page.replace("&", "&amp;").replace("'", "&#39;")  # of which a page has few
        style = f"width: 100%; height: {_HEIGHT}; border: 1px solid #8888"
        return (
            f"{link}<br><iframe title='report' sandbox='allow-scripts allow-downloads' "
            f"style='{style}' srcdoc='{page}'></iframe>"
        )


def _make_link(path: Path) -> str:
    """Return a link that works from the notebook's folder, for a page in or below it."""
    shown = f"<code>{escape(sanitize(str(path)))}</code>"
    try:
        parts = Path(os.path.relpath(path)).parts
    except (OSError, ValueError):  # the folder is gone, or on another drive
        return shown
    if os.pardir in parts:
        return shown
    address = "/".join(quote(os.fsencode(part), safe="") for part in parts)
    return f'<a href="{address}" target="_blank" rel="noopener">{shown}</a>'
