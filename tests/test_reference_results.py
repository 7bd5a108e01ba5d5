"""The results in results/: whole, reproducible, and as results/README.md and the tutorial say."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import lrdecay
from lrdecay.cli import app
from lrdecay.sweep import load_sweep

HOME = Path(__file__).parents[1]
FOLDER = HOME / "results" / "mnist"
FILES = ("runs.parquet", "epochs.parquet", "plan.parquet", "sweep.yaml", "report.html")


@pytest.fixture(scope="module")
def runs():
    return lrdecay.read_runs(FOLDER)


@pytest.fixture
def copied(tmp_path):
    """What is committed of the folder, without what a sweep there may have left beside."""
    folder = tmp_path / "results" / FOLDER.name
    folder.mkdir(parents=True)
    for name in FILES:
        shutil.copy(FOLDER / name, folder / name)
    return folder


def invoke(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_tables_are_whole(copied):
    assert "88 runs with 880 epochs in 2 files: every checksum, key, count" in invoke(
        "verify", copied
    )


def test_the_report_comes_out_as_committed_byte_for_byte(copied):
    (copied / "report.html").unlink()
    invoke("report", copied)
    same = (copied / "report.html").read_bytes() == (FOLDER / "report.html").read_bytes()
    assert same, "if the change is meant: lrdecay report results/mnist"


def test_they_are_those_of_the_sweep_file(runs):
    shipped = HOME / "bench" / "sweeps" / "mnist.yaml"
    assert (FOLDER / "sweep.yaml").read_bytes() == shipped.read_bytes()
    sweep = load_sweep(shipped)
    assert sweep.validation == 5000
    assert set(runs["epochs"]) == {10}
    compared = runs[runs["phase"] == "compare"]
    cells = compared.groupby(["scheduler", "dropout"])["seed"].agg(lambda seeds: sorted(seeds))
    assert len(cells) == 8
    assert all(seeds == list(range(8)) for seeds in cells)
    assert set(runs["status"]) == {"completed"}


def test_the_readme_says_what_compare_says(copied):
    readme = " ".join((HOME / "results" / "README.md").read_text().split())
    said = [line.removeprefix("- ") for line in invoke("compare", copied).splitlines()]
    beats = [line for line in said if " beats " in line]
    assert len(beats) == 2
    assert all(sentence in readme for sentence in beats)
    table = lrdecay.analysis.compare(lrdecay.read_runs(copied), margin=0.05)
    primary = table[table["family"] == lrdecay.analysis.PRIMARY]
    assert set(primary["verdict"]) == {"unresolved"}
    more = primary.pivot(index="scheduler", columns="dropout", values="more_seeds").astype(int)
    for scheduler, row in more.iterrows():
        assert f"| {scheduler} | {row[0.0]} | {row[0.3]} |" in readme
    assert [line for line in said if line.startswith("Not excluded")] == [
        "Not excluded as best at dropout 0: constant, cosine, plateau",
        "Not excluded as best at dropout 0.3: constant, step, cosine, plateau",
    ]
    best = (
        "Not excluded as best are constant, cosine and plateau at dropout 0, and all four at 0.3."
    )
    assert best in readme


def test_the_readme_s_table_is_that_of_the_runs(runs):
    readme = (HOME / "results" / "README.md").read_text()
    compared = runs[runs["phase"] == "compare"]
    means = 100 * compared.groupby(["scheduler", "dropout"])["test_accuracy"].mean().unstack()
    rates = compared.groupby("scheduler")["lr"].unique()
    for scheduler, row in means.iterrows():
        (line,) = [
            line
            for line in readme.splitlines()
            if line.startswith("| " + scheduler) and "." in line
        ]
        assert line.endswith(f"| {rates[scheduler].item()} | {row[0.0]:.2f} | {row[0.3]:.2f} |")


def test_what_the_tutorial_claims_holds(runs):
    """Over 98% on MNIST by Adam at 0.001, halved after five of ten epochs."""
    assert runs["test_accuracy"].min() > 0.98
    tutorial = runs[(runs["scheduler"] == "step") & (runs["lr"] == 0.001)]
    assert sorted(tutorial["dropout"]) == [0.0, 0.3]
    epochs = lrdecay.read_epochs(FOLDER)
    for run_id in tutorial["run_id"]:
        own = epochs[(epochs["run_id"] == run_id) & (epochs["split"] == "test")]
        rates = own.sort_values("epoch")["learning_rate"].tolist()
        assert rates == [0.001] * 5 + [0.0005] * 5
        assert own["accuracy"].iloc[-1] > 0.98
    percent = 100 * tutorial.set_index("dropout")["test_accuracy"]
    for page in ("tutorial.md", "tutorial.zh.md"):
        text = (HOME / "docs" / page).read_text()
        assert f"{100 * runs['test_accuracy'].min():.2f}" in text
        assert f"{percent[0.0]:.2f}%" in text
        assert f"{percent[0.3]:.2f}%" in text
