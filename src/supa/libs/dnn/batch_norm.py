"""Normalisation of channels over a batch, forward and backward, statistics in fp32. Not here: rows (`layer_norm`).

x is (images, channels, space), contiguous; everything of a channel is (channels,). One program a channel for its sums;
one a row of space, or a block of all elements where space is small, for what is made of each element.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _element(at, channels, space):
    return (at // space) % channels


@triton.jit
def _block(image, begin, channel, images, channels, space, BLOCK: tl.constexpr):
    """Places of one channel's elements in some images, from `begin` in each, and which there are."""
    at = begin + tl.arange(0, BLOCK)
    mask = (image < images)[:, None] & (at < space)[None, :]
    return (image.to(tl.int64) * channels + channel)[:, None] * space + at[None, :], mask


@triton.jit
def statistics(
    mean_ptr, rstd_ptr, running_mean_ptr, running_var_ptr, x_ptr, images, channels, space, momentum, eps,
    TRACKS: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Mean and 1 / sqrt(variance + eps) of each channel; with TRACKS the running ones follow."""
    channel = tl.program_id(0).to(tl.int64)
    total = tl.zeros((BLOCK_N, BLOCK), tl.float32)
    for first in range(0, images, BLOCK_N):
        image = first + tl.arange(0, BLOCK_N)
        for begin in range(0, space, BLOCK):
            place, mask = _block(image, begin, channel, images, channels, space, BLOCK)
            total += tl.load(x_ptr + place, mask=mask, other=0.0).to(tl.float32)
    count = images * space
    mean = tl.sum(total) / count
    squares = tl.zeros((BLOCK_N, BLOCK), tl.float32)
    for first in range(0, images, BLOCK_N):
        image = first + tl.arange(0, BLOCK_N)
        for begin in range(0, space, BLOCK):
            place, mask = _block(image, begin, channel, images, channels, space, BLOCK)
            x = tl.load(x_ptr + place, mask=mask, other=0.0).to(tl.float32)
            away = tl.where(mask, x - mean, 0.0)
            squares += away * away
    var = tl.sum(squares) / count
    tl.store(mean_ptr + channel, mean)
    tl.store(rstd_ptr + channel, 1.0 / tl.sqrt_rn(var + eps))
    if TRACKS:
        old_mean = tl.load(running_mean_ptr + channel).to(tl.float32)
        old_var = tl.load(running_var_ptr + channel).to(tl.float32)
        fresh = var * count / tl.maximum(count - 1, 1)
        new_mean = old_mean + momentum * (mean - old_mean)
        tl.store(running_mean_ptr + channel, new_mean.to(running_mean_ptr.dtype.element_ty))
        tl.store(
            running_var_ptr + channel, (old_var + momentum * (fresh - old_var)).to(running_var_ptr.dtype.element_ty)
        )


@triton.jit
def rstd_of(rstd_ptr, var_ptr, channels, eps, BLOCK: tl.constexpr):
    """1 / sqrt(variance + eps) of known variances."""
    channel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    var = tl.load(var_ptr + channel, mask=channel < channels, other=1.0).to(tl.float32)
    tl.store(rstd_ptr + channel, 1.0 / tl.sqrt_rn(var + eps), mask=channel < channels)


@triton.jit
def normalise(
    out_ptr, x_ptr, mean_ptr, rstd_ptr, weight_ptr, bias_ptr, channels, space, n, SCALES: tl.constexpr,
    SHIFTS: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out = (x - mean) * rstd * weight + bias. ROWS: the grid is (images * channels, blocks of space)."""
    if ROWS:
        row = tl.program_id(0).to(tl.int64)
        column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
        at, mask = row * space + column, column < space
        channel = row % channels
        scale = tl.load(rstd_ptr + channel).to(tl.float32)
        middle = tl.load(mean_ptr + channel).to(tl.float32)
        if SCALES:
            scale *= tl.load(weight_ptr + channel).to(tl.float32)
        shift = tl.load(bias_ptr + channel).to(tl.float32) if SHIFTS else 0.0
    else:
        at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        mask = at < n
        channel = _element(at, channels, space)
        scale = tl.load(rstd_ptr + channel, mask=mask, other=0.0).to(tl.float32)
        middle = tl.load(mean_ptr + channel, mask=mask, other=0.0).to(tl.float32)
        if SCALES:
            scale *= tl.load(weight_ptr + channel, mask=mask, other=0.0).to(tl.float32)
        shift = tl.load(bias_ptr + channel, mask=mask, other=0.0).to(tl.float32) if SHIFTS else 0.0
    x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
    tl.store(out_ptr + at, ((x - middle) * scale + shift).to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def gradient_sums(
    sum_ptr, along_ptr, grad_ptr, x_ptr, mean_ptr, rstd_ptr, images, channels, space, BLOCK_N: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """The sums of grad and of grad * (x - mean) * rstd: the gradients of bias and weight."""
    channel = tl.program_id(0).to(tl.int64)
    mean, rstd = tl.load(mean_ptr + channel).to(tl.float32), tl.load(rstd_ptr + channel).to(tl.float32)
    total = tl.zeros((BLOCK_N, BLOCK), tl.float32)
    along = tl.zeros((BLOCK_N, BLOCK), tl.float32)
    for first in range(0, images, BLOCK_N):
        image = first + tl.arange(0, BLOCK_N)
        for begin in range(0, space, BLOCK):
            place, mask = _block(image, begin, channel, images, channels, space, BLOCK)
            grad = tl.load(grad_ptr + place, mask=mask, other=0.0).to(tl.float32)
            x = tl.load(x_ptr + place, mask=mask, other=0.0).to(tl.float32)
            total += grad
            along += grad * (x - mean)
    tl.store(sum_ptr + channel, tl.sum(total))
    tl.store(along_ptr + channel, tl.sum(along) * rstd)


@triton.jit
def gradient(
    out_ptr, grad_ptr, x_ptr, mean_ptr, rstd_ptr, weight_ptr, sum_ptr, along_ptr, channels, space, n, count,
    SCALES: tl.constexpr, TRAINS: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The gradient of x; `count` elements make a channel. Without TRAINS the statistics were given."""
    if ROWS:
        row = tl.program_id(0).to(tl.int64)
        column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
        at, mask = row * space + column, column < space
        channel = row % channels
        rstd, mean = tl.load(rstd_ptr + channel).to(tl.float32), tl.load(mean_ptr + channel).to(tl.float32)
        scale = rstd * tl.load(weight_ptr + channel).to(tl.float32) if SCALES else rstd
        total, along = tl.load(sum_ptr + channel), tl.load(along_ptr + channel)
    else:
        at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        mask = at < n
        channel = _element(at, channels, space)
        rstd = tl.load(rstd_ptr + channel, mask=mask, other=0.0).to(tl.float32)
        mean = tl.load(mean_ptr + channel, mask=mask, other=0.0).to(tl.float32)
        scale = rstd * tl.load(weight_ptr + channel, mask=mask, other=0.0).to(tl.float32) if SCALES else rstd
        total = tl.load(sum_ptr + channel, mask=mask, other=0.0)
        along = tl.load(along_ptr + channel, mask=mask, other=0.0)
    grad = tl.load(grad_ptr + at, mask=mask, other=0.0).to(tl.float32)
    if TRAINS:
        x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
        grad = grad - total / count - (x - mean) * rstd * along / count
    tl.store(out_ptr + at, (grad * scale).to(out_ptr.dtype.element_ty), mask=mask)
