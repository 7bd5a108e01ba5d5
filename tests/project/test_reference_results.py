"""The results in results/: whole, reproducible, and as results/README.md and the tutorial say."""

import json
import re
import shutil

import pandas
import pytest
from helpers.paths import HOME, SWEEPS
from helpers.tiers import slow_but
from typer.testing import CliRunner

import lrdecay
from lrdecay.cli.app import app
from lrdecay.sweep.reading import load_sweep

HEADINGS = {"mnist": "## MNIST\n", "fashion_mnist": "## Fashion-MNIST\n"}
FILES = ("runs.parquet", "epochs.parquet", "plan.parquet", "sweep.yaml", "report.html")


@pytest.fixture(scope="module", params=slow_but(["mnist"], HEADINGS))
def folder(request):
    return HOME / "results" / request.param


@pytest.fixture(scope="module")
def runs(folder):
    return lrdecay.read_runs(folder)


@pytest.fixture(scope="module")
def compared(runs):
    return runs[runs["phase"] == "compare"]


@pytest.fixture
def copied(folder, tmp_path):
    """What is committed of the folder, without what a sweep there may have left beside."""
    copy = tmp_path / "results" / folder.name
    copy.mkdir(parents=True)
    for name in FILES:
        shutil.copy(folder / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def section(folder):
    """What results/README.md says of this folder, in one line."""
    whole = (HOME / "results" / "README.md").read_text(encoding="utf-8")
    _, _, begun = whole.partition(HEADINGS[folder.name])
    own, _, _ = begun.partition("\n## ")
    assert own
    return " ".join(own.split())


def invoke(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_tables_are_whole(copied, runs):
    assert (
        f"{len(runs)} runs with {10 * len(runs):,} epochs in 2 files: every checksum, key, count"
        in invoke("verify", copied)
    )


@pytest.mark.slow
def test_the_report_comes_out_as_committed_byte_for_byte(folder, copied):
    (copied / "report.html").unlink()
    invoke("report", copied)
    same = (copied / "report.html").read_bytes() == (folder / "report.html").read_bytes()
    assert same, f"if the change is meant: lrdecay report results/{folder.name}"


def test_they_are_those_of_the_sweep_file(folder, runs, compared):
    shipped = SWEEPS / f"{folder.name}.yaml"
    for_editors, _, rest = shipped.read_bytes().partition(b"\n")
    assert for_editors.startswith(b"# yaml-language-server: ")
    assert (folder / "sweep.yaml").read_bytes() == rest
    sweep = load_sweep(shipped)
    assert sweep.validation == 5000
    assert set(runs["epochs"]) == {10}
    assert set(runs["status"]) == {"completed"}
    asked = pandas.read_parquet(folder / "plan.parquet")
    assert sorted(runs["run_id"]) == sorted(asked["run_id"])
    cells = compared.groupby(["scheduler", "dropout"])["seed"].agg(sorted)
    assert len(cells) == 8
    assert all(seeds == list(range(len(cells.iloc[0]))) for seeds in cells)


def test_the_readme_says_what_compare_says(copied, section):
    """Every resolved contrast in its own words, and of each pair of schedulers what is known."""
    found = json.loads(invoke("compare", copied, "--pairs", "all", "--format", "json"))
    said = {}
    for contrast in found["contrasts"]:
        if contrast["family"] != "pairs" and contrast["verdict"] != "unresolved":
            assert f"- {contrast['sentence']}" in section
        if contrast["family"] == "pairs" and "constant" in (contrast["a"], contrast["b"]):
            continue  # the primary family has it, and knows more
        if contrast["family"] in ("scheduler", "pairs"):
            pair = f"{contrast['a']} against {contrast['b']}"
            said.setdefault(pair, {})[contrast["dropout"]] = in_short(contrast)
    assert len(said) == 6
    for pair, cells in said.items():
        assert f"| {pair} | {cells[0.0]} | {cells[0.3]} |" in section
    best = [line for line in invoke("compare", copied).splitlines() if "excluded" in line]
    assert len(best) == 2
    assert all(f"- {line}" in section for line in best)


def in_short(contrast):
    """A contrast's verdict in the words of the README's tables."""
    if contrast["verdict"] == "unresolved":
        return f"not resolved, {contrast['more_seeds']:.0f} more"
    if contrast["verdict"] in ("equivalent", "identical"):
        return str(contrast["verdict"])
    return f"{contrast['verdict']} by {abs(contrast['mean']):.2f}"


def test_the_readme_s_table_is_that_of_the_runs(compared, section):
    means = 100 * compared.groupby(["scheduler", "dropout"])["test_accuracy"].mean().unstack()
    rates = compared.groupby("scheduler")["lr"].unique()
    for scheduler, row in means.iterrows():
        cells = rf"{rates[scheduler].item()} \| {row[0.0]:.2f} \| {row[0.3]:.2f} \|"
        assert re.search(rf"\| {scheduler}[^|]*\| {cells}", section)


def test_the_readme_counts_the_runs(runs, compared, section):
    assert f"{len(compared)} runs" in section
    assert f"{len(runs) - len(compared)} trials" in section


def test_what_the_readme_says_of_single_runs_holds():
    folder = HOME / "results" / "fashion_mnist"
    runs = lrdecay.read_runs(folder).query("phase == 'compare'")
    plateau = runs[(runs["scheduler"] == "plateau") & (runs["dropout"] == 0.3)]
    epochs = lrdecay.read_epochs(folder)
    own = epochs[epochs["run_id"].isin(plateau["run_id"])]
    assert set(own["learning_rate"]) == {0.001}
    dry = runs[runs["dropout"] == 0.0]
    wide = dry.pivot(index="seed", columns="scheduler", values="test_accuracy")
    gains = 100 * (wide["cosine"] - wide["constant"])
    text = " ".join((HOME / "results" / "README.md").read_text(encoding="utf-8").split())
    assert gains.min() > 0
    assert f"by {gains.min():.2f} points at one and by {gains.max():.2f} at another" in text
    low, *rest = sorted((100 * (wide["step"] - wide["constant"])).round(2))
    assert f"one is below 0, at {low:.2f}, and the other seven are from {rest[0]:.2f}" in text
    assert f"to {rest[-1]:.2f}." in text


def test_what_the_tutorial_claims_holds():
    """Over 98% on MNIST by Adam at 0.001, halved after five of ten epochs."""
    runs = lrdecay.read_runs(HOME / "results" / "mnist")
    assert runs["test_accuracy"].min() > 0.98
    tutorial = runs[(runs["scheduler"] == "step") & (runs["lr"] == 0.001)]
    assert sorted(tutorial["dropout"]) == [0.0, 0.3]
    epochs = lrdecay.read_epochs(HOME / "results" / "mnist")
    for run_id in tutorial["run_id"]:
        own = epochs[(epochs["run_id"] == run_id) & (epochs["split"] == "test")]
        rates = own.sort_values("epoch")["learning_rate"].tolist()
        assert rates == [0.001] * 5 + [0.0005] * 5
        assert own["accuracy"].iloc[-1] > 0.98
    percent = 100 * tutorial.set_index("dropout")["test_accuracy"]
    for page in ("tutorial.md", "tutorial.zh.md"):
        text = (HOME / "docs" / page).read_text(encoding="utf-8")
        assert f"{100 * runs['test_accuracy'].min():.2f}" in text
        assert f"{percent[0.0]:.2f}%" in text
        assert f"{percent[0.3]:.2f}%" in text
