"""Text that someone else may have written, made harmless for a terminal and a page."""

import unicodedata

_OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of controls, formats, surrogates, and ends of lines and paragraphs."""


def sanitize(text: str) -> str:
    r"""Return text with each character that is obeyed rather than shown as its escape.

    Such characters move the cursor, colour what follows, turn the direction of writing, or hide.
    Newlines and tabs stay.

    >>> print(sanitize("\x1b[31mred\x1b[m, \u202eturned"))
    \x1b[31mred\x1b[m, \u202eturned
    """
    if text.isprintable():
        return text
    return "".join(
        ascii(c)[1:-1] if unicodedata.category(c) in _OBEYED and c not in "\n\t" else c
        for c in text
    )


def sanitize_line(text: str) -> str:
    r"""Return text so, with newlines and tabs as escapes too: a name cannot begin a line.

    >>> print(sanitize_line("step\nverified"))
    step\nverified
    """
    return sanitize(text).replace("\n", "\\n").replace("\t", "\\t")


def escape_bytes(text: str) -> str:
    r"""Return text that UTF-8 can hold: bytes of a path that are none of it as their escapes.

    >>> print(escape_bytes("mine\udcff"))
    mine\udcff
    """
    return text.encode(errors="backslashreplace").decode()
