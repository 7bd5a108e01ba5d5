"""Sweep files: the corpus of bad ones, defaults, the matrix of runs, and what identifies a run."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.paths import SWEEPS
from helpers.training import digits
from hypothesis import given
from hypothesis import strategies as st

from lrdecay.components import schedulers
from lrdecay.components.datasets import sources
from lrdecay.components.datasets.dataset import Dataset
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.components.models.build import MODELS
from lrdecay.components.models.spec import ModelSpec
from lrdecay.components.optimizers.build import CLASSES, build_optimizer
from lrdecay.components.optimizers.spec import OptimizerSpec
from lrdecay.core import run
from lrdecay.core.errors import InputError
from lrdecay.core.run import Run, to_canonical_json
from lrdecay.core.yaml import Document
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.diagnostics import SweepFileError
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import check_sweep, load_sweep, parse_sweep

HERE = Path(__file__).parent
BAD_SWEEPS = sorted((HERE / "bad_sweeps").glob("*.yaml"))
GOOD_SWEEPS = sorted(SWEEPS.glob("*.yaml"))
MINIMAL = "dataset: digits\nschedulers: {constant: {class: constant}}\n"


def dataset(count: int = 100, digest: str = "0123456789abcdef", side: int = 4) -> Dataset:
    images = torch.zeros(count, 1, side, side, dtype=torch.uint8)
    labels = torch.arange(count) % 3
    return Dataset("fake", images, labels, images[:10], labels[:10], 255, digest)


def runs_of(text: str, **kwargs: Any) -> list[Run]:
    return list_runs(parse_sweep(text), dataset(**kwargs))


def errors_of(text: str) -> str:
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(text, source="s.yaml")
    return str(caught.value)


# ---- bad files


@pytest.mark.parametrize("path", BAD_SWEEPS, ids=lambda path: path.stem)
def test_bad_sweep(path: Path) -> None:
    """NAME.yaml is refused with exactly the text of NAME.txt."""
    with pytest.raises(SweepFileError) as caught:
        load_sweep(path)
    expected = path.with_suffix(".txt").read_text(encoding="utf-8")
    assert str(caught.value).replace(str(path), path.name) + "\n" == expected
    places = [(problem.line, problem.column) for problem in caught.value.problems]
    assert places == sorted(places)


def test_the_corpus_is_whole() -> None:
    assert len(BAD_SWEEPS) >= 140
    assert [path.stem for path in BAD_SWEEPS] == sorted(
        path.stem for path in (HERE / "bad_sweeps").glob("*.txt")
    )
    texts = [path.with_suffix(".txt").read_text(encoding="utf-8") for path in BAD_SWEEPS]
    lines = [line for text in texts for line in text.splitlines()]
    assert all(re.match(r"\w+\.yaml:[1-9]\d*:[1-9]\d*: \S", line) for line in lines)
    assert not [line for line in lines if "Input should" in line or "Traceback" in line]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dropout: " + "[" * 5000, "s.yaml:1:29: nested deeper than 20 levels"),
        ("dropout:\n  " + "- " * 5000 + "x", "s.yaml:2:41: nested deeper than 20 levels"),
        ("#" + "x" * 2**21 + "\n" + MINIMAL, "s.yaml:1:1: the file is larger than 1024 KiB"),
        (
            MINIMAL + f"seeds: {'1' * 5000}\nepochs: 0\n",
            "s.yaml:3:8: a number of 5,000 digits; give 40 at most\n"
            "s.yaml:4:9: epochs: must be at least 1, not 0",
        ),
    ],
    ids=["deep flow", "deep blocks", "2 MiB", "5,000 digits"],
)
def test_large_bad_sweep(text: str, expected: str, tmp_path: Path) -> None:
    assert errors_of(text) == expected
    path = tmp_path / "s.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SweepFileError) as caught:
        load_sweep(path)
    assert str(caught.value) == expected.replace("s.yaml", str(path))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"# \xc3\xa9\nname: \xc3\xa9\xff\n", "2:8: not UTF-8 text (byte 0xff); save it as UTF-8"),
        (b"\xff\xfed\x00a\x00", "1:1: not UTF-8 text (byte 0xff); save it as UTF-8"),
        (
            b"dataset: digits\x00\n",
            "1:16: not YAML: the character '\\x00' is not allowed; leave it out",
        ),
    ],
    ids=["latin", "UTF-16", "NUL"],
)
def test_bytes_that_are_no_text(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(content)
    with pytest.raises(SweepFileError) as caught:
        load_sweep(path)
    assert str(caught.value) == f"{path}:{expected}"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: No such file or directory$"):
        load_sweep(tmp_path / "none.yaml")
    with pytest.raises(InputError, match=r": Is a directory$"):
        load_sweep(tmp_path)
    with pytest.raises(InputError, match=r"^'a\\x00b\.yaml': embedded null byte$"):
        load_sweep("a\0b.yaml")


def test_a_file_with_a_line_break_in_its_name_is_named_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a\nb\x1b[31m.yaml"
    path.write_text("dataset: digits\n")
    with pytest.raises(SweepFileError) as caught:
        load_sweep(path)
    assert str(caught.value).startswith(f"{str(path)!r}:1:1: the key schedulers is missing")
    assert str(caught.value).isprintable()


def test_bytes_of_the_command_line_that_are_no_text() -> None:
    given = {"dataset": "digits", "schedulers": {"a": {"class": "constant", "x\udcff": 1}}}
    with pytest.raises(SweepFileError, match=r"^schedulers\.a: must be whole characters, not 'x"):
        check_sweep(Document(given), source="")


def test_byte_order_mark_and_windows_newlines(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode() + b"seeds: 0\r\n")
    with pytest.raises(SweepFileError, match=r":3:8: seeds: must be from 1 "):
        load_sweep(path)


def test_a_long_list_of_mistakes_is_quick() -> None:
    start = time.monotonic()
    message = errors_of(MINIMAL + "seeds: [" + "x, " * 20_000 + "]\n")
    assert message.count("\n") == 19_999
    assert time.monotonic() - start < 60


@pytest.mark.slow
def test_the_schedulers_of_a_large_file_are_tried_at_so_many_rates_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []
    resolve = schedulers.resolve_arguments
    monkeypatch.setattr(
        schedulers, "resolve_arguments", lambda *a: tried.append(a[2].lr) or resolve(*a)
    )
    cycle = "class: OneCycleLR, total_steps: steps"
    given = "".join(f"  s{n}: {{{cycle}, max_lr: {n} lr}}\n" for n in range(1, 101))
    rates = [n / 1000 for n in range(1, 301)]
    parse_sweep(f"dataset: digits\noptimizer: {{lr: {rates}}}\nschedulers:\n{given}")
    assert tried == rates[:100] * 100


def test_a_cycle_that_is_shorter_than_the_run() -> None:
    """Torch would refuse in the middle of training: said before anything trains."""
    text = "dataset: digits\nvalidation: 36\nschedulers: {a: {class: OneCycleLR, max_lr: 0.1, %s}}"
    assert len(runs_of(text % "total_steps: steps")) == 1
    assert len(runs_of(text % "epochs: epochs, steps_per_epoch: 1")) == 1
    assert len(runs_of(text % "total_steps: 20", count=164)) == 1
    with pytest.raises(InputError) as caught:
        runs_of(text % "total_steps: 19", count=164)
    assert str(caught.value) == (
        "schedulers.a: OneCycleLR ends after 19 steps, and the run has 20; give total_steps: steps"
    )
    with pytest.raises(InputError, match="ends after 10 steps, and the run has 20; give"):
        runs_of(text % "epochs: epochs, steps_per_epoch: 1", count=164)


def test_what_depends_on_the_number_of_steps_is_said_where_the_data_are_known() -> None:
    """Without the data it is not known whether 50% is above or below 30."""
    text = (
        "dataset: digits\nvalidation: 36\nbatch_size: 16\nschedulers: {a: {class: SequentialLR, "
        "interval: step, milestones: [50%, 30], schedulers: "
        "[{class: constant}, {class: LinearLR}, {class: constant}]}}"
    )
    [run] = runs_of(text, count=100)  # ten epochs of four steps
    assert json.loads(run.scheduler_args)["milestones"] == [20, 30]
    with pytest.raises(InputError) as caught:
        runs_of(text, count=196)  # of ten
    assert str(caught.value) == "schedulers.a: milestones: must rise from 1 on, not [50, 30]"
    assert "must rise" in errors_of(text.replace("30]", "30%]"))


def test_a_time_that_the_data_do_not_allow_is_said_where_they_are_known() -> None:
    """What it takes an epoch's steps to see is no mistake before, and no scheduler's twin."""
    text = (
        "dataset: digits\nvalidation: 36\nbatch_size: 16\nschedulers:\n"
        "  a: {class: StepLR, step_size: 12 steps}\n"
        "  b: {class: StepLR, step_size: 8 steps}\n"
        "  c: {class: WarmupLR, warmup_iters: 2.25 epochs, then: {class: RexLR}}\n"
    )
    runs = {run.scheduler: json.loads(run.scheduler_args) for run in runs_of(text, count=100)}
    assert [runs[label]["step_size"] for label in "ab"] == [3, 2]  # an epoch has four steps
    assert runs["c"]["warmup_iters"] == 9
    with pytest.raises(InputError) as caught:
        runs_of(text, count=132)  # of six
    assert str(caught.value).splitlines() == [
        "schedulers.b: step_size: 8 steps is no whole number of epochs of 6 steps; give 6 steps or "
        "12 steps",
        "schedulers.c: warmup_iters: 2.25 epochs is no whole number of steps, of which an epoch "
        "has 6; give 13 steps or 14 steps",
    ]


def test_a_time_is_the_same_at_every_length_of_run() -> None:
    text = (
        "dataset: digits\nvalidation: 36\nbatch_size: 16\nepochs: [5, 10]\nschedulers:\n"
        "  time:  {class: WarmupLR, warmup_iters: 2 epochs, then: {class: RexLR}}\n"
        "  share: {class: WarmupLR, warmup_iters: 30%, then: {class: RexLR}}\n"
    )
    found = {
        (run.scheduler, run.epochs): json.loads(run.scheduler_args)["warmup_iters"]
        for run in runs_of(text, count=100)
    }
    assert found == {("time", 5): 8, ("time", 10): 8, ("share", 5): 6, ("share", 10): 12}


def test_the_families_are_resolved_to_what_shares_written_the_old_way_gave() -> None:
    """20 epochs of 19 steps: identity rests on these numbers."""
    runs = list_runs(load_sweep("families"), digits())
    given = {run.scheduler: json.loads(run.scheduler_args) for run in runs}
    assert given["step"] == {"gamma": 0.5, "interval": "epoch", "step_size": 10}
    assert given["multistep"] == {"gamma": 0.3, "interval": "epoch", "milestones": [10, 15]}
    assert given["restarts"]["T_0"] == 10
    assert given["sqrt"] == {"interval": "step", "warmup_iters": 38}
    assert (given["wsd"]["warmup_iters"], given["wsd"]["decay_iters"]) == (38, 76)
    assert given["warm_cosine"]["warmup_iters"] == given["warm_plateau"]["warmup_iters"] == 38
    assert given["warm_cosine"]["then"]["T_max"] == 18
    assert "monitor" not in given["plateau"].keys() | given["warm_plateau"]["then"].keys()


def test_a_multiple_of_the_base_rate_is_that_of_the_run() -> None:
    text = (
        "dataset: digits\noptimizer: {lr: %s}\nschedulers:\n"
        "  a: {class: CyclicLR, base_lr: 0.5 lr, max_lr: 1}\n"
        "  b: {class: CyclicLR, base_lr: 0.001, max_lr: 1}\n"
    )
    bases = {
        (run.lr, run.scheduler): json.loads(run.scheduler_args)["base_lr"]
        for run in runs_of(text % "[0.01, 0.004]")
    }
    assert bases == {
        (0.01, "a"): 0.005,
        (0.01, "b"): 0.001,
        (0.004, "a"): 0.002,
        (0.004, "b"): 0.001,
    }
    assert "b: the same scheduler as a" in errors_of(text % "0.002")
    assert "b: the same scheduler as a" in errors_of(text % "[0.01, 0.002]")


# ---- good files


def test_defaults_are_the_tutorials() -> None:
    result = parse_sweep(MINIMAL, source="some/where/my sweep.v2.yaml")
    assert result.name == "my_sweep.v2"
    assert result.dataset == DatasetSpec(name="digits")
    assert result.validation is None
    assert result.model == ModelSpec(name=("cnn",), batch_norm=(False,))
    assert result.optimizer == OptimizerSpec(name=("Adam",), lr=(0.001,))
    assert result.optimizer.arguments() == {}
    assert result.batch_size == (64,)
    assert result.epochs == (10,)
    assert result.dropout == (0.3,)
    assert result.seeds == (0,)
    assert result.target is None
    assert result.reference == "constant"
    assert result.comparison.model_dump() == {
        "reference": None,
        "metric": "test_accuracy",
        "margin": 0.05,
        "confidence": 0.95,
    }
    assert result.text == MINIMAL
    assert result.cells == 1
    [run] = list_runs(result, dataset(count=100))
    assert run == Run(
        dataset="fake",
        dataset_digest="0123456789abcdef",
        validation=16,  # a sixth
        model="cnn",
        batch_norm=False,
        optimizer="Adam",
        optimizer_args='{"betas":[0.9,0.999],"eps":1e-08,"weight_decay":0.0}',
        lr=0.001,
        batch_size=64,
        epochs=10,
        scheduler="constant",
        scheduler_class="constant",
        scheduler_args='{"interval":"epoch"}',
        dropout=0.3,
        precision="float32",
        seed=0,
    )


@pytest.mark.parametrize("path", GOOD_SWEEPS, ids=lambda path: path.stem)
def test_the_benchmarks_own_sweeps_are_valid(path: Path) -> None:
    result = load_sweep(path)
    assert result.name == path.stem
    known = result.trials or result.cells * len(result.seeds)
    # as many steps as any file needs: each schedule is walked through at every base rate
    assert len(list_runs(result, dataset(count=12_000, side=8))) == known > 0


@pytest.mark.parametrize(
    ("labels", "given", "reference"),
    [
        ("{b: {class: StepLR, step_size: 1}, constant: {class: constant}}", "", "constant"),
        ("{b: {class: StepLR, step_size: 1}, a: {class: constant}}", "", "b"),
        (
            "{b: {class: StepLR, step_size: 1}, constant: {class: constant}}",
            "comparison: {reference: b}",
            "b",
        ),
    ],
)
def test_reference(labels: str, given: str, reference: str) -> None:
    assert parse_sweep(f"dataset: digits\nschedulers: {labels}\n{given}\n").reference == reference


def test_short_forms() -> None:
    long = parse_sweep(MINIMAL + "model: {name: [cnn]}\noptimizer: {name: [Adam, SGD]}\nseeds: 3\n")
    short = parse_sweep(MINIMAL + "model: cnn\noptimizer: [Adam, SGD]\nseeds: [0, 1, 2]\n")
    assert short.model_dump() == long.model_dump()


def test_any_scalar_may_be_a_list() -> None:
    result = parse_sweep(
        MINIMAL
        + "model: {batch_norm: [false, true]}\n"
        + "optimizer: {name: SGD, lr: [0.1, 1e-2], momentum: [0, 0.9], weight_decay: [0, 1e-4]}\n"
        + "batch_size: [32, 64]\nepochs: [5, 10]\ndropout: [0.0, 0.5]\nseeds: 2\n"
    )
    runs = list_runs(result, dataset())
    assert result.cells == 2**7
    assert len(runs) == len({run.run_id for run in runs}) == 2**8
    first = runs[0]
    assert (first.batch_norm, first.lr, first.batch_size) == (False, 0.1, 32)
    assert {run.optimizer_args for run in runs} == {
        f'{{"momentum":{momentum},"nesterov":false,"weight_decay":{decay}}}'
        for momentum in ("0.0", "0.9")
        for decay in ("0.0", "0.0001")
    }


def test_runs_are_blocks_of_one_seed_after_the_other() -> None:
    runs = runs_of(
        "dataset: digits\n"
        "schedulers: {b: {class: StepLR, step_size: 5}, a: {class: constant}}\n"
        "dropout: [0.5, 0.0]\n"
        "seeds: [7, 3]\n"
    )
    assert [(run.seed, run.scheduler, run.dropout) for run in runs] == [
        (7, "b", 0.5),
        (7, "b", 0.0),
        (7, "a", 0.5),
        (7, "a", 0.0),
        (3, "b", 0.5),
        (3, "b", 0.0),
        (3, "a", 0.5),
        (3, "a", 0.0),
    ]


def test_many_runs_are_quick() -> None:
    result = parse_sweep(MINIMAL + "seeds: 100000\n")
    start = time.monotonic()
    assert len(list_runs(result, dataset())) == 100_000
    assert time.monotonic() - start < 60


def test_words_stand_for_the_horizon() -> None:
    runs = runs_of(
        "dataset: digits\n"
        "validation: 30\n"
        "epochs: [3, 5]\n"
        "batch_size: [32, 70]\n"
        "schedulers:\n"
        "  cosine: {class: CosineAnnealingLR, T_max: epochs}\n"
        "  cycle: {class: OneCycleLR, max_lr: 0.1, total_steps: steps}\n",
        count=100,
    )
    horizons = {
        (run.scheduler, run.epochs, run.batch_size): json.loads(run.scheduler_args) for run in runs
    }
    for epochs in (3, 5):
        for batch_size in (32, 70):
            cosine = horizons["cosine", epochs, batch_size]
            assert cosine == {"T_max": epochs, "eta_min": 0.0, "interval": "epoch"}
            steps = epochs * math.ceil(70 / batch_size)
            assert horizons["cycle", epochs, batch_size]["total_steps"] == steps


def test_a_validation_part_that_is_too_large() -> None:
    text = MINIMAL + "validation: 100\n"
    assert runs_of(text, count=101)[0].validation == 100
    with pytest.raises(InputError) as caught:
        runs_of(text, count=100)
    assert str(caught.value) == (
        "validation: 100 of fake's 100 training images cannot be held out; give less than 100"
    )


def test_validation_of_none() -> None:
    assert runs_of(MINIMAL + "validation: 0\n")[0].validation == 0


def test_folder_is_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "s.yaml"
    path.parent.mkdir()
    text = "dataset: {folder: ../images, size: 32, channels: 1}\n" + MINIMAL.split("\n", 1)[1]
    path.write_text(text)
    result = load_sweep(path)
    assert result.dataset.folder == str(tmp_path / "sub" / ".." / "images")
    assert (result.dataset.size, result.dataset.channels) == (32, 1)
    assert result.text == text
    absolute = parse_sweep(text.replace("../images", "/images"), source="elsewhere/s.yaml")
    assert absolute.dataset.folder == "/images"


def test_frozen() -> None:
    result = parse_sweep(MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        result.seeds = (1,)  # type: ignore[misc]
    [run] = list_runs(result, dataset())
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.seed = 1  # type: ignore[misc]


def test_names_are_those_of_the_parts() -> None:
    for name in MODELS:
        model = parse_sweep(MINIMAL + f"model: {name}\n").model
        assert (model.name, model.batch_norm, model.arguments()) == ((name,), (False,), {})
    for name in CLASSES:
        spec = parse_sweep(MINIMAL + f"optimizer: {name}\n").optimizer
        assert spec == OptimizerSpec(name=(name,))
        assert (
            spec.resolve(name, {})["weight_decay"]
            == build_optimizer(name, [torch.nn.Parameter(torch.zeros(1))], 0.1, {}).defaults[
                "weight_decay"
            ]
        )


def test_dataset_names_are_those_that_load(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set(sources.DATASETS)
    assert names == {"digits", "mnist", "fashion_mnist", "kmnist", "cifar10", "cifar100", "svhn"}
    opened = set()

    def fake(name: str) -> Callable[..., None]:
        def open_dataset(**kwargs: object) -> None:
            opened.add(name)
            raise OSError("not here")

        return open_dataset

    classes = {"MNIST", "FashionMNIST", "KMNIST", "CIFAR10", "CIFAR100", "SVHN"}
    for name in classes:
        monkeypatch.setattr(f"torchvision.datasets.{name}", fake(name))
    for name in names - {"digits"}:
        with pytest.raises(InputError, match=f"^{name} .*not here"):
            sources.load_dataset(DatasetSpec(name=name), data_dir="/nowhere", download=False)
    assert opened == classes
    assert sources.load_dataset(DatasetSpec(name="digits")).name == "digits"


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_optimizer_arguments_are_torchs(name: str) -> None:
    """What is filled in is what torch would do without it."""
    weight = torch.nn.Parameter(torch.zeros(1))
    arguments = OptimizerSpec.resolve(name, {})
    explicit = build_optimizer(
        name, [weight], 0.1, json.loads(to_canonical_json(arguments))
    ).defaults
    plain = build_optimizer(name, [weight], 0.1, {}).defaults
    assert {key: to_canonical_json({key: value}) for key, value in explicit.items()} == {
        key: to_canonical_json(
            {key: float(value) if key in arguments and type(value) is int else value}
        )
        for key, value in plain.items()
    }


def test_given_optimizer_arguments() -> None:
    [run] = runs_of(MINIMAL + "optimizer: {name: SGD, momentum: 0.9, nesterov: true}\n")
    assert run.optimizer_args == '{"momentum":0.9,"nesterov":true,"weight_decay":0.0}'


# ---- identity


GOLDEN = Run(
    dataset="digits",
    dataset_digest="0123456789abcdef",
    validation=200,
    model="cnn",
    batch_norm=False,
    optimizer="Adam",
    optimizer_args="{}",
    lr=0.001,
    batch_size=64,
    epochs=10,
    scheduler="step",
    scheduler_class="StepLR",
    scheduler_args='{"gamma":0.5,"step_size":5}',
    dropout=0.3,
    precision="float32",
    seed=0,
)


def test_run_id_is_stable() -> None:
    """If this changes, every result made so far trains again: raise SEMANTICS instead."""
    assert GOLDEN.run_id == "0b8cbc30e3696d6d"
    assert run.SEMANTICS == 4


def changed(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if value is None:
        return "scheduler"
    if value == math.inf:
        return 1.0
    return value + "x" if isinstance(value, str) else value + 1  # type: ignore[operator]


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Run)])
def test_every_field_but_the_names_counts(name: str) -> None:
    other = dataclasses.replace(GOLDEN, **{name: changed(getattr(GOLDEN, name))})
    assert re.fullmatch("[0-9a-f]{16}", other.run_id)
    assert (other.run_id == GOLDEN.run_id) is (
        name in ("scheduler", "dataset", "phase", "lr_chosen_per")
    )


def test_seeds_may_be_added_until_the_comparison_is_decided() -> None:
    two = (
        "dataset: digits\nschedulers:\n  a: {class: constant}\n  b: {class: StepLR, step_size: 1}\n"
    )
    result = parse_sweep(two + "seeds: {min: 10, max: 40}\n")
    assert result.seeds == tuple(range(40))
    assert result.adding is not None
    assert (result.adding.min, result.adding.max, result.adding.until) == (10, 40, "resolved")
    assert parse_sweep(two + "seeds: {until: resolved}\n").seeds == tuple(range(64))
    assert parse_sweep(two + "seeds: 5\n").adding is None
    confirming = parse_sweep(two + "seeds: {min: 8, max: 12, start: 100}\n")
    assert confirming.seeds == tuple(range(100, 112))
    assert ("seeds", "8 to 12, from 100, until each difference is resolved") in (
        confirming.list_matrix()
    )
    for text, place, message in (
        ("seeds: {min: 7}", "5:14: seeds.min", "at least 8"),
        ("seeds: {min: 20, max: 10}", "5:23: seeds.max", "at least min, 20, not 10"),
        ("seeds: {max: many}", "5:14: seeds.max", "many"),
        ("seeds: {until: bored}", "5:16: seeds.until", "resolved"),
        ("seeds: {most: 9}", "5:9: ", "the key 'most' is unknown"),
        ("seeds: {max: 2000000}", "5:14: seeds.max", "2000000"),
        ("seeds: {start: -1}", "5:16: seeds.start", "at least 0"),
        ("seeds: {start: true}", "5:16: seeds.start", "true"),
        ("seeds: {start: soon}", "5:16: seeds.start", "soon"),
    ):
        found = errors_of(two + text + "\n")
        assert f":{place}" in found, found
        assert message in found, found
        assert found.count("\n") == 0, found
    assert "until: resolved needs a second scheduler" in errors_of(MINIMAL + "seeds: {max: 9}\n")


def test_semantics_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dataclasses.replace(GOLDEN).run_id
    monkeypatch.setattr(run, "SEMANTICS", run.SEMANTICS + 1)
    assert dataclasses.replace(GOLDEN).run_id != before


def test_the_data_count() -> None:
    [one] = runs_of(MINIMAL)
    [other] = runs_of(MINIMAL, digest="f" * 16)
    assert one.run_id != other.run_id


BASE = "dataset: digits\nschedulers: {a: {class: StepLR, step_size: 10}}\n"


@pytest.mark.parametrize(
    "text",
    [
        BASE.replace("a:", "another:"),
        BASE.replace("step_size: 10", "step_size: epochs"),
        BASE.replace("step_size: 10", "gamma: 0.1, step_size: 10"),
        BASE.replace("step_size: 10", "step_size: 10, interval: epoch"),
        BASE.replace("step_size: 10", "step_size: 10, gamma: 1e-1"),
        "epochs: 10\n" + "\n".join(reversed(BASE.splitlines())),
        BASE + "name: other\nbatch_size: 64\ndropout: 0.3\nmodel: cnn\nvalidation: 16\n",
        BASE + "optimizer: {lr: 1e-3, weight_decay: 0, eps: 1e-8, betas: [0.9, 0.999]}\n",
        BASE + "optimizer: {weight_decay: -0.0}\n",
        BASE + "target: 0.9\ncomparison: {margin: 1, metric: val_loss}\n",
    ],
)
def test_identity_is_of_what_runs_not_of_how_it_is_written(text: str) -> None:
    [expected] = runs_of(BASE)
    [run] = runs_of(text)
    assert run.run_id == expected.run_id


@pytest.mark.parametrize("name", sorted(schedulers.CLASSES))
def test_explicit_defaults_are_the_defaults(name: str) -> None:
    constant, step = {"class": "constant"}, {"class": "StepLR", "step_size": 5}
    needed: dict[str, dict[str, Any]] = {
        "ChainedScheduler": {"schedulers": [constant, step]},
        "CosineAnnealingLR": {"T_max": 10},
        "CosineAnnealingWarmRestarts": {"T_0": 5},
        "CyclicLR": {"base_lr": 0.001, "max_lr": 0.1},
        "ExponentialLR": {"gamma": 0.5},
        "MultiStepLR": {"milestones": [3, 6]},
        "OneCycleLR": {"max_lr": 0.1, "total_steps": 20},
        "SequentialLR": {"schedulers": [constant, step], "milestones": [5]},
        "StepLR": {"step_size": 5},
        "WarmupLR": {"warmup_iters": 5, "then": step},
        "WarmupStableDecayLR": {"decay_iters": 5},
    }
    given = needed.get(name, {})
    fields = schedulers.argument_model(name).model_fields
    defaults = {key: field.default for key, field in fields.items() if not field.is_required()}
    if hasattr(schedulers.CLASSES[name], "whole"):
        defaults[schedulers.CLASSES[name].whole] = "steps"
    plain, explicit = (
        list_runs(
            parse_sweep(
                f"dataset: digits\nschedulers: {{x: {json.dumps({'class': name, **arguments})}}}"
            ),
            dataset(),
        )[0]
        for arguments in (given, {**defaults, **given})
    )
    assert plain.scheduler_args == explicit.scheduler_args
    assert plain.run_id == explicit.run_id


def test_canonical() -> None:
    assert to_canonical_json({"b": 1, "a": [0.1, True, None]}) == '{"a":[0.1,true,null],"b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_canonical_json({"a": math.nan})


# ---- fuzz


FULL = """\
name: fuzz
dataset: {folder: images, size: 32}
validation: 100
model: {name: cnn, batch_norm: [false, true]}
optimizer: {name: SGD, lr: [0.1, 1e-2], momentum: 0.9, nesterov: true}
batch_size: [32, 64]
epochs: 10
schedulers:
  constant: {class: constant}
  "step": {class: StepLR, step_size: 5, gamma: 0.5}
  cosine:
    class: CosineAnnealingLR
    T_max: epochs
  cycle: {class: OneCycleLR, max_lr: 0.1, total_steps: steps}
  plateau: {class: ReduceLROnPlateau, factor: 0.5, patience: 1}
  stones: {class: MultiStepLR, milestones: [3, 60%]}
  warm: {class: WarmupLR, warmup_iters: 10%, then: {class: RexLR, interval: epoch}}
  parts:
    class: SequentialLR
    milestones: [30%]
    schedulers:
      - {class: constant}
      - class: LinearLR
        total_iters: epochs
  both: {class: ChainedScheduler, schedulers: [{class: LinearLR}, {class: StepLR, step_size: 2}]}
dropout:
  - 0.0
  - 0.5
seeds: [1, 2, 3]
target: 0.98
comparison: {reference: constant, metric: val_accuracy, margin: 0.05}
"""
PIECES = [
    *"\t\n\r #&*!|>'\"%@`[]{},:?-~<.0189eE_\\\0\x1b\x85\u2028\ufeff\ud800é",
    *("- ", ": ", "<<: ", "*a", "&a ", "!!str ", "---\n", "...\n", "null", "true", "on", ".nan"),
    *(".inf", "1e999", "-1", "0.5", "9" * 41, '"\\U99999999"', '"\\ud800"', "{}", "[]", "epochs"),
    *("steps", "class", "constant", "StepLR", "OneCycleLR", "CyclicLR", "%YAML 9" + "9" * 5000),
    *(
        "then",
        "schedulers",
        "interval",
        "WarmupLR",
        "SequentialLR",
        "50%",
        "2 epochs",
        "2 lr",
        "[{}]",
    ),
    *("? ", "!<x> ", "!%ff ", "|9\n", ">+\n", "0x1F", "\r\n", "x" * 1100, "[" * 30),
]


def check_total(text: str) -> bool:
    """Either a sweep or a list of clear lines comes of any text; says which."""
    try:
        result = parse_sweep(text, source="s.yaml")
    except SweepFileError as error:
        for line in str(error).split("\n"):
            assert re.match(r"s\.yaml:[1-9]\d*:[1-9]\d*: \S", line)
            assert line.isprintable()
            for words in ("Input should", "Traceback", "<class", "pydantic"):
                assert words in text or words not in line
        return False
    assert isinstance(result, Sweep)
    return True


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A valid file with a few characters or lines deleted, doubled, replaced or moved."""
    text = draw(st.sampled_from([FULL, MINIMAL]))
    for _ in range(draw(st.integers(1, 4))):
        by_line = draw(st.booleans())
        parts = text.splitlines(keepends=True) if by_line else list(text)
        if not parts:
            break
        at, other = (draw(st.integers(0, len(parts) - 1)) for _ in range(2))
        action = draw(st.sampled_from(["delete", "double", "replace", "insert", "swap"]))
        piece = draw(st.sampled_from(PIECES) | st.sampled_from(parts))
        parts[at : at + 1] = {
            "delete": [],
            "double": [parts[at]] * 2,
            "replace": [piece],
            "insert": [piece, parts[at]],
            "swap": [parts[other]],
        }[action]
        text = "".join(parts)
    return text


def test_the_file_that_is_mutated_is_valid() -> None:
    assert check_total(FULL)
    assert check_total(MINIMAL)


@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_text_is_understood_or_refused(text: str) -> None:
    check_total(text)


@given(mutations())
def test_a_mutated_file_is_understood_or_refused(text: str) -> None:
    check_total(text)


def test_what_only_the_optimizer_shows_is_reported_for_all_schedulers_together():
    text = """\
dataset: digits
optimizer: {name: SGD, lr: [0.01, 0.1]}
schedulers:
  constant: {class: constant}
  one: {class: OneCycleLR, max_lr: 0.1, total_steps: steps}
  two: {class: CyclicLR, base_lr: 0.01, max_lr: 0.1}
"""
    with pytest.raises(InputError) as caught:
        list_runs(parse_sweep(text), digits())
    why = "would give SGD a momentum that it does not have; give cycle_momentum: false, or the "
    assert str(caught.value).splitlines() == [
        f"schedulers.one: OneCycleLR {why}optimizer a momentum",
        f"schedulers.two: CyclicLR {why}optimizer a momentum",
    ]
