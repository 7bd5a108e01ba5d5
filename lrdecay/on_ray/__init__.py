"""Runs on a Ray cluster (extra `ray`): `Cluster` is the executor."""

from lrdecay.on_ray.cluster import Cluster

__all__ = ["Cluster"]
