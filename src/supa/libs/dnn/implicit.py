"""Convolutions as implicit products: windows are read where they lie, in an input whose edges are there (padded), and
never written as a matrix. Not here: windows as matrices (`windows`), when which is used (the framework).

A place of the output and an element of a window each are a distance in the input; a window's element lies at their sum.
"""

from __future__ import annotations

import triton
import triton.language as tl

from supa.libs.blas.product import add_product, grouped_block


@triton.jit
def _element(
    number, x_channel, x_deep, x_row, x_column, KERNEL_D: tl.constexpr, KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr,
    STEP_D: tl.constexpr, STEP_H: tl.constexpr, STEP_W: tl.constexpr,
):  # fmt: skip
    """How far element `number` of the windows of all channels lies from a window's first."""
    deep = number // (KERNEL_H * KERNEL_W) % KERNEL_D * STEP_D
    row = number // KERNEL_W % KERNEL_H * STEP_H
    channel = number // (KERNEL_D * KERNEL_H * KERNEL_W)
    return channel * x_channel + deep * x_deep + row * x_row + number % KERNEL_W * STEP_W * x_column


@triton.jit
def convolve(
    out_ptr, weight_ptr, x_ptr, bias_ptr, M, N, K, out_height, out_width, x_batch, x_channel, x_deep, x_row, x_column,
    KERNEL_D: tl.constexpr, KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_D: tl.constexpr,
    STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr, STEP_D: tl.constexpr, STEP_H: tl.constexpr, STEP_W: tl.constexpr,
    BIASED: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP_M: tl.constexpr,
):  # fmt: skip
    """out[image] (M, N places) = weight (M, K) times the windows (K, N) of x[image], and a bias of each row."""
    image = tl.program_id(1).to(tl.int64)
    rows, columns = grouped_block(M, N, BLOCK_M, BLOCK_N, GROUP_M)
    place = columns % N
    line = place // out_width
    deep, row = line // out_height * STRIDE_D, line % out_height * STRIDE_H
    at = deep * x_deep + row * x_row + place % out_width * STRIDE_W * x_column
    depth = tl.arange(0, BLOCK_K)
    a_at = weight_ptr + (rows % M)[:, None] * K + depth[None, :]
    b_at = x_ptr + image * x_batch + at
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for done in range(0, K, BLOCK_K):
        number = done + depth
        element = _element(
            number, x_channel, x_deep, x_row, x_column, KERNEL_D, KERNEL_H, KERNEL_W, STEP_D, STEP_H, STEP_W
        )
        a = tl.load(a_at + done, mask=number[None, :] < K, other=0.0)
        b = tl.load(b_at[None, :] + element[:, None], mask=number[:, None] < K, other=0.0)
        total = add_product(total, a, b, PRECISION)
    if BIASED:
        total += tl.load(bias_ptr + rows, mask=rows < M, other=0.0).to(tl.float32)[:, None]
    mask = (rows < M)[:, None] & (columns < N)[None, :]
    out_at = out_ptr + (image * M + rows.to(tl.int64)[:, None]) * N + columns[None, :]
    tl.store(out_at, total.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def convolve_weight(
    out_ptr, grad_ptr, x_ptr, M, N, K, images, grad_batch, grad_channel, x_batch, x_channel, x_row,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STEP_H: tl.constexpr, STEP_W: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """out (M, N elements of windows) = the sum over images of grad (M, K places) times x's windows, transposed.

    Windows begin at each of K neighbouring elements of an image of x; where none belongs to the output, grad is 0.
    """
    block_rows = tl.cdiv(M, BLOCK_M)
    rows = (tl.program_id(0) % block_rows) * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = (tl.program_id(0) // block_rows) * BLOCK_N + tl.arange(0, BLOCK_N)
    element = _element(columns % N, x_channel, 0, x_row, 1, 1, KERNEL_H, KERNEL_W, 1, STEP_H, STEP_W)
    depth = tl.arange(0, BLOCK_K)
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for number in range(0, images):
        image = tl.cast(number, tl.int64)
        a_at = grad_ptr + image * grad_batch + (rows % M)[:, None] * grad_channel + depth[None, :]
        b_at = x_ptr + image * x_batch + element[None, :] + depth[:, None]
        for done in range(0, K, BLOCK_K):
            a = tl.load(a_at, mask=depth[None, :] < K - done, other=0.0)
            b = tl.load(b_at, mask=depth[:, None] < K - done, other=0.0)
            total = add_product(total, a, b, PRECISION)
            a_at += BLOCK_K
            b_at += BLOCK_K
    mask = (rows < M)[:, None] & (columns < N)[None, :]
    out_at = out_ptr + rows.to(tl.int64)[:, None] * N + columns[None, :]
    tl.store(out_at, total.to(out_ptr.dtype.element_ty), mask=mask)
