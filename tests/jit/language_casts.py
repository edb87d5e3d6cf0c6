"""Conversions between all element types, measured for docs/language.md. Not the page.

References: PyTorch's own conversions to float64; `fp8e4b15`, which PyTorch lacks, is decoded here from its definition.
"""

from __future__ import annotations

import numpy as np
import torch
import triton
import triton.language as tl
from language_section import Errors, Section, equal, ulps, unless_refused

N = 256
FLOATS = {  # mantissa bits, exponent of the smallest normal number
    "float64": (52, -1022), "float32": (23, -126), "bfloat16": (7, -126), "float16": (10, -14),
    "float8_e5m2": (2, -14), "float8_e4m3fn": (3, -6), "float8_e5m2fnuz": (2, -15), "float8_e4m3fnuz": (3, -7),
    "fp8e4b15": (3, -14),
}  # fmt: skip
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
TYPES = (*FLOATS, *INTEGERS, "bool")


@triton.jit
def convert(x_ptr, z_ptr, N: tl.constexpr, FROM_B15: tl.constexpr, TO_B15: tl.constexpr):
    at = tl.arange(0, N)
    x = tl.load(x_ptr + at)
    if FROM_B15:
        x = x.to(tl.float8e4b15, bitcast=True)
    if TO_B15:
        z = x.to(tl.float8e4b15).to(tl.uint8, bitcast=True)
    else:
        z = x.to(z_ptr.dtype.element_ty)
    tl.store(z_ptr + at, z)


def decode_b15(codes: torch.Tensor) -> torch.Tensor:
    """Sign, four exponent bits biased by 15, three mantissa bits; no infinity, no NaN below the largest code."""
    raw = codes.int()
    exponent, mantissa = (raw >> 3) & 15, (raw & 7).double()
    magnitude = torch.where(exponent > 0, (8 + mantissa) * 2.0 ** (exponent.double() - 18), mantissa * 2.0**-17)
    return torch.where(raw & 128 > 0, -magnitude, magnitude)


def operand(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Stored elements and their values: all codes of an 8-bit float that are small numbers, a sample of the others."""
    random = torch.Generator().manual_seed(3)
    if name == "fp8e4b15":
        codes = torch.arange(256).to(torch.uint8)
        codes = torch.where((codes & 127) < 0x78, codes, codes & 0x80)
        return codes, decode_b15(codes)
    dtype = getattr(torch, name)
    if name == "bool":
        stored = torch.rand(N, generator=random) < 0.5
    elif name.startswith("float8"):
        stored = torch.arange(256).to(torch.uint8).view(dtype)
        small = stored.double().abs() < 15
        stored = torch.where(small, stored.view(torch.uint8), 0).view(dtype)
    elif dtype.is_floating_point:
        stored = (torch.randn(N, generator=random, dtype=torch.float64) * 3).to(dtype)
    else:
        low = 0 if name.startswith("u") else -15
        stored = torch.randint(low, 16, (N,), generator=random).to(dtype)
    return stored, stored.double()


def measure(column: str) -> Errors:
    """Errors of the conversions from one type to all others. (fp8e4b15 to bool ends as float16 in Triton.)"""
    targets = [target for target in TYPES if (column, target) != ("fp8e4b15", "bool")]
    return {target: unless_refused(lambda target=target: _error(column, target)) for target in targets}


def _error(source: str, target: str) -> float:
    x, values = operand(source)
    if target == "fp8e4b15":
        values = values.clamp(-1.75, 1.75) if source in FLOATS else values.clamp(-1, 1)
        x = values.to(x.dtype) if source != "fp8e4b15" else x
        values = values if source == "fp8e4b15" else x.double()
    if target.startswith("u") and source in FLOATS:
        x, values = (x.double().abs().to(x.dtype), values.abs()) if source != "fp8e4b15" else (x & 127, values.abs())
    z = torch.zeros(N, dtype=torch.uint8 if target == "fp8e4b15" else getattr(torch, target))
    convert[(1,)](x, z, N, source == "fp8e4b15", target == "fp8e4b15")
    if target not in FLOATS:
        exact = values != 0 if target == "bool" else torch.from_numpy(np.trunc(values.numpy()))
        return equal(z, exact.long().to(z.dtype))
    found = decode_b15(z) if target == "fp8e4b15" else z.double()
    return ulps(found, values.numpy(), *FLOATS[target])


SECTION = Section(
    title="Conversions",
    text="From the type of the column to that of the row; rounding to nearest, to integers toward zero.",
    rows=TYPES, columns=TYPES, measure=measure,
)  # fmt: skip
