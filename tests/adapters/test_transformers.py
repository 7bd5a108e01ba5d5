"""A trial in the Trainer of transformers: the same starts at each seed, and the rates of each
schedule, with gradients accumulated too."""

import pytest
import torch
from helpers.own_loops import run
from torch import nn
from torch.utils.data import Dataset

from lrdecay.components.schedulers import Horizon, resolve_arguments, simulate_schedule
from lrdecay.engine.record import digest_rates
from lrdecay.execution.own import Trial, TrialError

transformers = pytest.importorskip("transformers", reason="needs the extra transformers")
pytest.importorskip("accelerate", reason="needs the extra transformers")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of the package are not ours

STEPS, EPOCHS = 4, 2
SCHEDULERS = {
    "constant": {},
    "CosineAnnealingLR": {"T_max": "steps", "interval": "step"},
    "OneCycleLR": {"max_lr": "2 lr", "total_steps": "steps", "cycle_momentum": False},
    "ReduceLROnPlateau": {"patience": 0, "factor": 0.5},
}


class Points(Dataset):
    def __init__(self, seed: int, count: int = 32) -> None:
        self.x = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, place):
        return {"x": self.x[place], "labels": (self.x[place].sum() > 0).long()}


class Network(nn.Module):
    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 8), nn.Dropout(dropout), nn.Linear(8, 2))

    def forward(self, x, labels):
        logits = self.body(x)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def train(trial: Trial, folder, own_schedule=True, accumulated: int = 1, epochs: int = EPOCHS):
    from lrdecay.adapters.transformers import TrialCallback

    trial.seed_everything()
    model = Network(trial.dropout)
    optimizer = torch.optim.SGD(model.parameters(), trial.lr)
    scheduler = trial.scheduler(optimizer, steps_per_epoch=STEPS) if own_schedule else None
    trainer = transformers.Trainer(
        model,
        transformers.TrainingArguments(
            output_dir=str(folder),
            num_train_epochs=epochs,
            per_device_train_batch_size=8 // accumulated,
            gradient_accumulation_steps=accumulated,
            eval_strategy="epoch",
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            seed=trial.seed,
            logging_steps=1,
        ),
        train_dataset=Points(1),
        eval_dataset=Points(2),
        optimizers=(optimizer, scheduler),
        callbacks=[TrialCallback(trial)],
        compute_metrics=lambda found: {"half": 0.5},
    )
    trainer.train()
    trainer.evaluate(Points(3), metric_key_prefix="test")
    return trial.finish()


@pytest.mark.slow
@pytest.mark.parametrize("accumulated", [1, 2])
def test_four_schedules_at_two_seeds(tmp_path, accumulated):
    starts = {}
    for name, arguments in SCHEDULERS.items():
        for seed in (0, 1):
            asked = run(name, EPOCHS, arguments=arguments, seed=seed)
            record = train(Trial(asked), tmp_path, accumulated=accumulated)
            assert record.run["status"] == "completed"
            key = record.run["init_digest"], record.run["order_digest"]
            starts.setdefault(seed, set()).add(key)
            rows = {(row["epoch"], row["split"]) for row in record.epochs}
            assert rows == {(1, "val"), (2, "val"), (2, "test")}
            own = [(m["epoch"], m["split"], m["metric"], m["value"]) for m in record.metrics]
            assert (2, "test", "half", 0.5) in own
            assert record.run["rates_digest"] == meant(name, arguments, record)
    assert [len(of_seed) for of_seed in starts.values()] == [1, 1]
    assert starts[0] != starts[1]


def meant(name, arguments, record) -> str:
    horizon = Horizon.of(EPOCHS, STEPS, 0.1)
    losses = [row["loss"] for row in record.epochs if row["split"] == "val"]
    steered = losses if name == "ReduceLROnPlateau" else None
    resolved = resolve_arguments(name, {"interval": "epoch"} | arguments, horizon)
    rates = simulate_schedule(name, resolved, horizon, losses=steered).step_rates
    return digest_rates([rates[:STEPS], rates[STEPS:]])


def test_what_the_trainer_must_be_given(tmp_path):
    with pytest.raises(TrialError, match="the Trainer made a schedule of its own: give optimiz"):
        train(Trial(run(epochs=EPOCHS)), tmp_path, own_schedule=False)
    with pytest.raises(TrialError, match=r"num_train_epochs is 3: the trial has 2; give num_tra"):
        train(Trial(run(epochs=EPOCHS)), tmp_path, epochs=3)
