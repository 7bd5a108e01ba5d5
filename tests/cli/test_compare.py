"""`lrdecay compare`: what it prints, and what it takes from the sweep file."""

import csv
import io
import json
import re
import subprocess
import sys
from typing import Any

import pandas as pd
import pytest
from helpers.frames import make_tables, write_folder
from helpers.late import EIGHT, make_runs
from helpers.paths import HOME
from typer.testing import CliRunner

from lrdecay import analysis
from lrdecay.analysis.headline import write_answer
from lrdecay.analysis.number_text import format_interval, format_number
from lrdecay.analysis.settings import Comparison
from lrdecay.cli.app import app
from lrdecay.report.compare import as_markdown, compare_folder
from lrdecay.report.remarks import write_new_images

SWEEP = """\
name: synthetic
dataset: digits
comparison: {reference: step, metric: test_accuracy, margin: 0.7, confidence: 0.9}
"""
HOSTILE = "[red]x[/red]|*`<b>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tables = make_tables(("constant", "step", "cosine"), (0.0, 0.5), 10, n_epochs=2)
    return write_folder(tmp_path_factory.mktemp("results") / "synthetic", tables, SWEEP)


def call(*arguments):
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["compare", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_sweep_file_says_what_is_compared_and_options_override_it(folder):
    found = json.loads(call(folder, "--format", "json"))
    asked = {name: found[name] for name in ("metric", "reference", "margin", "confidence", "unit")}
    assert asked == {
        "metric": "test_accuracy",
        "reference": "step",
        "margin": 0.7,
        "confidence": 0.9,
        "unit": "points",
    }
    assert found["as_planned"] is True
    assert found["looks"] == [{"n": 8, "share": 0.8, "planned": True}]
    assert {row["as_planned"] for row in found["contrasts"]} == {True}
    options = ["--reference", "cosine", "--metric", "val_accuracy", "--margin", "0.2"]
    other = json.loads(call(folder, *options, "--confidence", "0.8", "--format", "json"))
    assert (other["reference"], other["margin"], other["confidence"]) == ("cosine", 0.2, 0.8)
    assert other["as_planned"] is False
    runs, _ = make_tables(("constant", "step", "cosine"), (0.0, 0.5), 10, n_epochs=2)
    expected = analysis.compare(
        runs, reference="cosine", metric="val_accuracy", margin=0.2, confidence=0.8
    )
    assert [row["sentence"] for row in other["contrasts"]] == expected["sentence"].tolist()
    assert [row["low"] for row in other["contrasts"]] == pytest.approx(expected["low"].tolist())


def test_a_margin_in_points_is_none_in_nats(folder):
    found = json.loads(call(folder, "--metric", "test_loss", "--format", "json"))
    assert found["margin"] is None
    assert found["notes"][0] == (
        "Not as planned, so exploratory: the metric was to be test_accuracy, not test_loss. "
        "Verdicts that were chosen with results at hand err more often than they say."
    )
    assert "no margin in nats is given (--margin)" in found["notes"][1]
    assert json.loads(call(folder, "--metric", "gap", "--format", "json"))["margin"] == 0.7


def test_without_a_comparison_in_the_file_its_defaults_hold(tmp_path):
    tables = make_tables(("step", "constant"), (0.0,), 8, n_epochs=1)
    for number, text in enumerate(("name: a\ndataset: digits\n", "")):
        folder = write_folder(tmp_path / str(number), tables, text)
        found = json.loads(call(folder, "--format", "json"))
        default = Comparison()
        assert (found["margin"], found["confidence"]) == (default.margin, default.confidence)
        assert found["reference"] == "constant"


def test_the_answer_comes_first_and_a_line_for_each_contrast(folder):
    text = call(folder)
    found = compare_folder(folder).found
    lines = text.splitlines()
    assert lines[0] == write_answer(found)
    assert lines[1] == (
        f"{folder}: test accuracy in points, against step; confidence 0.9 for all together, "
        f"margin 0.7"
    )
    assert lines[3].split() == ["difference", "interval", "seeds", "verdict"]
    rows = found.primary
    expected = []
    for where in ("dropout 0", "dropout 0.5"):
        expected.append([f"{where}:"])
        for row in rows[rows["where"] == where].to_dict("records"):
            verdict = {"higher": "better", "lower": "worse"}.get(row["verdict"], "not resolved")
            interval = format_interval(row["low"], row["high"])
            difference = f"{'+' if row['mean'] > 0 else ''}{format_number(row['mean'])}"
            expected.append([row["a"], difference, interval, str(row["n"]), verdict])
    assert [re.split(r"  +", line.strip()) for line in lines[4:10]] == expected
    assert {row["verdict"] for row in rows.to_dict("records")} > {"higher"}
    assert re.search(r"Not excluded as best at dropout 0.5: [a-z, ]+\n", text)
    assert "All 11 contrasts: --family all; in sentences: --sentences" in text


def test_the_lines_fit_a_narrow_terminal(folder):
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["compare", str(folder)])
    lines = result.output.splitlines()
    table = lines[lines.index("") + 1 :]
    table = table[: table.index("")]
    assert len(table) == 1 + 2 + 4  # not one of them broken
    assert max(map(len, table)) <= 80


def test_every_sentence_stands_under_its_family(folder):
    text = call(folder, "--pairs", "all", "--family", "all", "--sentences")
    table = compare_folder(folder, exploratory=True).found.table
    titles = [line for line in text.splitlines() if re.search(r"\((primary|second|explor)", line)]
    assert titles == [
        "Each scheduler against the reference, at each dropout (primary, 4 contrasts):",
        "Each scheduler against the reference, averaged over dropouts (secondary, 2 contrasts):",
        "Each dropout against the lowest, for each scheduler (secondary, 3 contrasts):",
        "What a scheduler gains on the reference, at each dropout against the lowest (secondary, "
        "2 contrasts):",
        "All pairs of schedulers, at each dropout (exploratory, 6 contrasts):",
    ]
    said = [line[2:] for line in text.splitlines() if line.startswith("- ")]
    assert sorted(said) == sorted(table["sentence"])
    primary = call(folder, "--sentences")
    assert "secondary" not in primary
    assert [line[2:] for line in primary.splitlines() if line.startswith("- ")] == [
        *table.query("family == 'scheduler' and dropout == 0")["sentence"],
        *table.query("family == 'scheduler' and dropout == 0.5")["sentence"],
    ]
    lines = call(folder, "--family", "all")
    assert "constant - step" in lines
    assert "constant - cosine" not in lines
    assert "constant - cosine" in call(folder, "--pairs", "all")


def test_how_many_differences_hold_for_new_images_is_counted(folder):
    found = compare_folder(folder).found
    shown = found.table.assign(images_low=-1.0, verdict="higher")
    first = shown["family"] == "scheduler"
    one, other = (
        f"{row['a']} at dropout {row['dropout']:g}"
        for row in shown[first].iloc[[1, 3]].to_dict("records")
    )
    for held, said in (
        ([True] * 4, "All 4 differences that are resolved hold for new images too."),
        (
            [True, False, True, False],
            f"2 of the 4 differences that are resolved hold for new images too, but not {one} and "
            f"{other}.",
        ),
        ([False] * 4, "None of the 4 differences that are resolved hold for new images too."),
    ):
        shown.loc[first, "new_images"] = pd.array(held, "boolean")
        vars(found)["table"] = shown
        assert list(write_new_images(found)) == [said]
    vars(found)["table"] = shown.assign(images_low=float("nan"))  # another metric
    assert list(write_new_images(found)) == []


def test_what_is_shown_already_is_not_offered(folder):
    whole = call(folder, "--family", "all", "--sentences")
    assert "--family all" not in whole
    assert "--sentences" not in whole
    assert "In sentences: --sentences" in call(folder, "--family", "all")


def test_csv_and_json_hold_every_column(folder):
    table = compare_folder(folder).found.table
    rows = list(csv.DictReader(io.StringIO(call(folder, "--format", "csv"))))
    assert list(rows[0]) == list(table)
    assert [float(row["mean"]) for row in rows] == table["mean"].tolist()
    found = json.loads(call(folder, "--format", "json"))
    assert list(found["contrasts"][0]) == list(table)
    assert [set(row["excluded_by"]) <= {"constant", "step", "cosine"} for row in found["best"]]


def test_no_label_is_a_formula_in_csv(tmp_path):
    labels = ("=1+1", "+a", "-b", "@c", "\t=d", "step")
    tables = make_tables(labels, (0.0,), 8, n_epochs=1)
    written = call(write_folder(tmp_path / "s", tables), "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(written)))
    begins = {str(text)[:1] for row in rows for text in row.values() if not _is_number(text)}
    assert not begins & set("=+-@\t\r")
    assert [row["a"] for row in rows] == ["'+a", "'-b", "'@c", "'\t=d", "step"]
    assert {row["b"] for row in rows} == {"'=1+1"}
    assert any(float(row["mean"]) < 0 for row in rows)  # a number stays one


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_what_is_infinite_is_null_in_json(tmp_path):
    tables = make_tables(("constant", "step"), (0.0,), 5, n_epochs=1)
    text = call(write_folder(tmp_path / "few", tables), "--format", "json")
    (row,) = json.loads(text)["contrasts"]
    assert (row["low"], row["verdict"], row["more_seeds"]) == (None, "not evaluated", 3)
    assert "NaN" not in text
    assert "Infinity" not in text


def test_nought_has_no_minus(folder):
    answer = compare_folder(folder)
    # what a cached property has worked out stands in the object's own names
    vars(answer.found)["table"] = answer.found.table.assign(mean=-1e-17, skew=-0.04)
    cells = [line.split(" | ") for line in as_markdown(answer).splitlines()]
    rows = [row for row in cells if row[0].startswith("| dropout 0:")]
    assert {(row[2], row[7]) for row in rows} == {("0.00", "-0.04")}


def test_labels_are_inert(tmp_path):
    tables = make_tables(("constant", HOSTILE), (0.0,), 8, n_epochs=1)
    folder = write_folder(tmp_path / "hostile", tables)
    assert HOSTILE in call(folder).splitlines()[0]
    assert call(folder).count(HOSTILE) >= 2
    markdown = call(folder, "--format", "markdown")
    assert "\\[red\\]x\\[/red\\]\\|\\*\\`\\<b\\>" in markdown
    assert HOSTILE not in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {10}
    assert json.loads(call(folder, "--format", "json"))["contrasts"][0]["a"] == HOSTILE


def test_a_label_that_was_stored_with_a_line_break_begins_no_line(tmp_path):
    tables = make_tables(("constant", "step\nverified"), (0.0,), 8, n_epochs=1)
    folder = write_folder(tmp_path / "lines", tables)
    for options in ([], ["--sentences"]):
        printed = call(folder, *options)
        assert "step\\nverified" in printed
        assert not re.search(r"^ *verified", printed, re.MULTILINE)


def test_an_unfinished_sweep_may_be_looked_at(tmp_path):
    runs, epochs = make_tables(("constant", "step"), (0.0,), 12, n_epochs=1)
    part = runs[(runs["seed"] < 9) | (runs["scheduler"] == "constant")]
    folder = write_folder(tmp_path / "part", (part, epochs), planned=len(runs))
    strict = compare_folder(folder).found.table
    assert strict["sentence"].str.contains("3 of 12 seeds lack a run").all()
    _write_plan(folder, runs)
    answer = compare_folder(folder)
    found = answer.found
    assert found.table["n"].tolist() == [9]
    assert found.table["verdict"].tolist() != ["not evaluated"]
    assert answer.notes == ["Runs of up to 3 seeds are still to come: these do not count yet."]


def test_a_reference_without_a_run_so_far_is_still_the_reference(tmp_path):
    runs, epochs = make_tables(("constant", "step", "cosine"), (0.0,), 8, n_epochs=1)
    rest = runs[runs["scheduler"] != "constant"]
    folder = write_folder(tmp_path / "late", (rest, epochs), planned=len(runs))
    _write_plan(folder, runs, "name: late\ndataset: digits\n")
    found = compare_folder(folder).found
    assert found.reference == "constant"
    assert found.table["sentence"].str.contains("0 of the planned 8 seeds are there").tolist() == [
        True,
        True,
    ]


def _write_plan(folder, runs, text=SWEEP):
    import pyarrow as pa

    from lrdecay.store.parquet import write_table
    from lrdecay.store.schema import PLAN

    rows = pa.Table.from_pandas(runs[PLAN.names], schema=PLAN, preserve_index=False)
    write_table(rows, folder / "plan.parquet", {"planned": str(len(runs)), "sweep": text})


def test_runs_that_are_the_same_are_said_in_every_format(tmp_path):
    runs, epochs = make_tables(("constant", "step"), (0.0, 0.5), 8, n_epochs=1)
    results = [f"{split}_{metric}" for split in ("test", "val") for metric in ("loss", "accuracy")]
    dry = runs["dropout"] == 0.0
    runs.loc[~dry, results] = runs.loc[dry, results].to_numpy()
    folder = write_folder(tmp_path / "same", (runs, epochs))
    note = (
        "dropout changed nothing: the runs at 0 and 0.5 are the same to the bit at each of 8 seeds "
        "(constant; step). A comparison at one of them says nothing new at another."
    )
    assert json.loads(call(folder, "--format", "json"))["notes"] == [note]
    for options in (["--family", "all", "--sentences"], ["--format", "markdown"]):
        said = " ".join(call(folder, *options).split())
        assert note in said
        assert "dropout 0.5 against dropout 0: Not evaluated, since dropout changed nothing" in said


def test_runs_that_were_copied_to_other_seeds_give_2_and_one_line(tmp_path):
    runs, epochs = make_tables(("constant", "step"), (0.0,), 8, n_epochs=1)
    again = runs.assign(seed=runs["seed"] + 8, run_id="c" + runs["run_id"].str[1:])
    own = epochs.assign(seed=epochs["seed"] + 8, run_id="c" + epochs["run_id"].str[1:])
    tables = pd.concat([runs, again]), pd.concat([epochs, own])
    folder = write_folder(tmp_path / "copied", tables)
    for command in ("compare", "report"):
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [command, str(folder)])
        assert result.exit_code == 2
        [line] = result.output.splitlines()
        assert line.startswith(
            "lrdecay: seeds 0 and 8, 1 and 9, 2 and 10, 3 and 11, 4 and 12, 5 and 13, 6 and 14, 7 "
            "and 15: the runs of scheduler constant, dropout 0 have the same initial weights"
        )


def test_one_cell_has_nothing_to_compare(tmp_path):
    folder = write_folder(tmp_path / "one", make_tables(("constant",), (0.0,), 8, n_epochs=1))
    assert "There is one cell only, so nothing to compare." in call(folder)
    for form in ("json", "csv", "markdown"):
        assert call(folder, "--format", form)


def test_a_long_family_is_cut_in_the_terminal_alone(tmp_path, monkeypatch, folder):
    monkeypatch.setattr("lrdecay.report.contrast_lines.SHOWN", 2)
    assert "... and 2 more: --format csv" in call(folder)
    text = call(folder, "--family", "all", "--sentences")
    assert text.count("\n- ") == 2 * 4
    assert call(folder, "--format", "markdown").count("\n- dropout 0") >= 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reference", "nix"], "no run of the reference 'nix'; choose one of constant, step"),
        (["--metric", "speed"], "unknown metric 'speed'; choose one of test_accuracy"),
        (["--margin", "-1"], "margin must be 0 or more, not -1"),
        (["--confidence", "2"], "confidence must be from 0.5 to below 1, not 2"),
    ],
)
def test_bad_options_give_2_and_one_line(folder, options, message):
    result = CliRunner().invoke(app, ["compare", str(folder), *options])
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.slow
def test_comparing_never_imports_torch(folder):
    code = f"""
import sys
sys.argv = ["lrdecay", "compare", {str(folder)!r}]
from lrdecay.cli import main
try:
    main()
except SystemExit as end:
    assert end.code in (0, None), end.code
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")
    assert "All 11 contrasts: --family all" in done.stdout


def test_a_sweep_file_may_ask_for_every_metric_that_can_be_compared():
    known, own = Comparison.model_json_schema()["properties"]["metric"]["anyOf"]
    assert known["enum"] == list(analysis.METRICS_COMPARED)
    assert own == {"type": "string"}  # one that `metrics` declares


def test_the_example_in_the_documents_reproduces_a_verdict(tmp_path, monkeypatch, capsys):
    page = (HOME / "docs" / "results-folder.md").read_text(encoding="utf-8")
    (code,) = [c for c in re.findall(r"```python\n(.*?)```", page, re.S) if "t_radius" in c]
    schedulers = ("constant", "step", "cosine", "plateau", "linear")
    tables = make_tables(schedulers, (0.0, 0.3, 0.5), 16, n_epochs=1)
    write_folder(tmp_path / "results" / "reference" / "mnist", tables)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    shown = capsys.readouterr().out.strip()
    whole = analysis.compare(tables[0], margin=0.05, first=16, most=32)
    own = whole.query("family == 'scheduler' and where == 'dropout 0.3' and a == 'cosine'")
    (row,) = own.to_dict("records")
    assert shown == f"{row['low']:.2f} to {row['high']:.2f}"
    call = re.search(r"`lrdecay\.analysis\.(compare\(some,[^`]*)`", page)[1]
    found = eval(call, names | {"compare": analysis.compare})
    assert found["sentence"].item() == row["sentence"]


@pytest.mark.parametrize(
    ("first", "seeds", "line"),
    [
        (EIGHT, 11, ("-1.00", "0.447 to 0.553", "11", "better at 8 seeds")),
        (EIGHT - EIGHT.mean(), 11, ("-1.36", "-0.053 to 0.053", "11", "equivalent at 8 seeds")),
        (0 * EIGHT, 11, ("-1.36", "11", "identical at 8 seeds")),
        (0 * EIGHT + 0.005, 11, ("-1.00", "11", "not resolved")),
        (EIGHT, 16, ("-2.25", "empty", "16", "not resolved")),
    ],
)
def test_verdicts_that_later_seeds_do_not_agree_with_are_printed_and_drawn(
    tmp_path, first, seeds, line
):
    runs, _ = make_runs(-5.0, first=first, seeds=seeds)
    runs[["scheduler", "seed", "test_accuracy"]].to_csv(tmp_path / "late.csv")
    folder = tmp_path / "late"
    columns = ["--scheduler", "scheduler", "--seed", "seed", "--metric", "test_accuracy"]
    for command in (
        ["import", f"{folder}.csv", *columns, "--into", str(folder)],
        ["report", str(folder)],
        ["plot", str(folder), "differences", "--output", f"{folder}.svg"],
    ):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
    (printed,) = re.findall(r"^cosine  +(-.*)$", call(folder, "--margin", "0.1"), re.MULTILINE)
    assert tuple(re.split(r" {2,}", printed.strip())) == line
    assert ("& empty &" in call(folder, "--format", "latex")) is ("empty" in line)
