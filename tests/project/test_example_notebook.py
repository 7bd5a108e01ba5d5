"""The example notebook: stored without outputs, and it shows what its text says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from helpers.html_page import Fragment
from helpers.paths import HOME
from helpers.shared import make_once

from lrdecay.analysis import conclude
from lrdecay.analysis.headline import write_answer
from lrdecay.analysis.settings import read_criteria
from lrdecay.store.reader import read_plan, read_runs
from lrdecay.sweep.reading import load_sweep

NOTEBOOK = HOME / "examples" / "notebook.ipynb"
Outputs = dict[str, list[dict[str, Any]]]


def read() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return document


def test_it_is_stored_without_outputs():
    document = read()
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    assert set(document["metadata"]) == {"kernelspec", "language_info"}
    ids = [cell["id"] for cell in document["cells"]]
    assert len(set(ids)) == len(ids) > 20
    for cell in document["cells"]:
        assert re.fullmatch(r"[a-z]+(-text)?", cell["id"])
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert (cell["execution_count"], cell["outputs"]) == (None, [])
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    assert NOTEBOOK.read_text(encoding="utf-8") == text


def test_its_links_lead_somewhere_and_its_code_stays_in_its_folder():
    for cell in read()["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            assert not re.search(r"\.\./|[\"' ]/", source)
        for link in re.findall(r"\]\(([^)]+)\)", source):
            assert (NOTEBOOK.parent / link).is_file(), link


EXECUTE = """\
import sys
import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

source, folder, own, target = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
nbformat.validate(notebook)
# no port that others could reach
kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=own + "/kernel")
where = {"metadata": {"path": folder}}
NotebookClient(notebook, km=kernel, timeout=300, resources=where).execute()
nbformat.write(notebook, target)
"""


def execute(folder: Path, target: Path) -> None:
    """Run all cells with `folder` as the current one, and write the notebook with its outputs."""
    with TemporaryDirectory(prefix="kernel") as own:  # a path of a socket must be short
        of_kernel = ("IPYTHONDIR", *(f"JUPYTER_{what}_DIR" for what in ("CONFIG", "RUNTIME")))
        paths = os.pathsep.join([str(HOME), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | dict.fromkeys(of_kernel, own) | {"PYTHONPATH": paths}
        environment.pop("MPLBACKEND", None)
        call = [sys.executable, "-c", EXECUTE, NOTEBOOK, folder, own, target]
        done = subprocess.run(
            call, env=environment, cwd=folder, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebook was executed, in `here`, into `executed.ipynb`."""

    def write(home: Path) -> None:
        (home / "here").mkdir()
        execute(home / "here", home / "executed.ipynb")

    return make_once(tmp_path_factory, "notebook", write)


@pytest.fixture(scope="module")
def folder(home: Path) -> Path:
    return home / "here"


@pytest.fixture(scope="module")
def outputs(home: Path) -> Outputs:
    cells = json.loads((home / "executed.ipynb").read_text(encoding="utf-8"))["cells"]
    return {cell["id"]: cell["outputs"] for cell in cells if cell["cell_type"] == "code"}


def text_of(output: dict[str, Any], kind: str) -> str:
    """What is shown of one kind; the file has its lines in a list."""
    return "".join(output["data"][kind])


def html(output: dict[str, Any]) -> str:
    return text_of(output, "text/html")


def list_kinds(outputs: list[dict[str, Any]]) -> list[str]:
    return [output["output_type"] for output in outputs]


@pytest.mark.slow
def test_no_cell_fails_or_says_anything_on_stderr(outputs):
    shown = [output for cell in outputs.values() for output in cell]
    assert set(list_kinds(shown)) == {"execute_result", "display_data", "stream"}
    streams = [output for output in shown if output["output_type"] == "stream"]
    assert [(output["name"], "".join(output["text"]).partition(" ")[0]) for output in streams] == [
        ("stdout", "Writing"),
        ("stdout", "-"),
    ]


@pytest.mark.slow
def test_it_shows_the_sweeps(outputs, folder):
    (shipped,), (small,) = outputs["shipped"], outputs["sweep"]
    assert html(shipped) == load_sweep("digits")._repr_html_()
    assert html(small) == load_sweep(folder / "small.yaml")._repr_html_()
    assert "runs 4 cells x 8 seeds = 32 runs" in Fragment(html(small)).lines


@pytest.mark.slow
def test_training_leaves_one_line_and_the_summary(outputs):
    line, summary = outputs["train"]
    assert (line["output_type"], list(line["data"])) == ("display_data", ["text/plain"])
    assert text_of(line, "text/plain") == "32/32 runs"
    lines = Fragment(html(summary)).lines
    assert lines[0] == "results/small"
    assert lines[1].startswith("runs 32 runs, 32 trained now (0 diverged, 0 failed) in ")


@pytest.mark.slow
def test_it_shows_what_is_concluded_of_its_results(outputs, folder):
    home = folder / "results" / "small"
    runs, text = read_runs(home), read_plan(home).sweep_text
    assert text == (folder / "small.yaml").read_text()
    found = conclude(runs, None, read_criteria(text))
    (answer,) = outputs["verdicts"]
    assert Fragment(html(answer)).lines[0] == write_answer(found)
    sentences, table = outputs["sentences"]
    listed = [f"- {sentence}" for sentence in found.primary["sentence"]]
    assert "".join(sentences["text"]).splitlines() == listed
    by_seed = 100 * runs.pivot(index="seed", columns="scheduler", values="test_accuracy")
    others = ["constant", "step", "plateau"]
    means = by_seed[others].sub(by_seed["cosine"], axis=0).mean().round(2).tolist()
    rows = [line.split() for line in Fragment(html(table)).lines[1:]]
    assert [(row[1], float(row[3])) for row in rows] == list(zip(others, means, strict=True))
    (differences,) = outputs["pairs"]
    named, *rows = [line.split() for line in Fragment(html(differences)).lines]
    shown = {name: [float(row[place]) for row in rows[1:]] for place, name in enumerate(named)}
    for name in others:
        expected = (by_seed[name] - by_seed["cosine"]).round(2).tolist()
        assert shown[name] == expected


@pytest.mark.slow
def test_it_draws_and_shows_the_report(outputs, folder):
    for name in ("curves", "differences"):
        (figure,) = outputs[name]
        assert "image/png" in figure["data"]
    (report,) = outputs["report"]
    page = (folder / "results" / "small" / "report.html").read_text(encoding="utf-8")
    (frame,) = [given for tag, given in Fragment(html(report)).tags if tag == "iframe"]
    assert frame["srcdoc"] == page.replace("<head>", '<head><base href="about:srcdoc">', 1)


@pytest.mark.slow
def test_it_writes_nothing_but_its_sweep_and_the_results(outputs, folder):
    assert outputs
    assert {path.name for path in folder.iterdir()} == {"small.yaml", "results"}
    assert {path.name for path in (folder / "results").iterdir()} == {"small"}
