"""`make gpu` runs to its end without a GPU, and whatever its items do."""

import json
import os
import subprocess
import sys

import pytest
from helpers.paths import HOME

RIGHT_WHERE_PRETENDED = ("facts", "stackable", "same bits")


def measure(tmp_path, *arguments, limit=240):
    """Run it without any GPU that this machine may have; return its code, words and results."""
    out = tmp_path / "gpu-results.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench.gpu", "--out", out, *arguments],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        cwd=HOME,
        capture_output=True,
        text=True,
        timeout=limit,
    )
    return done.returncode, done.stdout, json.loads(out.read_text())


@pytest.mark.slow
def test_without_a_gpu_each_item_says_why_it_was_skipped(tmp_path):
    code, printed, results = measure(tmp_path)
    assert code == 0
    assert results["device"] == "none"
    assert len(results["items"]) == 10
    for name, found in results["items"].items():
        assert "finds no GPU here" in found["skipped"], name
        assert f"{name}: skipped: torch " in printed


@pytest.mark.slow
def test_what_can_be_is_measured_on_a_pretended_gpu(tmp_path):
    code, _, results = measure(tmp_path, "--pretend")
    assert code == 0, results
    for name, found in results["items"].items():
        if name in RIGHT_WHERE_PRETENDED:
            assert found["right"] is True, name
        else:
            assert found["skipped"] == "needs a real GPU", name
    plain = results["items"]["same bits"]["networks"]["plain"]
    assert plain["captured_equals_eager"] is True
    assert plain["largest_difference_to_the_CPU"] < 1e-4


@pytest.fixture
def measuring(monkeypatch):
    monkeypatch.syspath_prepend(HOME)
    from bench.gpu import __main__ as measuring

    return measuring


@pytest.mark.parametrize(
    ("does", "error"),
    [
        ("sleep 60", "not done after 1 s"),
        ("kill -SEGV $$", "its process ended with code -11"),
        ("echo so it was; exit 3", "its process ended with code 3"),
    ],
)
def test_an_item_that_hangs_or_dies_is_said(measuring, monkeypatch, tmp_path, does, error):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{does}\n")
    python.chmod(0o755)
    monkeypatch.setattr(measuring.sys, "executable", str(python))
    item = measuring.ITEMS["facts"]
    monkeypatch.setattr(
        measuring, "ITEMS", {"facts": measuring.Item("facts", item.measure, 1, True)}
    )
    found = measuring._measure_apart(measuring.ITEMS["facts"], False, 99)
    assert found["error"] == error
    assert found["right"] is False
    assert ("so it was" in found["printed"]) == ("echo" in does)


def test_items_after_the_budget_are_skipped(measuring):
    found = measuring._measure_apart(measuring.ITEMS["speed"], False, 5.0)
    assert found == {"skipped": "the 480 s for all items are over"}
