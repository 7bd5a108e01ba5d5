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
    takes_length,
)
from lrdecay.components.schedulers.build import blame_plugins, build_scheduler
from lrdecay.components.schedulers.classes import (
    CLASSES,
    LENGTHS,
    MONITORS,
    NESTED,
    find_end_argument,
    find_interval,
    find_monitor,
    is_plateau,
    list_children,
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
from lrdecay.components.schedulers.groups import Groups, read_momentum, read_rate
from lrdecay.components.schedulers.horizon import Horizon, Interval
from lrdecay.components.schedulers.lengths import explain_length, read_length
from lrdecay.components.schedulers.nesting import Part, list_parts
from lrdecay.components.schedulers.stepper import Stepper

__all__ = [
    "ARGUMENT_HINTS",
    "CLASSES",
    "LENGTHS",
    "MONITORS",
    "NESTED",
    "Groups",
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
    "explain_length",
    "find_clock",
    "find_end_argument",
    "find_interval",
    "find_monitor",
    "has_fixed_arguments",
    "is_plateau",
    "list_children",
    "list_needs",
    "list_parts",
    "needs_validation",
    "read_length",
    "read_momentum",
    "read_node",
    "read_rate",
    "resolve_arguments",
    "simulate_schedule",
    "takes_length",
    "walk_tree",
]
