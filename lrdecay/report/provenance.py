"""How the numbers of a page were made, as far as its tables know."""

import json
import shlex

import pandas as pd

from lrdecay.analysis import applied_rates, describe_matrix, extra_axes, made_with, rates_chosen
from lrdecay.core.text import format_values, join_words, spell_count, spell_time, to_text
from lrdecay.report.figures.panels import Setting
from lrdecay.report.own_loops import has_own_loop
from lrdecay.store.schema import MADE_WITH


def provenance_matrix(runs: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Return each axis, its values in words, and how many there are."""
    table = describe_matrix(runs)
    rows = zip(table["axis"], table["values"], table["n_values"], strict=True)
    chosen = " (chosen)" if rates_chosen(runs) else ""
    subject = _name_subject(runs)
    return [
        (
            subject if axis == "dataset" else axis,
            format_values(values) + (chosen if axis == "lr" else ""),
            n,
        )
        for axis, values, n in rows
    ]


def _name_subject(runs: pd.DataFrame) -> str:
    """Return what the column `dataset` names: of a loop of the user's own that loop."""
    return "training loop" if has_own_loop(runs) else "dataset"


def find_mixed(runs: pd.DataFrame) -> list[str]:
    """Return how many runs were made on what, if not all were made alike."""
    rows = made_with(runs).to_dict("records")
    texts = [
        f"{row['runs']} with torch {to_text(row['torch_version'])} on {to_text(row['device'])}"
        for row in rows
    ]
    return texts if len(texts) > 1 else []


def describe_mixed_pairs(runs: pd.DataFrame) -> str:
    """Say whether differences between runs of one seed can be between machines or versions of
    torch, where not all runs were made alike."""
    completed = runs[runs["status"] == "completed"]
    by = [*extra_axes(runs), "dropout", "seed"]
    made = completed.groupby(by, dropna=False)[list(MADE_WITH)].nunique(dropna=False)
    mixed = int((made > 1).any(axis=1).sum())
    if not mixed:
        return (
            "All runs of one seed were made alike, so no difference between them is one between "
            "machines or versions of torch."
        )
    return (
        f"At {mixed} of {spell_count(len(made), 'seed')} (of a dropout) runs to compare were made "
        f"differently, so part of a difference may be one between machines or versions of torch."
    )


def find_alike(setting: Setting) -> list[str]:
    """Return which schedulers applied the same rates in every epoch of every run, so that a
    difference between them could be nothing but chance."""
    runs = setting.runs[setting.runs["status"] == "completed"]
    # rates that a program told are not those of every step
    known = setting.epochs.dropna(subset=["learning_rate_first", "learning_rate_last"])
    rates = runs["run_id"].map(applied_rates(known))
    courses: dict[bytes, list[str]] = {}
    for scheduler, own in rates.groupby(runs["scheduler"], sort=False):
        if own.nunique() == 1:
            courses.setdefault(own.iloc[0], []).append(str(scheduler))
    where = f" ({setting.title})" if setting.title else ""
    return [
        f"{join_words(same)} applied the same learning rate in every epoch{where}: here they are "
        "one schedule under several names."
        for same in courses.values()
        if len(same) > 1
    ]


def provenance_facts(runs: pd.DataFrame, trials: pd.DataFrame) -> list[tuple[str, str]]:
    """Return what made the numbers: pairs of a name and a text."""

    def values(column: str) -> str:
        return ", ".join(to_text(value) for value in sorted(runs[column].dropna().unique()))

    finished = runs["finished_at"].dt.strftime("%Y-%m-%d %H:%M UTC")
    cost = runs["seconds"].sum() + trials["seconds"].sum()
    found = {
        "lrdecay": values("lrdecay_version"),
        "git commit": values("git_commit"),
        "torch": values("torch_version"),
        "Python": values("python_version"),
        "device": values("device"),
        "engine": values("engine"),
        _name_subject(runs): values("dataset"),
        "dataset digest": values("dataset_digest"),
        "images held out for validation": values("validation"),
        "test images": values("test_images"),
        "seeds": str(runs["seed"].nunique()),
        "training time, all runs": spell_time(runs["seconds"].sum()),
        "training time, trials": "" if trials.empty else spell_time(trials["seconds"].sum()),
        "training time in all": "" if trials.empty else spell_time(cost),
        "training time of a run": f"{spell_time(runs['seconds'].mean())} on average",
        "runs finished": " to ".join(dict.fromkeys([finished.min(), finished.max()])),
    }
    return [(name, text) for name, text in found.items() if text]


def write_loading(name: str, trials: bool, has_epochs: bool) -> str:
    """Return the lines of Python that load the tables that have rows."""
    runs, epochs = (
        json.dumps(f"results/{name}/{table}.parquet", ensure_ascii=False)
        for table in ("runs", "epochs")
    )
    note = "  # phase: choose, compare" if trials else ""
    lines = ["import pandas as pd", "", f"runs = pd.read_parquet({runs}){note}"]
    return "\n".join([*lines, *([f"epochs = pd.read_parquet({epochs})"] if has_epochs else [])])


def write_commands(name: str, runs: pd.DataFrame) -> str:
    """Return the commands that make the page again from its sweep file."""
    file, folder = shlex.quote(f"{name}.yaml"), shlex.quote(f"results/{name}")
    named = {name for text in runs["plugins"].unique() for name in json.loads(text)}
    plugin = " --plugin FILE_OR_MODULE" if named - {"trainer command"} else ""
    plugin += " --command COMMAND" if "trainer command" in named else ""
    train = f"lrdecay sweep {file}{plugin}   # the sweep file below"
    if "trainer" in runs and (runs["trainer"] == "script").any():
        train = f"python SCRIPT   # which asks for its trials of {file}, the sweep file below"
    return f"{train}\nlrdecay report {folder}\nlrdecay verify {folder}"
