import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.datasets import conclude_effects, draw_effects
from helpers.frames import Tables, make_tables, write_folder
from helpers.html_page import Page
from helpers.rights import open_folder, without_root

from lrdecay import analysis
from lrdecay.analysis.dataset_headline import write_dataset_answer
from lrdecay.analysis.number_text import format_interval
from lrdecay.core.errors import InputError
from lrdecay.report.dataset_averages import describe_datasets
from lrdecay.report.html import add_reload
from lrdecay.report.index import write_index
from lrdecay.report.side_by_side import write_comparison
from lrdecay.store import reader

HOSTILE = '<script>alert(1)</script>"\u202e'
SHOWN = '<script>alert(1)</script>"\\u202e'
ASKS = (
    "comparison: {reference: step, metric: test_loss, margin: 0.01, confidence: 0.9}\n"
    "dataset: digits\n"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two sweeps, `a` of 8 seeds on one base rate, and `b` of 2 on another, one run short."""
    write_folder(tmp_path / "a", make_tables(("constant", "step"), (0.0, 0.3), seeds=8, n_epochs=2))
    runs, epochs = make_tables(
        ("step", HOSTILE),
        (0.3,),
        seeds=2,
        n_epochs=2,
        status=lambda scheduler, dropout, seed: (
            "diverged" if scheduler == HOSTILE and seed else "completed"
        ),
        lr=[0.01],
    )
    write_folder(tmp_path / "b", (runs, epochs), ASKS, planned=5)
    return tmp_path


def compared(home: Path) -> Page:
    return Page(write_comparison([home / "a", home / "b"]))


def test_each_cell_has_mean_sd_and_n_of_each_sweep(home: Path) -> None:
    page = compared(home)
    assert page.tables["cells"][0] == [["cell"], ["a"], ["b"]]
    rows = {row[0][0]: row[1:] for row in page.tables["cells"][1:]}
    assert list(rows) == [
        *("constant, dropout 0", "constant, dropout 0.3", "step, dropout 0", "step, dropout 0.3"),
        f"{SHOWN}, dropout 0.3",
    ]
    runs, _ = make_tables(("constant", "step"), (0.0, 0.3), seeds=8, n_epochs=2)
    of_cell = runs[(runs["scheduler"] == "step") & (runs["dropout"] == 0.3)]["test_accuracy"]
    mean, sd = 100 * of_cell.mean(), 100 * of_cell.std(ddof=1)
    assert rows["step, dropout 0.3"][0] == [f"{mean:.2f} \N{PLUS-MINUS SIGN} {sd:.2f}", "n = 8"]
    assert rows["constant, dropout 0.3"][1] == ["not in this sweep"]
    value, n, out = rows[f"{SHOWN}, dropout 0.3"][1]
    assert "\N{PLUS-MINUS SIGN}" not in value
    assert (n, out) == ("n = 1", "1 diverged")


def test_each_sweep_has_the_sentences_of_its_own_question(home: Path) -> None:
    page = compared(home)
    runs, _ = make_tables(("constant", "step"), (0.0, 0.3), seeds=8, n_epochs=2)
    table = analysis.compare(runs, margin=0.05)
    sentences = table.loc[table["family"] == analysis.PRIMARY, "sentence"].tolist()
    assert len(sentences) == 2
    for sentence in sentences:
        assert sentence in page.text
    assert "test accuracy, margin 0.05 percentage points; all sentences hold together with" in (
        page.text
    )
    assert "test loss, margin 0.01 nats per image" in page.text
    assert "probability 0.9." in page.text
    assert f"1 of 2 seeds diverged for {SHOWN}" in page.text


DATASETS = ("mnist", "svhn", "digits")


def make_dataset(name: str, **options: Any) -> Tables:
    """Of three schedulers the first is the best: on svhn another one."""
    order = ("constant", "step", "cosine")
    best = order[::-1] if name == "svhn" else order
    runs, epochs = make_tables(best, (0.0, 0.3), 8, 1, dataset=DATASETS, **options)
    return runs[runs["dataset"] == name].assign(dataset_digest=f"digest of {name}"), epochs


def write_datasets(home: Path, *names: str, **asks: str) -> list[Path]:
    folders = []
    for name in names:
        margin = asks.get(name, "0.3")
        text = f"dataset: {name}\ncomparison: {{reference: constant, margin: {margin}}}\n"
        folders.append(write_folder(home / name, make_dataset(name), text))
    return folders


def conclude_folder(folder: Path, margin: float) -> analysis.Conclusions:
    criteria = analysis.Criteria("constant", margin=margin)
    return analysis.conclude(reader.read_runs(folder), None, criteria)


def test_it_begins_with_one_sentence_and_ends_no_list_of_them(tmp_path: Path) -> None:
    folders = write_datasets(tmp_path, "mnist", "svhn")
    page = Page(write_comparison(folders))
    founds = {folder.name: conclude_folder(folder, 0.3) for folder in folders}
    averages = analysis.average_datasets(founds)
    said = write_dataset_answer(averages)
    assert said == (
        "step and cosine beat constant only on svhn (2 of 2 differences each); "
        "constant beats step and cosine only on mnist (2 of 2 each)."
    )
    begin = page.source[page.source.index("<h1>") :]
    assert begin.index(f'<h2 class="headline">{said}</h2>') < begin.index("<figure>")
    # each sweep's sentences are folded, and all there
    folded = [attrs for tag, attrs in page.tags if tag == "details"]
    assert folded == [{}, {}]
    assert page.text.count(": 4 sentences") == 2
    for found in founds.values():
        for sentence in found.primary["sentence"]:
            assert sentence in page.text
    assert page.sections == ["together", "sweeps", "verdicts", "cells", "differing"]


def test_averages_stand_in_both_meanings(tmp_path: Path) -> None:
    folders = write_datasets(tmp_path, "mnist", "svhn", "digits")
    page = Page(write_comparison(folders))
    averages = analysis.average_datasets({f.name: conclude_folder(f, 0.3) for f in folders})
    rows = page.tables["averages"]
    heads = ["scheduler", "average", "on these datasets", "for datasets like these"]
    assert rows[0] == [[head] for head in heads]
    at = "at 8 seeds each."
    for line, row in zip(rows[1:], averages.table.to_dict("records"), strict=True):
        assert line[0] == [f"{row['scheduler']}, dropout {row['dropout']:g}"]
        assert line[1] == [f"{row['mean']:.2f}"]
        for cell, name in zip(line[2:], ("", "like_"), strict=True):
            ends = format_interval(row[f"{name}low"], row[f"{name}high"], 0.3)
            verdict = row[f"{name}verdict"]
            words = {
                "lower": f"constant beats {row['scheduler']}, {at}",
                "unresolved": f"Not resolved {at}",
            }
            assert cell == [ends, words[verdict]]
    assert set(averages.table["like_verdict"]) == {"unresolved"} != set(averages.table["verdict"])
    assert "On these datasets. The effect on mnist, svhn and digits, each counting" in page.text
    assert "each dataset is one block" in page.text
    assert "all 4 verdicts are right together with 95% confidence" in page.text


def test_two_datasets_cannot_tell_of_others_and_margins_that_differ_are_none(
    tmp_path: Path,
) -> None:
    page = Page(write_comparison(write_datasets(tmp_path, "mnist", "svhn", svhn="0.4")))
    assert {row[3][0] for row in page.tables["averages"][1:]} == {"2 datasets cannot tell it."}
    assert "From 2 datasets that cannot be told" in page.text
    assert "The sweeps have different margins, so no average is called equivalent." in page.text


def test_the_forest_plot_has_each_dataset_and_the_average(tmp_path: Path) -> None:
    page = Page(write_comparison(write_datasets(tmp_path, "mnist", "svhn")))
    svg = page.source[page.source.index('<svg id="datasets-forest"') :].split("</svg>")[0]
    for name, sign in (("mnist", "-"), ("svhn", "")):
        marks = re.findall(rf'data-dropout="(\S+)" data-dataset="{name}"', svg)
        assert sorted(set(marks)) == ["0", "0.3"]
        assert f"<title>{name}, step \N{MINUS SIGN} constant: {sign}0." in svg
    assert svg.count("<title>average, ") == 4
    assert "average over datasets" in page.text
    assert "Diamond: the average over datasets" in page.text


def test_what_is_not_averaged_is_said_in_a_line(tmp_path: Path) -> None:
    """The plot of each dataset stays."""
    first, second = write_datasets(tmp_path, "mnist", "svhn")
    tables = make_dataset("mnist")
    write_folder(tmp_path / "again", tables)
    page = Page(write_comparison([first, tmp_path / "again"]))
    assert (
        "Nothing is averaged: mnist and again are of one dataset, mnist, so they share their "
        "images, and two such are not two datasets."
    ) in page.text
    assert "averages" not in page.tables
    assert '<svg id="datasets-forest"' in page.source
    assert "Diamond" not in page.text
    write_folder(tmp_path / "loss", tables, "comparison: {metric: test_loss}\n")
    page = Page(write_comparison([second, tmp_path / "loss"]))
    assert "They have different metrics: test accuracy, test loss." in page.text
    assert "<svg" not in page.source
    assert [attrs for tag, attrs in page.tags if tag == "details"] == [{"open": None}] * 2


def test_without_a_look_there_is_no_verdict_to_be_sure_of(tmp_path: Path) -> None:
    runs, epochs = make_dataset("svhn")
    few = write_folder(tmp_path / "few", (runs[runs["seed"] < 5], epochs))
    page = Page(write_comparison([*write_datasets(tmp_path, "mnist"), few]))
    assert {tuple(row[2]) for row in page.tables["averages"][1:]} == {
        ("Not enough seeds yet on svhn.",)
    }
    assert "says nothing of other datasets, and there is no verdict yet." in page.text
    assert "right together with 95% confidence" not in page.text.split("The sweeps")[0]
    assert "Hollow: no interval, as seeds are too few" in page.text


HOLLOW = "Hollow: no interval, as seeds are too few"
DIAMOND = "Diamond: the average over datasets"
LINE = "The thin line through it: the interval for datasets like these"


def write_third(home: Path, **options: Any) -> tuple[Path, Page]:
    """Another sweep, of digits, beside two that are whole; and the page of all three."""
    seeds = options.pop("seeds", 8)
    runs, epochs = make_dataset("digits", **options)
    third = write_folder(home / "third", (runs[runs["seed"] < seeds], epochs))
    return third, Page(write_comparison([*write_datasets(home, "mnist", "svhn"), third]))


def test_a_caption_names_what_is_drawn(tmp_path: Path) -> None:
    whole = Page(write_comparison(write_datasets(tmp_path, *DATASETS)))
    assert f"{DIAMOND}, as wide as its interval on these datasets. {LINE}" in whole.text
    assert HOLLOW not in whole.text
    two = Page(write_comparison(write_datasets(tmp_path, "mnist", "svhn")))
    assert f"{DIAMOND}, as wide as its interval on these datasets." in two.text
    assert LINE not in two.text
    # where one has a single seed each average is hollow
    _, page = write_third(tmp_path, seeds=1)
    assert HOLLOW in page.text
    assert f"{DIAMOND}." in page.text
    assert LINE not in page.text


def test_an_average_that_is_not_drawn_is_in_no_legend(tmp_path: Path) -> None:
    _, page = write_third(tmp_path, status=lambda *run: "diverged")
    assert "<title>average, " not in page.source
    assert "average over datasets" not in page.text
    assert DIAMOND not in page.text
    assert HOLLOW not in page.text
    assert "the rest is not judged." in page.text


def test_verdicts_are_counted_where_there_is_an_interval(tmp_path: Path) -> None:
    """One average has none for datasets like these, as the three have one mean."""
    sweeps = {}
    for place, name in enumerate(DATASETS):
        shifted = draw_effects(place, 8, 2.0 + place, 0.5)
        own = draw_effects(10 + place, 8, 0.0, 0.5)
        alike = (1.0 + np.array(own) - np.mean(own)).tolist()
        effects = {("a", 0.0): shifted, ("b", 0.0): shifted[::-1], ("c", 0.0): alike}
        sweeps[name] = conclude_effects(name, effects)
    table = analysis.average_datasets(sweeps).table
    assert np.isfinite(table["low"]).tolist() == [True] * 3
    assert np.isfinite(table["like_low"].astype(float)).tolist() == [True, True, False]
    section = describe_datasets(sweeps, {})
    assert section is not None
    here, like = (text for _, text in section.meanings)
    assert "all 3 verdicts are right together with 95% confidence" in here
    assert "then both verdicts are right together with 95% confidence." in like


def test_a_sweep_that_cannot_be_shown_with_the_others_is_named(tmp_path: Path) -> None:
    folders = write_datasets(tmp_path, "mnist", "svhn")
    rates = make_dataset("digits", lr=[0.1, 0.2])
    folders.append(write_folder(tmp_path / "rates", rates))
    gone = write_folder(tmp_path / "gone", rates, ASKS.replace("step", "gone"))
    page = Page(write_comparison([*folders, gone]))
    assert "gone has no verdicts, so it is not shown here beside the others." in page.text
    assert "rates has several values of lr, so it is not shown here beside the others." in page.text
    assert "The effect on mnist and svhn, each" in page.text


def test_what_else_differs_is_listed(home: Path) -> None:
    differing = compared(home).tables["differing"]
    assert [row[0][0] for row in differing] == ["axis", "lr", "scheduler", "dropout"]
    assert differing[1][1:] == [["0.001"], ["0.01"]]


def test_dropout_of_a_network_s_own_is_said(tmp_path: Path) -> None:
    own = make_tables(("constant", "step"), (0.3,), seeds=2, n_epochs=1)
    for table in own:
        table["dropout"] = float("nan")
    write_folder(tmp_path / "own", own)
    write_folder(tmp_path / "given", make_tables(("constant", "step"), (0.3,), 2, 1))
    page = Page(write_comparison([tmp_path / "own", tmp_path / "given"]))
    assert page.tables["differing"][1:] == [[["dropout"], ["the network's own"], ["0.3"]]]


NO_REPORT = "no report when this page was written"


def test_names_lead_to_reports_that_are_there(home: Path) -> None:
    page = compared(home)
    assert "a" not in {tag for tag, _ in page.tags}
    assert page.tables["sweeps"][1:] == [
        [["a", NO_REPORT], ["digits"], ["32 of 32"], ["2026-01-02 03:04 UTC"]],
        [["b", NO_REPORT], ["digits"], ["4 of 5"], ["2026-01-02 03:04 UTC"]],
    ]
    (home / "b" / "report.html").write_text("")
    elsewhere = home / "pages" / "x.html"
    for path, link in ((None, "b/report.html"), (elsewhere, "../b/report.html")):
        page = Page(write_comparison([home / "a", home / "b"], path))
        assert [attrs["href"] for tag, attrs in page.tags if tag == "a"] == [link]


def test_it_is_harmless_whole_and_the_same_each_time(home: Path) -> None:
    first = compared(home)
    assert first.source == compared(home).source
    assert "script" not in {tag for tag, _ in first.tags}
    assert "\u202e" not in first.source
    assert "http" not in first.source


def test_names_that_are_alike_are_told_apart(home: Path) -> None:
    tables = make_tables(("step",), seeds=1, n_epochs=1)
    write_folder(home / "other" / "a", tables)
    page = Page(write_comparison([home / "a", home / "other" / "a"]))
    assert page.tables["cells"][0][1:] == [[str(home / "a")], [str(home / "other" / "a")]]
    assert "There is one scheduler only, so nothing to compare." in page.text


def test_bad_folders_are_named(home: Path) -> None:
    with pytest.raises(InputError, match=r"a: given twice"):
        write_comparison([home / "a", home / "b" / ".." / "a"])
    with pytest.raises(InputError, match=r"no results in .*nowhere"):
        write_comparison([home / "a", home / "nowhere"])
    runs, epochs = make_tables(seeds=1, n_epochs=1)
    write_folder(home / "trials", (runs.assign(phase="choose"), epochs))
    with pytest.raises(InputError, match=r"no runs of a comparison in .*trials"):
        write_comparison([home / "a", home / "trials"])


def test_a_reference_without_runs_costs_only_the_verdicts(home: Path) -> None:
    tables = make_tables(("step", "cosine"), seeds=1, n_epochs=1)
    write_folder(home / "c", tables, ASKS.replace("reference: step", "reference: gone"))
    write_folder(home / "d", tables, "comparison: {metric: taste}\n")
    page = Page(write_comparison([home / "c", home / "d"]))
    assert "There are no verdicts: no run of the reference 'gone'" in page.text
    assert "There are no verdicts: the sweep file stored with the results has no" in page.text
    assert len(page.tables["cells"]) == 5


def indexed(home: Path) -> Page:
    path = write_index(home)
    assert path == home / "index.html"
    return Page(path)


def test_the_index_lists_every_report(home: Path) -> None:
    write_folder(home / "c: 50%", make_tables(("step",), seeds=1, n_epochs=1))
    for name in ("b", "c: 50%"):
        (home / name / "report.html").write_text("")
    page = indexed(home)
    assert page.tables["reports"][1:] == [
        [["b"], ["digits"], ["4 of 5"], ["2026-01-02 03:04 UTC"]],
        [["c: 50%"], ["digits"], ["2 of 2"], ["2026-01-02 03:04 UTC"]],
    ]
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert links == ["b/report.html", "c%3A%2050%25/report.html"]
    assert page.source == indexed(home).source
    compared(home)
    links = [attrs["href"] for tag, attrs in indexed(home).tags if tag == "a"]
    assert links[0] == "compared.html"


def test_a_folder_that_cannot_be_read_hides_no_other(home: Path) -> None:
    for name in ("a", "b"):
        (home / name / "report.html").write_text("")
    (home / "a" / "runs.parquet").write_bytes(b"no table")
    rows = indexed(home).tables["reports"]
    assert rows[1][0] == ["a"]
    assert "damaged" in rows[1][1][0]
    assert rows[2][:3] == [["b"], ["digits"], ["4 of 5"]]


def test_a_folder_that_nobody_may_look_into_hides_no_other() -> None:
    with open_folder() as home:
        write_folder(home / "b", make_tables(("step",), seeds=1, n_epochs=1))
        (home / "b" / "report.html").write_text("")
        (home / "a").mkdir(mode=0o700)
        with without_root():
            rows = indexed(home).tables["reports"]
    assert [row[0] for row in rows[1:]] == [["b"]]


def test_an_index_of_someone_else_stays(home: Path) -> None:
    path = home / "index.html"
    path.write_text("mine")
    assert write_index(home) is None
    assert path.read_text() == "mine"
    path.unlink()
    path.symlink_to(home / "a" / "elsewhere.html")
    assert write_index(home) is None
    assert path.is_symlink()


def test_only_a_page_with_a_head_reloads() -> None:
    with pytest.raises(ValueError, match="without a head"):
        add_reload("<p>", 5)
