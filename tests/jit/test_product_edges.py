"""Products at the edges of matrices, and of left operands that are read where they lie."""

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def edge_product(a, b, c, sums, m, n, depth, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, KIND: tl.constexpr):
    """c = a @ b + 1; the kinds differ in who sees what lies beyond the edge."""
    i = tl.program_id(0) * M + tl.arange(0, M)
    j = tl.program_id(1) * N + tl.arange(0, N)
    p = tl.arange(0, K)
    total = tl.full((M, N), 1.0, tl.float32)
    for start in range(0, depth, K):
        left = tl.load(a + (i[:, None] % m) * depth + start + p[None, :], mask=p[None, :] < depth - start, other=0.0)
        right = tl.load(b + (start + p[:, None]) * n + (j[None, :] % n), mask=(start + p[:, None]) < depth, other=0.0)
        total = tl.dot(left, right, total, input_precision="ieee")
    at = c + i[:, None] * n + j[None, :]
    if KIND == "less":
        tl.store(at, total, mask=(i[:, None] < m) & (j[None, :] < n))
    if KIND == "at most":
        tl.store(at, total, mask=(i[:, None] <= m - 1) & (n > j[None, :]))
    if KIND == "two":
        tl.store(at, total, mask=(i[:, None] < m - 3) & (j[None, :] < n))
        tl.store(at, total * 1.0, mask=(i[:, None] < m) & (j[None, :] < n))
    if KIND == "summed":
        tl.store(at, total, mask=(i[:, None] < m) & (j[None, :] < n))
        tl.store(sums + tl.program_id(0) * tl.num_programs(1) + tl.program_id(1), tl.sum(total))
    if KIND == "turned":
        tl.store(c + j[:, None] + i[None, :] * n, tl.trans(total), mask=(i[None, :] < m) & (j[:, None] < n))
    if KIND == "branch":
        is_block = tl.program_id(0) >= 0
        if is_block:
            tl.store(at, total, mask=(i[:, None] < m) & (j[None, :] < n))


@pytest.mark.parametrize("kind", ["less", "at most", "two", "summed", "turned", "branch"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("m", "n", "depth"), [(65, 33, 70), (1, 1, 16), (40, 64, 33)])
def test_only_what_is_seen_need_be_computed(on_device, kind, dtype, m, n, depth):
    on_device(mode="execute")
    torch.manual_seed(m)
    a, b = (torch.randint(-4, 5, shape).to(dtype) for shape in ((m, depth), (depth, n)))
    c, grid = torch.full((m + 1, n), -99.0), (triton.cdiv(m, 32), triton.cdiv(n, 32))
    sums = torch.full(grid, -99.0)
    edge_product[grid](a, b, c, sums, m, n, depth, M=32, N=32, K=16, KIND=kind)
    exact = a.double() @ b.double() + 1
    torch.testing.assert_close(c[:m].double(), exact, rtol=0, atol=0)
    assert (c[m] == -99).all()
    if kind == "summed":  # of whole tiles: rows and columns past the edge wrap round
        rows, columns = torch.arange(grid[0] * 32) % m, torch.arange(grid[1] * 32) % n
        wrapped = exact[rows][:, columns].reshape(grid[0], 32, grid[1], 32).sum((1, 3))
        torch.testing.assert_close(sums.double(), wrapped, rtol=0, atol=0)


@triton.jit
def in_pieces(a, b, c, M: tl.constexpr, K: tl.constexpr):
    """Rows of the left operand are halves that lie apart."""
    i, half, j = tl.arange(0, M), tl.arange(0, 2), tl.arange(0, K // 2)
    at = i[:, None, None] * (K // 2) + half[None, :, None] * (M * K // 2) + j[None, None, :]
    left = tl.load(a + tl.reshape(at, (M, K)))
    right = tl.load(b + tl.arange(0, K)[:, None] * M + i[None, :])
    tl.store(c + i[:, None] * M + i[None, :], tl.dot(left, right, input_precision="ieee"))


def test_rows_of_pieces(on_device):
    on_device(mode="execute")
    m, k = 32, 64
    halves, b, c = torch.randint(-4, 5, (2, m, k // 2)).float(), torch.randint(-4, 5, (k, m)).float(), torch.empty(m, m)
    in_pieces[(1,)](halves, b, c, M=m, K=k)
    torch.testing.assert_close(c, torch.cat(list(halves), 1) @ b, rtol=0, atol=0)


@triton.jit
def overwritten(a, b, c, turns, M: tl.constexpr):
    """What a turn has multiplied it overwrites."""
    i = tl.arange(0, M)
    at = i[:, None] * M + i[None, :]
    total = tl.zeros((M, M), tl.float32)
    for turn in range(turns):
        total = tl.dot(tl.load(a + at), tl.load(b + at), total, input_precision="ieee")
        tl.debug_barrier()
        tl.store(a + at, tl.full((M, M), 1.0, tl.float32) * turn)
        tl.debug_barrier()
    tl.store(c + at, total)


def test_left_operands_that_are_overwritten(on_device):
    on_device(mode="execute")
    m, turns = 32, 5
    a, b, c = torch.randint(-4, 5, (m, m)).float(), torch.randint(-4, 5, (m, m)).float(), torch.empty(m, m)
    expected = a @ b + sum(torch.full((m, m), float(turn)) @ b for turn in range(turns - 1))
    overwritten[(1,)](a, b, c, turns, M=m)
    torch.testing.assert_close(c, expected, rtol=0, atol=0)


@triton.jit
def rows_of_a_batch(a, b, c, B: tl.constexpr, M: tl.constexpr, K: tl.constexpr):
    """Three dimensions; the left operand is cut off along each."""
    z, i, p = tl.arange(0, B), tl.arange(0, M), tl.arange(0, K)
    left = tl.load(
        a + z[:, None, None] * (M * K) + i[None, :, None] * K + p[None, None, :],
        mask=(z[:, None, None] < B - 1) & (i[None, :, None] < M - 3) & (p[None, None, :] < K - 5),
        other=2.0,
    )
    right = tl.load(b + z[:, None, None] * (K * M) + p[None, :, None] * M + i[None, None, :])
    out = c + z[:, None, None] * (M * M) + i[None, :, None] * M + i[None, None, :]
    tl.store(out, tl.dot(left, right, input_precision="ieee"))


def test_batches_of_masked_rows(on_device):
    on_device(mode="execute")
    count, m, k = 2, 32, 16
    a, b = torch.randint(-4, 5, (count, m, k)).float(), torch.randint(-4, 5, (count, k, m)).float()
    c, cut = torch.empty(count, m, m), torch.full_like(a, 2.0)
    cut[: count - 1, : m - 3, : k - 5] = a[: count - 1, : m - 3, : k - 5]
    rows_of_a_batch[(1,)](a, b, c, B=count, M=m, K=k)
    torch.testing.assert_close(c, cut @ b, rtol=0, atol=0)
