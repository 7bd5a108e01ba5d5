"""The command line: the only place that knows both the half that trains and the half that reads.

torch, pandas and matplotlib are imported by the commands that need them, so that `--help` answers
at once.
"""

import io
import sys
import traceback
from contextlib import suppress
from typing import Annotated

import typer

from lrdecay.cli import (
    compare,
    export,
    import_results,
    merge,
    new,
    plan,
    plot,
    report,
    schedulers,
    status,
    sweep,
    train,
)
from lrdecay.cli.console import err, out
from lrdecay.cli.exits import RUN_FAILED, report_errors

app = typer.Typer(
    help="Which learning-rate scheduler, at which dropout, and is the difference real?",
    epilog="Start with:  lrdecay sweep digits",
    no_args_is_help=True,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
COMMANDS = (
    *(sweep, new, merge, status, plan, train, schedulers),
    *(report, compare, import_results, export, plot),
)
for command in COMMANDS:
    app.add_typer(command.commands)


@app.callback()
def _program(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        out.print(installed("lrdecay"))
        raise typer.Exit


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a terminal that cannot show a label shows its code
            stream.reconfigure(errors="backslashreplace")
    try:
        with report_errors():  # also of what is outside of the commands, such as --help
            app()
    except typer.Exit as end:
        sys.exit(end.exit_code)
    except Exception:  # a mistake of ours: shown as Python does, but what it quotes is not obeyed
        err.say(traceback.format_exc())
        sys.exit(RUN_FAILED)
    finally:
        try:
            sys.stdout.flush()
        except OSError:  # of a full disk: Python would try again and print its own error
            with suppress(OSError):
                sys.stdout.close()
