"""The parts of a sweep file as pydantic models."""

from lrdecay.specs.keys import Axis, Count, Fraction, Strict, distinct
from lrdecay.specs.optimizer import OptimizerSpec, RateChoice, optimizer_spec
from lrdecay.specs.parts import Comparison, DatasetSpec, ModelSpec, SchedulerSpec, SeedsUntil

__all__ = [
    "Axis",
    "Comparison",
    "Count",
    "DatasetSpec",
    "Fraction",
    "ModelSpec",
    "OptimizerSpec",
    "RateChoice",
    "SchedulerSpec",
    "SeedsUntil",
    "Strict",
    "distinct",
    "optimizer_spec",
]
