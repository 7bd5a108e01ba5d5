"""Parquet files that are never silently wrong.

A parquet file of ours carries a seal: the SHA-256 of its data and of its footer, in the gap that
the format leaves between the two. Other programs read the file as any other; here no bit of it can
change unnoticed, and a file whose seal is right is not damaged, whatever else goes wrong.
"""

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from lrdecay.core.errors import DamagedError, InputError
from lrdecay.core.text import first_line
from lrdecay.store.atomic import replace_file

SCHEMA_VERSION = 9
"""Raised whenever a column is added or changed: newer code reads older files, not the reverse."""
SEALED_SINCE = 4

_MAGIC = b"lrdecay1"
_SEAL = len(_MAGIC) + 2 * hashlib.sha256().digest_size
_TAIL = 8  # the footer's length and parquet's own magic bytes
_PREFIX = "lrdecay."
_BLOCK = 2**20


@dataclass(frozen=True)
class Sealed:
    """A parquet file of ours, open for reading; page checksums are verified as it is read."""

    path: Path
    file: pq.ParquetFile
    content: IO[bytes]
    version: int
    facts: dict[str, str]
    threads: bool
    """Whether it is read in several: not where what fails is taken for damage."""

    def rows(self, group: int, columns: list[str] | None = None) -> pa.Table:
        """Return the rows of one row group, as they were written."""
        with _damage(self.path, self.content):
            return self.file.read_row_group(group, columns=columns, use_threads=self.threads)


@contextmanager
def open_sealed(path: Path, trust: bool = False) -> Iterator[Sealed]:
    """Open a parquet file of ours, its seal verified.

    With `trust` only the footer is: whoever reads on must expect errors in single row groups.

    Raises `FileNotFoundError`; `DamagedError` for a damaged file; `InputError` for one that a newer
    lrdecay wrote.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise DamagedError(path, "not a file")
    with path.open("rb") as file:
        with _damage(path, file):
            sealed = _open_sealed(path, file, trust)
        yield sealed


def read_facts(path: Path) -> dict[str, str]:
    """Return what a file of ours says beside its rows and its version, its seal verified.

    Raises as `open_sealed`.
    """
    with open_sealed(path) as sealed:
        return sealed.facts


@contextmanager
def write_groups(
    path: Path, schema: pa.Schema, facts: Mapping[str, str] | None = None
) -> Iterator[pq.ParquetWriter]:
    """Write a table, one row group per `write_table`, so that `path` holds either what it held
    before or all of the new one. `facts` go into the file's own metadata."""
    facts = {"schema": str(SCHEMA_VERSION), **(facts or {})}
    schema = schema.with_metadata({_PREFIX + key: value for key, value in facts.items()})
    with replace_file(path) as file:
        with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
            yield writer
        _seal(file)


def write_table(content: pa.Table, path: Path, facts: Mapping[str, str] | None = None) -> None:
    """Write a table in the same way, as one row group."""
    with write_groups(path, content.schema.remove_metadata(), facts) as writer:
        writer.write_table(content, max(len(content), 1))


def _open_sealed(path: Path, file: IO[bytes], trust: bool) -> Sealed:
    sealed = _verify_seal(path, file, trust)
    file.seek(0)
    source = pq.ParquetFile(file, page_checksum_verification=True)
    facts = {
        key.decode().removeprefix(_PREFIX): value.decode()
        for key, value in (source.schema_arrow.metadata or {}).items()
        if key.decode().startswith(_PREFIX)
    }
    version = int(facts.pop("schema", "0"))
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{path}: written by a newer lrdecay (version {version} of the tables; this one reads "
            f"up to {SCHEMA_VERSION}): update lrdecay to read it"
        )
    if version < 1 or (version >= SEALED_SINCE and not sealed):
        raise DamagedError(path, "no seal of lrdecay's")
    return Sealed(path, source, file, version, facts, threads=not trust)


def _seal(file: IO[bytes]) -> None:
    """Put the seal between data and footer; the footer's offsets count from the start."""
    file.flush()
    start, footer = _footer(file)
    seal = _MAGIC + _digest(file, start) + hashlib.sha256(footer).digest()
    file.seek(start)
    file.write(seal + footer)


def _verify_seal(path: Path, file: IO[bytes], trust: bool) -> bool:
    """Return whether there is a seal. Raises `DamagedError` if it is not that of the bytes."""
    start, footer = _footer(file)
    start -= _SEAL
    file.seek(max(start, 0))
    seal = file.read(_SEAL)
    if start < 0 or not seal.startswith(_MAGIC):
        return False
    half = len(_MAGIC) + hashlib.sha256().digest_size
    if hashlib.sha256(footer).digest() != seal[half:]:
        raise DamagedError(path, "its footer is not as it was written")
    if not trust and _digest(file, start) != seal[len(_MAGIC) : half]:
        raise DamagedError(path, "its data are not as they were written")
    return True


def _footer(file: IO[bytes]) -> tuple[int, bytes]:
    """Return where the footer starts, and all bytes from there to the end."""
    size = file.seek(0, os.SEEK_END)
    if size < 2 * _TAIL:
        raise OSError(f"only {size} bytes")
    file.seek(size - _TAIL)
    tail = file.read(_TAIL)
    start = size - _TAIL - int.from_bytes(tail[:4], "little")
    if start < 4 or not tail.endswith(b"PAR1"):
        raise OSError("it does not end as a parquet file does")
    file.seek(start)
    return start, file.read()


def _digest(file: IO[bytes], end: int) -> bytes:
    file.seek(0)
    sha = hashlib.sha256()
    while block := file.read(min(_BLOCK, end - file.tell())):
        sha.update(block)
    return sha.digest()


@contextmanager
def _damage(path: Path, file: IO[bytes]) -> Iterator[None]:
    """Say of whatever goes wrong with a file's content which file it is.

    What goes wrong with one that is as it was written comes from outside: there was no memory for
    it, or no thread.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        if getattr(error, "errno", None) is not None:  # the system's, such as: no such file
            raise
        if isinstance(error, pa.ArrowException | OSError) and _is_as_written(path, file):
            reason = (
                f"cannot be read, though it is as it was written ({first_line(error)}); allow "
                f"more memory and processes (ulimit -a), and try again"
            )
            raise OSError(errno.ENOMEM, reason, str(path)) from error
        raise DamagedError(path, first_line(error)) from error


def _is_as_written(path: Path, file: IO[bytes]) -> bool:
    try:
        return _verify_seal(path, file, trust=False)
    except DamagedError:
        return False
    except OSError as error:
        if error.errno is not None:
            raise
        return False
