"""Addresses made of `x % n` and `x // n`: rows that end inside vectors, before zero, and where 32 bits wrap."""

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def sums_of_planes(x, out, count, N: tl.constexpr, PLANE: tl.constexpr, X: tl.constexpr, R: tl.constexpr):
    row = tl.program_id(0) * X + tl.arange(0, X)[:, None]
    total = tl.zeros([X, R], tl.float32)
    for start in tl.range(0, count, R):
        r = start + tl.arange(0, R)[None, :]
        total += tl.load(x + (r % N + N * row + PLANE * (r // N)), r < count, other=0.0)
    tl.store(out + row, tl.sum(total, 1)[:, None])


@triton.jit
def scaled(x, weight, out, count, N: tl.constexpr, K: tl.constexpr, X: tl.constexpr):
    at = tl.program_id(0) * X + tl.arange(0, X)
    mask = at < count
    tl.store(out + at, tl.load(x + at, mask) * tl.load(weight + (at // N) % K, mask), mask)


@triton.jit
def cropped(x, out, count, H: tl.constexpr, W: tl.constexpr, STRIDE: tl.constexpr, WIDE: tl.constexpr, X: tl.constexpr):
    at = tl.program_id(0) * X + tl.arange(0, X)
    if WIDE:
        at = tl.program_id(0).to(tl.int64) * X + tl.arange(0, X).to(tl.int64)
    mask = at < count
    source = at % W + STRIDE * ((at // W) % H) + STRIDE * H * (at // (W * H))
    values = tl.load(x + source, mask, other=0.0)
    tl.store(x + source, values + 1, mask)
    tl.store(out + at, values, mask)


@triton.jit
def quotients(start, out, N: tl.constexpr, X: tl.constexpr):
    at = start + tl.arange(0, X)
    tl.store(out + tl.arange(0, X), at % N)
    tl.store(out + X + tl.arange(0, X), at // N)


@pytest.mark.parametrize("n", [7, 16, 17, 49, 100, 196, 784])
def test_rows_of_a_reduction(n):
    x, out = torch.randn(2, 16, n), torch.empty(16)
    sums_of_planes[(4,)](x, out, 2 * n, n, 16 * n, X=4, R=64)
    torch.testing.assert_close(out.double(), x.double().sum((0, 2)), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("block", [8, 16, 64, 1024])
@pytest.mark.parametrize("n", [7, 16, 17, 49, 196])
def test_one_value_a_row(n, block):
    x, weight = torch.randn(3, 5, n), torch.randn(5)
    out = torch.full_like(x, float("nan"))
    scaled[(triton.cdiv(x.numel(), block),)](x, weight, out, x.numel(), n, 5, X=block)
    torch.testing.assert_close(out, x * weight[:, None])


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("width", [9, 16, 31, 64])
def test_rows_read_and_written_in_pieces(width, wide):
    x = torch.randn(3, 5, width + 3)
    before, out = x.clone(), torch.empty(3, 5, width)
    cropped[(triton.cdiv(out.numel(), 128),)](x, out, out.numel(), 5, width, width + 3, wide, X=128)
    assert torch.equal(out, before[:, :, :width])
    assert torch.equal(x[:, :, :width], before[:, :, :width] + 1)
    assert torch.equal(x[:, :, width:], before[:, :, width:])


@pytest.mark.parametrize("n", [16, 24, 100])
@pytest.mark.parametrize("start", [0, 5, -7, -100, -250, 2**31 - 70, 2**31 - 1, -(2**31)])
def test_indices_below_zero_and_where_they_wrap(start, n):
    out = torch.empty(2, 64, dtype=torch.int32)
    quotients[(1,)](start, out, n, X=64)
    at = (torch.arange(64) + start + 2**31) % 2**32 - 2**31
    assert torch.equal(out[0].long(), at.fmod(n))
    assert torch.equal(out[1].long(), at.div(n, rounding_mode="trunc"))


@triton.jit
def rows_chosen(x, weight, out, count, N: tl.constexpr, X: tl.constexpr, R: tl.constexpr):
    row = tl.program_id(0) * X + tl.arange(0, X)[:, None]
    r = tl.arange(0, R)[None, :]
    mask = (r < count) & (row < 5)
    factor = tl.load(weight + row + 5 * (r // N), mask, other=7.0)
    tl.store(out + row * R + r, factor + tl.load(weight + row, mask, other=1.0), row < 5)


@pytest.mark.parametrize("n", [16, 20, 48])
def test_one_element_for_the_lanes_that_are_not_masked(n):
    weight, out = torch.randn(5, 8), torch.empty(5, 128)
    ours = weight.t().contiguous()  # what is behind its end is not read
    rows_chosen[(2,)](None, ours, out, 100, n, X=4, R=128)
    at = torch.arange(128)
    chosen = weight[:, (at // n).clamp(max=7)] + weight[:, :1]
    torch.testing.assert_close(out, torch.where(at < 100, chosen, 8.0))
