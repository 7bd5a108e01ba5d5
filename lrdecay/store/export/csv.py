"""Tables to CSV, a file each, columns and rows as the parquet tables have them."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from lrdecay.store.export.base import OnProgress, Tables
from lrdecay.store.schema import TABLES

_AT_ONCE = 20_000  # rows


def write_csv(tables: Tables, folder: Path, on_progress: OnProgress) -> None:
    """Write runs, epochs and, where there are any, metrics into a folder.

    Integers stay integers where some are null; null is an empty field. `test_correct`, the bitmap
    of the test images that were right, is in hexadecimal: `bytes.fromhex` gives it back. Text is as
    `disarm_formulas` has it.
    """
    runs = tables.runs.assign(test_correct=tables.runs["test_correct"].map(_hex))
    frames = {"runs": runs, "epochs": tables.epochs}
    frames |= {"metrics": tables.metrics} if len(tables.metrics) else {}
    done, of = 0, sum(map(len, frames.values()))
    for name, frame in frames.items():
        whole = {field.name: "Int64" for field in TABLES[name] if pa.types.is_integer(field.type)}
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            for start in range(0, max(len(frame), 1), _AT_ONCE):
                rows = disarm_formulas(frame.iloc[start : start + _AT_ONCE].astype(whole))
                rows.to_csv(file, index=False, header=start == 0, lineterminator="\n")
                done += len(rows)
                on_progress(done, of)


def disarm_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which an apostrophe leads each text that a spreadsheet would take for a
    formula."""
    texts = {
        str(name): column.map(_disarm)
        for name, column in frame.items()
        if pd.api.types.is_object_dtype(column) or isinstance(column.dtype, pd.StringDtype)
    }
    return frame.assign(**texts)


def _disarm(value: object) -> object:
    led = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if led else value


def _hex(bits: object) -> str | None:
    return bits.hex() if isinstance(bits, bytes) else None
