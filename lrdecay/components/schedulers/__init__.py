"""Scheduler names a sweep file may use, their arguments, and how they are built and stepped.

Every class of `torch.optim.lr_scheduler` is here under its own name and with its own argument
names, read from torch's signatures as installed; LambdaLR and MultiplicativeLR, whose arguments are
Python functions, are for plug-ins. Beside them stand the schedules that torch lacks.
"""

from lrdecay.components.schedulers.arguments import argument_model as argument_model
from lrdecay.components.schedulers.arguments import argument_models as argument_models
from lrdecay.components.schedulers.arguments import has_fixed_arguments as has_fixed_arguments
from lrdecay.components.schedulers.arguments import resolve_arguments as resolve_arguments
from lrdecay.components.schedulers.build import build_scheduler as build_scheduler
from lrdecay.components.schedulers.classes import CLASSES as CLASSES
from lrdecay.components.schedulers.classes import LENGTHS as LENGTHS
from lrdecay.components.schedulers.classes import find_end_argument as find_end_argument
from lrdecay.components.schedulers.classes import find_interval as find_interval
from lrdecay.components.schedulers.classes import needs_validation as needs_validation
from lrdecay.components.schedulers.classes import walk_tree as walk_tree
from lrdecay.components.schedulers.curve import ScheduleCurve as ScheduleCurve
from lrdecay.components.schedulers.curve import find_clock as find_clock
from lrdecay.components.schedulers.curve import simulate_schedule as simulate_schedule
from lrdecay.components.schedulers.horizon import Horizon as Horizon
from lrdecay.components.schedulers.nesting import Part as Part
from lrdecay.components.schedulers.nesting import list_parts as list_parts
from lrdecay.components.schedulers.stepper import Stepper as Stepper
