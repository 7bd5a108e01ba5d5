"""What takes long to import is not imported by a process that can do without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import HOME

SWEEP = """\
name: small
dataset: digits
epochs: 1
schedulers:
  constant: {class: constant}
  cycle: {class: OneCycleLR, max_lr: 0.01, total_steps: steps}
  plateau: {class: ReduceLROnPlateau, patience: 0}
dropout: [0.3]
seeds: {min: 8, max: 9, until: resolved}
"""
HEAVY = {
    *("torch._dynamo", "torch._inductor", "torchvision", "sympy", "networkx"),
    *("sklearn.base", "scipy.stats", "scipy.optimize", "matplotlib", "ray"),
}
"""What neither planning nor training takes; scikit-learn's base comes with whatever part of it."""
FOR_TABLES = {"pandas", "scipy", "rich", "typer", "jinja2"}
"""What a worker does not take either."""

WATCH = f"""\
import os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in {HEAVY | FOR_TABLES | {"torch"}!r}:
            kind = "worker" if "run_worker" in sys.orig_argv[-1] else "parent"
            with open(os.environ["IMPORTS_LOG"], "a") as log:
                print(kind, name, file=log)

sys.meta_path.insert(0, Watch())
"""
"""Notes what is looked for, and so imported, in every process from its start."""


def run_watched(home: Path, command: str, *options: str) -> dict[str, set[str]]:
    """What a command of lrdecay's imports, and what its workers do."""
    log = home / f"{command}.log"
    paths = os.pathsep.join([str(home), str(HOME)])
    done = subprocess.run(
        [sys.executable, "-m", "lrdecay", command, "small.yaml", *options],
        cwd=home,
        env=os.environ | {"PYTHONPATH": paths, "IMPORTS_LOG": str(log)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in log.read_text().splitlines()]
    return {kind: {name for of, name in lines if of == kind} for kind in ("parent", "worker")}


@pytest.mark.slow
def test_planning_and_training_import_nothing_heavy_that_they_do_not_need(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    (tmp_path / "small.yaml").write_text(SWEEP)
    sweep = run_watched(tmp_path, "sweep", "--workers", "1")
    assert (tmp_path / "results" / "small" / "runs.parquet").is_file()
    plan = run_watched(tmp_path, "plan")  # with results, whose sds it takes
    assert plan["worker"] == set()
    for imported in (plan["parent"], sweep["parent"], sweep["worker"]):
        assert "torch" in imported  # imports are seen
        assert imported & HEAVY == set()
    assert "pandas" in sweep["parent"]
    assert sweep["worker"] & FOR_TABLES == set()
