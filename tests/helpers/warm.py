"""Imported once by the process that others are forked from: what takes long is done by then."""

import torch
from helpers.training import CPU, digits, sweep

from lrdecay.execution import grouping
from lrdecay.sweep.matrix import list_runs

torch.set_num_threads(1)
grouping.plan_groups(list_runs(sweep(), digits()), digits(), CPU, 1)  # imports the rest of torch
