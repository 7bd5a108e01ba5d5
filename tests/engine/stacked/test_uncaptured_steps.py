"""Steps that cannot be captured as a CUDA graph: their runs train all the same, a note says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from helpers.every_kind import OPTIMIZERS
from helpers.pretended_device import PretendedGPU
from helpers.pretended_gpu import pretend_gpu
from helpers.pretended_training import (
    CUDA,
    SHAPES,
    STEPS,
    Residual,
    own,
    some,
    take_few,
    to_cuda,
    train_there,
)
from helpers.tiers import slow_but
from helpers.training import data_of

from lrdecay.core.errors import DeviceLostError
from lrdecay.engine.device_errors import is_out_of_memory
from lrdecay.engine.stacked import train


class FromHost(Residual):
    """It sends numbers to the device in each step, for which a GPU's host waits."""

    def between(self, h):
        return h * torch.tensor([0.5], device=h.device)


class FromHostAtTheEnd(Residual):
    """It does so with a batch that is not full."""

    def between(self, h):
        return h * torch.tensor([0.5], device=h.device) if len(h) < 16 else h


UNCAPTURED = (
    "mine: trains without CUDA graphs, so slower: no step can be captured (CUDA error: operation "
    "not permitted when stream is capturing (a tensor of the host's numbers at "
    "test_uncaptured_steps.py:"
)


@pytest.mark.parametrize("optimizer", slow_but(["free_all"], OPTIMIZERS))
@pytest.mark.parametrize(("network", "replays"), [(FromHost, 0), (FromHostAtTheEnd, STEPS - 1)])
def test_a_step_that_cannot_be_captured_is_taken_as_it_is(monkeypatch, optimizer, network, replays):
    together = own(monkeypatch, network, f"optimizer: {OPTIMIZERS[optimizer]}", epochs=3)
    found, expected = train_there(together), train_there(together, eager=True)
    assert found.outcomes() == expected.outcomes()
    assert {record.run["status"] for record in found.records} == {"completed"}
    (note,) = found.notes
    assert note.startswith(UNCAPTURED)
    assert "return h * torch.tensor([0.5], device=h.device)" in note
    assert found.gpu.replays == replays


def fail_at_end(monkeypatch, error: Exception) -> None:
    """Have every capture end with an error."""
    real = PretendedGPU.capture

    @contextmanager
    def capture(self: PretendedGPU, graph: object, **options: object) -> Iterator[None]:
        with real(self, graph):
            yield
        raise error

    monkeypatch.setattr(PretendedGPU, "capture", capture)


def test_a_capture_that_ends_badly_is_no_failure_of_the_runs(monkeypatch):
    together = some("seeds: 2\nmodel: {batch_norm: true}")
    expected = train_there(together, eager=True)
    reason = "CUDA error: dependency created on uncaptured work"
    fail_at_end(monkeypatch, RuntimeError(f"{reason}\nand more"))
    found = train_there(together)
    assert found.outcomes() == expected.outcomes()
    assert (found.gpu.captures, found.gpu.replays) == (1, 0)
    assert found.notes == [
        f"cnn: trains without CUDA graphs, so slower: no step can be captured ({reason})"
    ]


def test_memory_that_is_too_small_for_a_graph_ends_the_process(monkeypatch):
    """A fresh one can capture; this one may not any more."""
    fail_at_end(monkeypatch, torch.OutOfMemoryError("CUDA out of memory. Tried"))
    with pytest.raises(DeviceLostError) as raised:
        train_there(some("seeds: 2"))
    assert str(raised.value) == "out of memory for a CUDA graph: CUDA out of memory. Tried"
    assert is_out_of_memory(raised.value)


def test_after_a_failure_a_process_tries_no_other(monkeypatch):
    """The next group may be of a network that could be captured."""
    bad, good = own(monkeypatch, FromHost), some("seeds: 2")
    expected = train_there(good, eager=True)
    with pretend_gpu() as gpu:
        notes: list[str] = []
        for together in (bad, good):
            data = to_cuda(take_few(data_of(together[0])))
            records = train.train_stacked(together, data, CUDA, on_note=notes.append)
    assert (gpu.captures, gpu.replays, len(notes)) == (1, 0, 2)
    assert notes[1] == notes[0].replace("mine", "cnn", 1)
    assert replace(expected, records=records).outcomes() == expected.outcomes()


def test_graphs_of_one_group_share_their_memory(monkeypatch):
    pools: list[object] = []
    real = PretendedGPU.capture

    def capture(gpu, graph, pool):
        pools.append(pool)
        return real(gpu, graph)

    monkeypatch.setattr(PretendedGPU, "capture", capture)
    together = some("seeds: 2")
    with pretend_gpu(), pytest.MonkeyPatch.context() as patch:
        handles = iter([(0, 1), (0, 2)])
        patch.setattr(torch.cuda, "graph_pool_handle", lambda: next(handles))
        data = to_cuda(take_few(data_of(together[0])))
        for _ in range(2):
            train.train_stacked(together, data, CUDA)
    assert pools == [(0, 1)] * SHAPES + [(0, 2)] * SHAPES
