"""Results folders as a store leaves them, without training."""

from dataclasses import replace
from datetime import UTC, datetime

from lrdecay.core.run import Run
from lrdecay.store.schema import EPOCHS, RUNS, Record
from lrdecay.store.writer import Store

RUN = Run(
    dataset="digits",
    dataset_digest="2d78fbfd28ecef06",
    validation=239,
    model="cnn",
    batch_norm=False,
    optimizer="Adam",
    optimizer_args='{"betas":[0.9,0.999],"eps":1e-08,"weight_decay":0.0}',
    lr=0.001,
    batch_size=64,
    epochs=2,
    scheduler="constant",
    scheduler_class="constant",
    scheduler_args='{"interval":"epoch"}',
    dropout=0.3,
    precision="float32",
    seed=0,
)
SIX = [replace(RUN, seed=seed) for seed in range(6)]


TEXT = "name: small\n# with a comment\n"


def record(run: Run, status: str = "completed", accuracy: float = 0.5) -> Record:
    """A made-up outcome: two epochs, validation accuracy 0.1 above `accuracy` in the second."""
    row = dict.fromkeys(RUNS.names) | {name: getattr(run, name) for name in run.__annotations__}
    row |= {"run_id": run.run_id, "status": status, "engine": "none", "device": "none"}
    row |= {"torch_version": "2", "python_version": "3", "lrdecay_version": "0"}
    row |= {"finished_at": datetime(2020, 1, 1, tzinfo=UTC)}
    if status == "failed":
        return Record(row | {"error": "RuntimeError: no"}, [])
    epochs = [
        dict.fromkeys(EPOCHS.names, 0.001)
        | {"run_id": run.run_id, "scheduler": run.scheduler, "dropout": run.dropout}
        | {"seed": run.seed, "phase": run.phase, "epoch": epoch, "split": split}
        | {"accuracy": accuracy + 0.1 * (epoch - 1)}
        for epoch in (1, 2)
        for split in ("test", "val", "train_eval", "train")  # not the order of the table
    ]
    return Record(row | {"test_accuracy": accuracy}, epochs)


def filled(folder, parts=((0, 1), (2,)), wanted=SIX) -> Store:
    opened = Store(folder)
    opened.compact(wanted, TEXT)
    for part in parts:
        opened.commit([record(SIX[seed]) for seed in part])
    return opened
