"""`bench/RESULTS.md`: sections of text and a table, each with what it was measured on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import torch

from lrdecay.engine import provenance
from lrdecay.engine.devices import count_workers, device_name

RESULTS = Path(__file__).parent / "RESULTS.md"
CORES = count_workers(torch.device("cpu"))

_METHOD = (
    "Written by `make bench` and, about a GPU, by `make gpu`. Each round times every contender "
    "once, in turn; figures are medians over the rounds. Machines are shared and noisy: the ratios "
    "mean more than the times. What was measured where stands under each table; a GPU's speed is "
    "unmeasured where no table names one."
)


class Tables:
    """Sections of the results, in the order in which they are added."""

    def __init__(self) -> None:
        self.sections: list[tuple[str, str, list[list[str]]]] = []

    def add(self, title: str, text: str, rows: list[list[str]]) -> None:
        """Add a table, its header first."""
        self.sections.append((title, text, rows))

    def markdown(self, device: torch.device, before: str = "") -> str:
        """Return all sections, those that were not measured now as they were before."""
        kept = dict(_sections(before))
        for title, text, rows in self.sections:
            head, *body = rows
            lines = [head, ["---"] * len(head), *body]
            table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
            kept[title] = f"{text}\n\n{table}\n\n{_machine(device)}"
        parts = ["# Measured speed", _METHOD]
        for title, section in kept.items():
            parts += [f"## {title}", section]
        return "\n\n".join(parts) + "\n"

    def write(self, device: torch.device, file: Path | None = None) -> str:
        """Write them to the results, or into another file; return what it says now."""
        file = file or RESULTS
        text = self.markdown(device, file.read_text() if file.exists() else "")
        file.write_text(text)
        return text


def _sections(text: str) -> Iterator[tuple[str, str]]:
    for section in text.split("\n## ")[1:]:
        title, _, rest = section.partition("\n")
        yield title, rest.strip()


def _machine(device: torch.device) -> str:
    on_cpu = device.type == "cpu"
    versions = provenance.read_versions()
    commit = str(versions["git_commit"] or "unknown")[:12]
    parts = [
        f"{device_name(device)}",
        f"{CORES} cores used by each side" if on_cpu else f"one GPU, {CORES} CPU cores",
        f"torch {versions['torch_version']}",
        f"Python {versions['python_version']}",
        f"lrdecay {versions['lrdecay_version']} ({commit})",
        f"{datetime.now(UTC):%Y-%m-%d}",
    ]
    return f"Measured on: {', '.join(parts)}."
