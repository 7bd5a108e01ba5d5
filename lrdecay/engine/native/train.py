"""One run through the kernel: what the reference engine does, several times faster."""

import time
from dataclasses import replace

import torch
from torch import Tensor

from lrdecay.components import rng
from lrdecay.components.datasets.dataset import Data
from lrdecay.components.models import build, dropout
from lrdecay.core.run import Run
from lrdecay.engine import record
from lrdecay.engine.confusion import Names
from lrdecay.engine.measured import Epoch, Measured, Metrics, OnEpoch, is_finite, read_monitored
from lrdecay.engine.native import NAME
from lrdecay.engine.native.network import Network
from lrdecay.engine.stacked.rates import Rates
from lrdecay.store.schema import Record

_CPU = torch.device("cpu")


def train_native(
    run: Run, data: Data, on_epoch: OnEpoch | None = None, class_metrics: Names = ()
) -> Record:
    """Train one run that `find_obstacle` has nothing against, and return its rows.

    The test set is measured after every epoch and steers nothing.
    """
    started = time.perf_counter()
    model = build.build_network(run, data.shape, data.classes)
    count = len(data.train)
    size = min(run.batch_size, count)  # the kernel takes memory for whole batches
    network = Network(replace(run, batch_size=size), model, data.shape, data.classes)
    steps = -(-count // size)
    sizes = torch.tensor([min(size, count - start) for start in range(0, count, size)])
    rates = Rates([run], steps)
    epochs: list[Epoch] = []
    diverged_at_step: int | None = None
    test_correct: Tensor | None = None
    for number in range(run.epochs):
        of_steps = [numbers[:, 0].contiguous() for numbers in rates.next_epoch()]
        order = rng.draw_order(run.seed, number, count)
        taken = network.take_steps(data.train, order, number * steps, *of_steps)
        if not taken.losses.isfinite().all():
            diverged_at_step = number * steps + len(taken.losses) - 1
            break
        metrics = {
            "train": Metrics(
                float((taken.losses * sizes).sum() / count), int(taken.right.sum()) / count
            )
        }
        with network.average_weights():
            metrics["test"], likeliest = network.evaluate(data.test, class_metrics)
            metrics["train_eval"], _ = network.evaluate(data.train_eval, class_metrics)
            if data.validation is not None:
                metrics["val"], _ = network.evaluate(data.validation, class_metrics)
        test_correct = likeliest == data.test.labels
        if not is_finite(metrics):
            diverged_at_step = (number + 1) * steps - 1
            break
        epochs.append(Epoch(number + 1, of_steps[0].tolist(), metrics))
        if on_epoch is not None:
            on_epoch(run, epochs[-1])
        held_out = metrics.get("val")
        rates.end_epoch([None if held_out is None else read_monitored(run, held_out)])
    measured = Measured(
        epochs=epochs,
        diverged_at_step=diverged_at_step,
        applied_dropout=dropout.read_applied_dropout(model),
        init_digest=build.digest_weights(model),
        order_digest=rng.digest_order(run.seed, count),
        test_correct=test_correct,
        seconds=time.perf_counter() - started,
        images_seen=len(epochs) * count,
        group_size=1,
    )
    return record.record_finished(run, measured, NAME, _CPU)


def time_native(run: Run, data: Data) -> tuple[float, float]:
    """Return how long one image takes to train on and to evaluate, from a short trial."""
    size = min(run.batch_size, len(data.train))
    run = replace(run.at_constant_rate(), batch_size=size)
    few, some = data.train.first(8 * run.batch_size), data.test.first(1000)
    model = build.build_network(run, data.shape, data.classes)
    network = Network(run, model, data.shape, data.classes)
    rates = Rates([run], -(-len(few) // run.batch_size))
    order = torch.arange(len(few))
    times = 0.0, 0.0
    for _ in range(2):  # the first steps pay for what later ones find ready
        of_steps = [numbers[:, 0].contiguous() for numbers in rates.next_epoch()]
        started = time.perf_counter()
        network.take_steps(few, order, 0, *of_steps)
        trained = time.perf_counter()
        network.evaluate(some)
        times = (trained - started) / len(few), (time.perf_counter() - trained) / len(some)
    return times
