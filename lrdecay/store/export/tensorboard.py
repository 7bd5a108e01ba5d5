"""Runs to TensorBoard's event files, a folder for each run.

TensorBoard keeps scalars in single precision. Every event has the time at which its run ended,
since no other is recorded; so the same tables give the same bytes.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter
from tensorboardX.summary import hparams, text

from lrdecay.store.export.base import OnProgress, Tables
from lrdecay.store.export.rows import Run, list_exported


def write_tensorboard(tables: Tables, folder: Path, on_progress: OnProgress) -> None:
    """Write the events of every run into a folder of its own."""
    for number, run in enumerate(list_exported(tables), 1):
        home = folder.resolve() / run.name
        home.mkdir()
        at = run.finished.timestamp()
        # not SummaryWriter, which keeps something of every run in memory until the program ends
        with closing(RecordWriter(str(home / f"events.out.tfevents.{at:.0f}.lrdecay"))) as file:
            file.write(Event(wall_time=at, file_version="brain.Event:2").SerializeToString())
            for step, summary in _summaries(run):
                event = Event(wall_time=at, step=step, summary=summary)
                file.write(event.SerializeToString())
        on_progress(number, len(tables.runs))


def _summaries(run: Run) -> Iterator[tuple[int, Summary]]:
    """Give summaries, each with its epoch."""
    outcomes = {f"final/{name}": value for name, value in run.outcomes.items()}
    begun, parameters, ended = hparams(run.parameters, outcomes)
    yield 0, begun
    yield 0, parameters
    if run.completed:  # without an end the table of hyperparameters shows no success
        yield 0, ended
    yield 0, text("made_by", _as_text(run))
    for epoch, numbers in run.curves.items():
        yield epoch, _scalars(numbers)
    yield max(run.curves, default=0), _scalars(outcomes)


def _scalars(numbers: Mapping[str, float]) -> Summary:
    values = [Summary.Value(tag=name, simple_value=value) for name, value in numbers.items()]
    return Summary(value=values)


def _as_text(run: Run) -> str:
    # indented by four: Markdown then shows it as it is
    lines = [f"{name}: {value}" for name, value in ({"run_id": run.id} | run.made_by).items()]
    return "\n".join(f"    {line}" for text in lines for line in text.splitlines())
