"""What is said of a Ray cluster that is not there; tests/faults has one of two nodes."""

import sys

import pytest

from lrdecay.core.errors import InputError
from lrdecay.execution.ray import Cluster


def test_a_cluster_that_cannot_be_reached_is_said_at_once():
    with pytest.raises(InputError, match=r"--address 127.0.0.1:1: no Ray cluster answers there"):
        Cluster("127.0.0.1:1")
    with pytest.raises(InputError, match=r"--address here: no Ray cluster answers there"):
        Cluster("here")


def test_without_ray_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="`pip install ray` does that"):
        Cluster()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"workers": 0}, "workers: must be at least 1, not 0"),
        ({"gpus": 0}, "gpus: a worker takes a share of one GPU, as 0.5, not 0"),
        ({"gpus": 1.5}, "gpus: a worker takes a share of one GPU, as 0.5, not 1.5"),
        ({"time_limit": 0}, "time_limit: must be more than 0 seconds, not 0"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        Cluster(**given)
