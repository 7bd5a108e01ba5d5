"""The Methods section says what the tables say, and no more."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from helpers.empty_figures import leave_figures_empty
from helpers.frames import make_tables, write_folder
from helpers.imports import make_table, take
from typer.testing import CliRunner

from lrdecay.analysis import Conclusions, Criteria, conclude
from lrdecay.cli.app import app
from lrdecay.core.data_facts import DataFacts
from lrdecay.core.first_plan import FirstPlan
from lrdecay.report.methods import write_methods
from lrdecay.report.page import read_and_render

CRITERIA = Criteria("constant", "test_accuracy", 0.3, 0.95)
NO_TRIALS = make_tables(seeds=1)[0].iloc[:0]
PLAN_COLUMNS = ("run_id", "phase", "scheduler", "dropout", "seed")
STEP = '{"gamma":0.5,"interval":"epoch","step_size":5}'


def find(runs: pd.DataFrame, criteria: Criteria = CRITERIA, **more) -> Conclusions:
    return conclude(runs, None, criteria, **more)


def write(found: Conclusions, trials: pd.DataFrame = NO_TRIALS, **more) -> str:
    return "\n".join(write_methods(found, trials, **more))


def usual(seeds: int = 12, **axes) -> pd.DataFrame:
    runs, _ = make_tables(("constant", "step"), (0.0, 0.3), seeds, 2, **axes)
    own = {"constant": ("constant", '{"interval":"epoch"}'), "step": ("StepLR", STEP)}
    columns = {
        name: [own[s][i] for s in runs["scheduler"]]
        for i, name in enumerate(("scheduler_class", "scheduler_args"))
    }
    return runs.assign(**columns, optimizer_args='{"weight_decay":0.0}', device="a CPU")


def test_a_plan_to_which_no_seeds_are_added_is_of_so_many() -> None:
    for most in (None, 12):
        plan = FirstPlan(12, most, seeds=tuple(range(12)))
        assert "Planned before there were results were 12 seeds. step" in write(
            find(usual(), first_plan=plan)
        )


def test_the_whole_section_of_a_usual_sweep() -> None:
    facts = DataFacts(("a", "b"), (600, 597), (150, 150), (500, 500))
    plan = FirstPlan(8, 64, seeds=tuple(range(12)))
    found = find(usual(), first_plan=plan)
    training, compared, rule, software = write_methods(found, NO_TRIALS, facts)
    assert training == (
        "Networks of the kind cnn (without batch normalisation after each convolution) were "
        "trained on digits for 2 epochs in batches of 64 images by Adam (weight_decay 0.0), at "
        "base learning rate 0.001. The loss was cross entropy. 1,197 images were trained on. 300 "
        "training images were held out for validation, the same ones in every run; nothing else "
        "steered a run or a choice. The test set had 1,000 images. The learning-rate schedulers "
        "were constant; step (StepLR(gamma=0.5, step_size=5) stepped by epoch)."
    )
    assert compared == (
        "Each was trained at dropout 0 and 0.3 with 12 seeds (0 to 11): 48 runs, all of which "
        "completed. Planned before there were results were 8 seeds, and up to 64 until each had a "
        "verdict. step was compared with constant by test accuracy after the last epoch, on this "
        "test set. Runs of one seed had the same initial weights, batches and dropout masks "
        "whatever their scheduler, verified by digests of weights and data order, and were "
        "compared in pairs."
    )
    shares = [f"{look.n} seeds with {100 * look.share:.3g}%" for look in found.looks]
    assert [look.n for look in found.looks] == [8, 12]
    assert rule.startswith(
        f"Verdicts were made at looks that did not depend on results, at {' and '.join(shares)} of "
        f"the error: the interval was the t interval"
    )
    for part in (
        "The 2 differences shared the error evenly (Bonferroni), so that the probability of any "
        "wrong verdict among them was at most 5%.",
        "real if its interval excluded 0, equivalent if it lay within 0.3 points of 0, identical "
        "if no seed showed any, and else not resolved",
        "For new test images seeds and images were both taken as random and crossed",
        "with 95% confidence at each dropout that the best one was not.",
    ):
        assert part in rule
    assert software == (
        "Trained with lrdecay 0.1.0, PyTorch 2.15.0 and Python 3.12.1 on a CPU, by lrdecay's "
        "reference engine."
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "resnet", "model_args": '{"depth":20}'}, "kind resnet (arguments depth 20)"),
        ({"batch_norm": True}, "cnn (with batch normalisation after each convolution)"),
        ({"batch_size": 128}, "in batches of 128 images"),
        ({"optimizer": "SGD", "optimizer_args": "{}"}, "images by SGD, at"),
        ({"label_smoothing": 0.1}, "The loss was cross entropy, with label smoothing 0.1."),
        ({"clip_grad_norm": 1.5}, "gradients were clipped to a norm of 1.5."),
        ({"loss_function": "focal_loss"}, "The loss was focal loss."),
        ({"augment": '{"random_crop":4}'}, "changed at random (random_crop 4)."),
        ({"precision": "bfloat16"}, "Computations were in bfloat16."),
        ({"plugins": '{"scheduler mine":"d"}'}, "does not have: scheduler mine."),
        ({"git_commit": "0123456789abcdef"}, "lrdecay 0.1.0 (commit 0123456789ab), PyTorch"),
        ({"torch_version": "2.16.0"}, "PyTorch 2.16.0"),
        ({"engine": "stacked"}, "by lrdecay's stacked engine."),
        ({"test_images": 777}, "The test set had 777 images."),
    ],
)
def test_what_the_tables_say_is_said_and_else_is_not(change: dict, words: str) -> None:
    runs = usual(2)
    assert words in write(find(runs.assign(**change)))
    assert words not in write(find(runs))


def test_values_of_axes_are_all_named() -> None:
    text = write(find(usual(2, lr=[0.001, 0.01], batch_norm=[False, True])))
    assert "cnn (with and without batch normalisation after each convolution)" in text
    assert "at base learning rates 0.001 and 0.01." in text
    none = usual(2).assign(validation=0)
    assert "held out" not in write(find(none))


def test_chosen_rates_say_how_and_stand_beside_their_schedulers() -> None:
    runs = usual(9)
    rates = runs["scheduler"].map({"constant": 0.003, "step": 0.01})
    runs = runs.assign(lr=rates, lr_chosen_per="scheduler")
    trials, _ = make_tables(("constant", "step"), (0.3,), 2, 2, lr=[0.003, 0.01])
    trials = trials.assign(phase="choose", lr_chosen_per="scheduler")
    text = write(find(runs), trials)
    assert (
        "The base learning rate of each scheduler was chosen before the comparison, from 0.003 and "
        "0.01, as the one with the lowest mean validation loss after the last epoch, in 8 trials "
        "on 2 seeds of their own."
    ) in text
    assert "constant (base learning rate 0.003); step (StepLR(" in text
    assert "stepped by epoch, base learning rate 0.01)." in text
    assert "(weight_decay 0.0). The loss" in text  # at no one rate


def test_what_came_out_and_what_is_not_as_planned_is_said() -> None:
    runs, _ = make_tables(
        status=lambda s, d, seed: "diverged" if s == "step" and seed == 1 else "completed", seeds=3
    )
    text = write(find(runs))
    assert "18 runs, of which 16 completed and 2 diverged." in text
    assert "Verdicts were to begin at 8 seeds, so none was made." in text
    departed = find(usual(), first_plan=FirstPlan(8, metric="val_loss"))
    assert (
        "Not as planned, so exploratory: the metric was to be val_loss, not test_accuracy."
        in write(departed)
    )
    one = find(usual(9).query("dropout == 0"), replace(CRITERIA, margin=None, confidence=0.9))
    assert "That the verdict is wrong had a probability of at most 10%." in write(one)
    assert "equivalent" not in write(one)
    assert "dropout that the best" not in write(one)
    alone = write(find(usual(9).query("scheduler == 'step'"), replace(CRITERIA, reference="step")))
    assert "The learning-rate scheduler was step (" in alone
    assert "compared" not in alone
    gap = write(find(usual(9), replace(CRITERIA, metric="val_loss")))
    assert "by validation loss after the last epoch, on these validation images." in gap
    assert "For new test images" not in gap


def test_of_a_loop_of_the_user_s_own_only_what_is_recorded_is_said() -> None:
    nothing = dict.fromkeys(("model", "batch_norm", "optimizer", "optimizer_args", "test_images"))
    runs = usual(9).assign(engine="own", dataset="mine", **nothing, order_digest=None)
    text = write(find(runs))
    assert text.startswith("A training loop of the authors' trained the runs (mine). Recorded of")
    assert "cross entropy" not in text
    assert "Runs of one seed began alike, as was recorded, and were compared in pairs" in text
    assert "dropout masks" not in text
    assert "engine" not in text
    program = write(find(runs.assign(engine="command")))
    assert program.startswith("A program of the authors' trained the runs (mine).")


def test_of_an_import_only_what_is_known_is_said() -> None:
    got = take(make_table(), metric={"test_f1": "acc"})
    found = got.conclude(seeds_fixed=True)
    training, compared, rule, *software = write_methods(found, NO_TRIALS, None, got.origin)
    assert training.startswith(
        f"The results of {len(got.runs)} runs were not trained by lrdecay but read from "
        f"{got.origin.file} (SHA-256 {got.origin.sha256[:16]}...) on {got.origin.at}."
    )
    assert "Runs were paired by the number of their seed; nothing that was recorded" in compared
    assert "after the last epoch" not in compared
    assert rule.startswith("The number of seeds was fixed beforehand, as was said at the import")
    text = "\n".join([training, compared, rule, *software])
    for unknown in ("PyTorch", "Python", "Adam", "batches of", "epochs", "validation", "nan"):
        assert unknown not in text
    looked = write(got.conclude(), origin=got.origin)
    assert "Verdicts were made at a look" in looked


def test_an_unfinished_sweep_has_the_seeds_and_looks_that_its_runs_reached() -> None:
    planned = usual()
    late = (planned["scheduler"] == "step") & (planned["dropout"] == 0.3)
    runs = planned[planned["seed"] < 9 - 6 * late]
    found = find(runs, planned=planned[[*PLAN_COLUMNS]], first_plan=FirstPlan(8))
    assert [look.n for look in found.looks] == [8, 12]  # of which no pair has reached 12
    _, compared, rule, _ = write_methods(found, NO_TRIALS)
    assert compared.startswith(
        "Each was trained at dropout 0 and 0.3 with up to 9 seeds (0 to 8): 30 runs, all of which "
        "completed. 18 planned runs are still to come."
    )
    assert rule.startswith(
        "Verdicts were made at a look that did not depend on results, at 8 seeds with 80% of the "
        "error: the interval was the t interval of the first so many differences at that share. "
        "The 2 differences shared"
    )
    last = find(planned.iloc[:-1], planned=planned[[*PLAN_COLUMNS]], first_plan=FirstPlan(8))
    assert "with up to 12 seeds (0 to 11): 47 runs" in write(last)
    assert "completed. 1 planned run is still to come." in write(last)
    assert "to come" not in write(find(runs))  # without a plan none is known to be


def test_without_a_verdict_no_error_is_shared() -> None:
    few = find(usual(3), first_plan=FirstPlan(8, metric="val_loss"))
    assert few.departures
    assert (
        write_methods(few, NO_TRIALS)[2] == "Verdicts were to begin at 8 seeds, so none was made."
    )
    runs, _ = make_tables(("constant", "step"), (0.3,), 12, 2)
    ended = runs["status"].where(runs["scheduler"] != "step", "diverged")
    assert write_methods(find(runs.assign(status=ended)), NO_TRIALS)[2] == (
        "No verdict was made, since no difference was without a run that diverged, failed, was "
        "missing or could not be compared."
    )
    two = take(make_table(2))
    assert write_methods(two.conclude(seeds_fixed=True), NO_TRIALS, None, two.origin)[2] == (
        "Verdicts were to begin at 3 seeds, so none was made."
    )


def test_imported_labels_are_names_alone() -> None:
    got = take(make_table())
    training = write_methods(got.conclude(), NO_TRIALS, None, got.origin)[0]
    assert training.endswith(
        "The learning-rate schedulers were a; b; what these names stand for was not recorded."
    )
    assert "label=" not in training
    assert write(got.conclude()).startswith(  # without a word on their origin
        "The results of 18 runs were not trained by lrdecay; where they came from was not recorded."
    )
    one = write_methods(got.conclude(), NO_TRIALS, None, got.origin)
    assert one[2].startswith("Verdicts were made at a look that did not depend on results, at 8 ")
    assert "not recorded" not in write(find(usual(2)))


def test_two_samples_have_no_looks() -> None:
    table = make_table(9)
    table["seed"] += 100 * (table["label"] == "b")
    got = take(table)
    rule = write_methods(got.conclude(), NO_TRIALS, None, got.origin)[2]
    assert rule.startswith("Numbers of seeds were taken to be fixed beforehand. That the verdict")


@pytest.mark.parametrize(
    ("column", "one", "words"),
    [
        ("epochs", 1, "for 1 epoch in batches"),
        ("batch_size", 1, "in batches of 1 image by"),
        ("validation", 1, "1 training image was held out for validation, the same one in every"),
        ("test_images", 1, "The test set had 1 image."),
    ],
)
def test_one_of_a_thing_is_singular(column: str, one: int, words: str) -> None:
    assert words in write(find(usual(2).assign(**{column: one})))


def numbers_of(text: str) -> set[str]:
    return set(re.findall(r"\d[\d.,]*", text.replace("1992", "")))


def test_every_number_is_one_of_the_tables_or_of_the_plan() -> None:
    found = find(usual())
    known = json.dumps(
        [
            found.blocks.runs.drop(columns=["test_correct", "finished_at"]).to_dict("list"),
            [(look.n, 100 * look.share) for look in found.looks],
            [len(found.blocks.runs), len(found.primary), 12, 95, 5, 0.3],
        ],
        default=str,
    )
    there = {f"{float(text):g}" for text in re.findall(r"\d+\.?\d*(?:e-?\d+)?", known)}
    numbers = [text.replace(",", "").strip(".") for text in numbers_of(write(found))]
    said = {f"{float(text):g}" for text in numbers if text.count(".") < 2}  # else a version
    assert said <= there
    assert len(said) > 10
    assert not {"7", "0.4", "1992"} & (there - set(map(str, range(12))))


def test_the_page_and_the_command_have_the_same_paragraphs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, epochs = make_tables(("constant", "<b>&step"), (0.3,), 9, 2)
    folder = write_folder(tmp_path / "s", (runs, epochs))
    leave_figures_empty(monkeypatch)
    page = read_and_render(folder)
    details = re.search(r'<details id="methods">(.*?)</details>', page, re.DOTALL)
    assert details is not None
    shown = [html.unescape(text) for text in re.findall(r"<p>(.*?)</p>", details[1])]
    done = CliRunner().invoke(app, ["compare", str(folder), "--format", "methods"])
    assert done.exit_code == 0, done.output
    assert done.output == "\n\n".join(shown) + "\n"
    assert "<b>&step" in done.output
    assert len(shown) == 4
