"""Tiles whose memory runs along their first dimension: the answers of each operation that turns with them."""

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def columns_of(x, y, sums, best, running, turned, count, width, stride: tl.constexpr, X: tl.constexpr, R: tl.constexpr):
    column = tl.program_id(0) * X + tl.arange(0, X)[:, None]
    row = tl.arange(0, R)[None, :]
    mask = (column < width) & (row < count)
    values = tl.load(x + column + stride * row, mask, other=-5.0)
    scaled = values * tl.load(y + column % 16, column < width, other=1.0) + row
    tl.store(sums + column, tl.sum(tl.where(mask, scaled, 0.0), 1)[:, None], column < width)
    tl.store(best + column, tl.argmax(values, 1)[:, None], column < width)
    tl.store(running + column + stride * row, tl.cumsum(tl.where(mask, values, 0.0), 1), mask)
    back = tl.trans(scaled)  # (R, X)
    tl.store(turned + tl.arange(0, R)[:, None] + count * tl.trans(column), back, tl.trans(mask))


@pytest.mark.parametrize("block", [1, 4, 16, 64])
@pytest.mark.parametrize("count", [64, 37])
def test_reductions_scans_and_transpositions(block, count):
    torch.manual_seed(0)
    width, stride = 53, 96
    x, y = torch.full((count, stride), float("nan")), torch.randn(16)
    x[:, :width] = torch.randn(count, width)
    sums, best, running = torch.empty(width), torch.empty(width, dtype=torch.int32), torch.zeros_like(x)
    turned = torch.empty(width, count)
    grid = (triton.cdiv(width, block),)
    columns_of[grid](x, y, sums, best, running, turned, count, width, stride, X=block, R=64)
    values = x[:, :width].double()
    scaled = values * y.double()[torch.arange(width) % 16] + torch.arange(count)[:, None]
    torch.testing.assert_close(sums.double(), scaled.sum(0), rtol=1e-5, atol=1e-3)
    assert torch.equal(best.long(), values.argmax(0))
    torch.testing.assert_close(running[:, :width].double(), values.cumsum(0), rtol=1e-4, atol=1e-4)
    assert (running[:, width:] == 0).all()
    torch.testing.assert_close(turned.double(), scaled.t(), rtol=1e-5, atol=1e-4)


@triton.jit
def in_loops(x, out, count, stride: tl.constexpr, X: tl.constexpr, R: tl.constexpr):
    column, row = tl.arange(0, X)[:, None], tl.arange(0, R)[None, :]
    total = tl.full((X, R), 1.0, tl.float32)
    for start in range(0, count, R):
        values = tl.load(x + column + stride * (start + row), start + row < count, other=0.0)
        if start % (2 * R) == 0:
            total += values
        else:
            total = total * 0.5 + values
    tl.store(out + column, tl.sum(total, 1, keep_dims=True))


@pytest.mark.parametrize("count", [0, 5, 40])
def test_tiles_that_loops_and_branches_carry(count):
    x, out = torch.randn(64, 32), torch.empty(32)
    in_loops[(1,)](x, out, count, 32, X=32, R=8)
    total = torch.ones(32, 8, dtype=torch.float64)
    for start in range(0, count, 8):
        values = torch.zeros(32, 8, dtype=torch.float64)
        rows = x[start : min(start + 8, count)].double()
        values[:, : len(rows)] = rows.t()
        total = total + values if start % 16 == 0 else total * 0.5 + values
    torch.testing.assert_close(out.double(), total.sum(1), rtol=1e-5, atol=1e-5)


@triton.jit
def scattered(x, rows, out, X: tl.constexpr, R: tl.constexpr):
    column, row = tl.arange(0, X)[:, None], tl.arange(0, R)[None, :]
    tl.store(out + column + X * tl.load(rows + row), tl.load(x + column + X * row))


def test_of_elements_with_one_address_the_last_one_wins():
    x, rows, out = torch.randn(16, 32), torch.randint(0, 5, (16,)), torch.zeros(5, 32)
    scattered[(1,)](x, rows, out, X=32, R=16)
    expected = torch.zeros(5, 32)
    for place, row in enumerate(rows.tolist()):
        expected[row] = x[place]
    assert torch.equal(out, expected)


@triton.jit
def overlapping(out, stride: tl.constexpr, X: tl.constexpr, R: tl.constexpr):
    column, row = tl.arange(0, X)[:, None], tl.arange(0, R)[None, :]
    tl.store(out + (column + stride * row) % 7, (column * R + row).to(tl.float32))


def test_addresses_that_are_no_sum_of_both_dimensions_keep_their_order():
    out = torch.empty(7)
    overlapping[(1,)](out, 32, X=32, R=16)
    last = {(column + 32 * row) % 7: column * 16 + row for column in range(32) for row in range(16)}
    assert out.tolist() == [last[place] for place in range(7)]


@triton.jit
def twice_over(x, out, stride: tl.constexpr, X: tl.constexpr, R: tl.constexpr):
    column, row = tl.arange(0, X)[:, None], tl.arange(0, R)[None, :]
    values = tl.trans(tl.load(x + column + stride * row))
    across = tl.trans(values + tl.arange(0, R)[:, None])
    tl.store(out + tl.arange(0, X)[:, None] * R + tl.arange(0, R)[None, :], across)


def test_transpositions_one_after_the_other():
    x, out = torch.randn(16, 32), torch.empty(32, 16)
    twice_over[(1,)](x, out, 32, X=32, R=16)
    assert torch.equal(out, (x + torch.arange(16)[:, None]).t())
