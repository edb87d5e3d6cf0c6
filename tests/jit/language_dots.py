"""Products of tiles in every pair of formats and every input precision, measured for docs/language.md. Not the page.

An error is a fraction of the sum of the products' magnitudes, against float64.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from language_section import Errors, Section, fraction, unless_refused

M, N_, K = 32, 32, 64
PRECISIONS = ("ieee", "tf32", "tf32x3", "bf16x3", "bf16x6")
OPERANDS = (
    "float64", "float32", "bfloat16", "float16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
    "float8_e5m2fnuz", "int8", "uint8",
)  # fmt: skip
SCALED = ("e2m1", "e4m3", "e5m2", "bf16", "fp16")
_E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], dtype=torch.float64)


@triton.jit
def product(
    x_ptr, y_ptr, z_ptr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, PRECISION: tl.constexpr, OUT: tl.constexpr
):
    m, n, k = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    x, y = tl.load(x_ptr + m[:, None] * K + k), tl.load(y_ptr + k[:, None] * N + n)
    tl.store(z_ptr + m[:, None] * N + n, tl.dot(x, y, input_precision=PRECISION, out_dtype=OUT))


@triton.jit
def scaled_product(
    a_ptr, sa_ptr, b_ptr, sb_ptr, c_ptr, M: tl.constexpr, N: tl.constexpr, KA: tl.constexpr, KB: tl.constexpr,
    G: tl.constexpr, A: tl.constexpr, B: tl.constexpr, SCALED_A: tl.constexpr, SCALED_B: tl.constexpr,
):  # fmt: skip
    m, n, g = tl.arange(0, M), tl.arange(0, N), tl.arange(0, G)
    a = tl.load(a_ptr + m[:, None] * KA + tl.arange(0, KA))
    b = tl.load(b_ptr + tl.arange(0, KB)[:, None] * N + n)
    sa, sb = None, None
    if SCALED_A:
        sa = tl.load(sa_ptr + m[:, None] * G + g)
    if SCALED_B:
        sb = tl.load(sb_ptr + n[:, None] * G + g)
    tl.store(c_ptr + m[:, None] * N + n, tl.dot_scaled(a, sa, A, b, sb, B))


def _operand(name: str, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    random, dtype = torch.Generator().manual_seed(seed), getattr(torch, name)
    if not dtype.is_floating_point:
        return torch.randint(0 if name == "uint8" else -128, 127, shape, generator=random).to(dtype)
    return torch.randn(shape, generator=random, dtype=torch.float64).to(dtype)


def measure_pairs(column: str) -> Errors:
    """Errors by the left operand's format, for one right operand."""
    return {row: unless_refused(lambda row=row: _error(row, column, "ieee")) for row in OPERANDS}


def measure_precisions(column: str) -> Errors:
    """Errors of float32 operands in one input precision, and of each result type."""
    return {"float32": unless_refused(lambda: _error("float32", "float32", column))}


def _error(left: str, right: str, precision: str) -> float:
    x, y = _operand(left, (M, K), 1), _operand(right, (K, N_), 2)
    out = torch.float64 if left == "float64" else torch.float32 if x.dtype.is_floating_point else torch.int32
    z = torch.zeros(M, N_, dtype=out)
    product[(1,)](
        x, y, z, M, N_, K, precision, {"float64": tl.float64, "float32": tl.float32, "int32": tl.int32}[str(out)[6:]]
    )
    return fraction(z, x.double() @ y.double(), x.double().abs() @ y.double().abs())


def _scaled(name: str, rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Stored elements (k last), their scales, and their values."""
    random = torch.Generator().manual_seed(seed)
    scale = torch.randint(120, 134, (rows, K // 32), generator=random, dtype=torch.uint8)
    factors = torch.exp2(scale.double() - 127).repeat_interleave(32, 1)
    if name == "e2m1":
        stored = torch.randint(0, 256, (rows, K // 2), generator=random, dtype=torch.uint8)
        return stored, scale, _E2M1[torch.stack([stored & 15, stored >> 4], -1).long()].reshape(rows, K) * factors
    dtype = {"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2, "bf16": torch.bfloat16, "fp16": torch.float16}
    stored = torch.randn(rows, K, generator=random).to(dtype[name])
    return stored, scale, stored.double() * (1 if name in ("bf16", "fp16") else factors)


def measure_scaled(column: str) -> Errors:
    """Errors by the left operand's format, for one right operand."""
    return {row: unless_refused(lambda row=row: _scaled_error(row, column)) for row in SCALED}


def _scaled_error(left: str, right: str) -> float:
    a, scale_a, x = _scaled(left, M, 1)
    b, scale_b, y = _scaled(right, N_, 2)
    b = b.T.contiguous()
    c = torch.zeros(M, N_)
    wide = ("bf16", "fp16")
    scaled_product[(1,)](
        a, scale_a, b, scale_b, c, M, N_, a.shape[1], b.shape[0], K // 32, left, right, left not in wide,
        right not in wide,
    )  # fmt: skip
    return fraction(c, x @ y.T, x.abs() @ y.abs().T)


PAIRS = Section(
    title="dot: pairs of operands",
    text="The left operand by row, the right by column; a sum of 64 products, in float64, float32 or int32. An upper"
    " bound of the error as a fraction of the sum of the products' magnitudes: twice the largest seen, since hosts sum"
    " in different orders.",
    rows=OPERANDS, columns=OPERANDS, measure=measure_pairs, relative=True, any_order=True,
)  # fmt: skip
INPUT_PRECISIONS = Section(
    title="dot: input precisions",
    text="On `bili100`, whose `tf32` truncates its operands to 15 bits of mantissa.",
    rows=("float32",), columns=PRECISIONS, measure=measure_precisions, relative=True, any_order=True,
)  # fmt: skip
MICROSCALED = Section(
    title="dot_scaled: microscaling formats",
    text="The left operand by row, the right by column; scales of 32 elements, none for bf16 and fp16.",
    rows=SCALED, columns=SCALED, measure=measure_scaled, relative=True, any_order=True,
)  # fmt: skip
