"""The loss with label smoothing of many runs, each with its own share.

R runs, B images of a batch, K classes.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lrdecay.core.run import Run


class LabelSmoothing:
    """What `F.cross_entropy(..., label_smoothing=s)` is for each image, with an `s` for each run.

    Formula: torch's documentation of `CrossEntropyLoss` (Szegedy et al., "Rethinking the Inception
    Architecture for Computer Vision", 2016): of each label a share s goes to all classes alike.
    """

    def __init__(self, runs: Sequence[Run], like: Tensor) -> None:
        """Take the device and the type of numbers of `like`."""
        shares = torch.tensor([[run.label_smoothing] for run in runs], dtype=torch.float64)
        self._kept_R1, self._spread_R1 = (1 - shares).to(like), shares.to(like)

    def find_losses(self, logits_RBK: Tensor, labels_RB: Tensor) -> Tensor:
        """Return the loss of each image (R, B)."""
        logs = F.log_softmax(logits_RBK, 2)
        of_label = F.nll_loss(logs.flatten(0, 1), labels_RB.flatten(), reduction="none")
        return self._kept_R1 * of_label.view(labels_RB.shape) - self._spread_R1 * logs.mean(2)
