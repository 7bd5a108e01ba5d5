"""What a notebook shows of a sweep that has ended, and the command says."""

from dataclasses import replace
from pathlib import Path

from helpers.html_page import Fragment

from lrdecay.cli.sweep import print_summary
from lrdecay.runner import Summary

FOLDER = Path("results/a <b>")
ENDED = Summary(FOLDER, FOLDER, 24, 4, 17, 2, 1, 130.0)
RUNS = "24 runs, 20 trained now (2 diverged, 1 failed) in 2 min, 4 from before"


def shown(summary: Summary) -> list[str]:
    return Fragment(summary._repr_html_()).lines


def test_a_notebook_shows_what_was_trained_and_what_is_next():
    assert shown(replace(ENDED, failed=0)) == [
        "results/a <b>",
        "runs 24 runs, 19 trained now (2 diverged, 0 failed) in 2 min, 4 from before",
        "next lrdecay.compare_folder('results/a <b>')",
        "lrdecay.write_report('results/a <b>')",
        "in a terminal lrdecay compare 'results/a <b>'",
        "lrdecay report 'results/a <b>'",
    ]


def test_what_went_wrong_is_there_too():
    repeats = replace(ENDED, folder=FOLDER / "repeats", total=3, reused=0, failed=0, diverged=0)
    repeats = replace(repeats, completed=3, seconds=4.2, sweep_folder=FOLDER / "repeats")
    ended = replace(ENDED, repeats=repeats, without_rate=("step", "cosine at dropout 0.5"))
    lines = shown(ended)
    assert lines[1] == f"runs {RUNS}"
    assert lines[2:5] == [
        "trained twice 3 runs, 3 trained now (0 diverged, 0 failed) in 4 s, 0 from before; "
        "in results/a <b>/repeats",
        "no base rate for step and cosine at dropout 0.5: not in the comparison; give smaller "
        "rates",
        "failed why is in lrdecay.read_runs('results/a <b>').error",
    ]


def test_a_shard_is_merged_next(capsys):
    shard = FOLDER / "shards" / "1-of-2"
    ended = replace(ENDED, folder=shard, failed=0, completed=18, elsewhere=7)
    merge = "lrdecay merge 'results/a <b>/shards'/* --into 'results/a <b>'"
    assert shown(ended) == [
        "results/a <b>/shards/1-of-2",
        "runs 24 runs, 20 trained now (2 diverged, 0 failed) in 2 min, 4 from before, 7 left to "
        "other shards",
        f"when all shards have ended {merge}",
    ]
    assert shown(replace(ended, more_to_come=True))[-1] == (
        f"when all shards have ended, then run them again {merge}"
    )
    print_summary(ended)
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"{shard}: {ended.spell_runs()}"
    assert last.endswith(merge.partition(" ")[2])
