"""The JSON schema of a sweep file, for editors: made of the models of its parts.

It sees what a value is by itself: unknown keys, wrong types, numbers out of range. What takes the
dataset, the optimizer's class or a scheduler's arguments to see, `lrdecay plan` finds. Names that
are not lrdecay's own may be those of plug-ins, and so may the arguments of their optimizers.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonRef, JsonSchemaValue

from lrdecay.analysis.metrics import METRICS_COMPARED, list_class_metrics
from lrdecay.components import registry
from lrdecay.components.models.spec import build_model_spec
from lrdecay.components.optimizers.spec import pair
from lrdecay.core import fields
from lrdecay.store.columns import CLASS_METRICS
from lrdecay.sweep import config
from lrdecay.sweep.trainer_checks import OF_LOOP

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The version that editors know best; nothing here takes a newer one."""

_VALUE = {"type": ["boolean", "number", "string"]}
_ANY_AXIS = {"anyOf": [_VALUE, {"type": "array", "items": _VALUE}]}
_NOTES = ("default", "description", "title")


class _Generator(GenerateJsonSchema):
    """Adds what pydantic cannot know: the forms that validators bring into the shape of a field."""

    seeds: list[JsonSchemaValue]
    listed_metrics: JsonSchemaValue

    def function_before_schema(self, schema: Any) -> JsonSchemaValue:
        found = super().function_before_schema(schema)
        function = schema["function"]["function"]
        if isinstance(function, partial) and function.func is registry.require_registered:
            return {"anyOf": [{"enum": list_names(*function.args)}, {"type": "string"}]}
        if function is fields.to_tuple:
            return {"anyOf": [found["items"], found]}
        if function is pair:
            return {"type": "array", "items": found["prefixItems"][0], "minItems": 2, "maxItems": 2}
        if function is config._shorthand:
            return {"anyOf": [self._without_notes(self._properties(found)["name"]), found]}
        if function is config._seed_list:
            self.seeds = [{"type": "integer", "minimum": 1, "maximum": config.MAX_RUNS}, found]
            return {"anyOf": self.seeds}
        if function is config._until:  # the other field that comes from `seeds`
            return {"anyOf": [*self.seeds, found]}
        if function is config._listed_metrics:
            self.listed_metrics = found
        if function is config._own_metrics:  # the other field that comes from `metrics`
            return {"anyOf": [self.listed_metrics, found]}
        return found

    def function_after_schema(self, schema: Any) -> JsonSchemaValue:
        found = super().function_after_schema(schema)
        if schema["function"]["function"] is not fields.require_distinct:
            return found
        one, several = found["anyOf"]
        # pydantic's word for the length of it knows not what
        several |= {"minItems": found.get("minLength", 1), "uniqueItems": True}
        return several if several["minItems"] > 1 else {"anyOf": [one, several]}

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])  # a key without a value is a mistake

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        found = super().default_schema(schema)
        default = found.pop("default", None)
        if isinstance(default, list):
            default = default[0]
        return (
            found if default is None or isinstance(default, dict) else found | {"default": default}
        )

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def _properties(self, found: JsonSchemaValue) -> dict[str, JsonSchemaValue]:
        model = self.get_schema_from_definitions(JsonRef(found["$ref"]))
        assert model is not None
        properties: dict[str, JsonSchemaValue] = model["properties"]
        return properties

    @staticmethod
    def _without_notes(schema: JsonSchemaValue) -> JsonSchemaValue:
        return {key: value for key, value in schema.items() if key not in _NOTES}


def list_names(kind: str) -> list[str]:
    """Return the names of a kind that are lrdecay's own."""
    return [n for n in registry.REGISTRIES[kind] if registry.find_plugin(kind, n) is None]


def make_schema() -> dict[str, Any]:
    """Return the schema."""
    schema = config.Sweep.model_json_schema(schema_generator=_Generator)
    known = config.Sweep.model_fields
    seeds = schema["properties"]["seeds"]
    seeds["description"] = f"{known['seeds'].description} {known['adding'].description}"
    metrics = schema["properties"]["metrics"]
    metrics["description"] = f"{known['measured'].description} {known['metrics'].description}"
    either = [{"required": ["name"]}, {"required": ["folder"]}]
    schema["$defs"]["DatasetSpec"]["oneOf"] = either
    own = schema["$defs"]["OptimizerSpec"]["properties"]
    name = {"enum": list_names("optimizer")}
    names = {"anyOf": [name, {"type": "array", "items": name}]}
    any_name = own["name"]["anyOf"]
    schema["properties"]["optimizer"]["anyOf"].append(
        {
            "description": "The optimizer of a plug-in, with its own arguments.",
            "type": "object",
            "properties": {"name": {"anyOf": any_name, "not": names}, "lr": own["lr"]},
            "required": ["name"],
        }
    )
    # transforms of plug-ins, each with a value of its own
    schema["$defs"]["AugmentSpec"]["additionalProperties"] = _ANY_AXIS
    own["name"] |= {"anyOf": [name, any_name[1] | {"items": name}]}
    _allow_models(schema)
    _allow_trainers(schema)
    # names of their own are for those who declare some
    of_classes = [metric.name for metric in list_class_metrics(CLASS_METRICS)]
    built_in = {"properties": {"metric": {"enum": [*METRICS_COMPARED, *of_classes]}}}
    schema["if"] = {"properties": {"metrics": {"not": {"type": "object"}}}}
    schema["then"] = {"properties": {"comparison": built_in}}
    written: dict[str, Any] = {"$schema": DIALECT} | _in_lines(schema)
    return written


def _allow_models(schema: dict[str, Any]) -> None:
    """Add the arguments of lrdecay's own networks, and let others have arguments of their own."""
    own = schema["$defs"]["ModelSpec"]
    name = {"enum": list_names("model")}
    any_name = own["properties"]["name"]["anyOf"]
    names = {"anyOf": [name, {"type": "array", "items": name}]}
    schema["properties"]["model"]["anyOf"].append(
        {
            "description": "Another network: of torchvision or a plug-in, with its arguments.",
            "type": "object",
            "properties": own["properties"] | {"name": {"anyOf": any_name, "not": names}},
            "required": ["name"],
            "additionalProperties": _any_values(),
        }
    )
    known = build_model_spec({"name": list_names("model")})
    with_arguments = known.model_json_schema(schema_generator=_Generator)["properties"]
    own["properties"] = {key: {**each} for key, each in with_arguments.items()}
    own["properties"]["name"] |= {"anyOf": [name, any_name[1] | {"items": name}]}


def _any_values() -> dict[str, Any]:
    """Return the schema of values that a signature knows and this does not, or an axis of them."""
    several = {"type": "array", "items": {"anyOf": [_VALUE, {"type": "array", "items": _VALUE}]}}
    return {"anyOf": [_VALUE, several]}


def _allow_trainers(schema: dict[str, Any]) -> None:
    """Let a loop of the user's own have values of its own, and stand in place of a dataset."""
    schema["$defs"]["TrainerSpec"]["additionalProperties"] = _any_values()
    schema["oneOf"] = [{"required": ["dataset"]}, {"required": ["trainer"]}]
    of_loop = [{"required": [key]} for key in OF_LOOP]
    only_lr = {"type": "object", "propertyNames": {"const": "lr"}}
    schema["dependencies"] = {
        "dataset": {"properties": {"metrics": {"not": {"type": "object"}}}},
        "steps_per_epoch": ["trainer"],
        "trainer": {
            "not": {"anyOf": of_loop},
            "properties": {"optimizer": only_lr, "metrics": {"type": "object"}},
        },
    }


def _in_lines(value: Any) -> Any:
    """Join the lines of docstrings, whose ends mean nothing."""
    if isinstance(value, dict):
        return {
            key: " ".join(each.split())
            if key == "description" and isinstance(each, str)
            else _in_lines(each)
            for key, each in value.items()
        }
    return [_in_lines(each) for each in value] if isinstance(value, list) else value
