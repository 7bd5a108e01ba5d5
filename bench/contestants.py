"""Who trains in the benchmark of speed, and what each process of theirs does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.util import find_spec
from typing import Any, Literal

import torch

from bench import plain, side, tutorial
from bench.side import Task
from lrdecay import engine
from lrdecay.engine.native.library import explain_absence
from lrdecay.engine.precision import use_training_settings

ENGINES = {"reference": "train_one", "stacked": "train_stacked", "native": "train_native"}
"""Engine -> the function of `lrdecay.engine` that trains with it."""

TUTORIAL, PLAIN, JAX = "tutorial's loop", "plain loops", "JAX"
NO_JAX = "JAX is not installed here, so its row is left out; `pip install 'jax>=0.6'` adds it."
_AT_ONCE = {"cpu": (1, 4, 16, 32), "cuda": (16, 64, 256)}


@dataclass(frozen=True)
class Contestant:
    """One row of the table.

    `train` does a task in a process. `processes` names the crew that does it, every process at
    once: started as a user would, or as lrdecay does; `none` is this process, with all of torch's
    threads. `at_once` are the numbers of runs at once to try; the fastest one takes part.
    """

    name: str
    train: Callable[[Task], None]
    processes: Literal["none", "user's", "lrdecay's"]
    at_once: tuple[int, ...] = (1,)


def list_contestants(device: str) -> list[Contestant]:
    """Return those that can take part here."""
    listed = [
        Contestant(TUTORIAL, _train_tutorial, "none"),
        Contestant(PLAIN, _train_plain, "user's"),
    ]
    if device == "cpu" and find_spec("jax"):
        listed.append(Contestant(JAX, _train_jax, "user's", _AT_ONCE["cpu"]))
    for name in list_engines(device):
        at_once = _AT_ONCE[device] if name == "stacked" else (1,)
        train = partial(_train_engine, name)
        listed.append(Contestant(f"{name} engine", train, "lrdecay's", at_once))
    return listed


def list_engines(device: str) -> list[str]:
    """Return the engines that lrdecay has for a device here."""
    has_native = device == "cpu" and explain_absence() is None
    return [name for name in ENGINES if name != "native" or has_native]


def _train_tutorial(task: Task) -> None:
    _, data = side.prepare(task)
    sets = _read_tutorial(task.dataset, task.images, len(data.test), task.folder)
    for _ in range(task.times):
        tutorial.train(*sets, data.shape[1], task.epochs, task.device)


@cache
def _read_tutorial(dataset: str, *cut: int | str | None) -> tuple[Any, Any]:
    return getattr(tutorial, dataset)(*cut)


def _train_plain(task: Task) -> None:
    _, data = side.prepare(task)
    torch.set_num_threads(1)
    for seed in range(task.times):
        plain.train(data, task.epochs, seed, task.device)
    side.finish(task)


def _train_jax(task: Task) -> None:
    from bench import jax_loop

    splits = jax_loop.read_splits(side.prepare(task)[1])
    for _ in range(task.times):
        jax_loop.train(splits, task.epochs, task.runs)


def _train_engine(name: str, task: Task) -> None:
    run, data = side.prepare(task)
    runs = [replace(run, seed=seed) for seed in range(task.runs)]
    device = torch.device(task.device)
    train = getattr(engine, ENGINES[name])
    with use_training_settings():
        for _ in range(task.times):
            if name == "stacked":
                train(runs, data, device)
            elif name == "native":  # on a CPU alone
                train(runs[0], data)
            else:
                train(runs[0], data, device)
        side.finish(task)
