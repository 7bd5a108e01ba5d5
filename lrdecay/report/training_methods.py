"""What was trained, in sentences for the Methods section of a paper."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import pandas as pd

from lrdecay.analysis import axis_values, describe_matrix, rates_chosen
from lrdecay.core.data_facts import DataFacts
from lrdecay.core.text import (
    format_call,
    format_named,
    format_values,
    join_words,
    spell_count,
    to_text,
)
from lrdecay.report.own_loops import has_own_loop, has_program
from lrdecay.store.importing.save import Origin

_UNKNOWN = "imported"
"""The class of a schedule of which only the label is known; its arguments tell imports apart."""


def describe_training(
    runs: pd.DataFrame, trials: pd.DataFrame, data: DataFacts | None, origin: Origin | None
) -> Iterator[str]:
    """Yield what was trained and how, as far as it is recorded; the arguments are those of
    `methods.write_methods`, and the runs of the comparison."""
    if origin is not None:
        yield (
            f"The results of {spell_count(len(runs), 'run')} were not trained by lrdecay but read "
            f"from {origin.file} (SHA-256 {origin.sha256[:16]}...) on {origin.at}."
        )
        yield from _describe_axes(runs)
    elif (runs["engine"] == "imported").all():
        yield (
            f"The results of {spell_count(len(runs), 'run')} were not trained by lrdecay; where "
            f"they came from was not recorded."
        )
        yield from _describe_axes(runs)
    elif has_own_loop(runs):
        who = "A program" if has_program(runs) else "A training loop"
        yield f"{who} of the authors' trained the runs ({join_words(list_texts(runs, 'dataset'))})."
        yield from _describe_axes(runs)
    else:
        yield from _describe_networks(runs)
        yield from _describe_loss(runs)
        yield from _describe_images(runs, data)
    yield from _describe_choice(runs, trials)
    yield from _describe_schedulers(runs)


def list_texts(runs: pd.DataFrame, column: str) -> list[str]:
    """Return the values of a column as text, without null; none of a column that is not there."""
    if column not in runs:
        return []
    return [text for value in axis_values(runs, column) if (text := to_text(value))]


def _list_named(runs: pd.DataFrame, column: str) -> list[str]:
    """Return the values of a column of arguments in words, without those of none."""
    return [format_named(column, text) for text in list_texts(runs, column) if text != "{}"]


def _list_counts(runs: pd.DataFrame, column: str) -> list[str]:
    return [f"{count:,}" for count in sorted(set(runs[column].dropna().astype(int)))]


def _name_counts(counts: list[str], what: str, word: str = "and") -> str:
    """Return numbers with the noun of what there are so many of."""
    return spell_count(1, what) if counts == ["1"] else f"{join_words(counts, word)} {what}s"


def _describe_axes(runs: pd.DataFrame) -> Iterator[str]:
    """Yield what is recorded of runs of which not everything is."""
    table = describe_matrix(runs)
    known = [
        f"{axis} {format_values(values)}"
        for axis, values in zip(table["axis"], table["values"], strict=True)
        if axis not in ("scheduler", "dropout", "seed") and format_values(values)
    ]
    if known:
        yield f"Recorded of them was: {'; '.join(known)}."


def _describe_networks(runs: pd.DataFrame) -> Iterator[str]:
    datasets = join_words(list_texts(runs, "dataset"))
    epochs = _name_counts(_list_counts(runs, "epochs"), "epoch")
    sizes = _name_counts(_list_counts(runs, "batch_size"), "image")
    rates = "" if rates_chosen(runs) else f", at {_name_rates(list_texts(runs, 'lr'))}"
    yield (
        f"{_name_networks(runs)} were trained on {datasets} for {epochs} in batches of "
        f"{sizes} by {_name_optimizers(runs)}{rates}."
    )
    if precision := [text for text in list_texts(runs, "precision") if text != "float32"]:
        yield f"Computations were in {join_words(precision)}."
    if given := sorted({name for text in runs["plugins"].dropna() for name in json.loads(text)}):
        yield f"Plug-ins gave what lrdecay itself does not have: {join_words(given)}."


def _name_networks(runs: pd.DataFrame) -> str:
    models, named = list_texts(runs, "model"), _list_named(runs, "model_args")
    details = [f"arguments {' or '.join(named)}"] if named else []
    normed = set(runs["batch_norm"].dropna())
    if True in normed or models == ["cnn"]:  # other networks have what they are built of
        words = {True: "with", False: "without"}
        kinds = join_words([words[each] for each in (True, False) if each in normed])
        details.append(f"{kinds} batch normalisation after each convolution")
    inside = f" ({'; '.join(details)})" if details else ""
    return f"Networks of the kind{'s' if len(models) > 1 else ''} {join_words(models)}{inside}"


def _name_rates(rates: list[str]) -> str:
    return f"base learning rate{'s' if len(rates) > 1 else ''} {join_words(rates)}"


def _name_optimizers(runs: pd.DataFrame) -> str:
    there = runs[["optimizer", "optimizer_args"]].drop_duplicates()
    return join_words(
        [
            name if args == "{}" else f"{name} ({format_named('optimizer_args', args)})"
            for name, args in there.itertuples(index=False)
        ]
    )


def _describe_loss(runs: pd.DataFrame) -> Iterator[str]:
    losses = [name.replace("_", " ") for name in list_texts(runs, "loss_function")]
    text = f"The loss was {join_words(losses, 'or')}"
    smoothing = list_texts(runs, "label_smoothing")
    if smoothing != ["0"]:
        text += f", with label smoothing {join_words(smoothing, 'or')}"
    norms = [norm for norm in list_texts(runs, "clip_grad_norm") if norm != "inf"]
    if norms:
        some = "in some runs " if math.inf in set(runs["clip_grad_norm"]) else ""
        text += f"; gradients were {some}clipped to a norm of {join_words(norms, 'or')}"
    yield f"{text}."


def _describe_images(runs: pd.DataFrame, data: DataFacts | None) -> Iterator[str]:
    if augment := _list_named(runs, "augment"):
        plain = " or not at all" if "{}" in set(runs["augment"]) else ""
        yield f"Training images were changed at random ({' or '.join(augment)}){plain}."
    if data is not None:
        total = sum(data.train)
        yield f"{spell_count(total, 'image')} {'was' if total == 1 else 'were'} trained on."
    held_out, tested = (_list_counts(runs, name) for name in ("validation", "test_images"))
    if held_out != ["0"]:
        verb, same = ("was", "one") if held_out == ["1"] else ("were", "ones")
        yield (
            f"{_name_counts(held_out, 'training image', 'or')} {verb} held out for validation, the "
            f"same {same} in every run; nothing else steered a run or a choice."
        )
    if tested:
        yield f"The test set had {_name_counts(tested, 'image', 'or')}."


def _describe_choice(runs: pd.DataFrame, trials: pd.DataFrame) -> Iterator[str]:
    if not rates_chosen(runs) or trials.empty:
        return
    axes = str(runs["lr_chosen_per"].dropna().iloc[0]).split(", ")
    per = join_words([f"each {axis}" for axis in axes])
    seeds = spell_count(trials["seed"].nunique(), "seed")
    yield (
        f"The base learning rate of {per} was chosen before the comparison, from "
        f"{join_words(list_texts(trials, 'lr'))}, as the one with the lowest mean validation loss "
        f"after the last epoch, in {spell_count(len(trials), 'trial')} on {seeds} of their own."
    )


def _describe_schedulers(runs: pd.DataFrame) -> Iterator[str]:
    chosen = rates_chosen(runs)
    described = []
    for name in map(str, axis_values(runs, "scheduler")):
        own = runs[runs["scheduler"] == name]
        parts = [call for call in _list_calls(own) if call != name]
        if chosen:
            parts.append(_name_rates(list_texts(own, "lr")))
        described.append(f"{name} ({', '.join(parts)})" if parts else name)
    many = "schedulers were" if len(described) > 1 else "scheduler was"
    known = ""
    if _lacks_schedules(runs):
        name = "these names stand" if len(described) > 1 else "this name stands"
        known = f"; what {name} for was not recorded"
    yield f"The learning-rate {many} {'; '.join(described)}{known}."


def _lacks_schedules(runs: pd.DataFrame) -> bool:
    """Return whether labels were imported with nothing that says what they stand for."""
    return "scheduler_class" in runs and bool((runs["scheduler_class"] == _UNKNOWN).any())


def _list_calls(runs: pd.DataFrame) -> list[str]:
    """Return what a label stands for, in one text: classes with their arguments."""
    if "scheduler_class" not in runs:
        return []
    known = runs[runs["scheduler_class"] != _UNKNOWN]
    rows = known[["scheduler_class", "scheduler_args"]].dropna().drop_duplicates()
    calls = []
    for name, text in rows.itertuples(index=False):
        arguments = json.loads(text)
        interval = arguments.pop("interval", None)
        call = format_call({"class": name, **arguments}).removesuffix("()")
        stepped = f" stepped by {interval}" if interval and name != "constant" else ""
        calls.append(f"{call}{stepped}")
    return [" or ".join(calls)] if calls else []
