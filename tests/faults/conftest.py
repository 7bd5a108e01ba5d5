"""How often faults are tried, and on what."""

import os
from collections.abc import Callable

import pytest
from helpers.disk import Changes
from helpers.tiers import FULL_VARIABLE
from helpers.tiny import (
    RUNS_OF_TEXT,
    TEXT,
    Trained,
    in_no_time,
    in_process,
    records_of,
    run_ids,
    sweep_in_process,
    text,
)

from lrdecay.runner.coordinator import run_sweep


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    """The tiny sweep, trained once, with metrics of the user's own added to what it measured."""
    file = tmp_path_factory.mktemp("sweep") / "tiny.yaml"
    file.write_text(TEXT)
    plain = run_sweep(file, tmp_path_factory.mktemp("plain"), workers=0).folder
    records = records_of(plain)
    with in_no_time(records, parts_in_batch=64):
        folder = run_sweep(file, tmp_path_factory.mktemp("trained"), workers=0).folder
    return Trained(file, folder, records, plain)


@pytest.fixture(scope="session")
def on_the_way(trained, tmp_path_factory):
    """Results of a sweep that was killed when the last part was in place: parts and a batch."""
    results = tmp_path_factory.mktemp("on_the_way")
    whole = tmp_path_factory.mktemp("whole")
    with in_no_time(trained.records), Changes(whole) as changes:
        run_sweep(trained.file, whole, workers=0)
    last = max(i for i, name in enumerate(changes.names) if name.endswith("tiny/parts/ID"))
    in_process(sweep_in_process, trained.file, results, trained.records, last + 1)
    folder = results / "tiny"
    assert len(run_ids(folder)) == RUNS_OF_TEXT
    assert len(list((folder / "batches").iterdir())) == 2
    assert len(list((folder / "parts").iterdir())) == 2
    return results


@pytest.fixture(scope="session")
def narrower(tmp_path_factory):
    """The sweep without dropout 0.3."""
    file = tmp_path_factory.mktemp("narrower") / "tiny.yaml"
    file.write_text(text(dropout="[0.0]"))
    return file


@pytest.fixture(scope="session")
def often() -> Callable[[int, int], int]:
    """`often(short, full)` is how many times to try something."""
    full = os.environ.get(FULL_VARIABLE) == "full"
    return lambda short, long: long if full else short


@pytest.fixture
def figure(request) -> Callable[[str, object], None]:
    """`figure(name, value)` has a line printed after the tests."""
    return lambda name, value: request.node.user_properties.append(("figure", (name, str(value))))
