"""Scheduler names a sweep file may use, their arguments, and how they are built and stepped.

Every class of `torch.optim.lr_scheduler` is here under its own name and with its own argument
names, read from torch's signatures as installed; LambdaLR and MultiplicativeLR, whose arguments are
Python functions, are for plug-ins. Beside them stand the schedules that torch lacks.
"""

from lrdecay.components.schedulers.arguments import argument_models, arguments, is_fixed, resolve
from lrdecay.components.schedulers.build import build, clock, walk
from lrdecay.components.schedulers.classes import (
    CLASSES,
    LENGTHS,
    interval,
    needs_validation,
    nodes,
    whole,
)
from lrdecay.components.schedulers.horizon import Horizon, Interval
from lrdecay.components.schedulers.nesting import Part, all_parts
from lrdecay.components.schedulers.stepper import Stepper

__all__ = [
    "CLASSES",
    "LENGTHS",
    "Horizon",
    "Interval",
    "Part",
    "Stepper",
    "all_parts",
    "argument_models",
    "arguments",
    "build",
    "clock",
    "interval",
    "is_fixed",
    "needs_validation",
    "nodes",
    "resolve",
    "walk",
    "whole",
]
