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


@triton.jit
def scaled_product(
    a_ptr, sa_ptr, b_ptr, sb_ptr, c_ptr, M: tl.constexpr, N: tl.constexpr, KA: tl.constexpr, KB: tl.constexpr,
    G: tl.constexpr, a_kind: tl.constexpr, b_kind: tl.constexpr, ACC: tl.constexpr
):  # fmt: skip
    m, n, g = tl.arange(0, M), tl.arange(0, N), tl.arange(0, G)
    a = tl.load(a_ptr + m[:, None] * KA + tl.arange(0, KA)[None, :])
    b = tl.load(b_ptr + tl.arange(0, KB)[:, None] * N + n[None, :])
    sa = tl.load(sa_ptr + m[:, None] * G + g[None, :])
    sb = None
    if b_kind != "bf16":
        sb = tl.load(sb_ptr + n[:, None] * G + g[None, :])
    c_at = c_ptr + m[:, None] * N + n[None, :]
    tl.store(c_at, tl.dot_scaled(a, sa, a_kind, b, sb, b_kind, acc=tl.load(c_at) if ACC else None))


_E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], dtype=torch.float64)


def _scaled_operand(kind, rows, k, seed):
    """Stored elements (k last), and their values."""
    random = torch.Generator().manual_seed(seed)
    if kind == "bf16":
        stored = torch.randn(rows, k, generator=random).bfloat16()
        return stored, stored.double()
    if kind == "e2m1":
        stored = torch.randint(0, 256, (rows, k // 2), generator=random, dtype=torch.uint8)
        return stored, _E2M1[torch.stack([stored & 15, stored >> 4], -1).long()].reshape(rows, k)
    stored = torch.randn(rows, k, generator=random).to({"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}[kind])
    return stored, stored.double()


@pytest.mark.parametrize("accumulates", [False, True])
@pytest.mark.parametrize("b_kind", ["e2m1", "e4m3", "e5m2", "bf16"])
@pytest.mark.parametrize("a_kind", ["e2m1", "e4m3", "e5m2"])
def test_microscaling_formats(on_device, a_kind, b_kind, accumulates):
    on_device(mode="execute")
    m, n, k = 32, 16, 64
    a, a_values = _scaled_operand(a_kind, m, k, 1)
    b, b_values = _scaled_operand(b_kind, n, k, 2)
    scales = [torch.randint(120, 134, (rows, k // 32), dtype=torch.uint8) for rows in (m, n)]
    factors = [torch.exp2(one.double() - 127).repeat_interleave(32, 1) for one in scales]
    c = torch.randn(m, n)
    a_values = a_values * factors[0]
    b_values = b_values if b_kind == "bf16" else b_values * factors[1]
    expected = a_values @ b_values.T + (c.double() if accumulates else 0)
    b_stored = b.view(torch.uint8 if b_kind == "e2m1" else b.dtype).T.contiguous()
    scaled_product[(1,)](
        a, scales[0], b_stored, scales[1], c, m, n, a.shape[1], b_stored.shape[0], k // 32, a_kind, b_kind, accumulates
    )
    assert ((c.double() - expected).abs() <= 2**-20 * (a_values.abs() @ b_values.abs().T + expected.abs())).all()
