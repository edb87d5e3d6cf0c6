"""The windows of a convolution as the columns of a matrix, and back; convolutions of single channels, which need no
matrix. Not here: the product (`blas`).

Space has three axes, depth, height and width; the outer ones are 1 where there are fewer. A window has KERNEL elements
along each, STRIDE apart, STEP between its own, PAD before the edge. A program takes a tile of rows and columns of a
depth of the output; `blocks` tiles make its width.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _tile(out_height, blocks, BLOCK_H: tl.constexpr, BLOCK_W: tl.constexpr):
    """(depth, rows, columns) of the program's tile of an output."""
    number = tl.program_id(0)
    across, left = number % blocks, number // blocks
    bands = tl.cdiv(out_height, BLOCK_H)
    rows = (left % bands) * BLOCK_H + tl.arange(0, BLOCK_H)
    return left // bands, rows[:, None], (across * BLOCK_W + tl.arange(0, BLOCK_W))[None, :]


@triton.jit
def unfold_windows(
    out_ptr, x_ptr, depth, height, width, out_depth, out_height, out_width, x_batch, x_channel, x_deep, x_row, x_column,
    window, blocks,
    KERNEL_D: tl.constexpr, KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_D: tl.constexpr,
    STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr, PAD_D: tl.constexpr, PAD_H: tl.constexpr, PAD_W: tl.constexpr,
    STEP_D: tl.constexpr, STEP_H: tl.constexpr, STEP_W: tl.constexpr, BLOCK_H: tl.constexpr, BLOCK_W: tl.constexpr,
):  # fmt: skip
    """out[image, (channel, kernel element), place] from x[image, channel, place], 0 beyond edges."""
    image, line = tl.program_id(2).to(tl.int64), tl.program_id(1)
    out_deep, out_row, out_column = _tile(out_height, blocks, BLOCK_H, BLOCK_W)
    channel = line // (KERNEL_D * KERNEL_H * KERNEL_W)
    deep = out_deep * STRIDE_D - PAD_D + (line // (KERNEL_H * KERNEL_W) % KERNEL_D) * STEP_D
    row = out_row * STRIDE_H - PAD_H + (line // KERNEL_W % KERNEL_H) * STEP_H
    column = out_column * STRIDE_W - PAD_W + (line % KERNEL_W) * STEP_W
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width) & (deep >= 0) & (deep < depth)
    mask = (out_row < out_height) & (out_column < out_width)
    at = x_ptr + image * x_batch + channel * x_channel + deep * x_deep + row * x_row + column * x_column
    values = tl.load(at, mask=inside & mask, other=0.0)
    place = (out_deep * out_height + out_row) * out_width + out_column
    tl.store(out_ptr + (image * window + line) * (out_depth * out_height * out_width) + place, values, mask=mask)


@triton.jit
def _came_from(at, kernel, out_size, STRIDE: tl.constexpr, PAD: tl.constexpr, STEP: tl.constexpr):
    """(place in the output, whether there is one) whose window has place `at` as its element `kernel`."""
    back = at + PAD - kernel * STEP
    place = back // STRIDE
    return place, (back >= 0) & (back % STRIDE == 0) & (place < out_size)


@triton.jit
def fold_windows(
    out_ptr, columns_ptr, bias_ptr, channels, depth, height, width, out_depth, out_height, out_width, window, blocks,
    KERNEL_D: tl.constexpr, KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_D: tl.constexpr,
    STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr, PAD_D: tl.constexpr, PAD_H: tl.constexpr, PAD_W: tl.constexpr,
    STEP_D: tl.constexpr, STEP_H: tl.constexpr, STEP_W: tl.constexpr, BIASED: tl.constexpr, BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
):  # fmt: skip
    """out[image, channel, place] = the sum of all places of `columns` that came from there, and the channel's bias."""
    image, channel = tl.program_id(2).to(tl.int64), tl.program_id(1)
    deep, row, column = _tile(height, blocks, BLOCK_H, BLOCK_W)
    mask = (row < height) & (column < width)
    count = out_depth * out_height * out_width
    wide = tl.float64 if columns_ptr.dtype.element_ty == tl.float64 else tl.float32
    total = tl.zeros((BLOCK_H, BLOCK_W), wide)
    if BIASED:
        total += tl.load(bias_ptr + channel).to(wide)
    for kernel_deep in range(KERNEL_D):
        z, deep_hits = _came_from(deep, kernel_deep, out_depth, STRIDE_D, PAD_D, STEP_D)
        for kernel_row in range(KERNEL_H):
            y, row_hits = _came_from(row, kernel_row, out_height, STRIDE_H, PAD_H, STEP_H)
            for kernel_column in range(KERNEL_W):
                x, column_hits = _came_from(column, kernel_column, out_width, STRIDE_W, PAD_W, STEP_W)
                line = ((channel * KERNEL_D + kernel_deep) * KERNEL_H + kernel_row) * KERNEL_W + kernel_column
                at = columns_ptr + (image * window + line) * count + (z * out_height + y) * out_width + x
                total += tl.load(at, mask=row_hits & column_hits & deep_hits & mask, other=0.0).to(wide)
    at = out_ptr + ((image * channels + channel) * depth + deep) * height * width + row * width + column
    tl.store(at, total.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def single_channels(
    out_ptr, x_ptr, weight_ptr, bias_ptr, channels, times, height, width, out_height, out_width, blocks,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, STEP_H: tl.constexpr, STEP_W: tl.constexpr, BIASED: tl.constexpr,
    BLOCK_H: tl.constexpr, BLOCK_W: tl.constexpr,
):  # fmt: skip
    """Each of `channels` outputs from one channel of x, `times` of them from the same one."""
    image, channel = tl.program_id(2).to(tl.int64), tl.program_id(1)
    _, out_row, out_column = _tile(out_height, blocks, BLOCK_H, BLOCK_W)
    mask = (out_row < out_height) & (out_column < out_width)
    begin = x_ptr + (image * (channels // times) + channel // times) * height * width
    total = tl.zeros((BLOCK_H, BLOCK_W), tl.float32)
    if BIASED:
        total += tl.load(bias_ptr + channel).to(tl.float32)
    for kernel_row in tl.static_range(KERNEL_H):
        for kernel_column in tl.static_range(KERNEL_W):
            row = out_row * STRIDE_H - PAD_H + kernel_row * STEP_H
            column = out_column * STRIDE_W - PAD_W + kernel_column * STEP_W
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width) & mask
            weight = tl.load(weight_ptr + (channel * KERNEL_H + kernel_row) * KERNEL_W + kernel_column).to(tl.float32)
            total += weight * tl.load(begin + row * width + column, mask=inside, other=0.0).to(tl.float32)
    at = out_ptr + (image * channels + channel) * out_height * out_width + out_row * out_width + out_column
    tl.store(at, total.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def single_channels_input(
    out_ptr, grad_ptr, weight_ptr, channels, times, height, width, out_height, out_width, blocks,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, STEP_H: tl.constexpr, STEP_W: tl.constexpr,
    BLOCK_H: tl.constexpr, BLOCK_W: tl.constexpr,
):  # fmt: skip
    """The gradient of x; `channels` of the output."""
    image, channel = tl.program_id(2).to(tl.int64), tl.program_id(1)
    _, row, column = _tile(height, blocks, BLOCK_H, BLOCK_W)
    mask = (row < height) & (column < width)
    total = tl.zeros((BLOCK_H, BLOCK_W), tl.float32)
    for number in range(times):
        own = channel * times + number
        begin = grad_ptr + (image * channels + own) * out_height * out_width
        for kernel_row in tl.static_range(KERNEL_H):
            y, row_hits = _came_from(row, kernel_row, out_height, STRIDE_H, PAD_H, STEP_H)
            for kernel_column in tl.static_range(KERNEL_W):
                x, column_hits = _came_from(column, kernel_column, out_width, STRIDE_W, PAD_W, STEP_W)
                weight = tl.load(weight_ptr + (own * KERNEL_H + kernel_row) * KERNEL_W + kernel_column).to(tl.float32)
                grad = tl.load(begin + y * out_width + x, mask=row_hits & column_hits & mask, other=0.0).to(tl.float32)
                total += weight * grad
    at = out_ptr + (image * (channels // times) + channel) * height * width + row * width + column
    tl.store(at, total.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def single_channels_weight(
    out_ptr, grad_ptr, x_ptr, images, channels, times, height, width, out_height, out_width,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, STEP_H: tl.constexpr, STEP_W: tl.constexpr,
    BLOCK_H: tl.constexpr, BLOCK_W: tl.constexpr,
):  # fmt: skip
    """The gradient of one element of the weight: a program each, (channels, kernel elements)."""
    channel, element = tl.program_id(0), tl.program_id(1)
    kernel_row, kernel_column = element // KERNEL_W, element % KERNEL_W
    total = tl.zeros((BLOCK_H, BLOCK_W), tl.float32)
    for image in range(images):
        begin = x_ptr + (image * (channels // times) + channel // times).to(tl.int64) * height * width
        grads = grad_ptr + (image * channels + channel).to(tl.int64) * out_height * out_width
        for first_row in range(0, out_height, BLOCK_H):
            out_row = (first_row + tl.arange(0, BLOCK_H))[:, None]
            row = out_row * STRIDE_H - PAD_H + kernel_row * STEP_H
            for first_column in range(0, out_width, BLOCK_W):
                out_column = (first_column + tl.arange(0, BLOCK_W))[None, :]
                column = out_column * STRIDE_W - PAD_W + kernel_column * STEP_W
                mask = (out_row < out_height) & (out_column < out_width)
                inside = (row >= 0) & (row < height) & (column >= 0) & (column < width) & mask
                grad = tl.load(grads + out_row * out_width + out_column, mask=mask, other=0.0).to(tl.float32)
                total += grad * tl.load(begin + row * width + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(out_ptr + channel * (KERNEL_H * KERNEL_W) + element, tl.sum(total).to(out_ptr.dtype.element_ty))
