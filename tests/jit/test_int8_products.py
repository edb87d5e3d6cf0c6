"""Products of int8 tiles are exact at the ends of the range, whichever instruction the host has, transposed or not."""

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def product(a, b, c, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, LEFT: tl.constexpr, RIGHT: tl.constexpr):
    i, j, p = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    if LEFT:
        left = tl.trans(tl.load(a + p[:, None] * M + i[None, :]))
    else:
        left = tl.load(a + i[:, None] * K + p[None, :])
    if RIGHT:
        right = tl.trans(tl.load(b + j[:, None] * K + p[None, :]))
    else:
        right = tl.load(b + p[:, None] * N + j[None, :])
    total = tl.load(c + i[:, None] * N + j[None, :])
    total = tl.dot(left, right, total, out_dtype=tl.int32)
    tl.store(c + i[:, None] * N + j[None, :], total)


@pytest.mark.parametrize("left, right", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("m, n, k", [(16, 16, 32), (64, 32, 64), (16, 128, 32), (32, 64, 128)])
def test_ends_of_the_range(m, n, k, left, right):
    a, b = (torch.randint(-128, 128, shape, dtype=torch.int8) for shape in ((m, k), (k, n)))
    a[0], b[:, 0] = -128, -128
    a[1], b[:, 1] = 127, -128
    c = torch.randint(-(2**31), 2**31, (m, n), dtype=torch.int64).to(torch.int32)
    wanted = (a.long() @ b.long() + c.long()).to(torch.int32)
    product[(1,)](a.t().contiguous() if left else a, b.t().contiguous() if right else b, c, m, n, k, left, right)
    assert torch.equal(c, wanted)


@triton.jit
def looped_product(a, b, c, m, n, depth, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    i = tl.program_id(0) * M + tl.arange(0, M)
    j = tl.program_id(1) * N + tl.arange(0, N)
    total = tl.zeros((M, N), tl.int32)
    for start in range(0, depth, K):
        p = start + tl.arange(0, K)
        left = tl.load(a + i[:, None] * depth + p[None, :], mask=(i[:, None] < m) & (p[None, :] < depth), other=0)
        right = tl.load(b + p[:, None] * n + j[None, :], mask=(p[:, None] < depth) & (j[None, :] < n), other=0)
        total = tl.dot(left, right, total, out_dtype=tl.int32)
    tl.store(c + i[:, None] * n + j[None, :], total, mask=(i[:, None] < m) & (j[None, :] < n))


@pytest.mark.parametrize("depth", [32, 96, 200, 416])
@pytest.mark.parametrize("m, n", [(70, 100), (33, 64)])
def test_turns_of_a_loop(m, n, depth):
    """Turns are taken together, and blocks share the packed right operand: its columns' sums belong to it."""
    a, b = (torch.randint(-128, 128, shape, dtype=torch.int8) for shape in ((m, depth), (depth, n)))
    a[0], b[:, 0] = -128, -128
    c = torch.empty((m, n), dtype=torch.int32)
    looped_product[(triton.cdiv(m, 16), triton.cdiv(n, 32))](a, b, c, m, n, depth, M=16, N=32, K=32)
    assert torch.equal(c, (a.long() @ b.long()).to(torch.int32))
