"""Words for names that somebody else has given."""

from lrdecay.core.text import suggest_name


def test_choices_that_are_not_printable_are_harmless():
    text = suggest_name("a!", ["a\u2028b", "\x1b[31mred"])
    assert text == r"'a!' is unknown; choices: a\u2028b, \x1b[31mred"
    near = suggest_name("plateao", ["plateau\u202e"])
    assert near.startswith(r"'plateao' is unknown; did you mean plateau\u202e?")
