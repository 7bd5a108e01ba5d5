"""What every test may ask for, and what every test gets."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.digits_sweep import DigitsSweep, train_sweep
from helpers.shared import make_once
from helpers.tiers import FULL_VARIABLE
from hypothesis import settings

# in a process of xdist's it is set, and a console keeps what it finds when it is made
os.environ.pop("COLUMNS", None)

REQUIRE_VARIABLE = "LRDECAY_REQUIRE_DATA"
"""Set where the data must be there, so that no test is skipped for want of them unnoticed."""

HERE = Path(__file__).parent
READING = ("core", "store", "analysis", "plots", "report")
"""The packages that read; their tests import torch only where they say so."""
OF_FIXTURES = {"browser": "browser", "data_dir": "data", "fashion_dir": "data"}
"""The marker of the tests that ask for a fixture."""

# --hypothesis-profile chooses one
settings.register_profile("default", max_examples=50, deadline=None)
settings.register_profile("brief", max_examples=5, deadline=None)
settings.register_profile("full", max_examples=300, deadline=None)
settings.load_profile("default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder, and by what they ask for."""
    for item in items:
        if HERE / "faults" in item.path.parents:
            item.add_marker("faults")
        for fixture in OF_FIXTURES.keys() & getattr(item, "fixturenames", ()):
            item.add_marker(OF_FIXTURES[fixture])


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder that holds MNIST, as torchvision lays it out."""
    return _find_data("MNIST")


@pytest.fixture(scope="session")
def fashion_dir() -> Path:
    """The folder that holds Fashion-MNIST, as torchvision lays it out."""
    return _find_data("FashionMNIST")


def _find_data(name: str) -> Path:
    from lrdecay.components.datasets.sources import DATA_VARIABLE

    folder = os.environ.get(DATA_VARIABLE)
    if folder and (Path(folder) / name / "raw" / "train-images-idx3-ubyte").is_file():
        return Path(folder)
    reason = f"no {name} in {folder}" if folder else f"{DATA_VARIABLE} names no folder with {name}"
    if os.environ.get(REQUIRE_VARIABLE):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def digits_sweep(tmp_path_factory: pytest.TempPathFactory) -> DigitsSweep:
    """A small sweep on the digits, trained once for all test processes together."""
    home = make_once(tmp_path_factory, "digits_sweep", train_sweep)
    return DigitsSweep(home / "small.yaml", home / "small")


@pytest.fixture(scope="session")
def needs_kernel() -> None:
    """For tests of the compiled kernel; without a compiler they are skipped."""
    from helpers.kernels import need_kernel

    need_kernel()


@pytest.fixture
def torch_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU `auto` chooses among the engines in torch, whether a kernel was compiled or not."""
    monkeypatch.setattr("lrdecay.execution.grouping.find_obstacle", lambda *_: "it is left out")


@pytest.fixture
def empty_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are written with empty figures: for tests of their words."""
    from helpers.empty_figures import leave_figures_empty

    leave_figures_empty(monkeypatch)


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Engines in torch compute in float64, where no rounding hides or feigns a difference."""
    import torch

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(autouse=True)
def _one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Float32 sums on the CPU depend on the number of threads."""
    if request.path.relative_to(HERE).parts[0] in READING:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_terminal_summary(terminalreporter) -> None:
    """Print the figures of faults; reports bring them from whichever process ran the test.

    It stands here since the process that prints loads no conftest of a folder below.
    """
    reports = [r for of_kind in terminalreporter.stats.values() for r in of_kind]
    figures = [
        value
        for report in reports
        if getattr(report, "when", None) == "call"
        for kind, value in report.user_properties
        if kind == "figure"
    ]
    if figures and os.environ.get(FULL_VARIABLE) == "full":
        terminalreporter.section("faults")
        width = max(len(name) for name, _ in figures)
        for name, value in figures:
            terminalreporter.write_line(f"{name:<{width}}  {value}")
