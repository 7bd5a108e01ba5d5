"""Runs to TensorBoard's event files, a folder for each run.

TensorBoard keeps scalars in single precision. Every event has the time at which its run ended,
since no other is recorded.
"""

from __future__ import annotations

from pathlib import Path

from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

from lrdecay.export.exporting import Tables
from lrdecay.export.rows import Run, runs_of


def write(tables: Tables, folder: Path) -> None:
    """Write the events of every run into a folder of its own."""
    for run in runs_of(tables):
        _write_run(run, folder / run.name)


def _write_run(run: Run, folder: Path) -> None:
    at = run.finished.timestamp()
    outcomes = {f"final/{name}": value for name, value in run.outcomes.items()}
    begun, parameters, ended = hparams(run.parameters, outcomes)
    with SummaryWriter(str(folder)) as writer:
        to_file = writer.file_writer
        # a run that diverged or failed has no end: the page of hyperparameters shows it so
        for summary in (begun, parameters, *([ended] if run.completed else [])):
            to_file.add_summary(summary, walltime=at)
        for name, value in outcomes.items():
            writer.add_scalar(name, value, max(run.curves, default=0), at)
        for epoch, numbers in run.curves.items():
            for name, value in numbers.items():
                writer.add_scalar(name, value, epoch, at)
        writer.add_text("made_by", _as_text(run), 0, at)


def _as_text(run: Run) -> str:
    # indented by four: Markdown then shows it as it is
    lines = [f"{name}: {value}" for name, value in ({"run_id": run.id} | run.made_by).items()]
    return "\n".join(f"    {line}" for text in lines for line in text.splitlines())
