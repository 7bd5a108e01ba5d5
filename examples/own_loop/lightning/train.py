"""A training script as anybody has one: handwritten digits in Lightning."""

import torch
from lightning import LightningModule, Trainer, seed_everything
from sklearn.datasets import load_digits
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset, random_split

PIXELS, LABELS = load_digits(return_X_y=True)
DATA = TensorDataset(torch.tensor(PIXELS / 16, dtype=torch.float32), torch.tensor(LABELS))
TRAIN, VAL, TEST = random_split(DATA, [1000, 297, 500], torch.Generator().manual_seed(0))


class Digits(LightningModule):
    """One hidden layer."""

    def __init__(self, lr, dropout, make_scheduler):
        super().__init__()
        self.lr, self.make_scheduler = lr, make_scheduler
        self.body = nn.Sequential(
            nn.Linear(64, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 10)
        )

    def measure(self, batch, split):
        """Log the loss and the accuracy, and return the loss."""
        x, y = batch
        logits = self.body(x)
        loss, accuracy = nn.functional.cross_entropy(logits, y), (logits.argmax(1) == y).float()
        measured = {f"{split}_loss": loss, f"{split}_accuracy": accuracy.mean()}
        self.log_dict(measured, on_step=False, on_epoch=True)
        return loss

    def training_step(self, batch):
        return self.measure(batch, "train")

    def validation_step(self, batch):
        self.measure(batch, "val")

    def test_step(self, batch):
        self.measure(batch, "test")

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), self.lr)
        stepped = {"scheduler": self.make_scheduler(optimizer), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": stepped}


def train(lr=0.01, dropout=0.2, epochs=5):
    """Train one network and measure it after each epoch."""
    seed_everything(0)
    loader = DataLoader(TRAIN, 50, shuffle=True)
    module = Digits(lr, dropout, lambda optimizer: CosineAnnealingLR(optimizer, epochs * 20))
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(module, loader, DataLoader(VAL, 297))
    trainer.test(module, DataLoader(TEST, 500))


if __name__ == "__main__":
    train()
