"""What trains runs in a worker by a loop of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lrdecay.components.plugins import load_as_elsewhere
from lrdecay.components.registry import blame_plugin, describe_cause, find_plugin
from lrdecay.components.trainers import TRAINERS
from lrdecay.core.run import Run
from lrdecay.execution.grouping import Group, Plan
from lrdecay.execution.messages import Tell
from lrdecay.execution.own.errors import Diverged, TrialError
from lrdecay.execution.own.generators import keep_generators
from lrdecay.execution.own.outcome import name_engine
from lrdecay.execution.own.trial import Terms, Trial
from lrdecay.execution.trainer import Setup, raise_if_no_run_s
from lrdecay.store.schema import Record


def plan_trials(runs: Sequence[Run]) -> Plan:
    """Return the groups in which runs of a loop train: each by itself, the longest ones first."""
    ordered = sorted(runs, key=lambda run: -run.epochs)
    return Plan(tuple(Group(name_engine(run), (run,)) for run in ordered))


@dataclass(frozen=True)
class LoopSetup:
    """Makes a `LoopTrainer` in a worker."""

    terms: Terms

    def __call__(self, setup: Setup) -> LoopTrainer:
        """Return it, once the plug-ins that have the loops are loaded."""
        load_as_elsewhere(setup.plugins)
        return LoopTrainer(torch.device(setup.device), self.terms)


class LoopTrainer:
    """Gives one trial after another to the loop that it is for."""

    def __init__(self, device: torch.device, terms: Terms) -> None:
        self._device, self._terms = device, terms

    def train(self, group: Group, tell: Tell) -> None:
        """Train a group; each of its runs ends with a `Record`, whatever its loop does."""
        for run in group.runs:
            tell(self._train_run(run, tell))

    def _train_run(self, run: Run, tell: Tell) -> Record:
        trial = Trial(run, self._device, tell, self._terms)
        function, own = TRAINERS[str(run.trainer)], find_plugin("trainer", str(run.trainer))
        assert function is not None
        assert own is not None
        try:
            with keep_generators():
                trial.seed_everything()
                function(trial, **trial.values)
            return trial.finish()
        except Diverged:
            return trial.finish()
        except TrialError as error:
            return trial.fail(describe_cause(error, own.file), is_final=True)
        except BaseException as error:
            raise_if_no_run_s(error)
            return trial.fail(blame_plugin(own, error))
