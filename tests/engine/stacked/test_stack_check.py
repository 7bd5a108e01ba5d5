"""Whether copies compute as one what they compute alone: in float64, whatever the device."""

import math

import pytest
import torch
from helpers.pretended_gpu import pretend_gpu
from helpers.tiers import slow_but
from helpers.training import digits
from torch import Tensor, nn
from torch.nn import functional as F

from lrdecay.components.models.build import MODELS, allow_dropout, build_model
from lrdecay.engine.stacked import blocks, in_batch, in_channels, stack_check
from lrdecay.engine.stacked.stack_check import CannotStackError, check_same_results

SHAPE = (1, 8, 8)
DIFFER = "^stacked, its copies do not compute what they compute alone$"


def two(model, shape=SHAPE, batch_norm: bool = False) -> list[nn.Module]:
    """Two networks of different weights and dropout rates."""
    with pytest.MonkeyPatch.context() as patch:
        if not isinstance(model, str):
            patch.setitem(MODELS, "mine", model)
            model = "mine"
        rates = [allow_dropout(model, rate) for rate in (0.0, 0.5)]
        return [
            build_model(model, shape, 10, seed=seed, dropout=rate, batch_norm=batch_norm)
            for seed, rate in enumerate(rates)
        ]


def some_digits(count: int = 40, size: int = 8) -> Tensor:
    """Digits in the middle of black images, in float32."""
    images = digits().train_images[:count].float() / digits().full_scale
    edge = (size - 8) // 2
    return F.pad(images, (edge, edge, edge, edge))


class Plain(nn.Module):
    """Two layers; what is done between them is what each of the following does."""

    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__()
        self.first = nn.Linear(math.prod(shape), 16)
        self.last = nn.Linear(16, classes)

    def forward(self, x):
        return self.last(self.between(self.first(x.flatten(1))))

    def between(self, h):
        return h


# What is right


@pytest.mark.parametrize("size", slow_but([28], [8, 12, 28]))
def test_statistics_of_images_that_are_mostly_black_are_no_reason(size):
    """In float32 they round by more than what a wrong network may differ by."""
    check_same_results(two("cnn", (1, size, size), batch_norm=True), some_digits(250, size))


@pytest.mark.parametrize("model", slow_but(["cnn"], MODELS))
@pytest.mark.parametrize("where", ["cpu", "cuda"])
def test_every_model_passes_in_the_form_of_each_device(model, where):
    shape = (3, 16, 16) if model == "cifar10_3c3d" else SHAPE
    images = torch.rand(20, *shape, generator=torch.Generator().manual_seed(0))
    with pretend_gpu() as gpu:
        for batch_norm in (False, True):
            check_same_results(two(model, shape, batch_norm), images.to(where))
    assert bool(gpu.waits) == (where == "cuda")  # it was computed there


@pytest.mark.parametrize("where", ["cpu", "cuda"])
def test_a_network_is_computed_once_in_the_precision_of_its_runs(monkeypatch, where):
    precisions = []
    real = stack_check.use_precision

    def use(precision, device):
        precisions.append((precision, device.type))
        return real("float32", device)

    monkeypatch.setattr(stack_check, "use_precision", use)
    with pretend_gpu():
        check_same_results(two("cnn"), some_digits().to(where), "tf32")
    assert precisions == [("tf32", where)]


# What is wrong by little


def scale_results(monkeypatch, block, by: float) -> None:
    real = block.__call__
    monkeypatch.setattr(block, "__call__", lambda *given: real(*given) * by)


@pytest.mark.parametrize(("by", "wrong"), [(1e-5, True), (0.0, False)])
@pytest.mark.parametrize("where", ["cpu", "cuda"])
def test_a_mistake_of_a_hundred_thousandth_is_found(monkeypatch, by, wrong, where):
    linear = in_batch.Linear if where == "cuda" else blocks.Linear
    scale_results(monkeypatch, linear, 1 + by)
    with pretend_gpu():
        images = some_digits().to(where)
        if wrong:
            with pytest.raises(CannotStackError, match=DIFFER):
                check_same_results(two("cnn"), images)
        else:
            check_same_results(two("cnn"), images)


@pytest.mark.parametrize(
    ("wrong", "right", "block"),
    [("cuda", "cpu", in_batch.Flatten), ("cpu", "cuda", in_channels.ChannelFlatten)],
)
def test_the_form_that_is_checked_is_the_device_s(monkeypatch, wrong, right, block):
    scale_results(monkeypatch, block, 1.001)
    with pretend_gpu():
        check_same_results(two("cnn"), some_digits().to(right))
        with pytest.raises(CannotStackError, match=DIFFER):
            check_same_results(two("cnn"), some_digits().to(wrong))


class Slightly(Plain):
    """Its gradients are a little off, and each by another factor."""

    made = 0

    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__(shape, classes, dropout)
        Slightly.made += 1
        self.factor = 1 + 1e-5 * Slightly.made

    def between(self, h):
        return h * self.factor - (h * (self.factor - 1)).detach()


def test_a_small_difference_of_gradients_is_found():
    with pytest.raises(CannotStackError, match=DIFFER):
        check_same_results(two(Slightly), some_digits())


# Networks that do not compute in float64


class Single(Plain):
    """It makes float32 of all that it is given, which float64 weights do not go with."""

    def forward(self, x):
        return super().forward(x.float())


class NormsInSingle(Plain):
    """One part of it is computed in float32, as norms often are."""

    def between(self, h):
        single = h.float()
        return (single * single.square().mean(1, keepdim=True).add(1e-3).rsqrt()).to(h.dtype)


class InHalf(Plain):
    def between(self, h):
        return h.bfloat16().relu().to(h.dtype)


class Constant(Plain):
    """What it makes without a dtype has that of a training process."""

    def between(self, h):
        return h @ torch.eye(16)


SHORT = (Single, NormsInSingle, InHalf)


@pytest.mark.parametrize("network", [*SHORT, Constant])
def test_a_network_that_shortens_numbers_is_compared_as_it_trains(network):
    exact = stack_check._stays_in_float64(two(network)[0], some_digits())
    assert exact == (network is Constant)
    check_same_results(two(network), some_digits())


@pytest.mark.parametrize("network", SHORT)
def test_it_is_refused_for_what_is_no_rounding(network):
    class Mixed(network):
        made = 0

        def __init__(self, *given, **options):
            super().__init__(*given, **options)
            Mixed.made += 1
            self.factor = float(Mixed.made)

        def between(self, h):
            return super().between(h) * self.factor

    with pytest.raises(CannotStackError, match=DIFFER):
        check_same_results(two(Mixed), some_digits())


class Uses(Plain):
    """It has a number on the host, which goes with no tensor of a device."""

    def between(self, h):
        return h + torch.ones(16)


def test_the_device_has_to_be_able_to_compute_it():
    with pretend_gpu():
        check_same_results(two(Uses), some_digits())
        with pytest.raises(CannotStackError, match="Expected all tensors to be on the same device"):
            check_same_results(two(Uses), some_digits().to("cuda"))


@pytest.mark.parametrize("network", [Plain, Single, Uses])
def test_what_the_process_has_set_stays(network):
    with pretend_gpu():
        try:
            check_same_results(two(network), some_digits().to("cuda"))
        except CannotStackError:
            assert network is Uses
    assert torch.get_default_dtype() == torch.float32


# Errors that are the device's


DEVICE_ERRORS = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    MemoryError(),
)


def failing(error: BaseException, after: int = 0) -> type[nn.Module]:
    """Networks that fail with an error once they have been called so often."""

    class Fails(Plain):
        calls = 0

        def between(self, h):
            Fails.calls += 1
            if Fails.calls > after:
                raise error
            return h

    return Fails


@pytest.mark.parametrize("after", [0, 1, 2, 5])
@pytest.mark.parametrize("error", DEVICE_ERRORS)
def test_an_error_of_the_device_is_raised_as_it_is(error, after):
    with pytest.raises(type(error)) as raised:
        check_same_results(two(failing(error, after)), some_digits())
    assert raised.value is error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        SystemExit(3),
    ],
)
def test_an_error_of_the_network_is_a_reason(error):
    with pytest.raises(CannotStackError):
        check_same_results(two(failing(error)), some_digits())
