"""`compare --format latex`: read by a strict reader always, and by LaTeX where it is installed."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables, write_folder
from helpers.imports import make_table, take
from helpers.latex import Document, print_latex, read_latex
from typer.testing import CliRunner

from lrdecay.analysis import Conclusions, Criteria, conclude
from lrdecay.analysis.metrics import Metric
from lrdecay.analysis.number_text import count_decimals
from lrdecay.cli.app import app
from lrdecay.report.latex import MOST_LINES, escape
from lrdecay.report.latex_tables import MOST_COLUMNS, write_tables

HOSTILE = (
    r"a\b{c}$d&e#f^g_h~i%j<k>l|m",
    "[x]*y",
    "* -- --- ,,",
    "``quoted'' \"so\" ?`",
    r"\input{/etc/passwd}",
    "%",
    "{{",
    "}}\\",
)
CRITERIA = Criteria("constant", "test_accuracy", 0.3, 0.95)


def find(names=("constant", "step", "cosine"), dropouts=(0.0, 0.3), seeds=9, **more) -> Conclusions:
    criteria = more.pop("criteria", CRITERIA)
    runs, epochs = make_tables(names, dropouts, seeds, 2, **more)
    return conclude(runs, epochs, criteria)


def read(found: Conclusions, folder: str = "results/some", notes=()) -> Document:
    return read_latex(write_tables(found, folder, notes))


def test_means_are_those_of_the_frames_and_the_best_are_bold() -> None:
    found = find()
    means, _ = read(found).tabulars
    runs = found.blocks.runs
    assert means.rows[:2] == [
        ["", r"\multicolumn{2}{c@{}}{dropout}"],
        ["scheduler", "0", "0.3"],
    ]
    best = found.best.set_index(["scheduler", "dropout"])
    assert 0 < best["in_set"].sum() < len(best)
    for name, *cells in means.rows[2:]:
        for dropout, cell in zip((0.0, 0.3), cells, strict=True):
            own = runs[(runs["scheduler"] == name) & (runs["dropout"] == dropout)]["test_accuracy"]
            mean, sd = f"{100 * own.mean():.2f}", f"{100 * own.std(ddof=1):.2f}"
            shown = rf"\mathbf{{{mean}}}" if best.loc[(name, dropout), "in_set"] else mean
            assert cell == rf"${shown} \pm {sd}$"


def test_differences_are_those_of_the_table() -> None:
    found = find()
    document = read(found)
    differences = document.tabulars[1]
    assert differences.rows[0] == ["scheduler", "difference", "interval", "verdict"]
    heads = [row[0] for row in differences.rows if len(row) == 1]
    assert heads == [rf"\multicolumn{{4}}{{@{{}}l}}{{\emph{{dropout {d}}}}}" for d in ("0", "0.3")]
    shown = [row for row in differences.rows[1:] if len(row) == 4]
    for row, (name, mean, interval, verdict) in zip(
        found.primary.sort_values("dropout", kind="stable").to_dict("records"), shown, strict=True
    ):
        digits = count_decimals(row["low"], row["high"])
        assert name == row["scheduler"]
        assert mean == f"${row['mean']:+.{digits}f}$"
        assert interval == f"$[{row['low']:.{digits}f}, {row['high']:.{digits}f}]$"
        words = {"higher": "better", "lower": "worse"}
        assert verdict == words.get(row["verdict"], row["verdict"])
    assert (
        "mean over 9 pairs of runs with the same seed; all 4 intervals are right"
        in (document.captions[1])
    )
    assert r"with 95\% confidence, at all looks together." in document.captions[1]
    assert "it lies within 0.3 points of 0." in document.captions[1]


def test_the_caption_says_what_bold_means_and_how_sure_it_is() -> None:
    caption = read(find(criteria=replace(CRITERIA, confidence=0.9))).captions[0]
    assert caption.startswith(
        r"Test accuracy (\%) after the last epoch: mean $\pm$ standard deviation over seeds; "
        r"$n = 9$ runs per cell. Bold: not excluded as best, since no other scheduler at the same "
        r"dropout is shown to be better; at each dropout the best of those compared is in bold "
        r"with 90\% confidence."
    )
    few = read(find(seeds=3))
    assert "None is in bold, since no pair of schedulers is evaluated yet." in few.captions[0]
    assert not any("mathbf" in cell for row in few.tabulars[0].rows for cell in row)
    assert {row[2] for row in few.tabulars[1].rows[1:] if len(row) == 4} == {"--"}
    gap = read(find(criteria=replace(CRITERIA, metric="gap")))
    assert (
        "None is in bold, since of this metric neither more nor less is better."
        in (gap.captions[0])
    )


@pytest.mark.parametrize("name", [*HOSTILE, "step", "50 %", "C:\\a_b", "a\nb", "日本"])
def test_escaped_text_prints_as_it_is(name: str) -> None:
    assert print_latex(escape(name)) == name.replace("\n", "\\n")


@pytest.mark.parametrize(
    "text",
    [
        r"\begin{table}[tb]",
        "text",
        r"\begin{tabular}{@{}lr@{}}" + "\n" + r"a & b & c \\" + "\n" + r"\end{tabular}",
        r"\begin{tabular}{@{}lr@{}}" + "\n" + r"a_b & c \\" + "\n" + r"\end{tabular}",
        r"\begin{tabular}{@{}lr@{}}" + "\n" + r"{a & c \\" + "\n" + r"\end{tabular}",
        r"\begin{tabular}{@{}lr@{}}" + "\n" + r"[a] & c \\" + "\n" + r"\end{tabular}",
        r"\begin{tabular}{@{}lr@{}}" + "\n" + r"\input{x} & c \\" + "\n" + r"\end{tabular}",
        r"\begin{tabular}{@{}lr@{}}" + "\n" + r"$a & c \\" + "\n" + r"\end{tabular}",
        r"\begin{tabular}{@{}lr@{}}" + "\n" + r"a--b & c \\" + "\n" + r"\end{tabular}",
    ],
)
def test_the_reader_refuses_what_is_wrong(text: str) -> None:
    with pytest.raises(ValueError, match=r"line \d|never closed"):
        read_latex(text)


def test_hostile_names_are_text() -> None:
    document = read(find(("constant", *HOSTILE)), "results/%_{x}\n\\end{document}", ["a\nb"])
    assert document.comments[-1] == r"a\nb"
    assert document.labels[0].startswith("tab:x-n-end-document-test-accuracy")
    for tabular in document.tabulars:
        names = [print_latex(row[0]) for row in tabular.rows if len(row) == tabular.columns]
        assert [name for name in names if name in HOSTILE] == [*HOSTILE] * (
            1 if tabular is document.tabulars[0] else 2
        )


def test_many_rows_are_several_floats_and_many_dropouts_several_blocks() -> None:
    names = ("constant", *(f"s{i}" for i in range(24)))
    document = read(find(names, seeds=2))
    of_means, *of_differences = [len(t.rows) for t in document.tabulars]
    assert of_means == 2 + 25
    assert of_differences == [1 + 1 + 24, 1 + 1 + 24]
    assert document.captions[2] == rf"Continues Table \ref{{{document.labels[1]}}}."
    assert document.references == [document.labels[1]]
    assert len(document.labels) == len(set(document.labels)) == 2
    one = read(find(("constant", *(f"s{i}" for i in range(MOST_LINES + 3))), (0.3,), seeds=2))
    assert [len(t.rows) for t in one.tabulars] == [1 + MOST_LINES, 1 + 4, 2 + MOST_LINES, 2 + 3]
    dropouts = tuple(i / 10 for i in range(MOST_COLUMNS + 2))
    (wide, _) = read(find(("constant", "step"), dropouts, seeds=2)).tabulars
    assert wide.columns == 1 + MOST_COLUMNS
    assert [row[0] for row in wide.rows] == ["scheduler", *("dropout", "constant", "step") * 2]
    assert wide.rows[4] == ["dropout", "0.4", "0.5", "", ""]


def test_other_axes_are_groups_or_columns() -> None:
    found = find(("constant", "step"), batch_norm=[False, True])
    means, differences = read(found).tabulars
    heads = [row[0] for row in means.rows if len(row) == 1]
    assert [re.findall(r"emph\{(.*)\}\}", head)[0] for head in heads] == [
        r"batch\_norm False",
        r"batch\_norm True",
    ]
    assert [row[0] for row in means.rows if len(row) == 3][1:] == ["constant", "step"] * 2
    assert len([row for row in differences.rows if len(row) == 1]) == 4
    rates = find(("constant", "step"), (0.3,), lr=[0.001, 0.01])
    (of_rates, _) = read(rates).tabulars
    assert of_rates.rows[:2] == [
        ["", r"\multicolumn{2}{c@{}}{lr}"],
        ["scheduler", "0.001", "0.01"],
    ]
    assert "after the last epoch at dropout 0.3: mean" in read(rates).captions[0]
    single = read(find(("constant", "step"), (0.3,))).tabulars[0]
    assert single.rows[0] == ["scheduler", r"\multicolumn{1}{c@{}}{test accuracy (\%)}"]


def test_rates_of_a_network_s_own_are_not_named() -> None:
    runs, epochs = make_tables(("constant", "step"), (0.3,), 9, 2, model=["own"])
    document = read(conclude(runs.assign(dropout=np.nan), epochs, CRITERIA))
    means, differences = document.tabulars
    assert [row[0] for row in means.rows] == ["scheduler", "constant", "step"]
    assert [row[0] for row in differences.rows] == ["scheduler", "step"]
    assert "dropout" not in "".join(document.captions)
    assert "no other scheduler is shown to be better; the best of those" in document.captions[0]
    both = pd.concat(
        [runs.assign(dropout=np.nan), runs.assign(model="cnn", run_id="b" + runs["run_id"])]
    )
    document = read(conclude(both, epochs, CRITERIA))
    assert document.tabulars[0].rows[1] == ["scheduler", "0.3", "its own"]


def test_runs_that_ended_early_are_said_and_enter_no_mean() -> None:
    def status(scheduler: str, dropout: float, seed: int) -> str:
        if scheduler == "step" and dropout == 0.3:
            return "diverged" if seed < 2 else "failed" if seed == 2 else "completed"
        return "diverged" if scheduler == "cosine" and not dropout else "completed"

    found = find(status=status)
    document = read(found)
    caption = document.captions[0]
    assert "$n = 9$ runs per cell, or as in parentheses." in caption
    assert (
        "Ended early: step, dropout 0.3: 2 diverged and 1 failed; cosine, dropout 0: 9 diverged."
        in (caption)
    )
    assert "Not compared: step, dropout 0.3, cosine, dropout 0." in caption
    rows = {row[0]: row[1:] for row in document.tabulars[0].rows[2:]}
    assert rows["step"][1].endswith("$ (6)")
    assert rows["cosine"][0] == "--"
    runs = found.blocks.runs
    own = runs[(runs["scheduler"] == "step") & (runs["dropout"] == 0.3)]["test_accuracy"]
    assert rows["step"][1].startswith(f"${100 * own.mean():.2f} ")


@pytest.mark.parametrize("metric", ["test_loss", "val_accuracy", "best_test_accuracy", "gap"])
def test_other_metrics_have_their_own_units(metric: str) -> None:
    found = find(criteria=replace(CRITERIA, metric=metric, margin=None))
    document = read(found)
    cell = document.tabulars[0].rows[2][1]
    values = found.blocks.values[0]
    decimals = 4 if metric == "test_loss" else 2
    mean, sd = re.findall(r"[-\d.]+", cell)
    assert float(mean) == pytest.approx(values.mean(), abs=0.51 * 10**-decimals)
    assert float(sd) == pytest.approx(values.std(ddof=1), abs=0.51 * 10**-decimals)
    assert len(mean.partition(".")[2]) == decimals
    unit = {"test_loss": "(nats per image)", "gap": "(percentage points)"}.get(metric, r"(\%)")
    assert unit in document.captions[0]
    assert ("after the last epoch" in document.captions[0]) != metric.startswith("best")


@pytest.mark.parametrize(("scale", "digits"), [(1e6, 0), (1.0, 3), (1e-5, 8)])
def test_a_metric_of_the_user_s_own_has_two_digits_of_its_sd(scale: float, digits: int) -> None:
    runs, epochs = make_tables(("constant", "step"), (0.3,), 9, 2)
    own = Metric("test_f1_x", "F1 of_mine", "own", "these data", True)
    draws = np.random.default_rng(1).normal(2.0, 0.05, len(runs))
    runs = runs.assign(test_f1_x=scale * draws)
    found = conclude(runs, epochs, replace(CRITERIA, metric=own.name, declared=(own,)))
    document = read(found)
    assert document.captions[0].startswith(r"F1 of\_mine at dropout 0.3: mean")
    _, sd = re.findall(r"[\d.]+", document.tabulars[0].rows[1][1])
    assert len(sd.partition(".")[2]) == digits
    assert float(sd) == pytest.approx(runs["test_f1_x"][:9].std(), rel=0.05)


def test_an_import_is_a_table_too() -> None:
    found = take(make_table(), metric={"test_f1": "acc"}).conclude(seeds_fixed=True)
    document = read(found)
    assert "at all looks" not in document.captions[1]
    assert "after the last epoch" not in document.captions[0]
    assert len(document.tabulars[0].rows) == 1 + found.blocks.runs["scheduler"].nunique()


def find_own(scale: float, spread: float = 0.05, runs_a_cell: int = 9) -> Conclusions:
    """Results by a metric of the user's own: about 2, times a scale."""
    runs, epochs = make_tables(("constant", "step"), (0.3,), runs_a_cell, 2)
    own = Metric("test_f1_x", "f1", "own", "these data", True)
    step = runs["scheduler"] == "step"
    values = np.random.default_rng(1).normal(2.0, spread, len(runs)) + step
    return conclude(
        runs.assign(test_f1_x=scale * values),
        epochs,
        replace(CRITERIA, metric=own.name, declared=(own,), margin=None),
    )


@pytest.mark.parametrize(("scale", "power"), [(1e-8, -8), (1e-13, -13), (1e-100, -100)])
def test_small_numbers_are_in_a_power_of_ten(scale: float, power: int) -> None:
    found = find_own(scale)
    document = read(found)
    values = found.blocks.runs["test_f1_x"][:9] / scale
    mean, sd = (float(text) for text in re.findall(r"[\d.]+", document.tabulars[0].rows[1][1]))
    assert mean == pytest.approx(values.mean(), abs=5.1e-4)
    assert sd == pytest.approx(values.std(), rel=0.02)
    units = rf"are in units of $10^{{{power}}}$."
    assert f"Means and standard deviations {units}" in document.captions[0]
    usual = read(find_own(0.01))
    assert not any("in units of" in caption for caption in usual.captions)
    if power == -100:  # of what has no squares nothing is judged
        assert "in units of" not in document.captions[1]
        return
    assert f"Differences and intervals {units}" in document.captions[1]
    row = found.primary.iloc[0]
    _, difference, interval, verdict = document.tabulars[1].rows[-1]
    assert float(difference.strip("$")) == pytest.approx(row["mean"] / scale, abs=0.006)
    low, high = (float(text) for text in interval.strip("$[]").split(", "))
    assert (low, high) == pytest.approx((row["low"] / scale, row["high"] / scale), abs=0.006)
    assert verdict == "better"


def test_small_losses_keep_their_unit_and_rounding_is_no_spread() -> None:
    runs, epochs = make_tables(("constant", "step"), (0.3,), 9, 2)
    runs = runs.assign(test_loss=runs["test_loss"] * 1e-9)
    found = conclude(runs, epochs, replace(CRITERIA, metric="test_loss", margin=None))
    caption = read(found).captions[0]
    assert re.search(r"deviations are in units of \$10\^\{-(9|10)\}\$ nats per image\.", caption)
    rounded = find_own(1e-2, 1e-16)
    assert "in units of" not in read(rounded).captions[0]


def test_a_table_that_goes_on_names_its_columns_again() -> None:
    names = ("constant", *(f"s{i}" for i in range(MOST_LINES + 3)))
    dropouts = tuple(i / 10 for i in range(MOST_COLUMNS + 1))
    document = read(find(names, dropouts, seeds=2))
    of_means = [t for t in document.tabulars if t.columns == 1 + MOST_COLUMNS]
    assert [len(t.rows) for t in of_means] == [1 + MOST_LINES, 1 + 6, 1 + MOST_LINES, 1 + 6]
    heads = [["dropout", "0", "0.1", "0.2", "0.3"]] * 2 + [["dropout", "0.4", "", "", ""]] * 2
    assert [t.rows[1] for t in of_means] == heads
    shown = [row[0] for t in of_means for row in t.rows[2:]]
    assert shown == [*names, *names]


def test_only_intervals_that_are_shown_are_said_to_be_right() -> None:
    def say(found: Conclusions) -> str:
        return read(found).captions[1]

    assert "all 4 intervals are right together with" in say(find())
    assert "; both intervals are right together with" in say(find(("constant", "step")))
    assert "; the interval is right with" in say(find(("constant", "step"), (0.3,)))
    few = say(find(seeds=3))
    assert few.endswith("mean over 3 pairs of runs with the same seed.")
    partly = find(status=lambda s, d, seed: "diverged" if s == "step" and not seed else "completed")
    assert "; both intervals are right together with" in say(partly)


def test_one_run_is_singular() -> None:
    means, differences = read(find(seeds=1)).captions
    assert "$n = 1$ run per cell." in means
    assert "mean over 1 pair of runs with" in differences


def test_characters_that_pdflatex_lacks_are_said() -> None:
    def list_needs(*names: str) -> list[str]:
        comments = read(find(("constant", *names), (0.3,), seeds=2), notes=["β"]).comments
        return [comment for comment in comments if comment.startswith("It has")]

    other = "It has characters that need LuaLaTeX or XeLaTeX and a font with them: "
    in_t1 = r"It has characters that need LuaLaTeX, XeLaTeX or \usepackage[T1]{fontenc}: "
    assert list_needs("größe", "coût … é", "żółć") == []
    assert list_needs("漢字", "字 β") == [f"{other}漢字β"]
    assert list_needs("węgiel", "ω") == [f"{other}ω", f"{in_t1}ę"]
    many = "".join(map(chr, range(0x4E00, 0x4E15)))
    assert list_needs(many) == [f"{other}{many[:20]} ..."]


def call(folder: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["compare", str(folder), "--format", "latex", *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_writes_the_tables_with_what_to_know_as_comments(tmp_path: Path) -> None:
    tables = make_tables(("constant", "step"), (0.3,), 9, 2)
    folder = write_folder(tmp_path / "some", tables)
    document = read_latex(call(folder, "--margin", "7"))
    assert document.comments[0] == (
        f"Made from {folder} by lrdecay compare --format latex; read it with \\input."
    )
    assert document.comments[1] == r"It needs \usepackage{booktabs}."
    assert any(line.startswith("Not as planned, so exploratory") for line in document.comments)
    assert all(caption.endswith("exploratory.") for caption in document.captions)
    alone = write_folder(tmp_path / "alone", make_tables(("constant",), (0.3,), 9, 2))
    assert len(read_latex(call(alone)).tabulars) == 1


def has_latex() -> bool:
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return False
    asked = subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True, check=False)
    return asked.returncode == 0


@pytest.mark.skipif(not has_latex(), reason="no LaTeX with booktabs is installed")
@pytest.mark.parametrize("fonts", ["", r"\usepackage[T1]{fontenc}"])
def test_latex_compiles_it(tmp_path: Path, fonts: str) -> None:
    many = [*HOSTILE, *(f"s{i}" for i in range(30))]
    found = [
        find(("constant", *many), seeds=8, batch_norm=[False, True]),
        find(("constant", "step"), tuple(i / 10 for i in range(8)), seeds=9),
        find(("constant", "größe", "żółć “a” …", "±°™€"), seeds=8),
        find_own(1e-13),
    ]
    if fonts:
        found.append(find(("constant", "«ąĐðþ»", "ęŋ"), seeds=8))
    names = [f"t{i}.tex" for i in range(len(found))]
    for name, each in zip(names, found, strict=True):
        text = write_tables(each, f"results/{name}", ["50% of #1 \\end{table}"])
        (tmp_path / name).write_text(text, encoding="utf-8")
    lines = [
        r"\documentclass{article}\usepackage{booktabs}",
        fonts,
        r"\begin{document}",
        *(rf"\input{{{name}}}\clearpage" for name in names),
        r"\end{document}",
    ]
    (tmp_path / "paper.tex").write_text("\n".join(lines), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    log = done.stdout.decode(errors="replace")
    assert "Float too large" not in log
    assert "Overfull" not in log
    assert "undefined references" not in log
    if shutil.which("pdftotext"):
        subprocess.run(["pdftotext", "-layout", "paper.pdf"], cwd=tmp_path, check=True)
        printed = (tmp_path / "paper.txt").read_text("utf-8")
        assert r"\input{/etc/passwd}" in printed.replace("{ ", "{")
        assert "[x]" in printed


def test_runs_are_still_to_come_only_where_they_are_planned() -> None:
    runs, epochs = make_tables(("constant", "step"), (0.3,), 9, 2)
    for planned, end in ((runs, "1 run is still to come."), (None, "1 run is missing.")):
        found = conclude(runs[:-1], epochs, CRITERIA, planned=planned)
        assert read(found).captions[0].endswith(end)
