"""Words for lengths and rates: each form, how it is rounded, and what is told to write instead."""

import pytest

from lrdecay.components.schedulers import Horizon
from lrdecay.components.schedulers.lengths import explain_length, is_word, read_length, read_rate

HORIZON = Horizon.of(10, 19, lr=0.02)


@pytest.mark.parametrize(
    ("text", "epochs", "steps"),
    [
        ("epochs", 10, 10),
        ("steps", 190, 190),
        ("50%", 5, 95),
        (" 50 % ", 5, 95),
        ("2.5%", 1, 5),  # 0.25 epochs are one, 4.75 steps five
        ("15%", 2, 29),  # halves up: 1.5 and 28.5
        ("100%", 10, 190),
        ("0.001%", 1, 1),
        ("2 epochs", 2, 38),
        ("1 epoch", 1, 19),
        ("3.0 epochs", 3, 57),
        ("38 steps", 2, 38),
        ("0 steps", 0, 0),
    ],
)
def test_a_length_is_a_number_of_units(text, epochs, steps):
    assert read_length(text, HORIZON, "epoch") == epochs
    assert read_length(text, HORIZON, "step") == steps


def test_a_part_of_an_epoch_is_a_whole_number_of_steps_or_refused():
    assert read_length("1.5 epochs", Horizon.of(10, 20), "step") == 30
    assert read_length("2.1 epochs", Horizon.of(10, 10), "step") == 21  # not 21.000000000000004
    with pytest.raises(ValueError, match=r"^1\.5 epochs is no whole .* 19; give 28 steps or 29"):
        read_length("1.5 epochs", HORIZON, "step")
    with pytest.raises(
        ValueError, match=r"^1 step is no whole number of epochs of 19 steps; give 19 steps$"
    ):
        read_length("1 step", HORIZON, "epoch")


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("0.5 epochs", "a share of the run is written 50%, a part of an epoch as a number of"),
        (".07 epochs", "a share of the run is written 7%, a part of"),
        ("0.1 steps", "a share of the run is written 10%"),
        ("0%", "a share must be above 0% and at most 100%"),
        ("101%", "a share must be above 0% and at most 100%"),
        ("7.5 steps", "must be a whole number of steps"),
        ("2epochs", "must be a whole number, or a length such as epochs, steps, 50%, 2 epochs or"),
        ("-1 epochs", "must be a whole number, or a length such as"),
        ("1e2 steps", "must be a whole number, or a length such as"),
        ("epoch", "must be a whole number, or a length such as"),
        ("9" * 500 + " epochs", "must be a whole number, or a length such as"),
    ],
)
def test_what_is_no_length_is_left_and_told_what_to_write(text, instead):
    for unit in ("epoch", "step"):
        assert read_length(text, HORIZON, unit) == text
    assert explain_length(text).startswith(instead)


def test_part_of_an_epoch_is_none_of_what_goes_by_epochs():
    assert read_length("1.5 epochs", HORIZON, "epoch") == "1.5 epochs"
    assert explain_length("1.5 epochs") == "must be a whole number of epochs"


def test_what_is_no_text_is_left():
    for value in (5, 2.5, True, None, {"class": "constant"}):
        assert read_length(value, HORIZON, "step") is value


def test_a_share_is_what_it_was_when_it_was_written_as_a_part():
    """`0.29 epochs` was max(1, int(0.29 * epochs + 0.5)): runs keep their identity."""
    for percent in range(1, 100):
        for epochs in range(1, 400):
            before = max(1, int(float(f"0.{percent:02}") * epochs + 0.5))
            assert read_length(f"{percent}%", Horizon.of(epochs, 1), "epoch") == before


def test_without_the_data_times_in_the_other_unit_are_lengths_of_their_own():
    """No two of them are one number, nor one that is given bare, or they would be twins."""
    horizon = Horizon.of(10, 1_000_003, knows_steps=False)
    given = ["7 steps", "30 steps", "31 steps", 7, 30, "2 epochs", "50%"]
    found = [read_length(each, horizon, "epoch") for each in given]
    assert all(type(each) is int for each in found)
    assert len(set(found)) == len(given)
    assert found[:3] == sorted(found[:3])
    assert type(read_length("1.5 epochs", horizon, "step")) is int
    assert read_length("2 epochs", horizon, "step") == 2_000_006


@pytest.mark.parametrize(
    ("given", "rate"),
    [("lr", 0.02), ("10 lr", 0.2), (".5 lr", 0.01), ("lr 2", "lr 2"), ("epochs", "epochs")],
)
def test_a_rate_is_a_multiple_of_the_base_rate(given, rate):
    assert read_rate(given, HORIZON) == rate


def test_words_are_told_from_other_texts():
    assert all(map(is_word, ("epochs", "steps", "lr", "2 lr", "50 %", "1 epoch", "30 steps")))
    assert not any(map(is_word, ("epoch", "linear", "step", "2", "", 2, None, ["epochs"])))
