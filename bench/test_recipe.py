"""The time that a usual recipe takes for an epoch, beside a script's, in as many processes as there
are cores, with one thread each."""

from __future__ import annotations

from statistics import median

import pytest
from conftest import PROCESSES
from test_speed import folder, present

from bench import recipe

IMAGES, EPOCH = 2560, 55_000
SIDES = {
    "a script with torchvision": ("user's", recipe.train_script),
    "lrdecay": ("lrdecay's", recipe.train_lrdecay),
}
_SECONDS: dict[str, list[float]] = {name: [] for name in SIDES}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Both once in each round."""
    metafunc.parametrize("round_", range(metafunc.config.getoption("rounds")))
    metafunc.parametrize("name", SIDES)


@pytest.fixture(scope="module", autouse=True)
def _report(tables):
    yield
    if not all(_SECONDS.values()):
        return
    rows = [["", "seconds an epoch takes", "images/s of all processes", "beside the script"]]
    script = median(_SECONDS["a script with torchvision"])
    for name, seconds in _SECONDS.items():
        epoch = median(seconds) * EPOCH / IMAGES
        rate = f"{PROCESSES * EPOCH / epoch:,.0f}"
        rows.append([name, f"{epoch:.0f}", rate, f"{script / median(seconds):.2f}"])
    tables.add(
        "A usual recipe",
        f"ResNet-20 on Fashion-MNIST (28x28), random crops and flips, label smoothing, clipped "
        f"gradients, SGD, a warm-up and a cosine, batch {recipe.BATCH}: the sweep "
        f"`{recipe.SWEEP}`, on lrdecay's reference engine. Seconds of an epoch of {EPOCH:,} images "
        f"are those of {IMAGES:,}, trained on once in each of {PROCESSES} processes at the same "
        f"time, scaled up; evaluations are left out.",
        rows,
    )


def test_recipe(benchmark, crews, round_, name):
    if not present("fashion_mnist"):
        pytest.skip(f"fashion_mnist is not in {folder()}; set LRDECAY_DATA")
    crew, train = crews[SIDES[name][0]], SIDES[name][1]
    if not _SECONDS[name]:  # first steps pay for what later ones find ready
        crew.do(train, recipe.Work(folder(), 2 * recipe.BATCH))
    work = recipe.Work(folder(), IMAGES)
    losses = benchmark.pedantic(lambda: crew.do(train, work), rounds=1)
    assert all(0 < loss < 10 for loss in losses)
    _SECONDS[name].append(benchmark.stats.stats.median)
