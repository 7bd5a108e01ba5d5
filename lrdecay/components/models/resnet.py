"""The residual networks for small images of He et al. (2016).

K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", CVPR 2016,
section 4.2; initial weights are those of the same authors' "Delving deep into rectifiers", ICCV
2015, as they were there.
"""

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

_PLANES = (16, 32, 64)


class ResNet(nn.Module):
    """A 3x3 convolution of 16 planes, three stages of n residual blocks with 16, 32 and 64 planes,
    the mean of each plane, one linear layer: `depth` = 6n + 2 layers. No dropout.

    Images (n, channels, height, width), at least 8x8, to logits (n, classes). Batch normalisation
    follows each convolution. Where a stage halves the images and doubles the planes, the `shortcut`
    takes every second pixel and fills up with planes of zeros (A), or is a 1x1 convolution with
    batch normalisation (B). With A and 3x32x32 images of 10 classes depth 20 has 269,722
    parameters, 110 has 1,727,962.
    """

    own_dropout = True

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        depth: Literal[20, 32, 44, 56, 110] = 20,
        shortcut: Literal["A", "B"] = "A",
    ) -> None:
        super().__init__()
        channels, height, width = shape
        if min(height, width) < 8:
            raise ValueError(f"resnet needs images of at least 8x8 pixels, not {height}x{width}")
        self.convolution = nn.Conv2d(channels, _PLANES[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(_PLANES[0])
        blocks, inputs = [], _PLANES[0]
        for planes in _PLANES:
            for _ in range((depth - 2) // 6):
                blocks.append(_Block(inputs, planes, shortcut))
                inputs = planes
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(inputs, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, classes) of images (n, channels, height, width)."""
        h = self.blocks(F.relu(self.norm(self.convolution(x))))
        logits: Tensor = self.classifier(h.mean((2, 3)))
        return logits


class _Block(nn.Module):
    """Two convolutions, each with batch normalisation, added to the shortcut before the last
    ReLU."""

    shortcut: Callable[[Tensor], Tensor]

    def __init__(self, inputs: int, planes: int, shortcut: str) -> None:
        super().__init__()
        stride = 1 if inputs == planes else 2
        self.first = nn.Conv2d(inputs, planes, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(planes)
        self.second = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(planes)
        if inputs == planes:
            self.shortcut = nn.Identity()
        elif shortcut == "A":
            self.shortcut = _Subsample(planes - inputs)
        else:
            convolution = nn.Conv2d(inputs, planes, 1, stride, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(planes))

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(h)) + self.shortcut(x))


class _Subsample(nn.Module):
    """Every second row and column, and planes of zeros after those that are there."""

    def __init__(self, added: int) -> None:
        super().__init__()
        self.added = added

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.added))
