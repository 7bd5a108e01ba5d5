"""Many runs at once: what the reference engine does, in one computation for a whole group."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

from lrdecay.components import rng
from lrdecay.components.datasets.dataset import Data
from lrdecay.core.run import Run
from lrdecay.engine import record
from lrdecay.engine.confusion import Names
from lrdecay.engine.measured import Epoch, Measured, Metrics, OnEpoch, is_finite, read_monitored
from lrdecay.engine.precision import use_precision
from lrdecay.engine.stacked.lockstep import Lockstep, OnNote, Trained
from lrdecay.store.schema import Record

NAME = "stacked"


@dataclass
class _Member:
    """What is known of one run so far."""

    run: Run
    init_digest: str
    epochs: list[Epoch] = field(default_factory=list)
    diverged_at_step: int | None = None
    test_correct: Tensor | None = None
    seconds: float = 0.0


def train_stacked(
    runs: Sequence[Run],
    data: Data,
    device: torch.device,
    on_epoch: OnEpoch | None = None,
    on_note: OnNote | None = None,
    class_metrics: Names = (),
) -> list[Record]:
    """Train runs of one kind together and return their rows, in the same order.

    A run's seconds are its share of the group's. A run whose loss stops being finite is left out
    from the next epoch on. The test set is measured after every epoch and steers nothing:
    `Lockstep`, which trains, is not given it.
    """
    started = time.perf_counter()
    with use_precision(runs[0].precision, device):
        group = Lockstep(runs, data.train, data.classes, device, on_note)
        members = [_Member(*each) for each in zip(runs, group.init_digests, strict=False)]
        alive = members
        for number in range(1, runs[0].epochs + 1):
            trained = group.train_epoch()
            test, likeliest = group.evaluate(data.test, class_metrics)
            metrics = {
                "train": trained.metrics,
                "train_eval": group.evaluate(data.train_eval, class_metrics)[0],
                "test": test,
            }
            if data.validation is not None:
                metrics["val"] = group.evaluate(data.validation, class_metrics)[0]
            seconds = (time.perf_counter() - started) / len(alive)
            started += seconds * len(alive)
            rates, test_correct = trained.rates.T.tolist(), (likeliest == data.test.labels).cpu()
            for place, member in enumerate(alive):
                of_run = {split: of_runs[place] for split, of_runs in metrics.items()}
                member.seconds += seconds
                member.diverged_at_step = _diverged_at(trained, place, of_run)
                if member.diverged_at_step is None:
                    member.epochs.append(Epoch(number, rates[place], of_run))
                    member.test_correct = test_correct[place]
                    if on_epoch is not None:
                        on_epoch(member.run, member.epochs[-1])
            left = [p for p, member in enumerate(alive) if member.diverged_at_step is None]
            if not left:
                break
            if len(left) < len(alive):
                group.keep(left)
                alive = [alive[place] for place in left]
            held_out = [(member.run, member.epochs[-1].metrics.get("val")) for member in alive]
            group.end_epoch([None if m is None else read_monitored(run, m) for run, m in held_out])
    digest = cache(lambda seed: rng.digest_order(seed, len(data.train)))
    return [
        record.record_finished(
            member.run,
            Measured(
                epochs=member.epochs,
                diverged_at_step=member.diverged_at_step,
                applied_dropout=rate,
                init_digest=member.init_digest,
                order_digest=digest(member.run.seed),
                test_correct=member.test_correct,
                seconds=member.seconds,
                images_seen=len(member.epochs) * len(data.train),
                group_size=len(runs),
            ),
            NAME,
            device,
        )
        for member, rate in zip(members, group.applied_dropout, strict=False)
    ]


def time_stacked(runs: Sequence[Run], data: Data, device: torch.device) -> tuple[float, float]:
    """Return how long an image of one run takes to train on and to evaluate, from a short trial."""
    # a schedule may be shorter than the trial
    runs = [run.at_constant_rate() for run in runs]
    few, some = data.train.first(8 * runs[0].batch_size), data.test.first(1000)
    with use_precision(runs[0].precision, device):
        group = Lockstep(runs, few, data.classes, device)
        times = []
        for _ in range(2):  # the first steps pay for what later ones find ready
            started = time.perf_counter()
            group.train_epoch()
            trained = time.perf_counter()
            group.evaluate(some)
            times = [(trained - started) / len(few), (time.perf_counter() - trained) / len(some)]
    return times[0] / len(runs), times[1] / len(runs)


def _diverged_at(trained: Trained, place: int, metrics: dict[str, Metrics]) -> int | None:
    """Return the step (from 0) whose loss was not finite, or after which an evaluation was not."""
    finite = trained.losses[:, place].isfinite()
    if not finite.all():
        return trained.first_step + int(finite.int().argmin())
    return None if is_finite(metrics) else trained.first_step + len(finite) - 1
