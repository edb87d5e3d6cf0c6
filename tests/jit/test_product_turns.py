"""Products in loops whose turns are taken together, of operands that lie in memory any way round."""

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def strided_product(
    a, b, c, m, n, depth, am, ak, bk, bn, first, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, SUM: tl.constexpr
):
    """c = first + a @ b, with rows and columns past the edge wrapped round."""
    i = (tl.program_id(0) * M + tl.arange(0, M)) % m
    j = (tl.program_id(1) * N + tl.arange(0, N)) % n
    p = tl.arange(0, K)
    lefts, rights = a + i[:, None] * am + p[None, :] * ak, b + p[:, None] * bk + j[None, :] * bn
    total = tl.full((M, N), first, SUM)
    for turn in range(0, tl.cdiv(depth, K)):
        left = tl.load(lefts, mask=p[None, :] < depth - turn * K, other=0)
        right = tl.load(rights, mask=p[:, None] < depth - turn * K, other=0)
        total = tl.dot(left, right, total, input_precision="ieee", out_dtype=SUM)
        lefts += K * ak
        rights += K * bk
    tl.store(c + i[:, None] * n + j[None, :], total)


@triton.jit
def watched_sums(a, b, c, sums, depth, M: tl.constexpr, K: tl.constexpr):
    """The sums are also read after every turn: no turn may wait."""
    i, p = tl.arange(0, M), tl.arange(0, K)
    total = tl.zeros((M, M), tl.float32)
    for start in range(0, depth, K):
        left = tl.load(a + i[:, None] * depth + start + p[None, :])
        right = tl.load(b + (start + p[:, None]) * M + i[None, :])
        total = tl.dot(left, right, total, input_precision="ieee")
        tl.store(sums + start // K * M + i, tl.sum(total, 1))
    tl.store(c + i[:, None] * M + i[None, :], total)


@triton.jit
def scaled_sums(a, b, c, depth, M: tl.constexpr, K: tl.constexpr):
    """The sums are halved before every turn."""
    i, p = tl.arange(0, M), tl.arange(0, K)
    total = tl.zeros((M, M), tl.float32)
    for start in range(0, depth, K):
        left = tl.load(a + i[:, None] * depth + start + p[None, :])
        right = tl.load(b + (start + p[:, None]) * M + i[None, :])
        total = tl.dot(left, right, total * 0.5, input_precision="ieee")
    tl.store(c + i[:, None] * M + i[None, :], total)


def operand(rows, columns, dtype, transposed):
    values = torch.randint(-4, 5, (columns, rows) if transposed else (rows, columns)).to(dtype)
    return values.t() if transposed else values


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int8])
@pytest.mark.parametrize("depth", [16, 48, 64, 67, 80, 130])
@pytest.mark.parametrize(("left_transposed", "right_transposed"), [(False, False), (True, False), (False, True)])
def test_any_number_of_turns_any_strides(on_device, dtype, depth, left_transposed, right_transposed):
    on_device(mode="execute")
    m, n, whole = 45, 70, dtype is torch.int8
    a, b = operand(m, depth, dtype, left_transposed), operand(depth, n, dtype, right_transposed)
    c = torch.full((m, n), -99).to(torch.int32 if whole else torch.float32)
    strided_product[(2, 3)](
        a, b, c, m, n, depth, *a.stride(), *b.stride(), 3 if whole else 3.0,
        M=32, N=32, K=16, SUM=tl.int32 if whole else tl.float32,
    )  # fmt: skip
    torch.testing.assert_close(c.double(), 3 + a.double() @ b.double(), rtol=0, atol=0)  # small integers: exact


def test_sums_that_others_read_are_complete_after_each_turn(on_device):
    on_device(mode="execute")
    m, k, turns = 32, 16, 5
    a, b = torch.randint(-4, 5, (m, k * turns)).float(), torch.randint(-4, 5, (k * turns, m)).float()
    c, sums = torch.empty(m, m), torch.empty(turns, m)
    watched_sums[(1,)](a, b, c, sums, k * turns, M=m, K=k)
    parts = torch.stack([a[:, : k * (t + 1)] @ b[: k * (t + 1)] for t in range(turns)])
    torch.testing.assert_close(c, parts[-1], rtol=0, atol=0)
    torch.testing.assert_close(sums, parts.sum(2), rtol=0, atol=0)


def test_sums_that_every_turn_scales(on_device):
    on_device(mode="execute")
    m, k, turns = 32, 16, 5
    a, b, c = (
        torch.randint(-4, 5, (m, k * turns)).float(),
        torch.randint(-4, 5, (k * turns, m)).float(),
        torch.empty(m, m),
    )
    scaled_sums[(1,)](a, b, c, k * turns, M=m, K=k)
    expected = torch.zeros(m, m)
    for start in range(0, k * turns, k):
        expected = expected * 0.5 + a[:, start : start + k] @ b[start : start + k]
    torch.testing.assert_close(c, expected, rtol=0, atol=0)
