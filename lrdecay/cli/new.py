"""`lrdecay new`: a sweep file to start from."""

from math import prod
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from lrdecay.cli.console import out, program_name
from lrdecay.cli.exits import report_errors
from lrdecay.core.errors import InputError
from lrdecay.core.text import spell_count
from lrdecay.sweep.starter_file import DATASETS, DEFAULT_SCHEDULERS, SCHEDULERS, write_starter
from lrdecay.sweep.sweep_file import SUFFIXES

commands = typer.Typer()


@commands.command(
    epilog="Example:  lrdecay new mine.yaml --dataset mnist --schedulers constant,step,cosine"
)
@report_errors()
def new(
    file: Annotated[
        Path, typer.Argument(help="The file to write, such as mine.yaml.", metavar="FILE")
    ],
    dataset: Annotated[str, typer.Option(help=f"{', '.join(DATASETS)}.")] = "digits",
    schedulers: Annotated[
        str,
        typer.Option(metavar="A,B,...", help=f"Some of {', '.join(SCHEDULERS)}."),
    ] = ",".join(DEFAULT_SCHEDULERS),
) -> None:
    """Write a sweep file to start from, in which comments explain each key.

    A file that is there already is never overwritten.
    """
    if file.suffix not in SUFFIXES:
        raise InputError(f"{file}: a sweep file's name ends in .yaml, such as {file.stem}.yaml")
    asked = [name.strip() for name in schedulers.split(",")]
    text = write_starter(dataset, asked, str(file))
    from lrdecay.sweep.reading import parse_sweep

    sweep = parse_sweep(text, source=str(file))
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise InputError(f"{file} is there already; give another name") from None
    runs = prod(map(len, (sweep.schedulers, sweep.dropout, sweep.seeds)))
    out.say(
        f"{file}: {spell_count(len(asked), 'scheduler')} on {dataset} at "
        f"{spell_count(len(sweep.dropout), 'dropout rate')} and "
        f"{spell_count(len(sweep.seeds), 'seed')}: {spell_count(runs, 'run')}"
    )
    out.say(f"Next:  {program_name()} plan {quote(str(file))}")
