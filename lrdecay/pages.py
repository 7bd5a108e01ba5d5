"""How pages are rendered and written: one environment for all templates, everything escaped."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from lrdecay.files import write_text
from lrdecay.inert import inert
from lrdecay.wording import counted

_HEAD = "<head>"


def render(template: str, **values: object) -> str:
    """Return a page. Every text is escaped, and harmless as `inert` has it; `Markup` stays as it
    is."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lrdecay"),
        autoescape=True,
        finalize=_inert,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["counted"] = counted
    return environment.get_template(template).render(**values)


def write_page(page: str, path: Path) -> Path:
    """Write a page, whole or not at all, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(page, path)
    return path


def reloading(page: str, seconds: int) -> str:
    """Return a page that a browser loads again every so many seconds.

    >>> reloading("<html><head><title>a</title>", 5)
    '<html><head><meta http-equiv="refresh" content="5"><title>a</title>'
    """
    before, head, after = page.partition(_HEAD)
    if not head:
        raise ValueError("a page without a head")
    return f'{before}{head}<meta http-equiv="refresh" content="{seconds}">{after}'


def link(to: Iterable[str]) -> str:
    r"""Return a relative link of the names of folders and a file, whatever characters these have.

    >>> link(["..", "a b:c", "report.html"]), link(["javascript:alert(1)", 'x">'])
    ('../a%20b%3Ac/report.html', 'javascript%3Aalert%281%29/x%22%3E')
    """
    return "/".join(quote(os.fsencode(name), safe="") for name in to)


def _inert(value: object) -> object:
    """Return any value of a page, text without what a browser would obey; markup as it is."""
    return inert(value) if isinstance(value, str) and not isinstance(value, Markup) else value
