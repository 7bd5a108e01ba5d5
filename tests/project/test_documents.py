"""The documents: what is generated is up to date, every code block is true, links lead somewhere,
and translations have the same code."""

import re
from pathlib import Path

import generate
import pytest
from helpers import arithmetic, pages
from helpers.frames import make_tables, write_folder
from helpers.tiers import slow_but

from lrdecay.store.columns import ASKED, ENDED, EPOCH, MADE
from lrdecay.store.schema import TABLES
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.diagnostics import SweepFileError

BROKEN = {
    "prints something else": "```python\nprint(1)\n```\n\n```text\n2\n```\n",
    "an unknown option": "```sh\nlrdecay plan x.yaml --fast\n```\n",
    "an unknown command": "text\n\n    lrdecay train-all\n",
    "an unknown target": "```sh\nmake sweep && make coffee\n```\n",
    "an unknown kind": "```json\n{}\n```\n",
    "no commands": "text\n\n    some quotation\n",
    "text of nothing": "```text\n2\n```\n",
    "another output": "```console\n$ lrdecay --version\nlrdecay 99.9\n```\n",
    "an error that is none": "```console\n$ lrdecay --version\nlrdecay: no\n```\n",
    "an unknown file": "```layout\nresults/x/\n  coffee.parquet   none\n```\n",
    "an unknown extra": "```sh\npip install -e '.[gpu]'\n```\n",
}


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_pages_are_up_to_date(name):
    committed = (pages.HOME / "docs" / name).read_text(encoding="utf-8")
    assert committed == generate.PAGES[name](), "run `make docs`"


def test_every_key_of_a_sweep_file_is_described():
    for model in (Sweep, *generate._PARTS):
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name} has no docstring"


def test_the_tables_are_made_of_the_columns_that_are_described():
    described = {"runs": (*ASKED, *ENDED, *MADE), "epochs": EPOCH, "plan": ASKED}
    for name, columns in described.items():
        schema = TABLES[name]
        assert schema.names == [column.name for column in columns]
        assert [field.nullable for field in schema] == [
            bool(column.when_null) for column in columns
        ]
        assert [field.type for field in schema] == [column.type for column in columns]
        assert all(column.meaning for column in columns)
        assert schema.metadata is None
        assert not any(field.metadata for field in schema)


TRAINING = (
    *("README.md", "tutorial.md", "troubleshooting.md", "schedulers.md", "plugins.md"),
    *("results-folder.md", "own-loops.md"),
)
"""The pages that train for a while."""


@pytest.mark.parametrize(
    "page",
    slow_but([page for page in pages.PAGES if page.name not in TRAINING], pages.PAGES),
    ids=lambda page: page.name,
)
def test_every_block_of_a_page_is_true(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # the pages were written on a CPU
    pages.check(page, tmp_path)


@pytest.mark.parametrize("what", BROKEN)
def test_a_block_that_is_not_true_is_found(what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(arithmetic, "is_alike", lambda in_torch: True)
    (tmp_path / "page.md").write_text(BROKEN[what])
    with pytest.raises((AssertionError, SystemExit, Exception)) as caught:
        pages.check(tmp_path / "page.md", tmp_path)
    assert type(caught.value).__name__ in ("AssertionError", "NoSuchOption")


def test_results_that_torch_trained_are_known_and_damaged_ones_are_nobodys(tmp_path):
    path = write_folder(tmp_path / "results" / "tiny", make_tables()) / "runs.parquet"
    assert arithmetic.reads_torch("lrdecay report results/tiny", tmp_path)
    assert not arithmetic.reads_torch("lrdecay report results/other", tmp_path)
    content = path.read_bytes()
    for at in range(0, len(content), len(content) // 50):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert not arithmetic.reads_torch("lrdecay report results/tiny", tmp_path)


def test_a_wrong_sweep_file_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.md").write_text("```yaml\ndropuot: 0.5\n```\n")
    with pytest.raises(SweepFileError, match="did you mean dropout"):
        pages.check(tmp_path / "page.md", tmp_path)


@pytest.mark.parametrize("page", pages.EVERY, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(pages.HOME), f"{page.name}: {link}"
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_document_is_linked_from_the_readme():
    readme = (pages.HOME / "README.md").read_text(encoding="utf-8")
    for page in pages.EVERY:
        if page.name != "README.md":
            assert f"]({page.relative_to(pages.HOME)})" in readme, page.name


@pytest.mark.parametrize("page", pages.TRANSLATED, ids=lambda page: page.name)
def test_a_translation_has_the_same_code_and_headings(page):
    original = page.with_name(page.name.replace(".zh", ""))
    code = [[(block.kind, block.text) for block in pages.blocks(each)] for each in (original, page)]
    assert code[1] == code[0]
    levels = [
        re.findall(
            r"^(#+) ",
            re.sub(r"```.*?```", "", each.read_text(encoding="utf-8"), flags=re.S),
            re.MULTILINE,
        )
        for each in (original, page)
    ]
    assert levels[1] == levels[0]
