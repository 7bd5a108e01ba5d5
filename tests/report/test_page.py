import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib
import pandas as pd
import pyarrow as pa
import pytest
from helpers.empty_figures import leave_figures_empty
from helpers.frames import Tables, make_tables, write_folder
from helpers.html_page import Page
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure

from lrdecay import analysis
from lrdecay.core.errors import InputError
from lrdecay.report import sections
from lrdecay.report.figures import curves, panels
from lrdecay.report.html import load_assets
from lrdecay.report.page import write_report
from lrdecay.report.provenance import describe_mixed_pairs
from lrdecay.store.parquet import write_table
from lrdecay.store.reader import read_plan
from lrdecay.store.schema import PLAN

HOSTILE = "<script>alert(1)</script> $x_{"


def build(folder: Path, tables: Tables, sweep_text: str = "name: synthetic\n") -> Page:
    return Page(write_report(write_folder(folder, tables, sweep_text)))


def some_end_early(scheduler: str, dropout: float, seed: int) -> str:
    if scheduler == "step" and dropout == 0.3:
        return {0: "diverged", 1: "failed"}.get(seed, "completed")
    return "completed"


@pytest.fixture(scope="module")
def tables() -> Tables:
    return make_tables(seeds=5, status=some_end_early)


@pytest.fixture(scope="module")
def page(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return build(tmp_path_factory.mktemp("results") / "synthetic", tables)


def test_the_mean_table_states_what_pandas_computes(page: Page, tables: Tables) -> None:
    runs = tables[0]
    head, *rows = page.tables["table-cells"]
    names = ("scheduler", "dropout", "mean", "sd", "n", "diverged", "failed")
    assert head == [[name] for name in names]
    percent = (
        100
        * runs[runs["status"] == "completed"].set_index(["scheduler", "dropout"])["test_accuracy"]
    )
    cells = [(s, d) for s in ("constant", "step", "cosine") for d in (0.0, 0.3)]
    for (scheduler, dropout), row in zip(cells, rows, strict=True):
        own = percent.loc[(scheduler, dropout)]
        ended = ["1", "1"] if (scheduler, dropout) == ("step", 0.3) else ["0", "0"]
        numbers = [f"{own.mean():.2f}", f"{own.std(ddof=1):.2f}", str(len(own)), *ended]
        assert row == [[text] for text in (scheduler, f"{dropout:g}", *numbers)]


@pytest.mark.slow
def test_each_figure_of_a_page_is_drawn_once(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: Counter[int] = Counter()
    figures, draw = [], Figure.draw

    def count(figure: Figure, renderer: RendererBase) -> None:
        figures.append(figure)  # kept, or another could take its id
        drawn[id(figure)] += 1
        draw(figure, renderer)

    monkeypatch.setattr(Figure, "draw", count)
    page = build(tmp_path, tables)
    shown = re.findall(r"<svg [^>]*class=\"plot\"", page.source)
    assert len(shown) > 20
    assert (len(drawn), set(drawn.values())) == (len(shown), {1})


def test_what_panels_have_in_common_is_computed_once(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: Counter[str] = Counter()

    def count(module: ModuleType, name: str) -> None:
        compute = getattr(module, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            computed[name] += 1
            return compute(*args, **kwargs)

        monkeypatch.setattr(module, name, counted)

    count(curves, "learning_curves")
    count(panels, "learning_rate_curves")
    leave_figures_empty(monkeypatch)
    build(tmp_path, tables)
    # of the loss and of the accuracy
    assert computed == {"learning_curves": 2, "learning_rate_curves": 1}


def test_the_page_says_how_far_and_what(page: Page) -> None:
    assert "30 runs in the tables: 28 completed, 1 diverged, 1 failed." in page.text
    assert "incomplete" not in page.text
    matrix = {row[0][0]: row[1][0] for row in page.tables["matrix"]}
    assert matrix["scheduler"] == "constant, step, cosine"
    assert matrix["dropout"] == "0, 0.3"
    assert matrix["seed"] == "0 to 4"
    assert "n = 3 to 5 runs per cell" in page.text


def test_runs_that_ended_early_are_listed(page: Page) -> None:
    assert page.tables["table-ended-early"][1:] == [
        [["step"], ["0.3"], ["0"], ["diverged"], ["diverged at step 17"]],
        [["step"], ["0.3"], ["1"], ["failed"], ["RuntimeError: out of memory <seed 1>"]],
    ]


def test_every_figure_and_every_fact_is_there(page: Page) -> None:
    assert page.sections == [
        *("answer", "contrasts", "means", "decay", "jumps", "ecdf", "slopes", "by_dropout", "gap"),
        *("interaction", "spread", "rates", "loss", "accuracy", "ended-early", "made", "matrix"),
    ]
    plots = [attrs["id"] for tag, attrs in page.tags if tag == "svg" and attrs.get("role")]
    curves = [
        f"{metric}-0-{split}-{dropout}"
        for metric in ("loss", "accuracy")
        for split in ("train", "val", "test", "late")
        for dropout in (0, 1)
    ]
    keys = ["key-0", "key-1", "key-2"]
    assert plots == [
        *(*keys, "differences-0", "heat-map-0"),
        *(
            f"{name}-0-{dropout}"
            for name in ("relative-accuracy", "relative-loss", "relative-rate", "jumps", "ecdf")
            for dropout in (0, 1)
        ),
        *("slopes-0-0", "slopes-0-1"),
        *("by-dropout-0", "gap-0", "gain-0", "spread-0", "rates-0", *curves),
    ]
    for fact in ("2.15.0", "3.12.1", "0.1.0", "d1" * 32, "name: synthetic", "2026-01-02 03:04 UTC"):
        assert fact in page.text
    assert 'pd.read_parquet("results/synthetic/runs.parquet")' in page.text


def test_ids_are_unique_and_references_resolve(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"] for _, attrs in page.tags if "href" in attrs} <= {f"#{i}" for i in ids}


def test_nothing_is_fetched_and_nothing_runs(page: Page) -> None:
    assert not {"link", "iframe", "img", "object"} & {tag for tag, _ in page.tags}
    assert [attrs for tag, attrs in page.tags if tag == "script"] == [{}]
    assert page.inlined["script"] == load_assets()["script"]
    for tag, attrs in page.tags:
        assert "src" not in attrs
        assert (attrs.get("href") or "#").startswith("#"), tag
    assert re.findall(r"url\((?!#)", page.source) == []
    assert "@import" not in page.source
    assert re.findall(r"https?:", page.source) == []


def test_runs_that_were_not_made_alike_say_whether_a_seed_is_concerned(tmp_path: Path) -> None:
    runs, epochs = make_tables(("constant", "step"), (0.0, 0.3), seeds=4, n_epochs=1)
    by_seed = runs.assign(device=runs["seed"].map({0: "one", 1: "one", 2: "two", 3: "two"}))
    assert describe_mixed_pairs(by_seed) == (
        "All runs of one seed were made alike, so no difference between them is one between "
        "machines or versions of torch."
    )
    odd = (by_seed["scheduler"] == "step") & (by_seed["seed"] == 3)
    torn = by_seed.assign(torch_version=by_seed["torch_version"].where(~odd, "9.9.9"))
    said = (
        "At 2 of 8 seeds (of a dropout) runs to compare were made differently, so part of a "
        "difference may be one between machines or versions of torch."
    )
    assert describe_mixed_pairs(torn) == said
    assert said in build(tmp_path, (torn, epochs)).text


def test_the_wording_names_no_winner(page: Page) -> None:
    assert re.findall(r"(?i)significan|trend|\bwinner|\bwon\b", page.text) == []


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(tables: Tables, page: Page, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "synthetic", tables, "name: synthetic\n")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red"}):
        path = write_report(folder, tmp_path / "new" / "page.html")
    assert path == tmp_path / "new" / "page.html"
    assert path.read_text(encoding="utf-8") == page.source
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]


def test_labels_and_texts_are_inert(tmp_path: Path) -> None:
    runs, epochs = make_tables((HOSTILE, "{{ 7 * 7 }}"), (0.3,), seeds=2, n_epochs=2)
    runs.loc[0, "status"] = "failed"
    runs.loc[0, "error"] = f"</pre>{HOSTILE}"
    page = build(tmp_path, (runs, epochs), f"# </pre>{HOSTILE} & more\n")
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert HOSTILE not in page.inlined["script"]
    assert page.tables["table-cells"][1][0] == [HOSTILE]
    assert page.tables["table-cells"][2][0] == ["{{ 7 * 7 }}"]
    assert {row.get("data-scheduler") for row in page.rows} == {None, HOSTILE, "{{ 7 * 7 }}"}
    marks = [
        attrs["data-scheduler"] for _, attrs in page.tags if attrs.keys() == {"data-scheduler"}
    ]
    assert set(marks) == {HOSTILE, "{{ 7 * 7 }}"}
    assert page.tables["table-ended-early"][1][-1] == [f"</pre>{HOSTILE}"]
    assert f"# </pre>{HOSTILE} & more" in page.text


@pytest.mark.usefixtures("empty_figures")
def test_one_run_without_validation(tmp_path: Path) -> None:
    page = build(tmp_path, make_tables(("step",), (0.3,), seeds=1, n_epochs=1, validation=False))
    assert page.tables["table-cells"][1][3:5] == [[], ["1"]]
    assert "There is one scheduler, step, so none to compare it with." in page.text
    assert "one run each, so no band" in page.text
    assert "1 run in the tables" in page.text
    assert "Validation images" not in page.text
    assert "ended-early" not in page.sections


def test_nothing_completed_leaves_the_figures_out(tmp_path: Path) -> None:
    page = build(tmp_path, make_tables(seeds=1, n_epochs=2, status=lambda *cell: "diverged"))
    sections = ["answer", "contrasts", "means", "ended-early", "made", "matrix"]
    assert page.sections == sections
    assert page.tables["table-cells"][1][2:] == [["no mean"], [], ["0"], ["1"], ["0"]]
    assert "1 of 1 seed diverged for step" in page.text


@pytest.mark.usefixtures("empty_figures")
def test_an_unfinished_sweep_says_what_is_missing(tmp_path: Path) -> None:
    runs, epochs = make_tables(("constant", "step"), (0.0, 0.3), seeds=2, n_epochs=1)
    folder = write_folder(tmp_path, (runs.iloc[:5], epochs), planned=8)
    page = Page(write_report(folder))
    assert "3 of the sweep's 8 runs are still to come." in page.text
    assert [row[4] for row in page.tables["table-cells"][1:]] == [["2"], ["2"], ["1"]]


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_extra_axes_get_tables_and_a_bounded_number_of_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sections, "MAX_COMBINATIONS", 1)
    monkeypatch.setattr(panels, "MAX_DROPOUTS", 1)
    runs, epochs = make_tables(("step",), (0.0, 0.3), seeds=1, n_epochs=2, lr=[0.1, 0.01])
    page = build(tmp_path, (runs, epochs))
    table = runs.sort_values(["lr", "dropout"])
    assert [row[0] + row[3] for row in page.tables["table-cells"][1:]] == [
        [f"{lr:g}", f"{100 * accuracy:.2f}"]
        for lr, accuracy in zip(table["lr"], table["test_accuracy"], strict=True)
    ]
    about = [row for row in page.rows if "data-lr" in row and row["data-dropout"] == "0.3"]
    assert about[:2] == [
        {"data-lr": lr, "data-scheduler": "step", "data-dropout": "0.3"} for lr in ("0.01", "0.1")
    ]
    assert "first 1 of 2 combinations of the other axes. Left out: lr 0.1." in page.text
    assert "Without a panel here: dropout 0.3." in page.text
    assert analysis.extra_axes(runs) == ["lr"]


@pytest.mark.parametrize("make", [False, True])
def test_a_folder_without_results_says_what_makes_one(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "nothing"
    if make:
        folder.mkdir()
    with pytest.raises(InputError, match=r"nothing.*`lrdecay sweep FILE`"):
        write_report(folder)


def test_the_folder_of_all_results_names_one_in_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    folder = write_folder(tmp_path / "b", make_tables(seeds=1, n_epochs=1))
    with pytest.raises(InputError) as error:
        write_report(tmp_path)
    assert str(error.value) == (
        f"no results in {tmp_path}: give one of the folders in it, such as {folder}"
    )


def test_tables_without_a_run_say_so_too(tmp_path: Path) -> None:
    runs, epochs = make_tables(seeds=1, n_epochs=1)
    write_folder(tmp_path, (runs.iloc[:0], epochs.iloc[:0]))
    with pytest.raises(InputError, match="`lrdecay sweep FILE`"):
        write_report(tmp_path)


def test_reading_never_imports_torch() -> None:
    code = (
        "import sys, lrdecay.analysis, lrdecay.plots, lrdecay.report; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


NINE = make_tables(seeds=9, n_epochs=1)


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of nine seeds, so of intervals, with settings of the sweep's own; no figures."""
    text = "name: x\ncomparison: {reference: step, margin: 0.3, confidence: 0.9}\n"
    with pytest.MonkeyPatch.context() as monkeypatch:
        leave_figures_empty(monkeypatch)
        return build(tmp_path_factory.mktemp("resolved"), NINE, text)


def test_the_page_says_each_verdict_as_compare_does_with_the_sweeps_settings(
    resolved: Page,
) -> None:
    page = resolved
    table = analysis.compare(NINE[0], reference="step", margin=0.3, confidence=0.9)
    primary, others = table[table["family"] == "scheduler"], table[table["family"] != "scheduler"]
    for sentence in primary["sentence"]:
        assert page.source.count(f">{sentence}</li>") == 1
    for name, rows in (("differences", primary), ("other-differences", others)):
        head, *lines = page.tables[f"table-{name}"]
        columns = ["contrast", "verdict", "n", "difference", "interval"]
        assert [column for (column,) in head][:5] == columns
        assert len(lines) == len(rows)
        for line, row in zip(lines, rows.to_dict("records"), strict=True):
            assert line[0] == [f"{row['where']}: {row['a']} \N{MINUS SIGN} {row['b']}"]
            assert line[1] == [row["verdict"]]
            assert line[2] == [str(row["n"])]
            assert float(line[3][0]) == pytest.approx(row["mean"], abs=0.006)
    about = [row for row in page.rows if "data-scheduler" in row][: len(primary)]
    assert [(row["data-scheduler"], row["data-dropout"]) for row in about] == [
        (row["scheduler"], f"{row['dropout']:g}") for row in primary.to_dict("records")
    ]
    assert "Not excluded as best" in page.text
    assert "90% confidence" in page.text


def test_numbers_that_sort_otherwise_than_they_look_say_so(resolved: Page) -> None:
    rows = re.findall(r"<tr data-scheduler=.*?</tr>", resolved.source, re.DOTALL)
    for row in rows[:4]:
        interval = re.findall(r'data-sort="([^"]+)">([^<]+) to ', row)
        assert len(interval) == 2
        for sort, low in interval:
            assert float(sort) == pytest.approx(float(low), abs=0.006)


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_settings_that_cannot_be_read_leave_the_rest_of_the_page(tmp_path: Path) -> None:
    page = build(tmp_path, make_tables(seeds=2, n_epochs=1), "comparison: {metric: speed}\n")
    said = " ".join(page.text.split())
    assert "No verdicts the sweep file stored with the results has no comparison" in said
    assert page.sections[:3] == ["answer", "means", "by_dropout"]
    missing = build(tmp_path, make_tables(seeds=2, n_epochs=1), "comparison: {reference: x}\n")
    assert "No verdicts no run of the reference 'x'" in " ".join(missing.text.split())


@pytest.mark.usefixtures("empty_figures")
def test_one_dropout_has_no_map_and_no_interaction_but_panels_side_by_side(tmp_path: Path) -> None:
    page = build(tmp_path, make_tables(("constant", "step"), (0.3,), seeds=12, n_epochs=2))
    assert page.sections == [
        *("answer", "contrasts", "means", "ecdf", "slopes", "closing", "by_dropout", "gap"),
        *("spread", "rates", "loss", "accuracy", "made", "matrix"),
    ]
    assert "heat-map" not in page.source
    titles = re.findall(r'<div class="panel-title">([^<]*)</div>', page.source)
    images = ["Training images", "Validation images", "Test images", "Learning rate"]
    assert titles == [*["dropout 0.3"] * 3, *images, *images]


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_a_mark_without_an_interval_is_explained(tmp_path: Path) -> None:
    hollow = "Hollow: no interval, since all differences up to the look are one number."
    runs, epochs = make_tables(("constant", "step"), (0.3,), seeds=8, n_epochs=1)
    step = runs["scheduler"] == "step"
    runs.loc[step, "test_accuracy"] = runs.loc[~step, "test_accuracy"].to_numpy() + 0.01
    assert hollow in build(tmp_path / "alike", (runs, epochs)).text
    two = build(tmp_path / "two", make_tables(("constant", "step"), (0.3,), seeds=8, n_epochs=1))
    assert "Hollow" not in two.text
    assert "Intervals: right with 95% confidence, at all looks together." in two.text
    few = build(tmp_path / "few", make_tables(("constant", "step"), (0.3,), seeds=7, n_epochs=1))
    assert "Hollow: no interval yet, since verdicts begin at 8 seeds." in few.text
    assert hollow not in few.text


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_large_counts_are_worded_alike(tmp_path: Path) -> None:
    tables = make_tables(("step",), (0.3,), seeds=1200, n_epochs=1)
    page = Page(write_report(write_folder(tmp_path, tables, planned=3400)))
    assert "1,200 runs in the tables: 1,200 completed, 0 diverged, 0 failed." in page.text
    assert "2,200 of the sweep's 3,400 runs are still to come." in page.text


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_marks_beside_their_base_rate_are_said_to_be(tmp_path: Path) -> None:
    several = make_tables(("constant", "step"), (0.3,), 2, 1, lr=[0.1, 0.2])
    shifted = "Schedulers are shifted sideways around each value to keep them apart."
    assert shifted in build(tmp_path / "several", several).text
    one = build(tmp_path / "one", make_tables(("step",), (0.3,), 2, 1, lr=[0.1, 0.2]))
    assert "by_rate" in one.sections
    assert "shifted" not in one.text


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_without_a_dropout_axis_none_is_spoken_of(tmp_path: Path) -> None:
    tables = make_tables(("constant", "step"), (0.3,), seeds=8, n_epochs=1)
    for table in tables:
        table["dropout"] = float("nan")  # a network's own rates
    page = build(tmp_path, tables)
    assert page.tables["table-differences"][1][0] == ["step \N{MINUS SIGN} constant"]
    assert (
        "excluded if another one is shown to be better; the best one of those compared is in the "
        "set"
    ) in page.text
    several = make_tables(("constant", "step"), (0.0, 0.3), 8, 1, lr=[0.1, 0.2])
    text = build(tmp_path / "several", several).text
    assert "another one at the same dropout and lr is shown to be better" in text


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_the_longest_labels_leave_room_in_every_figure(tmp_path: Path) -> None:
    page = build(tmp_path, make_tables(("x" * 64, "y" * 64), (0.0, 0.3), seeds=8, n_epochs=1))
    assert page.tables["table-cells"][1][0] == ["x" * 64]
    assert f"{'y' * 18}…{'y' * 9}" in page.text
    assert {"slopes", "spread", "by_dropout"} < set(page.sections)


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_a_target_and_an_axis_of_epochs_have_figures(tmp_path: Path) -> None:
    runs, epochs = make_tables(("constant", "step"), (0.0, 0.3), seeds=2, epochs=[2, 4])
    runs["target"] = 0.9
    runs["epochs_to_target"] = runs["seed"].map({0: 2}).astype("Int32")
    page = build(tmp_path, (runs, epochs))
    assert {"by_epochs", "target"} < set(page.sections)
    assert "by number of epochs trained (log scale)" in page.text
    assert "had reached 90%" in page.text
    assert "4 of 8 runs got there" in page.text  # of each length of run


@pytest.mark.usefixtures("empty_figures")
def test_schedulers_that_applied_the_same_rates_are_named(tmp_path: Path) -> None:
    page = build(tmp_path, make_tables(("constant", "flat", "step"), (0.3,), seeds=2))
    assert "constant and flat applied the same learning rate in every epoch: here" in page.text
    assert page.text.count("applied the same learning rate") == 1


@pytest.mark.usefixtures("empty_figures")
def test_runs_that_are_the_same_though_their_rates_differ_are_named(tmp_path: Path) -> None:
    runs, epochs = make_tables(("constant", "flat", "step"), (0.3,), seeds=2)
    results = [f"{split}_{metric}" for split in ("test", "val") for metric in ("loss", "accuracy")]
    first = runs.loc[runs["scheduler"] == "constant", results].to_numpy()
    said = "The runs of constant and {} are the same to the bit at each of 2 seeds, although their"
    for label, is_said in (("step", True), ("flat", False)):  # flat applies constant's rates
        same = runs.copy()
        same.loc[same["scheduler"] == label, results] = first
        page = build(tmp_path / label, (same, epochs))
        assert (said.format(label) in page.text) is is_said
        assert ("same to the bit" in page.text) is is_said


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_rates_with_one_mean_that_change_within_an_epoch_are_not_the_same(tmp_path: Path) -> None:
    runs, epochs = make_tables(("constant", "cyclic"), (0.3,), 1, 1)
    rates = [name for name in epochs if name.startswith("learning_rate")]
    epochs[rates] = 0.003
    alike = "applied the same learning rate in every epoch"
    assert f"constant and cyclic {alike}" in build(tmp_path / "same", (runs, epochs)).text
    cyclic = epochs["run_id"] == runs["run_id"][1]
    epochs.loc[cyclic, "learning_rate_first"] = 0.001
    epochs.loc[cyclic, "learning_rate_last"] = 0.005
    assert alike not in build(tmp_path / "other", (runs, epochs)).text


@pytest.mark.usefixtures("empty_figures")
def test_how_to_make_it_again_survives_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / 'a "b"; echo $HOME'
    page = build(folder, make_tables(("step",), (0.3,), seeds=1, n_epochs=1))
    assert """lrdecay report 'results/a "b"; echo $HOME'""" in page.text
    assert r'pd.read_parquet("results/a \"b\"; echo $HOME/runs.parquet")' in page.text


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_the_hardware_noise_stands_beside_the_other_spreads(tmp_path: Path) -> None:
    tables = make_tables(("constant", "step"), (0.3,), 3, 1)
    page = build(tmp_path / "once", tables)
    assert "of the hardware" not in page.text
    again = tables[0].query("seed == 0").copy()
    write_folder(tmp_path / "same", tables)
    write_folder(tmp_path / "same" / "repeats", (again, tables[1]))
    same = Page(write_report(tmp_path / "same"))
    assert (
        "of the hardware, which is 0: 2 runs trained once more came out the same to the bit"
    ) in same.text
    again.iloc[0, again.columns.get_loc("test_accuracy")] += 0.002
    write_folder(tmp_path / "same" / "repeats", (again, tables[1]))
    other = Page(write_report(tmp_path / "same"))
    sd = (0.2**2 / 2 / 2) ** 0.5
    assert (
        f"of the hardware alone, {sd:.2g} points: 2 runs trained once more, 1 of them the same to "
        "the bit, at most 0.2 points apart."
    ) in other.text


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_what_was_warned_of_is_told(tmp_path: Path) -> None:
    tables = make_tables(("constant",), (0.3,), 1, 1)
    folder = write_folder(tmp_path / "s", tables)
    assert "Warned of" not in Page(write_report(folder)).text
    rows = pa.Table.from_pandas(tables[0], schema=PLAN, preserve_index=False)
    odd = ["schedulers.half: stops halfway <b>"]
    facts = {"planned": "1", "sweep": "", "warnings": json.dumps(odd)}
    write_table(rows, folder / "plan.parquet", facts)
    assert read_plan(folder).warnings == tuple(odd)
    page = Page(write_report(folder))
    assert "Warned of before it trained" in page.text
    assert f"{odd[0]}." in page.text


@pytest.mark.slow
def test_what_trying_base_rates_is_worth_is_shown_where_there_were_trials(tmp_path: Path) -> None:
    compared, epochs = make_tables(("constant", "step"), (0.3,), 1, 1)
    trials, _ = make_tables(("constant", "step"), (0.3,), 2, 1, lr=[0.001, 0.01])
    assert "tried" not in build(tmp_path / "given", (compared, epochs)).sections
    trials = trials.assign(run_id="t" + trials["run_id"], phase="choose", lr_chosen_per="scheduler")
    runs = pd.concat([trials, compared.assign(lr_chosen_per="scheduler")], ignore_index=True)
    page = build(tmp_path / "chosen", (runs, epochs))
    assert "tried" in page.sections
    assert ("svg", "tried-0-0") in [(tag, attrs.get("id")) for tag, attrs in page.tags]
    best = analysis.expected_best(trials).query("scheduler == 'step' and trials == 2")
    assert f"step, best of 2: {best['expected_best'].item():.4g}" in page.source


@pytest.mark.slow
def test_trials_of_a_network_with_dropout_rates_of_its_own_are_shown(tmp_path: Path) -> None:
    compared, epochs = make_tables(("constant", "step"), (0.3,), 1, 1)
    trials, _ = make_tables(("constant", "step"), (0.3,), 2, 1, lr=[0.001, 0.01])
    trials = trials.assign(run_id="t" + trials["run_id"], phase="choose")
    runs = pd.concat([trials, compared], ignore_index=True)
    runs = runs.assign(lr_chosen_per="scheduler", dropout=float("nan"))
    page = build(tmp_path, (runs, epochs))
    best = analysis.expected_best(trials).query("scheduler == 'step' and trials == 2")
    assert f"step, best of 2: {best['expected_best'].item():.4g}" in page.source
    assert "n = 2 trials per rate." in page.text


@pytest.mark.slow
def test_what_is_not_evaluated_has_no_slopes_and_no_place_in_the_captions(tmp_path: Path) -> None:
    """One run of plateau diverged at dropout 0.3, so its other seeds are no whole set of pairs."""
    lost = ("plateau", 0.3, 4)
    tables = make_tables(
        ("constant", "step", "plateau"),
        (0.0, 0.3),
        seeds=9,
        n_epochs=1,
        status=lambda *cell: "diverged" if cell == lost else "completed",
    )
    page = build(tmp_path, tables)
    assert page.source.count("step, mean of 9 seeds") == 2
    assert page.source.count("plateau, mean of 9 seeds") == 1
    assert "mean of 8 seeds" not in page.source
    assert "n = 9 pairs" in page.text
    assert "8 to 9 pairs" not in page.text
    assert "the best one of those compared is in the set" in page.text


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_the_same_accuracies_with_other_losses_are_not_called_the_same_bits(tmp_path: Path) -> None:
    tables = make_tables(("constant", "step"), (0.3,), 3, 1)
    again = tables[0].query("seed == 0").copy()
    again["test_loss"] += 1e-4
    write_folder(tmp_path / "s", tables)
    write_folder(tmp_path / "s" / "repeats", (again, tables[1]))
    page = Page(write_report(tmp_path / "s"))
    assert "came out with the same test accuracy, though not with the same losses." in page.text
    assert "the same to the bit" not in page.text


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_families_that_are_not_there_are_not_spoken_of(tmp_path: Path) -> None:
    one = build(tmp_path / "one", make_tables(("constant",), (0.0, 0.3), seeds=8, n_epochs=1))
    assert (
        "Secondary families, each right as a whole with the same confidence: each dropout against "
        "the lowest, for each scheduler."
    ) in one.text


@pytest.mark.slow
def test_a_loss_of_zero_has_a_figure(tmp_path: Path) -> None:
    runs, epochs = make_tables(("constant",), (0.3,), seeds=1, n_epochs=2)
    epochs["loss"] = 0.0
    page = build(tmp_path, (runs, epochs))
    assert "nats per image" in page.source


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_of_too_many_differences_those_that_were_judged_are_drawn(tmp_path: Path) -> None:
    """The reference diverged at two of three dropouts, so that 82 of 123 have no difference."""
    schedulers = ("constant", *(f"s{number}" for number in range(41)))
    tables = make_tables(
        schedulers,
        (0.0, 0.1, 0.2),
        seeds=1,
        n_epochs=1,
        status=lambda scheduler, dropout, seed: (
            "diverged" if scheduler == "constant" and dropout < 0.2 else "completed"
        ),
    )
    assert "n = 1 pairs" in build(tmp_path, tables).text
