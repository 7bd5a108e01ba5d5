"""A page that was written: a path which, in a notebook, shows the page."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
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

    def _repr_html_(self) -> str:
        link = _make_link(self)
        if not self.is_file():
            return link
        size = self.stat().st_size
        if size > MAX_EMBEDDED:
            return f"{link}: {size / 1e6:.1f} MB, so it is not shown here"
        page = self.read_text(encoding="utf-8").replace("<head>", f"<head>{_BASE}", 1)
        page = page.replace("&", "&amp;").replace("'", "&#39;")  # of which a page has few
        style = f"width: 100%; height: {_HEIGHT}; border: 1px solid #8888"
        return (
            f"{link}<br><iframe title='report' sandbox='allow-scripts allow-downloads' "
            f"style='{style}' srcdoc='{page}'></iframe>"
        )


def _make_link(path: Path) -> str:
    """Return a link that works from the notebook's folder, for a page in or below it."""
    shown = f"<code>{escape(sanitize(str(path)))}</code>"
    parts = Path(os.path.relpath(path.absolute(), Path.cwd())).parts
    if os.pardir in parts:
        return shown
    address = "/".join(quote(os.fsencode(part), safe="") for part in parts)
    return f'<a href="{address}" target="_blank" rel="noopener">{shown}</a>'
