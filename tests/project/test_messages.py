"""No message names what only a copy of the repository has: a wheel is all that many users have."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.paths import HOME


def texts(source: Path) -> Iterator[str]:
    """The strings of a module that users may see: all but docstrings, apart from those that are the
    help of a command."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    hidden = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and source.parent.name != "cli"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in hidden:
            yield node.value


def find_repository_names(text: str) -> list[str]:
    """What of a text only a copy of the repository has: its files, folders and make's targets."""
    targets = re.findall(r"^([a-z-]+):", (HOME / "Makefile").read_text(), re.MULTILINE)
    folders = "bench|docs|examples|tests"
    files = r"README\S*|CONTRIBUTING\S*|CHANGELOG\S*|Makefile|pyproject\.toml|requirements\.lock"
    pattern = rf"\b(?:{folders})/|\b(?:{files})|\bmake (?:{'|'.join(targets)})\b"
    return re.findall(pattern, text)


def test_no_message_names_what_only_the_repository_has():
    package = HOME / "lrdecay"
    shown = {path: list(texts(path)) for path in sorted(package.rglob("*.py"))}
    templates = sorted((package / "report" / "templates").iterdir())
    shown |= {path: [path.read_text(encoding="utf-8")] for path in templates}
    found = {
        f"{path.relative_to(HOME)}: {name}"
        for path, strings in shown.items()
        for text in strings
        for name in find_repository_names(text)
    }
    assert found == set()
    assert len(shown) > 100


@pytest.mark.parametrize(
    "text",
    [
        "lrdecay sweep bench/sweeps/digits.yaml",
        "see docs/sweeps.md",
        "run `make docs`",
        "README.md",
    ],
)
def test_a_message_that_names_it_is_found(text, tmp_path):
    (tmp_path / "module.py").write_text(f"'hidden'\nsay('for more', {text!r})\n")
    assert "hidden" not in texts(tmp_path / "module.py")
    assert [name for each in texts(tmp_path / "module.py") for name in find_repository_names(each)]
