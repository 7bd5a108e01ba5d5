"""Whatever is changed in a sweep file, exactly the runs that it affects train again."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, get_args

import pandas as pd
import pytest
import torch
from helpers.made_up import Training
from helpers.results import assert_same
from PIL import Image
from pydantic import BaseModel

from lrdecay.components.models import cnn
from lrdecay.components.models.build import MODELS
from lrdecay.core.run import Run
from lrdecay.engine import devices
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_plan, read_runs
from lrdecay.sweep.config import Sweep

BASE = {
    "dataset": {"name": "digits"},
    "validation": 239,
    "model": {"name": "cnn", "batch_norm": False},
    "optimizer": {"name": "SGD", "lr": 0.1},
    "batch_size": 64,
    "epochs": 2,
    "schedulers": {
        "constant": {"class": "constant"},
        "step": {"class": "StepLR", "step_size": 1, "gamma": 0.5},
    },
    "dropout": [0.0, 0.3],
    "precision": "float32",
    "seeds": [0, 1],
    "comparison": {"reference": "constant", "metric": "val_loss", "margin": 1, "confidence": 0.9},
}
PICTURES = {"folder": "pictures", "size": 8, "channels": 1}
CHOICE = {"choose": [0.1, 0.2], "per": "scheduler", "seeds": 1}

Affected = Callable[[Run], bool]


@dataclass(frozen=True)
class Change:
    """A field of the file by the path of its key, its value before and after, the other values that
    it needs, and which runs of the changed file train."""

    field: str
    before: Any
    after: Any
    affected: Affected
    needs: tuple[tuple[str, Any], ...] = ()


def none_of_them(run: Run) -> bool:
    return False


def all_of_them(run: Run) -> bool:
    return True


def augmented(run: Run) -> bool:
    return bool(run.augmentation)


def of_optimizer(name: str, before: Any, after: Any, optimizer: str, **needs: Any) -> Change:
    """Change an argument of an optimizer; one that is no list becomes one more value."""

    def affected(run: Run) -> bool:
        # what a run does not have is as before
        return json.loads(run.optimizer_args).get(name, before) == after

    values = (before, after) if isinstance(after, list) else ([before], [before, after])
    given = {"name": optimizer, "lr": 0.1, **needs}
    return Change(f"optimizer.{name}", *values, affected, (("optimizer", given),))


CHANGES = [
    Change("dataset.name", "digits", None, all_of_them, (("dataset", PICTURES),)),
    Change("dataset.folder", "pictures", "others", all_of_them, (("dataset", PICTURES),)),
    Change("dataset.size", 8, 9, all_of_them, (("dataset", PICTURES),)),
    Change("dataset.channels", 1, 3, all_of_them, (("dataset", PICTURES),)),
    Change("dataset.on_error", "stop", "skip", none_of_them, (("dataset", PICTURES),)),
    Change("validation", 239, 240, all_of_them),
    Change("model.name", "cnn", ["cnn", "twin"], lambda run: run.model == "twin"),
    Change("model.batch_norm", False, [True, False], lambda run: run.batch_norm),
    Change("optimizer.name", "SGD", ["Adam", "SGD"], lambda run: run.optimizer == "Adam"),
    Change("optimizer.lr", 0.1, [0.2, 0.1], lambda run: run.lr == 0.2),
    Change("optimizer.lr", 0.1, CHOICE, lambda run: run.phase == "choose"),
    Change(
        "optimizer.lr.choose",
        [0.1, 0.2],
        [0.4, 0.1, 0.2],
        lambda run: run.phase == "choose" and run.lr == 0.4,
        (("optimizer.lr", CHOICE),),
    ),
    Change(
        "optimizer.lr.choose",
        [0.1, 0.2],
        [0.05, 0.1, 0.2],
        # losses are equal, and of such the smallest rate is chosen
        lambda run: run.lr == 0.05,
        (("optimizer.lr", CHOICE),),
    ),
    Change(
        "optimizer.lr.per",
        "scheduler",
        ["scheduler", "dropout"],
        none_of_them,
        (("optimizer.lr", CHOICE),),
    ),
    Change(
        "optimizer.lr.seeds",
        1,
        2,
        lambda run: run.phase == "choose" and run.seed == 1_000_001,
        (("optimizer.lr", CHOICE),),
    ),
    of_optimizer("weight_decay", 0.0, 0.1, "AdamW"),
    of_optimizer("eps", 1e-8, 1e-7, "Adam"),
    of_optimizer("betas", [0.9, 0.999], [0.9, 0.99], "Adam"),
    of_optimizer("momentum", 0.0, 0.9, "SGD"),
    of_optimizer("nesterov", False, True, "SGD", momentum=0.9),
    of_optimizer("alpha", 0.99, 0.9, "RMSprop"),
    of_optimizer("centered", False, True, "RMSprop"),
    of_optimizer("rho", 0.9, 0.8, "Adadelta"),
    of_optimizer("decay_biases", True, False, "SGD", weight_decay=0.1),
    of_optimizer("warmup_steps", 0, 5, "AdamWScheduleFree"),
    of_optimizer("r", 0.0, 1.0, "AdamWScheduleFree"),
    of_optimizer("weight_lr_power", 2.0, 1.0, "AdamWScheduleFree"),
    Change("batch_size", 64, [128, 64], lambda run: run.batch_size == 128),
    Change("epochs", 2, [3, 2], lambda run: run.epochs == 3),
    Change(
        "schedulers",
        {"constant": {"class": "constant"}, "step": {"class": "StepLR", "step_size": 1}},
        {"slow": {"class": "StepLR", "step_size": 1}, "rex": {"class": "RexLR"}},
        lambda run: run.scheduler == "rex",
        (("comparison.reference", None),),
    ),
    Change(
        "schedulers.step.class",
        "ConstantLR",
        "LinearLR",
        lambda run: run.scheduler == "step",
        (("schedulers.step", {"total_iters": 2}),),
    ),
    Change("schedulers.step.gamma", 0.5, 0.6, lambda run: run.scheduler == "step"),
    Change("schedulers.step.interval", "epoch", "step", lambda run: run.scheduler == "step"),
    Change("dropout", [0.0, 0.3], [0.5, 0.3], lambda run: run.dropout == 0.5),
    Change("precision", "float32", "bfloat16", all_of_them),
    Change("precision", "tf32", "tf32x3", all_of_them, (("kernels", "triton"),)),
    Change("kernels", "torch", "triton", all_of_them),
    Change("augment.random_crop", 0, None, none_of_them, (("augment", {}),)),
    Change("augment.random_crop", "none", [0, 4], augmented, (("augment", {}),)),
    Change("augment.horizontal_flip", 0.5, 0.25, all_of_them, (("augment", {}),)),
    Change("augment.horizontal_flip", 0, ["none", 1], augmented, (("augment", {}),)),
    Change("augment.cutout", 0, "none", none_of_them, (("augment", {"horizontal_flip": 0.5}),)),
    Change("augment.cutout", 3, 2, all_of_them, (("augment", {"horizontal_flip": 0.5}),)),
    Change("loss.name", None, "cross_entropy", none_of_them, (("loss", {}),)),
    Change(
        "loss.label_smoothing", 0, [0, 0.1], lambda run: run.label_smoothing > 0, (("loss", {}),)
    ),
    Change("loss.label_smoothing", 0.2, 0.1, all_of_them, (("loss", {}),)),
    Change("clip_grad_norm", "none", None, none_of_them),
    Change("clip_grad_norm", "none", ["none", 1.0], lambda run: run.clips),
    Change("clip_grad_norm", 2, 1.0, all_of_them),
    Change("seeds", [0, 1], [2, 1], lambda run: run.seed == 2),
    Change("target", None, 0.6, none_of_them),
    Change("target", 0.6, 0.99, none_of_them),
    Change("metrics", None, ["macro_f1"], none_of_them),
    Change("metrics", ["macro_f1"], ["macro_f1", "balanced_accuracy"], none_of_them),
    Change("comparison.reference", "constant", "step", none_of_them),
    Change("comparison.metric", "val_loss", "test_accuracy", none_of_them),
    Change("comparison.margin", 1, 2, none_of_them),
    Change("comparison.confidence", 0.9, 0.95, none_of_them),
]


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key of a sweep file by its path, in which the labels of schedulers are left out."""
    for name, field in model.model_fields.items():
        path = prefix + str(field.validation_alias or field.alias or name)
        inner = list(parts_of(field.annotation))
        for part in inner:
            yield from keys(part, f"{path}.")
        if not inner:
            yield path


def parts_of(hint: Any) -> Iterator[type[BaseModel]]:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    for each in get_args(hint):
        yield from parts_of(each)


def test_there_is_a_change_for_every_field():
    found = {change.field.replace("schedulers.step.", "schedulers.") for change in CHANGES}
    asked = set(keys(Sweep))
    assert {"dataset.channels", "optimizer.lr.per", "schedulers.class", "seeds"} < asked
    # another name is another folder; seeds that are added and trainers have tests of their own
    elsewhere = {f"seeds.{key}" for key in ("min", "max", "start", "until")}
    elsewhere |= {"trainer.name", "steps_per_epoch"}
    elsewhere |= {f"metrics.{key}" for key in ("title", "unit", "higher_is_better")}  # of trainers
    assert asked - found == {"name", *elsewhere}


def put(document: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a path of keys; None takes the key out."""
    *above, last = path.split(".")
    for key in above:
        document = document[key]
    if value is None:
        document.pop(last, None)
    else:
        document[last] = value


@pytest.fixture
def training(monkeypatch) -> Training:
    monkeypatch.setitem(MODELS, "twin", cnn.CNN)
    # nothing is computed here, so anything may be asked of a CPU
    monkeypatch.setattr(devices, "find_device", lambda *asked: torch.device("cpu"))
    return Training(monkeypatch)


@pytest.fixture
def sweep(tmp_path):
    """Run the sweep of a document, which YAML reads as it is."""

    def run(document):
        file = tmp_path / "changing.yaml"
        file.write_text(json.dumps(document))
        return run_sweep(file, tmp_path / "results", workers=0).folder

    return run


@pytest.fixture
def pictures(tmp_path) -> None:
    for grey, name in enumerate(("pictures", "others")):
        for label in range(2):
            home = tmp_path / name / f"class{label}"
            home.mkdir(parents=True)
            for number in range(200):
                shade = grey + number // 2 + 100 * label
                Image.new("L", (8, 8), shade).save(home / f"{number}.png")


def times(folder) -> dict[str, pd.Timestamp]:
    """When each run of a folder ended."""
    if not folder.exists():
        return {}
    found = read_runs(folder, ["run_id", "status", "finished_at"])
    return dict(found[["run_id", "finished_at"]].values)


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: f"{c.field} {c.after}")
def test_exactly_the_affected_runs_train_again(change, sweep, training, pictures):
    files = []
    for value in (change.before, change.after):
        document = deepcopy(BASE)
        for path, needed in deepcopy(change.needs):
            put(document, path, needed)
        put(document, change.field, value)
        files.append(document)
    if "folder" in files[0]["dataset"]:
        for document in files:
            document["validation"] = 40
            if "name" in document["dataset"]:
                document["dataset"] = {"name": "digits"}
    before, after = files

    folder = sweep(before)
    runs, made = read_runs(folder), times(folder)
    assert {run.run_id for run in training.runs} == made.keys()
    assert len(made) >= 8

    training.forget()
    sweep(after)
    changed = read_runs(folder)
    trained = {run.run_id for run in training.runs}
    assert len(trained) == len(training.runs)
    assert not trained & made.keys()
    fields = ["run_id", *Run.__dataclass_fields__]
    affected = {
        row.pop("run_id")
        for row in changed[fields].to_dict("records")
        if change.affected(Run(**{name: row[name] for name in fields[1:]}))
    }
    assert trained == affected
    now = times(folder)
    assert {run: now[run] for run in now.keys() - trained} == {
        run: made[run] for run in now.keys() - trained
    }
    earlier = times(folder / "earlier")
    no_longer = made.keys() - now.keys()
    assert {run: earlier[run] for run in no_longer} == {run: made[run] for run in no_longer}

    training.forget()
    sweep(before)
    assert training.runs == []
    pd.testing.assert_frame_equal(read_runs(folder), runs)
    kept = times(folder / "earlier")
    assert {run: kept[run] for run in trained} == {run: now[run] for run in trained}


def test_another_name_is_another_folder(sweep, training):
    first = sweep(BASE | {"name": "first"})
    made = read_runs(first)
    training.forget()
    second = sweep(BASE | {"name": "second"})
    assert (first.name, second.name) == ("first", "second")
    assert [run.run_id for run in training.runs] == made["run_id"].tolist()
    pd.testing.assert_frame_equal(read_runs(first), made)


def test_order_labels_and_comments_train_nothing(sweep, training, tmp_path):
    folder = sweep(BASE)
    made = times(folder)
    training.forget()
    upside_down = dict(reversed(BASE.items())) | {
        "schedulers": {"half": BASE["schedulers"]["step"], "constant": {"class": "constant"}},
        "dropout": [0.3, 0.0],
        "seeds": [1, 0],
    }
    sweep(upside_down)
    assert training.runs == []
    assert times(folder) == made
    runs = read_runs(folder)
    assert runs["scheduler"].tolist() == ["half", "half", "constant", "constant"] * 2
    assert runs["dropout"].tolist() == [0.3, 0.0] * 4
    assert runs["seed"].tolist() == [1] * 4 + [0] * 4
    commented = tmp_path / "changing.yaml"
    commented.write_text("# a comment\n" + json.dumps(upside_down, indent=2) + "\n")
    run_sweep(commented, tmp_path / "results", workers=0)
    assert training.runs == []
    assert read_plan(folder).sweep_text == commented.read_text()


def test_runs_that_truly_train_are_the_same_by_any_way(tmp_path, sweep):
    small = BASE | {"seeds": 1, "dropout": 0.3}
    other = deepcopy(small)
    put(other, "schedulers.step.gamma", 0.25)
    folder = sweep(small)
    made = times(folder)
    sweep(other)
    runs, now = read_runs(folder).set_index("scheduler"), times(folder)
    constant, step = runs["run_id"]["constant"], runs["run_id"]["step"]
    assert now[constant] == made[constant]
    assert step not in made
    sweep(small)
    assert times(folder) == made
    sweep(other)
    assert times(folder) == now
    fresh = tmp_path / "changing.yaml"
    assert_same(folder, run_sweep(fresh, tmp_path / "fresh", workers=0).folder)
