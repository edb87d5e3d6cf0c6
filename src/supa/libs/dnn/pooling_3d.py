"""Largest and mean values of windows of volumes, and the gradient of the mean. Not here: windows of planes (`pooling`).

A volume is (depth, height, width), contiguous; programs take BLOCK elements of (volumes, output's sizes). A window has
KERNEL elements in each direction, STRIDE apart, STEP between its own, PAD before the edge.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _place(at, depth, height, width):
    """(volume, plane, row, column) of element `at`."""
    column, left = at % width, at // width
    row, left = left % height, left // height
    return (left // depth).to(tl.int64), left % depth, row, column


@triton.jit
def largest(
    out_ptr, index_ptr, x_ptr, n, depth, height, width, out_depth, out_height, out_width,
    KERNEL_D: tl.constexpr, KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_D: tl.constexpr,
    STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr, PAD_D: tl.constexpr, PAD_H: tl.constexpr, PAD_W: tl.constexpr,
    STEP_D: tl.constexpr, STEP_H: tl.constexpr, STEP_W: tl.constexpr, COMPUTE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out: each window's largest; index: its place in the volume. NaN is largest."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    volume, out_plane, out_row, out_column = _place(at, out_depth, out_height, out_width)
    begin = x_ptr + volume * depth * height * width
    best = tl.zeros((BLOCK,), COMPUTE)
    chosen = tl.full((BLOCK,), -1, tl.int32)
    for number in range(KERNEL_D * KERNEL_H * KERNEL_W):
        plane = out_plane * STRIDE_D - PAD_D + number // (KERNEL_H * KERNEL_W) * STEP_D
        row = out_row * STRIDE_H - PAD_H + number // KERNEL_W % KERNEL_H * STEP_H
        column = out_column * STRIDE_W - PAD_W + number % KERNEL_W * STEP_W
        inside = (plane >= 0) & (plane < depth) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
        inside = inside & (at < n)
        place = (plane * height + row) * width + column
        x = tl.load(begin + place, mask=inside, other=0).to(COMPUTE)
        better = inside & ((x > best) | (x != x) | (chosen < 0))
        best = tl.where(better, x, best)
        chosen = tl.where(better, place, chosen)
    tl.store(out_ptr + at, best.to(out_ptr.dtype.element_ty), mask=at < n)
    tl.store(index_ptr + at, chosen.to(tl.int64), mask=at < n)


@triton.jit
def _extent(out_at, size, KERNEL: tl.constexpr, STRIDE: tl.constexpr, PAD: tl.constexpr, PADDED: tl.constexpr):
    """How many elements a window has in one direction, with padding (PADDED) or without."""
    begin = out_at * STRIDE - PAD
    end = tl.minimum(begin + KERNEL, size + PAD)
    return end - begin if PADDED else tl.minimum(end, size) - tl.maximum(begin, 0)


@triton.jit
def mean(
    out_ptr, x_ptr, n, depth, height, width, out_depth, out_height, out_width, divisor,
    KERNEL_D: tl.constexpr, KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_D: tl.constexpr,
    STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr, PAD_D: tl.constexpr, PAD_H: tl.constexpr, PAD_W: tl.constexpr,
    PADDED: tl.constexpr, BACK: tl.constexpr, COMPUTE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out: each window's mean, or its sum divided by `divisor` if that is not 0. BACK: each window's share of x, the
    gradient, is added to out, which COMPUTE is the type of.
    """
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    volume, out_plane, out_row, out_column = _place(at, out_depth, out_height, out_width)
    begin = volume * depth * height * width
    count = _extent(out_plane, depth, KERNEL_D, STRIDE_D, PAD_D, PADDED)
    count *= _extent(out_row, height, KERNEL_H, STRIDE_H, PAD_H, PADDED)
    count *= _extent(out_column, width, KERNEL_W, STRIDE_W, PAD_W, PADDED)
    count = tl.where(divisor != 0, count * 0 + divisor, count).to(COMPUTE)
    total = tl.zeros((BLOCK,), COMPUTE)
    share = tl.load(x_ptr + at, mask=at < n, other=0).to(COMPUTE) / count if BACK else total
    for number in range(KERNEL_D * KERNEL_H * KERNEL_W):
        plane = out_plane * STRIDE_D - PAD_D + number // (KERNEL_H * KERNEL_W)
        row = out_row * STRIDE_H - PAD_H + number // KERNEL_W % KERNEL_H
        column = out_column * STRIDE_W - PAD_W + number % KERNEL_W
        inside = (plane >= 0) & (plane < depth) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
        inside = inside & (at < n)
        place = begin + (plane * height + row) * width + column
        if BACK:
            tl.atomic_add(out_ptr + place, share, mask=inside)
        else:
            total += tl.load(x_ptr + place, mask=inside, other=0).to(COMPUTE)
    if not BACK:
        tl.store(out_ptr + at, (total / count).to(out_ptr.dtype.element_ty), mask=at < n)
