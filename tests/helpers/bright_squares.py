"""Made-up images that a network can learn."""

import torch

from lrdecay.components.datasets.dataset import Dataset, make_dataset


def make_squares(
    shape: tuple[int, int, int], train: int, test: int, name: str = "made up"
) -> Dataset:
    """Images of a bright square each, whose place tells the class of ten, among noise."""
    generator = torch.Generator().manual_seed(5)

    def part(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(count) % 10
        images = torch.randint(0, 120, (count, *shape), generator=generator, dtype=torch.uint8)
        side = shape[1] // 4
        for image, label in zip(images, labels.tolist(), strict=True):
            row, column = divmod(label, 4)
            image[:, row * side : (row + 1) * side, column * side : (column + 1) * side] = 255
        return images, labels

    return make_dataset(name, part(train), part(test))
