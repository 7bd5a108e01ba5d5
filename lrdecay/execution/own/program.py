"""What trains runs in a worker by a program: one process a run, told by placeholders what to train
with, which appends what it measures to a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from lrdecay.components import schedulers
from lrdecay.components.plugins import load_as_elsewhere
from lrdecay.components.schedulers import Horizon
from lrdecay.components.trainers.command import CommandTemplate
from lrdecay.core.run import Run, to_canonical_json
from lrdecay.core.text import describe_error
from lrdecay.execution.grouping import Group
from lrdecay.execution.messages import Tell
from lrdecay.execution.own.errors import Diverged, TrialError
from lrdecay.execution.own.program_trial import METRICS_FILE, ProgramTrial
from lrdecay.execution.own.trial import Terms
from lrdecay.execution.trainer import Setup, raise_if_no_run_s
from lrdecay.store.schema import Record

_GUARD = Path(__file__).with_name("guard.py")
_LOOK_SECONDS = 0.05
_LONGEST = 500  # characters of an error


class ProgramError(RuntimeError):
    """A program ended with another exit status than 0."""


@dataclass(frozen=True)
class ProgramSetup:
    """Makes a `ProgramTrainer` in a worker. A worker looks for modules in places of its own, the
    program in `python_path`, that of whoever asked."""

    template: CommandTemplate
    terms: Terms
    python_path: str | None

    @classmethod
    def of(cls, template: CommandTemplate, terms: Terms) -> ProgramSetup:
        """Return it for programs that this process asks for."""
        return cls(template, terms, os.environ.get("PYTHONPATH"))

    def __call__(self, setup: Setup) -> ProgramTrainer:
        """Return it, once the plug-ins that have the schedulers are loaded."""
        load_as_elsewhere(setup.plugins)
        return ProgramTrainer(torch.device(setup.device), self)


class ProgramTrainer:
    """Starts a program for one run after another."""

    def __init__(self, device: torch.device, setup: ProgramSetup) -> None:
        self._device, self._setup = device, setup

    def train(self, group: Group, tell: Tell) -> None:
        """Train a group; each of its runs ends with a `Record`, whatever its program does."""
        for run in group.runs:
            tell(self._train_run(run, tell))

    def _train_run(self, run: Run, tell: Tell) -> Record:
        trial = ProgramTrial(run, self._device, tell, self._setup.terms)
        try:
            with tempfile.TemporaryDirectory(
                prefix="lrdecay-", ignore_cleanup_errors=True
            ) as folder:
                self._follow_program(trial, Path(folder))
            return trial.finish()
        except Diverged:
            return trial.finish()
        except TrialError as error:
            return trial.fail(str(error), is_final=True)
        except ProgramError as error:
            return trial.fail(str(error))
        except BaseException as error:
            raise_if_no_run_s(error)
            return trial.fail(describe_error(error))

    def _follow_program(self, trial: ProgramTrial, home: Path) -> None:
        """Run the program of a trial, and keep what it writes as it does.

        Raises:
            TrialError: what it wrote cannot be kept.
            ProgramError: it failed.
            Diverged: its loss is not finite; it is ended then.
        """
        folder, errors = home / "out", home / "stderr"
        folder.mkdir()
        values = self._describe_run(trial, folder, home / "scheduler.json")
        variables = {f"LRDECAY_{name.upper()}": text for name, text in values.items()}
        lines = _Lines(folder / METRICS_FILE)
        words = self._setup.template.fill(values)
        with self._start(words, variables, errors) as process:
            while (code := process.poll()) is None:
                self._take(trial, lines)
                time.sleep(_LOOK_SECONDS)
        self._take(trial, lines, ended=code == 0)
        if code:
            raise ProgramError(f"the command ended with {code}{_read_last_line(errors)}")

    @staticmethod
    def _take(trial: ProgramTrial, lines: _Lines, ended: bool = False) -> None:
        for number, line in lines.read_new(ended):
            trial.take_line(number, line)

    def _describe_run(self, trial: ProgramTrial, folder: Path, arguments: Path) -> dict[str, str]:
        """Return the placeholders' values, and write the scheduler's arguments into a file: as
        numbers where the sweep file says how many steps an epoch has, else as they stand there."""
        run, steps = trial.run, self._setup.terms.steps_per_epoch
        text = run.scheduler_args
        if steps is not None:
            horizon = Horizon.of(run.epochs, steps, run.lr)
            name, given = run.scheduler_class, run.scheduler_arguments
            text = to_canonical_json(schedulers.resolve_arguments(name, given, horizon))
        arguments.write_text(text, encoding="utf-8")
        values = {
            "seed": run.seed,
            "lr": run.lr,
            "dropout": run.dropout,
            "epochs": run.epochs,
            "scheduler": run.scheduler,
            "class": run.scheduler_class,
            "args": str(arguments),
            "folder": str(folder),
            **trial.values,
        }
        return {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in values.items()
            if value is not None
        }

    @contextmanager
    def _start(
        self, words: Sequence[str], variables: Mapping[str, str], errors: Path
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a program, which ends with the block and with this process."""
        inherited = {k: text for k, text in os.environ.items() if k != "PYTHONPATH"}
        if self._setup.python_path is not None:
            inherited["PYTHONPATH"] = self._setup.python_path
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_GUARD), *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env={**inherited, **variables},
                start_new_session=True,
            )
        assert process.stdin is not None
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait()


class _Lines:
    """The lines of a file that grows, and that may not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0  # bytes
        self._rest = b""
        self._count = 0

    def read_new(self, ended: bool) -> Iterator[tuple[int, str]]:
        """Yield the number, from 1, and the text of each line that has come since, unless it is
        empty; of the last one only if it is whole, or the file has `ended`."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        *whole, self._rest = (self._rest + new).split(b"\n")
        if ended:
            whole.append(self._rest)
        for line in whole:
            self._count += 1
            if line.strip():
                yield self._count, line.decode(errors="replace")


def _read_last_line(errors: Path) -> str:
    lines = errors.read_text(errors="replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {said[-_LONGEST:]}" if said else ", and wrote nothing to stderr"
