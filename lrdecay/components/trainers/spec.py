"""The training loop of a sweep file, and its own values."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, create_model

from lrdecay.components.registry import registered
from lrdecay.components.trainers.signature import SCRIPT, TRAINERS, is_list, read_parameters
from lrdecay.core.fields import Axis, Strict, make_axis


class TrainerSpec(Strict):
    """A training loop of your own, in place of lrdecay's. Beside its name it takes values of its
    own: those of its function's signature, each of the type that stands there; a list of values is
    one more axis. Those of a script or a program may be any."""

    name: Annotated[str, registered("trainer")] = SCRIPT
    """The loop, by its name in the `TRAINERS` of a plug-in; `script` is one that asks for its
    trials itself, with `lrdecay.trials`, and `command` a program, which `lrdecay sweep --command`
    starts for each run."""

    @property
    def is_function(self) -> bool:
        """Whether the loop is a function of a plug-in, which any worker can call."""
        return TRAINERS[self.name] is not None

    def arguments(self) -> dict[str, list[Any]]:
        """Return the loop's own values, each with all those that it has in turn."""
        given = {key: value for key, value in self if key != "name"}
        # a list here is one value; those of an axis are a tuple
        return {key: [x] if isinstance(x, list) else list(x) for key, x in given.items()}


class OpenTrainerSpec(TrainerSpec):
    """A loop that says nothing of its values: they may be any."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Axis[bool | int | float | str]]


def build_trainer_spec(value: Mapping[str, Any]) -> type[TrainerSpec]:
    """Return the model of a loop as a file gives it, with the values that its function takes."""
    name = value.get("name", SCRIPT)
    if not isinstance(name, str) or TRAINERS.get(name) is None:
        return OpenTrainerSpec
    fields: dict[str, Any] = {
        key: (hint, default) if is_list(hint) else (make_axis(hint), _in_tuple(default))
        for key, (hint, default) in read_parameters(name).items()
    }
    return create_model("TrainerSpec", __base__=TrainerSpec, **fields)


def _in_tuple(default: Any) -> Any:
    return default if default is ... else (default,)
