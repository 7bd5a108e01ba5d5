"""Names from elsewhere: what is said of them is true of the classes that there are."""

import re

import pytest
from torch.optim import lr_scheduler
from typer.testing import CliRunner

from lrdecay.cli.app import app
from lrdecay.components.registry import HINTS, suggest_registered
from lrdecay.components.schedulers import ARGUMENT_HINTS, CLASSES, argument_model

NAMES = HINTS["scheduler"]


@pytest.mark.parametrize("name", NAMES)
def test_a_hint_names_classes_that_there_are(name):
    assert name not in CLASSES
    named = re.findall(r"\b(?:[A-Z]\w+LR|ReduceLROnPlateau|\w+Restarts|constant)\b", NAMES[name])
    assert set(named) <= set(CLASSES)
    assert named or "a plug-in gives it (--plugin FILE)" in NAMES[name]
    # where it stands in Python does not matter
    for given in (name, f"some.package.{name}"):
        assert f"is unknown; {NAMES[name]} (choices: constant, " in suggest_registered(
            "scheduler", given
        )


def test_torch_s_names_are_found_with_and_without_what_they_stand_in():
    for name in lr_scheduler.__all__:
        if name in CLASSES:
            for given in (f"torch.optim.lr_scheduler.{name}", f"lr_scheduler.{name.lower()}"):
                assert f"; did you mean {name}? (" in suggest_registered("scheduler", given)
        else:
            assert name in NAMES or name == "LRScheduler"


def test_no_class_takes_an_argument_that_is_to_be_left_out():
    taken = {key for name in CLASSES for key in argument_model(name).model_fields}
    assert not taken & set(ARGUMENT_HINTS)


def test_the_command_says_it_too():
    result = CliRunner().invoke(app, ["schedulers", "torch.optim.lr_scheduler.LambdaLR"])
    assert result.exit_code == 2
    assert "scheduler 'torch.optim.lr_scheduler.LambdaLR' is unknown; it takes a" in result.output
