"""What a training step of the cnn launches, reads and writes with the kernels, counted on tensors
without memory; and what the kernels refuse."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

pytest.importorskip("triton", reason="it comes with torch for CUDA on Linux")

from helpers.kernel_launches import note_launches

from lrdecay.engine.stacked.kernels import adam_step, drop, fused_conv_block, sgd_step

RUNS, BATCH, IMAGES, CLASSES = 16, 64, 60_000, 10
SHAPES = {
    "first": (16, 1, 3, 3),
    "first_bias": (16,),
    "second": (32, 16, 3, 3),
    "second_bias": (32,),
    "hidden": (128, 1568),
    "hidden_bias": (128,),
    "output": (10, 128),
    "output_bias": (10,),
}
"""The cnn's parameters for images of 28x28."""


FREE = ("aten::empty", "aten::new_empty", "aten::_unsafe_view")


class Count(TorchDispatchMode):
    """Counts torch's own operations, and the bytes that each reads and writes: every tensor once,
    and of one that is indexed what is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.launches = self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func.is_view or func.name().startswith(FREE):
            return result
        touched = tree_leaves((args, kwargs, result))
        if func.name() == "aten::index.Tensor":
            touched[0] = result
        self.launches += 1
        self.bytes += sum(
            min(each.nbytes, each.untyped_storage().nbytes())
            for each in touched
            if isinstance(each, torch.Tensor)
        )
        return result


def empty(*shape, dtype=torch.float32):
    return torch.empty(shape, dtype=dtype, device="meta")


def train_step(step) -> Count:
    """A step of the cnn as the engine takes it: parameters, gradients and state in one row each."""
    sizes = [torch.Size(shape).numel() for shape in SHAPES.values()]
    rows = empty(4, RUNS, sum(sizes))
    parts = rows[0].split(sizes, 1)
    shaped = zip(parts, SHAPES.values(), strict=True)
    parameters = [part.unflatten(1, shape).requires_grad_() for part, shape in shaped]
    first, first_bias, second, second_bias, hidden, hidden_bias, output, output_bias = parameters
    images, labels = empty(IMAGES, 1, 28, 28), empty(IMAGES, dtype=torch.int64)
    batch = empty(RUNS, BATCH, dtype=torch.int64)
    keys, thresholds = empty(RUNS, dtype=torch.int64), empty(RUNS, dtype=torch.int32)
    numbers, scales = empty(5, RUNS), empty(RUNS)
    with Count() as count:
        h = fused_conv_block(images[batch], first, first_bias)
        h = fused_conv_block(h, second, second_bias).flatten(2)
        h = drop(h, keys, thresholds, scales)
        h = F.relu(torch.baddbmm(hidden_bias.unsqueeze(1), h, hidden.transpose(1, 2)))
        h = drop(h, keys, thresholds, scales)
        logits = torch.baddbmm(output_bias.unsqueeze(1), h, output.transpose(1, 2))
        right = labels[batch]
        losses = F.cross_entropy(logits.flatten(0, 1), right.flatten(), reduction="none")
        losses = losses.view(RUNS, BATCH).mean(1)
        gradients = torch.autograd.grad(losses.sum(), parameters)
        gradient = torch.cat([each.flatten(1) for each in gradients], 1)
        step(rows, gradient, numbers)
        (logits.argmax(2) == right).sum(1)
    return count


STEPS = {
    "Adam": lambda rows, g, numbers: adam_step(rows[0], g, rows[2], rows[3], *numbers[:4]),
    "AdamW": lambda rows, g, numbers: adam_step(rows[0], g, rows[2], rows[3], *numbers, True),
    "SGD": lambda rows, g, numbers: sgd_step(rows[0], g, rows[2], *numbers),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_of_the_cnn_is_few_launches_and_bytes(name, monkeypatch):
    launches = note_launches(monkeypatch)
    count = train_step(STEPS[name])
    own = sum(launch.bytes for launch in launches)
    assert [launch.name for launch in launches] == [
        *("convolve_kernel", "convolve_kernel", "drop_kernel", "drop_kernel"),
        *("drop_kernel", "drop_kernel"),
        *("weigh_kernel", "spread_kernel", "weigh_kernel"),
        "sgd_kernel" if name == "SGD" else "adam_kernel",
    ]
    assert count.launches + len(launches) <= 40
    assert (count.bytes + own) / RUNS <= 50e6


def test_kernels_move_what_they_have_to_and_no_more(monkeypatch):
    """By hand, in numbers of 4 bytes: each kernel's arguments, once, or twice where it changes
    them; winners are bytes."""
    launches = note_launches(monkeypatch)
    train_step(STEPS["Adam"])
    found = {}
    for launch in launches:
        found.setdefault(launch.name, []).append(launch.bytes / RUNS / 4 / BATCH)
    weights = sum(torch.Size(shape).numel() for shape in SHAPES.values()) / BATCH
    first, second = 16 * 14 * 14, 32 * 7 * 7
    of_first, of_second = 16 * 10 / BATCH, 32 * 145 / BATCH
    assert found["convolve_kernel"] == pytest.approx(
        [28 * 28 + 1.25 * first + of_first, first + 1.25 * second + of_second]
    )
    assert found["weigh_kernel"] == pytest.approx(
        [first + 1.25 * second + 4 * of_second, 28 * 28 + 1.25 * first + 4 * of_first]
    )
    without_bias = of_second - 32 / BATCH
    assert found["spread_kernel"] == pytest.approx([first + 1.25 * second + without_bias])
    assert found["drop_kernel"] == pytest.approx(
        [2 * size + 4 / BATCH for size in (second, 128, 128, second)]
    )
    assert found["adam_kernel"] == pytest.approx([7 * weights + 4 / BATCH])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, w, b: fused_conv_block(x.double(), w, b), "in torch.float32, not torch.float64"),
        (lambda x, w, b: fused_conv_block(x.bfloat16(), w, b), "float32, not torch.bfloat16"),
        (lambda x, w, b: drop(x.half(), b, b, b), "in torch.float32, not torch.float16"),
        (
            lambda x, w, b: fused_conv_block(x[:, :, :2], w, b),
            r"weights \(2, outputs, 2, 3, 3\)",
        ),
        (lambda x, w, b: fused_conv_block(x, w[..., :1], b), r"not \(2, 5, 3, 3, 1\)"),
        (lambda x, w, b: fused_conv_block(x[:1], w, b), r"take weights \(1, outputs, 3, 3, 3\)"),
        (
            lambda x, w, b: fused_conv_block(x[:, :1].expand(2, 2**23, 3, 8, 8), w, b),
            "a batch of 8,388,608 images has too many numbers",
        ),
    ],
)
def test_what_the_kernels_are_not_for_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(empty(2, 4, 3, 8, 8), empty(2, 5, 3, 3, 3), empty(2, 5))
