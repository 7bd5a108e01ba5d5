"""What the commands print, and the one run that `lrdecay train` trains and prints as it goes."""

from __future__ import annotations

import inspect
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lrdecay.inert import inert, one_line
from lrdecay.wording import at_dropout, joined

if TYPE_CHECKING:
    from pandas import DataFrame
    from torch import Tensor

    from lrdecay.course import Summary
    from lrdecay.engine.record import Epoch
    from lrdecay.integrity import Verification
    from lrdecay.lock import Holder
    from lrdecay.run import Run
    from lrdecay.sweep import Sweep

_LISTED = 20


class _Inert(Console):
    """A console that obeys nothing in what it prints: labels, paths and errors are the user's, or
    come with a folder that someone else filled."""

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, stderr=stderr)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return any text that is printed, also that of a table's cells."""
        return super().render_str(inert(text), **options)


out = _Inert()
err = _Inert(stderr=True)


def program() -> str:
    """Return what to type to call this program again."""
    called = sys.argv[0]
    return "lrdecay" if shutil.which("lrdecay") or Path(called).name != "lrdecay" else called


def train_and_print(sweep: Sweep, data_dir: Path | None, device: str) -> bool:
    """Train the one run of a sweep, print its losses as it goes, and say whether it completed."""
    from lrdecay import sources
    from lrdecay.devices import find_device
    from lrdecay.engine import reference
    from lrdecay.precision import training_settings

    chosen = find_device(device)
    dataset = sources.load(sweep.dataset, data_dir)
    (run,) = sweep.runs(dataset)
    split = dataset.split(run.validation, chosen)
    out.print(
        f"{run.dataset}: {len(split.train)} training, {run.validation} validation and "
        f"{len(split.test)} test images on {chosen}"
    )
    with training_settings():
        record = reference.train(run, split, chosen, _print_epoch, _print_batch)
    if record.run["status"] == "diverged":
        err.print(f"lrdecay: the loss was not finite at step {record.run['diverged_at_step']}")
        return False
    out.print(f"test accuracy {record.run['test_accuracy']:.2%}")
    return True


def _print_batch(epoch: int, batches: int, losses: list[Tensor]) -> None:
    # every 100 batches, and after the last of a shorter epoch
    if len(losses) % 100 == 0 or len(losses) == batches < 100:
        recent = losses[-100:]
        mean = sum(loss.item() for loss in recent) / len(recent)
        out.print(f"epoch {epoch}, batch {len(losses)} of {batches}: mean loss {mean:.4f}")


def _print_epoch(run: Run, epoch: Epoch) -> None:
    rates = dict.fromkeys([epoch.rates[0], epoch.rates[-1]])
    parts = [f"learning rate {' to '.join(f'{rate:g}' for rate in rates)}"]
    for split, word in (("val", "validation"), ("test", "test")):
        if split in epoch.metrics:
            metrics = epoch.metrics[split]
            parts.append(f"{word} loss {metrics.loss:.4f}, accuracy {metrics.accuracy:.2%}")
    out.print(f"epoch {epoch.number} of {run.epochs}: {'; '.join(parts)}", soft_wrap=True)


def print_summary(summary: Summary, sweep_folder: Path) -> None:
    """Print how a sweep ended, and what to do next."""
    from lrdecay.wording import counted, spell_seconds

    trained = summary.completed + summary.diverged + summary.failed
    elsewhere = f", {summary.elsewhere} left to other shards" if summary.elsewhere else ""
    out.print(
        f"{summary.folder}: {counted(summary.total, 'run')}, {trained} trained now "
        f"({summary.diverged} diverged, {summary.failed} failed) in "
        f"{spell_seconds(summary.seconds)}, {summary.reused} from before{elsewhere}",
        soft_wrap=True,
    )
    if summary.folder == sweep_folder:
        out.print(f"Next:  {program()} report {summary.folder}", soft_wrap=True)
        return
    shards = summary.folder.parent
    out.print(
        f"When all shards have ended:  {program()} merge {shards}/* --into {sweep_folder}",
        soft_wrap=True,
    )
    if summary.more_to_come:
        out.print("Then run the shards again: what comes next depends on all results so far.")


def print_known(name: str | None) -> None:
    """Print all schedulers that a sweep file may name, or one of them in full."""
    from lrdecay import schedulers

    table = Table("class", "stepped every", "arguments (= default)", box=None, pad_edge=False)
    for each in schedulers.CLASSES if name is None else [name]:
        whole = getattr(schedulers.CLASSES[each], "whole", None)
        arguments = [
            f"{key}=the run"
            if key == whole
            else key
            if field.is_required()
            else f"{key}={field.default!r}"
            for key, field in schedulers.arguments(each).model_fields.items()
            if key != "interval"
        ]
        table.add_row(each, schedulers.interval(each), ", ".join(arguments) or "none")
    out.print(table)
    if name is not None:
        # torch's docstrings go on with formulas in markup
        text = inspect.cleandoc(schedulers.CLASSES[name].__doc__ or "").split("\n\n")
        ours = schedulers.CLASSES[name].__module__.startswith("lrdecay.")
        for paragraph in text[: 2 if ours else 1]:
            out.print(" ".join(paragraph.splitlines()), soft_wrap=True)
    out.print(
        "The words epochs and steps stand for the length of a run, 0.5 epochs for half of it; "
        "interval: step or epoch says when a scheduler is stepped.",
        soft_wrap=True,
    )


def print_failures(folder: Path) -> None:
    """Print the runs of a results folder that an error ended, and the errors."""
    from lrdecay.results import read_runs

    runs = read_runs(folder)
    for row in runs[runs.status == "failed"].itertuples():
        cell = joined(row.scheduler, at_dropout(row.dropout), f"seed {row.seed}")
        if row.phase == "choose":
            cell += f", base rate {row.lr:g}"
        err.print(one_line(f"failed: {cell}: {row.error}"), soft_wrap=True)


def print_noise(folder: Path, repeats: Path) -> None:
    """Print how far runs that were trained twice lie apart."""
    from lrdecay.analysis import METRICS_COMPARED, noise_floor
    from lrdecay.results import read_runs
    from lrdecay.wording import counted

    for row in noise_floor(read_runs(folder), read_runs(repeats)).to_dict("records"):
        metric = METRICS_COMPARED[row["metric"]]
        if row["n"]:
            out.print(
                f"Trained twice: {counted(row['n'], 'run')}; {metric.title} the same to the bit in "
                f"{row['identical']}, at most {row['largest']:.3g} {metric.unit} apart",
                soft_wrap=True,
            )


def print_status(counts: DataFrame, holder: Holder | None) -> None:
    """Print how many runs are in which state, by scheduler, and who trains them."""
    from lrdecay.status import COLUMNS

    table = Table(box=None, pad_edge=False)
    table.add_column("scheduler")
    shown = ["runs", *COLUMNS]
    for name in shown:
        table.add_column(name, justify="right")
    for row in counts.to_dict("records"):
        trials = " (trials of base rates)" if row["phase"] == "choose" else ""
        label = one_line(row["scheduler"])
        table.add_row(f"{label}{trials}", *(str(row[name]) for name in shown))
    if len(counts) > 1:
        table.add_row("all", *(str(counts[name].sum()) for name in shown))
    out.print(table)
    out.print(f"Training: {holder}" if holder else "No sweep is at work here.", soft_wrap=True)


def print_verification(folder: Path, found: Verification) -> None:
    """Print what was checked, what was wrong with it, and what is to train again."""
    from lrdecay.wording import counted

    checked = (
        f"{folder}: {counted(found.runs, 'run')} with {counted(found.epochs, 'epoch')} in "
        f"{counted(found.files, 'file')}"
    )
    if not found.findings:
        out.print(f"{checked}: every checksum, key, count and identity is right", soft_wrap=True)
    for finding in found.findings[:_LISTED]:
        where = f"{folder / finding.path}: {finding.reason}"
        err.print(one_line(f"{where}; moved to quarantine"), soft_wrap=True)
    if len(found.findings) > _LISTED:
        err.print(f"... and {len(found.findings) - _LISTED} more", soft_wrap=True)
    if found.findings:
        out.print(f"{checked} are undamaged", soft_wrap=True)
    if found.pending is None:
        out.print("Which runs are missing, `lrdecay sweep FILE` will find", soft_wrap=True)
        return
    if found.pending:
        out.print(f"{counted(len(found.pending), 'run')} to train: `lrdecay sweep FILE`")
    for run in found.pending[:_LISTED]:
        parts = run.scheduler, at_dropout(run.dropout), f"seed {run.seed}", f"lr {run.lr:g}"
        name = joined(*parts)
        out.print(one_line(f"  {run.run_id}  {name}"), soft_wrap=True)
    if len(found.pending) > _LISTED:
        out.print(f"  ... and {len(found.pending) - _LISTED} more", soft_wrap=True)
