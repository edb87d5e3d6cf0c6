"""Constants as LLVM writes them, in every element type; the layouts of the 8-bit floats. Emits no instruction."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from supa.base.dtypes import F16, F32, F64, DType
from supa.ir.types import Pointer, Scalar


@dataclass(frozen=True, kw_only=True)
class Fp8:
    """Layout of an 8-bit format: `largest` finite value's bits; `nan` its canonical NaN; `fnuz`: no -0, no inf."""

    mantissa: int
    bias: int
    largest: int
    nan: int
    fnuz: bool = False
    has_infinity: bool = False


FP8 = {
    "f8E4M3FN": Fp8(mantissa=3, bias=7, largest=0x7E, nan=0x7F),
    "f8E5M2": Fp8(mantissa=2, bias=15, largest=0x7B, nan=0x7F, has_infinity=True),
    "f8E4M3FNUZ": Fp8(mantissa=3, bias=8, largest=0x7F, nan=0x80, fnuz=True),
    "f8E5M2FNUZ": Fp8(mantissa=2, bias=16, largest=0x7F, nan=0x80, fnuz=True),
    "f8E4M3B11FNUZ": Fp8(mantissa=3, bias=11, largest=0x7F, nan=0x80, fnuz=True),
}


def bits_of(value: float) -> int:
    """The bits of an f32."""
    return int(struct.unpack("<I", struct.pack("<f", value))[0])


def float_of(bits: int) -> float:
    """The f32 with these bits."""
    return float(struct.unpack("<f", struct.pack("<I", bits))[0])


def float_literal(value: float) -> str:
    """An f32 constant in LLVM's hexadecimal form."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def literal(value: bool | int | float, type_: Scalar) -> str:
    """`value` as an LLVM constant of `register_type(type_)`; floats are rounded to nearest even."""
    if isinstance(type_, Pointer) or type_.is_int:
        bits = 64 if isinstance(type_, Pointer) else type_.bits
        number = int(value) & ((1 << bits) - 1)
        if bits == 1:
            return "true" if number else "false"
        return str(number - (1 << bits) if number >> (bits - 1) else number)
    return _float_literal(float(value), type_)


def _float_literal(value: float, type_: DType) -> str:
    if type_ is F64 or type_ is F32:
        widened = value if type_ is F64 else rounded("<f", value)
        return f"0x{struct.unpack('<Q', struct.pack('<d', widened))[0]:016X}"
    if type_ is F16:
        return f"0xH{struct.unpack('<H', struct.pack('<e', rounded('<e', value)))[0]:04X}"
    return str(encode(value, type_))


def rounded(form: str, value: float) -> float:
    """`value` rounded to the format of a struct code; too large ones become infinite."""
    try:
        return float(struct.unpack(form, struct.pack(form, value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def encode(value: float, type_: DType) -> int:
    """The bits of `value` in a small float format, to nearest even; the 8-bit formats saturate."""
    if type_.name == "bf16":
        if value != value:
            return 0x7FC0
        bits = _odd_bits(value)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) & 0xFFFF
    layout = FP8[type_.name]
    if value != value:
        return layout.nan
    magnitude = min(abs(value), decode(layout.largest, type_))
    candidates = range(layout.largest + 1)
    code = min(candidates, key=lambda code: (abs(decode(code, type_) - magnitude), code & 1))
    negative = math.copysign(1.0, value) < 0 and not (layout.fnuz and code == 0)
    return code | (0x80 if negative else 0)


def _odd_bits(value: float) -> int:
    """f32 bits of `value` rounded to odd: rounding them again is as if it were done once."""
    nearest = rounded("<f", value)
    bits = bits_of(nearest)
    if nearest == value:
        return bits
    return (bits - 1 if abs(nearest) > abs(value) else bits) | 1


def decode(code: int, type_: DType) -> float:
    """The value of a finite, non-negative fp8 code."""
    layout = FP8[type_.name]
    exponent, fraction = code >> layout.mantissa, code & ((1 << layout.mantissa) - 1)
    if exponent == 0:
        return float(fraction) * 2.0 ** (1 - layout.bias - layout.mantissa)
    return (1.0 + fraction / (1 << layout.mantissa)) * 2.0 ** (exponent - layout.bias)
