"""Whether a GPU computes what it should: streams, captured steps, and what the CPU computes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch import Tensor

from bench.gpu import problem
from bench.gpu.items import Found, item
from bench.gpu.training import NEAR, train_briefly
from lrdecay.components import rng
from lrdecay.components.models.build import MODELS, takes_batch_norm
from lrdecay.engine.precision import use_training_settings
from lrdecay.engine.stacked import cuda_graph
from lrdecay.engine.stacked.stack_check import CannotStackError
from lrdecay.execution.grouping import check_stackable

CPU = torch.device("cpu")


@item(limit=40, pretended=True)
def facts(device: torch.device) -> Iterator[Found]:
    """Driver and card; are random streams the CPU's to the bit; can a step be captured?"""
    properties = torch.cuda.get_device_properties(device) if _is_real() else None
    yield {
        "card": torch.cuda.get_device_name(device),
        "torch": f"{torch.__version__}, CUDA {torch.version.cuda}",
        "driver": _ask_driver(),
        "memory_GiB": round(properties.total_memory / 2**30, 1) if properties else None,
        "multiprocessors": properties.multi_processor_count if properties else None,
        "capability": f"{properties.major}.{properties.minor}" if properties else None,
    }
    keys = rng.make_keys(range(5), "dropout", "cpu")
    threshold = rng.mask_threshold(0.3)
    there = rng.draw_mask(keys[:, None].to(device), threshold, (3, 7, 7), device).cpu()
    same = {
        "masks": bool((there == rng.draw_mask(keys[:, None], threshold, (3, 7, 7), CPU)).all()),
        "orders": bool(
            (rng.draw_order(1, 2, 999, device).cpu() == rng.draw_order(1, 2, 999)).all()
        ),
    }
    yield {"streams_equal_the_CPUs": same}
    total = torch.zeros(4, device=device)

    def add(x: Tensor) -> tuple[Tensor, ...]:
        return (total.add_(x),)

    captured = cuda_graph.capture_step(add, [torch.zeros(4, device=device)], [total])
    for value in (1.0, 2.0):
        captured(torch.full((4,), value, device=device))
    yield {
        "captured_sum": total.tolist(),
        "right": all(same.values()) and total.tolist() == [3.0] * 4,
    }


@item(limit=50, pretended=True)
def stackable(device: torch.device) -> Iterator[Found]:
    """Which networks train many at once on this device?"""
    found: dict[str, str] = {}
    for name in MODELS:
        for batch_norm in (False, True) if takes_batch_norm(name) else (False,):
            (run,) = problem.make_runs(1, name, batch_norm)
            images = problem.split([run], device).train.images[: problem.BATCH]
            with use_training_settings():
                try:
                    check_stackable(run, images, 10)
                    answer = "yes"
                except CannotStackError as error:
                    answer = str(error)
            found[f"{name}{', batch norm' if batch_norm else ''}"] = answer
            yield {"networks": found}
    yield {"right": set(found.values()) == {"yes"}}


@item(limit=50, pretended=True)
def same_bits(device: torch.device) -> Iterator[Found]:
    """Do captured steps give the bits of uncaptured ones, a second time too, and nearly the CPU's?

    Whether runs have the same bits among fewer is reported; a GPU need not give them.
    """
    found: dict[str, Found] = {}
    right = True
    kept = [0, 2, 3, 5]
    for batch_norm in (False, True):
        runs = problem.make_runs(6, batch_norm=batch_norm)
        captured = train_briefly(runs, device)
        with _uncaptured():
            eager = train_briefly(runs, device)
        fewer = train_briefly(runs, device, keep=kept)
        promised = {
            "captured_equals_eager": captured.equals(eager),
            "repeats": captured.equals(train_briefly(runs, device)),
        }
        apart = captured.compare(train_briefly(runs, CPU))
        found["batch norm" if batch_norm else "plain"] = {
            **promised,
            "kept_equals_whole": all(
                torch.equal(whole[kept], some)
                for whole, some in zip(captured.weights, fewer.weights, strict=True)
            ),
            "differences_to_the_CPU": apart,
        }
        right &= all(promised.values()) and apart["losses_of_half_the_runs"] < NEAR
        yield {"networks": found}
    yield {"right": right}


@contextmanager
def _uncaptured() -> Iterator[None]:
    """Within the block each kernel of a step is launched by itself."""
    with patch.object(cuda_graph, "capture_step", lambda step, *given: step):
        yield


def _is_real() -> bool:
    """Whether this is a GPU, and not one that is pretended."""
    return torch.version.cuda is not None and torch._C._cuda_getDeviceCount() > 0


def _ask_driver() -> str | None:
    if shutil.which("nvidia-smi") is None:
        return None
    asked = ["nvidia-smi", "--query-gpu=driver_version,clocks.max.sm,power.limit", "--format=csv"]
    return subprocess.run(asked, capture_output=True, text=True, timeout=20).stdout.strip() or None
