"""The report's style and script, which stand inside the page, and what a browser may do with it."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from markupsafe import Markup

SCRIPTS = ("tables.js", "report.js")
"""The parts of the script, in order."""


def page_assets() -> dict[str, Markup]:
    """Return what the template needs: `style`, `script` and `policy`.

    The policy forbids every request and any script but this one, which it knows by its digest.
    Style attributes are allowed, since figures have them.
    """
    script = "\n".join(map(_text, SCRIPTS))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = {
        "default-src": "'none'",
        "script-src": f"'sha256-{digest}'",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return {
        "style": Markup(_text("report.css")),
        "script": Markup(script),
        "policy": Markup("; ".join(f"{name} {value}" for name, value in policy.items())),
    }


def _text(name: str) -> str:
    return (files("lrdecay") / "templates" / name).read_text(encoding="utf-8")
