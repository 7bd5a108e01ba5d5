"""`lrdecay report`: the page of one sweep, or of several side by side."""

import gc
from pathlib import Path
from typing import Annotated

import typer

from lrdecay.cli import options
from lrdecay.cli.console import err, out
from lrdecay.cli.exits import exit_with_line, report_errors
from lrdecay.core.errors import InputError

commands = typer.Typer()


@commands.command(
    epilog="Example:  lrdecay report results/digits\n\n"
    "Side by side:  lrdecay report results/digits results/mnist"
)
@report_errors()
def report(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            help=f"{options.RESULTS_OR_SWEEP}, unless given that of `lrdecay sweep`; of several, "
            "one page that shows them side by side.",
            metavar="FOLDER",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="File to write; unless given FOLDER/report.html, and of several folders "
            "compared.html beside the first.",
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Rewrite it as runs finish, until the sweep is complete or Ctrl-C."
        ),
    ] = False,
    results: options.ResultsDir = Path("results"),
    plugin: options.Plugin = None,
) -> None:
    """Write the report of a sweep: one HTML file that needs no network.

    The index.html beside the results folder lists all reports there.
    """
    asked = [*folders] if folders else [None]
    places = [options.find_results(given, results, plugin) for given in asked]
    if watch:
        if len(places) > 1:
            raise InputError(f"--watch takes one results folder, not {len(places)}")
        _watch(places[0], output)
        return
    if len(places) > 1:
        from lrdecay.report.side_by_side import write_comparison

        path = write_comparison(places, output)
    else:
        from lrdecay.report.page import write_report

        # a tenth of the time: what is imported stays, and need not be looked through for garbage
        gc.freeze()
        path = write_report(places[0], output)
    out.say(str(path))
    if output is None:
        _list_reports(places[0])


def _watch(folder: Path, output: Path | None) -> None:
    from lrdecay.report.index import REPORT
    from lrdecay.report.watch import watch_results

    path = folder / REPORT if output is None else output
    with exit_with_line(lambda: "Stopped watching; the page stays as it is."):
        try:
            watch_results(folder, path, out.say)
        finally:
            if output is None and path.is_file():
                _list_reports(folder)


def _list_reports(folder: Path) -> None:
    """Update the list of the reports beside a results folder."""
    from lrdecay.report.index import INDEX, find_home, write_index

    home = find_home(folder)
    try:
        listed = write_index(home) is not None
    except OSError as error:  # the report itself is complete
        err.say(f"{home / INDEX} does not list the reports: {error.strerror or error}")
        return
    if not listed:
        err.say(
            f"{home / INDEX} was not written by lrdecay and is kept; it does not list the reports"
        )
