"""Networks of published problems, as they were trained there: with dropout rates of their own.

`mnist_example` is that of PyTorch's example for MNIST (github.com/pytorch/examples); `fmnist_2c2d`
and `cifar10_3c3d` are those of DeepOBS (Schneider, Balles and Hennig, "DeepOBS: A Deep Learning
Optimizer Benchmark Suite", ICLR 2019; github.com/fsschneider/DeepOBS). Each takes images (n,
channels, height, width) to logits (n, classes).
"""

from collections.abc import Callable

from torch import nn

_TRUNCATED = 0.87962566103423978
"""The sd of a standard normal distribution that is cut off at 2 sd."""


def _require_pixels(name: str, shape: tuple[int, int, int], least: int) -> None:
    _, height, width = shape
    if min(height, width) < least:
        raise ValueError(
            f"{name} needs images of at least {least}x{least} pixels, not {height}x{width}"
        )


class MNISTExample(nn.Sequential):
    """Two 3x3 convolutions without padding, one 2x2 max-pool, dropout 0.25, 128 units, dropout 0.5;
    torch's own initial weights. Images of at least 6x6 pixels; 28x28: 1,199,882 parameters."""

    own_dropout = True

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        _require_pixels("mnist_example", shape, 6)
        channels, height, width = shape
        # pooling before ReLU: the same values and gradients at a quarter of ReLU's work
        super().__init__(
            *(nn.Conv2d(channels, 32, 3), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3), nn.MaxPool2d(2), nn.ReLU()),
            *(nn.Dropout(0.25), nn.Flatten()),
            *(nn.Linear(64 * ((height - 4) // 2) * ((width - 4) // 2), 128), nn.ReLU()),
            *(nn.Dropout(0.5), nn.Linear(128, classes)),
        )


class FMNIST2C2D(nn.Sequential):
    """Two 5x5 convolutions, each halved by max-pooling, and 1,024 units; no dropout.

    Initial weights are normal with sd 0.05, cut off at 2 sd, and biases 0.05. Images of at least
    4x4 pixels; 28x28: 3,274,634 parameters.
    """

    own_dropout = True

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        _require_pixels("fmnist_2c2d", shape, 4)
        channels, height, width = shape
        super().__init__(
            *(nn.Conv2d(channels, 32, 5, padding=2), nn.MaxPool2d(2), nn.ReLU()),
            *(nn.Conv2d(32, 64, 5, padding=2), nn.MaxPool2d(2), nn.ReLU()),
            nn.Flatten(),
            *(nn.Linear(64 * (height // 4) * (width // 4), 1024), nn.ReLU()),
            nn.Linear(1024, classes),
        )
        for layer in self:
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
                nn.init.trunc_normal_(layer.weight, std=0.05, a=-0.1, b=0.1)
                layer.bias.data.fill_(0.05)


class CIFAR103C3D(nn.Sequential):
    """Three convolutions, each halved by 3x3 max-pooling, and layers of 512 and 256 units; no
    dropout.

    Initial weights are Xavier's: normal, cut off at 2 sd, in convolutions, and uniform in linear
    layers; biases are 0. Images of at least 16x16 pixels; 3x32x32: 895,210 parameters.
    """

    own_dropout = True

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        _require_pixels("cifar10_3c3d", shape, 16)
        channels, *sizes = shape
        height, width = (((size - 4) // 2 - 2) // 2 // 2 for size in sizes)

        def halve() -> tuple[nn.Module, nn.Module]:
            # windows begin in the corner; of an even size the last ones reach over the edge
            return nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU()

        super().__init__(
            *(nn.Conv2d(channels, 64, 5), *halve()),
            *(nn.Conv2d(64, 96, 3), *halve()),
            *(nn.Conv2d(96, 128, 3, padding=1), *halve()),
            nn.Flatten(),
            *(nn.Linear(128 * height * width, 512), nn.ReLU()),
            *(nn.Linear(512, 256), nn.ReLU()),
            nn.Linear(256, classes),
        )
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                fans = sum(layer.weight.shape[:2]) * layer.weight[0, 0].numel()
                sd = (2 / fans) ** 0.5 / _TRUNCATED
                nn.init.trunc_normal_(layer.weight, std=sd, a=-2 * sd, b=2 * sd)
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
                layer.bias.data.zero_()


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "mnist_example": MNISTExample,
    "fmnist_2c2d": FMNIST2C2D,
    "cifar10_3c3d": CIFAR103C3D,
}
"""Name in a sweep file -> class."""
