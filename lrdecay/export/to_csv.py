"""Tables to CSV: runs.csv and epochs.csv, columns and rows as the parquet tables have them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from lrdecay.export.exporting import Tables
from lrdecay.tables import EPOCHS, RUNS


def write(tables: Tables, folder: Path) -> None:
    """Write both tables into a folder.

    Whole numbers stay whole where some are null; null is an empty field. `test_correct`, the bitmap
    of the test images that were right, is in hexadecimal: `bytes.fromhex` gives it back.
    """
    runs = tables.runs.assign(test_correct=tables.runs["test_correct"].map(_hex))
    for name, frame, schema in (("runs", runs, RUNS), ("epochs", tables.epochs, EPOCHS)):
        whole = {field.name: "Int64" for field in schema if pa.types.is_integer(field.type)}
        frame.astype(whole).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")


def _hex(bits: object) -> str | None:
    return bits.hex() if isinstance(bits, bytes) else None
