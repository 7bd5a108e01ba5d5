"""What a training step of the cnn launches, reads and writes with the kernels, counted as the
engine takes it; and what the kernels refuse."""

import pytest
import torch

pytest.importorskip("triton", reason="it comes with torch for CUDA on Linux")

from helpers.kernel_launches import note_launches

from bench.gpu_traffic import count_step
from lrdecay.engine.stacked.kernels import drop, fused_conv_block

RUNS, BATCH = 4, 64
WEIGHTS = 16 * 10 + 32 * 145 + 128 * 1569 + 10 * 129
"""The cnn's parameters for images of 28x28, all of whose parts are whole multiples of four but the
last: its row has two zeros more."""
OPTIMIZERS = {
    "adam_kernel": "{name: Adam, lr: 0.001}",
    "sgd_kernel": "{name: SGD, lr: 0.1, momentum: 0.9, weight_decay: 0.001}",
}
STEP = (
    *("convolve_kernel", "convolve_kernel", "drop_kernel", "drop_kernel"),
    *("drop_kernel", "drop_kernel", "weigh_kernel", "spread_kernel", "weigh_kernel"),
)


def empty(*shape, dtype=torch.float32):
    return torch.empty(shape, dtype=dtype, device="meta")


def count(monkeypatch, optimizer):
    """The launches of one step, and torch's own operations."""
    launches = note_launches(monkeypatch)
    counts = count_step(RUNS, optimizer=optimizer, kernels="triton")
    return launches[len(launches) // 2 :], counts  # the first half is of the step before


@pytest.mark.parametrize("update", OPTIMIZERS)
def test_a_step_of_the_cnn_is_few_launches_and_bytes(update, monkeypatch):
    launches, counts = count(monkeypatch, OPTIMIZERS[update])
    own = sum(launch.bytes for launch in launches)
    assert [launch.name for launch in launches] == [*STEP, update]
    assert counts.total_launches + len(launches) <= 40
    assert counts.megabytes + own / RUNS / 1e6 <= 50
    print(
        f"{counts.total_launches + len(launches)} launches, "
        f"{counts.megabytes + own / RUNS / 1e6:.1f} MB"
    )


def test_kernels_move_what_they_have_to_and_no_more(monkeypatch):
    """By hand, in numbers of 4 bytes: each kernel's arguments, once, or twice where it changes
    them; winners are bytes."""
    launches, _ = count(monkeypatch, OPTIMIZERS["adam_kernel"])
    found = {}
    for launch in launches:
        found.setdefault(launch.name, []).append(launch.bytes / RUNS / 4 / BATCH)
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
    assert found["adam_kernel"] == pytest.approx([(7 * (WEIGHTS + 2) + 4) / BATCH])


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
