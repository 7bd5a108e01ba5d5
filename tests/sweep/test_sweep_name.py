"""What a sweep's results are called, read without checking the file."""

import subprocess
import sys
from pathlib import Path

import pytest

from lrdecay.sweep import list_shipped, load_sweep
from lrdecay.sweep.sweep_name import read_name


def test_it_is_the_name_of_the_sweep() -> None:
    for file in list_shipped().values():
        assert read_name(file) == load_sweep(file).name


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("mine.yaml", "dataset: digits\n", "mine"),
        ("my sweep!.yaml", "dataset: digits\n", "my_sweep_"),
        ("mine.yaml", "\ufeffname: other\nepochs: -1\n", "other"),
        ("mine.yaml", "name: ../up\n", None),
        ("mine.yaml", "name: 3\n", None),
        ("mine.yaml", "name: [\n", None),
        ("mine.yaml", "- digits\n", None),
    ],
)
def test_what_hides_it_is_no_name(tmp_path: Path, file: str, text: str, name: str | None) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert read_name(tmp_path / file) == name


def test_a_file_that_cannot_be_read_has_none(tmp_path: Path) -> None:
    assert read_name(tmp_path / "none.yaml") is None
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    assert read_name(tmp_path / "latin.yaml") is None


def test_results_are_found_by_it_without_torch(tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    code = (
        "import sys; from pathlib import Path; from lrdecay.cli.options import find_results\n"
        "print(find_results(Path('mine.yaml'), Path('.'), None), 'torch' in sys.modules)"
    )
    (tmp_path / "mine.yaml").write_text("name: digits\n")
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout == "digits False\n"
