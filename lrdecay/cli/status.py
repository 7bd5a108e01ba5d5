"""`lrdecay status` and `lrdecay verify`: how far a sweep is, and what of it is damaged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from lrdecay.cli import options
from lrdecay.cli.console import err, out
from lrdecay.cli.exits import RUN_FAILED, report_errors
from lrdecay.core.sanitize import sanitize_line
from lrdecay.core.text import format_dropout, format_named, join_filled, spell_count

if TYPE_CHECKING:
    from pandas import DataFrame

    from lrdecay.store.lock import Holder
    from lrdecay.store.verify import Verification

commands = typer.Typer()


@commands.command(epilog="Example:  lrdecay status results/digits")
@report_errors()
def status(folder: options.ResultsFolder) -> None:
    """Say how far a sweep is, also while it trains elsewhere."""
    from lrdecay.analysis.looks import describe_schedule
    from lrdecay.core.first_plan import LOST
    from lrdecay.store.importing.save import read_origin
    from lrdecay.store.reader import read_plan
    from lrdecay.store.status import read_status

    print_status(*read_status(folder))
    whole = read_plan(folder)
    plan = whole.first_plan
    if read_origin(whole.sweep_text) is not None:
        out.say("These runs were imported; `lrdecay compare` says when verdicts are made.")
    elif plan is not None and plan.lost:
        out.say(f"No verdict counts as planned: {LOST}")
    elif plan is not None:
        out.say(f"Verdicts are made {describe_schedule(plan.first, plan.most)}")


@commands.command(epilog="Example:  lrdecay verify results/digits")
@report_errors()
def verify(folder: options.ResultsFolder) -> None:
    """Check every byte, key and count of a results folder; exit with 1 if something is wrong.

    Damaged files are moved to FOLDER/quarantine, never deleted, and their undamaged runs kept.
    """
    from lrdecay.store.verify import verify_results

    found = verify_results(folder)
    print_verification(folder, found)
    if found.findings:
        raise typer.Exit(RUN_FAILED)


_LISTED = 20


def print_status(counts: DataFrame, holder: Holder | None) -> None:
    """Print how many runs are in which state, by scheduler, and who trains them."""
    from lrdecay.store.status import COLUMNS

    table = Table(box=None, pad_edge=False)
    table.add_column("scheduler")
    shown = ["runs", *COLUMNS]
    for name in shown:
        table.add_column(name, justify="right")
    for row in counts.to_dict("records"):
        trials = " (trials of base rates)" if row["phase"] == "choose" else ""
        label = sanitize_line(row["scheduler"])
        table.add_row(f"{label}{trials}", *(str(row[name]) for name in shown))
    if len(counts) > 1:
        table.add_row("all", *(str(counts[name].sum()) for name in shown))
    out.print(table)
    out.say(f"Training: {holder}" if holder else "No sweep is at work here.")


def print_verification(folder: Path, found: Verification) -> None:
    """Print what was checked, what was wrong with it, and what is to train again."""
    from lrdecay.store.importing.rows import ENGINE

    checked = (
        f"{folder}: {spell_count(found.runs, 'run')} with {spell_count(found.epochs, 'epoch')} in "
        f"{spell_count(found.files, 'file')}"
    )
    if not found.findings:
        out.say(f"{checked}: every checksum, key, count and identity is right")
    for finding in found.findings[:_LISTED]:
        where = f"{folder / finding.path}: {finding.reason}"
        err.say(sanitize_line(f"{where}; moved to quarantine"))
    if len(found.findings) > _LISTED:
        err.say(f"... and {len(found.findings) - _LISTED} more")
    if found.findings:
        out.say(f"{checked} are undamaged")
    if found.pending is None:
        out.say("`lrdecay sweep FILE` will find which runs are missing")
        return
    if found.pending:
        lost = spell_count(len(found.pending), "run")
        imported = all(run.trainer == ENGINE for run in found.pending)
        again = "import: `lrdecay import`, as before" if imported else "train: `lrdecay sweep FILE`"
        out.print(f"{lost} to {again}")
    for run in found.pending[:_LISTED]:
        lr = format_named("lr", run.lr)
        name = join_filled(run.scheduler, format_dropout(run.dropout), f"seed {run.seed}", lr)
        out.say(sanitize_line(f"  {run.run_id}  {name}"))
    if len(found.pending) > _LISTED:
        out.say(f"  ... and {len(found.pending) - _LISTED} more")
