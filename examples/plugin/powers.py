"""A scheduler of one's own: the rate is multiplied by gamma in epochs 1, 2, 4, 8, ... (from 0)."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def powers_lr(optimizer: Optimizer, gamma: float = 0.5) -> LambdaLR:
    """share(t) = gamma ** n, where n powers of two are at most t."""
    return LambdaLR(optimizer, lambda t: gamma ** t.bit_length())


SCHEDULERS = {"PowersLR": powers_lr}
