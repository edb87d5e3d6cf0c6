"""Rows that end inside their tile, at any place: what lies behind the end counts as the kernel says."""

import numpy as np
import pytest
import torch
import triton
import triton.language as tl

BLOCK = 4096
ENDS = [0, 1, 15, 16, 63, 64, 65, 1000, 2047, 2048, 2049, 4031, 4032, 4033, 4095, 4096, 5000]


@triton.jit
def sums(x, out, n, OTHER: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n, other=OTHER)
    tl.store(out, tl.sum(v, 0))
    tl.store(out + 1, tl.max(v, 0))
    tl.store(out + 2, tl.min(v, 0))


@pytest.mark.parametrize("other", [0, 1, -7])
@pytest.mark.parametrize("dtype", [torch.int32, torch.float32, torch.float64, torch.int64])
def test_what_is_behind_the_end_is_counted(dtype, other):
    """Whole numbers, so that sums are exact."""
    x = torch.from_numpy(np.random.default_rng(1).integers(-50, 50, 5000)).to(dtype)
    for n in ENDS:
        out = torch.zeros(3, dtype=dtype)
        sums[(1,)](x, out, n, other, BLOCK)
        seen = torch.cat([x[: min(n, BLOCK)], torch.full((max(0, BLOCK - n),), other, dtype=dtype)])
        assert out.tolist() == [seen.sum(), seen.max(), seen.min()], n


@pytest.mark.parametrize("n", [4096, 4095, 4032, 100])
def test_a_sum_of_negative_zeros_and_what_is_behind_them(n):
    """A positive zero behind the end makes the sum positive."""
    out = torch.ones(3)
    sums[(1,)](torch.full((BLOCK,), -0.0), out, n, 0.0, BLOCK)
    assert bool(torch.signbit(out[0])) == (n == BLOCK)


@triton.jit
def keep(x, out, total, n, m, first, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=(first + i) < n, other=-float("inf"))
    w = tl.load(x + i, mask=i < m, other=2.0)
    e = tl.exp(v - tl.max(v, 0)) + w * w
    tl.store(total, tl.sum(e, 0))
    tl.store(out + i, e - tl.sum(e, 0))


@pytest.mark.parametrize("first", [0, 77])
@pytest.mark.parametrize("m", [0, 1500, 4096])
def test_kept_tiles_are_whole(first, m):
    """A tile that two loops read, with two ends, is written to its last element."""
    x = torch.randn(BLOCK)
    for n in (1, 64, 1000, 2049, 4095, 4096 + first):
        out, total = torch.full((BLOCK,), float("nan")), torch.zeros(1)
        keep[(1,)](x, out, total, n + first if n < BLOCK else n, m, first, BLOCK)
        v, w = x.double().clone(), x.double().clone()
        v[n:], w[m:] = -float("inf"), 2.0
        e = torch.exp(v - v.max()) + w * w
        torch.testing.assert_close(total[0].double(), e.sum(), rtol=1e-5, atol=0)
        torch.testing.assert_close(out.double(), e - e.sum(), rtol=1e-5, atol=1e-3)


@triton.jit
def wrapping(x, out, first, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    tl.store(out, tl.sum(tl.load(x + i, mask=first + i < n, other=0), 0))


@pytest.mark.parametrize("first", [(1 << 31) - 1000, (1 << 31) - 4096, -1000, -5000])
@pytest.mark.parametrize("n", [(1 << 31) - 500, (1 << 31) - 1, 0, -7])
def test_ends_beside_the_integers_own(first, n):
    """Indices that wrap are below every end again."""
    x, out = torch.ones(BLOCK, dtype=torch.int32), torch.zeros(1, dtype=torch.int32)
    wrapping[(1,)](x, out, first, n, BLOCK)
    with np.errstate(over="ignore"):
        index = (np.int64(first) + np.arange(BLOCK)).astype(np.int32)
    assert out.item() == (index < n).sum()


@triton.jit
def copy(x, out, n, BLOCK: tl.constexpr):
    for start in range(0, n, BLOCK):
        i = start + tl.arange(0, BLOCK)
        tl.store(out + i, tl.load(x + i, mask=i < n) * 2, mask=i < n)


@pytest.mark.parametrize("n", [1, 4095, 4097, 9000, 12288])
def test_nothing_is_written_behind_the_end(n):
    x, out = torch.randn(n), torch.full((n + 64,), 7.0)
    copy[(1,)](x, out, n, BLOCK)
    assert torch.equal(out[:n], x * 2) and (out[n:] == 7).all()


@triton.jit
def blocked(x, out, n, BLOCK: tl.constexpr):
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    squares = tl.zeros((BLOCK,), dtype=tl.float32)
    for start in range(0, n, BLOCK):
        i = start + tl.arange(0, BLOCK)
        v = tl.load(x + i, mask=i < n, other=0.0)
        total += v
        squares += v * v
    tl.store(out, tl.sum(total, 0))
    tl.store(out + 1, tl.sum(squares, 0))


@pytest.mark.parametrize("n", [0, 1, 512, 2047, 2048, 2049, 3000, 4096, 4608, 9999])
def test_rows_of_several_blocks(n):
    """Turns that are taken four at a time, and those left over."""
    x, out = torch.randint(-9, 9, (n,)).float(), torch.zeros(2)
    blocked[(1,)](x, out, n, BLOCK=512)
    assert out.tolist() == [x.sum(), (x * x).sum()]


@triton.jit
def larger(a, b):
    return tl.maximum(a, b)


@triton.jit
def scan(x, out, n, OTHER: tl.constexpr, MAX: tl.constexpr, REVERSE: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n, other=OTHER)
    if MAX:
        tl.store(out + i, tl.associative_scan(v, 0, larger, reverse=REVERSE))
    else:
        tl.store(out + i, tl.cumsum(v, 0, reverse=REVERSE))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("other", "is_max"), [(0, False), (3, False), (-60, True), (60, True)])
def test_scans_go_on_behind_the_end(other, is_max, reverse):
    x = torch.from_numpy(np.random.default_rng(2).integers(-50, 50, 5000)).float()
    for n in ENDS:
        out = torch.full((BLOCK,), float("nan"))
        scan[(1,)](x, out, n, float(other), is_max, reverse, BLOCK)
        seen = torch.cat([x[: min(n, BLOCK)], torch.full((max(0, BLOCK - n),), float(other))])
        seen = seen.flip(0) if reverse else seen
        expected = seen.cummax(0).values if is_max else seen.cumsum(0)
        assert torch.equal(out, expected.flip(0) if reverse else expected), n


@triton.jit
def alone(x, out, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)[:, None]
    tl.store(out + tl.arange(0, BLOCK), tl.max(tl.load(x + i, mask=i < n, other=7), 1))


def test_a_reduction_of_single_elements_has_all_results():
    """Along an axis of one element: the loop runs over the other axis, and each part of it has results."""
    x = torch.arange(BLOCK, dtype=torch.int32)
    for n in (0, 100, 4000, BLOCK):
        out = torch.zeros(BLOCK, dtype=torch.int32)
        alone[(1,)](x, out, n, BLOCK)
        assert out.tolist() == [*range(n)] + [7] * (BLOCK - n)
