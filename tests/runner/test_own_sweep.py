"""Sweeps whose runs a loop of the user's own trains: in workers, again and again, and in parts."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from helpers.commands import call
from helpers.own_plugin import PLUGIN, sweep_text, write_plugin
from helpers.paths import HOME
from helpers.plugged import as_in_a_new_process
from helpers.results import TIMES

import lrdecay
from lrdecay.analysis import compare, noise_floor, with_metrics
from lrdecay.analysis.settings import read_criteria
from lrdecay.runner import Shard
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.merge import merge_results
from lrdecay.store.reader import read_epochs, read_metrics, read_plan, read_repeats, read_runs
from lrdecay.store.verify import verify_results


@pytest.fixture(autouse=True)
def new_process():
    with as_in_a_new_process():
        yield


def sweep(folder, text, **options):
    file = folder / "own.yaml"
    file.write_text(text)
    plugin = write_plugin(folder)
    chosen = {"workers": 0, "results": folder / "results", "plugins": [plugin]} | options
    return run_sweep(file, **chosen)


def tables(folder):
    runs = read_runs(folder).drop(columns=TIMES).sort_values("run_id", ignore_index=True)
    others = (
        read(folder).sort_values(["run_id", "epoch", "split"], ignore_index=True)
        for read in (read_epochs, read_metrics)
    )
    return [runs, *others]


def assert_same(folder, other):
    for one, expected in zip(tables(folder), tables(other), strict=True):
        pd.testing.assert_frame_equal(one, expected, check_exact=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with as_in_a_new_process():
        return sweep(folder, sweep_text(trainer="{name: mine, width: [8, 16]}")).folder


def test_every_cell_trains_at_every_seed_and_is_paired(whole):
    runs = read_runs(whole)
    assert len(runs) == 2 * 2 * 2 * 2
    assert set(runs["status"]) == {"completed"}
    assert set(runs["engine"]) == {"own"}
    assert set(runs["trainer"]) == {"mine"}
    assert runs["trainer_args"].unique().tolist() == [
        '{"explode_at":-1,"fail_at":[],"slow":0.0,"width":8}',
        '{"explode_at":-1,"fail_at":[],"slow":0.0,"width":16}',
    ]
    # words stay as they are: the loop knows what they mean
    assert runs.set_index("scheduler").loc["onecycle", "scheduler_args"].unique().tolist() == [
        '{"cycle_momentum":false,"max_lr":"2 lr","total_steps":"steps"}'
    ]
    assert runs["applied_dropout"].tolist() == runs["dropout"].tolist()
    assert runs.groupby(["trainer_args", "seed"])["init_digest"].nunique().tolist() == [1] * 4
    assert runs.groupby("seed")["order_digest"].nunique().tolist() == [1, 1]
    assert runs["order_digest"].nunique() == 2
    rates = runs.groupby("scheduler")["rates_digest"].nunique()
    assert rates.to_dict() == {"constant": 1, "onecycle": 1}
    assert len(read_epochs(whole)) == 16 * 2 * 3
    assert read_metrics(whole).groupby(["split", "metric"]).size().to_dict() == {
        ("test", "f1"): 32,
        ("val", "f1"): 32,
    }
    # the plug-in's metric f1 is the share that is right
    with_f1 = with_metrics(runs, read_metrics(whole))
    assert with_f1["test_f1"].tolist() == runs["test_accuracy"].tolist()
    assert verify_results(whole).findings == ()


def test_the_verdicts_are_those_of_the_metric_that_the_file_declares(whole):
    criteria = read_criteria(read_plan(whole).sweep_text)
    runs = with_metrics(read_runs(whole), read_metrics(whole), criteria.declared)
    table = compare(runs, metric="test_f1", reference="constant", declared=criteria.declared)
    by_hand = runs.pivot_table(
        index=["trainer_args", "dropout"], columns="scheduler", values="test_f1"
    )
    expected = by_hand["onecycle"] - by_hand["constant"]
    primary = table[table["family"] == "scheduler"].set_index(["trainer_args", "dropout"])
    assert primary["mean"].to_dict() == pytest.approx(expected.to_dict(), abs=1e-12)


def test_what_is_done_is_not_done_again_and_a_new_value_is_an_axis(whole, tmp_path):
    first = sweep(tmp_path, sweep_text())
    assert (first.completed, first.reused) == (8, 0)
    again = sweep(tmp_path, sweep_text())
    assert (again.completed, again.reused) == (0, 8)
    # a default that is given is the same run, and what the file calls a schedule does not count
    more = sweep(tmp_path, sweep_text(trainer="{name: mine, width: [8, 16], slow: 0}"))
    assert (more.completed, more.reused) == (8, 8)
    assert_same(more.folder, whole)


@pytest.mark.slow
def test_processes_make_the_same_runs(whole, tmp_path):
    text = sweep_text(trainer="{name: mine, width: [8, 16]}")
    summary = sweep(tmp_path, text, workers=2)
    assert summary.completed == 16
    assert_same(summary.folder, whole)


def test_shards_are_merged_into_the_same_tables(whole, tmp_path):
    text = sweep_text(trainer="{name: mine, width: [8, 16]}")
    parts = [sweep(tmp_path, text, shard=Shard(number, 2)) for number in (1, 2)]
    assert [part.completed for part in parts] == [8, 8]
    merge_results([part.folder for part in parts], tmp_path / "results" / "own")
    assert_same(tmp_path / "results" / "own", whole)


def test_repeats_show_that_nothing_is_left_to_chance(tmp_path):
    summary = sweep(tmp_path, sweep_text(dropout=""), repeat=1)
    runs = read_runs(summary.folder)
    assert runs["dropout"].isna().all()
    floor = noise_floor(runs, read_repeats(summary.folder)).set_index("metric")
    assert floor.loc["test_accuracy", ["n", "identical"]].tolist() == [2, 2]


def test_base_rates_are_chosen_by_the_validation_loss(tmp_path):
    text = sweep_text(optimizer="{lr: {choose: [0.001, 0.1], seeds: 2}}", dropout="")
    summary = sweep(tmp_path, text)
    runs = read_runs(summary.folder)
    tried = runs[runs["phase"] == "choose"]
    assert len(tried) == 2 * 2 * 2
    assert tried["seed"].min() == 1_000_000
    means = tried.groupby(["scheduler", "lr"])["val_loss"].mean().unstack()
    chosen = runs[runs["phase"] == "compare"].groupby("scheduler")["lr"].unique()
    assert {k: v.tolist() for k, v in chosen.items()} == {
        label: [rate] for label, rate in means.idxmin(axis=1).items()
    }


def test_seeds_are_added_until_a_metric_of_ones_own_is_resolved(tmp_path):
    text = sweep_text(
        seeds="{min: 8, max: 16, until: resolved}",
        dropout="",
        epochs="1",
        schedulers="{constant: {class: constant}, off: {class: ConstantLR, factor: 0.001}}",
        optimizer="{lr: 1.0}",
    )
    summary = sweep(tmp_path, text)
    runs = read_runs(summary.folder)
    counts = runs.groupby("scheduler").size()
    assert set(counts) <= {8, 12, 16}
    assert counts.nunique() == 1


def test_an_error_in_the_loop_is_told_with_its_file_and_line(tmp_path):
    summary = sweep(tmp_path, sweep_text(trainer="{name: mine, fail_at: [1]}"))
    runs = read_runs(summary.folder).set_index("seed")
    assert runs.loc[0, "status"].tolist() == ["completed"] * 4
    assert runs.loc[1, "status"].tolist() == ["failed"] * 4
    line = write_plugin(tmp_path).read_text().split("disk on fire")[0].count("\n") + 1
    plugin = tmp_path / "mine.py"
    assert runs.loc[1, "error"].unique().tolist() == [
        f"the plug-in trainer mine of {plugin} fails: RuntimeError: disk on fire "
        f"(line {line} of mine.py)"
    ]


class Progress:
    """Remembers what is noted."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)

    start = grow = epoch = finished = lambda self, *given: None


NEVER_ASKED = (
    "TrialError: the loop never asked for trial.scheduler(optimizer): its rates would not be the "
    "schedule's"
)
FORGETFUL = {"trainer": "forgetful", "steps_per_epoch": "", "dropout": ""}


def test_a_mistake_is_told_and_not_tried_again(tmp_path):
    progress = Progress()
    schedulers = "{constant: {class: constant}}"
    text = sweep_text(schedulers=schedulers, **FORGETFUL)
    summary = sweep(tmp_path, text, workers=1, progress=progress)
    assert summary.failed == 2
    assert read_runs(summary.folder)["error"].tolist() == [NEVER_ASKED] * 2
    assert progress.notes == []


@pytest.mark.parametrize("options", [{"workers": 0}, {"workers": 1}, {"shard": Shard(1, 2)}])
def test_a_mistake_that_all_runs_share_ends_the_sweep_early(tmp_path, options):
    shards = options.get("shard", Shard(1, 1)).of
    text = sweep_text(seeds=str(4 * shards), **FORGETFUL)
    for _ in range(2):  # the next call tries again
        with pytest.raises(lrdecay.WorkerError) as caught:
            sweep(tmp_path, text, **options)
        assert str(caught.value) == (
            "3 runs failed with the same error and none has completed, so 5 runs were left "
            f"untrained; fix the loop and start the sweep again. The error: {NEVER_ASKED}"
        )
        (folder,) = {file.parent for file in (tmp_path / "results").rglob("runs.parquet")}
        assert read_runs(folder)["error"].tolist() == [NEVER_ASKED] * 3


def test_so_does_an_error_that_all_runs_share(tmp_path):
    text = sweep_text(trainer="{name: mine, fail_at: [0, 1]}")
    with pytest.raises(lrdecay.WorkerError, match=r"so 5 runs were .*: disk on fire \(line \d+ of"):
        sweep(tmp_path, text)


def test_a_mistake_in_the_last_runs_needs_no_further_words(tmp_path):
    text = sweep_text(seeds="3", schedulers="{constant: {class: constant}}", **FORGETFUL)
    assert sweep(tmp_path, text).failed == 3


def edited(old, new):
    assert PLUGIN.count(old) == 1
    return PLUGIN.replace(old, new)


WRONG_AT_SOME = edited(
    "    trial.seed_everything()\n",
    "    if trial.seed in fail_at:\n        trial.log(0, 'val', loss=1.0)\n",
)


def train_edited(folder, plugin, text, **options):
    file = folder / "own.yaml"
    file.write_text(text)
    with as_in_a_new_process():
        plugins = [write_plugin(folder, plugin)]
        return run_sweep(file, folder / "results", workers=0, plugins=plugins, **options)


def test_once_a_run_has_completed_all_are_tried(tmp_path):
    text = sweep_text(trainer="{name: mine, fail_at: [1, 2]}", seeds="[0]")
    assert train_edited(tmp_path, WRONG_AT_SOME, text).completed == 4
    # what has completed before counts too
    more = sweep_text(trainer="{name: mine, fail_at: [1, 2]}", seeds="[1, 2, 0]")
    summary = train_edited(tmp_path, WRONG_AT_SOME, more)
    assert (summary.reused, summary.failed) == (4, 8)
    errors = read_runs(summary.folder).dropna(subset="error")["error"]
    assert errors.nunique() == 1
    assert errors.iloc[0].startswith("TrialError: trial.log: epoch 0 after epoch 0 of 2; epochs ")


def test_errors_that_differ_end_no_sweep(tmp_path):
    plugin = edited('trial.log(1, "val", los=1.0)', 'trial.log(-trial.seed, "val", loss=1.0)')
    assert train_edited(tmp_path, plugin, sweep_text(seeds="4", **FORGETFUL)).failed == 8


UNLIKE = {
    "order": (
        "generator=trial.generator()",
        "generator=torch.Generator().manual_seed(ord(trial.label[0]) + trial.seed)",
        "saw different batches, so they are no pair: give the DataLoader "
        "generator=trial.generator(), or draw the order from it",
    ),
    "init": (
        "    trial.seed_everything()\n",
        "    trial.seed_everything()\n    torch.rand(ord(trial.label[0]))\n",
        "began with different weights, so they are no pair: build the same layers in the same "
        "order right after trial.seed_everything()",
    ),
}


@pytest.mark.parametrize("what", UNLIKE)
def test_runs_of_one_seed_that_are_no_pair_are_told_of_at_once_and_once(tmp_path, what):
    old, new, message = UNLIKE[what]
    progress = Progress()
    expected = (
        f"warning: the runs constant, dropout 0, seed 0 and onecycle, dropout 0, seed 0 {message}"
    )
    plugin = edited(old, new)
    text = sweep_text(trainer="{name: mine, width: [8, 16]}")
    ended = []
    progress.finished = lambda record: ended.append((record.run["scheduler"], list(progress.notes)))
    summary = train_edited(tmp_path, plugin, text, progress=progress)
    assert progress.notes == [expected]
    first = next(n for n, (label, _) in enumerate(ended) if label == "onecycle")
    assert [bool(notes) for _, notes in ended] == [n > first for n in range(16)]
    runs = read_runs(summary.folder)
    assert runs.groupby(["seed", "trainer_args"])[f"{what}_digest"].nunique().tolist() == [2] * 4
    # it is as true of what has completed before
    progress.notes.clear()
    assert train_edited(tmp_path, plugin, text, progress=progress).reused == 16
    assert progress.notes == [expected]


def test_runs_that_no_comparison_pairs_may_differ(tmp_path):
    """Other widths, rates and lengths are other strata; a run may also say nothing."""
    text = sweep_text(
        trainer="{name: mine, width: [8, 16]}", optimizer="{lr: [0.1, 0.2]}", epochs="[1, 2]"
    )
    by_stratum = "manual_seed(trial['width'] * trial.epochs + int(100 * trial.lr) + trial.seed)"
    plugin = edited("generator=trial.generator()", f"generator=torch.Generator().{by_stratum}")
    train_edited(tmp_path, plugin, text, progress=(progress := Progress()))
    assert progress.notes == []
    silent = edited(
        "    trial.watch(model)\n", "    if trial.label == 'constant': trial.watch(model)\n"
    )
    train_edited(tmp_path, silent, sweep_text(name="silent"), progress=progress)
    assert progress.notes == []


def test_runs_whose_base_rates_were_chosen_are_pairs_all_the_same(tmp_path):
    schedulers = "{constant: {class: constant}, off: {class: ConstantLR, factor: 0.001}}"
    choose = "{lr: {choose: [0.01, 10.0], seeds: 2}}"
    text = sweep_text(optimizer=choose, schedulers=schedulers, dropout="")
    plugin = edited(*UNLIKE["order"][:2])
    summary = train_edited(tmp_path, plugin, text, progress=(progress := Progress()))
    runs = read_runs(summary.folder)
    assert runs[runs["phase"] == "compare"].groupby("scheduler")["lr"].first().nunique() == 2
    warnings = [text for text in progress.notes if text.startswith("warning: the runs")]
    assert warnings == [f"warning: the runs constant, seed 0 and off, seed 0 {UNLIKE['order'][2]}"]


def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(tmp_path):
    summary = sweep(tmp_path, sweep_text(trainer="{name: mine, explode_at: 1}"))
    runs = read_runs(summary.folder).set_index("seed")
    assert runs.loc[1, "status"].tolist() == ["diverged"] * 4
    assert runs.loc[1, "diverged_at_step"].tolist() == [2] * 4
    assert runs.loc[0, "status"].tolist() == ["completed"] * 4


@pytest.mark.slow
def test_a_loop_that_hangs_is_ended_by_the_time_limit(tmp_path):
    text = sweep_text(trainer="{name: mine, slow: 60.0}", seeds="1", dropout="")
    text = text.replace("  onecycle:", "  # onecycle:")
    summary = sweep(tmp_path, text, workers=1, time_limit=2.0)
    assert summary.failed == 1
    (error,) = read_runs(summary.folder)["error"]
    assert error == "no epoch was finished within 2 s (--time-limit) (tried 3 times)"


@pytest.mark.slow
def test_ray_s_actors_make_the_same_runs(whole, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(sweep_text(trainer="{name: mine, width: [8, 16]}"))
    plugin = write_plugin(tmp_path)
    ended = subprocess.run(
        [
            *(sys.executable, "-c", "from lrdecay.cli import main; main()", "sweep", str(file)),
            *("--plugin", str(plugin), "--results", str(tmp_path), "--executor", "ray"),
            *("--workers", "2"),
        ],
        env={
            **os.environ,
            "PYTHONPATH": str(HOME),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert_same(tmp_path / "own", whole)


def test_what_cannot_be_asked_of_a_loop(tmp_path):
    for options, message in (
        ({"engine": "stacked"}, "engine: is the loop's own business with trainer; leave it out"),
        ({"group_size": 2}, "group_size: is the loop's own business with trainer; leave it out"),
    ):
        with pytest.raises(lrdecay.InputError) as caught:
            sweep(tmp_path, sweep_text(), **options)
        assert str(caught.value) == message
    with pytest.raises(lrdecay.InputError, match="trainer: script is no function that a worker"):
        sweep(tmp_path, sweep_text(trainer="script"))


def test_schedules_are_foreseen_where_the_file_says_how_many_steps_there_are(tmp_path):
    schedulers = "{constant: {class: constant}, step: {class: StepLR, step_size: 9}}"
    with pytest.raises(lrdecay.InputError, match=r"schedulers\.step: "):
        sweep(tmp_path, sweep_text(schedulers=schedulers), strict=True)
    short = "{constant: {class: constant}, cycle: {class: OneCycleLR, max_lr: 1.0, total_steps: 4}}"
    with pytest.raises(lrdecay.InputError) as caught:
        sweep(tmp_path, sweep_text(schedulers=short))
    assert str(caught.value) == (
        "schedulers.cycle: OneCycleLR ends after 4 steps, and the run has 6; "
        "give total_steps: steps"
    )


def test_a_loop_whose_epochs_have_other_steps_than_the_file_says_fails(tmp_path):
    with pytest.raises(lrdecay.WorkerError):
        sweep(tmp_path, sweep_text(steps_per_epoch="5"))
    (error,) = read_runs(tmp_path / "results" / "own")["error"].unique()
    assert error.startswith("TrialError: steps_per_epoch is 3 here and 5 in the sweep file (line ")


@pytest.mark.usefixtures("empty_figures")
def test_whoever_reads_results_reads_these(whole, tmp_path):
    folder = tmp_path / "own"
    shutil.copytree(whole, folder)
    for command in ("report", "compare", "status", "verify"):
        result = call(command, folder)
        assert result.exit_code == 0, result.output
    compared = call("compare", folder).output
    assert all(f"width {width}, " in compared for width in (8, 16))
    page = (folder / "report.html").read_text()
    assert "test f1" in page
    assert "None" not in page


@pytest.mark.usefixtures("empty_figures")
def test_a_report_needs_no_accuracy(tmp_path):
    text = PLUGIN.replace(", accuracy=right", "")
    assert text != PLUGIN
    file = tmp_path / "own.yaml"
    file.write_text(sweep_text())
    plugin = write_plugin(tmp_path, text)
    summary = run_sweep(file, tmp_path, workers=0, plugins=[plugin])
    assert summary.completed == 8
    assert read_runs(summary.folder)["test_accuracy"].isna().all()
    result = call("report", summary.folder)
    assert result.exit_code == 0, result.output


def test_plan_shows_the_schedules_where_the_steps_are_known(tmp_path):
    file = tmp_path / "own.yaml"
    plugin = write_plugin(tmp_path)
    file.write_text(sweep_text())
    shown = call("plan", file, "--plugin", plugin).output
    assert shown.split()[:4] == ["axis", "values", "trainer", "mine"]
    assert "onecycle" in shown.partition("learning rate")[2]
    assert "How long a run takes is the loop's own business" in shown
    file.write_text(sweep_text(steps_per_epoch=""))
    shown = call("plan", file, "--plugin", plugin).output
    assert "With steps_per_epoch in the sweep file the schedules would be shown here." in shown
