"""`lrdecay schedulers`: the schedulers that a sweep file may name."""

import inspect
from typing import Annotated

import typer
from rich.table import Table

from lrdecay.cli import options
from lrdecay.cli.console import out
from lrdecay.cli.exits import report_errors
from lrdecay.core.errors import InputError

commands = typer.Typer()


@commands.command(epilog="Example:  lrdecay schedulers CosineAnnealingLR")
@report_errors()
def schedulers(
    name: Annotated[str | None, typer.Argument(help="One class, to see it in full.")] = None,
    plugin: options.Plugin = None,
) -> None:
    """List the schedulers that a sweep file may name, with their arguments."""
    from lrdecay.components import plugins, registry
    from lrdecay.components import schedulers as known

    plugins.load_plugins(plugin or ())
    if name is not None:
        plugins.load_named([("scheduler", name)])
        if name not in known.CLASSES:
            raise InputError(f"scheduler {registry.suggest_registered('scheduler', name)}")
    table = Table("class", "stepped every", "arguments (= default)", box=None, pad_edge=False)
    for each in known.CLASSES if name is None else [name]:
        whole = getattr(known.CLASSES[each], "whole", None)
        arguments = [
            f"{key}=the run"
            if key == whole
            else key
            if field.is_required()
            else f"{key}={field.default!r}"
            for key, field in known.argument_model(each).model_fields.items()
            if key != "interval"
        ]
        table.add_row(each, known.find_interval(each), ", ".join(arguments) or "none")
    for entry in registry.list_installed("scheduler") if name is None else ():
        if entry.name not in known.CLASSES:  # its arguments are known once it is named
            table.add_row(entry.name, "", f"installed: {entry.value}")
    out.print(table)
    if name is not None:
        # torch's docstrings go on with formulas in markup
        text = inspect.cleandoc(known.CLASSES[name].__doc__ or "").split("\n\n")
        ours = known.CLASSES[name].__module__.startswith("lrdecay.")
        for paragraph in text[: 2 if ours else 1]:
            out.say(" ".join(paragraph.splitlines()))
    out.say(
        "A length may be epochs or steps (the whole run), 50% of it, or so much time: 2 epochs, "
        "30 steps; interval: step or epoch says when a scheduler is stepped."
    )
