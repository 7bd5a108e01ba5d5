"""`lrdecay merge`: join the results of shards, or of several machines."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from lrdecay.cli import options
from lrdecay.cli.console import err, out, program_name
from lrdecay.cli.exits import exit_on_signal, report_errors
from lrdecay.core.text import spell_count

commands = typer.Typer()


@commands.command(epilog="Example:  lrdecay merge results/digits/shards/* --into results/digits")
@report_errors()
def merge(
    folders: Annotated[
        list[Path], typer.Argument(help="Results folders of one sweep.", metavar="FOLDER...")
    ],
    into: Annotated[
        Path,
        typer.Option("--into", metavar="FOLDER", help="The folder to put all their runs into."),
    ],
    allow_mixed: options.AllowMixed = False,
) -> None:
    """Join the results of shards, or of one sweep on several machines, into one folder.

    The folders stay as they are. A run that two of them have with different numbers is refused.
    """
    with exit_on_signal() as place:
        from lrdecay.store.merge import merge_results

        place.folder = into
        merged = merge_results(folders, into, allow_mixed)
        for each in merged.empty:
            err.say(f"{each}: no results yet")
        missing = f"; {spell_count(merged.missing, 'run')} still to train" if merged.missing else ""
        out.say(f"{into}: {spell_count(merged.runs, 'run')}, {merged.added} of them new{missing}")
        out.say(f"Next:  {program_name()} report {quote(str(into))}")
