"""Largest and mean values of windows of planes, and their gradients. Not here: windows of convolutions (`windows`).

A plane is (height, width), contiguous; programs take BLOCK elements of (planes, output height, output width). A window
has KERNEL elements, STRIDE apart, STEP between its own, PAD before the edge; an adaptive one divides the plane evenly.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _place(at, out_height, out_width):
    """(plane, row, column) of element `at` of the output."""
    left = at // out_width
    return left // out_height, left % out_height, at % out_width


@triton.jit
def largest(
    out_ptr, index_ptr, x_ptr, n, height, width, out_height, out_width,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, STEP_H: tl.constexpr, STEP_W: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out: each window's largest; index: its place in the plane. NaN is largest."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    plane, out_row, out_column = _place(at, out_height, out_width)
    begin = x_ptr + plane.to(tl.int64) * height * width
    best = tl.full((BLOCK,), float("-inf"), tl.float32)
    chosen = tl.full((BLOCK,), -1, tl.int32)
    for kernel_row in tl.static_range(KERNEL_H):
        for kernel_column in tl.static_range(KERNEL_W):
            row = out_row * STRIDE_H - PAD_H + kernel_row * STEP_H
            column = out_column * STRIDE_W - PAD_W + kernel_column * STEP_W
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width) & (at < n)
            x = tl.load(begin + row * width + column, mask=inside, other=float("-inf")).to(tl.float32)
            better = inside & ((x > best) | (x != x) | (chosen < 0))
            best = tl.where(better, x, best)
            chosen = tl.where(better, row * width + column, chosen)
    tl.store(out_ptr + at, best.to(out_ptr.dtype.element_ty), mask=at < n)
    tl.store(index_ptr + at, chosen.to(tl.int64), mask=at < n)


@triton.jit
def _divisor(
    out_row, out_column, height, width, divisor, KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr,
    STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr, PAD_H: tl.constexpr, PAD_W: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    """What a window's sum is divided by: the given number, its elements with padding (PADDED) or without."""
    top, left = out_row * STRIDE_H - PAD_H, out_column * STRIDE_W - PAD_W
    bottom, right = tl.minimum(top + KERNEL_H, height + PAD_H), tl.minimum(left + KERNEL_W, width + PAD_W)
    padded = (bottom - top) * (right - left)
    inner = (tl.minimum(bottom, height) - tl.maximum(top, 0)) * (tl.minimum(right, width) - tl.maximum(left, 0))
    count = padded if PADDED else inner
    return tl.where(divisor > 0, count * 0 + divisor, count).to(tl.float32)


@triton.jit
def mean(
    out_ptr, x_ptr, n, height, width, out_height, out_width, divisor,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, PADDED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out: each window's mean."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    plane, out_row, out_column = _place(at, out_height, out_width)
    begin = x_ptr + plane.to(tl.int64) * height * width
    total = tl.zeros((BLOCK,), tl.float32)
    for kernel_row in range(KERNEL_H):
        for kernel_column in range(KERNEL_W):
            row, column = out_row * STRIDE_H - PAD_H + kernel_row, out_column * STRIDE_W - PAD_W + kernel_column
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width) & (at < n)
            total += tl.load(begin + row * width + column, mask=inside, other=0.0).to(tl.float32)
    total /= _divisor(out_row, out_column, height, width, divisor, KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W, PAD_H,
                      PAD_W, PADDED)  # fmt: skip
    tl.store(out_ptr + at, total.to(out_ptr.dtype.element_ty), mask=at < n)


@triton.jit
def mean_backward(
    out_ptr, grad_ptr, n, height, width, out_height, out_width, divisor,
    KERNEL_H: tl.constexpr, KERNEL_W: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, PADDED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out: the gradient of each element, from all windows that it is in; `n` elements of (planes, height, width)."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    plane, row, column = _place(at, height, width)
    begin = grad_ptr + plane.to(tl.int64) * out_height * out_width
    total = tl.zeros((BLOCK,), tl.float32)
    for kernel_row in range(KERNEL_H):
        for kernel_column in range(KERNEL_W):
            top, left = row + PAD_H - kernel_row, column + PAD_W - kernel_column
            out_row, out_column = top // STRIDE_H, left // STRIDE_W
            hits = (top >= 0) & (left >= 0) & (top % STRIDE_H == 0) & (left % STRIDE_W == 0) & (at < n)
            hits = hits & (out_row < out_height) & (out_column < out_width)
            grad = tl.load(begin + out_row * out_width + out_column, mask=hits, other=0.0).to(tl.float32)
            count = _divisor(out_row, out_column, height, width, divisor, KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W,
                             PAD_H, PAD_W, PADDED)  # fmt: skip
            total += tl.where(hits, grad / count, 0.0)
    tl.store(out_ptr + at, total.to(out_ptr.dtype.element_ty), mask=at < n)


@triton.jit
def adaptive_mean(
    out_ptr, x_ptr, n, height, width, out_height, out_width, most_h, most_w, BACK: tl.constexpr, BLOCK: tl.constexpr
):
    """out: the mean of each adaptive window of x. BACK: each window's share of x, the gradient, is added to out,
    fp32.
    """
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    plane, out_row, out_column = _place(at, out_height, out_width)
    top, left = out_row * height // out_height, out_column * width // out_width
    bottom = ((out_row + 1) * height + out_height - 1) // out_height
    right = ((out_column + 1) * width + out_width - 1) // out_width
    count = ((bottom - top) * (right - left)).to(tl.float32)
    begin = plane.to(tl.int64) * height * width
    total = tl.zeros((BLOCK,), tl.float32)
    share = tl.load(x_ptr + at, mask=at < n, other=0.0).to(tl.float32) / count if BACK else total
    for down in range(most_h):
        for across in range(most_w):
            inside = (top + down < bottom) & (left + across < right) & (at < n)
            place = begin + (top + down) * width + left + across
            if BACK:
                tl.atomic_add(out_ptr + place, share, mask=inside)
            else:
                total += tl.load(x_ptr + place, mask=inside, other=0.0).to(tl.float32)
    if not BACK:
        tl.store(out_ptr + at, (total / count).to(out_ptr.dtype.element_ty), mask=at < n)


@triton.jit
def _source(at, scale, size, LINEAR: tl.constexpr, ALIGNED: tl.constexpr):
    """(first place, next one, the next one's share) that an element of an enlarged axis comes from."""
    if LINEAR:
        real = at * scale if ALIGNED else tl.maximum((at + 0.5) * scale - 0.5, 0.0)
        first = tl.minimum(real.to(tl.int32), size - 1)
        return first, tl.minimum(first + 1, size - 1), tl.maximum(real - first, 0.0)
    first = tl.minimum((at * scale).to(tl.int32), size - 1)
    return first, first, at * 0.0


@triton.jit
def resample(
    out_ptr, x_ptr, planes, height, width, out_height, out_width, scale_h, scale_w, LINEAR: tl.constexpr,
    ALIGNED: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """out (planes, out height, out width): x's nearest element, or LINEAR between four. Tiles of rows and columns, so
    that where an element comes from is found once for each column.
    """
    blocks = tl.cdiv(out_width, BLOCK_C)
    row = (tl.program_id(0) // blocks) * BLOCK_R + tl.arange(0, BLOCK_R)
    column = ((tl.program_id(0) % blocks) * BLOCK_C + tl.arange(0, BLOCK_C))[None, :]
    mask = (row < planes * out_height)[:, None] & (column < out_width)
    top, bottom, down = _source(row % out_height, scale_h, height, LINEAR, ALIGNED)
    left, right, across = _source(column, scale_w, width, LINEAR, ALIGNED)
    begin = (row // out_height).to(tl.int64) * height * width
    upper, lower, down = (begin + top * width)[:, None], (begin + bottom * width)[:, None], down[:, None]
    x = tl.load(x_ptr + upper + left, mask=mask, other=0.0).to(tl.float32)
    if LINEAR:
        beside = tl.load(x_ptr + upper + right, mask=mask, other=0.0).to(tl.float32)
        below = tl.load(x_ptr + lower + left, mask=mask, other=0.0).to(tl.float32)
        corner = tl.load(x_ptr + lower + right, mask=mask, other=0.0).to(tl.float32)
        x = (x * (1.0 - across) + beside * across) * (1.0 - down) + (below * (1.0 - across) + corner * across) * down
    tl.store(out_ptr + row.to(tl.int64)[:, None] * out_width + column, x.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def resample_backward(
    out_ptr, grad_ptr, n, height, width, out_height, out_width, scale_h, scale_w, LINEAR: tl.constexpr,
    ALIGNED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The gradient of each element of the enlarged planes is added to out (planes, height, width), fp32. Elements in
    memory's order: tiles cost more of a device's time for their atomics.
    """
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    plane, out_row, out_column = _place(at, out_height, out_width)
    begin = plane.to(tl.int64) * height * width
    top, bottom, down = _source(out_row, scale_h, height, LINEAR, ALIGNED)
    left, right, across = _source(out_column, scale_w, width, LINEAR, ALIGNED)
    mask = at < n
    grad = tl.load(grad_ptr + at, mask=mask, other=0.0).to(tl.float32)
    tl.atomic_add(out_ptr + begin + top * width + left, grad * (1.0 - down) * (1.0 - across), mask=mask)
    if LINEAR:
        tl.atomic_add(out_ptr + begin + top * width + right, grad * (1.0 - down) * across, mask=mask)
        tl.atomic_add(out_ptr + begin + bottom * width + left, grad * down * (1.0 - across), mask=mask)
        tl.atomic_add(out_ptr + begin + bottom * width + right, grad * down * across, mask=mask)
