"""lrdecay's own runs, exported and imported again, give the verdicts of the original."""

import numpy as np
import pandas as pd
import pytest
from helpers.commands import call
from helpers.paths import REFERENCE
from helpers.tiers import slow_but

from lrdecay import analysis
from lrdecay.runner import run_sweep
from lrdecay.store.export import export_results
from lrdecay.store.reader import read_runs

TEXT = """\
name: digits8
dataset: digits
epochs: 2
schedulers: {constant: {class: constant}, halving: {class: ExponentialLR, gamma: 0.5}}
dropout: [0.0, 0.3]
seeds: 8
comparison: {margin: 0.5}
"""
NAMES = slow_but(["digits"], ["digits", "families", "digits8"])
SHARED = ("mean", "sd", "low", "high", "p", "effect", "correlation", "wins", "look")


@pytest.fixture(scope="module")
def find_results(tmp_path_factory):
    """A results folder by its name: published, or of a sweep that is trained once."""
    home = tmp_path_factory.mktemp("trained")

    def find(name):
        if name != "digits8":
            return REFERENCE / name
        if not (home / name).exists():
            (home / "digits8.yaml").write_text(TEXT)
            run_sweep(home / "digits8.yaml", home, workers=0)
        return home / name

    return find


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("name", NAMES)
def test_lrdecays_own_runs_imported_give_the_same_verdicts_to_the_bit(
    tmp_path, find_results, name, suffix
):
    runs = read_runs(find_results(name))
    path = tmp_path / f"runs.{suffix}"
    kept = runs.drop(columns="test_correct")
    kept.to_csv(path, index=False) if suffix == "csv" else kept.to_parquet(path)
    folder = tmp_path / "got"
    done = call(
        *("import", path, "--scheduler", "scheduler", "--seed", "seed", "--dropout", "dropout"),
        *("--metric", "test_accuracy", "--status", "status", "--into", folder),
        *("--digest", "init_digest", "--digest", "order_digest", "--digest", "dataset_digest"),
        *("--unit", "test_accuracy=share", "--where", "phase=compare"),
    )
    assert done.exit_code == 0, done.output
    expected = analysis.compare(runs, margin=0.05)
    found = analysis.compare(read_runs(folder), margin=0.05)
    assert (found["pairing"] == "verified").all()
    pd.testing.assert_frame_equal(
        found[list(SHARED)], expected[list(SHARED)], check_exact=True, check_dtype=False
    )
    assert found["verdict"].tolist() == expected["verdict"].tolist()


@pytest.mark.filterwarnings("ignore")  # of MLflow's own code, as it writes
@pytest.mark.parametrize("to", slow_but(["csv"], ["csv", "tensorboard", "mlflow"]))
@pytest.mark.parametrize("name", NAMES)
def test_what_lrdecay_exports_gives_the_same_verdicts_imported_again(
    tmp_path, find_results, name, to
):
    folder = find_results(name)
    runs = read_runs(folder)
    exported = export_results(folder, to, tmp_path / "exported")
    source = {"csv": exported / "runs.csv", "mlflow": exported / "mlflow.db"}.get(to, exported)
    metric = "test_accuracy" if to == "csv" else "test_accuracy=final/test_accuracy"
    digests = {
        "csv": ("--digest", "init_digest", "--digest", "order_digest"),
        "tensorboard": (),
        "mlflow": (
            *("--digest", "init_digest=lrdecay.init_digest"),
            *("--digest", "order_digest=lrdecay.order_digest"),
        ),
    }
    done = call(
        *("import", source, "--scheduler", "scheduler", "--seed", "seed", "--dropout", "dropout"),
        *("--metric", metric, "--unit", "test_accuracy=share", *digests[to]),
        *("--where", "phase=compare", "--into", tmp_path / "got"),
    )
    assert done.exit_code == 0, done.output
    expected = analysis.compare(runs, margin=0.05)
    # in the order of the original: others list runs in theirs
    key = ["family", "a", "b", "where"]
    expected = expected.set_index(key)
    found = analysis.compare(read_runs(tmp_path / "got"), margin=0.05).set_index(key)
    found = found.reindex(expected.index)
    assert found["verdict"].tolist() == expected["verdict"].tolist()
    pairing = "by seed" if to == "tensorboard" else "verified"
    assert set(found["pairing"]) == {pairing}
    # TensorBoard has single precision
    places = {"rtol": 1e-3, "atol": 2e-5} if to == "tensorboard" else {"rtol": 0}
    for end in ("mean", "low", "high"):
        np.testing.assert_allclose(found[end], expected[end], **places)
