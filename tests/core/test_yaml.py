"""The YAML reader: plain words, places, limits, and agreement with PyYAML where they agree."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lrdecay.core.text import quote
from lrdecay.core.yaml import MAX_BYTES, Problem, YamlError, parse_scalar, parse_yaml, walk_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("nULL", "nULL"),
        ("none", "none"),
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("false", False),
        ("False", False),
        ("FALSE", False),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("y", "y"),
        ("0", 0),
        ("64", 64),
        ("-5", -5),
        ("+5", 5),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-0x1F", "-0x1F"),
        ("0b101", "0b101"),
        ("1_000", "1_000"),
        ("1,000", "1,000"),
        ("1:30", "1:30"),
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31T12:00:00Z", "2024-01-31T12:00:00Z"),
        ("1e-3", 0.001),
        ("-1E+3", -1000.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+.5", 0.5),
        ("-0.0", -0.0),
        (".", "."),
        ("1.2.3", "1.2.3"),
        ("e3", "e3"),
        ("1e", "1e"),
        ("1e999", math.inf),
        (".inf", math.inf),
        ("+.Inf", math.inf),
        ("-.INF", -math.inf),
        (".iNf", ".iNf"),
        ("inf", "inf"),
        ("nan", "nan"),
        ("-.nan", "-.nan"),
        ("9" * 40, 10**40 - 1),
        ("-" + "9" * 40, 1 - 10**40),
        ("٣", "٣"),  # a digit to Python, a word to YAML
        ("5 epochs", "5 epochs"),
    ],
)
def test_plain_value(text: str, value: object) -> None:
    result = parse_scalar(text)
    assert result == value
    assert type(result) is type(value)
    assert str(result) == str(value)  # the sign of -0.0


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_plain_value_nan(text: str) -> None:
    assert math.isnan(parse_scalar(text))


def test_quoted_words_stay_words() -> None:
    text = """['64', "true", '', '~', 1e-3]"""
    assert parse_yaml(text).value == ["64", "true", "", "~", 0.001]
    assert parse_yaml("a: |\n  64\nb: >-\n  64\n").value == {"a": "64\n", "b": "64"}


def test_keys_are_always_words() -> None:
    assert parse_yaml("1: a\ntrue: b\n'x y': c\n~: d\n").value == {
        "1": "a",
        "true": "b",
        "x y": "c",
        "~": "d",
    }


def test_places() -> None:
    text = """\
# a comment first
name: mnist
schedulers:
  step: {class: StepLR,   step_size: 5}
  "two words":
    class: constant
dropout: [0.0, 0.5,
          0.75]
epochs:
  - 5
  -   - 6
empty:
"""
    document = parse_yaml(text)
    assert document.value == {
        "name": "mnist",
        "schedulers": {
            "step": {"class": "StepLR", "step_size": 5},
            "two words": {"class": "constant"},
        },
        "dropout": [0.0, 0.5, 0.75],
        "epochs": [5, [6]],
        "empty": None,
    }
    assert document.values == {
        (): (2, 1),
        ("name",): (2, 7),
        ("schedulers",): (4, 3),
        ("schedulers", "step"): (4, 9),
        ("schedulers", "step", "class"): (4, 17),
        ("schedulers", "step", "step_size"): (4, 38),
        ("schedulers", "two words"): (6, 5),
        ("schedulers", "two words", "class"): (6, 12),
        ("dropout",): (7, 10),
        ("dropout", 0): (7, 11),
        ("dropout", 1): (7, 16),
        ("dropout", 2): (8, 11),
        ("epochs",): (10, 3),
        ("epochs", 0): (10, 5),
        ("epochs", 1): (11, 7),
        ("epochs", 1, 0): (11, 9),
        ("empty",): (12, 7),
    }
    assert document.keys == {
        ("name",): (2, 1),
        ("schedulers",): (3, 1),
        ("schedulers", "step"): (4, 3),
        ("schedulers", "step", "class"): (4, 10),
        ("schedulers", "step", "step_size"): (4, 27),
        ("schedulers", "two words"): (5, 3),
        ("schedulers", "two words", "class"): (6, 5),
        ("dropout",): (7, 1),
        ("epochs",): (9, 1),
        ("empty",): (12, 1),
    }
    assert document.place(("dropout", 1)) == (7, 16)
    assert document.place(("schedulers", "step"), key=True) == (4, 3)
    assert document.place(("schedulers", "step", "gamma", 3)) == (4, 9)  # the nearest above
    assert document.place(("nothing",), key=True) == (2, 1)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_places_do_not_depend_on_the_newline(newline: str) -> None:
    document = parse_yaml(newline.join(["# first", "a: 1", "b:", "  c: 2", ""]))
    assert document.values[("b", "c")] == (4, 6)


def test_places_count_characters() -> None:
    assert parse_yaml("é: [日本, x]").values[("é", 1)] == (1, 9)


@pytest.mark.parametrize(
    ("nested", "place"),
    [
        (lambda levels: "[" * levels + "x" + "]" * levels, (1, 21)),
        (lambda levels: "{k: " * levels + "x" + "}" * levels, (1, 81)),
        (lambda levels: "- " * levels + "x", (1, 41)),
        (lambda levels: "".join(f"{' ' * n}k:\n" for n in range(levels)), (21, 21)),
    ],
)
def test_depth_limit(nested: Callable[[int], str], place: tuple[int, int]) -> None:
    value = parse_yaml(nested(20)).value
    for _ in range(20):
        value = value[0] if isinstance(value, list) else value["k"]
    assert value in ("x", None)
    for levels in (21, 1000, 5000):
        if len(nested(levels)) > MAX_BYTES:
            continue
        with pytest.raises(YamlError) as caught:
            parse_yaml(nested(levels))
        assert caught.value.problems == [Problem(*place, "nested deeper than 20 levels")]


def test_size_limit() -> None:
    text = "a: é\n#" + "x" * (MAX_BYTES - 7)
    assert len(text.encode()) == MAX_BYTES
    assert parse_yaml(text).value == {"a": "é"}
    with pytest.raises(YamlError) as caught:
        parse_yaml(text + "x")
    assert caught.value.problems == [Problem(1, 1, "the file is larger than 1024 KiB")]


def test_a_readable_document_comes_with_its_problems() -> None:
    with pytest.raises(YamlError) as caught:
        parse_yaml("a: 1\nb: &x [2]\na: 3\n")
    assert caught.value.document is not None
    assert caught.value.document.value == {"a": 3, "b": [2]}
    assert caught.value.problems == [
        Problem(2, 4, "anchors (&x) are not supported; leave it out"),
        Problem(3, 1, "the key 'a' is here already (line 1); keep one"),
    ]


def test_a_key_that_stands_twice_names_the_first_one_beside_it() -> None:
    with pytest.raises(YamlError) as caught:
        parse_yaml("a: {x: 1}\na:\n  x: 2\n  x: 3\n")
    assert caught.value.problems == [
        Problem(2, 1, "the key 'a' is here already (line 1); keep one"),
        Problem(4, 3, "the key 'x' is here already (line 3); keep one"),
    ]


def test_what_is_refused_is_left_out_and_hides_no_mistake_after_it() -> None:
    with pytest.raises(YamlError) as caught:
        parse_yaml("a: &x [*y, !!int '3', &x 4]\nb: *x\n")
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [
        (1, 4),
        (1, 8),
        (1, 12),
        (1, 23),
        (2, 4),
    ]
    assert caught.value.document is not None
    assert caught.value.document.value == {"a": [None, "3", 4], "b": None}


def test_a_mistake_that_ends_the_reading_comes_after_those_before_it() -> None:
    with pytest.raises(YamlError) as caught:
        parse_yaml("a: 1\na: *b\nc: [1\n")
    assert caught.value.document is None
    assert caught.value.problems == [
        Problem(2, 1, "the key 'a' is here already (line 1); keep one"),
        Problem(2, 4, "aliases (*b) are not supported; write the value out"),
        Problem(3, 4, "not YAML: this bracket is not closed"),
    ]


def test_show() -> None:
    assert quote("x" * 100) == "'" + "x" * 56 + "..."
    assert quote("a\nb", quoted=False) == "'a\\nb'"
    assert quote("a b", quoted=False) == "a b"
    assert [quote(x) for x in (False, 0.5, 10, {}, (), None)] == [
        "false",
        "0.5",
        "10",
        "keys and values",
        "a list",
        "nothing",
    ]


def test_walk_leaves_out_what_is_not_in_the_document() -> None:
    value = {"dropout": [0.1, 0.2], "lr": 0.1}
    assert tuple(walk_value(value, ("dropout", 1))) == ("dropout", 1)
    assert tuple(walk_value(value, ("lr", "name", 0))) == ("lr",)
    assert tuple(walk_value(value, ("dropout", "list[float]", 1))) == ("dropout", 1)


WORDS = st.text(
    # JSON writes what is beyond as a pair of surrogates, and DEL as it is, which YAML refuses
    st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs",), exclude_characters="\x7f"),
    max_size=40,
)
NUMBERS = st.integers(-(10**40) + 1, 10**40 - 1) | st.floats(allow_nan=False, allow_infinity=False)


def trees(words: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    leaves = st.none() | st.booleans() | NUMBERS | words
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
        max_leaves=15,
    )


@given(trees(WORDS))
def test_reads_json(tree: object) -> None:
    assert parse_yaml(json.dumps(tree)).value == tree
    assert parse_yaml(json.dumps(tree, indent=2)).value == tree


def is_word_to_both(word: str) -> bool:
    """Whether YAML 1.1, which decides on quotes, and 1.2 agree that it is no number."""
    return isinstance(parse_scalar(word), str)


@given(trees(WORDS.filter(is_word_to_both)))
def test_reads_what_pyyaml_writes(tree: object) -> None:
    text = yaml.safe_dump(tree)
    assert parse_yaml(text).value == yaml.safe_load(text) == tree


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: [2, 3.5, x]\n",
        "- a\n- {b: c, d: [e, [f]]}\n-\n  g: h\n",
        "text: |\n  two\n  lines\nfolded: >\n  one\n  line\n",
        "'single '' quote': \"double \\\" quote \\u00e9\"\n",
        "# only\na: 1 # a comment\n\n\nb: '#no'\n",
        "a:\n- 1\n- 2\n",
        "long: this goes on\n  and on\n",
        "{a: 1,\n b: {c: [1,\n 2]}}\n",
        "---\na: 1\n...\n",
        "? a\n: b\n",
    ],
)
def test_agrees_with_pyyaml(text: str) -> None:
    assert parse_yaml(text).value == yaml.safe_load(text)
