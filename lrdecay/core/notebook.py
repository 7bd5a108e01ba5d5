"""What objects show of themselves in a notebook: plain tables that any theme can show."""

from collections.abc import Iterable
from html import escape

from lrdecay.core.sanitize import sanitize

_CELL = "text-align: left; vertical-align: top; padding: 0.1em 1em 0.1em 0"


def make_table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a title and rows of a name and a text as HTML that asks for nothing: no script, no
    request, no colour. Text is escaped, and no formula; lines of it stay lines.

    >>> print(make_table("a <b>", [("dropout", "0.1, 0.3")]).replace(f' style="{_CELL}"', ""))
    <div class="tex2jax_ignore mathjax_ignore"><strong>a &lt;b&gt;</strong><table>
    <tr><th>dropout</th><td>0.1, 0.3</td></tr>
    </table></div>
    """
    lines = [
        f'<tr><th style="{_CELL}">{_show(name)}</th><td style="{_CELL}">{_show(text)}</td></tr>'
        for name, text in rows
    ]
    title = f"<strong>{_show(title)}</strong>"
    body = "\n".join([f"{title}<table>", *lines, "</table>"])
    return f'<div class="tex2jax_ignore mathjax_ignore">{body}</div>'


def _show(text: str) -> str:
    return escape(sanitize(text)).replace("\n", "<br>")
