"""Reductions by functions whose operands may not change places: all elements in their order, whatever the tile."""

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def after(scale, offset, next_scale, next_offset):
    return scale * next_scale, offset * next_scale + next_offset


@triton.jit
def moments(mean, squares, weight, other_mean, other_squares, other_weight):
    distance, total = other_mean - mean, weight + other_weight
    share = other_weight / total
    return mean + distance * share, squares + other_squares + distance * distance * weight * share, total


@triton.jit
def composed(scales, offsets, out, count, X: tl.constexpr, R: tl.constexpr, AXIS: tl.constexpr):
    at = tl.arange(0, X)[:, None] * R + tl.arange(0, R)[None, :]
    inside = tl.arange(0, R)[None, :] < count
    scale, offset = tl.load(scales + at, inside, other=1.0), tl.load(offsets + at, inside, other=0.0)
    scale, offset = tl.reduce((scale, offset), AXIS, after)
    N: tl.constexpr = X if AXIS == 1 else R
    tl.store(out + tl.arange(0, N), scale)
    tl.store(out + N + tl.arange(0, N), offset)


@triton.jit
def spread(x, out, X: tl.constexpr, R: tl.constexpr):
    value = tl.load(x + tl.arange(0, X)[:, None] * R + tl.arange(0, R)[None, :])
    ones = tl.full([X, R], 1.0, tl.float32)
    mean, squares, _ = tl.reduce((value, tl.zeros([X, R], tl.float32), ones), 1, moments)
    tl.store(out + tl.arange(0, X), mean)
    tl.store(out + X + tl.arange(0, X), squares)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("rows", "columns"), [(1, 16), (2, 64), (2, 256), (4, 1024), (16, 128), (4, 8)])
def test_maps_composed_in_order(rows, columns, axis):
    torch.manual_seed(0)
    scales = 1 + 0.01 * torch.randn(rows, columns, dtype=torch.float64)
    offsets = torch.randn(rows, columns, dtype=torch.float64)
    out = torch.empty(2, columns if axis == 0 else rows, dtype=torch.float64)
    composed[(1,)](scales, offsets, out, columns - 3, X=rows, R=columns, AXIS=axis)
    scales[:, columns - 3 :], offsets[:, columns - 3 :] = 1.0, 0.0
    scale, offset = torch.ones_like(out[0]), torch.zeros_like(out[0])
    for one, other in zip(scales.unbind(axis), offsets.unbind(axis), strict=True):
        scale, offset = scale * one, offset * one + other
    torch.testing.assert_close(out, torch.stack((scale, offset)))


@pytest.mark.parametrize("columns", [16, 256, 2048])
def test_means_and_squares_combined(columns):
    x, out = torch.randn(4, columns), torch.empty(2, 4)
    spread[(1,)](x, out, X=4, R=columns)
    torch.testing.assert_close(out[0].double(), x.double().mean(1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(out[1].double(), x.double().var(1, correction=0) * columns, rtol=1e-5, atol=1e-5)
