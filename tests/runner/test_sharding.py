"""Shards of a sweep, and how they are joined."""

import itertools
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import partial

import pandas as pd
import pytest
from helpers.tiny import call_in_process
from helpers.training import digits

from lrdecay.analysis import lr_selection
from lrdecay.core.errors import InputError
from lrdecay.core.first_plan import FirstPlan
from lrdecay.execution.cost import estimate_flops
from lrdecay.runner.agenda import build_agenda
from lrdecay.runner.coordinator import run_sweep
from lrdecay.runner.sharding import Shard
from lrdecay.store import merge as merge_module
from lrdecay.store.lock import hold_folder
from lrdecay.store.merge import merge_results
from lrdecay.store.reader import read_epochs, read_runs
from lrdecay.store.schema import HOW_LONG, Record
from lrdecay.store.status import read_status
from lrdecay.store.verify import verify_results
from lrdecay.store.versions import read_table
from lrdecay.store.writer import Store
from lrdecay.sweep.matrix import expand_matrix, list_runs
from lrdecay.sweep.reading import load_sweep

TEXT = """\
name: small
dataset: digits
epochs: 1
schedulers:
  constant: {class: constant}
  step:     {class: StepLR, step_size: 1, gamma: 0.5}
dropout: [0.0, 0.3]
seeds: 3
"""
CHOOSING = TEXT.replace("seeds: 3", "seeds: 2\noptimizer: {lr: {choose: [0.001, 0.003], seeds: 1}}")


def sweep_file(folder, text=TEXT):
    path = folder / "small.yaml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return sweep_file(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="module")
def whole(file, tmp_path_factory):
    return run_sweep(file, tmp_path_factory.mktemp("whole"), workers=0).folder


@pytest.fixture(scope="module")
def thirds(file, tmp_path_factory):
    """The three shards, the last one first."""
    results = tmp_path_factory.mktemp("thirds")
    return [
        run_sweep(file, results, workers=0, shard=Shard(number, 3)).folder for number in (3, 2, 1)
    ]


def assert_same(folder, other):
    for name, left_out in (("runs", list(HOW_LONG)), ("epochs", [])):
        one, expected = (read_table(f / f"{name}.parquet").to_pandas() for f in (folder, other))
        pd.testing.assert_frame_equal(
            one.drop(columns=left_out), expected.drop(columns=left_out), check_exact=True
        )


def altered(folder, to, column, value, which=0):
    """A results folder of which one run has another value in a column."""
    rows = read_table(folder / "runs.parquet").to_pylist()
    epochs = read_table(folder / "epochs.parquet").to_pylist()
    run = rows[which] | {column: value}
    of_run = [row for row in epochs if row["run_id"] == run["run_id"]]
    shutil.copytree(folder, to)
    for name in ("runs", "epochs"):
        (to / f"{name}.parquet").unlink()
    Store(to).commit([Record(run, of_run)])
    return to


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_shards_in_any_order_are_the_whole(thirds, whole, tmp_path, order):
    merged = merge_results([thirds[i] for i in order], tmp_path / "small")
    assert (merged.runs, merged.added, merged.missing) == (12, 12, 0)
    assert_same(tmp_path / "small", whole)
    found = verify_results(tmp_path / "small")
    assert (found.findings, found.pending, found.runs) == ((), (), 12)


def test_each_shard_has_its_part_and_the_whole_plan(thirds):
    parts = [set(read_runs(folder)["run_id"]) for folder in thirds]
    assert [len(part) for part in parts] == [4, 4, 4]
    assert len(set.union(*parts)) == 12
    assert [folder.name for folder in thirds] == ["3-of-3", "2-of-3", "1-of-3"]
    counts, _ = read_status(thirds[0])
    assert counts["completed"].sum() == 4
    assert counts["missing"].sum() == 8


def test_merging_one_at_a_time_and_again_is_the_same(thirds, whole, tmp_path):
    into = tmp_path / "small"
    for done, folder in enumerate(thirds, 1):
        merged = merge_results([folder], into)
        assert (merged.runs, merged.added, merged.missing) == (4 * done, 4, 12 - 4 * done)
    assert merge_results(thirds, into).added == 0
    assert_same(into, whole)


@pytest.mark.soak
def test_shards_that_train_at_once(file, whole, tmp_path):
    commands = [
        [sys.executable, "-m", "lrdecay", "sweep", file, "--results", tmp_path, "--shard", f"{i}/3"]
        for i in (1, 2, 3)
    ]
    processes = [
        subprocess.Popen([*map(str, command), "--workers", "1"], stdout=subprocess.PIPE, text=True)
        for command in commands
    ]
    texts = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    shards = tmp_path / "small" / "shards"
    for number, text in enumerate(texts, 1):
        assert f"{shards}/{number}-of-3: 4 runs, 4 trained now" in text
        assert "8 left to other shards" in text
        assert f"merge {shards}/* --into {tmp_path / 'small'}" in text
    merge = [sys.executable, "-m", "lrdecay", "merge", *shards.iterdir(), "--into"]
    done = subprocess.run(
        [*map(str, merge), str(tmp_path / "small")], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"{tmp_path / 'small'}: 12 runs, 12 of them new\n")
    assert_same(tmp_path / "small", whole)


def test_an_unfinished_sweep_goes_on_from_its_shards(file, thirds, whole, tmp_path):
    merge_results(thirds[:2], tmp_path / "small")
    summary = run_sweep(file, tmp_path, workers=0)
    assert (summary.completed, summary.reused) == (4, 8)
    assert_same(tmp_path / "small", whole)


def test_a_shard_does_not_train_what_the_merged_sweep_has(file, thirds, tmp_path):
    merge_results([thirds[2]], tmp_path / "small")
    again = run_sweep(file, tmp_path, workers=0, shard=Shard(1, 3))
    assert (again.total, again.completed, again.reused, again.elsewhere) == (4, 0, 4, 8)


@pytest.mark.slow
def test_base_rates_are_chosen_from_the_trials_of_all_shards(tmp_path):
    file = sweep_file(tmp_path, CHOOSING)
    whole = run_sweep(file, tmp_path / "whole", workers=0).folder
    home, trained = tmp_path / "parts" / "small", []
    for to_come in (True, False):  # the trials; then, with all of them merged, the comparison
        summaries = [
            run_sweep(file, tmp_path / "parts", workers=0, shard=Shard(number, 2))
            for number in (1, 2)
        ]
        trained += [summary.completed for summary in summaries]
        assert [summary.more_to_come for summary in summaries] == [to_come] * 2
        merge_results([summary.folder for summary in summaries], home)
    assert min(trained[:2]) >= 4  # and what the trials of a shard decide by themselves
    assert sum(trained) == 16
    assert run_sweep(file, tmp_path / "parts", workers=0).completed == 0
    assert_same(home, whole)


@pytest.mark.parametrize(
    ("column", "value"), [("test_accuracy", 0.5), ("test_loss", None), ("init_digest", "other")]
)
def test_different_numbers_for_one_run_are_refused(whole, tmp_path, column, value):
    other = altered(whole, tmp_path / "other", column, value)
    run = read_table(whole / "runs.parquet")["run_id"][0].as_py()
    for folders in ([whole, other], [other, whole]):
        with pytest.raises(InputError, match=f"both have run {run}, with different {column}: such"):
            merge_results(folders, tmp_path / "into")
        assert not (tmp_path / "into" / "runs.parquet").exists()
    merge_results([whole], tmp_path / "small")
    with pytest.raises(InputError, match=f"with different {column}"):
        merge_results([other], tmp_path / "small")
    assert_same(tmp_path / "small", whole)


def test_how_long_a_run_took_is_no_conflict(whole, tmp_path):
    other = altered(whole, tmp_path / "other", "seconds", 1e6)
    assert merge_results([whole, other], tmp_path / "small").added == 12
    assert_same(tmp_path / "small", whole)


def test_a_failure_gives_way(whole, tmp_path):
    other = altered(whole, tmp_path / "other", "status", "failed")
    for number, folders in enumerate(([whole, other], [other, whole])):
        merge_results(folders, tmp_path / str(number))
        assert_same(tmp_path / str(number), whole)


def test_results_of_another_device_are_mixed_on_demand_only(whole, tmp_path):
    other = altered(whole, tmp_path / "other", "device", "abacus")
    shutil.rmtree(tmp_path / "into", ignore_errors=True)
    run = read_table(other / "parts" / next((other / "parts").iterdir()).name / "runs.parquet")
    rest = altered(whole, tmp_path / "rest", "device", read_runs(whole)["device"][0], which=1)
    assert len(run) == 1
    with pytest.raises(InputError, match=r"there are runs of torch .* on abacus in .*other and"):
        merge_results([other, rest], tmp_path / "into")
    merged = merge_results([other, rest], tmp_path / "into", allow_mixed=True)
    assert (merged.runs, merged.missing) == (2, 10)


def test_runs_alike_of_another_engine_are_mixed_on_demand_only(whole, tmp_path):
    rows = read_runs(whole)
    labels = rows["scheduler"].tolist()
    same, other = (len(labels) - 1 - labels[::-1].index(name) for name in ("constant", "step"))
    first = altered(whole, tmp_path / "first", "engine", "reference")
    assert read_runs(first)["scheduler"].tolist() == ["constant"]
    engine = rows["engine"][0]
    like, unlike = (
        altered(whole, tmp_path / str(which), "engine", engine, which=which)
        for which in (same, other)
    )
    with pytest.raises(InputError) as raised:
        merge_results([first, like], tmp_path / "into")
    assert str(raised.value) == (
        f"runs of the same network, optimizer and scheduler trained on the reference engine in "
        f"{first} and the {engine} engine in {like}: their numbers agree but for rounding, which "
        f"training magnifies. --allow-mixed merges them, and the report names both"
    )
    assert merge_results([first, like], tmp_path / "into", allow_mixed=True).runs == 2
    # schedulers that need the training's losses have another engine than the rest of their sweep
    assert merge_results([first, unlike], tmp_path / "others").runs == 2


@pytest.mark.slow
def test_other_sweeps_empty_folders_and_folders_at_work_are_refused(file, whole, tmp_path):
    changed = sweep_file(tmp_path, TEXT.replace("seeds: 3", "seeds: 1"))
    other = run_sweep(changed, tmp_path / "other", workers=0).folder
    with pytest.raises(InputError, match="was made from another sweep file than"):
        merge_results([whole, other], tmp_path / "into")
    with pytest.raises(InputError, match="no results in"):
        merge_results([whole, tmp_path / "nothing"], tmp_path / "into")
    with pytest.raises(InputError, match="name at least one results folder beside"):
        merge_results([whole], whole)
    (tmp_path / "begun").mkdir()
    for at_work in (other, tmp_path / "begun"):
        with hold_folder(at_work), pytest.raises(InputError, match="wait for its end"):
            call_in_process(merge_results, [at_work], tmp_path / "into")


@pytest.mark.parametrize(
    "text", ["0/3", "4/3", "1/0", "1", "a/b", "1/3/2", "-1/3", "1 / 3", "\u0661/\u0663"]
)
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(InputError, match=r"--shard .*: expected NUMBER/OF"):
        Shard.parse(text)


def parts(text, of, tmp_path):
    """The runs of each shard, of a sweep of which nothing has ended."""
    sweep = load_sweep(sweep_file(tmp_path, text))
    matrix = expand_matrix(sweep, digits())
    weigh = partial(estimate_flops, dataset=digits())
    tells = [Shard(i, of).part(matrix, weigh, sweep.adding) for i in range(1, of + 1)]
    nothing = pd.DataFrame({"run_id": []})
    asked = build_agenda(sweep, matrix, FirstPlan(), lambda runs, name="runs": nothing, set())
    return matrix, [[run for run in asked.whole if mine(run)] for mine in tells], tells, weigh


@pytest.mark.parametrize("of", [1, 2, 3, 5, 7, 40])
def test_each_run_is_in_one_part_and_parts_cost_the_same(tmp_path, of):
    text = TEXT.replace("epochs: 1", "epochs: [1, 3]").replace("seeds: 3", "seeds: 11")
    text += "model: {name: cnn, batch_norm: [false, true]}\n"
    _, shares, _, weigh = parts(text, of, tmp_path)
    everything = [run for share in shares for run in share]
    assert Counter(Counter(everything).values()) == {1: 176}
    costs = [sum(map(weigh, share)) for share in shares]
    dearest = max(map(weigh, everything))
    assert max(costs) - min(costs) <= 2 * dearest


def test_runs_that_train_together_stay_together(tmp_path):
    text = TEXT.replace("epochs: 1", "epochs: [1, 2]")
    _, shares, _, _ = parts(text, 3, tmp_path)
    assert [sorted({run.epochs for run in share}) for share in shares] == [[1], [2], [2]]


def test_a_part_does_not_depend_on_the_rate_that_is_chosen(tmp_path):
    _, shares, tells, _ = parts(CHOOSING, 2, tmp_path)
    assert [[run.phase for run in share].count("choose") for share in shares] == [4, 4]
    for run in [run for share in shares for run in share]:
        if run.phase == "compare":
            other = replace(run, lr=0.5, scheduler_args='{"max_lr": 1.0}')  # of max_lr: 2 lr
            assert [mine(other) for mine in tells] == [mine(run) for mine in tells]


def test_arguments_in_multiples_of_the_chosen_rate_leave_no_run_to_nobody(tmp_path):
    cycle = "  cycle:    {class: OneCycleLR, max_lr: 2 lr, total_steps: steps}\ndropout"
    matrix, _, tells, _ = parts(CHOOSING.replace("dropout", cycle), 3, tmp_path)
    for rate in (0.001, 0.003):
        chosen = dict.fromkeys(lr_selection.list_first_rates(matrix.cells), rate)
        runs = matrix.comparison(chosen)
        assert {run.lr for run in runs} == {rate}
        assert [sum(mine(run) for mine in tells) for run in runs] == [1] * len(runs)


def test_every_round_of_added_seeds_is_shared_out(tmp_path):
    text = TEXT.replace("seeds: 3", "seeds: {min: 8, max: 24, until: resolved}")
    matrix, _, tells, _ = parts(text, 4, tmp_path)
    runs = matrix.comparison({})
    # four cells: up to each look a quarter of what trains then
    for first, last in itertools.pairwise((0, 8, 12, 16, 24)):
        some = [run for run in runs if first <= run.seed < last]
        assert [sum(map(mine, some)) for mine in tells] == [last - first] * 4


def test_costs_are_those_of_the_products(tmp_path):
    (run,) = list_runs(
        load_sweep(
            sweep_file(tmp_path, "dataset: digits\nschedulers: {constant: {class: constant}}\n")
        ),
        digits(),
    )
    # conv 1 to 16 and 16 to 32, 3x3, on 8x8 and 4x4; dense 32 x 2 x 2 to 128, 128 to 10
    products = 64 * 9 * 16 + 16 * 9 * 16 * 32 + 128 * 128 + 128 * 10
    images = 10 * (1437 - run.validation)
    assert estimate_flops(run, digits()) == 3 * images * 2 * products


def test_epochs_of_shards_are_there(thirds, tmp_path):
    merge_results(thirds, tmp_path / "small")
    assert len(read_epochs(tmp_path / "small")) == 12 * 4


@pytest.mark.slow
def test_a_changed_sweep_goes_on_in_shards(file, whole, tmp_path):
    """What was trained before the file changed is used, and stays."""
    fewer = sweep_file(tmp_path, TEXT.replace("seeds: 3", "seeds: 2"))
    home = run_sweep(fewer, tmp_path, workers=0).folder
    shards = [run_sweep(file, tmp_path, workers=0, shard=Shard(i, 2)) for i in (1, 2)]
    assert sum(shard.completed for shard in shards) == 4
    merged = merge_results([shard.folder for shard in shards], home)
    assert (merged.runs, merged.added, merged.missing) == (12, 4, 0)
    assert_same(home, whole)
    # a file that the shards know nothing of; copies are younger than it
    sweep_file(tmp_path, TEXT.replace("seeds: 3", "seeds: 1"))
    run_sweep(fewer, tmp_path, workers=0)
    copies = [tmp_path / "copies" / str(number) for number in (1, 2)]
    for shard, copy in zip(shards, copies, strict=True):
        shutil.copytree(shard.folder, copy)
    with pytest.raises(InputError, match="was made from another sweep file than"):
        merge_results(copies, home)


@pytest.mark.parametrize("name", ["shards", "shards/1-of-2"])
def test_no_shard_trains_where_a_link_leads(file, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "small" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    with pytest.raises(InputError, match=f"{link}: a link; a results folder must hold its "):
        run_sweep(file, tmp_path, workers=0, shard=Shard(1, 2))
    assert list(elsewhere.iterdir()) == []


def test_a_shard_that_was_ended_at_its_start_is_passed_over(thirds, whole, tmp_path):
    begun = tmp_path / "begun"
    begun.mkdir()
    with hold_folder(begun):
        pass
    assert (begun / ".lock").exists()
    merged = merge_results([begun, *thirds], tmp_path / "small")
    assert (merged.added, merged.empty) == (12, (begun.resolve(),))
    assert_same(tmp_path / "small", whole)
    with pytest.raises(InputError, match="name at least one results folder"):
        merge_results([begun], tmp_path / "none")


def test_a_shard_is_not_trained_on_another_machine_than_what_is_merged(file, whole, tmp_path):
    altered(whole, tmp_path / "small", "device", "abacus")
    with pytest.raises(InputError, match=r"1 with torch .* on abacus"):
        run_sweep(file, tmp_path, workers=0, shard=Shard(1, 1))
    assert run_sweep(file, tmp_path, workers=0, shard=Shard(1, 1), allow_mixed=True).completed == 11


@pytest.mark.slow
def test_no_sweep_begins_in_a_folder_that_is_merged(thirds, tmp_path, monkeypatch):
    seen = []

    def choose(sources):
        for source in sources:
            with pytest.raises(InputError, match="a merge reads this folder; wait"):
                call_in_process(take, source.folder)
            seen.append(source.folder)
        return original(sources)

    original = merge_module._choose_copies
    monkeypatch.setattr(merge_module, "_choose_copies", choose)
    merge_results(thirds, tmp_path / "small")
    assert seen == [folder.resolve() for folder in thirds]


def take(folder):
    with hold_folder(folder):
        pass
