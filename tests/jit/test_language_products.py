"""Products of tiles through Triton's front door, against float64."""

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def product(x_ptr, y_ptr, z_ptr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, kind: tl.constexpr):
    m, n, k = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    x = tl.load(x_ptr + m[:, None] * K + k[None, :])
    y = tl.load(y_ptr + k[:, None] * N + n[None, :])
    tl.store(z_ptr + m[:, None] * N + n[None, :], tl.dot(x, y, out_dtype=kind))


@pytest.mark.parametrize("shape", [(1, 64, 16), (16, 16, 16), (32, 64, 32)])
def test_a_product_with_a_half_precision_result(on_device, shape):
    on_device(mode="execute")
    m, n, k = shape
    x, y = torch.randn(m, k).half(), torch.randn(k, n).half()
    z = torch.full((m, n), float("nan"), dtype=torch.float16)
    product[(1,)](x, y, z, m, n, k, tl.float16)
    torch.testing.assert_close(z.double(), x.double() @ y.double(), rtol=2e-3, atol=2e-3)
