"""How the oracle holds elements, and exact conversions of float formats. Not here: arithmetic (`oracle.functions`).

Storage: i1 as bool, integers and addresses as signed NumPy integers, f16, f32 and f64 as themselves, bf16 and the
8-bit floats as their bits. Every finite value of every format is exact in float64, so arithmetic goes through it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from supa.base.dtypes import DTYPES, DType
from supa.ir.types import Pointer, Scalar

Array = NDArray[Any]
Rounding = Literal["rtne", "rtz"]


@dataclass(frozen=True, kw_only=True)
class Numerics:
    """What the machine's formats do where the language leaves it open; given by the caller, from the chip's facts.

    tf32_mantissa_bits, tf32_rounding: how f32 operands of `dot` enter the matrix unit under precision `tf32`
    (TF32: 10 bits, rounded; TF32+: 15 bits, truncated). fp8_saturates: conversions to 8-bit floats beyond the range
    give the largest finite value (PTX's satfinite); else what IEEE 754 or the format's definition says (inf or nan).
    """

    tf32_mantissa_bits: int = 10
    tf32_rounding: Literal["nearest", "truncate"] = "nearest"
    fp8_saturates: bool = True


@dataclass(frozen=True, kw_only=True)
class FloatFormat:
    """A float format held as bits. special: `ieee` has inf and nan; `fn` has nan at the top code, no inf;
    `fnuz` has one nan at the code of negative zero, no inf, no negative zero.
    """

    exponent_bits: int
    mantissa_bits: int
    bias: int
    special: Literal["ieee", "fn", "fnuz"]

    @property
    def sign_bit(self) -> int:
        """The code of the sign alone."""
        return 1 << (self.exponent_bits + self.mantissa_bits)

    @property
    def largest_code(self) -> int:
        """The code of the largest finite value."""
        return {"ieee": self.sign_bit - (1 << self.mantissa_bits), "fn": self.sign_bit - 1, "fnuz": self.sign_bit}[
            self.special
        ] - 1

    @property
    def nan_code(self) -> int:
        """The code of the quiet nan, positive where there is a sign."""
        if self.special == "ieee":
            return self.largest_code + 1 + (1 << (self.mantissa_bits - 1))
        return self.sign_bit - 1 if self.special == "fn" else self.sign_bit


FLOAT_FORMATS: dict[str, FloatFormat] = {
    "bf16": FloatFormat(exponent_bits=8, mantissa_bits=7, bias=127, special="ieee"),
    "f8E5M2": FloatFormat(exponent_bits=5, mantissa_bits=2, bias=15, special="ieee"),
    "f8E4M3FN": FloatFormat(exponent_bits=4, mantissa_bits=3, bias=7, special="fn"),
    "f8E5M2FNUZ": FloatFormat(exponent_bits=5, mantissa_bits=2, bias=16, special="fnuz"),
    "f8E4M3FNUZ": FloatFormat(exponent_bits=4, mantissa_bits=3, bias=8, special="fnuz"),
    "f8E4M3B11FNUZ": FloatFormat(exponent_bits=4, mantissa_bits=3, bias=11, special="fnuz"),
}
"""The formats that NumPy does not know."""

_NATIVE = {"i1": "?", "i8": "i1", "i16": "i2", "i32": "i4", "i64": "i8", "f16": "f2", "f32": "f4", "f64": "f8"}
_STORAGE: dict[str, np.dtype[Any]] = {
    name: np.dtype(_NATIVE.get(name, f"u{dtype.bytes}")) for name, dtype in DTYPES.items()
}


def storage_of(element: Scalar) -> np.dtype[Any]:
    """The NumPy type in which the oracle holds an element."""
    return np.dtype(np.int64) if isinstance(element, Pointer) else _STORAGE[element.name]


def to_float64(array: Array, element: DType) -> NDArray[np.float64]:
    """The exact values of stored floats."""
    if element.name not in FLOAT_FORMATS:
        with np.errstate(invalid="ignore"):  # a signalling nan becomes a quiet one
            return np.asarray(array, np.float64)
    return np.asarray(_values_of(element)[array])


@cache
def _values_of(element: DType) -> NDArray[np.float64]:
    """The value of every code."""
    return _decode(np.arange(1 << element.bits), FLOAT_FORMATS[element.name])


def _decode(codes: Array, fmt: FloatFormat) -> NDArray[np.float64]:
    magnitude = codes.astype(np.int64) & (fmt.sign_bit - 1)
    exponent = magnitude >> fmt.mantissa_bits
    fraction = magnitude & ((1 << fmt.mantissa_bits) - 1)
    significand = np.where(exponent > 0, fraction + (1 << fmt.mantissa_bits), fraction).astype(np.float64)
    values = np.ldexp(significand, np.maximum(exponent, 1) - fmt.bias - fmt.mantissa_bits)
    if fmt.special == "ieee":
        top = exponent == (1 << fmt.exponent_bits) - 1
        values = np.where(top, np.where(fraction == 0, np.inf, np.nan), values)
    elif fmt.special == "fn":
        values = np.where(magnitude == fmt.nan_code, np.nan, values)
    signed = np.copysign(values, np.where(codes.astype(np.int64) & fmt.sign_bit, -1.0, 1.0))
    return np.where(codes == fmt.nan_code, np.nan, signed) if fmt.special == "fnuz" else signed


def from_float64(values: Array, element: DType, rounding: Rounding = "rtne", numerics: Numerics | None = None) -> Array:
    """Round float64 values once to an element type, to nearest even or toward zero. Keeps the sign of nan."""
    with np.errstate(invalid="ignore"):
        wide = np.asarray(values, np.float64)
    if element.name in FLOAT_FORMATS:
        saturate = element.bits == 8 and (numerics or Numerics()).fp8_saturates
        codes = _encode(wide, FLOAT_FORMATS[element.name], rounding, saturate)
        return np.asarray(codes.astype(storage_of(element)))
    with np.errstate(all="ignore"):
        nearest = np.asarray(wide.astype(storage_of(element)))
        if rounding == "rtne":
            return nearest
        too_far = np.abs(nearest.astype(np.float64)) > np.abs(wide)
        return np.asarray(np.where(too_far, np.nextafter(nearest, nearest.dtype.type(0)), nearest))


def _encode(values: NDArray[np.float64], fmt: FloatFormat, rounding: Rounding, saturate: bool) -> Array:
    magnitude = np.abs(values)
    finite = np.isfinite(values)
    lowest = 1 - fmt.bias
    exponent = np.maximum(np.frexp(np.where(finite, magnitude, 0.0))[1] - 1, lowest)
    exponent = np.where(magnitude == 0, lowest, exponent).astype(np.int64)
    scaled = np.ldexp(np.where(finite, magnitude, 0.0), fmt.mantissa_bits - exponent)  # exact: a power of two
    steps = np.rint(scaled) if rounding == "rtne" else np.floor(scaled)
    codes = ((exponent - lowest) << fmt.mantissa_bits) + steps.astype(np.int64)
    beyond = np.isinf(values) | (codes > fmt.largest_code)
    truncated = finite & (rounding == "rtz")  # toward zero never leaves the finite range
    overflow = {"ieee": fmt.largest_code + 1, "fn": fmt.nan_code, "fnuz": fmt.nan_code}[fmt.special]
    limit = np.where(truncated | saturate, fmt.largest_code, overflow)
    codes = np.where(beyond, limit, codes)
    codes = np.where(np.isnan(values), fmt.nan_code, codes)
    if fmt.special != "fnuz":
        return np.where(np.signbit(values), codes | fmt.sign_bit, codes)
    return np.where(np.signbit(values) & (codes > 0), codes | fmt.sign_bit, codes)


def round_mantissa(values: Array, mantissa_bits: int, rounding: Rounding) -> NDArray[np.float32]:
    """f32 values with fewer mantissa bits and the same exponents; inf and nan stay."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    drop = 23 - mantissa_bits
    if drop > 0 and rounding == "rtne":
        bits = bits + ((1 << (drop - 1)) - 1) + ((bits >> drop) & 1)
    kept = (bits >> drop << drop).astype(np.uint32).view(np.float32)
    return np.where(np.isfinite(values), kept, values).astype(np.float32)


def integers_to_odd_float64(values: Array) -> NDArray[np.float64]:
    """64-bit integers as float64, inexact ones rounded to odd: a second rounding to a small format is then exact."""
    negative = values < 0
    magnitude = values.astype(np.uint64)
    magnitude = np.where(negative, (~magnitude) + np.uint64(1), magnitude) if values.dtype.kind == "i" else magnitude
    low = magnitude & np.uint64(0x7FF)
    sticky = (magnitude - low) | np.where(low != 0, np.uint64(0x800), np.uint64(0))
    chosen = np.where(magnitude < np.uint64(1 << 53), magnitude, sticky).astype(np.float64)
    return np.where(negative, -chosen, chosen)
