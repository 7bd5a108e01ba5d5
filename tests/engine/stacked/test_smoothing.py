"""The loss with label smoothing of many runs against torch's, run by run."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers.folders import RUN

from lrdecay.engine.stacked.smoothing import LabelSmoothing

SHARES = (1e-6, 0.1, 0.5, 0.99)
RUNS = [replace(RUN, label_smoothing=share) for share in SHARES]


def draw(dtype, classes: int = 10, runs: int = len(RUNS)):
    generator = torch.Generator().manual_seed(5)
    logits = 4 * torch.randn(runs, 33, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (runs, 33), generator=generator)
    return logits.to(dtype).requires_grad_(), labels


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_losses_and_gradients_are_torch_s(classes, dtype, rtol):
    logits, labels = draw(dtype, classes)
    losses = LabelSmoothing(RUNS, logits).find_losses(logits, labels)
    (gradient,) = torch.autograd.grad(losses.mean(1).sum(), logits)
    for place, share in enumerate(SHARES):
        own = logits[place].detach().requires_grad_()
        each = F.cross_entropy(own, labels[place], label_smoothing=share, reduction="none")
        torch.testing.assert_close(losses[place], each, rtol=rtol, atol=0)
        mean = F.cross_entropy(own, labels[place], label_smoothing=share)
        (expected,) = torch.autograd.grad(mean, own)
        torch.testing.assert_close(gradient[place], expected, rtol=rtol, atol=rtol * 1e-2)


def test_a_run_s_bits_do_not_depend_on_company():
    logits, labels = draw(torch.float32)
    together = LabelSmoothing(RUNS, logits).find_losses(logits, labels)
    for places in ([0, 1], [3, 1], [2, 0, 3]):
        few = LabelSmoothing([RUNS[place] for place in places], logits)
        assert (few.find_losses(logits[places], labels[places]) == together[places]).all()
