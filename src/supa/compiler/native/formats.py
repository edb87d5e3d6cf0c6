"""Conversions between f32 and the small float formats that LLVM does not know or rounds otherwise: bf16, fp8.

In registers a small float is its bits (i16, i8). Rounding is to nearest even and keeps subnormals; the fp8 formats
saturate to their largest finite value (as NVIDIA's `cvt.satfinite`, which Triton's conversions use).
"""

from __future__ import annotations

from supa.base.dtypes import DType
from supa.compiler.native.lanes import Lanes
from supa.compiler.native.literals import FP8, Fp8, bits_of, float_literal
from supa.compiler.native.vec import Nan, Vec, constant, uniform


def _f32(value: float) -> Vec:
    return uniform("float", float_literal(value))


def is_small(type_: DType) -> bool:
    """Whether values are held as bits and computed in f32."""
    return type_.is_float and (type_.bits == 8 or type_.name == "bf16")


def to_f32(lanes: Lanes, vec: Vec, type_: DType) -> Vec:
    """Widen a float of at most 32 bits to f32, exactly."""
    if type_.name == "f32":
        return vec
    if type_.name == "f16":
        return lanes.apply("fpext {t} {0} to {r}", (vec,), "float")
    if type_.name == "bf16":
        wide = lanes.apply("zext {t} {0} to {r}", (vec,), "i32")
        shifted = lanes.apply("shl {t} {0}, {1}", (wide, constant("i32", 16)), "i32")
        return lanes.apply("bitcast {t} {0} to {r}", (shifted,), "float").with_nans(Nan.SHORT)
    return _fp8_to_f32(lanes, vec, FP8[type_.name])


def _fp8_to_f32(lanes: Lanes, vec: Vec, layout: Fp8) -> Vec:
    def integer(op: str, left: Vec, right: int) -> Vec:
        return lanes.apply(op + " {t} {0}, {1}", (left, constant("i32", right)), "i32")

    bits = lanes.apply("zext {t} {0} to {r}", (vec,), "i32")
    magnitude = integer("shl", integer("and", bits, 0x7F), 23 - layout.mantissa)
    scale = _f32(2.0 ** (127 - layout.bias))
    value = lanes.apply(
        "fmul {t} {0}, {1}", (lanes.apply("bitcast {t} {0} to {r}", (magnitude,), "float"), scale), "float"
    )
    value_bits = lanes.apply("bitcast {t} {0} to {r}", (value,), "i32")
    if layout.has_infinity:  # exponent 31: infinity or NaN; keep the mantissa under f32's full exponent
        special = lanes.apply("icmp uge {t} {0}, {1}", (integer("and", bits, 0x7F), constant("i32", 0x7C)), "i1")
        value_bits = lanes.select(special, integer("or", magnitude, 0x7F800000), value_bits)
    sign = integer("shl", integer("and", bits, 0x80), 24)
    signed = lanes.apply("or {t} {0}, {1}", (value_bits, sign), "i32")
    if not layout.has_infinity:
        pattern = bits if layout.fnuz else integer("and", bits, 0x7F)
        is_nan = lanes.apply("icmp eq {t} {0}, {1}", (pattern, constant("i32", layout.nan)), "i1")
        signed = lanes.select(is_nan, constant("i32", 0x7FC00000), signed)
    return lanes.apply("bitcast {t} {0} to {r}", (signed,), "float")


def from_f32(lanes: Lanes, vec: Vec, type_: DType, rounding: str = "rtne") -> Vec:
    """Round an f32 to a narrower float; `rounding` is rtne (to nearest even) or rtz (toward zero)."""
    if type_.name == "f32":
        return vec
    if type_.name == "f16":
        return _to_f16(lanes, vec, rounding)
    bits = lanes.apply("bitcast {t} {0} to {r}", (vec,), "i32")
    if type_.name == "bf16":
        return _to_bf16(lanes, vec, bits, rounding)
    return _to_fp8(lanes, vec, bits, FP8[type_.name], rounding)


def _to_f16(lanes: Lanes, vec: Vec, rounding: str) -> Vec:
    nearest = lanes.apply("fptrunc {t} {0} to {r}", (vec,), "half")
    if rounding == "rtne":
        return nearest
    back = lanes.intrinsic("fabs", (lanes.apply("fpext {t} {0} to {r}", (nearest,), "float"),))
    too_far = lanes.apply("fcmp ogt {t} {0}, {1}", (back, lanes.intrinsic("fabs", (vec,))), "i1")
    bits = lanes.apply("bitcast {t} {0} to {r}", (nearest,), "i16")
    lower = lanes.apply("sub {t} {0}, {1}", (bits, constant("i16", 1)), "i16")
    finite = lanes.apply("fcmp one {t} {0}, {1}", (lanes.intrinsic("fabs", (vec,)), _f32(float("inf"))), "i1")
    down = lanes.apply("and {t} {0}, {1}", (too_far, finite), "i1")
    return lanes.apply("bitcast {t} {0} to {r}", (lanes.select(down, lower, bits),), "half")


def _to_bf16(lanes: Lanes, vec: Vec, bits: Vec, rounding: str) -> Vec:
    sixteen = constant("i32", 16)
    high = lanes.apply("lshr {t} {0}, {1}", (bits, sixteen), "i32")
    rounded = high
    if rounding == "rtne":
        odd = lanes.apply("and {t} {0}, {1}", (high, constant("i32", 1)), "i32")
        bias = lanes.apply("add {t} {0}, {1}", (odd, constant("i32", 0x7FFF)), "i32")
        total = lanes.apply("add {t} {0}, {1}", (bits, bias), "i32")
        rounded = lanes.apply("lshr {t} {0}, {1}", (total, sixteen), "i32")
        if vec.nans is Nan.QUIET:  # no carry leaves their low bits
            return lanes.apply("trunc {t} {0} to {r}", (rounded,), "i16")
    quiet = lanes.apply("or {t} {0}, {1}", (high, constant("i32", 0x40)), "i32")
    is_nan = lanes.apply("fcmp uno {t} {0}, {1}", (vec, vec), "i1")
    return lanes.apply("trunc {t} {0} to {r}", (lanes.select(is_nan, quiet, rounded),), "i16")


def _to_fp8(lanes: Lanes, vec: Vec, bits: Vec, layout: Fp8, rounding: str) -> Vec:
    def integer(op: str, left: Vec, right: int | Vec) -> Vec:
        operand = right if isinstance(right, Vec) else constant("i32", right)
        return lanes.apply(op + " {t} {0}, {1}", (left, operand), "i32")

    drop = 23 - layout.mantissa
    magnitude = integer("and", bits, 0x7FFFFFFF)
    # Normal numbers: rebias the exponent, add half an ulp (ties to even), cut.
    rebased = integer("sub", magnitude, (127 - layout.bias) << 23)
    if rounding == "rtne":
        odd = integer("and", integer("lshr", rebased, drop), 1)
        rebased = integer("add", integer("add", rebased, (1 << (drop - 1)) - 1), odd)
    normal = integer("lshr", rebased, drop)
    # Subnormals: adding a power of two whose ulp is the format's smallest step rounds to that step.
    absolute = lanes.apply("bitcast {t} {0} to {r}", (magnitude,), "float")
    step_exponent = 1 - layout.bias - layout.mantissa
    if rounding == "rtne":
        magic = 2.0 ** (step_exponent + 23)
        shifted = lanes.apply("fadd {t} {0}, {1}", (absolute, _f32(magic)), "float")
        subnormal = integer("sub", lanes.apply("bitcast {t} {0} to {r}", (shifted,), "i32"), bits_of(magic))
    else:
        scaled = lanes.apply("fmul {t} {0}, {1}", (absolute, _f32(2.0**-step_exponent)), "float")
        subnormal = lanes.intrinsic("fptosi.sat", (scaled,), "i32")
    smallest_normal = (128 - layout.bias) << 23
    tiny = lanes.apply("icmp ult {t} {0}, {1}", (magnitude, constant("i32", smallest_normal)), "i1")
    code = lanes.select(tiny, subnormal, normal)
    over = lanes.apply("icmp sgt {t} {0}, {1}", (code, constant("i32", layout.largest)), "i1")
    code = lanes.select(over, constant("i32", layout.largest), code)
    sign = integer("lshr", integer("and", bits, 0x80000000 - (1 << 32)), 24)
    if layout.fnuz:
        zero = lanes.apply("icmp eq {t} {0}, {1}", (code, constant("i32", 0)), "i1")
        sign = lanes.select(zero, constant("i32", 0), sign)
    code = integer("or", code, sign)
    is_nan = lanes.apply("fcmp uno {t} {0}, {1}", (vec, vec), "i1")
    code = lanes.select(is_nan, constant("i32", layout.nan), code)
    return lanes.apply("trunc {t} {0} to {r}", (code,), "i8")


def f64_to_f32_odd(lanes: Lanes, vec: Vec) -> Vec:
    """Round f64 to f32 to odd, so that a second rounding to a narrower format is as if done once."""
    bits, lower = _toward_zero(lanes, vec)
    back = lanes.apply("fpext {t} {0} to {r}", (lanes.apply("bitcast {t} {0} to {r}", (bits,), "float"),), "double")
    exact = lanes.apply("fcmp ueq {t} {0}, {1}", (back, vec), "i1")
    odd = lanes.apply("or {t} {0}, {1}", (lower, constant("i32", 1)), "i32")
    return lanes.apply("bitcast {t} {0} to {r}", (lanes.select(exact, bits, odd),), "float")


def f64_to_f32_zero(lanes: Lanes, vec: Vec) -> Vec:
    """Round f64 to f32 toward zero."""
    _, lower = _toward_zero(lanes, vec)
    return lanes.apply("bitcast {t} {0} to {r}", (lower,), "float")


def _toward_zero(lanes: Lanes, vec: Vec) -> tuple[Vec, Vec]:
    """The bits of an f64 as f32 to nearest, and toward zero."""
    nearest = lanes.apply("fptrunc {t} {0} to {r}", (vec,), "float")
    back = lanes.apply("fpext {t} {0} to {r}", (nearest,), "double")
    bits = lanes.apply("bitcast {t} {0} to {r}", (nearest,), "i32")
    magnitudes = lanes.intrinsic("fabs", (back,)), lanes.intrinsic("fabs", (vec,))
    far = lanes.apply("fcmp ogt {t} {0}, {1}", magnitudes, "i1")
    return bits, lanes.select(far, lanes.apply("sub {t} {0}, {1}", (bits, constant("i32", 1)), "i32"), bits)
