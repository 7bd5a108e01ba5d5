"""The documents' code blocks: what kinds there are, and how each is checked.

    ```console    commands after `$ ` and what they print: run
    ```python     run, in one namespace for the page; a ```text right after it is what it prints.
                  One that begins with `# NAME.py` is there for the page's commands too
    ```text       what the python before it prints
    ```yaml       a sweep file, or a part of one: read. One with a name is there for the page's
                  commands, as is ```yaml NAME, which must be refused
    ```sh, bash   commands: their names and options are checked, nothing is run
    ```toml       entry points of a plug-in
    ```quote      a message that no test can bring about everywhere: its words stand in the code
    ```layout     a folder's files, each of which the program names
    ```diff A B   the lines that differ between two files, each less its first one

An indented block holds commands, as `sh` does. `<!-- file: NAME ... -->` is a file that the page's
commands find, `<!-- run: COMMAND -->` is run; readers see neither. `results/reference/mnist` is
there, as in the repository. In what is printed `...` stands for anything, as in doctests; seconds,
numbers of processes and progress lines are left out on both sides.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import typer.main
import yaml
from helpers import arithmetic, plugged
from helpers.paths import HOME, REFERENCE, SWEEPS
from typer.testing import CliRunner

from lrdecay.cli.app import app
from lrdecay.components import plugins, registry
from lrdecay.components.datasets.sources import DATA_VARIABLE
from lrdecay.sweep.diagnostics import SweepFileError
from lrdecay.sweep.reading import parse_sweep

EVERY = [*sorted(HOME.glob("README*.md")), *sorted((HOME / "docs").glob("*.md"))]
PAGES = [page for page in EVERY if not page.stem.endswith(".zh")]
TRANSLATED = [page for page in EVERY if page.stem.endswith(".zh")]
KINDS = ("console", "python", "text", "yaml", "sh", "bash", "toml", "quote", "layout", "indented")

_OTHER_COMMANDS = {
    *(".", "cd", "export", "mkdir", "cp", "tar", "rsync", "scp", "ssh", "uv", "python"),
    *("pip", "ray", "sbatch", "srun", "squeue", "kubectl", "docker", "for", "do", "done"),
}


@dataclass(frozen=True)
class Block:
    """A code block: its kind, its text, and the line that it begins at."""

    kind: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page of Markdown."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        start = at
        if (fence := re.fullmatch(r"(\s*)```(.*)", lines[at])) is not None:
            at += 1
            while not re.fullmatch(r"\s*```", lines[at]):
                at += 1
            body = [line.removeprefix(fence[1]) for line in lines[start + 1 : at]]
            found.append(Block(fence[2].strip(), "\n".join(body) + "\n", start + 1))
        elif lines[at].startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                at += 1
            text = "\n".join(line[4:] for line in lines[start:at]).strip("\n")
            found.append(Block("indented", text + "\n", start + 1))
            continue
        elif (hidden := re.fullmatch(r"<!-- run: (.*) -->", lines[at])) is not None:
            found.append(Block("console", f"$ {hidden[1]}\n...\n", start + 1))
        elif lines[at].startswith("<!-- file: "):
            while lines[at] != "-->":
                at += 1
            name = lines[start].removeprefix("<!-- file: ")
            found.append(Block(f"file {name}", "\n".join(lines[start + 1 : at]) + "\n", start + 1))
        at += 1
    return found


def check(page: Path, folder: Path) -> None:
    """Check every block of a page, in order, from an empty folder that is the current one."""
    (folder / "examples").symlink_to(HOME / "examples")
    shutil.copytree(REFERENCE / "mnist", folder / "results" / "reference" / "mnist")
    names: dict[str, object] = {"__name__": "page"}
    with arithmetic.watch_torch() as has_torch_trained:

        def is_exact(text: str) -> bool:
            in_torch = has_torch_trained() or arithmetic.reads_torch(text, folder)
            return arithmetic.is_alike(in_torch)

        _check_blocks(page, folder, names, is_exact)


def _check_blocks(
    page: Path, folder: Path, names: dict[str, object], is_exact: Callable[[str], bool]
) -> None:
    printed: tuple[str, bool] | None = None
    read = ""  # the python that the page's variables come from
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        before, printed = printed, None
        if block.kind.startswith("file "):
            (folder / block.kind.removeprefix("file ")).write_text(block.text)
        elif block.kind == "console":
            for command, expected in exchanges(block):
                _check_command(command, expected, where, is_exact)
        elif block.kind == "python":
            if (name := re.match(r"# (\w+\.py)\n", block.text)) is not None:
                (folder / name[1]).write_text(block.text)
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(block.text, where, "exec"), names)
            read = block.text if "results/" in block.text else read + block.text
            printed = out.getvalue(), is_exact(read)
        elif block.kind == "text":
            assert before is not None, f"{where}: text stands after the python that prints it"
            assert_printed(before[0], block.text, where, before[1])
        elif block.kind == "yaml":
            _check_yaml(block, folder, where)
        elif block.kind.startswith("yaml "):
            with pytest.raises(SweepFileError):
                parse_sweep(block.text)
            (folder / f"{block.kind.removeprefix('yaml ')}.yaml").write_text(block.text)
        elif block.kind.startswith("diff "):
            before, after = (
                (HOME / name).read_text().splitlines(keepends=True)[1:]
                for name in block.kind.split()[1:]
            )
            differing = list(difflib.unified_diff(before, after, n=0))[2:]
            assert block.text == "".join(x for x in differing if not x.startswith("@@")), where
        elif block.kind == "quote":
            for part in re.split(r"\.\.\.|\n", block.text):
                assert in_words(part.removeprefix("lrdecay: ")) in _said(), f"{where}: {part!r}"
        elif block.kind in ("sh", "bash", "indented"):
            for line in commands(block.text):
                _check_words(line, where)
        elif block.kind == "toml":
            _check_entry_points(block, where)
        elif block.kind == "layout":
            _check_layout(block, where)
        else:
            raise AssertionError(f"{where}: {block.kind!r} is no kind of block: {', '.join(KINDS)}")


def exchanges(block: Block) -> Iterator[tuple[str, str]]:
    """Yield each command of a console's block, and what it prints."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        while command.endswith("\\"):
            more, _, expected = expected.partition("\n")
            command = command[:-1] + more.removeprefix("> ")
        yield command, expected


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in line.split("&&"):
            if words := shlex.split(part, comments=True):
                yield words


def _check_command(
    command: str, expected: str, where: str, is_exact: Callable[[str], bool]
) -> None:
    words = shlex.split(command, comments=True)
    assert words[0] == "lrdecay", f"{where}: {command} is not run; put it into a block of sh"
    if words[1] == "sweep" and "--workers" not in words:
        words += ["--workers", "0"]  # the same bits, and no processes to start
    with plugged.as_in_a_new_process():
        result = CliRunner().invoke(app, words[1:])
    fails = bool(re.search(r"^(lrdecay|failed): |; moved to quarantine$", expected, re.MULTILINE))
    crash = result.exception if not isinstance(result.exception, SystemExit) else None
    assert crash is None, f"{where}: {command}: {crash!r}"
    assert (result.exit_code != 0) == fails, f"{where}: {command}: {result.output}"
    assert_printed(result.output, expected, f"{where}: {command}", is_exact(command))


def assert_printed(actual: str, expected: str, where: str, exact: bool) -> None:
    """Compare what was printed with what a page says, but for what varies from call to call.

    Where it is not `exact`, since this machine computes otherwise than the one that the pages were
    written on, only whether anything is printed: another last bit is another image right, and then
    another sentence.
    """
    if not exact:
        assert bool(actual.strip()) == bool(expected.strip()), where
        return
    pattern = re.escape(steady(expected)).replace(r"\.\.\.", ".*")
    assert re.fullmatch(pattern, steady(actual)), (
        f"{where} prints\n{actual}\nand the page says\n{expected}"
    )


def steady(text: str) -> str:
    """Return a text without what varies, and with every run of spaces as one: a terminal's width
    is the reader's.

    >>> steady("1/9 runs; step: 5 s left\\n9 runs, 9 trained now in 2 min;\\n   2 processes\\n")
    '9 runs, 9 trained now in #'
    """
    text = re.sub(r"^\d+/\d+ runs;.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\b[\d.,]+ (s|ms|min|h|KiB|MiB|GiB|MB|GB|kB)\b", "#", text)
    text = re.sub(r";\s+\d+ process(es)?\b", "", text)
    return " ".join(text.split())


def whole(text: str) -> str:
    """Return a sweep file of which `text` is a part: what must be given is added."""
    given = yaml.safe_load(text)
    rest = {"dataset": "digits", "schedulers": "{a: {class: constant}, b: {class: RexLR}}"}
    if "trainer" in given:
        del rest["dataset"]
    return text + "".join(f"{key}: {value}\n" for key, value in rest.items() if key not in given)


def is_plugin(path: Path) -> bool:
    """Return whether a file has one of a plug-in's dicts; a program has none."""
    return re.search(r"^[A-Z]+S = \{", path.read_text(), re.MULTILINE) is not None


def _check_yaml(block: Block, folder: Path, where: str) -> None:
    given = yaml.safe_load(block.text)
    assert isinstance(given, dict), where
    with plugged.as_in_a_new_process():
        plugins.load_plugins([str(path) for path in sorted(folder.glob("*.py")) if is_plugin(path)])
        parse_sweep(whole(block.text))
    if name := given.get("name"):
        (folder / f"{name}.yaml").write_text(block.text)
        shipped = SWEEPS / f"{name}.yaml"
        if shipped.is_file():
            assert given == yaml.safe_load(shipped.read_text()), f"{where}: not {shipped}"


def _check_words(words: Sequence[str], where: str) -> None:
    """Check a command's name and options, as far as they are the project's."""
    while "=" in words[0]:
        words = words[1:]  # a variable of its own
    at = next((at for at, word in enumerate(words) if Path(word).name == "lrdecay"), None)
    if at is not None and (at == 0 or words[0] in ("exec", "srun")):
        name, *options = words[at + 1 :]
        if name.startswith("-"):
            return
        known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
        assert name in known, f"{where}: lrdecay has no command {name}"
        known[name].make_context(name, list(options))
    elif words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (HOME / "Makefile").read_text(), re.MULTILINE)
        asked = [word for word in words[1:] if "=" not in word]
        assert set(asked) <= set(targets), f"{where}: make {' '.join(asked)}"
    elif words[0] == "pip" and words[-1].startswith((".[", "lrdecay[")):
        extras = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
        asked = words[-1].partition("[")[2].strip("]").split(",")
        assert set(asked) <= set(extras["optional-dependencies"]), f"{where}: {words[-1]}"
    else:
        assert words[0] in _OTHER_COMMANDS, (
            f"{where}: {words[0]} is no command; fence what is none, and name its kind"
        )


def in_words(text: str) -> str:
    return " ".join(text.split())


@cache
def _said() -> str:
    """What the program's messages say: its sources, with strings in several lines as one, and `...`
    where something is filled in."""
    code = "\n".join(path.read_text() for path in sorted((HOME / "lrdecay").rglob("*.py")))
    code = re.sub(r"\{DATA_VARIABLE\}", DATA_VARIABLE, code)
    return in_words(re.sub(r'"\s*\n\s*f?"', "", code).replace("\\n", " "))


def _check_entry_points(block: Block, where: str) -> None:
    groups = tomllib.loads(block.text)["project"]["entry-points"]
    assert groups, where
    assert set(groups) <= {f"lrdecay.{registry.plural(kind)}" for kind in registry.KINDS}, where


def _check_layout(block: Block, where: str) -> None:
    sources = "".join(path.read_text() for path in (HOME / "lrdecay").rglob("*.py"))
    for line in block.text.splitlines()[1:]:
        listed = re.split(r"\s{2,}", line.strip())[0]
        for name in listed.split(", "):
            stem = name.rstrip("/").removesuffix(".parquet")
            assert stem in sources, f"{where}: the program knows no {name}"
