"""Training loops of the user's own: a trial is one run in such a loop's hands."""

from lrdecay.execution.own.errors import Diverged, TrialError
from lrdecay.execution.own.trial import Trial
from lrdecay.execution.own.trial_scheduler import TrialScheduler

__all__ = ["Diverged", "Trial", "TrialError", "TrialScheduler"]
