"""Where each run's rows are among the files of a results folder, and rows in any order from there.

A run's rows lie next to each other in one row group, so one place per run is enough, and tables of
any length are put in order a few row groups at a time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lrdecay.store.layout import KEPT, list_files
from lrdecay.store.parquet import Sealed, open_sealed
from lrdecay.store.schema import TABLES
from lrdecay.store.versions import read_groups

_GROUPS_AT_HAND, _FILES_OPEN = 32, 100


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows of one run are: a file, one of its row groups, and the rows there."""

    path: Path
    group: int
    first: int
    count: int
    failed: bool = False


Places = Mapping[str, Place]


def index_rows(paths: Iterable[Path]) -> Places:
    """Return the place of each run in files of one table, by run_id.

    A run may be in several: in a part that a killed process had already moved on, or failed first
    and completed later. Copies are equal, so the first counts, except that a failure gives way.
    """
    places: dict[str, Place] = {}
    for path in paths:
        with open_sealed(path) as sealed:
            for run, place in locate_rows(sealed, range(sealed.file.num_row_groups)):
                if run not in places or places[run].failed > place.failed:
                    places[run] = place
    return places


def index_folder(folder: Path) -> dict[str, Places]:
    """Return the places of all runs that a results folder knows, by table."""
    return {name: index_rows(list_files(folder, name)) for name in KEPT}


def locate_rows(sealed: Sealed, groups: Iterable[int]) -> Iterator[tuple[str, Place]]:
    """Give the runs in some row groups of a file, and where they are."""
    with_status = sealed.path.stem == "runs"
    for group in groups:
        columns = read_groups(sealed, [group], ["run_id", *(["status"] if with_status else [])])
        ids = columns["run_id"].combine_chunks()
        if len(ids) == 0:
            continue
        encoded = pc.run_end_encode(ids)
        ends = encoded.run_ends.to_numpy()
        starts = np.concatenate([[0], ends[:-1]])
        failed = [False] * len(starts)
        if with_status:
            failed = pc.equal(columns["status"], "failed").take(starts).to_pylist()
        found = zip(encoded.values.to_pylist(), starts, ends, failed, strict=True)
        for run, start, end, has_failed in found:
            yield run, Place(sealed.path, group, int(start), int(end - start), has_failed)


class Rows(AbstractContextManager["Rows"]):
    """Takes rows out of files that do not change meanwhile; their seals were verified before."""

    def __init__(self, name: str) -> None:
        self._empty = TABLES[name].empty_table()
        self._group = lru_cache(_GROUPS_AT_HAND)(self._read_group)
        self._files: dict[Path, Sealed] = {}
        self._open = ExitStack()

    def __exit__(self, *_: object) -> None:
        self._files.clear()
        self._open.close()

    def take(self, places: Sequence[Place]) -> pa.Table:
        """Return the rows at these places, in this order."""
        groups: dict[tuple[Path, int], int] = {}
        tables, rows, length = [self._empty], [np.empty(0, np.int64)], 0
        for place in places:
            key = (place.path, place.group)
            if key not in groups:
                tables.append(self._group(*key))
                groups[key] = length
                length += len(tables[-1])
            rows.append(np.arange(place.count) + groups[key] + place.first)
        return pa.concat_tables(tables).take(np.concatenate(rows))

    def _read_group(self, path: Path, group: int) -> pa.Table:
        if path not in self._files:
            if len(self._files) >= _FILES_OPEN:
                self.__exit__()
            self._files[path] = self._open.enter_context(open_sealed(path, trust=True))
        return read_groups(self._files[path], [group])
