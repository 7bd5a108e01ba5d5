"""Characters that LaTeX does not print everywhere, and what it needs for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_NAMED = 20  # characters in a comment
# measured with pdfTeX 1.40.24: what compiles after a mere \documentclass, and what with T1 fonts
_IN_T1 = "«»ÐÞðþĄąĐđĘęĮįŊŋŲų„\u201a\u2039\u203a"
_NOWHERE = "ĦħĸĿŀŉŦŧſ"
_PRINTED = {*map(chr, range(0xA0, 0x180)), *"\u2013—\u2018\u2019“”†‡•…‰€™→"} - {*_IN_T1, *_NOWHERE}


def describe_characters(lines: Sequence[str]) -> Iterator[str]:
    """Yield as comments what LaTeX needs for characters that it does not print as it is."""
    in_t1, elsewhere = list_beyond_latin(lines)
    for text, needed in (
        (elsewhere, "characters that need LuaLaTeX or XeLaTeX and a font with them"),
        (in_t1, r"characters that need LuaLaTeX, XeLaTeX or \usepackage[T1]{fontenc}"),
    ):
        if text:
            more = " ..." if len(text) > _NAMED else ""
            yield f"% It has {needed}: {text[:_NAMED]}{more}"


def list_beyond_latin(lines: Sequence[str]) -> tuple[str, str]:
    r"""Return the characters of LaTeX that pdfLaTeX prints with `\usepackage[T1]{fontenc}` alone,
    and those that it does not print, each in the order they are met.

    >>> list_beyond_latin(["größer, żółć, będę", "漢字 字"])
    ('ę', '漢字')
    """
    there = "".join(dict.fromkeys("".join(lines)))
    others = [each for each in there if not each.isascii() and each not in _PRINTED]
    in_t1 = "".join(each for each in others if each in _IN_T1)
    return in_t1, "".join(each for each in others if each not in _IN_T1)
