"""Files that are not as they were written: found, set aside, trained again; the rest is kept."""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.tiny import RUNS_OF_TEXT, assert_same, in_no_time, run_ids

from lrdecay.core.errors import DamagedError
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store import table_writer
from lrdecay.store.parquet import open_sealed
from lrdecay.store.verify import verify_results
from lrdecay.store.versions import read_groups, read_table

PIECES = 50
SEAL = 8 + 2 * 32  # magic bytes and two digests before the footer


@dataclass(frozen=True)
class Damage:
    """What a file becomes; `first` is the first byte that differs."""

    kind: str
    data: bytes
    first: int


def flipped(sound: bytes, bit: int) -> Damage:
    data = bytearray(sound)
    data[bit // 8] ^= 1 << bit % 8
    return Damage("a flipped bit", bytes(data), bit // 8)


def cut(sound: bytes, piece: int) -> Damage:
    length = len(sound) * piece // PIECES
    return Damage("cut short", sound[:length], length)


def overwritten(sound: bytes, chance: random.Random, junk: bool) -> Damage:
    """A block of zeros or of junk, of any length, anywhere."""
    start = chance.randrange(len(sound) - 8)
    there = min(chance.choice([8, 64, 512, 4096]), len(sound) - start)
    block = chance.randbytes(there) if junk else bytes(there)
    if sound[start : start + there] == block:  # zeros where zeros were
        return overwritten(sound, chance, junk)
    return Damage(
        "junk" if junk else "zeros", sound[:start] + block + sound[start + there :], start
    )


def longer(sound: bytes, chance: random.Random) -> Damage:
    return Damage("junk at the end", sound + chance.randbytes(chance.randint(1, 99)), len(sound))


@pytest.fixture(scope="module")
def in_tables(trained, narrower, tmp_path_factory):
    """Half of the runs in the tables, half in `earlier`, in row groups of two runs."""
    results = tmp_path_factory.mktemp("in_tables")
    with in_no_time(trained.records) as patch:
        patch.setattr(table_writer, "_FEWEST_RUNS", 2)
        run_sweep(trained.file, results, workers=0)
        run_sweep(narrower, results, workers=0)
    folder = results / "tiny"
    assert len(run_ids(folder)) == len(run_ids(folder / "earlier")) == RUNS_OF_TEXT // 2
    for home in (folder, folder / "earlier"):
        with open_sealed(home / "epochs.parquet") as sealed:
            assert sealed.file.num_row_groups == 2
    return results


def groups_of(path: Path) -> list[tuple[int, set[str]]]:
    """Of each row group: where its bytes start, and its runs."""
    if path.stem == "plan":
        return []
    found = []
    with open_sealed(path) as sealed:
        for number in range(sealed.file.num_row_groups):
            column = sealed.file.metadata.row_group(number).column(0)
            start = column.dictionary_page_offset or column.data_page_offset
            runs = read_groups(sealed, [number], ["run_id"])["run_id"].to_pylist()
            found.append((start, set(runs)))
    return found


def check(damage: Damage, path: Path, results: Path, trained) -> int:
    """Damage a file of a sweep's results, and have it found; return how many runs that cost."""
    folder = results / "tiny"
    before = run_ids(folder) | run_ids(folder / "earlier")
    groups = groups_of(path)
    path.write_bytes(damage.data)
    with pytest.raises(DamagedError) as error:
        read_table(path)
    assert str(path) in str(error.value)
    with in_no_time(trained.records), pytest.raises(DamagedError):
        run_sweep(trained.file, results, workers=0)
    found = verify_results(folder)
    where = str(path.relative_to(folder))
    assert {finding.path for finding in found.findings} == {where}
    (aside,) = (folder / "quarantine").iterdir()
    assert (aside / where).read_bytes() == damage.data
    lost = before - run_ids(folder) - run_ids(folder / "earlier")
    may_be = set().union(*(runs for _, runs in groups))
    if damage.kind == "a flipped bit" and groups and damage.first >= groups[0][0]:
        footer = len(damage.data) - 8 - int.from_bytes(damage.data[-8:-4], "little")
        if damage.first < footer - SEAL:
            # the others are read by their pages' own checksums
            may_be = [runs for start, runs in groups if start <= damage.first][-1]
    assert lost <= may_be
    assert verify_results(folder).findings == ()
    with in_no_time(trained.records):
        assert run_sweep(trained.file, results, workers=0).completed == len(lost)
    assert_same(folder, trained.folder)
    assert verify_results(folder).findings == ()
    return len(lost)


def damages(path: Path, chance: random.Random, often) -> Iterator[Damage]:
    """What is tried on a part: every place at which it may be cut, samples of the rest."""
    sound = path.read_bytes()
    for piece in range(0, PIECES, often(17, 1)):
        yield cut(sound, piece)
    for junk in (False, True):
        for _ in range(often(1, 10)):
            yield overwritten(sound, chance, junk)
    yield longer(sound, chance)


def copied(results: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(results, to))


@pytest.mark.soak
@pytest.mark.parametrize("name", ["runs", "epochs"])
def test_a_part_that_is_cut_or_overwritten(trained, on_the_way, tmp_path, often, figure, name):
    chance = random.Random(name)
    tried, lost = Counter(), 0
    (number,) = chance.sample(range(2), 1)
    part = sorted((on_the_way / "tiny" / "parts").iterdir())[number].relative_to(on_the_way)
    for damage in damages(on_the_way / part / f"{name}.parquet", chance, often):
        results = copied(on_the_way, tmp_path / "results")
        lost += check(damage, results / part / f"{name}.parquet", results, trained)
        tried[damage.kind] += 1
    assert lost > 0
    shown = ", ".join(f"{count} {kind}" for kind, count in tried.items())
    figure(f"parts damaged ({name})", f"{shown}: all found, {lost} runs trained again")


def test_one_flipped_bit_anywhere(trained, on_the_way, in_tables, tmp_path, often, figure):
    chance = random.Random(0)
    bases = {base: sorted(base.rglob("*.parquet")) for base in (on_the_way, in_tables)}
    tried, lost = Counter(), 0
    for number in range(often(8, 200)):
        base = (on_the_way, in_tables)[number % 2]
        path = chance.choice(bases[base]).relative_to(base)
        results = copied(base, tmp_path / "results")
        sound = (results / path).read_bytes()
        damage = flipped(sound, chance.randrange(8 * len(sound)))
        lost += check(damage, results / path, results, trained)
        tried[path.parts[1]] += 1
    assert len(tried) > 3
    figure("single bits flipped", f"{tried.total()}, all found, {lost} runs trained again")


def test_a_file_that_is_not_there(trained, on_the_way, in_tables, tmp_path):
    for base, name in (
        (on_the_way, "parts/*/epochs"),
        (on_the_way, "batches/*/runs"),
        (in_tables, "epochs"),
        (in_tables, "earlier/epochs"),
    ):
        results = copied(base, tmp_path / "results")
        folder = results / "tiny"
        path = next(folder.glob(f"{name}.parquet"))
        path.unlink()
        found = verify_results(folder)
        assert [(f.path, f.reason) for f in found.findings] == [
            (str(path.relative_to(folder)), "it is missing")
        ]
        assert verify_results(folder).findings == ()
        with in_no_time(trained.records):
            run_sweep(trained.file, results, workers=0)
        assert_same(folder, trained.folder)
