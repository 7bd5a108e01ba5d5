"""The pretended GPU itself: where tensors are, when the host waits, and what a graph does."""

import pytest
import torch
from helpers.pretended_gpu import pretend_gpu
from helpers.pretended_training import CUDA


def test_tensors_are_where_they_were_made_or_moved_to():
    with pretend_gpu() as gpu:
        host = torch.arange(6.0)
        there = host.to("cuda")
        made = torch.ones(2, 3, device=CUDA)
        places = [host, there, made, there[2:], there.view(2, 3) + made, there.double().cpu()]
        assert [str(each.device) for each in places] == ["cpu", *["cuda:0"] * 4, "cpu"]
        assert [each.is_cuda for each in places] == [False, *[True] * 4, False]
        assert [wait.why for wait in gpu.waits] == ["to the device", "to the host"]
        assert places[-1].tolist() == [0, 1, 2, 3, 4, 5]
        assert len(gpu.waits) == 2
        with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
            there.numpy()
    assert str(there.device) == "cpu"


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (lambda x: x.sum().item(), "aten._local_scalar_dense.default"),
        (lambda x: bool((x > 1).any()), "aten._local_scalar_dense.default"),
        (lambda x: x[x > 1], "aten.index.Tensor"),
        (lambda x: x.nonzero(), "aten.nonzero.default"),
        (lambda x: x.tolist(), "tolist"),
        (lambda x: x.cpu(), "to the host"),
        (lambda x: x.equal(x), "aten.equal.default"),
        (lambda x: torch.cuda.synchronize(), "synchronize"),
        (lambda x: x.copy_(torch.zeros(4)), "a copy between devices"),
    ],
)
def test_every_wait_is_noted_with_its_line_and_is_an_error_in_a_capture(ask, why):
    with pretend_gpu() as gpu:
        x = torch.zeros(4, device=CUDA)
        ask(x)
        (wait,) = gpu.waits
        assert wait.why == why
        assert wait.where.startswith("test_pretended_device.py:")
        graph = torch.cuda.CUDAGraph()
        with (
            pytest.raises(torch.AcceleratorError, match="not permitted when stream is capturing"),
            torch.cuda.graph(graph),
        ):
            ask(x)
        ask(x)  # what failed has left nothing behind
        assert len(gpu.waits) == 2


@pytest.mark.parametrize(
    "mix",
    [
        lambda x, host: x + host,
        lambda x, host: host[x.long()],
        lambda x, host: torch.stack([x, host]),
        lambda x, host: host.mul_(x),
    ],
)
def test_tensors_of_both_devices_do_not_mix(mix):
    with pretend_gpu():
        x, host = torch.ones(3, device=CUDA), torch.ones(3)
        assert (x + torch.tensor(2.0)).cpu().tolist() == [3, 3, 3]  # a number is a number
        with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
            mix(x, host)


def test_a_capture_computes_nothing_and_a_replay_all():
    with pretend_gpu() as gpu:
        x, total = torch.ones(3, device=CUDA), torch.zeros(3, device=CUDA)
        factor = torch.tensor(2.0)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            doubled = x * factor
            total += doubled
        assert total.cpu().tolist() == [0, 0, 0]
        assert doubled.cpu().isnan().all()
        factor.fill_(100.0)  # the host's numbers are those of the capture
        for value in (1.0, 5.0):
            x.fill_(value)
            graph.replay()
        assert doubled.cpu().tolist() == [10, 10, 10]
        assert total.cpu().tolist() == [12, 12, 12]
        assert (gpu.captures, gpu.replays) == (1, 2)
        del total
        with pytest.raises(RuntimeError, match="a graph uses memory that has been freed"):
            graph.replay()
