"""Whatever is done to a results folder, in whatever order: each run is there once, and whole."""

import random
import re
import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.disk import Changes, Killed
from helpers.tiny import assert_same, flip_a_bit, in_no_time, run_ids, text, watch_commits
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.lock import hold_folder
from lrdecay.store.reader import read_plan, read_plan_runs
from lrdecay.store.verify import verify_results
from lrdecay.store.versions import read_table
from lrdecay.store.writer import Store

SWEEPS = {
    "whole": text(),
    "without dropout 0.3": text(dropout="[0.0]"),
    "one seed": text(seeds=1),
    "other labels, other order": text()
    .replace("constant:", "none:")
    .replace("[0.0, 0.3]", "[0.3]"),
}
# about as many as a whole sweep makes; half of the time none is the last
last_change = st.none() | st.integers(0, 120)


def test_a_sweep_that_asks_for_less_and_is_killed_leaves_no_run_without_its_epochs(
    trained, tmp_path
):
    """Before any of its changes to the disk, whatever the tables were made of."""
    results = tmp_path / "results"
    file, folder = results / "tiny.yaml", results / "tiny"

    def sweep(name, last=None):
        results.mkdir(exist_ok=True)
        file.write_text(SWEEPS[name])
        with in_no_time(trained.records), Changes(results, last):
            run_sweep(file, results, workers=0)

    sweep("whole")
    sweep("without dropout 0.3")
    shutil.copytree(results, tmp_path / "before")
    killed = 0
    for last in range(60):
        with suppress(Killed):
            sweep("one seed", last)
            break
        killed += 1
        run_ids(folder)
        assert verify_results(folder).findings == ()
        shutil.rmtree(results)
        shutil.copytree(tmp_path / "before", results)
    assert 5 < killed < 60


@pytest.mark.soak
def test_any_interleaving_leaves_each_run_once_and_whole(trained, often, figure):
    done: Counter[str] = Counter()

    class Folder(RuleBasedStateMachine):
        """A results folder, and what is known to have been committed to it."""

        def __init__(self):
            super().__init__()
            self.results = Path(tempfile.mkdtemp())
            self.folder = self.results / "tiny"
            self.committed: list[str] = []

        def teardown(self):
            with in_no_time(trained.records):
                run_sweep(trained.file, self.results, workers=0)
            assert_same(self.folder, trained.folder)
            assert verify_results(self.folder).findings == ()
            shutil.rmtree(self.results)

        def may_be_killed(self, name, last, action):
            with in_no_time(trained.records) as patch, Changes(self.results, last):
                watch_commits(patch, self.committed.extend)
                try:
                    action()
                except Killed:
                    name = f"killed {name}"
            done[name] += 1

        @rule(sweep=st.sampled_from(sorted(SWEEPS)), last=last_change)
        def sweep(self, sweep, last):
            file = self.results / "tiny.yaml"
            file.write_text(SWEEPS[sweep])
            self.may_be_killed("sweep", last, lambda: run_sweep(file, self.results, workers=0))

        def is_there(self):
            return (self.folder / "plan.parquet").exists()

        @precondition(is_there)
        @rule(last=last_change)
        def verify(self, last):
            def check():
                assert verify_results(self.folder).findings == ()

            self.may_be_killed("verify", last, check)

        @precondition(is_there)
        @rule(last=last_change, number=st.integers(0))
        def compact(self, last, number):
            runs = read_plan_runs(self.folder)
            random.Random(number).shuffle(runs)
            plan = read_plan(self.folder)

            def compact():
                with hold_folder(self.folder):
                    Store(self.folder).compact(runs, plan.sweep_text, plan.target, plan.runs)

            self.may_be_killed("compact", last, compact)

        @precondition(is_there)
        @rule(number=st.integers(0), last=last_change)
        def damage(self, number, last):
            chance = random.Random(number)
            hidden = re.compile(r"/(\.|quarantine)")  # what is no longer, or not yet, in its place
            paths = [p for p in self.folder.rglob("*.parquet") if not hidden.search(str(p))]
            path = chance.choice(sorted(paths))
            ids = set(read_table(path, ["run_id"])["run_id"].to_pylist())
            flip_a_bit(path, chance)
            if path.stem != "plan":
                self.committed = [run for run in self.committed if run not in ids]
            self.may_be_killed("verify of damage", last, lambda: verify_results(self.folder))
            verify_results(self.folder)

        @invariant()
        def each_run_is_there_once_and_whole(self):
            there = run_ids(self.folder) | run_ids(self.folder / "earlier")
            assert set(self.committed) <= there

    run_state_machine_as_test(
        Folder,
        settings=settings(
            max_examples=often(5, 200),
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[*HealthCheck],
        ),
    )
    shown = ", ".join(f"{count} x {name}" for name, count in sorted(done.items()))
    figure("interleavings", shown)
