from pathlib import Path

import pytest
from helpers.frames import make_tables, write_folder
from helpers.html_page import Page
from helpers.rights import open_folder, without_root

from lrdecay import analysis
from lrdecay.core.errors import InputError
from lrdecay.report.html import add_reload
from lrdecay.report.index import write_index
from lrdecay.report.side_by_side import write_comparison

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
