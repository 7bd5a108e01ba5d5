"""The JSON schema of sweep files: it takes what the program takes, and sees what a schema can."""

import json
from pathlib import Path

import jsonschema
import pytest
import sweep_schema
from helpers.paths import HOME, SWEEPS
from helpers.sweep_files import every_valid

from lrdecay.core.yaml import parse_yaml

SCHEMA = HOME / "docs" / "sweep.schema.json"
SHIPPED = sorted([*SWEEPS.rglob("*.yaml"), *HOME.glob("examples/*/*.yaml")])
WRONG = """
betas_range betas_shape bool_for_number choose_empty choose_in_list choose_key choose_missing
choose_one choose_per choose_range choose_repeated choose_scalar choose_seeds comparison_range
dataset_both dataset_neither dropout_range empty empty_lists empty_mappings epochs_range
folder_range fraction_epochs kernels_in_list kernels_unknown list_for_mapping list_for_scalar
list_in_list lr_range mapping_for_scalar metric_unknown misspelt_required missing_both missing_class
missing_dataset missing_schedulers name_absolute name_empty name_parent name_too_long null_parts
null_values number_for_word precision_unknown repeated_values rmsprop_range schedule_free_range
seed_range seeds_fraction seeds_negative seeds_too_many seeds_zero top_list top_number top_scalar
unknown_key_nested unknown_key_top validation_range word_for_mapping word_for_number
"""
FIRST = "dataset: digits\nschedulers: {a: {class: constant}}\n"


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert schema["$schema"] == sweep_schema.DIALECT
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def mistakes(validator, text):
    return [error.json_path for error in validator.iter_errors(parse_yaml(text).value)]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_file_names_the_schema_and_keeps_to_it(validator, path):
    text = path.read_text(encoding="utf-8")
    name, _, target = text.splitlines()[0].partition("=")
    assert name == "# yaml-language-server: $schema"
    assert (path.parent / target).resolve() == SCHEMA
    assert Path(target).as_posix() == target
    assert mistakes(validator, text) == []


def test_all_forms_that_a_file_may_use_are_valid(validator):
    for text in every_valid():
        assert mistakes(validator, text) == [], text


@pytest.mark.parametrize("name", WRONG.split())
def test_what_a_schema_can_see_is_refused(validator, name):
    text = (HOME / "tests" / "sweep" / "bad_sweeps" / f"{name}.yaml").read_text(encoding="utf-8")
    assert mistakes(validator, text)


def test_a_mistake_is_found_where_it_is(validator):
    assert mistakes(validator, FIRST + "comparison: {margn: 1, confidence: 2}\n") == [
        "$.comparison",
        "$.comparison.confidence",
    ]
    assert mistakes(validator, FIRST + "seeds: {min: 4}\n") == ["$.seeds"]


def test_a_trainer_stands_in_place_of_a_dataset_and_has_values_of_its_own(validator):
    own = FIRST.replace("dataset: digits", "trainer: {name: mine, width: [4, 8], data: wiki}")
    assert mistakes(validator, own + "steps_per_epoch: 3\noptimizer: {lr: [0.1, 0.2]}\n") == []
    assert mistakes(validator, own.replace("trainer: {name: mine, ", "trainer: {")) == []
    for line in ("dataset: digits", "batch_size: 8", "optimizer: SGD", "optimizer: {eps: 1.0}"):
        assert mistakes(validator, f"{own}{line}\n") != [], line
    assert mistakes(validator, own.replace("wiki", "{a: 1}")) != []
    assert mistakes(validator, FIRST + "steps_per_epoch: 3\n") == ["$"]


def test_a_metric_of_one_s_own_is_for_those_who_declare_some(validator):
    compared = FIRST + "comparison: {metric: test_f1}\n"
    assert mistakes(validator, compared) == ["$.comparison.metric"]
    own = compared.replace("dataset: digits", "trainer: script")
    declared = own + "metrics: {test_f1: {higher_is_better: true}}\n"
    assert mistakes(validator, declared) == []
    assert mistakes(validator, declared.replace("true", "yes")) != []
    assert mistakes(validator, declared.replace("higher_is_better: true", "")) != []


def test_lrdecay_s_own_training_takes_a_list_of_metrics(validator):
    compared = "comparison: {metric: test_macro_f1}\n"
    assert mistakes(validator, FIRST + "metrics: [macro_f1]\n" + compared) == []
    for wrong in ("[f1]", "[]", "[macro_f1, macro_f1]", "{f1: {higher_is_better: true}}"):
        assert mistakes(validator, FIRST + f"metrics: {wrong}\n") != [], wrong
    own = FIRST.replace("dataset: digits", "trainer: script")
    assert mistakes(validator, own + "metrics: [macro_f1]\n") == ["$.metrics"]


def test_names_of_plug_ins_are_free_and_so_are_arguments_of_their_optimizers(validator):
    theirs = "dataset: theirs\nmodel: theirs\nschedulers: {a: {class: TheirsLR, gain: 2}}\n"
    own = theirs.replace("model: theirs", "model: {name: resnet18, stem: [small, standard]}")
    assert mistakes(validator, own) == []
    for wrong in ("{name: resnet, stem: small}", "{name: resnet, depth: 21}"):
        model = theirs.replace("model: theirs", f"model: {wrong}")
        assert mistakes(validator, model) == ["$.model"], wrong
    assert mistakes(validator, theirs + "optimizer: {name: Theirs, lr: 0.1, gain: 2}\n") == []
    assert mistakes(validator, theirs + "optimizer: {name: [Theirs, Adam], gain: 2}\n") == []
    assert mistakes(validator, theirs + "optimizer: {name: Theirs, lr: fast}\n") == ["$.optimizer"]
    assert mistakes(validator, theirs + "optimizer: {name: Adam, gain: 2}\n") == ["$.optimizer"]
    assert mistakes(validator, theirs + "optimizer: {gain: 2}\n") == ["$.optimizer"]
