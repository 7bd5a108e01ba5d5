"""One run in plain PyTorch, short and obvious: the oracle for anything faster."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from schedulefree import AdamWScheduleFree
from torch import Tensor, nn
from torch.optim import Optimizer

from lrdecay.components import registry, rng, schedulers
from lrdecay.components.datasets.dataset import Data, Split
from lrdecay.components.losses.functions import find_mean_loss
from lrdecay.components.models import build, dropout
from lrdecay.components.optimizers.build import build_optimizer
from lrdecay.components.transforms.augmentation import Augmentation
from lrdecay.core.run import Run
from lrdecay.engine import record
from lrdecay.engine.confusion import Names, measure_classes
from lrdecay.engine.measured import (
    EVALUATION_BATCH,
    Epoch,
    Measured,
    Metrics,
    OnEpoch,
    is_finite,
    read_monitored,
)
from lrdecay.engine.onednn import to_blocked
from lrdecay.engine.precision import use_precision
from lrdecay.store.schema import Record

NAME = "reference"

OnBatch = Callable[[int, int, list[Tensor]], None]
"""Called with an epoch (from 1), its number of batches, and the mean losses of those done."""
TakeImages = Callable[[Tensor, int], Tensor]
"""Gives the images of a batch, by their places, as training sees them in an epoch (from 0)."""


@dataclass(frozen=True)
class _Trained:
    """What training itself knows of an epoch; the test set is not among it."""

    steps: int
    rates: list[float]
    step_losses: list[float]
    train: Metrics
    validation: Metrics | None
    diverged_at_step: int | None


def train_one(
    run: Run,
    data: Data,
    device: torch.device,
    on_epoch: OnEpoch | None = None,
    on_batch: OnBatch | None = None,
    class_metrics: Names = (),
) -> Record:
    """Train one run from its first step to its last and return its rows.

    The test set is measured after every epoch and steers nothing: `_fit`, which trains, is not
    given it. What a network draws from torch's own generator is a function of the seed as well.
    `class_metrics` are those of `confusion.METRICS` that each evaluation is to have.
    """
    with use_precision(run.precision, device), rng.seed_torch(run.seed, "other", device):
        started = time.perf_counter()
        model = build.build_network(run, data.shape, data.classes)
        init_digest = build.digest_weights(model)
        model = _placed(model, device, run.precision)
        epochs: list[Epoch] = []
        diverged_at_step = None
        test_correct = None
        for trained in _fit(run, model, data.train, data.validation, on_batch, class_metrics):
            diverged_at_step = trained.diverged_at_step
            if diverged_at_step is not None:
                break
            test, likeliest = evaluate(model, data.test, class_metrics)
            test_correct = likeliest == data.test.labels
            metrics = {
                "train": trained.train,
                "train_eval": evaluate(model, data.train_eval, class_metrics)[0],
                "test": test,
            }
            if trained.validation is not None:
                metrics["val"] = trained.validation
            if not is_finite(metrics):
                diverged_at_step = trained.steps - 1
                break
            epochs.append(Epoch(len(epochs) + 1, trained.rates, metrics, trained.step_losses))
            if on_epoch is not None:
                on_epoch(run, epochs[-1])
        measured = Measured(
            epochs=epochs,
            diverged_at_step=diverged_at_step,
            applied_dropout=dropout.read_applied_dropout(model),
            init_digest=init_digest,
            order_digest=rng.digest_order(run.seed, len(data.train)),
            test_correct=test_correct,
            seconds=time.perf_counter() - started,
            images_seen=len(epochs) * len(data.train),
            group_size=1,
        )
        return record.record_finished(run, measured, NAME, device)


def _fit(
    run: Run,
    model: nn.Module,
    train: Split,
    validation: Split | None,
    on_batch: OnBatch | None,
    class_metrics: Names,
) -> Iterator[_Trained]:
    """Train, yielding after every epoch; the last one yielded is the epoch it diverged in."""
    optimizer = build_optimizer(run.optimizer, model.parameters(), run.lr, run.optimizer_arguments)
    of_run = run.scheduler_class, run.scheduler_arguments
    scheduler = schedulers.build_scheduler(*of_run, optimizer)
    groups = optimizer.param_groups
    if registry.find_plugin("optimizer", run.optimizer):
        groups = groups[:1]  # it may have groups with rates of their own
    needs_loss = "loss" in schedulers.list_needs(*of_run)
    take_images = _augment(run, train)
    step = 0
    of_training: dict[str, Tensor] = {}
    for epoch in range(run.epochs):
        _to_training(model, optimizer, of_training)
        model.train()
        order = rng.draw_order(run.seed, epoch, len(train), train.labels.device)
        batches = order.split(run.batch_size)
        rates: list[float] = []
        step_losses: list[float] = []
        losses, correct = [], []
        for batch in batches:
            images, labels = take_images(batch, epoch), train.labels[batch]
            dropout.set_dropout_step(model, run.seed, step)
            rates.append(_read_rate(groups))
            logits = model(images)
            loss = find_mean_loss(run, logits, labels)
            optimizer.zero_grad()
            loss.backward()
            if run.clips:
                nn.utils.clip_grad_norm_(model.parameters(), run.clip_grad_norm)
            optimizer.step()
            step += 1
            losses.append(loss.detach())
            correct.append((logits.detach().argmax(1) == labels).sum())
            if on_batch is not None:
                on_batch(epoch + 1, len(batches), losses)
            if needs_loss:
                step_losses.append(float(losses[-1]))
                if not math.isfinite(step_losses[-1]):
                    break
            with schedulers.blame_plugins(*of_run):
                scheduler.after_step(step_losses[-1] if needs_loss else None)
        sizes = torch.tensor([len(batch) for batch in batches[: len(losses)]])
        batch_losses = torch.stack(losses).cpu().double()
        finite = batch_losses.isfinite()
        measured = Metrics(
            loss=float((batch_losses * sizes).sum() / len(train)),
            accuracy=int(torch.stack(correct).sum()) / len(train),
        )
        if not finite.all():
            first = step - len(losses) + int(finite.int().argmin())
            yield _Trained(step, rates, step_losses, measured, None, diverged_at_step=first)
            return
        of_training = _to_evaluation(run, model, optimizer, train.labels, take_images)
        held_out = None if validation is None else evaluate(model, validation, class_metrics)[0]
        monitored = None if held_out is None else read_monitored(run, held_out)
        with schedulers.blame_plugins(*of_run):
            scheduler.after_epoch(monitored, measured.loss)
        yield _Trained(step, rates, step_losses, measured, held_out, diverged_at_step=None)


def _augment(run: Run, train: Split) -> TakeImages:
    """Return what gives the images of a batch as training sees them."""
    if not run.augmentation:
        return lambda batch, epoch: train.images[batch]
    augmentation = Augmentation(run.augmentation, train.black, train.images)

    def take_images(batch: Tensor, epoch: int) -> Tensor:
        keys = augmentation.make_keys([run.seed], epoch, batch.device)[:, 0]
        return augmentation.apply(train.images[batch], batch, keys)

    return take_images


def _read_rate(groups: schedulers.Groups) -> float:
    rate = float(schedulers.read_rate(groups))  # type: ignore[arg-type]  # complex: a TypeError
    if not math.isfinite(rate):
        raise ValueError(f"the scheduler set the learning rate to {rate}")
    return rate


def _to_evaluation(
    run: Run, model: nn.Module, optimizer: Optimizer, labels: Tensor, take_images: TakeImages
) -> dict[str, Tensor]:
    """Move to the weights that evaluations are at, and return those that training goes on from,
    where they are others."""
    if not isinstance(optimizer, AdamWScheduleFree):
        return {}
    of_training = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer.eval()
    if build.has_running_statistics(model):
        _refresh_statistics(run, model, labels, take_images)
    return of_training


def _to_training(model: nn.Module, optimizer: Optimizer, of_training: dict[str, Tensor]) -> None:
    """Move back, to the bit: evaluating steers nothing."""
    if isinstance(optimizer, AdamWScheduleFree) and of_training:
        optimizer.train()
        model.load_state_dict(of_training)  # the optimizer's own way back rounds


@torch.no_grad()
def _refresh_statistics(
    run: Run, model: nn.Module, labels: Tensor, take_images: TakeImages
) -> None:
    """Renew batch normalisation's running statistics at the weights as they are."""
    model.train()
    order = rng.draw_order(run.seed, 0, len(labels), labels.device)
    for step, batch in enumerate(order.split(run.batch_size)[: build.REFRESHED_BATCHES]):
        dropout.set_dropout_step(model, run.seed, step)
        model(take_images(batch, 0))


@torch.inference_mode()
def evaluate(model: nn.Module, split: Split, class_metrics: Names = ()) -> tuple[Metrics, Tensor]:
    """Return metrics on a split with dropout off, and the class that each image was taken for
    (n,)."""
    model.eval()
    losses, taken_for = [], []
    for images, labels in zip(
        split.images.split(EVALUATION_BATCH), split.labels.split(EVALUATION_BATCH), strict=True
    ):
        logits = model(images.clone())  # a module may work in place
        losses.append(F.cross_entropy(logits, labels, reduction="none"))
        taken_for.append(logits.argmax(1))
    likeliest = torch.cat(taken_for)
    loss = float(torch.cat(losses).double().mean())
    right = int((likeliest == split.labels).sum())
    (further,) = measure_classes(class_metrics, split.labels, likeliest[None], logits.shape[1])
    return Metrics(loss, right / len(split), further), likeliest


def _placed(model: nn.Module, device: torch.device, precision: str) -> nn.Module:
    """Return the model on the device, its images in the layout that is fastest there."""
    in_float32 = precision == "float32" and torch.get_default_dtype() == torch.float32
    if device.type == "cpu" and in_float32:
        return to_blocked(model)
    return model.to(device).to(memory_format=torch.channels_last)


def time_reference(run: Run, data: Data, device: torch.device) -> tuple[float, float]:
    """Return how long one image takes to train on and to evaluate, from a short trial."""
    steps, evaluated = 8, 1000
    few, some = data.train.first(steps * run.batch_size), data.test.first(evaluated)
    nothing = few.first(1)
    short = replace(run.at_constant_rate(), epochs=1)
    trial = Data(few, nothing, None, nothing, data.classes)
    train_one(short, trial, device)  # the first steps pay for what later ones find ready
    started = time.perf_counter()
    train_one(short, trial, device)
    training = (time.perf_counter() - started) / len(few)
    model = _placed(build.build_network(run, data.shape, data.classes), device, run.precision)
    with use_precision(run.precision, device):
        evaluate(model, some)
        started = time.perf_counter()
        evaluate(model, some)
        return training, (time.perf_counter() - started) / len(some)
