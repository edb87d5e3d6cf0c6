"""The windows of a two-dimensional convolution as the columns of a matrix, and back. Not here: the product (`blas`)."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def unfold_windows(
    out_ptr, x_ptr, height, width, out_height, out_width, x_batch, x_channel, x_row, x_column, window,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, STEP_H: tl.constexpr, STEP_W: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out[image, (channel, kernel row, kernel column), place] from x[image, channel, row, column], 0 beyond edges."""
    image, line = tl.program_id(2).to(tl.int64), tl.program_id(1)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    channel = line // (KERNEL_H * KERNEL_W)
    row = (place // out_width) * STRIDE_H - PAD_H + (line // KERNEL_W % KERNEL_H) * STEP_H
    column = (place % out_width) * STRIDE_W - PAD_W + (line % KERNEL_W) * STEP_W
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    count = out_height * out_width
    at = x_ptr + image * x_batch + channel * x_channel + row * x_row + column * x_column
    values = tl.load(at, mask=inside & (place < count), other=0.0)
    tl.store(out_ptr + (image * window + line) * count + place, values, mask=place < count)


@triton.jit
def fold_windows(
    out_ptr, columns_ptr, channels, height, width, out_height, out_width, window,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, STEP_H: tl.constexpr, STEP_W: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out[image, channel, row, column] = the sum of all places of `columns` that came from there."""
    image, channel = tl.program_id(2).to(tl.int64), tl.program_id(1)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, column = place // width, place % width
    count = out_height * out_width
    total = tl.zeros((BLOCK,), tl.float32)
    for kernel_row in range(KERNEL_H):
        for kernel_column in range(KERNEL_W):
            top, left = row + PAD_H - kernel_row * STEP_H, column + PAD_W - kernel_column * STEP_W
            y, x = top // STRIDE_H, left // STRIDE_W
            hits = (top >= 0) & (left >= 0) & (top % STRIDE_H == 0) & (left % STRIDE_W == 0)
            hits = hits & (y < out_height) & (x < out_width) & (place < height * width)
            line = (channel * KERNEL_H + kernel_row) * KERNEL_W + kernel_column
            at = columns_ptr + (image * window + line) * count + y * out_width + x
            total += tl.load(at, mask=hits, other=0.0).to(tl.float32)
    at = out_ptr + (image * channels + channel) * height * width + place
    tl.store(at, total.to(out_ptr.dtype.element_ty), mask=place < height * width)
