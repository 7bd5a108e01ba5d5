"""The report's style and script, which stand inside the page, and what a browser may do with it."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from markupsafe import Markup


def page_assets() -> dict[str, Markup]:
    """Return what the template needs: `style`, `script` and `policy`.

    The policy forbids every request and any script but this one, which it knows by its digest.
    Style attributes are allowed, since figures have them.
    """
    folder = files("lrdecay") / "templates"
    style, script = (
        (folder / name).read_text(encoding="utf-8") for name in ("report.css", "report.js")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = {
        "default-src": "'none'",
        "script-src": f"'sha256-{digest}'",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return {
        "style": Markup(style),
        "script": Markup(script),
        "policy": Markup("; ".join(f"{name} {value}" for name, value in policy.items())),
    }
