"""How a sweep tells of itself in a terminal, in a notebook, in a script, and in other programs."""

import io
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from helpers.tiny import call_in_process, text
from rich.console import Console

from lrdecay.core.errors import InputError
from lrdecay.runner import renderers, run_sweep
from lrdecay.runner.progress import SweepProgress, make_default
from lrdecay.sweep.reading import parse_sweep


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Cell:
    """What a notebook stores under a cell, as IPython's `display` is told."""

    def __init__(self) -> None:
        self.outputs: dict[int, str] = {}
        self.updates = 0

    def display(self, content: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        assert raw
        assert display_id
        place = len(self.outputs)
        self._show(place, content)

        def update(content: dict[str, str], *, raw: bool) -> None:
            assert raw
            self.updates += 1
            self._show(place, content)

        return SimpleNamespace(update=update)

    def _show(self, place: int, content: dict[str, str]) -> None:
        assert list(content) == ["text/plain"]
        self.outputs[place] = content["text/plain"]


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    """This process as a notebook's."""
    shown, kernel = Cell(), SimpleNamespace(kernel=object())
    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    monkeypatch.setattr(ipython, "get_ipython", lambda: kernel, raising=False)
    monkeypatch.setattr(display, "display", shown.display, raising=False)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shown


def train(home, **options):
    two = "schedulers: {a: {class: constant}, b: {class: StepLR, step_size: 1}}\n"
    sweep = parse_sweep(text(seeds=1, schedulers=two))  # of which there is nothing to warn
    return run_sweep(sweep, home, workers=0, **options)


def test_a_script_gets_lines_on_stderr(tmp_path, capsys):
    train(tmp_path)
    out, err = capsys.readouterr()
    first, *_, last = err.splitlines()
    assert out == ""
    assert first == "4 runs, 0 of them done already"
    assert last.startswith("4/4 runs; ")
    assert "\x1b" not in err
    assert "\r" not in err
    train(tmp_path)
    assert capsys.readouterr().err.splitlines()[0] == "4 runs, 4 of them done already"


def test_none_shows_nothing(tmp_path, capfd):
    train(tmp_path, progress=None)
    assert capfd.readouterr() == ("", "")


def test_a_terminal_gets_the_bar_of_the_command(tmp_path, monkeypatch):
    heard = Terminal()
    monkeypatch.setattr(sys, "stderr", heard)
    monkeypatch.setenv("TERM", "xterm")
    train(tmp_path)
    shown = heard.getvalue()
    assert "4/4 runs" in shown
    assert "\x1b[2K" in shown  # it is drawn over itself
    assert shown.endswith("\x1b[?25h")  # and leaves the cursor as it was


def test_a_notebook_gets_one_line(tmp_path, cell, capfd):
    train(tmp_path)
    assert cell.outputs == {0: "4/4 runs"}
    assert cell.updates >= 1
    assert capfd.readouterr() == ("", "")
    train(tmp_path)
    assert cell.outputs == {0: "4/4 runs", 1: "4/4 runs"}


def test_a_line_is_written_anew_twice_a_second_at_most(cell, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(renderers.time, "monotonic", lambda: now[0])
    line = renderers.find_renderer()
    line.update(runs="0/9 runs", left="", now="starting", total=9, completed=0)
    assert cell.outputs == {}
    line.start("9 runs, 0 of them done already")
    seen = []
    for epoch in range(1, 10):
        now[0] += 0.2
        line.update(advance=1, left="3 s left", now=f"epoch {epoch}: \x1b[31mred")
        seen.append(cell.outputs[0])
    assert seen[:2] == 2 * ["9 runs, 0 of them done already"]
    assert seen[2:5] == 3 * [r"0/9 runs; 3 s left; epoch 3: \x1b[31mred"]
    assert seen[5:8] == 3 * [r"0/9 runs; 3 s left; epoch 6: \x1b[31mred"]
    line.note("warning: of something")
    assert cell.outputs[0] == "warning: of something\n0/9 runs"
    line.update(runs="2/9 runs")
    line.stop()
    assert cell.outputs == {0: "warning: of something\n2/9 runs"}


def test_an_interrupted_cell_says_how_far_it_came(tmp_path, cell, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lrdecay.runner.progress.SweepProgress.finished", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    assert cell.outputs == {0: "0/4 runs"}


def test_what_a_renderer_shows_is_for_no_terminal_to_obey():
    for terminal in (False, True):
        file = io.StringIO()
        console = Console(file=file, force_terminal=terminal, width=80, color_system=None)
        shown = renderers.find_renderer(console)
        shown.update(total=2, runs="\x1b]0;title\x07", left="", now="")
        shown.start("of \x1b]0;title\x07 runs")
        shown.note("a \x1b]0;title\x07 note")
        shown.show_run("\x1b]0;title\x07", at_once=True)
        shown.stop()
        assert r"a \x1b]0;title\x07 note" in file.getvalue()
        assert "\x1b]" not in file.getvalue()


def test_ipython_in_a_terminal_is_no_notebook(monkeypatch):
    assert not renderers.is_notebook()
    for shell in (SimpleNamespace(), None):
        ipython = SimpleNamespace(get_ipython=lambda shell=shell: shell)
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        assert not renderers.is_notebook()


@pytest.mark.slow
def test_a_process_of_multiprocessing_shows_nothing():
    assert call_in_process(make_default) is None
    assert isinstance(make_default(), SweepProgress)


@pytest.mark.parametrize("given", ["none", True, False, 0])
def test_what_cannot_be_notified_is_refused(given, tmp_path):
    with pytest.raises(InputError, match=r"^progress: must be auto, None for none, or an object"):
        train(tmp_path, progress=given)
    assert list(tmp_path.iterdir()) == []
