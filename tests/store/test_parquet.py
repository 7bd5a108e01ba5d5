"""What is damage, and what is not: a file whose seal is right is as it was written."""

import errno
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.commands import call
from helpers.folders import filled
from helpers.frames import make_tables, write_folder

from lrdecay.core.errors import DamagedError
from lrdecay.store.parquet import open_sealed, write_table
from lrdecay.store.reader import read_plan, read_runs
from lrdecay.store.verify import verify_results
from lrdecay.store.versions import read_table

NO_THREAD = "Unknown error: Failed to launch worker thread: Resource temporarily unavailable"
SHORTAGES = [
    pa.ArrowException(NO_THREAD),
    pa.ArrowInvalid("Invalid: no room for the page"),
    OSError("ZSTD init failed"),
]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but those of who holds it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.name != ".lock"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three runs in two parts, and the plan of six."""
    filled(tmp_path / "s")
    return tmp_path / "s"


def fail_reading(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", fails)


@pytest.mark.parametrize("error", SHORTAGES, ids=lambda error: type(error).__name__)
def test_a_shortage_is_no_damage_and_moves_nothing(folder, monkeypatch, error):
    before = contents(folder)
    fail_reading(monkeypatch, error)
    with pytest.raises(OSError, match="cannot be read, though it is as it was written") as caught:
        read_runs(folder)
    assert caught.value.errno == errno.ENOMEM
    result = call("verify", folder)
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith(f"lrdecay: {folder}/parts/")
    assert f"cannot be read, though it is as it was written ({error}); allow more memory" in line
    assert contents(folder) == before
    monkeypatch.undo()
    assert verify_results(folder).findings == ()


def test_too_little_memory_is_no_damage(folder, monkeypatch):
    before = contents(folder)
    fail_reading(monkeypatch, pa.ArrowMemoryError("malloc of size 64 failed"))
    for command in ("verify", "status"):
        result = call(command, folder)
        assert (result.exit_code, result.output) == (
            1,
            "lrdecay: there is not enough memory, or no further process "
            "(ArrowMemoryError: malloc of size 64 failed)\n",
        )
    assert contents(folder) == before


def test_what_fails_in_a_damaged_file_is_damage(folder):
    path = _first(folder)
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes(100) + data[200:])  # long before the footer
    with pytest.raises(DamagedError, match="its data are not as they were written"):
        read_table(path)
    with open_sealed(path, trust=True) as sealed, pytest.raises(DamagedError):
        sealed.rows(0)


def _first(folder: Path) -> Path:
    return sorted(folder.glob("parts/*/runs.parquet"))[0]


def test_a_damaged_file_is_read_in_one_thread(folder, monkeypatch):
    """So that a thread that cannot be had is not taken for one more damaged row group."""
    asked = []
    original = pq.ParquetFile.read_row_group

    def read(self, group, columns, use_threads):
        asked.append(use_threads)
        return original(self, group, columns=columns, use_threads=use_threads)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", read)
    path = _first(folder)
    for trust in (False, True):
        with open_sealed(path, trust=trust) as sealed:
            assert sealed.rows(0, ["run_id"]).column_names == ["run_id"]
    assert asked == [True, False]


@pytest.mark.parametrize("name", ["warnings", "sweep"])
def test_facts_that_are_nested_too_deeply_are_damage(tmp_path, name):
    folder = write_folder(tmp_path / "s", make_tables(("step",), (0.3,), 1, 1))
    facts = {"planned": "1", "sweep": "", name: "[" * 100_000}
    write_table(read_table(folder / "runs.parquet"), folder / "runs.parquet", facts)
    if name == "warnings":
        with pytest.raises(DamagedError, match="what it says of its sweep is not readable"):
            read_plan(folder)
    result = call("compare", folder)
    assert result.exit_code == 2
    assert result.output.startswith("lrdecay: ")
    assert result.output.count("\n") == 1
