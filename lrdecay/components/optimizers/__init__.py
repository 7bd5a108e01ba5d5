"""Optimizers, and what a sweep file says of one."""

from lrdecay.components.optimizers.spec import OptimizerSpec, RateChoice

__all__ = ["OptimizerSpec", "RateChoice"]
