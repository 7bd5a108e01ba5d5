"""Steps that cannot be captured as a CUDA graph: their runs train all the same, a note says so."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from helpers.every_kind import OPTIMIZERS
from helpers.pretended_device import PretendedGPU
from helpers.pretended_training import STEPS, Residual, own, some, train_there
from helpers.tiers import slow_but


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


def test_memory_that_is_too_small_for_a_graph_is_what_it_is(monkeypatch):
    fail_at_end(monkeypatch, torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        train_there(some("seeds: 2"))
