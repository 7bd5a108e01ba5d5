"""Imported once by the process that others are forked from: what takes long is done by then."""

import torch
from training import CPU, digits, sweep

from lrdecay import groups

torch.set_num_threads(1)
groups.plan(sweep().runs(digits()), digits(), CPU, 1)  # imports the rest of torch
