"""A trial in Lightning's Trainer: the same starts at each seed, and the rates of each schedule."""

import pytest
import torch
from helpers.own_loops import run
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrdecay.components.schedulers import Horizon, resolve_arguments, simulate_schedule
from lrdecay.engine.record import digest_rates
from lrdecay.execution.own import Trial, TrialError

lightning = pytest.importorskip("lightning", reason="needs the extra lightning")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of the package are not ours

STEPS, EPOCHS = 4, 2
SCHEDULERS = {
    "constant": {},
    "CosineAnnealingLR": {"T_max": "steps", "interval": "step"},
    "OneCycleLR": {"max_lr": "2 lr", "total_steps": "steps", "cycle_momentum": False},
    "ReduceLROnPlateau": {"patience": 0, "factor": 0.5},
}


def data(seed: int) -> TensorDataset:
    x = torch.randn(32, 3, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(x, (x.sum(1) > 0).long())


class Module(lightning.LightningModule):
    def __init__(self, trial: Trial, interval: str = "step") -> None:
        super().__init__()
        self.trial, self.interval = trial, interval
        self.body = nn.Sequential(nn.Linear(3, 8), nn.Dropout(trial.dropout), nn.Linear(8, 2))

    def _measure(self, batch, split):
        x, y = batch
        loss = nn.functional.cross_entropy(self.body(x), y)
        self.log(f"{split}_loss", loss, on_step=False, on_epoch=True)
        self.log(f"{split}_half", 0.5, on_step=False, on_epoch=True)
        return loss

    def training_step(self, batch, _):
        return self._measure(batch, "train")

    def validation_step(self, batch, _):
        self._measure(batch, "val")

    def test_step(self, batch):
        self._measure(batch, "test")

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), self.trial.lr)
        steps = STEPS if self.interval == "step" else None
        scheduler = self.trial.scheduler(optimizer, steps_per_epoch=steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": self.interval},
        }


def train(trial: Trial, folder, epochs: int = EPOCHS):
    from lrdecay.adapters.lightning import TrialCallback

    trial.seed_everything()
    module = Module(trial)
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[TrialCallback(trial)],
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = DataLoader(data(1), 8, shuffle=True, generator=trial.generator())
    trainer.fit(module, loader, DataLoader(data(2), 8))
    trainer.test(module, DataLoader(data(3), 8), verbose=False)
    return trial.finish()


def test_four_schedules_at_two_dropouts_and_two_seeds(tmp_path):
    starts = {}
    for name, arguments in SCHEDULERS.items():
        for dropout in (0.0, 0.25):
            for seed in (0, 1):
                asked = run(name, EPOCHS, arguments=arguments, dropout=dropout, seed=seed)
                record = train(Trial(asked), tmp_path)
                assert record.run["status"] == "completed"
                assert record.run["applied_dropout"] == dropout
                key = record.run["init_digest"], record.run["order_digest"]
                starts.setdefault(seed, set()).add(key)
                rows = {(row["epoch"], row["split"]) for row in record.epochs}
                assert rows == {(1, "train"), (2, "train"), (1, "val"), (2, "val"), (2, "test")}
                own = [(m["epoch"], m["split"], m["metric"], m["value"]) for m in record.metrics]
                assert (2, "test", "half", 0.5) in own
                assert record.run["rates_digest"] == meant(name, arguments, record)
    assert [len(of_seed) for of_seed in starts.values()] == [1, 1]
    assert starts[0] != starts[1]


def meant(name, arguments, record) -> str:
    horizon = Horizon.of(EPOCHS, STEPS, 0.1)
    given = {"interval": "epoch"} | arguments
    losses = [row["loss"] for row in record.epochs if row["split"] == "val"]
    steered = losses if name == "ReduceLROnPlateau" else None
    resolved = resolve_arguments(name, given, horizon)
    rates = simulate_schedule(name, resolved, horizon, losses=steered).step_rates
    return digest_rates([rates[:STEPS], rates[STEPS:]])


def test_another_number_of_epochs_is_refused(tmp_path):
    with pytest.raises(TrialError) as caught:
        train(Trial(run(epochs=EPOCHS)), tmp_path, epochs=3)
    assert str(caught.value) == (
        "Trainer(max_epochs=3): the trial has 2; give max_epochs=trial.epochs"
    )
