"""Where the project lies."""

from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
SWEEPS = HOME / "lrdecay" / "sweep" / "shipped"
REFERENCE = HOME / "results" / "reference"
