"""Loops over a row of one turn, none, or several: one kernel, each version of it."""

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def moments(x, means, variances, out, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)
        total += tl.load(x + row * columns + i, mask=i < columns, other=0.0)
    mean = tl.sum(total, 0) / columns
    squares, turns = tl.zeros((BLOCK,), dtype=tl.float32), 0
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)
        centred = tl.where(i < columns, tl.load(x + row * columns + i, mask=i < columns, other=0.0) - mean, 0.0)
        squares += centred * centred
        tl.store(out + row * columns + i, centred + start, mask=i < columns)
        turns += 1
    tl.store(means + row, mean)
    tl.store(variances + row, tl.sum(squares, 0) / columns + turns)


@pytest.mark.parametrize("columns", [1, 100, 128, 129, 500])
def test_turns(columns):
    x = torch.randn(3, columns)
    means, variances, out = torch.empty(3), torch.empty(3), torch.empty_like(x)
    moments[(3,)](x, means, variances, out, columns, BLOCK=128)
    wide = x.double()
    torch.testing.assert_close(means.double(), wide.mean(1), rtol=1e-5, atol=1e-6)
    turns = triton.cdiv(columns, 128)
    torch.testing.assert_close(variances.double(), wide.var(1, correction=0) + turns, rtol=1e-5, atol=1e-6)
    starts = (torch.arange(columns) // 128 * 128).double()
    torch.testing.assert_close(out.double(), wide - wide.mean(1, keepdim=True) + starts, rtol=1e-4, atol=1e-4)


@triton.jit
def sum_from(x, out, first, last, step, BLOCK: tl.constexpr):
    total = tl.zeros((BLOCK,), dtype=tl.int32)
    for start in range(first, last, step):
        total += tl.load(x + start + tl.arange(0, BLOCK))
    tl.store(out + tl.arange(0, BLOCK), total)


@pytest.mark.parametrize("first, last, step", [(0, 0, 1), (5, 3, 2), (3, 4, 7), (2, 9, 7), (2, 10, 7), (0, 3, 1)])
def test_bounds_of_arguments(first, last, step):
    x, out = torch.arange(256, dtype=torch.int32), torch.full((64,), -1, dtype=torch.int32)
    sum_from[(1,)](x, out, first, last, step, BLOCK=64)
    assert torch.equal(out, sum((x[start : start + 64] for start in range(first, last, step)), torch.zeros_like(out)))


@triton.jit
def count_turns(out, first, last, step, BLOCK: tl.constexpr):
    total = tl.zeros((BLOCK,), dtype=tl.int32)
    for _ in range(first, last, step):
        total += 1
    tl.store(out + tl.arange(0, BLOCK), total)


def test_a_span_that_leaves_32_bits():
    out = torch.empty(64, dtype=torch.int32)
    count_turns[(1,)](out, -(2**31), 2**30, 2**30, BLOCK=64)
    assert (out == 3).all()
