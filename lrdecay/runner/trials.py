"""Trials one after the other, for a loop of the user's own in a script or a notebook."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import numpy as np
import torch

from lrdecay.core.run import Run
from lrdecay.execution.own import Trial, TrialError
from lrdecay.store.schema import Record
from lrdecay.store.writer import Store


def iterate_trials(
    store: Store,
    find_pending: Callable[[], Sequence[Run]],
    device: torch.device | str = "cpu",
    compared: str = "",
) -> Iterator[Trial]:
    """Yield a trial of each run that has no result yet; it is committed when the next one is asked
    for.

    A loop that ends before, by `break` or by an error, has its trial committed if all epochs were
    logged: whole or not at all. What failed is left out from then on. The states of random, numpy
    and torch are afterwards as they were before each trial.

    Args:
        store: takes the results; the caller holds the folder.
        find_pending: returns the runs to train, in order, given what the store has by then.
        device: where to train.
        compared: the metric that the comparison goes by, which every run must log.
    """
    failed: set[str] = set()
    while pending := [run for run in find_pending() if run.run_id not in failed]:
        trial = Trial(pending[0], device, compared=compared)
        with _keep_generators():
            try:
                yield trial
            except GeneratorExit:
                with suppress(TrialError):  # it has not come to its end: no result
                    store.commit([trial.record or trial.finish()])
                raise
        record = end_trial(trial)
        store.commit([record])
        if record.run["status"] == "failed":
            failed.add(trial.run_id)


def end_trial(trial: Trial) -> Record:
    """Return the outcome of a trial whose loop has ended; a mistake in the loop is its failure."""
    if trial.record is not None:
        return trial.record
    try:
        return trial.finish()
    except TrialError as error:
        return trial.fail(error)


@contextmanager
def _keep_generators() -> Iterator[None]:
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
