"""The same as a loop of lrdecay's: lines of train.py that differ."""

import torch
from sklearn.datasets import load_digits
from torch.utils.data import random_split
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

from lrdecay.adapters.transformers import TrialCallback

PIXELS, LABELS = load_digits(return_X_y=True)
IMAGES = torch.tensor(PIXELS / 16, dtype=torch.float32).view(-1, 1, 8, 8)
DATA = [{"pixel_values": x, "labels": int(y)} for x, y in zip(IMAGES, LABELS, strict=True)]
TRAIN, VAL, TEST = random_split(DATA, [1000, 297, 500], torch.Generator().manual_seed(0))


def measure(predicted):
    """Return the accuracy."""
    return {"accuracy": float((predicted.predictions.argmax(1) == predicted.label_ids).mean())}


def train(trial):
    """Train one network and measure it after each epoch."""
    config = ViTConfig(
        image_size=8,
        patch_size=2,
        num_channels=1,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        hidden_dropout_prob=trial.dropout,
        initializer_range=0.2,
        num_labels=10,
    )
    model = ViTForImageClassification(config)
    arguments = TrainingArguments(
        num_train_epochs=trial.epochs,
        seed=trial.seed,
        per_device_train_batch_size=50,
        eval_strategy="epoch",
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    optimizer = torch.optim.AdamW(model.parameters(), trial.lr)
    scheduler = trial.scheduler(optimizer, steps_per_epoch=20)
    trainer = Trainer(
        model,
        arguments,
        train_dataset=TRAIN,
        eval_dataset=VAL,
        compute_metrics=measure,
        optimizers=(optimizer, scheduler),
        callbacks=[TrialCallback(trial)],
    )
    trainer.train()
    trainer.evaluate(TEST, metric_key_prefix="test")


TRAINERS = {"transformers_digits": train}
