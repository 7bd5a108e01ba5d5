"""Which layers of a network are a block that `fused_conv_block` computes."""

from torch import nn


def can_fuse(convolution: nn.Conv2d, pool: nn.MaxPool2d) -> bool:
    """Return whether the two, with a ReLU after either, are what the kernels compute: a 3x3
    convolution with padding 1 and a bias, and 2x2 max-pooling, both moving as they do by default.

    >>> can_fuse(nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2))
    True
    >>> can_fuse(nn.Conv2d(1, 16, 5, padding=2), nn.MaxPool2d(2))
    False
    """
    how = convolution.kernel_size, convolution.padding, convolution.stride, convolution.dilation
    plain = convolution.groups == 1 and convolution.padding_mode == "zeros"
    halves = [_as_pair(each) for each in (pool.kernel_size, pool.stride)] == [(2, 2), (2, 2)]
    whole = _as_pair(pool.padding) == (0, 0) and _as_pair(pool.dilation) == (1, 1)
    return (
        how == ((3, 3), (1, 1), (1, 1), (1, 1))
        and convolution.bias is not None
        and plain
        and halves
        and whole
        and not (pool.ceil_mode or pool.return_indices)
    )


def _as_pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return size if isinstance(size, tuple) else (size, size)
