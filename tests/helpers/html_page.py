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


class Fragment(HTMLParser):
    """What an object shows of itself in a notebook: its tags, and its text line by line.

    A row of a table is one line.
    """

    INLINE = ("strong", "code", "td", "th", "a")

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.lines: list[str] = [""]
        self.feed(source)
        self.lines = [" ".join(line.split()) for line in self.lines if line.strip()]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.lines += [] if tag in self.INLINE else [""]

    def handle_endtag(self, tag: str) -> None:
        self.lines[-1] += " "

    def handle_data(self, data: str) -> None:
        self.lines[-1] += "" if self.cdata_elem else data

    @property
    def names(self) -> set[str]:
        """Which tags there are."""
        return {tag for tag, _ in self.tags}

    @property
    def attributes(self) -> set[str]:
        """Which attributes there are."""
        return {name for _, given in self.tags for name in given}
