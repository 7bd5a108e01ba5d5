"""TensorBoard: a folder of folders with event files, one for each run.

An event file is a row of records: a length of 8 bytes, its checksum of 4, the event, its checksum.
Scalars are in single precision, as TensorBoard has them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from lrdecay.core.errors import InputError
from lrdecay.store.importing.curves import CURVES, Source

_HEADER, _CHECKSUM = 12, 4
_HPARAMS = "_hparams_/session_start_info"


def find_event_files(folder: Path) -> list[Path]:
    """Return the event files of a folder and those in it."""
    return sorted(folder.rglob("*tfevents*")) if folder.is_dir() else []


def read_tensorboard(place: str) -> Source:
    """Return a row for each folder with event files: its path within `place` as `run`, the
    hyperparameters that it logged, and the last value of each scalar.

    Raises:
        InputError: there are no event files, or the extra is not installed.
    """
    try:
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData
    except ModuleNotFoundError as error:
        raise InputError(
            "TensorBoard's files are read with tensorboardX: install the extra `tensorboard`"
        ) from error
    home = Path(place)
    files = find_event_files(home)
    if not files:
        raise InputError(f"{place}: no event files of TensorBoard (events.out.tfevents...)")
    rows: dict[str, dict[str, Any]] = {}
    curves: list[tuple[str, int, str, float]] = []
    for file in files:
        run = file.parent.relative_to(home).as_posix()
        row = rows.setdefault(run, {"run": run})
        try:
            events = [Event.FromString(record) for record in _iterate_records(file.read_bytes())]
        except DecodeError as error:
            raise InputError(f"{file}: no event file of TensorBoard, or a damaged one") from error
        for event in events:
            for value in event.summary.value:
                if value.tag == _HPARAMS:
                    data = HParamsPluginData.FromString(value.metadata.plugin_data.content)
                    row |= {k: _plain(v) for k, v in data.session_start_info.hparams.items()}
                elif (scalar := _scalar(value)) is not None:
                    curves.append((run, event.step, value.tag, scalar))
    table = pd.DataFrame(curves, columns=list(CURVES))
    ordered = table.sort_values("step", kind="stable")
    last = ordered.drop_duplicates(["run", "metric"], keep="last")
    for run, metric, value in zip(last["run"], last["metric"], last["value"], strict=True):
        rows[run].setdefault(metric, value)
    return Source(pd.DataFrame(list(rows.values())), table)


def _iterate_records(content: bytes) -> Iterator[bytes]:
    """Yield the records of an event file; one that was cut off, as of a killed run, ends it."""
    place = 0
    while place + _HEADER <= len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        start = place + _HEADER
        if start + length + _CHECKSUM > len(content):
            return
        yield content[start : start + length]
        place = start + length + _CHECKSUM


def _scalar(value: Any) -> float | None:
    """Return the number of a summary, if it is one: TensorFlow 2 writes a tensor of one value."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if value.HasField("tensor") and value.metadata.plugin_data.plugin_name == "scalars":
        tensor = value.tensor
        if len(tensor.float_val) == 1:
            return float(tensor.float_val[0])
        if len(tensor.tensor_content) in (4, 8):
            kind = "<f" if len(tensor.tensor_content) == 4 else "<d"
            return float(struct.unpack(kind, tensor.tensor_content)[0])
    return None


def _plain(value: Any) -> object:
    """Return a hyperparameter as Python has it; whole numbers are whole."""
    kind = value.WhichOneof("kind")
    found = None if kind in (None, "null_value") else getattr(value, kind)
    return int(found) if isinstance(found, float) and found.is_integer() else found
