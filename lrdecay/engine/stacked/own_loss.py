"""The loss of a plug-in, of many runs. R runs, B images of a batch, K classes."""

import torch
from torch import Tensor

from lrdecay.components.losses.functions import LOSSES


class OwnLoss:
    """A loss by its name, for each image of each run."""

    def __init__(self, name: str) -> None:
        self._loss = LOSSES[name]

    def find_losses(self, logits_RBK: Tensor, labels_RB: Tensor) -> Tensor:
        """Return the loss of each image (R, B)."""
        if logits_RBK.device.type == "cuda":
            losses = self._loss(logits_RBK.flatten(0, 1), labels_RB.flatten())
            return losses.view(labels_RB.shape)
        # run by run, as on the reference engine: the bits are the same whatever it computes
        runs = zip(logits_RBK.unbind(), labels_RB.unbind(), strict=True)
        return torch.stack([self._loss(logits_BK, labels_B) for logits_BK, labels_B in runs])
