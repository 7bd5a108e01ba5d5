"""The tutorial's network."""

from collections import OrderedDict

from torch import nn


class CNN(nn.Sequential):
    """The tutorial's network: two 3x3 convolutions, each halved by max-pooling, two linear layers.

    Images (n, channels, height, width), at least 4x4, to logits (n, classes). Dropout stands
    before each linear layer; `batch_norm` adds a BatchNorm2d after each convolution.
    """

    def __init__(
        self, shape: tuple[int, int, int], classes: int, dropout: float, batch_norm: bool = False
    ) -> None:
        channels, height, width = shape
        if min(height, width) < 4:
            raise ValueError(f"the cnn needs images of at least 4x4 pixels, not {height}x{width}")
        # Pooling before ReLU gives the same values and gradients at a quarter of ReLU's work.
        features = nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1),
            nn.BatchNorm2d(16) if batch_norm else nn.Identity(),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32) if batch_norm else nn.Identity(),
            nn.MaxPool2d(2),
            nn.ReLU(),
        )
        classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(32 * (height // 4) * (width // 4), 128),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(128, classes),
        )
        super().__init__(OrderedDict(features=features, classifier=classifier))
