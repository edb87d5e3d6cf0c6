"""Layer normalisation of contiguous rows, forward and backward, statistics in fp32. Not here: other norms."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def layer_norm(
    out_ptr, mean_ptr, rstd_ptr, x_ptr, weight_ptr, bias_ptr, columns, eps,
    SCALES: tl.constexpr, SHIFTS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out (rows, columns), mean and rstd (rows,); weight and bias (columns,), each read if there is one."""
    number = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    mask = column < columns
    x = tl.load(x_ptr + number * columns + column, mask=mask, other=0.0).to(tl.float32)
    mean = tl.sum(x, axis=0) / columns
    centred = tl.where(mask, x - mean, 0.0)
    rstd = 1.0 / tl.sqrt_rn(tl.sum(centred * centred, axis=0) / columns + eps)
    result = centred * rstd
    if SCALES:
        result *= tl.load(weight_ptr + column, mask=mask, other=0.0).to(tl.float32)
    if SHIFTS:
        result += tl.load(bias_ptr + column, mask=mask, other=0.0).to(tl.float32)
    tl.store(out_ptr + number * columns + column, result.to(out_ptr.dtype.element_ty), mask=mask)
    tl.store(mean_ptr + number, mean.to(mean_ptr.dtype.element_ty))
    tl.store(rstd_ptr + number, rstd.to(rstd_ptr.dtype.element_ty))


@triton.jit
def layer_norm_backward(
    out_ptr, grad_ptr, x_ptr, mean_ptr, rstd_ptr, weight_ptr, columns, SCALES: tl.constexpr, BLOCK: tl.constexpr
):
    """The gradient of x."""
    number = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    mask = column < columns
    grad = tl.load(grad_ptr + number * columns + column, mask=mask, other=0.0).to(tl.float32)
    x = tl.load(x_ptr + number * columns + column, mask=mask, other=0.0).to(tl.float32)
    rstd = tl.load(rstd_ptr + number).to(tl.float32)
    normal = tl.where(mask, (x - tl.load(mean_ptr + number).to(tl.float32)) * rstd, 0.0)
    if SCALES:
        grad *= tl.load(weight_ptr + column, mask=mask, other=0.0).to(tl.float32)
    along = tl.sum(grad * normal, axis=0) / columns
    result = (grad - normal * along - tl.sum(grad, axis=0) / columns) * rstd
    tl.store(out_ptr + number * columns + column, result.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def layer_norm_weights_backward(
    weight_ptr, bias_ptr, grad_ptr, x_ptr, mean_ptr, rstd_ptr, rows, columns,
    BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """The gradients of weight and bias, both (columns,): each program takes BLOCK_C columns of all rows."""
    column = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    weight = tl.zeros((BLOCK_R, BLOCK_C), tl.float32)
    bias = tl.zeros((BLOCK_R, BLOCK_C), tl.float32)
    for begin in range(0, rows, BLOCK_R):
        row = begin + tl.arange(0, BLOCK_R)
        mask = (row < rows)[:, None] & (column < columns)[None, :]
        at = row.to(tl.int64)[:, None] * columns + column[None, :]
        grad = tl.load(grad_ptr + at, mask=mask, other=0.0).to(tl.float32)
        x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
        mean = tl.load(mean_ptr + row, mask=row < rows, other=0.0).to(tl.float32)
        rstd = tl.load(rstd_ptr + row, mask=row < rows, other=0.0).to(tl.float32)
        weight += grad * (x - mean[:, None]) * rstd[:, None]
        bias += grad
    tl.store(weight_ptr + column, tl.sum(weight, axis=0).to(weight_ptr.dtype.element_ty), mask=column < columns)
    tl.store(bias_ptr + column, tl.sum(bias, axis=0).to(bias_ptr.dtype.element_ty), mask=column < columns)
