"""Masks that are true for a whole tile are left out of the code: sizes about the tile's, offsets near 2^31, NaNs."""

import pytest
import torch
import triton
import triton.language as tl

BLOCK = 256


@triton.jit
def copy_and_reduce(x, out, sums, tops, n, start, low, BLOCK: tl.constexpr):
    i = start + tl.arange(0, BLOCK)
    inside = (i < n) & (i >= low)
    v = tl.load(x + i, mask=inside, other=0.0)
    tl.store(out + i, v * 2, mask=inside)
    tl.store(sums, tl.sum(v, 0))
    tl.store(tops, tl.max(tl.where(i < n, v, -float("inf")), 0))


@pytest.mark.parametrize("n", [1, 15, 16, 17, BLOCK - 1, BLOCK, BLOCK + 1])
@pytest.mark.parametrize("start", [0, 3])
@pytest.mark.parametrize("low", [0, 5])
def test_sizes_about_the_tile(n, start, low):
    x = torch.randn(2 * BLOCK)
    out, sums, tops = torch.full_like(x, 7.0), torch.empty(1), torch.empty(1)
    copy_and_reduce[(1,)](x, out, sums, tops, n, start, low, BLOCK=BLOCK)
    i = torch.arange(2 * BLOCK)
    covered = (i >= start) & (i < start + BLOCK)
    inside = covered & (i < n) & (i >= low)
    torch.testing.assert_close(out, torch.where(inside, 2 * x, torch.full_like(x, 7.0)))
    torch.testing.assert_close(sums.double()[0], x.double()[inside].sum(), rtol=1e-5, atol=1e-5)
    seen = torch.where(i >= low, x, 0.0)[covered & (i < n)]
    assert tops[0] == (seen.max() if len(seen) else -float("inf"))


@triton.jit
def count(out, n, start, BLOCK: tl.constexpr):
    i = start + tl.arange(0, BLOCK)
    tl.store(out, tl.sum((i < n).to(tl.int32), 0))


@pytest.mark.parametrize("start", [2**31 - BLOCK - 1, 2**31 - BLOCK, -(2**31), -BLOCK])
@pytest.mark.parametrize("n", [2**31 - 1, 2**31 - 7, -5, -(2**31), 0])
def test_near_the_ends_of_32_bits(start, n):
    out = torch.zeros(1, dtype=torch.int32)
    count[(1,)](out, n, start, BLOCK=BLOCK)
    assert out[0] == sum(start + i < n for i in range(BLOCK))


@triton.jit
def extremes(x, tops, bottoms, columns, BLOCK: tl.constexpr):
    row, i = tl.program_id(0), tl.arange(0, BLOCK)
    v = tl.load(x + row * columns + i, mask=i < columns, other=float("nan"))
    tl.store(tops + row, tl.max(v, 0))
    tl.store(bottoms + row, tl.min(v, 0))


@pytest.mark.parametrize("columns", [5, 200, BLOCK])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_numbers_win_over_nans(columns, dtype):
    x = torch.randn(4, columns).to(dtype)
    x[1, ::2] = float("nan")
    x[2] = float("nan")
    x[3] = -float("inf")
    x[3, -1] = float("nan")
    tops, bottoms = torch.empty(4, dtype=dtype), torch.empty(4, dtype=dtype)
    extremes[(4,)](x, tops, bottoms, columns, BLOCK=BLOCK)
    for row in range(4):
        numbers = x[row][~x[row].isnan()]
        if len(numbers) == 0:
            assert tops[row].isnan() and bottoms[row].isnan()
        else:
            assert tops[row] == numbers.max() and bottoms[row] == numbers.min()
