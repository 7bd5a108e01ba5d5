"""What a plug-in's scheduler, model, dataset, optimizer, transform, loss or training loop must be.

- scheduler: a subclass of torch's LRScheduler, or a function that returns one. It takes `optimizer`
  first; its other arguments, each with a type, are those that a sweep file may give. It is stepped
  every epoch unless it has an attribute `interval = "step"`, or the sweep file says otherwise. Its
  rates are a function of the step or epoch, and of the validation loss (or accuracy, as the sweep
  file says) for a subclass of ReduceLROnPlateau: it is also simulated without training. A sweep
  file may give its whole numbers as lengths, such as `epochs` or `50%`. One that needs more than
  the step has an attribute `needs`, a tuple of "loss", "gradients" and "weights": its runs train
  one at a time, it reads the true optimizer, and with "loss" its `step` is given the training loss
  of each step, or of each epoch. With `needs` any object will do that has `optimizer` and `step`.
- model: a class or function that takes (shape, classes, dropout), and `batch_norm` if it can, and
  gives an nn.Module from images (n, *shape) to logits (n, classes). Its nn.Dropout layers get the
  run's rate and masks. One with an attribute `own_dropout = True` takes no dropout: its layers keep
  their own rates, and a sweep file of it gives none. Its other arguments with a default and a type,
  as those of a trainer, are those that a sweep file may give.
- dataset: a function that takes the folder of the datasets (a Path) and returns ((images, labels),
  (images, labels)) for training and for testing: images uint8 (n, channels, height, width) with 255
  for white, labels int64 (n,) from 0; tensors or numpy arrays.
- optimizer: a subclass of torch's Optimizer that takes parameters and `lr`; its other arguments,
  each with a type and a default, are those that a sweep file may give.
- transform: a function that takes normalised images (B, channels, height, width), a
  `transforms.draw.Draw` and, if it likes, one argument with a type (bool, int, float, str or a
  Literal), which is its value in a sweep file, and gives images of that shape and dtype. It changes
  each image by itself, and what it draws comes from `draw(count)`: uniforms (B, count).
- loss: a function that takes logits (B, classes) and labels (B,), and gives the loss of each image
  (B,), each by itself; the mean is taken later.
- trainer: a function that takes a trial (`execution.own.Trial`) and trains the network of one run;
  its other arguments, each with a type, are those that a sweep file may give: bool, int, float, str
  or a Literal of them, or lists.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import PydanticUserError, TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrdecay.components import registry, schedulers
from lrdecay.components.datasets.dataset import Dataset, make_dataset
from lrdecay.components.models.arguments import read_arguments
from lrdecay.components.optimizers.build import read_optimizer_arguments
from lrdecay.components.schedulers import probe
from lrdecay.components.trainers.signature import RESERVED, is_plain, read_parameters
from lrdecay.components.transforms.signature import is_scalar, read_argument
from lrdecay.core.errors import InputError

Part = tuple[Tensor, Tensor]

_PROBED = 500  # steps of a scheduler that are tried as its plug-in loads
_NEVER_GIVEN = ("last_epoch", "verbose")
_AXES = {
    *("name", "model", "batch_norm", "optimizer", "batch_size", "epochs", "scheduler", "dropout"),
    *("label_smoothing", "clip_grad_norm", "augment", "loss_function"),
}


def wrap_thing(kind: str, thing: Any) -> Any:
    """Return what the registry of a kind is to hold for a plug-in's object."""
    return _wrap_reader(thing) if kind == "dataset" else thing


def check_contract(kind: str, name: str, thing: Any) -> None:
    """Check an object that is in its registry already; raise `ValueError` if it cannot be used."""
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        raise ValueError(f"must be a class or a function, not {type(thing).__name__}")
    match kind:
        case "scheduler":
            _check_scheduler(name, thing)
        case "model":
            _check_model(thing)
        case "dataset":
            _check_call(thing, "the folder of the datasets", "folder")
        case "optimizer":
            _check_optimizer(name, thing)
        case "transform":
            _check_transform(name, thing)
        case "loss":
            _require_function(thing)
            _check_call(thing, "(logits, labels)", None, None)
        case "trainer":
            _check_trainer(name, thing)


def _check_scheduler(name: str, thing: Any) -> None:
    is_scheduler = not inspect.isclass(thing) or issubclass(thing, LRScheduler)
    if not is_scheduler and not (hasattr(thing, "needs") and hasattr(thing, "step")):
        raise ValueError(
            "must be a subclass of torch.optim.lr_scheduler.LRScheduler, or a function that "
            "returns one; a class of another kind must have step and needs"
        )
    probe.check_needs(thing)
    interval = getattr(thing, "interval", "epoch")
    if interval not in ("epoch", "step"):
        raise ValueError(f"its interval must be 'epoch' or 'step', not {interval!r}")
    parameters = list(inspect.signature(thing).parameters.values())
    if not parameters or parameters[0].name != "optimizer":
        raise ValueError("its first argument must be optimizer")
    given = _require_types([each for each in parameters[1:] if each.name not in _NEVER_GIVEN])
    if any(each.name == "interval" for each in given):
        raise ValueError("its argument interval has a meaning in sweep files; name it otherwise")
    if schedulers.is_plateau(name) and any(each.name == "monitor" for each in given):
        raise ValueError("its argument monitor has a meaning in sweep files; name it otherwise")
    taken = _read_types(lambda: schedulers.argument_model(name).model_fields)
    for each in given:
        if each.name not in taken and each.default is inspect.Parameter.empty:
            raise ValueError(
                f"its argument {each.name} is a function, which no sweep file can give; "
                f"write a function around it"
            )
    _probe_scheduler(name)


def _probe_scheduler(name: str) -> None:
    """Refuse a scheduler that reads what it does not declare, as far as arguments for it can be
    made up: `matrix` tries it with those of the sweep file."""
    made_up: dict[Any, float] = {bool: False, int: 2, float: 0.5}
    fields = schedulers.argument_model(name).model_fields.items()
    required = [(key, each.annotation) for key, each in fields if each.is_required()]
    if not all(annotation in made_up for _, annotation in required):
        return
    try:
        given = {key: made_up[annotation] for key, annotation in required}
        resolved = schedulers.resolve_arguments(name, given, schedulers.Horizon.of(100, 10))
        undeclared = probe.find_undeclared_need(name, resolved, lr=0.001, steps=_PROBED)
    except (Exception, SystemExit):  # arguments that it does not take, or whatever its code raises
        return
    if undeclared is not None:
        raise ValueError(undeclared)


def _check_model(thing: Any) -> None:
    if inspect.isclass(thing) and not issubclass(thing, nn.Module):
        raise ValueError("must be a subclass of torch.nn.Module, or a function that returns one")
    if getattr(thing, "own_dropout", False):
        _check_call(thing, "(shape, classes)", (1, 8, 8), 10)
    else:
        _check_call(thing, "(shape, classes, dropout)", (1, 8, 8), 10, 0.5)
    for key in _read_types(lambda: read_arguments(thing)):
        if key in _AXES:
            raise ValueError(f"its argument {key} has a meaning already; name it otherwise")


def _check_call(thing: Any, takes: str, *arguments: Any) -> None:
    try:
        inspect.signature(thing).bind(*arguments)
    except TypeError as error:
        raise ValueError(f"must take {takes}: {error}") from error


def _check_optimizer(name: str, thing: Any) -> None:
    if not (inspect.isclass(thing) and issubclass(thing, Optimizer)):
        raise ValueError("must be a subclass of torch.optim.Optimizer")
    _, *others = inspect.signature(thing).parameters.values()
    if not any(each.name == "lr" for each in others):
        raise ValueError("must take lr")
    for each in _require_types([each for each in others if each.name != "lr"]):
        if each.name in _AXES:
            raise ValueError(f"its argument {each.name} has a meaning already; name it otherwise")
        if each.default is inspect.Parameter.empty:
            raise ValueError(f"its argument {each.name} has no default; give it one")
        if each.name in ("weight_decay", "momentum") and each.default is None:
            raise ValueError(f"its argument {each.name} must be a number by default, such as 0.0")
    _read_types(lambda: read_optimizer_arguments(name))


def _check_transform(name: str, thing: Any) -> None:
    _require_function(thing)
    parameters = list(inspect.signature(thing).parameters.values())
    if [each.name for each in parameters[:2]] != ["images", "draw"] or len(parameters) > 3:
        raise ValueError("must take (images, draw), and one argument more at most")
    for each in _require_types(parameters[2:]):
        if not is_scalar(_read_types(lambda: read_argument(name))):
            raise ValueError(
                f"its argument {each.name} is of a type that no sweep file can give; use bool, "
                f"int, float, str or a Literal"
            )


def _require_function(thing: Any) -> None:
    if inspect.isclass(thing):
        raise ValueError("must be a function, not a class")


def _check_trainer(name: str, thing: Any) -> None:
    _require_function(thing)
    parameters = list(inspect.signature(thing).parameters.values())
    if not parameters or parameters[0].name != "trial":
        raise ValueError("its first argument must be trial")
    for each in _require_types(parameters[1:]):
        if each.name in RESERVED:
            raise ValueError(f"its argument {each.name} has a meaning already; name it otherwise")
    for key, (hint, default) in _read_types(lambda: read_parameters(name)).items():
        if not is_plain(hint):
            raise ValueError(
                f"its argument {key} is of a type that no sweep file can give; use bool, int, "
                f"float, str, a Literal, or a list of these"
            )
        if default is not ...:
            _read_types(partial(TypeAdapter(hint).validate_python, default, strict=True))


def _require_types(parameters: Sequence[inspect.Parameter]) -> Sequence[inspect.Parameter]:
    for each in parameters:
        if each.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise ValueError(f"takes {each}; name the arguments that a sweep file may give")
        if each.annotation is inspect.Parameter.empty:
            has_default = each.default not in (inspect.Parameter.empty, None)
            such = type(each.default).__name__ if has_default else "float"
            raise ValueError(f"its argument {each.name} has no type; give it one, such as {such}")
    return parameters


def _read_types(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise ValueError(f"a default is not of its argument's type: {reason}") from error
    except (AttributeError, NameError, SyntaxError, TypeError, PydanticUserError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"the types of its arguments are not understood: {reason}") from error


def _wrap_reader(function: Callable[[Path], Any]) -> Callable[[str, Path, bool], Dataset]:
    """Return what `sources.DATASETS` holds for the function that a plug-in gave."""

    def read(name: str, root: Path, download: bool) -> Dataset:
        own = registry.find_plugin("dataset", name)
        assert own is not None
        try:
            parts = function(root)
        except (Exception, SystemExit) as error:  # it may raise anything
            raise InputError(registry.blame_plugin(own, error)) from error
        try:
            return make_dataset(name, *_check_parts(parts))
        except ValueError as error:
            raise InputError(f"the plug-in dataset {name} of {own.origin}: {error}") from error

    return read


def _check_parts(parts: Any) -> tuple[Part, Part]:
    pairs = isinstance(parts, Sequence) and len(parts) == 2
    if not pairs or not all(isinstance(part, Sequence) and len(part) == 2 for part in parts):
        raise ValueError("must return ((images, labels), (images, labels)), training and test")
    found: list[Part] = []
    for part, (images, labels) in zip(("training", "test"), parts, strict=True):
        for what, value, dtype, dimensions, shape in (
            ("images", images, torch.uint8, 4, "(n, channels, height, width)"),
            ("labels", labels, torch.int64, 1, "(n,)"),
        ):
            try:
                tensor = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
            except TypeError as error:  # an array of text, say
                raise ValueError(f"the {part} {what}: {error}") from error
            if not isinstance(tensor, Tensor):
                raise ValueError(f"the {part} {what} must be a tensor, not {type(value).__name__}")
            if tensor.dtype != dtype or tensor.dim() != dimensions:
                raise ValueError(
                    f"the {part} {what} must be {dtype} {shape}, not {tensor.dtype} "
                    f"{tuple(tensor.shape)}"
                )
        pair = torch.as_tensor(images), torch.as_tensor(labels)
        if not len(pair[0]) or len(pair[0]) != len(pair[1]) or int(pair[1].min()) < 0:
            raise ValueError(
                f"the {part} part must have images, each with a label from 0; it has "
                f"{len(pair[0])} images and {len(pair[1])} labels"
            )
        found.append(pair)
    shapes = [tuple(images.shape[1:]) for images, _ in found]
    if shapes[0] != shapes[1]:
        raise ValueError(f"training images are {shapes[0]}, test images {shapes[1]}")
    if max(int(labels.max()) for _, labels in found) < 1:
        raise ValueError("there must be two classes or more")
    return found[0], found[1]
