"""Whatever is given for a sweep file is understood, or refused in clear lines. Nothing else."""

import math
import re
import signal
import time
import traceback
from collections import Counter
from contextlib import contextmanager
from typing import get_args

import pytest
from helpers import sweep_files
from helpers.training import digits

from lrdecay.analysis import lr_selection
from lrdecay.analysis.settings import SeedsUntil
from lrdecay.cli import schedule_preview
from lrdecay.components.schedulers import CLASSES
from lrdecay.core.errors import InputError
from lrdecay.sweep import schedule_lint
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.matrix import expand_matrix
from lrdecay.sweep.own_matrix import expand_own_matrix, foresee_runs
from lrdecay.sweep.reading import load_sweep

LONGEST_LINE = 1500  # characters: 30 choices of 40 at most, and what was given
LONGEST_TIME = 10  # seconds of the processor for one file
SMALL_SWEEP = 24  # runs
SMALL_WALK = 1000  # steps in all schedules of a sweep that are walked through
EXPANDED = 20  # one in so many of the small sweeps, as that takes twenty times as long as reading

MINIMAL = "dataset: digits\nschedulers: {a: {class: constant}}\n"


class HangError(BaseException):
    """Nothing in the program catches it."""


@contextmanager
def bounded(seconds: float):
    """Raise `HangError` in what takes more of the processor's time than that."""

    def hangs(*_):
        raise HangError

    before = signal.signal(signal.SIGPROF, hangs)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def check_lines(message: str, source: str | None) -> None:
    """Every line is clear; with a source, it names that with line and column."""
    for line in message.split("\n"):
        assert line.isprintable(), f"control characters: {line!r}"
        assert len(line) <= LONGEST_LINE + len(source or ""), f"{len(line)} characters: {line!r}"
        if source is not None:
            assert re.match(rf"{re.escape(source)}:[1-9]\d*:[1-9]\d*: \S", line), line
        assert not re.search(r"Traceback|pydantic|Input should|<class '", line), line


def is_small(sweep: Sweep) -> bool:
    runs = sweep.cells * len(sweep.seeds) + sweep.trials
    steps = [math.ceil(digits().train_count / size) for size in sweep.batch_size]
    if sweep.trainer is not None:
        steps = [sweep.steps_per_epoch or 0]
    walks = [epochs * each for epochs in sweep.epochs for each in steps]
    return runs <= SMALL_SWEEP and sum(walks) * len(sweep.schedulers) <= SMALL_WALK


def expand_and_walk(sweep: Sweep) -> str:
    """Do what `lrdecay plan` does about the schedules."""
    try:
        if sweep.trainer is not None:
            matrix = expand_own_matrix(sweep)
            cells, trained = foresee_runs(sweep, matrix), sweep.steps_per_epoch or 0
        else:
            matrix = expand_matrix(sweep, digits())
            cells, trained = matrix.cells, digits().train_count - matrix.cells[0].validation
        foreseen = schedule_lint.simulate_schedules(cells, trained)
    except InputError as error:
        check_lines(str(error), None)
        return "refused on the data"
    runs = [*matrix.trials(), *matrix.comparison(lr_selection.list_first_rates(matrix.cells))]
    assert len({run.run_id for run in runs}) == sweep.cells * len(sweep.seeds) + sweep.trials
    for text in schedule_lint.lint_schedules(foreseen):
        check_lines(text, None)
    for row in schedule_preview.draw_lines(foreseen):
        check_lines(" ".join(row), None)
    return "expanded"


def outcome(path, content: bytes, number: int = 0) -> str:
    """Return what becomes of a file; raise for what must not."""
    with path.open("r+b" if path.exists() else "xb") as file:
        file.write(content)
        file.truncate()  # to open it anew and empty takes some file systems longer than the test
    with bounded(LONGEST_TIME):
        try:
            sweep = load_sweep(path)
        except InputError as error:
            check_lines(str(error), str(path))
            return "refused"
        assert isinstance(sweep, Sweep)
        return (
            expand_and_walk(sweep) if is_small(sweep) and number % EXPANDED == 0 else "understood"
        )


@pytest.mark.parametrize("text", sweep_files.every_valid())
def test_the_files_that_are_mutated_are_valid(tmp_path, text):
    assert outcome(tmp_path / "s.yaml", text.encode()) in ("understood", "expanded")


def test_the_files_that_are_mutated_have_every_key_and_class():
    whole = "\n".join(sweep_files.every_valid())
    missing = [name for name in CLASSES if f"class: {name}" not in whole]
    parts = [Sweep.model_fields[name].annotation for name in ("dataset", "model", "optimizer")]
    keys = [
        str(field.validation_alias or key)
        for part in [Sweep, *(next(iter(get_args(part)), part) for part in parts), SeedsUntil]
        for key, field in part.model_fields.items()
    ]
    missing += [key for key in keys if f"{key}:" not in whole]
    assert not missing


RATES = ", ".join(f"{n}e-9" for n in range(1, 1000))
CYCLE = "class: OneCycleLR, total_steps: steps"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "x0: &x0 [y, y, y, y, y, y, y, y, y]\n"
            + "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 20)),
            "refused",
        ),
        ("a: " + "[]" * 500_000, "refused"),
        ("'" * 1_000_000, "refused"),
        (":" * 1_000_000, "refused"),
        ("\n" * 1_000_000, "refused"),
        (MINIMAL + "dropout: 0." + "9" * 1_000_000, "refused"),
        (MINIMAL + f"epochs: {'0' * 1_000_000} epochs", "refused"),
        (MINIMAL + "seeds: 1000000000000", "refused"),
        (
            f"dataset: digits\noptimizer: {{lr: [{RATES}]}}\nschedulers:\n"
            + "".join(f"  s{n}: {{{CYCLE}, max_lr: {n} lr}}\n" for n in range(1, 1000)),
            "understood",
        ),
        (
            "dataset: digits\nschedulers: {a: {class: SequentialLR, milestones: "
            f"{list(range(1, 2001))}, schedulers: [{', '.join(['{class: constant}'] * 2001)}]}}}}",
            "understood",
        ),
    ],
    ids=[
        *("aliases", "brackets", "quotes", "colons", "lines", "decimals", "word", "seeds"),
        *("schedulers and rates", "milestones"),
    ],
)
def test_a_file_that_is_made_to_take_long_does_not(tmp_path, text, expected):
    assert outcome(tmp_path / "s.yaml", text.encode(), number=1) == expected


def test_any_file_is_understood_or_refused(tmp_path, often, figure):
    count = often(3000, 100_000)
    path, found, wrong = tmp_path / "s.yaml", Counter(), []
    started = time.process_time()
    for number in range(count):
        try:
            found[outcome(path, sweep_files.document(number), number)] += 1
        except (Exception, HangError):
            wrong.append(f"document({number}): {traceback.format_exc(limit=-3)}")
    seconds = time.process_time() - started
    assert not wrong, f"{len(wrong)} of {count}\n" + "\n".join(wrong[:10])
    understood = count - found["refused"]
    assert min(understood, found["refused"]) > count / 10
    assert found["expanded"] > count / 200
    shares = ", ".join(f"{n:,} {name}" for name, n in sorted(found.items()))
    figure("fuzzed sweep files", f"{count:,} in {seconds:.0f} s of one core: {shares}")
