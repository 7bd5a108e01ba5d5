"""Names, results folders and image folders that someone else made: shown, refused, never obeyed."""

import ast
import base64
import io
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.commands import call
from helpers.folders import filled
from helpers.frames import make_tables, write_folder
from helpers.training import runs
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console

import lrdecay
from lrdecay.cli import console, main, sweep
from lrdecay.components.datasets import sources
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.core.errors import InputError
from lrdecay.core.sanitize import sanitize
from lrdecay.execution.messages import EpochDone
from lrdecay.plots import plot_schedules
from lrdecay.plots.style import shorten_name
from lrdecay.plots.svg import figure_to_svg
from lrdecay.report.html import load_assets
from lrdecay.report.page import write_report
from lrdecay.runner.progress import SweepProgress
from lrdecay.runner.renderers import find_renderer
from lrdecay.store import atomic, parquet
from lrdecay.store.lock import hold_folder
from lrdecay.store.reader import read_runs
from lrdecay.store.schema import RUNS
from lrdecay.store.versions import read_table
from lrdecay.sweep.diagnostics import SweepFileError
from lrdecay.sweep.reading import parse_sweep

PACKAGE = Path(lrdecay.__file__).parent
SHOWN = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "]]><!-- -->",
    "\"'onload='x",
    "../../up",
    "[red]r[/red][link=x]",
    "%s%n{0}",
    r"$\frac$",
    "&lt;b&gt;",
    ":skull:",
    "_hidden",
]
"""Names that a sweep file may use: other languages would read something into them."""
OBEYED = [
    "nul\0",
    "line\nNo sweep is at work here.",
    "return\rline",
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b31mred",
    "\x7fdelete",
    "turned\u202etxt.exe",
    "isolated\u2066txt",
    "mark\u200f",
    "arabic\u061c",
    "wide\u2028line",
    "hidden\ufeff",
]
"""Names that no sweep file may use, since a terminal or a browser would obey them."""
ACTIVE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200f\u202e\u2028\u2066\ufeff]")
OPTIONS = "dataset: digits\nepochs: 1\ndropout: 0.0\nvalidation: 99\n"


@pytest.fixture(autouse=True)
def _never_waits() -> Iterator[None]:
    """Whoever opens a pipe waits: then the test fails."""

    def over(*_: object) -> None:
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def _wide(monkeypatch) -> None:
    """No name is broken over lines, however wide the terminal is that the tests run in."""
    monkeypatch.setattr(console.out, "_width", 200)


def quoted(label: str) -> str:
    """A label as YAML has it, with an escape for every character."""
    return '"' + "".join(f"\\U{ord(c):08x}" for c in label) + '"'


def said(*arguments: object, code: int = 0) -> str:
    """What a command prints, which must obey nothing."""
    result = call(*arguments)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert not ACTIVE.search(result.output)
    return result.output


# Names in a sweep file


@pytest.mark.parametrize("label", [*OBEYED, "x" * 65, "", "  "], ids=lambda text: ascii(text[:9]))
def test_a_sweep_file_has_no_name_that_is_obeyed(label, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(f"{OPTIONS}schedulers:\n  {quoted(label)}: {{class: constant}}\n")
    (line,) = said("plan", file, code=2).splitlines()
    shown = ascii(label[:9])[1:-1]
    assert line.startswith(f"lrdecay: {file}:6:3: schedulers: '{shown}")
    assert line.endswith("is no label; give 1 to 64 printable characters")


def test_a_sweep_file_has_no_long_name(tmp_path):
    file = tmp_path / "bad.yaml"
    for count, what in ((1_000, "is no label; give 1 to 64"), (10_000, "not YAML: a ':' is not")):
        file.write_text(f"{OPTIONS}schedulers:\n  {'x' * count}: {{class: constant}}\n")
        (line,) = said("plan", file, code=2).splitlines()
        assert line.startswith(f"lrdecay: {file}:6:")
        assert what in line
        assert len(line) < 400


@pytest.mark.parametrize(
    "name",
    ["../up", "..", ".", "", "a/b", "/tmp/a", ".hidden", "a\nb", "a\n", "a\0", "-rf", "\u202ea"],
    ids=ascii,
)
def test_a_sweep_s_name_leads_nowhere_else(name):
    text = f"name: {quoted(name)}\n{OPTIONS}schedulers: {{constant: {{class: constant}}}}\n"
    with pytest.raises(SweepFileError, match="is no name for a folder; use letters, digits"):
        parse_sweep(text)


@pytest.mark.parametrize("file", ["..yaml", "\n.yaml", "a/../..yaml", "\x1b[2J.yaml", "-.yaml"])
def test_a_sweep_named_by_its_file_leads_nowhere_else(file):
    name = parse_sweep(f"{OPTIONS}schedulers: {{constant: {{class: constant}}}}\n", file).name
    assert re.fullmatch(r"[A-Za-z0-9][\w.-]*", name)


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.mkdir [CANARY]", "!!python/name:os.mkdir"]
)
def test_a_sweep_file_makes_no_objects(tag, tmp_path):
    text = f"{OPTIONS}name: {tag.replace('CANARY', str(tmp_path / 'canary'))}\n"
    with pytest.raises(SweepFileError, match=r"tags .* are not supported; leave it out"):
        parse_sweep(text)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep with all the names that are allowed, in a folder of its own."""
    home = tmp_path_factory.mktemp("home")
    file = home / "names.yaml"
    labels = [
        f"  {quoted(label)}: {{class: StepLR, step_size: {n}}}\n"
        for n, label in enumerate(SHOWN, 1)
    ]
    file.write_text(OPTIONS + "schedulers:\n" + "".join(labels))
    result = call("sweep", file, "--results", home / "results", "--workers", "0")
    assert result.exit_code == 0, result.output
    return home, result.output


def test_a_sweep_shows_names_as_they_are_written(swept):
    home, printed = swept
    folder = home / "results" / "names"
    assert f"11/11 runs; {SHOWN[-1]}, dropout 0, seed 0: test accuracy" in printed
    assert list(read_runs(folder)["scheduler"]) == SHOWN
    plot = home / "plan.svg"
    plan = said("plan", home / "names.yaml", "--plot", plot, "--workers", "1")
    status = said("status", folder)
    for step, label in enumerate(SHOWN, start=1):
        assert re.search(rf"^scheduler +{re.escape(label)}: StepLR\(step_size={step}", plan, re.M)
        assert re.search(rf"^{re.escape(label)} +1 +1 +0 +0 +0 +0$", status, re.M)
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")


def test_names_reach_no_path(swept):
    home, _ = swept
    there = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    folder = "results/names/"
    expected = {"names.yaml", *(f"{folder}{n}.parquet" for n in ("runs", "epochs", "plan"))}
    expected |= {f"{folder}sweep.yaml", f"{folder}.lock"}
    assert there - {"plan.svg", f"{folder}report.html"} == expected


class Page(HTMLParser):
    """A page's tags, attributes' names, and the text of each cell of a table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self._inside = ""
        self.feed(text)
        self.cells = [cell.strip() for cell in self.cells]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag in ("td", "th", "li"):
            self._inside = tag
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.cells[-1] += data


def scripts(text: str) -> list[str]:
    """What a page runs."""
    return [found.strip() for found in re.findall(r"<script[^>]*>(.*?)</script", text, re.S)]


def links(text: str) -> set[str]:
    """How the links of a page begin: those within it with #."""
    return {found[:1] for found in re.findall(r'<a [^>]*href="([^"]*)"', text)}


def test_the_report_shows_names_as_they_are_written(swept):
    folder = swept[0] / "results" / "names"
    text = write_report(folder).read_text()
    page = Page(text)
    assert not page.tags & {"img", "b", "iframe"}
    assert scripts(text) == [load_assets()["script"].strip()]
    assert links(text) <= {"#"}
    assert not {name for name in page.attributes if name.startswith("on")}
    assert set(SHOWN) <= set(page.cells)


def test_figures_show_names_as_they_are_written():
    labels = [*SHOWN, *OBEYED]
    rows = [(label, at, 0.1) for label in labels for at in (0.0, 1.0)]
    curves = pd.DataFrame(rows, columns=["scheduler", "trained", "learning_rate"])
    ax = plot_schedules(curves, ax=Figure(figsize=(8, 9)).subplots())
    svg = ElementTree.fromstring(figure_to_svg(ax, "a", '"><script>]]>'))
    assert svg.attrib["aria-label"] == '"><script>]]>'
    texts = {"".join(element.itertext()) for element in svg.iter("text")}
    assert set(map(shorten_name, SHOWN)) <= texts
    assert {shorten_name(ascii(label)[1:-1]) for label in OBEYED} <= texts
    assert svg.find(".//script") is None


# Names in a results folder


@pytest.fixture
def theirs(tmp_path):
    """A results folder whose runs have names that no sweep file has, and errors like them."""
    labels = [*OBEYED, *SHOWN, "x" * 10_000]
    tables = make_tables(
        labels,
        [0.0],
        1,
        1,
        status=lambda label, *_: "failed" if label == labels[0] else "completed",
    )
    tables[0].loc[tables[0]["status"] == "failed", "error"] = "\x1b[2J\nlrdecay: all is well \u202e"
    return write_folder(tmp_path / "theirs", tables, "# \u202e sweep\n</pre><script>")


def test_a_report_of_their_folder_obeys_nothing(theirs):
    said("report", theirs)
    text = (theirs / "report.html").read_text()
    assert not ACTIVE.search(text)
    page = Page(text)
    assert scripts(text) == [load_assets()["script"].strip()]
    shown = {sanitize(label) for label in OBEYED}
    assert shown | set(SHOWN) | {"x" * 10_000} <= set(page.cells)
    assert r"# \u202e sweep" in text


def test_status_of_their_folder_obeys_nothing(theirs):
    lines = said("status", theirs).splitlines()
    assert lines.count("No sweep is at work here.") == 1
    for label in OBEYED:
        assert any(line.startswith(ascii(label)[1:-1]) for line in lines)


def test_failures_and_findings_are_one_line_each(theirs, capsys):
    sweep.print_failures(theirs)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(r"failed: nul\x00, dropout 0, seed 0: \x1b[2J\nlrdecay: all is well ")
    runs_table, epochs_table = make_tables(["a"], [0.0], 1, 1)
    for frame in (runs_table, epochs_table):
        frame["run_id"] = "\x1b[31m\nid"
    write_folder(theirs, (pd.concat([runs_table] * 2), epochs_table))
    found = said("verify", theirs, code=1).splitlines()
    assert rf"{theirs}/runs.parquet: run \x1b[31m\nid is there twice; moved to quarantine" in found


def test_the_bar_obeys_nothing():
    run = replace(runs()["constant"], scheduler="\x1b]0;title\x07")
    file = io.StringIO()
    terminal = Console(width=120, force_terminal=True, file=file)
    bar = SweepProgress(find_renderer(terminal))
    bar.start([run], 0, 1)
    bar.epoch(EpochDone(run, 1, "val", 0.5))
    bar.stop()
    assert r"50.0% val, epoch 1: \x1b]0;title\x07, dropout" in file.getvalue()
    assert "\x1b]" not in file.getvalue()


@pytest.mark.parametrize("command", ["status", "verify", "report", "plan"])
def test_paths_in_messages_are_inert(command, tmp_path):
    folder = tmp_path / "\x1b[2J\u202e"
    folder.mkdir()
    printed = said(command, folder, code=2)
    assert r"\x1b[2J\u202e" in printed


def test_a_traceback_obeys_nothing(theirs, monkeypatch, capsys):
    def mistaken(folder: Path) -> None:
        raise ValueError(f"\x1b[2J {folder}")

    monkeypatch.setattr("lrdecay.store.status.read_status", mistaken)
    monkeypatch.setattr(sys, "argv", ["lrdecay", "status", str(theirs)])
    with pytest.raises(SystemExit, match="1"):
        main()
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback (most recent call last):\n")
    assert rf"ValueError: \x1b[2J {theirs}" in printed.splitlines()
    assert not ACTIVE.search(printed)


HOLDERS = {
    "no json": b"\xff\0",
    "list": b"[]",
    "types": b'{"host": [], "pid": "x", "since": 1, "training": 5}',
    "unhashable": b'{"host": "a", "pid": 1, "since": "b", "training": [["a"]]}',
    "nested": b"[" * 100_000,
    "huge number": b'{"host": "a", "pid": ' + b"9" * 10_000 + b', "since": "b", "training": []}',
    "long": b'{"host": "' + b"a" * 10_000 + b'", "pid": 1, "since": "b", "training": []}',
    "huge": b'{"host": "a", "pid": 1, "since": "b", "training": [' + b" " * 2**24 + b"]}",
}


@pytest.mark.parametrize("kind", HOLDERS)
def test_a_note_of_who_trains_may_hold_anything(kind, theirs):
    with hold_folder(theirs):
        (theirs / ".holder").write_bytes(HOLDERS[kind])
        assert "Training: process 0 on unknown, since now UTC" in said("status", theirs)


def test_a_note_of_who_trains_may_be_a_pipe(theirs):
    with hold_folder(theirs):
        (theirs / ".holder").unlink()
        os.mkfifo(theirs / ".holder")
        assert "Training: process 0 on unknown, since now UTC" in said("status", theirs)


def test_a_note_of_who_trains_is_inert(theirs):
    with hold_folder(theirs):
        (theirs / ".holder").write_text(
            r'{"host": "\u001b[2J\nNo sweep", "pid": 7, "since": "\u202e", "training": []}'
        )
        last = said("status", theirs).splitlines()[-1]
    assert last == r"Training: process 7 on \x1b[2J\nNo sweep, since \u202e UTC"


# What a results folder holds


def test_the_code_reads_and_writes_no_pickle_and_evaluates_nothing():
    refused = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
    calls = {"eval", "exec", "torch.load", "torch.save", "np.load", "np.save", "yaml.load"}
    calls |= {"os.system", "pd.read_pickle", "pd.eval"}
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found += [
                    (path.name, a.name) for a in node.names if a.name.split(".")[0] in refused
                ]
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in refused:
                found.append((path.name, str(node.module)))
            if isinstance(node, ast.Call) and ast.unparse(node.func) in calls:
                found.append((path.name, ast.unparse(node.func)))
            if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "shell"):
                found.append((path.name, node.arg))
    assert found == [("plugins.py", "exec")]  # a file that the user names with --plugin


READ = """\
import pickle, sys
seen = []
sys.addaudithook(lambda event, args: event == "pickle.find_class" and seen.append(args))
from lrdecay.report.html import load_assets
from lrdecay.cli import app
for command in sys.argv[2:]:
    try:
        app([command, sys.argv[1]])
    except SystemExit as end:
        print(command, end.code)
print("unpickled", seen)
pickle.loads(pickle.dumps(complex))
print("then", seen)
"""


class Attack:
    """Its pickle makes a folder where it is read."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_hostile_table_is_not_unpickled(theirs, tmp_path):
    canary = tmp_path / "canary"
    payload = pickle.dumps(Attack(canary))
    extension = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": payload,
    }
    fields = [RUNS.field(n).with_metadata(extension | {b"pickle": payload}) for n in RUNS.names]
    rows = pa.Table.from_arrays(
        read_table(theirs / "runs.parquet").columns, schema=pa.schema(fields)
    )
    facts = {"planned": "30", "sweep": payload.decode("latin-1")}
    with atomic.replace_file(theirs / "runs.parquet") as file:
        metadata = {parquet._PREFIX + key: value for key, value in facts.items()}
        metadata |= {"pandas": payload.decode("latin-1"), "lrdecay.schema": "4"}
        with pq.ParquetWriter(file, rows.schema.with_metadata(metadata)) as writer:
            writer.write_table(rows)
        parquet._seal(file)
    stored = pq.read_metadata(theirs / "runs.parquet").metadata[b"ARROW:schema"]
    assert b"arrow.py_extension_type" in base64.b64decode(stored)
    done = subprocess.run(
        [sys.executable, "-c", READ, theirs, "status", "report", "verify"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "status 0\n" in done.stdout
    assert "report 0\n" in done.stdout
    assert "unpickled []\nthen [('builtins', 'complex')]\n" in done.stdout
    assert not canary.exists()
    pickle.loads(payload)
    assert canary.exists()  # so it would have shown


@pytest.mark.parametrize(
    "facts",
    [{"planned": "\x1b[2J"}, {"planned": "1"}, {"planned": "1", "sweep": "", "target": "x"}],
    ids=["number", "no sweep", "target"],
)
def test_hostile_facts_are_damage(facts, theirs):
    parquet.write_table(read_table(theirs / "runs.parquet"), theirs / "runs.parquet", facts)
    printed = said("report", theirs, code=2)
    assert printed.startswith(f"lrdecay: {theirs}/runs.parquet: damaged, or not a table of lrdecay")


@pytest.mark.parametrize("kind", ["parts", "batches", "earlier", "quarantine"])
def test_nothing_is_removed_where_a_link_leads(kind, tmp_path):
    folder, elsewhere = tmp_path / "theirs", tmp_path / "elsewhere"
    filled(folder)
    shutil.rmtree(folder / kind, ignore_errors=True)
    (elsewhere / ".ssh").mkdir(parents=True)
    (folder / kind).symlink_to(elsewhere)
    assert f"{folder / kind}: a link; a results folder must hold" in said("verify", folder, code=2)
    assert [path.name for path in elsewhere.iterdir()] == [".ssh"]


def test_nothing_is_written_where_a_link_leads(tmp_path):
    folder, victim = tmp_path / "theirs", tmp_path / "victim"
    filled(folder)
    victim.write_text("mine")
    pid = os.getpid()
    names = [".holder.tmp", ".holder", f".report.html.{pid}.tmp", f".runs.parquet.{pid}.tmp"]
    for name in [*names, "report.html", f".plan.parquet.{pid}.tmp"]:
        (folder / name).symlink_to(victim)
    for name in ("linked", ".left"):
        (folder / "parts" / name).symlink_to(tmp_path)
    said("verify", folder)
    said("report", folder)
    assert victim.read_text() == "mine"
    assert "<!doctype html>" in (folder / "report.html").read_text()


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_nothing_waits_for_a_pipe_or_a_device(make, theirs):
    for name in ("runs.parquet", ".holder", "sweep.yaml"):
        (theirs / name).unlink(missing_ok=True)
        make(theirs / name)
    assert "runs.parquet: damaged, or not a table of lrdecay (not a file)" in said(
        "status", theirs, code=2
    )
    assert f"{theirs}/runs.parquet: not a file; moved to quarantine" in said(
        "verify", theirs, code=1
    )


@pytest.mark.soak
def test_no_variable_and_no_credential_is_stored(tmp_path):
    canary, token = "canary-4f1c9a7e", "token-83b2d6c0"
    repository, results = tmp_path / "repository", tmp_path / "results"
    shutil.copytree(PACKAGE, repository / "lrdecay", ignore=shutil.ignore_patterns("__pycache__"))

    def git(*arguments: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        command = ["git", *who, *arguments]
        return subprocess.run(
            command, cwd=repository, capture_output=True, text=True, check=True
        ).stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "all")
    git("remote", "add", "origin", f"https://user:{token}@example.org/a.git")
    file = tmp_path / "tiny.yaml"
    file.write_text(f"{OPTIONS}schedulers: {{constant: {{class: constant}}}}\n")
    environment = os.environ | {"SECRET": canary, "PYTHONPATH": str(repository)}
    for command in (["sweep", file, "--workers", "1"], ["report", file]):
        subprocess.run(
            [sys.executable, "-m", "lrdecay", *command, "--results", results],
            env=environment,
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
    folder = results / "tiny"
    stored = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {"runs.parquet", "epochs.parquet", "plan.parquet", "report.html"} <= stored.keys()
    frames = {name: pd.read_parquet(folder / name) for name in stored if name.endswith("parquet")}
    assert list(frames["runs.parquet"]["git_commit"]) == [git("rev-parse", "HEAD")]
    for name, frame in frames.items():
        stored[name] += repr(frame.to_dict("list")).encode()
        stored[name] += repr(pq.read_schema(folder / name).metadata).encode()
    values = {value for value in environment.values() if len(value) >= 12}
    assert canary in values
    for value in (*values, token, "example.org"):
        assert [name for name, content in stored.items() if value.encode() in content] == []


# Folders of images

Change = Callable[[Path], object]


def images(root: Path) -> Path:
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (6, 5), (number, 2, 3)).save(root / name / f"{number}.png")
    return root


def several(path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (6, 5), (n, 0, 0)) for n in (0, 90)]
    frames[0].save(path, suffix, save_all=True, append_images=frames[1:])


def header(width: int, height: int) -> Change:
    """A PNG that only says how large it is."""
    image = io.BytesIO()
    Image.new("L", (1, 1)).save(image, "png")
    chunk = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    content = image.getvalue()
    content = content[:12] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + content[33:]
    return lambda path: path.write_bytes(content)


SCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 5\n%%EndComments\n(x) run\n"
NO_IMAGE: dict[str, tuple[Change, str]] = {
    "no bytes": (lambda path: path.touch(), "cannot identify image file"),
    "text": (lambda path: path.write_text("x"), "cannot identify image file"),
    "program": (lambda path: path.write_bytes(SCRIPT), "cannot identify image file"),
    "animated gif": (lambda path: several(path, "gif"), "cannot identify image file"),
    "animated png": (lambda path: several(path, "png"), "it holds 2 images, not one"),
    "pages": (lambda path: several(path, "tiff"), "it holds 2 images, not one"),
    "huge": (header(10_000, 10_000), "it has more than 89,478,485 pixels"),
    "gigantic": (header(2**31 - 1, 2**31 - 1), "it has more than 89,478,485 pixels"),
    "truncated": (header(60, 50), "image file is truncated"),
    "pipe": (os.mkfifo, "no file, but a link to nothing, a pipe or a device"),
    "round": (lambda path: path.symlink_to(path), "no file, but a link to nothing"),
    "to nothing": (lambda path: path.symlink_to("gone.png"), "no file, but a link to nothing"),
    "a folder": (lambda path: path.symlink_to("."), "a link to a folder that it lies in; take"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "a link out of the folder of images"),
    "out": (lambda path: path.symlink_to("../../../secret.png"), "a link out of the folder of im"),
    "a folder out": (lambda path: path.symlink_to("/etc"), "a link to a folder that is not in"),
}


@pytest.mark.parametrize("kind", NO_IMAGE)
@pytest.mark.parametrize("parts", ["", "train"], ids=["whole", "parts"])
def test_what_is_no_image_of_the_folder_is_named(kind, parts, tmp_path):
    make, reason = NO_IMAGE[kind]
    root = tmp_path / "mine"
    images(root / parts)
    if parts:
        images(root / "test")
    Image.new("RGB", (6, 5)).save(tmp_path / "secret.png")
    bad = root / parts / "b" / "\x1b[2J\n.png"
    make(bad)
    shown = rf"{bad.parent}/\x1b[2J\n.png: "
    with pytest.raises(InputError) as caught:
        sources.load_dataset(DatasetSpec(folder=str(root)))
    message = str(caught.value)
    assert message.startswith(shown)
    assert reason in message
    assert "\n" not in message
    if "a link to a folder" not in reason:
        assert message.endswith("or give the dataset on_error: skip to go on without it")
    file = tmp_path / "own.yaml"
    file.write_text(
        "dataset: {folder: mine}\nschedulers: {constant: {class: constant}}\nvalidation: 1\n"
    )
    assert said("plan", file, code=2).splitlines()[-1].startswith(f"lrdecay: {shown}")


@pytest.mark.parametrize("name", ["train", "a", "train/a"])
def test_a_folder_of_images_has_no_part_elsewhere(name, tmp_path):
    parts = name.startswith("train")
    root = tmp_path / "mine"
    for part in ("train", "test") if parts else ("",):
        images(root / part)
    (root / name).rename(tmp_path / "elsewhere")
    (root / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"{root / name}: a link to a folder that is not in "):
        sources.load_dataset(DatasetSpec(folder=str(root)))


def test_links_inside_the_folder_and_to_it_are_read(tmp_path):
    root = images(tmp_path / "mine")
    (root / "a" / "again.png").symlink_to("../b/0.png")
    (tmp_path / "link").symlink_to(root)
    for folder in (root, tmp_path / "link"):
        assert sources.load_dataset(DatasetSpec(folder=str(folder))).train_count == 7


def test_images_whose_names_say_another_kind_are_read(tmp_path):
    root = images(tmp_path / "mine")
    Image.new("RGB", (6, 5), (9, 9, 9)).save(root / "a" / "4.png", "bmp")
    Image.new("CMYK", (6, 5)).save(root / "b" / "4.png", "jpeg")
    found = sources.load_dataset(DatasetSpec(folder=str(root)))
    everything = np.concatenate([found.train_images, found.test_images])
    assert sorted(everything[:, 0, 0, 0].tolist()) == [0, 0, 1, 1, 2, 2, 3, 3, 9, 255]


def test_more_images_than_memory_holds_are_refused(tmp_path):
    root = images(tmp_path / "mine")
    for name in ("a", "b"):
        shutil.rmtree(root / name)
        (root / name).mkdir()
    Image.new("L", (9000, 9000)).save(root / "a" / "0.png")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for number in range(memory // (5 * 9000**2) + 1):
        os.link(root / "a" / "0.png", root / "b" / f"{number}.png")
    with pytest.raises(
        InputError, match=r"images of 9000x9000 take \d+ GiB of memory, and .* size"
    ):
        sources.load_dataset(DatasetSpec(folder=str(root), channels=1))


@pytest.fixture
def unreadable() -> Iterator[Callable[[Path], None]]:
    """Take the right to read a file or folder, also from root."""
    user = os.geteuid()

    def take(path: Path) -> None:
        path.chmod(0)
        if user == 0:
            os.seteuid(65534)

    yield take
    os.seteuid(user)


@pytest.mark.parametrize("name", ["b/0.png", "b/deep"])
def test_what_may_not_be_read_is_named(name, unreadable):
    with tempfile.TemporaryDirectory() as home:
        root = images(Path(home) / "mine")
        Path(home).chmod(0o755)
        (root / "b" / "deep").mkdir()
        try:
            unreadable(root / name)
            with pytest.raises(InputError, match=f"Permission denied: '{root / name}'"):
                sources.load_dataset(DatasetSpec(folder=str(root)))
        finally:
            os.seteuid(os.getuid())
