"""Runs on a Ray cluster (extra `ray`): `Cluster` is the executor."""

from lrdecay.execution.ray.executor import Cluster as Cluster
