"""The examples of other packages' trainers: what the documents show trains, paired and compared."""

import numpy as np
import pytest
import yaml
from helpers.paths import HOME
from helpers.plugged import as_in_a_new_process

from lrdecay.analysis import compare
from lrdecay.components.schedulers import Horizon, resolve_arguments, simulate_schedule
from lrdecay.engine.record import digest_rates
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_epochs, read_runs

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the packages are not ours


@pytest.mark.slow
@pytest.mark.parametrize("package", ["lightning", "transformers"])
def test_a_sweep_of_the_example(package, tmp_path):
    pytest.importorskip(package, reason=f"needs the extra {package}")
    example = HOME / "examples" / "own_loop" / package
    document = yaml.safe_load((example / "sweep.yaml").read_text())
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(document | {"epochs": 2, "dropout": 0.2, "seeds": 2}))
    with as_in_a_new_process():
        summary = run_sweep(file, tmp_path, workers=0, plugins=[example / "trainer.py"])
    assert (summary.completed, summary.failed) == (8, 0)
    runs = read_runs(summary.folder)
    assert set(runs["applied_dropout"]) == {0.2}
    starts = runs.groupby("seed")[["init_digest", "order_digest"]].nunique()
    assert starts.to_numpy().tolist() == [[1, 1], [1, 1]]
    assert runs["init_digest"].nunique() == runs["order_digest"].nunique() == 2
    horizon = Horizon.of(2, 20, 0.01)
    for name, given in document["schedulers"].items():
        if name == "plateau":  # the validation loss steers it
            continue
        arguments = {key: value for key, value in given.items() if key != "class"}
        resolved = resolve_arguments(given["class"], arguments, horizon)
        rates = np.array(simulate_schedule(given["class"], resolved, horizon).step_rates)
        digest = digest_rates(rates.reshape(2, 20).tolist())
        assert set(runs.loc[runs["scheduler"] == name, "rates_digest"]) == {digest}
    epochs = read_epochs(summary.folder)
    measured = epochs[epochs["split"] == "test"].set_index("run_id")["accuracy"]
    assert measured.loc[runs["run_id"]].tolist() == runs["test_accuracy"].tolist()
    table = compare(runs, reference="constant")
    cosine = table[(table["family"] == "scheduler") & (table["scheduler"] == "cosine")]
    by = runs.pivot(index="seed", columns="scheduler", values="test_accuracy")
    assert cosine["mean"].tolist() == pytest.approx([100 * (by["cosine"] - by["constant"]).mean()])
