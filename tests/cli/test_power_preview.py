"""What `lrdecay plan` says of what a sweep can resolve, and where it has the sd from."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from helpers.commands import call
from helpers.frames import make_tables, write_folder
from helpers.paths import SWEEPS

from lrdecay.analysis.settings import Criteria
from lrdecay.cli import power_preview
from lrdecay.cli.plan import Forecast
from lrdecay.components.datasets import sources
from lrdecay.core.errors import InputError
from lrdecay.core.first_plan import FirstPlan
from lrdecay.report.compare import compare_folder
from lrdecay.runner.first_plan import ReadOnlyStore, propose_first_plan, settle_first_plan
from lrdecay.store.writer import Store
from lrdecay.sweep.matrix import expand_matrix
from lrdecay.sweep.reading import parse_sweep

SWEEP = """\
name: nine
dataset: digits
epochs: 4
schedulers:
  constant: {class: constant}
  step: {class: StepLR, step_size: 2, gamma: 0.5}
  cosine: {class: CosineAnnealingLR, T_max: epochs}
  plateau: {class: ReduceLROnPlateau, factor: 0.5, patience: 0}
dropout: [0.0, 0.3, 0.5]
seeds: 8
comparison: {margin: 0.5}
"""
NINE = (
    "9 differences at 8 seeds: one is resolved if it exceeds 1.46 sd of the paired differences; a "
    "true 1.84 sd is resolved with 80% probability. Equivalence within 0.5 points needs an sd "
    "below 0.34.\n"
)
SHORT = (
    "warning: 8 seeds do not resolve a true difference of 1.5 points, 3 times the margin, with 80% "
    "probability where the sd is 1.33"
)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "nine.yaml"
    path.write_text(SWEEP)
    return path


def plan(file: Path, *options: object) -> str:
    """The output of a plan, without data: no step is measured."""
    result = call("plan", file, "--data", "none", *options)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def absent(file):
    """The same on a dataset that is not there."""
    file.write_text(SWEEP.replace("digits", "mnist"))
    return file


def test_a_plan_says_what_its_seeds_resolve_with_the_sds_of_its_dataset(file):
    picture = file.with_suffix(".svg")
    result = call("plan", file, "--workers", 1, "--device", "cpu", "--strict", "--plot", picture)
    assert result.exit_code == 0, result.output
    assert f"The schedules are drawn in {picture}.\n" in result.output
    assert "resolved" not in picture.read_text()
    assert result.output.endswith(
        f"{NINE}In points: 0.48 and 0.61 at an sd of 0.33; 1.94 and 2.45 at an sd of 1.33.\n"
        "The sds are the least and the largest of lrdecay's own sweeps of digits with Adam.\n"
    )


def test_a_plan_that_resolves_too_little_says_what_would_and_what_that_costs(file):
    result = call(
        *(
            "plan",
            file,
            "--workers",
            1,
            "--device",
            "cpu",
            "--sd",
            1.33,
            "--price",
            3600,
            "--strict",
        )
    )
    assert result.exit_code == 0, result.output  # it is no mistake in a schedule
    found = re.search(
        re.escape(f"{NINE}In points: 1.94 and 2.45 at an sd of 1.33.\nThe sd is that of --sd.\n")
        + re.escape(SHORT)
        + r"; 16 that are planned from the start would, in about (\d+) (s|min) and for ([\d.]+)\n$",
        result.output,
    )
    assert found, result.output
    seconds = float(re.search(r"About ([\d.]+): [\d.]+ hours", result.output)[1])
    assert float(found[3]) == pytest.approx(2 * seconds, abs=0.02)  # 16 seeds, not 8


def test_without_the_data_there_is_no_cost_to_say(absent):
    printed = plan(absent, "--sd", 1.33)
    assert printed.endswith(f"{SHORT}; 16 that are planned from the start would\n")
    assert "In points: 0.087 and 0.11 at an sd of 0.06; 0.28" in plan(absent)


@pytest.mark.parametrize("sd", ["0", "-1", "nan", "inf"])
def test_an_sd_that_is_none_is_refused_before_anything_is_printed(absent, sd):
    result = call("plan", absent, "--sd", sd)
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == (
        f"lrdecay: --sd {float(sd):g}: must be a number of points above 0"
    )
    assert "No schedules" not in result.output


def results(folder: Path, seeds: int = 8, schedulers=("constant", "step", "cosine")) -> Path:
    return write_folder(folder, make_tables(schedulers, (0.0, 0.3), seeds))


def test_the_sds_of_a_like_sweep(absent, tmp_path):
    folder = results(tmp_path / "like")
    sds = compare_folder(folder).found.table.query("family == 'scheduler'")["sd"]
    printed = plan(absent, "--like", "like")
    assert f"{NINE}In points: " in printed
    assert f"at an sd of {sds.median():.2f};" in printed
    assert f"at an sd of {sds.max():.2f}.\n" in printed
    assert re.search(
        r"The sds are the median and the largest \(dropout 0(\.3)?: (step|cosine) - constant\) of "
        r"4 differences over 8 seeds in like\.\n",
        printed,
    )
    assert "that of --sd" in plan(absent, "--like", "like", "--sd", 0.1)


def test_the_sds_of_a_like_sweep_are_of_the_metric_that_is_planned(absent, tmp_path):
    folder = results(tmp_path / "like")
    for metric in ("test_loss", "val_accuracy", "gap"):
        sds = compare_folder(folder, metric=metric).found.brief["sd"]
        found = power_preview.read_spread(folder, metric)
        assert found.sds == pytest.approx((sds.median(), sds.max()))
    loss = absent.read_text().replace("{margin: 0.5}", "{margin: 0.005, metric: test_loss}")
    absent.write_text(loss)
    assert "In nats: 0.00" in plan(absent, "--like", "like")
    assert "What that is in nats depends on the sd: give it with --sd" in plan(absent)


@pytest.mark.parametrize("schedulers", [("constant",), ("constant", "step")])
def test_a_like_sweep_without_an_sd_is_refused(absent, tmp_path, schedulers):
    results(tmp_path / "like", seeds=1, schedulers=schedulers)
    result = call("plan", absent, "--like", "like")
    assert result.exit_code == 2
    assert "lrdecay: --like like: its differences from the reference give no sd" in result.output
    nowhere = call("plan", absent, "--like", "nowhere")
    assert nowhere.exit_code == 2
    assert "lrdecay: no results in nowhere" in nowhere.output


def test_the_sds_and_the_looks_of_results_that_are_there(absent, tmp_path):
    results(tmp_path / "mine" / "nine")
    printed = plan(absent, "--results", "mine")
    assert "differences over 8 seeds in mine/nine.\n" in printed
    assert "first planned" not in printed
    absent.write_text(SWEEP.replace("seeds: 8", "seeds: 20").replace("digits", "mnist"))
    printed = plan(absent, "--results", "mine", "--sd", 1.33)
    assert (
        "this comparison was first planned at 8 seeds, so its verdicts are made at 8, 12 and 16 "
        "seeds; seeds beyond 16 count in verdicts from 24 on\n" + NINE
    ) in printed
    assert "At 16 seeds: one is resolved if it exceeds 1.18 sd" in printed
    # 16 that were planned from the start would have been enough
    assert printed.endswith("where the sd is 1.33; the look at 24 would\n")
    assert "At 16 seeds" not in plan(absent, "--results", "other")


def test_results_of_one_seed_give_no_sd(absent, tmp_path):
    results(tmp_path / "results" / "nine", seeds=1)
    assert "lrdecay's own sweeps of mnist" in plan(absent)


def test_a_plan_of_one_scheduler_resolves_nothing(absent, tmp_path):
    text = re.sub(r"  (step|cosine|plateau): .*\n", "", absent.read_text())
    absent.write_text(text)
    assert "resolved" not in plan(absent)
    printed = plan(absent, "--power", "--plot", tmp_path / "a.svg")
    assert printed.endswith(
        f"One scheduler is compared with no other, so nothing is resolved, and {tmp_path}/a.svg is "
        "not written.\n"
    )
    assert not (tmp_path / "a.svg").exists()


def test_the_curve_in_the_terminal(absent):
    *_, title, head, at_8, at_12, at_16, at_24, _, _, at_64 = plan(
        absent, "--power", "--sd", 1.33
    ).splitlines()
    assert title == (
        "The true difference, of 9, that is resolved with 80% probability, by the number of seeds "
        "that are planned from the start:"
    )
    assert head.split() == ["seeds", "sd", "points"]
    assert at_8.split() == ["8", "█" * 40, "1.84", "2.45", "planned"]
    assert at_12.split() == ["12", "█" * round(40 * 1.3205 / 1.8439), "1.32", "1.76"]
    assert at_16.split() == ["16", "█" * 23, "1.08", "1.43", "3", "margins"]
    assert at_24.split() == ["24", "█" * 18, "0.83", "1.11"]
    assert at_64.split() == ["64", "█" * 10, "0.48", "0.64"]


def test_the_curve_of_two_sds_of_none_and_of_more_seeds(absent):
    assert re.search(r" 8 +█+ +1.84 +0.11 to 0.35 +planned, 3 margins *\n", plan(absent, "--power"))
    absent.write_text(SWEEP.replace("digits", "kmnist").replace("seeds: 8", "seeds: 20"))
    lines = plan(absent, "--power").splitlines()
    assert re.fullmatch(r" +20 +█+ +0.93 +planned *", lines[-5])
    assert [int(line.split()[0]) for line in lines[-8:]] == [8, 12, 16, 20, 24, 32, 48, 64]
    # as far as seeds that resolve enough
    lines = plan(absent, "--power", "--sd", 4).splitlines()
    assert lines[-1].split()[0] == "128"
    assert lines[-1].endswith("3 margins")


def test_the_curve_in_a_terminal_of_few_characters(absent, monkeypatch):
    monkeypatch.setattr(type(power_preview.out), "encoding", "ascii")
    lines = plan(absent, "--power").splitlines()
    assert lines[-7].split()[:3] == ["8", "#" * 40, "1.84"]
    assert "".join(lines).isascii()


@pytest.mark.parametrize(("width", "longest"), [(40, 10), (80, 30), (200, 40)])
def test_the_curve_is_no_wider_than_the_terminal(width, longest):
    design, _ = power_preview.read_design(parse_sweep(SWEEP), None, Path("none"))
    spread = power_preview.look_up_spread("digits", "test_accuracy")
    curve = power_preview.list_curve(design, spread)
    rows = power_preview.draw_rows(design, spread, curve, "#", width)
    others = sum([6, 6, len("0.61 to 2.45"), len("planned, 3 margins")]) + 4 * 2
    assert rows[0] == ("8", "#" * longest, "1.84", "0.61 to 2.45", "planned, 3 margins")
    assert longest in (10, 40, width - others)


def test_with_power_the_picture_is_the_curve(absent, tmp_path):
    picture = tmp_path / "curve.svg"
    printed = plan(absent, "--power", "--plot", picture, "--like", results(tmp_path / "like"))
    assert printed.endswith(f"The curve is drawn in {picture}.\n")
    drawn = picture.read_text()
    for text in ("resolved with 80% probability (points)", "3 times the margin: 1.5 points"):
        assert text in drawn
    assert len(re.findall(r">sd 0\.\d+ points<", drawn)) == 2
    bad = call("plan", absent, "--data", "none", "--power", "--plot", tmp_path / "curve.doc")
    assert bad.exit_code == 2
    assert "--plot" in bad.output
    assert "the name must end with one of .svg, .png, .pdf" in bad.output


AXES = {
    "one scheduler": "schedulers: {a: {class: constant}}",
    "its dropouts": "schedulers: {a: {class: constant}, b: {class: RexLR}}\ndropout: [0.0, 0.5]",
    "more axes": "schedulers: {a: {class: RexLR}, b: {class: constant}}\nepochs: [1, 2]\n"
    "batch_size: [32, 64]\noptimizer: {name: [Adam, SGD], lr: [0.1, 0.01]}",
    "rates to choose": "schedulers: {a: {class: RexLR}, b: {class: constant}}\n"
    "optimizer: {lr: {choose: [0.1, 0.01], per: [scheduler, dropout]}}\ndropout: [0.1, 0.2]",
    "arguments": "schedulers: {a: {class: StepLR, step_size: [1, 2]}, b: {class: constant}}\n"
    "model: {name: cnn, batch_norm: [true, false]}\noptimizer: {name: SGD, momentum: [0.8, 0.9]}",
}


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_without_the_data_as_many_differences_are_counted(axes):
    sweep = parse_sweep(f"dataset: digits\n{axes}\n")
    matrix = expand_matrix(sweep, sources.load_dataset(sweep.dataset, None))
    known = propose_first_plan(sweep, matrix)
    assert known.schedules  # which take the data: a length may be one in steps
    assert propose_first_plan(sweep, None) == replace(known, schedules=())


def test_results_that_cannot_be_compared_now_do_not_stop_a_plan(file):
    """Of another base rate, say, before a run at the new one has ended."""
    folder = results(Path("results/nine"))
    runs = pd.read_parquet(folder / "runs.parquet")
    assert not runs.empty
    Store(folder).compact([], SWEEP)
    assert ReadOnlyStore(folder).has_compared()  # in earlier/
    said = plan(file)
    assert "lrdecay's own sweeps of digits with Adam." in said
    assert call("plan", file, "--data", "none", "--like", folder).exit_code == 2


def test_a_first_plan_is_read_as_a_sweep_would_keep_it(tmp_path):
    sweep = parse_sweep(SWEEP.replace("seeds: 8", "seeds: 24"))
    proposed = propose_first_plan(sweep, None)
    empty = ReadOnlyStore(tmp_path / "empty")
    assert settle_first_plan(empty, proposed) == proposed
    assert (empty.has_compared(), empty.read_plan()) == (False, None)
    assert not empty.folder.exists()
    folder = results(tmp_path / "old")
    store = ReadOnlyStore(folder)
    assert store.has_compared()
    before = sorted(folder.iterdir())
    read = settle_first_plan(store, proposed)
    assert sorted(folder.iterdir()) == before
    assert read == settle_first_plan(Store(folder), proposed)
    assert (read.first, read.family) == (8, 9)
    assert (read.metric, read.margin) == (Criteria().metric, 0.05)  # its own sweep file's
    (folder / "earlier").mkdir()
    for name in ("runs", "epochs"):  # a sweep file was edited, and asks for none of them now
        (folder / f"{name}.parquet").rename(folder / "earlier" / f"{name}.parquet")
    assert store.has_compared()
    assert Store(folder).has_compared()


def test_a_forecast_in_words():
    forecast = Forecast(choosing=60.0, per_seed=10.0, workers=2)
    assert forecast.spell(16, None) == "in about 4 min"
    assert forecast.spell(3, 2.0) == "in about 90 s and for 0.10"


def test_shipped_sweeps_of_schedulers_have_a_plan_that_says_what_it_resolves():
    paths = sorted(SWEEPS.glob("*.yaml"))
    assert paths
    for path in paths:
        sweep = parse_sweep(path.read_text(), str(path))
        design, notes = power_preview.read_design(sweep, None, Path("none"))
        assert notes == []
        assert (design is None) == (len(sweep.schedulers) == 1)
        if design is not None:
            spread = power_preview.find_spread(sweep, Path("none"))
            assert design.resolves_aim(spread.typical), path.name


def test_a_first_plan_without_a_folder_is_the_sweep_s():
    sweep = parse_sweep(SWEEP.replace("seeds: 8", "seeds: {min: 8, max: 64, until: resolved}"))
    design, notes = power_preview.read_design(sweep, None, Path("none"))
    assert notes == []
    assert design.plan == propose_first_plan(sweep, None)
    assert isinstance(design.plan, FirstPlan)
    assert (design.seeds, design.plan.first, design.plan.most, design.plan.family) == (64, 8, 64, 9)
    with pytest.raises(InputError, match="--sd 0: must be a number of points above 0"):
        power_preview.find_spread(sweep, Path("none"), 0.0)
