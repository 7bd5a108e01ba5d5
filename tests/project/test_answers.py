"""results/README.md: its tables are those of the results, and each number beside them is held."""

import json
import re
from collections.abc import Iterator

import generate
import pandas as pd
import pytest
from helpers.paths import HOME, REFERENCE
from result_tables import conclude, fill_tables, read_compared
from scipy import stats

import lrdecay
from lrdecay.analysis import Conclusions
from lrdecay.analysis.number_text import format_interval, format_signed
from lrdecay.core.text import join_words

RESULTS = HOME / "results"
CITED = (
    "training mean 0.274, standard deviation 0.347; the original's are 0.286 and 0.353",
    "right together with 95% confidence",
    "`digits` took 10 s, `families` 74 s and `families_schedule_free` 10 s on an idle machine, "
    "with 14 s, 141 s and 18 s of CPU time in all",
    "took 3 h 36 min of CPU time; on an idle machine two of its runs end every 30 s",
)
"""Of the data, of the method, and times that were measured from outside: not in the tables."""


def read_page(name: str) -> str:
    return (RESULTS / name).read_text(encoding="utf-8")


def read_prose(name: str) -> str:
    """Return a page in one line, less its tables, blocks of commands, code and link targets."""
    text = re.sub(r"<!-- .*? -->.*?<!-- end -->", "", read_page(name), flags=re.DOTALL)
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return " ".join(text.split())


def list_claims() -> Iterator[str]:
    """Yield what results/README.md says in sentences of its own, worked out from the tables."""
    yield from _describe_settings()
    yield from _describe_decay()
    yield from _describe_families()
    yield from _describe_dropout()
    yield from _describe_seeds()


def _describe_settings() -> Iterator[str]:
    runs = pd.concat(lrdecay.read_runs(REFERENCE / name) for name in ("mnist", "fashion_mnist"))
    (epochs,), (held_out,) = runs["epochs"].unique(), runs["validation"].unique()
    words = {10: "Ten"}
    yield (
        f"{words[epochs]} epochs with Adam, {60_000 - held_out:,} images to train on and "
        f"{held_out:,} for validation"
    )
    everything = pd.concat(map(lrdecay.read_runs, REFERENCE.glob("*/")))
    (torch_version,) = everything["torch_version"].str.partition("+")[0].unique()
    (python_version,) = everything["python_version"].str.rpartition(".")[0].unique()
    devices = everything.groupby("dataset")["device"].unique().map(lambda names: names.item())
    assert len(set(devices.drop("fashion_mnist"))) == 1
    yield (
        f"On 2 cores, with torch {torch_version} and Python {python_version}, of machines that "
        f'call themselves "{devices["mnist"]}", but for Fashion-MNIST, where it is '
        f'"{devices["fashion_mnist"]}".'
    )


def conclude_on(name: str) -> Conclusions:
    return conclude(REFERENCE / name)


def _describe_decay() -> Iterator[str]:
    primary = conclude_on("mnist").primary
    assert set(primary["verdict"]) == {"higher"}
    assert list(primary["a"].unique()) == ["step", "cosine", "plateau", "linear"]
    low, high = primary["mean"].min(), primary["mean"].max()
    yield (
        "Each at a base rate of its own, step, cosine, plateau and linear are better than constant "
        f"at every dropout rate, by {low:.2f} to {high:.2f} points"
    )
    best = conclude_on("mnist").best
    assert best[best["in_set"]].groupby("dropout").size().min() == 3
    yield "at no dropout rate are fewer than three of them left as the best"
    fashion = conclude_on("fashion_mnist").primary
    better = fashion[fashion["verdict"] == "higher"]
    assert set(better["a"] + " " + better["where"]) == {"step dropout 0", "cosine dropout 0"}
    yield "On Fashion-MNIST step and cosine are better without dropout."
    assert set(conclude_on("families").primary["verdict"]) == {"unresolved"}
    assert set(conclude_on("digits").primary["verdict"]) == {"higher"}
    yield (
        "On the digits a constant rate that is chosen with care is hard to beat; one that is too "
        "large loses by far."
    )


def _describe_dropout() -> Iterator[str]:
    gains = {}
    for name in ("mnist", "fashion_mnist", "digits"):
        table = conclude_on(name).table
        gains[name] = table[table["family"] == "interaction"]
    assert set(gains["mnist"]["verdict"]) == {"unresolved"}
    yield "**Not on MNIST, as far as is shown.**"
    assert set(gains["fashion_mnist"]["verdict"]) == {"lower"}
    assert set(gains["fashion_mnist"]["where"]) == {"dropout 0.3 against 0"}
    at_half = gains["digits"]["where"] == "dropout 0.5 against 0"
    assert set(gains["digits"].loc[at_half, "verdict"]) == {"higher"}
    yield (
        "On Fashion-MNIST decay gains less with dropout 0.3 than without, and on the digits, at "
        "the large rate, more with 0.5."
    )
    table = conclude_on("mnist").table
    dropouts = table[table["family"] == "dropout"].set_index(["a", "where"])["verdict"].unstack()
    assert set(dropouts.loc["dropout 0.3"]) == {"higher"}
    assert dropouts.shape[1] == 5
    better = dropouts.columns[dropouts.loc["dropout 0.5"] == "higher"]
    assert list(better) == ["constant", "step"]
    yield (
        "on MNIST a rate of 0.3 is better than none for all five, while 0.5 is for constant and "
        "step alone."
    )


def _describe_seeds() -> Iterator[str]:
    words = {2: "two", 8: "Eight", 10: "ten", 12: "twelve"}
    mnist = conclude_on("mnist").primary
    counts = mnist["n"].value_counts()
    first, second = sorted(counts.index)
    yield (
        f"**On MNIST {first} for {words[counts[first]]} differences of {words[len(mnist)]}, and "
        f"{second} for the other {words[counts[second]]}.**"
    )
    fashion = conclude_on("fashion_mnist").primary
    assert 2 * (fashion["verdict"] == "unresolved").sum() == len(fashion)
    yield f"{words[fashion['n'].min()]} seeds left half of Fashion-MNIST open."


def _describe_families() -> Iterator[str]:
    found = conclude_on("families")
    best = found.primary.sort_values("mean").iloc[-1]
    assert set(found.primary["verdict"]) == {"unresolved"}
    yield (
        f"At {best['n']} seeds none is shown to differ from a constant rate that was chosen as "
        f"carefully; {best['a']} comes closest, at {format_signed(best['mean'])} "
        f"({format_interval(best['low'], best['high'])})."
    )
    worse = found.best.loc[~found.best["in_set"], "scheduler"]
    assert len(found.best) == 17
    yield f"Of the seventeen, {join_words(list(worse))} are shown to be worse than another."
    runs = read_compared(REFERENCE / "families")
    free = read_compared(REFERENCE / "families_schedule_free").set_index("seed")["test_accuracy"]
    constant = runs[runs["scheduler"] == "constant"].set_index("seed")["test_accuracy"]
    interval = stats.ttest_rel(100 * free, 100 * constant[free.index]).confidence_interval()
    yield (
        f"Schedule-free AdamW, at a base rate from the same five, reaches {100 * free.mean():.2f}, "
        f"{100 * (free.mean() - constant.mean()):+.2f} against constant "
        f"({format_interval(*interval)}, this one alone)."
    )
    (epochs,), (dropout,) = runs["epochs"].unique(), runs["dropout"].unique()
    yield f"Adam for {epochs} epochs at dropout {dropout:g}"


def list_tutorial_claims() -> Iterator[str]:
    """Yield the numbers that the tutorial takes from MNIST, in both languages alike."""
    runs = read_compared(REFERENCE / "mnist")
    primary = conclude_on("mnist").primary
    yield f"{primary['mean'].min():.2f}"
    yield f"{primary['mean'].max():.2f}"
    yield f"{len(runs)}"
    assert runs["test_accuracy"].min() > 0.98
    yield f"{100 * runs['test_accuracy'].min():.2f}%"
    halved = runs[runs["scheduler"] == "step"]
    assert set(halved["lr"]) == {0.001}
    assert set(halved["scheduler_args"].map(json.loads).map(lambda args: args["step_size"])) == {5}
    for dropout in (0.0, 0.3):
        accuracies = halved.loc[halved["dropout"] == dropout, "test_accuracy"]
        yield f"{100 * accuracies.mean():.2f}%"
        yield f"{len(accuracies)}"


@pytest.mark.parametrize("page", ["tutorial.md", "tutorial.zh.md"])
def test_the_tutorial_says_what_was_found_on_mnist(page):
    text = (HOME / "docs" / page).read_text(encoding="utf-8")
    _, _, section = text.partition("lrdecay report mnist\n```")
    assert section
    for claim in list_tutorial_claims():
        assert re.search(rf"(?<![\d.]){re.escape(claim)}(?!\d)", section), claim


@pytest.mark.slow
@pytest.mark.parametrize("name", generate.WITH_TABLES)
def test_tables_are_those_of_the_results(name):
    page = RESULTS / name
    assert fill_tables(read_page(name), page.parent) == read_page(name), "run `make docs`"


def test_every_claim_is_on_the_page():
    prose = read_prose("README.md")
    for claim in list_claims():
        assert claim in prose


def test_every_number_on_the_page_is_held():
    """By a table, by a claim, or by where it was cited from."""
    left = read_prose("README.md")
    for held in (*list_claims(), *CITED):
        left = left.replace(held, "")
    assert re.findall(r"[^ ]*\b(?!0\b(?!\.\d))\d[\d.,]*", left) == []
