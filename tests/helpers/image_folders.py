"""Folders of images for tests: a square or a bar on noise, another one for each class."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from lrdecay.components.datasets import sources
from lrdecay.components.datasets.dataset import Dataset
from lrdecay.components.datasets.spec import DatasetSpec

SIDE = 12
TWO = {"cat": 10, "dog": 10}


def draw(kind: int, number: int) -> np.ndarray:
    """The grey values of one image; every pair of numbers gives another one."""
    pixels = np.random.default_rng([kind, number]).integers(0, 60, (SIDE, SIDE), dtype=np.uint8)
    pixels[3:9, 3 : 9 if kind == 0 else 3 + kind] = 200
    return pixels


def fill(folder: Path, counts: Mapping[str, int] = TWO, first: int = 0) -> Path:
    """Write so many images of each class; those of other `first` numbers are other ones."""
    for kind, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + count):
            Image.fromarray(draw(kind, number)).save(folder / name / f"{number:03}.png")
    return folder


def load(folder: Path, **settings: object) -> Dataset:
    """Read a folder, in grey unless the settings say otherwise."""
    given = {"folder": str(folder), "channels": 1, **settings}
    return sources.load_dataset(DatasetSpec(**given))  # type: ignore[arg-type]


def counts(dataset: Dataset, validation: int = 0) -> dict[str, list[int]]:
    """Images for training, validation and testing, by class."""
    facts = dataset.count_images(validation)
    rows = zip(facts.train, facts.validation, facts.test, strict=True)
    return {name: list(row) for name, row in zip(facts.classes, rows, strict=True)}
