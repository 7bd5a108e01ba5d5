"""The side of a Ray actor that is in it, without Ray."""

from helpers.training import runs

from lrdecay.core.errors import DeviceLostError
from lrdecay.execution.grouping import Group
from lrdecay.execution.messages import Lost, Note
from lrdecay.execution.ray import worker
from lrdecay.execution.ray.worker import RayWorker

GROUP = Group("stacked", tuple(runs("epochs: 1").values()))


class Loses:
    """Says something, and loses its GPU."""

    def train(self, group, tell):
        assert group == GROUP
        tell(Note("so far so good"))
        raise DeviceLostError("AcceleratorError: CUDA error: device-side assert triggered")


def test_an_actor_whose_gpu_is_lost_says_so_last_and_does_not_die(monkeypatch):
    """The pool ends it, and what it had begun goes to a fresh one."""
    monkeypatch.setattr(worker.os, "_exit", lambda status: 1 / 0)
    actor = RayWorker()
    actor._trainer = Loses()
    messages = [message for some in actor.train(GROUP) for message in some]
    lost = Lost("AcceleratorError: CUDA error: device-side assert triggered")
    assert messages == [Note("so far so good"), lost]
