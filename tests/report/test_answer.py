"""What a notebook shows of a comparison: the words that `lrdecay compare` prints."""

import re

import pytest
from helpers.frames import make_tables, write_folder
from helpers.html_page import Fragment
from typer.testing import CliRunner

import lrdecay
from lrdecay.analysis import conclude
from lrdecay.analysis.headline import write_answer
from lrdecay.analysis.settings import read_criteria
from lrdecay.cli.app import app
from lrdecay.report import compare, remarks
from lrdecay.report.next_step import write_next_step

SWEEP = "name: s\ndataset: digits\ncomparison: {reference: step, margin: 0.7, confidence: 0.9}\n"
HOSTILE = ("step", "<script>alert(1)</script>", "\"'><svg/onload=alert(1)>$x$\x1b[31m")


def write(folder, schedulers=("constant", "step", "cosine"), seeds=10):
    return write_folder(folder / "s", make_tables(schedulers, (0.0, 0.5), seeds, 2), SWEEP)


def printed(folder) -> list[str]:
    """The lines of the command, less the hints at its options."""
    result = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["compare", str(folder)])
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()).removesuffix(":") for line in result.output.splitlines()]
    return [line for line in lines if line and "--" not in line]


@pytest.mark.parametrize("seeds", [4, 10])
@pytest.mark.parametrize("schedulers", [("constant", "step", "cosine"), ("step",), HOSTILE])
def test_it_shows_what_the_command_prints(tmp_path, schedulers, seeds):
    folder = write(tmp_path, schedulers, seeds)
    found = Fragment(lrdecay.compare_folder(str(folder))._repr_html_())
    assert [line for line in found.lines if "--" not in line] == printed(folder)
    assert len(found.lines) > 2 * len(schedulers) - 1
    assert found.names <= {"div", "p", "strong", "br", "table", "tr", "th", "td"}
    assert found.attributes <= {"class", "style", "colspan"}


@pytest.mark.parametrize("seeds", [4, 10])
def test_it_says_what_is_concluded(tmp_path, seeds):
    folder = write(tmp_path, seeds=seeds)
    answer = lrdecay.compare_folder(folder)
    found = conclude(lrdecay.read_runs(folder), None, read_criteria(SWEEP))
    said = write_answer(found)
    lines = Fragment(answer._repr_html_()).lines
    assert lines[0] == said
    after = [*remarks.write_new_images(found), *remarks.write_best(found)]
    after += [*write_next_step(found), *answer.notes]
    assert lines[-len(after) :] == after
    assert len(after) == 3
    assert repr(answer) == f"<Answer of {folder}: {said}>"
    assert answer.found.table.equals(found.table)


def test_only_so_many_lines_are_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "SHOWN", 3)
    lines = Fragment(lrdecay.compare_folder(write(tmp_path))._repr_html_()).lines
    assert sum(re.match(r"(constant|cosine) [+-]?\d", line) is not None for line in lines) == 3
    assert "... and 1 more: they are in .found.table" in lines
