"""Scheduler names a sweep file may use, their arguments, and how they are built and stepped.

Every class of `torch.optim.lr_scheduler` is here under its own name and with its own argument
names, read from torch's signatures as installed; LambdaLR and MultiplicativeLR, whose arguments are
Python functions, are for plug-ins. Beside them stand the schedules that torch lacks.
"""

from lrdecay.components.schedulers.arguments import (
    argument_model,
    argument_models,
    has_fixed_arguments,
    resolve_arguments,
)
from lrdecay.components.schedulers.build import blame_plugins, build_scheduler
from lrdecay.components.schedulers.classes import (
    CLASSES,
    LENGTHS,
    find_end_argument,
    find_interval,
    list_needs,
    needs_validation,
    read_node,
    walk_tree,
)
from lrdecay.components.schedulers.curve import (
    ScheduleCurve,
    TrainingLosses,
    find_clock,
    simulate_schedule,
)
from lrdecay.components.schedulers.foreign_names import ARGUMENT_HINTS
from lrdecay.components.schedulers.horizon import Horizon, Interval
from lrdecay.components.schedulers.nesting import Part, list_parts
from lrdecay.components.schedulers.stepper import Stepper

__all__ = [
    "ARGUMENT_HINTS",
    "CLASSES",
    "LENGTHS",
    "Horizon",
    "Interval",
    "Part",
    "ScheduleCurve",
    "Stepper",
    "TrainingLosses",
    "argument_model",
    "argument_models",
    "blame_plugins",
    "build_scheduler",
    "find_clock",
    "find_end_argument",
    "find_interval",
    "has_fixed_arguments",
    "list_needs",
    "list_parts",
    "needs_validation",
    "read_node",
    "resolve_arguments",
    "simulate_schedule",
    "walk_tree",
]
