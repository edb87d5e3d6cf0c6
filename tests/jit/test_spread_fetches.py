"""Small products that store at once are taken in groups of rows, which ask for memory between them."""

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
