"""Hugging Face's GreedyLR (transformers 5.3 or newer), steered by the loss of every step."""

from torch.optim import Optimizer
from transformers.optimization import GreedyLR as HuggingFaceGreedyLR


class GreedyLR(HuggingFaceGreedyLR):
    """The arguments that a sweep file may give, with a floor that suits Adam."""

    needs = ("loss",)
    interval = "step"

    def __init__(
        self, optimizer: Optimizer, factor: float = 0.95, patience: int = 10, min_lr: float = 1e-5
    ) -> None:
        super().__init__(optimizer, factor=factor, patience=patience, min_lr=min_lr)


SCHEDULERS = {"HuggingFaceGreedyLR": GreedyLR}
