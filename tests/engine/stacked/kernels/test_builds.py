"""The kernels as a GPU of the A100's or the H200's kind would run them: built here, without one."""

from dataclasses import replace

import pytest
import torch

pytest.importorskip("triton", reason="it comes with torch for CUDA on Linux")

from helpers import kernel_launches

from lrdecay.engine.stacked.kernels import adam_step, drop, fused_conv_block, sgd_step
from lrdecay.engine.stacked.kernels.tiles import DOT

SHARED_BYTES = {80: 163 * 1024, 90: 227 * 1024}
"""Of shared memory, what a program may take there at most."""


def launch_blocks(size: int, precision: str) -> None:
    """Both blocks of the cnn, forwards and backwards, for grey images of this size."""
    sizes = [(2, 16, 1, 16, size), (2, 16, 16, 32, size // 2)]
    for runs, batch, channels, outputs, pixels in sizes:
        x = torch.empty(runs, batch, channels, pixels, pixels, device="meta")
        weight = torch.empty(runs, outputs, channels, 3, 3, device="meta", requires_grad=True)
        bias = torch.empty(runs, outputs, device="meta")
        x.requires_grad_(channels > 1)
        fused_conv_block(x, weight, bias, precision).sum().backward()
    with torch.no_grad():
        fused_conv_block(x, weight, bias, precision)


def launch_others() -> None:
    p, g, average, square = torch.empty(4, 2, 206_922, device="meta")
    numbers = torch.empty(5, 2, device="meta")
    adam_step(p, g, average, square, *numbers[:4])
    adam_step(p, g, average, square, *numbers)
    adam_step(p, g, average, square, *numbers, decoupled=True)
    sgd_step(p, g, None, *numbers[:4])
    sgd_step(p, g, average, *numbers)
    keys, thresholds = (
        torch.empty(2, dtype=dtype, device="meta") for dtype in (torch.int64, torch.int32)
    )
    drop(torch.empty(2, 64, 128, device="meta"), keys, thresholds, torch.empty(2, device="meta"))


@pytest.fixture
def launches(monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    return kernel_launches.note_launches(monkeypatch)


def check_builds(launches, capability, title, folder) -> None:
    """Build them all; print a line of the table for each."""
    for launch in launches:
        built = launch.build(capability)
        usage = kernel_launches.read_usage(built, folder)
        figures = f"{usage['REG']} registers, {built.metadata.shared} bytes shared"
        print(f"{launch.name:16} {title:22} sm_{capability}: {figures}, {usage}")
        assert (usage["STACK"], usage["LOCAL"]) == (0, 0), launch.name
        assert built.metadata.shared <= SHARED_BYTES[capability]


@pytest.mark.slow
@pytest.mark.parametrize("capability", SHARED_BYTES)
@pytest.mark.parametrize("precision", DOT)
@pytest.mark.parametrize("size", [28, 8])
def test_the_cnns_blocks_spill_no_registers(size, precision, capability, launches, tmp_path):
    launch_blocks(size, precision)
    names = [launch.name for launch in launches]
    assert names == [
        *("convolve_kernel", "weigh_kernel"),
        *("convolve_kernel", "weigh_kernel", "spread_kernel"),
        "convolve_kernel",
    ]
    check_builds(launches, capability, f"{size}x{size} {precision}", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("capability", SHARED_BYTES)
def test_the_other_kernels_spill_no_registers(capability, launches, tmp_path):
    launch_others()
    names = [launch.name for launch in launches]
    assert names == ["adam_kernel"] * 3 + ["sgd_kernel"] * 2 + ["drop_kernel"]
    check_builds(launches, capability, "", tmp_path)


@pytest.mark.slow
def test_the_check_sees_what_is_spilled(launches, tmp_path):
    launch_others()
    starved = replace(launches[0], given={**launches[0].given, "BLOCK": 2**14})
    assert kernel_launches.read_usage(starved.build(90), tmp_path)["STACK"] > 0
