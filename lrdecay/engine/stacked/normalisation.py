"""Batch normalisation of many runs, each channel of each run by means and variances of its own.

Tensors are named by their shape: R runs, B images of a batch, C channels, H height, W width, and N
= R x C; Q planes of O channels, as `convolution` computes them. torch's own kernel for a CPU and
channels that lie last adds up all pixels of all images one after the other in float32, which errs
by 1e-4 of what is added; here sums are of sums, and variances of what is centred.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from lrdecay.engine.stacked.windows import Layout

_backward_by_torch = torch.ops.aten.native_batch_norm_backward


def update_running(layer: nn.BatchNorm2d, running: tuple[Tensor, Tensor], found: Any) -> None:
    """Move the running mean and variance towards those of a batch, in place: `found` are its mean
    and variance, and how many numbers they are of. The variance is that of a sample, as torch's."""
    mean, variance, count = found
    momentum = layer.momentum or 0.0
    with torch.no_grad():
        for kept, new in zip(running, (mean, variance * (count / (count - 1))), strict=True):
            kept.mul_(1 - momentum).add_(new, alpha=momentum)


def check_count(count: int) -> None:
    """Raise `ValueError` where there is no variance."""
    if count < 2:
        raise ValueError("batch normalisation needs more than one number per channel in training")


# The run axis first


def normalise_planes(
    x_RMBHW: Tensor,
    scale_RO: Tensor,
    shift_RO: Tensor,
    statistics: tuple[Tensor, Tensor] | None,
    eps: float,
    relu: bool,
    layout: Layout,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise planes (R, Q O, B, H, W) and return the largest of each channel (R, O, B, H, W),
    after ReLU if that is asked for, with means and variances (R, O).

    `statistics` are those to normalise by; None: those of the batch. More planes than one must have
    been computed with kernels times the sign of the scale: they rise with what comes of them, so
    that only the largest need be normalised.
    """
    mean, variance = statistics or (None, None)
    y: tuple[Tensor, Tensor, Tensor] = _NormalisePlanes.apply(
        x_RMBHW, scale_RO, shift_RO, mean, variance, eps, relu, layout
    )
    return y


class _NormalisePlanes(Function):
    @staticmethod
    def forward(
        ctx: Any,
        x_RMBHW: Tensor,
        scale_RO: Tensor,
        shift_RO: Tensor,
        mean_RO: Tensor | None,
        variance_RO: Tensor | None,
        eps: float,
        relu: bool,
        layout: Layout,
    ) -> Any:
        x_RQOBHW = x_RMBHW.unflatten(1, (-1, scale_RO.shape[1]))
        exact = x_RQOBHW.to(scale_RO.dtype)  # no copy but for bfloat16
        ctx.training = mean_RO is None or variance_RO is None
        if mean_RO is None or variance_RO is None:
            check_count(exact[0, :, 0].numel())
            variance_RO, mean_RO = torch.var_mean(exact, (1, 3, 4, 5), correction=0)
        inverse_RO = torch.rsqrt(variance_RO + eps)
        winner = None
        if x_RQOBHW.shape[1] == 1:
            largest, factor_RO = exact[:, 0], scale_RO * inverse_RO
        else:
            largest, winner = torch.max(exact, 1)
            factor_RO = scale_RO.abs() * inverse_RO
        moved_RO = shift_RO - mean_RO * factor_RO
        y = layout.allocate(x_RMBHW, largest.shape)
        torch.addcmul(_spread(moved_RO), largest, _spread(factor_RO), out=y)
        if relu:
            y.clamp_min_(0)
        ctx.relu = relu
        ctx.save_for_backward(
            *(x_RMBHW, largest, winner, y if relu else None),
            *(scale_RO, mean_RO, inverse_RO, factor_RO),
        )
        ctx.mark_non_differentiable(mean_RO, variance_RO)
        return y, mean_RO, variance_RO

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x_RMBHW, largest, winner, y, scale_RO, mean_RO, inverse_RO, factor_RO = ctx.saved_tensors
        g = torch.ops.aten.threshold_backward(gradients[0], y, 0) if ctx.relu else gradients[0]
        g = g.to(scale_RO.dtype)
        x_RQOBHW = x_RMBHW.unflatten(1, (-1, scale_RO.shape[1])).to(scale_RO.dtype)
        total_RO = g.sum((2, 3, 4))
        product_RO = (g * largest).sum((2, 3, 4)) - mean_RO * total_RO
        of_x = None
        if ctx.needs_input_grad[0]:
            moved = g * _spread(factor_RO)
            if ctx.training:
                count = x_RQOBHW[0, :, 0].numel()
                slope_RO = factor_RO * inverse_RO.square() * product_RO / -count
                offset_RO = factor_RO * total_RO / -count - slope_RO * mean_RO
                of_x = torch.addcmul(
                    _spread(offset_RO)[:, None], x_RQOBHW, _spread(slope_RO)[:, None]
                )
            else:
                of_x = torch.zeros_like(x_RQOBHW)
            if winner is None:
                of_x += moved[:, None]
            else:  # each place once: nothing depends on an order
                of_x.scatter_add_(1, winner[:, None], moved[:, None])
            of_x = of_x.flatten(1, 2)
        of_scale = product_RO * inverse_RO
        if winner is not None:
            of_scale = torch.where(scale_RO < 0, -of_scale, of_scale)
        return of_x, of_scale, total_RO, None, None, None, None, None


def _spread(x_RO: Tensor) -> Tensor:
    return x_RO[..., None, None, None]


# Channels last


def normalise_channels(
    x_BNHW: Tensor, scale_N: Tensor, shift_N: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise images (B, N, H, W), channels last on a CPU, by the means and variances (N,) of the
    batch, and return those too."""
    y: tuple[Tensor, Tensor, Tensor] = _NormaliseChannels.apply(x_BNHW, scale_N, shift_N, eps)
    return y


class _NormaliseChannels(Function):
    """In torch's own passes over all pixels: what they add up are the images of one pixel, as if
    pixels were channels too, and few sums are left to be added."""

    @staticmethod
    def forward(ctx: Any, x_BNHW: Tensor, scale_N: Tensor, shift_N: Tensor, eps: float) -> Any:
        dtype = x_BNHW.dtype
        x_BNHW = x_BNHW.to(scale_N.dtype).contiguous(memory_format=torch.channels_last)
        ctx.count = x_BNHW.numel() // x_BNHW.shape[1]
        check_count(ctx.count)
        mean_P, variance_P = torch.batch_norm_update_stats(_as_pixels(x_BNHW), None, None, 0.0)
        mean_NP, variance_NP = (_by_channel(each, x_BNHW) for each in (mean_P, variance_P))
        mean_N = mean_NP.mean(1)
        apart_NP = (mean_NP - mean_N[:, None]).square_()
        variance_N = variance_NP.mean(1) + apart_NP.mean(1)
        y = F.batch_norm(x_BNHW, mean_N, variance_N, scale_N, shift_N, False, 0.0, eps)
        ctx.save_for_backward(x_BNHW, scale_N, mean_N, (variance_N + eps).rsqrt())
        ctx.mark_non_differentiable(mean_N, variance_N)
        return y.to(dtype), mean_N, variance_N

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x_BNHW, scale_N, mean_N, inverse_N = ctx.saved_tensors
        g = gradients[0].to(x_BNHW.dtype).contiguous(memory_format=torch.channels_last)
        pixels = x_BNHW.shape[2] * x_BNHW.shape[3]
        mean_P, one_P = mean_N.repeat(pixels), torch.ones_like(mean_N).repeat(pixels)
        wide = _as_pixels(g), _as_pixels(x_BNHW)
        which = [False, True, True]  # no more than the sums of g (x - mean) and of g
        _, *sums_P = _backward_by_torch(*wide, None, None, None, mean_P, one_P, True, 0.0, which)
        product_N, total_N = (_by_channel(each, x_BNHW).sum(1) for each in sums_P)
        of_x = None
        if ctx.needs_input_grad[0]:
            factor_N = scale_N * inverse_N
            slope_N = factor_N * inverse_N * inverse_N * product_N / -ctx.count
            offset_N = factor_N * total_N / -ctx.count
            # slope (x - mean) + offset
            of_x = F.batch_norm(x_BNHW, mean_N, torch.ones_like(mean_N), slope_N, offset_N, eps=0.0)
            of_x += g * factor_N[:, None, None]
        return of_x, product_N * inverse_N, total_N, None


def _as_pixels(x_BNHW: Tensor) -> Tensor:
    """Return a view (1, H W N, B, 1) in which each pixel of each channel is a channel."""
    x_BP = x_BNHW.permute(0, 2, 3, 1).flatten(1)
    return x_BP.t()[None, :, :, None]


def _by_channel(x_P: Tensor, x_BNHW: Tensor) -> Tensor:
    """Return what there is of each pixel and channel as (N, H W), whose rows add up alike wherever
    they stand."""
    return x_P.view(-1, x_BNHW.shape[1]).t().contiguous()
