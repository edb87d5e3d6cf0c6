"""Exact reading of float literals: bit patterns to values, decimals rounded to a narrow format.

Not here: arithmetic in these formats.
"""

from __future__ import annotations

import math
import struct

from supa.base.dtypes import DType

_EXACT_UNPACK = {"f16": ("<H", "<e"), "f32": ("<I", "<f"), "f64": ("<Q", "<d")}


def _bias(dtype: DType) -> int:
    """The exponent bias; the formats without a negative zero (`..FNUZ`) have one more than IEEE's."""
    if dtype.name == "f8E4M3B11FNUZ":
        return 11
    ieee = (1 << (dtype.exponent_bits - 1)) - 1
    return ieee + 1 if dtype.name.endswith("FNUZ") else ieee


def _is_special(dtype: DType, exponent: int, mantissa: int, negative: bool) -> float | None:
    """The infinity or NaN that a pattern stands for, None if it is a finite number."""
    if dtype.name.endswith("FNUZ"):
        return math.nan if negative and exponent == 0 and mantissa == 0 else None
    if exponent != (1 << dtype.exponent_bits) - 1:
        return None
    if dtype.name.endswith("FN"):
        return (
            math.copysign(math.nan, -1.0 if negative else 1.0) if mantissa == (1 << dtype.mantissa_bits) - 1 else None
        )
    return math.copysign(math.nan if mantissa else math.inf, -1.0 if negative else 1.0)


def float_from_bits(dtype: DType, bits: int) -> float:
    """The value of the pattern `bits` of a float format; exact. NaN keeps its sign.

    Source of the 8-bit formats: OCP 8-bit Floating Point Specification 1.0 and LLVM's APFloat for the `FNUZ` ones.
    """
    if dtype.name in _EXACT_UNPACK:
        as_int, as_float = _EXACT_UNPACK[dtype.name]
        return float(struct.unpack(as_float, struct.pack(as_int, bits))[0])
    mantissa = bits & ((1 << dtype.mantissa_bits) - 1)
    exponent = (bits >> dtype.mantissa_bits) & ((1 << dtype.exponent_bits) - 1)
    negative = bool(bits >> (dtype.bits - 1))
    special = _is_special(dtype, exponent, mantissa, negative)
    if special is not None:
        return special
    if exponent:
        mantissa |= 1 << dtype.mantissa_bits
    magnitude = math.ldexp(mantissa, max(exponent, 1) - _bias(dtype) - dtype.mantissa_bits)
    return -magnitude if negative else magnitude


def round_to(dtype: DType, value: float) -> float:
    """`value` rounded to the nearest number of a float format, ties to even; infinities and NaN pass.

    Raises `OverflowError` if a finite value is beyond the format: no printed constant is.
    """
    if dtype.name == "f64" or not math.isfinite(value):
        return value
    lowest_exponent = 1 - _bias(dtype)
    exponent = max(math.frexp(value)[1] - 1, lowest_exponent)
    quantum = math.ldexp(1.0, exponent - dtype.mantissa_bits)
    rounded = round(value / quantum) * quantum
    if abs(rounded) > largest(dtype):
        raise OverflowError(f"{value} does not fit {dtype}")
    if rounded == 0 and dtype.name.endswith("FNUZ"):
        return 0.0  # the only zero
    return math.copysign(rounded, value)


def largest(dtype: DType) -> float:
    """The largest finite value of a float format."""
    top, ones = (1 << dtype.exponent_bits) - 1, (1 << dtype.mantissa_bits) - 1
    if not dtype.name.endswith(("FN", "FNUZ")):
        top -= 1
    elif dtype.name.endswith("FN"):
        ones -= 1
    return float_from_bits(dtype, (top << dtype.mantissa_bits) | ones)
