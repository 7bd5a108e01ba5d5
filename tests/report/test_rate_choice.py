"""What the report says of base rates: how they were chosen, and how much they matter."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.frames import Tables, make_tables, write_folder
from helpers.trials import CHOSEN, GRID, both, rates_of, trials

from lrdecay.core.errors import InputError
from lrdecay.report.page import write_report

pytestmark = pytest.mark.usefixtures("empty_figures")


def page(folder: Path, frames: Tables, planned: int | None = None) -> str:
    text = write_report(write_folder(folder, frames, planned=planned)).read_text()
    return re.sub(r"\s+", " ", text)


def section(text: str, name: str) -> str:
    (found,) = re.findall(rf'<section id="{name}">(.*?)</section>', text)
    return found


@pytest.mark.slow
def test_the_report_shows_the_choice_and_compares_without_the_trials(tmp_path: Path) -> None:
    runs, epochs = both({})
    of_trials = runs["phase"] == "choose"
    chosen = {row[0]: row[1] for row in rates_of(runs[of_trials], "scheduler").items()}
    assert set(chosen.values()) != set(GRID)
    runs["lr"] = runs["lr"].where(of_trials, runs["scheduler"].map(chosen))
    text = page(tmp_path, (runs, epochs), planned=20)
    said = (
        "18 runs in the tables: 18 completed, 0 diverged, 0 failed. "
        "2 of the sweep's 20 runs are still to come. Before them, 36 trials chose base rates"
    )
    assert said in " ".join(text.split())
    plain = page(tmp_path / "plain", tuple(f[f["phase"] == "compare"] for f in (runs, epochs)))
    for name in ("answer", "means", "by_dropout", "loss", "accuracy", "gap", "rates"):
        assert section(text, name) == section(plain, name)
    assert 'id="choice"' not in plain
    choice = section(text, "choice")
    means = runs[of_trials].groupby(["scheduler", "lr"])["val_loss"].mean()
    rows = re.findall(r'<tr data-scheduler="(\w+)"><td>\w+</td>(.*?)</tr>', choice)
    assert [label for label, _ in rows] == ["constant", "step", "cosine"]
    for label, cells in rows:
        shown = re.findall(r'<td class="number">(.*?)</td>', cells)
        assert re.findall(r"\d\.\d{4}", cells) == [f"{means[label, rate]:.4f}" for rate in GRID]
        assert [rate for cell, rate in zip(shown, GRID, strict=True) if "chosen" in cell] == [
            chosen[label]
        ]
    for label, rate in chosen.items():
        end = {0.001: "smallest", 0.1: "largest"}.get(rate)
        warning = f"{label}: {rate:g} is the {end} of the grid; the best rate may lie outside"
        assert (warning in choice) is (end is not None)
    assert "1000000, 1000001" in choice
    assert re.search(
        r"<th scope=.row.>lr</th><td[^>]*>[\d., ]+ \(chosen\)</td>", section(text, "matrix")
    )


def test_the_report_says_where_no_rate_was_chosen_or_needed(tmp_path: Path) -> None:
    runs, epochs = both(dict.fromkeys(CHOSEN, 0.001))
    tried = runs["phase"] == "choose"
    constant, cosine = (tried & (runs["scheduler"] == label) for label in ("constant", "cosine"))
    runs.loc[constant, "val_loss"] = 0.5
    hit = cosine & (runs["dropout"] == 0.3)
    runs.loc[hit, ["status", "val_loss"]] = ["diverged", np.nan]
    runs = runs[tried | (runs["scheduler"] != "cosine")]
    late = tried & (runs["scheduler"] == "step") & (runs["lr"] == 0.1)
    choice = section(page(tmp_path, (runs[~late.reindex(runs.index)], epochs)), "choice")
    assert "constant: every rate gives the same loss, since it sets its own rates; 0.001" in choice
    assert "cosine: no rate is chosen, since a trial diverged or failed at every rate" in choice
    assert choice.count("2 of 4 diverged or failed") == 3
    assert "step: no rate is chosen yet; trials are still to come." in choice


def test_trials_alone_make_no_report(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only 54 trials of base rates in"):
        write_report(write_folder(tmp_path, trials(n_epochs=1)))


@pytest.mark.slow
def test_a_list_of_rates_shows_the_sensitivity_to_them(tmp_path: Path) -> None:
    frames = make_tables(lr=[0.01, 0.1], batch_size=[32, 64], n_epochs=2)
    text = section(page(tmp_path, frames), "by_rate")
    assert (
        text.count("<figure data-batch_size=") == 2
    )  # one for each size of batch, a panel for each dropout
    assert (
        re.findall(r'aria-label="([^"]*)"', text)
        == [f"test accuracy by base learning rate at dropout {dropout}" for dropout in ("0", "0.3")]
        * 2
    )
    one = page(tmp_path / "one", make_tables(lr=[0.01], n_epochs=2))
    assert 'id="by_rate"' not in one
    assert 'id="by_rate"' not in page(tmp_path / "chosen", both(CHOSEN))
