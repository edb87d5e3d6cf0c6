"""Reductions and scans whose function has a loop, against NumPy; clusters of blocks change no answer."""

import numpy as np
import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def common_divisor(a, b):
    while b != 0:
        rest = a % b
        a = b
        b = rest
    return a


@triton.jit
def later_of_largest(a, i, b, j):
    value, place = a, i
    for _ in range(1):
        value = tl.where(b >= a, b, a)
        place = tl.where(b >= a, j, i)
    return value, place


@triton.jit
def divisors(x_ptr, column_ptr, row_ptr, down_ptr, up_ptr, M: tl.constexpr, N: tl.constexpr):
    i, j = tl.arange(0, M), tl.arange(0, N)
    at = i[:, None] * N + j[None, :]
    x = tl.load(x_ptr + at)
    tl.store(column_ptr + j, tl.reduce(x, 0, common_divisor))
    tl.store(row_ptr + i, tl.reduce(x, 1, common_divisor))
    tl.store(down_ptr + at, tl.associative_scan(x, 0, common_divisor))
    tl.store(up_ptr + at, tl.associative_scan(x, 1, common_divisor, reverse=True))


@triton.jit
def last_largest(x_ptr, value_ptr, place_ptr, N: tl.constexpr):
    at = tl.arange(0, N)
    value, place = tl.reduce((tl.load(x_ptr + at), at), 0, later_of_largest)
    tl.store(value_ptr, value)
    tl.store(place_ptr, place)


@triton.jit
def middle_of_five(x_ptr, out_ptr, N: tl.constexpr):
    at = tl.arange(0, 32 * N)
    x = tl.reshape(tl.load(x_ptr + at), (2, 4, N, 2, 2))
    tl.store(out_ptr + tl.arange(0, 32), tl.reshape(tl.reduce(x, 2, common_divisor), (32,)))


@triton.jit
def doubled(x_ptr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(x_ptr + at, tl.load(x_ptr + at) * 2)


@pytest.mark.parametrize("shape", [(16, 8), (1, 4), (4, 1)])
def test_common_divisors(on_device, shape):
    on_device()
    m, n = shape
    whole = np.random.default_rng(0).integers(1, 40, shape, dtype=np.int32) * 12
    x, down, up = torch.from_numpy(whole), torch.zeros(m, n, dtype=torch.int32), torch.zeros(m, n, dtype=torch.int32)
    columns, rows = torch.zeros(n, dtype=torch.int32), torch.zeros(m, dtype=torch.int32)
    divisors[(1,)](x, columns, rows, down, up, M=m, N=n)
    assert np.array_equal(columns, np.gcd.reduce(whole, 0))
    assert np.array_equal(rows, np.gcd.reduce(whole, 1))
    assert np.array_equal(down, np.gcd.accumulate(whole, 0))
    assert np.array_equal(up, np.gcd.accumulate(whole[:, ::-1], 1)[:, ::-1])


def test_neighbours_are_combined_in_order(on_device):
    on_device()
    x = torch.tensor([3, 7, 7, 1, 7, 2, 7, 0])
    value, place = torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int32)
    last_largest[(1,)](x, value, place, N=8)
    assert (value.item(), place.item()) == (7, 6)


def test_a_dimension_amid_five(on_device):
    on_device()
    whole = np.random.default_rng(1).integers(1, 9, (2, 4, 4, 2, 2), dtype=np.int32) * 6
    out = torch.zeros(32, dtype=torch.int32)
    middle_of_five[(1,)](torch.from_numpy(whole), out, N=4)
    assert np.array_equal(out.view(2, 4, 2, 2), np.gcd.reduce(whole, 2))


@pytest.mark.parametrize("blocks", [2, 16])
def test_clusters_change_no_answer(on_device, blocks):
    on_device()
    x = torch.arange(256.0)
    doubled[(2,)](x, BLOCK=128, num_ctas=blocks)
    assert torch.equal(x, torch.arange(256.0) * 2)
