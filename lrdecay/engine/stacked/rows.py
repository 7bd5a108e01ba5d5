"""Rows of many runs times weights, after dropout or without, with gradients written by hand.

Tensors are named by their shape: R runs, B images of a batch, F features, O outputs. A mask is
applied as bytes; what is kept is scaled where there is less of it, after the product.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from lrdecay.engine.stacked.convolution import Into, find_dtype, write_into


def multiply(
    x_RBF: Tensor,
    weight_ROF: Tensor,
    bias_RO: Tensor | None,
    dropout: tuple[Tensor, Tensor] | None,
    into: Into,
) -> Tensor:
    """Return (R, B, O), after dropout: what is kept (R, B, F), bool, and its scale (R,).

    Gradients of weight and bias are written `into` tensors that are there for them.
    """
    kept, scale_R = dropout or (None, None)
    y_RBO: Tensor = _Multiply.apply(x_RBF, weight_ROF, bias_RO, kept, scale_R, into)
    return y_RBO


class _Multiply(Function):
    @staticmethod
    def forward(
        ctx: Any,
        x_RBF: Tensor,
        weight_ROF: Tensor,
        bias_RO: Tensor | None,
        kept_RBF: Tensor | None,
        scale_R: Tensor | None,
        into: Into,
    ) -> Tensor:
        dtype = find_dtype(x_RBF)
        x_RBF, weight_ROF = x_RBF.to(dtype), weight_ROF.to(dtype)
        scale = None if scale_R is None else scale_R.to(dtype)[:, None, None]
        bias = None if bias_RO is None else bias_RO.to(dtype)[:, None]
        if kept_RBF is not None:
            x_RBF = x_RBF * kept_RBF
        ctx.into, ctx.with_bias = into, bias is not None
        ctx.save_for_backward(x_RBF, weight_ROF, kept_RBF, scale)
        weight_RFO = weight_ROF.transpose(1, 2)
        if scale is None:
            return _add_product(bias, x_RBF, weight_RFO)
        y = torch.bmm(x_RBF, weight_RFO)
        return y * scale if bias is None else torch.addcmul(bias, y, scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (g_RBO,) = gradients
        x_RBF, weight_ROF, kept_RBF, scale = ctx.saved_tensors
        of_x = of_weight = of_bias = None
        if ctx.with_bias and ctx.needs_input_grad[2]:
            of_bias = write_into(ctx.into[1], g_RBO.dtype, torch.sum, g_RBO, 1)
        scaled = g_RBO if scale is None else g_RBO * scale
        if ctx.needs_input_grad[1]:
            factors = scaled.transpose(1, 2), x_RBF
            of_weight = write_into(ctx.into[0], x_RBF.dtype, torch.bmm, *factors)
        if ctx.needs_input_grad[0]:
            of_x = torch.bmm(scaled, weight_ROF)
            if kept_RBF is not None:
                of_x *= kept_RBF
        return of_x, of_weight, of_bias, None, None, None


def _add_product(bias: Tensor | None, x_RBF: Tensor, weight_RFO: Tensor) -> Tensor:
    if bias is None:
        return torch.bmm(x_RBF, weight_RFO)
    return torch.baddbmm(bias, x_RBF, weight_RFO)
