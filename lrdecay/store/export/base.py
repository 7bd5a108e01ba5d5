"""What every exporter is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


OnProgress = Callable[[int, int], None]
"""Called on the way with how much is written, and how much there is in all."""


@dataclass(frozen=True)
class Tables:
    """What is exported: the tables as the store has them, of a results folder named `name`; and
    where it will be in the end."""

    name: str
    runs: pd.DataFrame
    epochs: pd.DataFrame
    metrics: pd.DataFrame
    home: Path
