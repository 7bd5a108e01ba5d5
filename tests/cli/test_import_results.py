"""`lrdecay import`, and the other commands on what it wrote."""

import json
import shlex

import numpy as np
import pandas as pd
import pytest
from helpers.commands import call
from helpers.imports import CASES, make_table, take, write_state

from lrdecay.core.errors import InputError
from lrdecay.plots.figure_kinds import KINDS, shows_verdicts
from lrdecay.store.importing.save import read_origin
from lrdecay.store.reader import read_plan, read_runs


def test_the_command_lists_columns_with_guesses():
    done = call("import", CASES / "mls_bench_dl_lr_schedule_as_published.csv", "--columns")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0].split() == ["column", "distinct", "values"]
    shown = {line.split()[0]: line.split()[1] for line in done.output.splitlines()[1:-1]}
    problems = ("resnet20-cifar10", "resnet56-cifar100", "mobilenetv2-fmnist")
    counts = {
        f"test_acc_{problem}": n for problem, n in zip(problems, ("12", "12", "11"), strict=True)
    }
    assert shown == {"model": "3", "seed": "4", **counts}


def test_the_command_that_is_guessed_imports(tmp_path):
    path = CASES / "mls_bench_dl_lr_schedule_as_published.csv"
    guess = call("import", path, "--columns").output.splitlines()[-1]
    words = shlex.split(guess.removeprefix("A guess:  lrdecay "))
    assert words[-2:] == ["--into", "results/NAME"]
    done = call(*words[:-1], tmp_path / "got")
    assert done.exit_code == 0, done.output
    runs = read_runs(tmp_path / "got")
    assert (len(runs), runs["dataset"].nunique(), runs["seed"].nunique()) == (27, 3, 3)


def test_columns_are_listed_of_what_trackers_leave(tmp_path):
    for seed in (1, 2):
        write_state(tmp_path / f"cosine-s{seed}", 20, 0.8)
    done = call("import", tmp_path, "--columns", "--extract", r"(?P<scheduler>\w+)-s(?P<seed>\d+)")
    assert done.exit_code == 0, done.output
    assert "--seed seed" in done.output.splitlines()[-1]
    assert "--metric val_f1=val_f1" in done.output.splitlines()[-1]


def test_a_folder_of_the_trainer_is_compared(tmp_path):
    rng = np.random.default_rng(3)
    for seed in range(8):
        for label, gain in (("linear", 0.0), ("cosine", 0.05)):
            value = 0.8 + gain + rng.normal(0, 0.01)
            write_state(tmp_path / "out" / f"{label}-s{seed}" / "checkpoint-20", 20, value)
    done = call(
        *("import", tmp_path / "out", "--extract", r"(?P<scheduler>\w+)-s(?P<seed>\d+)"),
        *("--scheduler", "scheduler", "--seed", "seed", "--metric", "val_f1"),
        *("--reference", "linear", "--margin", "0.01", "--into", tmp_path / "got"),
    )
    assert done.exit_code == 0, done.output
    done = call("compare", tmp_path / "got")
    assert done.output.startswith("cosine beats linear, by 0.0")
    assert "\n8 pairs by seed, not verified.\n" in done.output
    assert (
        "8 pairs by seed, not verified" in call("compare", tmp_path / "got", "--sentences").output
    )
    origin = read_origin(read_plan(tmp_path / "got").sweep_text)
    assert origin.columns["extract"] == r"(?P<scheduler>\w+)-s(?P<seed>\d+)"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "--scheduler, --seed, --metric and --into are missing; --columns lists what there is"),
        (("--seed", ""), "--seed is missing; --columns lists what there is"),
        (("--where", "model=x"), "no such run; choose from"),
        (("--where", "model"), "--where model: expected AXIS=VALUE"),
        (("--unit", "=x"), "--unit =x: expected NAME=VALUE"),
        (("--unit", "a=own", "--unit", "a=nats"), "--unit a=nats: a is given twice"),
        (("--drop", "mean", "--reference", "x"), "no run of the reference 'x'; choose one of"),
        (("--drop", "mean", "--margin", "-1"), "margin must be 0 or more, not -1"),
        (
            ("--higher-is-better", "a", "--lower-is-better", "a"),
            "--lower-is-better a: --higher-is-better says otherwise",
        ),
        (("--extract", "(?P<x>.)"), "--extract: it reads the column 'run', which the source has"),
        (("--epochs", "none.csv"), "none.csv: no such file"),
        (("--digest", "order=seed"), "digest: 'order' is none of init_digest, order_digest"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, options, says):
    needed = ("--scheduler", "model", "--seed", "seed", "--into", tmp_path / "x")
    given = (*needed, "--metric", "test_accuracy=test_acc_resnet20-cifar10") if options else ()
    path = CASES / "mls_bench_dl_lr_schedule_as_published.csv"
    done = call("import", path, *given, *options)
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())
    assert not (tmp_path / "x").exists()


def test_other_commands_work_on_an_import(tmp_path):
    folder = take(make_table(), metric={"test_accuracy": "acc"}).save(tmp_path / "mine")
    for command in (
        ("verify", folder),
        ("status", folder),
        ("compare", folder),
        ("compare", folder, "--format", "json"),
        ("report", folder),
        ("export", folder, "--to", "csv"),
        ("merge", folder, "--into", tmp_path / "merged"),
    ):
        done = call(*command)
        assert done.exit_code == 0, (command, done.output)
    pd.testing.assert_frame_equal(read_runs(tmp_path / "merged"), read_runs(folder))
    for command in ("sweep", "plan"):
        done = call(command, folder / "sweep.yaml", "--results", tmp_path / "other")
        assert done.exit_code == 2
        assert done.output.endswith(
            "these results were imported: train more where they came from, and import again\n"
        )
    assert not (tmp_path / "other").exists()
    status = call("status", folder).output
    assert "These runs were imported; `lrdecay compare` says when verdicts are made." in status


def test_an_import_stands_beside_another_without_a_margin(tmp_path):
    folders = [take(make_table(n)).save(tmp_path / f"n{n}") for n in (8, 9)]
    page = tmp_path / "both.html"
    done = call("report", *folders, "--output", page)
    assert done.exit_code == 0, done.output
    assert "test accuracy, no margin; all sentences hold together with probability 0.95" in (
        page.read_text(encoding="utf-8")
    )


NOT_DRAWN = {
    "learning-rates": "nothing to draw: learning-rates shows learning_rate, and no run has any",
    "curves": "nothing to draw: curves shows accuracy, and no run has any",
    "late-curves": "nothing to draw: late-curves shows accuracy, and no run has any",
    "relative-curves": "nothing to draw: relative-curves shows accuracy, and no run has any",
    "jumps": "nothing to draw: jumps shows accuracy, and no run has any",
    "accuracy-by-dropout": "no axis dropout to draw against: that of the runs is not known; choose",
    "accuracy-by-rate": "no axis lr to draw against",
    "accuracy-by-epochs": "no axis epochs to draw against",
    "heat-map": "no axis dropout to draw against: that of the runs is not known; choose another",
    "time-to-target": "no run has a target",
    "expected-best": "nothing to draw: expected-best shows val_accuracy, and no run has any",
    "interaction": "no axis dropout to draw against: there are differences at none that is known",
    "gap-by-dropout": "nothing to draw: gap-by-dropout shows accuracy, and no run has any",
}


@pytest.mark.slow
def test_a_figure_shows_what_there_is_or_says_what_there_is_not(tmp_path):
    bare = take(make_table()).save(tmp_path / "bare")
    other = take(make_table(), metric={"test_f1": "acc"}, dropout=0.1).save(tmp_path / "f1")
    whole = take(make_table(), dropout=0.1).save(tmp_path / "whole")
    for kind in KINDS:
        done = call("plot", bare, kind, "--output", tmp_path / "bare.svg")
        assert done.exit_code == (2 if kind in NOT_DRAWN else 0), done.output
        assert NOT_DRAWN.get(kind, "bare.svg") in done.output
        drawn = call("plot", other, kind, "--output", tmp_path / "f1.svg").exit_code == 0
        assert drawn == shows_verdicts(kind)  # of whatever is compared; the others of accuracy
    for kind in ("accuracy-by-dropout", "heat-map", "spread"):
        assert call("plot", whole, kind, "--output", tmp_path / f"{kind}.svg").exit_code == 0
    with pytest.raises(InputError, match="nothing to draw: curves shows accuracy"):
        take(make_table()).plot("curves")
    ax = take(make_table(), dropout=0.1).plot("accuracy-by-dropout")
    assert ax.get_ylabel() == "test accuracy (%)"
    got = take(make_table(), metric={"test_f1": "acc"})
    (row,) = got.compare().query("family == 'scheduler'").to_dict("records")
    (_, bar, dot) = got.plot("differences").lines
    assert np.asarray(bar.get_xdata()).tolist() == [row["low"], row["high"]]
    assert np.asarray(dot.get_xdata()).tolist() == [row["mean"]]


def test_a_damaged_import_is_said_and_imported_again(tmp_path):
    got = take(make_table())
    folder = got.save(tmp_path / "mine")
    before = read_runs(folder)
    path = folder / "runs.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = call("verify", folder)
    assert done.exit_code == 1
    assert "18 runs to import: `lrdecay import`, as before" in done.output
    assert "a, seed 0" in done.output
    got.save(folder)
    pd.testing.assert_frame_equal(read_runs(folder), before)
    assert call("verify", folder).exit_code == 0


def test_another_meaning_of_the_same_file_is_another_import(tmp_path):
    path = tmp_path / "runs.csv"
    make_table(8).assign(other=range(2, 18)).to_csv(path, index=False)
    given = ("import", path, "--scheduler", "label", "--seed", "seed", "--into", tmp_path / "got")
    assert call(*given, "--metric", "test_accuracy=acc").exit_code == 0
    done = call(*given, "--metric", "test_accuracy=other")
    assert done.exit_code == 2
    assert "other results are there; give another folder, or say --replace" in done.output
    done = call(*given, "--metric", "test_accuracy=other", "--replace")
    assert done.exit_code == 0, done.output
    assert read_runs(tmp_path / "got")["test_accuracy"].tolist() == [n / 100 for n in range(2, 18)]
    # the question may change
    done = call(*given, "--metric", "test_accuracy=other", "--seeds-fixed", "--margin", "0.5")
    assert done.exit_code == 0, done.output
    answer = json.loads(call("compare", tmp_path / "got", "--format", "json").output)
    assert answer["margin"] == 0.5
    assert "as was said" in answer["contrasts"][0]["sentence"]


def test_importing_into_the_folder_of_others_needs_to_be_said(tmp_path):
    path = tmp_path / "runs.csv"
    make_table(8).to_csv(path, index=False)
    given = ("import", path, "--scheduler", "label", "--seed", "seed", "--metric")
    given = (*given, "test_accuracy=acc", "--into", tmp_path / "got")
    assert call(*given).exit_code == 0
    assert call(*given).exit_code == 0  # the same again
    assert len(read_runs(tmp_path / "got")) == 16
    make_table(9).to_csv(path, index=False)
    done = call(*given)
    assert done.exit_code == 2
    assert "other results are there" in done.output
    assert call(*given, "--replace").exit_code == 0
    assert len(read_runs(tmp_path / "got")) == 18
