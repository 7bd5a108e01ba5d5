"""The results in results/reference and results/published: whole, reproducible, those of the sweep
files that come with lrdecay, and small. What is said of them: test_answers.py."""

import shutil

import pandas
import pytest
from helpers.paths import HOME, REFERENCE, SWEEPS
from helpers.tiers import slow_but
from typer.testing import CliRunner

import lrdecay
from lrdecay.analysis.lr_selection import compare_rates
from lrdecay.analysis.verdicts import RESOLVED
from lrdecay.cli.app import app
from lrdecay.sweep.reading import load_sweep

HOMES = (REFERENCE, HOME / "results" / "published")
FOLDERS = {
    str(path.parent.relative_to(HOME / "results")): path.parent
    for home in HOMES
    for path in sorted(home.glob("*/runs.parquet"))
}
FILES = ("runs.parquet", "epochs.parquet", "plan.parquet", "sweep.yaml", "report.html")


@pytest.fixture(scope="module", params=slow_but(["reference/digits"], FOLDERS))
def folder(request):
    return FOLDERS[request.param]


@pytest.fixture(scope="module")
def runs(folder):
    return lrdecay.read_runs(folder)


@pytest.fixture
def copied(folder, tmp_path):
    """What is committed of the folder, without what a sweep there may have left beside."""
    copy = tmp_path / "results" / folder.name
    copy.mkdir(parents=True)
    for name in FILES:
        shutil.copy(folder / name, copy / name)
    return copy


def invoke(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def test_there_are_those_of_every_question():
    own = ("budgets", "digits", "families", "families_schedule_free", "fashion_mnist", "mnist")
    others = ("fmnist_2c2d_adam_tuned", "mnist_example", "mnist_example_schedule_free")
    assert list(FOLDERS) == [
        *(f"reference/{name}" for name in (*own, "mnist_one_rate")),
        *(f"published/{name}" for name in others),
    ]


def test_the_tables_are_whole(copied, runs):
    assert (
        f"{len(runs):,} runs with {runs['epochs'].sum():,} epochs in 2 files: every checksum, key, "
        "count" in invoke("verify", copied)
    )


@pytest.mark.slow
def test_the_report_comes_out_as_committed_byte_for_byte(folder, copied):
    (copied / "report.html").unlink()
    invoke("report", copied)
    same = (copied / "report.html").read_bytes() == (folder / "report.html").read_bytes()
    assert same, f"if the change is meant: lrdecay report {folder.relative_to(HOME)}"


def test_they_are_those_of_the_sweep_file(folder, runs):
    (shipped,) = SWEEPS.rglob(f"{folder.name}.yaml")
    assert (folder / "sweep.yaml").read_bytes() == shipped.read_bytes()
    assert set(runs["status"]) == {"completed"}
    asked = pandas.read_parquet(folder / "plan.parquet")
    assert sorted(runs["run_id"]) == sorted(asked["run_id"])
    sweep = load_sweep(shipped)
    assert set(runs["epochs"]) == set(sweep.epochs)
    compared = runs[runs["phase"] == "compare"]
    cells = compared.groupby(["scheduler", "dropout", "epochs"], dropna=False)["seed"].agg(sorted)
    assert len(cells) == len(sweep.schedulers) * len(sweep.epochs) * len(sweep.dropout or [None])
    fewest = sweep.adding.min if sweep.adding else len(sweep.seeds)
    start = sweep.seeds[0]
    consecutive = (seeds == list(range(start, start + len(seeds))) for seeds in cells)
    assert all(consecutive)
    assert cells.map(len).min() >= fewest


def test_no_chosen_base_rate_lies_at_an_end_of_its_grid(folder, runs):
    trials = runs[runs["phase"] == "choose"]
    if trials.empty:
        return
    rates = compare_rates(trials)
    chosen = rates[rates["chosen"]]
    ends = {rates["lr"].min(), rates["lr"].max()}
    assert not set(chosen["lr"]) & ends


def test_every_difference_is_decided_or_has_all_its_seeds(folder):
    """Decided too is one of schedules that had the same rates throughout, and so the same runs."""
    seeds = len(load_sweep(folder / "sweep.yaml").seeds)
    primary = lrdecay.compare_folder(folder).found.primary
    decided = primary["verdict"].isin(RESOLVED) | (primary["n_one_schedule"] > 0)
    assert (decided | (primary["n"] == seeds)).all()


@pytest.mark.slow
@pytest.mark.parametrize("home", HOMES, ids=lambda home: home.name)
def test_the_index_lists_them(home, tmp_path):
    """And comes out as committed, byte for byte."""
    copy = tmp_path / home.name
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("index.html", "parts", "batches"))
    (first, *_) = sorted(copy.glob("*/runs.parquet"))
    invoke("report", first.parent)
    assert (copy / "index.html").read_bytes() == (home / "index.html").read_bytes()
    for path in home.glob("*/runs.parquet"):
        assert f'href="{path.parent.name}/report.html"' in (copy / "index.html").read_text()


@pytest.mark.slow
def test_the_figure_comes_out_as_committed_byte_for_byte(tmp_path):
    drawn = tmp_path / "mnist.svg"
    invoke("plot", REFERENCE / "mnist", "differences", "--output", drawn)
    assert drawn.read_bytes() == (REFERENCE / "mnist.svg").read_bytes()


def test_they_are_less_than_20_mb_in_all():
    kept = [path for home in HOMES for name in FILES for path in home.glob(f"*/{name}")]
    assert kept
    assert sum(path.stat().st_size for path in kept) < 20e6
