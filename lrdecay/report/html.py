"""How pages are rendered and written: one environment for all templates, everything escaped."""

import base64
import hashlib
import os
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from lrdecay.core.sanitize import sanitize
from lrdecay.core.text import spell_count
from lrdecay.report.page_file import PageFile
from lrdecay.store.atomic import write_text

_HEAD = "<head>"


def render_template(template: str, **values: object) -> str:
    """Return a page. Every text is escaped, and harmless as `sanitize` has it; `Markup` stays as it
    is."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lrdecay.report"),
        autoescape=True,
        finalize=_inert,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["counted"] = spell_count
    return environment.get_template(template).render(**values)


def write_page(page: str, path: Path) -> PageFile:
    """Write a page, completely or not at all, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(page, path)
    return PageFile(path)


def add_reload(page: str, seconds: int) -> str:
    """Return a page that a browser loads again every so many seconds.

    >>> add_reload("<html><head><title>a</title>", 5)
    '<html><head><meta http-equiv="refresh" content="5"><title>a</title>'
    """
    before, head, after = page.partition(_HEAD)
    if not head:
        raise ValueError("a page without a head")
    return f'{before}{head}<meta http-equiv="refresh" content="{seconds}">{after}'


def make_link(to: Iterable[str]) -> str:
    r"""Return a relative link of the names of folders and a file, whatever characters these have.

    >>> make_link(["..", "a b:c", "report.html"]), make_link(["javascript:alert(1)", 'x">'])
    ('../a%20b%3Ac/report.html', 'javascript%3Aalert%281%29/x%22%3E')
    """
    return "/".join(quote(os.fsencode(name), safe="") for name in to)


def _inert(value: object) -> object:
    """Return any value of a page, text without what a browser would obey; markup as it is."""
    return sanitize(value) if isinstance(value, str) and not isinstance(value, Markup) else value


SCRIPTS = (
    "tables.js",
    "figures.js",
    "readouts.js",
    "legends.js",
    "pictures.js",
    "contents.js",
    "report.js",
)
"""The parts of the script, in order."""


def load_assets() -> dict[str, Markup]:
    """Return what the template needs: `style`, `script` and `policy`.

    The policy forbids every request and any script but this one, which it knows by its digest.
    Style attributes are allowed, since figures have them, and pictures that the page itself holds,
    since it makes a PNG of one.
    """
    script = "\n".join(map(_text, SCRIPTS))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = {
        "default-src": "'none'",
        "script-src": f"'sha256-{digest}'",
        "style-src": "'unsafe-inline'",
        "img-src": "blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return {
        "style": Markup(_text("report.css")),
        "script": Markup(script),
        "policy": Markup("; ".join(f"{name} {value}" for name, value in policy.items())),
    }


def _text(name: str) -> str:
    return (files("lrdecay.report") / "templates" / name).read_text(encoding="utf-8")
