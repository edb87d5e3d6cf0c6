"""Products ask for the lines that they will be stored in: small ones between groups of rows, loops at the end."""

import numpy as np
import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def products(a, b, out, rows, columns, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, TURNED: tl.constexpr):
    """A product a program; with `TURNED` the left operand's columns are contiguous."""
    i, j, at = tl.arange(0, M)[:, None], tl.arange(0, N)[None, :], tl.arange(0, K)
    number = tl.program_id(0)
    if TURNED:
        left = tl.load(a + number * M * K + at[None, :] * M + i, mask=i < rows, other=0)
    else:
        left = tl.load(a + number * M * K + i * K + at[None, :], mask=i < rows, other=0)
    right = tl.load(b + number * K * N + at[:, None] * N + j)
    integers: tl.constexpr = a.dtype.element_ty == tl.int8
    product = tl.dot(left, right, input_precision="ieee", out_dtype=tl.int32 if integers else tl.float32)
    tl.store(out + number * M * N + i * N + j, product.to(out.dtype.element_ty), mask=(i < rows) & (j < columns))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(64, 64), (1, 64), (9, 33), (63, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int8])
def test_products_in_groups_of_rows(dtype, rows, columns, turned):
    torch.manual_seed(0)
    count, m, n, k = 5, 64, 64, 32
    whole = dtype is torch.int8
    shapes = (count, m, k), (count, k, n)
    left, right = (torch.randint(-128, 128, s).to(dtype) if whole else torch.randn(s).to(dtype) for s in shapes)
    kept = -77
    out = torch.full((count, m, n), kept, dtype=torch.int32 if whole else dtype)
    given = left.transpose(1, 2).contiguous() if turned else left
    products[(count,)](given, right, out, rows, columns, M=m, N=n, K=k, TURNED=turned)
    expected = np.full((count, m, n), float(kept))
    expected[:, :rows, :columns] = (left.double().numpy() @ right.double().numpy())[:, :rows, :columns]
    tolerance = 0 if whole else 1e-5 if dtype is torch.float32 else 3e-2
    np.testing.assert_allclose(out.double().numpy(), expected, rtol=tolerance, atol=10 * tolerance)


@triton.jit
def looped(a, b, out, m, n, depth, row, column, HOW: tl.constexpr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    """A product that a loop adds up; `HOW` it is stored: at once, scaled, under a condition, in no known place."""
    i, j = tl.program_id(0) * M + tl.arange(0, M)[:, None], tl.program_id(1) * N + tl.arange(0, N)[None, :]
    at = tl.arange(0, K)
    integers: tl.constexpr = a.dtype.element_ty == tl.int8
    total = tl.zeros((M, N), tl.int32 if integers else tl.float32)
    for start in range(0, depth, K):
        p = start + at
        left = tl.load(a + i * depth + p[None, :], mask=(i < m) & (p[None, :] < depth), other=0)
        right = tl.load(b + p[:, None] * n + j, mask=(p[:, None] < depth) & (j < n), other=0)
        total = tl.dot(left, right, total, input_precision="ieee", out_dtype=total.dtype)
    inside = (i < m) & (j < n)
    if HOW == "scaled":
        total = total * 2
    if HOW == "conditional":
        if depth > 1:
            tl.store(out + i * row + j * column, total.to(out.dtype.element_ty), mask=inside)
    elif HOW == "scattered":
        tl.store(out + tl.load(b + 0 * i).to(tl.int32) * 0 + i * row + j, total.to(out.dtype.element_ty), mask=inside)
    else:
        tl.store(out + i * row + j * column, total.to(out.dtype.element_ty), mask=inside)


@pytest.mark.parametrize("depth", [1, 16, 67, 130])
@pytest.mark.parametrize("how", ["plain", "scaled", "conditional", "scattered", "turned"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int8])
def test_products_of_loops(dtype, how, depth):
    torch.manual_seed(0)
    m, n, whole = 45, 70, dtype is torch.int8
    left, right = (torch.randint(-4, 5, shape).to(dtype) for shape in ((m, depth), (depth, n)))  # sums are exact
    out = torch.full((n, m) if how == "turned" else (m, n), -77, dtype=torch.int32 if whole else torch.float32)
    stored = out.t() if how == "turned" else out
    looped[(2, 3)](left, right, out, m, n, depth, *stored.stride(), HOW=how, M=32, N=32, K=16)
    expected = left.double().numpy() @ right.double().numpy() * (2 if how == "scaled" else 1)
    expected = np.where(how == "conditional" and depth == 1, -77.0, expected)
    np.testing.assert_array_equal(stored.double().numpy(), expected)
