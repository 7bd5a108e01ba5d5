"""A page of HTML, read."""

from html.parser import HTMLParser
from pathlib import Path


class Page(HTMLParser):
    """A page as its tags with attributes, its tables as cells, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[list[str]]]] = {}
        self.sections: list[str] = []
        self.rows: list[dict[str, str | None]] = []
        self.text = ""
        self.inlined: dict[str, str] = {}
        self._cell: list[str] | None = None
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self.sections.append(dict(attrs)["id"] or "")
        if tag == "table":
            self._table = self.tables.setdefault(dict(attrs).get("id") or self.sections[-1], [])
        if tag == "tr":
            self._table.append([])
            self.rows.append(dict(attrs))
        if tag in ("td", "th"):
            self._cell = []
            self._table[-1].append(self._cell)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:  # within <style> or <script>
            self.inlined[self.cdata_elem] = self.inlined.get(self.cdata_elem, "") + data
            return
        self.text += data
        if self._cell is not None and data.strip():
            self._cell.append(data.strip())
