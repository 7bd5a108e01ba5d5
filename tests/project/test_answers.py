"""results/README.md: its tables are those of the results, and each number beside them is held."""

import re
from collections.abc import Iterator

import generate
import pandas as pd
import pytest
from helpers.paths import HOME, REFERENCE
from result_tables import fill_tables, read_compared
from scipy import stats

import lrdecay
from lrdecay.analysis.number_text import format_interval, format_signed

RESULTS = HOME / "results"
CITED = (
    "training mean 0.274, standard deviation 0.347; the original's are 0.286 and 0.353",
    "right together with 95% confidence",
)
"""Of the data and of the method: not in the tables."""


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
    yield from _describe_families()


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
    yield f"On 2 cores, with torch {torch_version} and Python {python_version}"


def _describe_families() -> Iterator[str]:
    found = lrdecay.compare_folder(REFERENCE / "families").found
    best = found.primary.sort_values("mean").iloc[-1]
    assert set(found.primary["verdict"]) == {"unresolved"}
    yield (
        f"At {best['n']} seeds none is shown to differ from a constant rate that was chosen as "
        f"carefully; {best['a']} comes closest, at {format_signed(best['mean'])} "
        f"({format_interval(best['low'], best['high'])})."
    )
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
