"""What a sweep is called, and so its results, without a check of all that its file says."""

import re
from pathlib import Path

from lrdecay.core.yaml import YamlError, parse_yaml

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


def make_name(source: str) -> str:
    """Return the name of a sweep whose file gives none: the file's own, as far as it can be one."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", Path(source).stem).lstrip("_.-")[:64] or "sweep"


def read_name(file: Path) -> str | None:
    """Return the name that a sweep file gives, or None where it has mistakes that hide it."""
    try:
        value = parse_yaml(file.read_text("utf-8-sig")).value
    except (OSError, ValueError, YamlError):
        return None
    name = value.get("name", make_name(str(file))) if isinstance(value, dict) else None
    return name if isinstance(name, str) and re.fullmatch(NAME_PATTERN, name) else None
