"""Optimizers, and what a sweep file says of one."""

from lrdecay.components.optimizers.spec import OptimizerSpec as OptimizerSpec
from lrdecay.components.optimizers.spec import RateChoice as RateChoice
