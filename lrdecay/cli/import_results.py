"""`lrdecay import`: results that others trained, to a results folder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lrdecay.cli import options
from lrdecay.cli.console import out, program_name
from lrdecay.cli.exits import report_errors
from lrdecay.core.errors import InputError
from lrdecay.core.sanitize import sanitize_line
from lrdecay.core.text import join_words, spell_count

if TYPE_CHECKING:
    import pandas as pd

    from lrdecay.store.importing.columns import Columns

commands = typer.Typer()

Kind = Literal["auto", "table", "wandb", "tensorboard", "mlflow", "trainer-state"]


def _many(name: str, metavar: str, says: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        name, metavar=metavar, help=f"{says}; repeat it."
    )
    return option


@commands.command(
    "import",
    epilog="Example:  lrdecay import runs.csv --scheduler name --seed seed "
    "--metric test_accuracy=acc --into results/mine",
)
@report_errors()
def import_results(
    source: Annotated[
        str,
        typer.Argument(
            help="A CSV, Parquet or JSON lines file (such as a run table of W&B), a folder with "
            "event files of TensorBoard or with trainer_state.json, or a store of MLflow, as in "
            "sqlite:///mlflow.db#EXPERIMENT.",
            metavar="SOURCE",
        ),
    ],
    scheduler: Annotated[
        str | None, typer.Option(metavar="COL", help="Column of what is compared.")
    ] = None,
    seed: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column of the seeds; runs of one seed are pairs."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        _many("--metric", "NAME[PROBLEM]=COL", "What lrdecay is to call a column of results"),
    ] = None,
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Results folder to write.")
    ] = None,
    columns: Annotated[
        bool, typer.Option("--columns", help="List the columns, with a guess of each one's option.")
    ] = False,
    kind: Annotated[Kind, typer.Option("--from", help="What wrote it; auto looks at it.")] = "auto",
    dropout: Annotated[
        str | None, typer.Option(metavar="COL|X", help="Column of the dropout rate, or the rate.")
    ] = None,
    axis: Annotated[
        list[str] | None, _many("--axis", "COL", "A further column that tells cells apart")
    ] = None,
    epochs: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Table of curves: epoch, split, loss, accuracy."),
    ] = None,
    status: Annotated[
        str | None, typer.Option(metavar="COL", help="Column of how runs ended.")
    ] = None,
    same_start: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column that is equal for runs of one start."),
    ] = None,
    digest: Annotated[
        list[str] | None,
        _many("--digest", "KIND=COL", "Column of init_digest, order_digest or dataset_digest"),
    ] = None,
    extract: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Take columns out of the run's name, as in '(?P<scheduler>.+)-s(?P<seed>[0-9]+)'.",
        ),
    ] = None,
    where: Annotated[list[str] | None, _many("--where", "COL=VALUE", "Only such rows")] = None,
    drop: Annotated[
        list[str] | None, _many("--drop", "VALUE", "Leave out rows of this seed, such as mean")
    ] = None,
    duplicates: Annotated[
        Literal["refuse", "last"],
        typer.Option(help="What to do about several rows of one cell and seed."),
    ] = "refuse",
    unit: Annotated[
        list[str] | None, _many("--unit", "NAME=UNIT", "share, percent, nats, seconds or own")
    ] = None,
    higher: Annotated[
        list[str] | None, _many("--higher-is-better", "NAME", "A metric of which more is better")
    ] = None,
    lower: Annotated[
        list[str] | None, _many("--lower-is-better", "NAME", "A metric of which less is better")
    ] = None,
    reference: options.Reference = None,
    margin: options.Margin = None,
    seeds_fixed: Annotated[
        bool,
        typer.Option("--seeds-fixed", help="Say that the number of seeds was fixed beforehand."),
    ] = False,
    common_seeds: Annotated[
        bool, typer.Option("--common-seeds", help="Leave out seeds that only one side has.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace other results in the folder.")
    ] = False,
) -> None:
    """Take results that are there already, whoever trained them, into a results folder.

    How runs are paired, and what they do not say, stands in every sentence about them.
    """
    from lrdecay.plots.figure_rows import select_where
    from lrdecay.store.importing.columns import Columns
    from lrdecay.store.importing.source import extract_columns, read_source

    found = read_source(source, kind)
    table = found.runs if extract is None else extract_columns(found.runs, extract)
    table = select_where(table, where) if where else table
    if columns:
        _list_columns(source, table)
        return
    needed = {"--scheduler": scheduler, "--seed": seed, "--metric": metric, "--into": into}
    if missing := [option for option, given in needed.items() if not given]:
        are = "is" if len(missing) == 1 else "are"
        raise InputError(f"{join_words(missing)} {are} missing; --columns lists what there is")
    assert scheduler is not None
    assert seed is not None
    assert metric is not None
    assert into is not None
    better = _split_directions(higher or (), lower or ())
    asked = Columns(
        scheduler,
        seed,
        _split_pairs("--metric", metric),
        _read_dropout(dropout),
        tuple(axis or ()),
        status,
        same_start,
        _split_pairs("--digest", digest or ()),
        better,
        _split_pairs("--unit", unit or ()),
        tuple(drop or ()),
        duplicates,
    )
    question = {"reference": reference, "margin": margin, "seeds_fixed": seeds_fixed}
    question |= {"common_seeds": common_seeds, "replace": replace}
    curves = None if epochs is None else read_source(epochs, "table").runs
    narrowed = {"extract": extract, "where": where}
    _write(source, table, asked, curves, into, question, narrowed)


def _write(
    source: str,
    table: pd.DataFrame,
    asked: Columns,
    curves: pd.DataFrame | None,
    into: Path,
    question: Mapping[str, Any],
    narrowed: Mapping[str, Any],
) -> None:
    from datetime import UTC, datetime

    from lrdecay.report.frame_import import import_frame
    from lrdecay.store.importing.save import Origin
    from lrdecay.store.importing.source import digest_source

    at = datetime.now(UTC).date().isoformat()
    name = Path(source.partition("#")[0]).name
    said = asked.describe() | {name: value for name, value in narrowed.items() if value}
    origin = Origin(name, digest_source(source, table), len(table), at, said)
    got = import_frame(table, asked, origin, curves, into.resolve().name)
    got.save(into, **question)
    for note in got.notes:
        out.say(f"{note}.")
    out.say(f"{into}: {spell_count(len(got.runs), 'run')} imported from {name}")
    out.say(f"Next:  {program_name()} compare {into}")


def _list_columns(source: str, table: pd.DataFrame) -> None:
    from lrdecay.store.importing.guesses import guess_options

    found = guess_options(table)
    rows = [("column", "distinct", "values"), *found[["column", "distinct", "values"]].to_numpy()]
    wide = max(len(str(name)) for name, _, _ in rows)
    for name, distinct, values in rows:
        out.say(sanitize_line(f"{name:<{wide}}  {distinct:>8}  {values}").rstrip())
    options = list(filter(None, found["guess"]))
    known = {word for option in options for word in option.split()}
    options += [f"{each} COLUMN" for each in ("--scheduler", "--seed") if each not in known]
    guesses = " ".join([*options, *([] if "--metric" in known else ["--metric NAME=COLUMN"])])
    command = f"{program_name()} import {shlex.quote(source)} {guesses} --into results/NAME"
    out.say(sanitize_line(f"A guess:  {command}"))


def _split_pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """Return what each `NAME=VALUE` of an option says; one without = stands for itself."""
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or (equals and not value):
            raise InputError(f"{option} {text}: expected NAME=VALUE")
        if name in pairs:
            raise InputError(f"{option} {text}: {name} is given twice")
        pairs[name] = value if equals else name
    return pairs


def _split_directions(higher: Sequence[str], lower: Sequence[str]) -> dict[str, bool]:
    if both := set(higher) & set(lower):
        raise InputError(f"--lower-is-better {min(both)}: --higher-is-better says otherwise")
    return dict.fromkeys(higher, True) | dict.fromkeys(lower, False)


def _read_dropout(given: str | None) -> str | float | None:
    """Return a rate as a number, anything else as the name of a column."""
    try:
        return None if given is None else float(given)
    except ValueError:
        return given
