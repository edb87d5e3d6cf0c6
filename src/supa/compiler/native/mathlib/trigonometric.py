"""sin, cos, tan, their versions in half turns, and the inverses.

Reduction: x = n pi/2 + r in double precision, where pi/2 in two parts gives r for
|x| < 2^48 (f32). What is larger is rare and goes to the C library.
"""

from __future__ import annotations

import math

from supa.compiler.native.mathlib import coefficients as table
from supa.compiler.native.mathlib.code import Code, Value
from supa.compiler.native.mathlib.registry import routine

HALF_PI_HIGH, HALF_PI_LOW = math.pi / 2, 6.123233995736766e-17
PI_LOW = 2 * HALF_PI_LOW
LARGE_F32 = 2.0**48


def sin_polynomial(code: Code, r: Value, low: Value | None = None) -> Value:
    """sin(r + low) for |r| <= pi/4; `low` is below the last digit of r."""
    z = r * r
    tail = code.poly(z, table.SIN_F32 if r.type == "float" else table.SIN_F64)
    if low is None:
        return code.copysign(code.fma(r * z, tail, r), r)  # the sign of a zero too
    return code.copysign(r + code.fma(r * z, tail, low), r)


def cos_polynomial(code: Code, r: Value, low: Value | None = None) -> Value:
    """cos(r + low) for |r| <= pi/4."""
    z = r * r
    tail = code.poly(z, table.COS_F32 if r.type == "float" else table.COS_F64)
    high = code.fma(z, -0.5, 1.0)
    if low is None:
        return code.fma(z * z, tail, high)
    lost = code.fma(z, -0.5, 1.0 - high)
    return high + code.fma(z * z, tail, code.fma(r, -low, lost))


def quarter_turns(code: Code, x: Value) -> tuple[Value, Value]:
    """(r, n mod 2^32) with x = n pi/2 + r, for double x below 2^48."""
    n, turns = code.nearest(x, 2 / math.pi)
    r = code.fma(n, -HALF_PI_LOW, code.fma(n, -HALF_PI_HIGH, x))
    return r, turns


def sin_of(code: Code, r: Value, turns: Value, low: Value | None = None) -> Value:
    """sin(r + low + turns pi/2): a polynomial for each parity, the sign from the second bit."""
    odd = (turns & 1).same(1)
    made = code.select(odd, cos_polynomial(code, r, low), sin_polynomial(code, r, low))
    shift = 30 if made.type == "float" else 62
    return (made.bits() ^ ((turns & 2) << shift)).floats()


def _sine(code: Code, x: Value, function: str, offset: int) -> Value:
    r, turns = quarter_turns(code, x.wide())
    turns = turns.resized("i32")
    made = sin_of(code, r.narrow(), turns + offset if offset else turns)
    return code.patch(~(code.abs(x) < LARGE_F32), made, function + "_large", x)


@routine("sin", "f32", inline=True)
def _sin_f32(code: Code, x: Value) -> Value:
    return _sine(code, x, "sin", 0)


@routine("cos", "f32", inline=True)
def _cos_f32(code: Code, x: Value) -> Value:
    return _sine(code, x, "cos", 1)


@routine("sin_large", "f32", internal=True)
def _sin_large(code: Code, x: Value) -> Value:
    return code.each_lane("sin", x.wide()).narrow()


@routine("cos_large", "f32", internal=True)
def _cos_large(code: Code, x: Value) -> Value:
    return code.each_lane("cos", x.wide()).narrow()


@routine("sin", "f64")
def _sin_f64(code: Code, x: Value) -> Value:
    return code.each_lane("sin", x)


@routine("cos", "f64")
def _cos_f64(code: Code, x: Value) -> Value:
    return code.each_lane("cos", x)


@routine("tan", "f32")
def _tan_f32(code: Code, x: Value) -> Value:
    r, turns = quarter_turns(code, x.wide())
    made = tan_of(code, r, turns).narrow()
    return code.patch(~(code.abs(x) < LARGE_F32), made, "tan_large", x)


@routine("tan_large", "f32", internal=True)
def _tan_large(code: Code, x: Value) -> Value:
    return code.each_lane("tan", x.wide()).narrow()


@routine("tan", "f64")
def _tan_f64(code: Code, x: Value) -> Value:
    return code.each_lane("tan", x)


def tan_of(code: Code, r: Value, turns: Value, low: Value | None = None) -> Value:
    """tan(r + low + turns pi/2) of doubles."""
    odd = (turns & 1).same(1)
    sine, cosine = sin_polynomial(code, r, low), cos_polynomial(code, r, low)
    return code.select(odd, -cosine, sine) / code.select(odd, sine, cosine)


# ---- in half turns: sinpi(x) = sin(pi x) -------------------------------------------------------------------------


def _half_turns(code: Code, x: Value) -> tuple[Value, Value, Value]:
    """(r, its error, n) with pi x = n pi/2 + r + error mod 2 pi, for any finite double."""
    within = code.fma(code.rint(x * 0.5), -2.0, x)
    n, turns = code.nearest(within, 2.0)
    rest = code.fma(n, -0.5, within)
    r = rest * math.pi
    return r, code.fma(rest, PI_LOW, code.fma(rest, math.pi, -r)), turns


@routine("sinpi", "f32", "f64")
def _sinpi(code: Code, x: Value) -> Value:
    r, low, turns = _half_turns(code, x.wide())
    made = sin_of(code, r, turns, low)
    made = made.narrow() if x.type == "float" else made
    return code.select(made.same(0.0), code.copysign(made, x), made)


@routine("cospi", "f32", "f64")
def _cospi(code: Code, x: Value) -> Value:
    r, low, turns = _half_turns(code, x.wide())
    made = sin_of(code, r, turns + 1, low)
    made = code.select(made.same(0.0), 0.0, made)
    return made.narrow() if x.type == "float" else made


@routine("tanpi", "f32", "f64")
def _tanpi(code: Code, x: Value) -> Value:
    wide = x.wide()
    r, low, turns = _half_turns(code, wide)
    made = tan_of(code, r, turns, low)
    flip = (turns & 2) << 62  # at multiples of 1/2 the sign alternates
    pole = (code.constant(math.inf, "double").bits() ^ flip).floats()
    zero = ((code.copysign(r * 0.0, wide)).bits() ^ flip).floats()
    made = code.select(r.same(0.0), code.select((turns & 1).same(1), pole, zero), made)
    return made.narrow() if x.type == "float" else made


# ---- inverses --------------------------------------------------------------------------------------------------


def atan_of_ratio(code: Code, t: Value) -> Value:
    """atan t of doubles within 0 and 1, to about 39 bits."""
    return t * code.poly(t * t, table.ATAN)


@routine("atan", "f32")
def _atan_f32(code: Code, x: Value) -> Value:
    magnitude = code.abs(x)
    beyond = magnitude > 1.0
    wide = magnitude.wide()
    made = atan_of_ratio(code, code.select(beyond, 1.0 / wide, wide))
    return code.copysign(code.select(beyond, math.pi / 2 - made, made).narrow(), x)


@routine("atan2", "f32", arity=2)
def _atan2_f32(code: Code, y: Value, x: Value) -> Value:
    height, width = code.abs(y).wide(), code.abs(x).wide()
    steep = height > width
    ratio = code.select(steep, width, height) / code.select(steep, height, width)
    ratio = code.select(height.same(width), code.select(height.same(0.0), code.constant(0.0, "double"), 1.0), ratio)
    made = atan_of_ratio(code, ratio)
    made = code.select(steep, math.pi / 2 - made, made)
    made = code.select(x.bits() < 0, math.pi - made, made)
    result = code.copysign(made.narrow(), y)
    return code.select(code.op("i1", f"fcmp uno {code.vector(x.type)} {y.name}, {x.name}"), math.nan, result)


def _asin_parts(code: Code, x: Value) -> tuple[Value, Value]:
    """(beyond, a): for |x| up to 1/2, a = asin |x|; beyond, asin |x| = pi/2 - 2 a."""
    wide = code.abs(x).wide()
    beyond = wide > 0.5
    z = code.select(beyond, 0.5 - wide * 0.5, wide * wide)
    s = code.select(beyond, code.sqrt(z), wide)
    return beyond, code.fma(s * z, code.poly(z, table.ASIN), s)


@routine("asin", "f32")
def _asin_f32(code: Code, x: Value) -> Value:
    beyond, a = _asin_parts(code, x)
    return code.copysign(code.select(beyond, code.fma(a, -2.0, math.pi / 2), a).narrow(), x)


@routine("acos", "f32")
def _acos_f32(code: Code, x: Value) -> Value:
    beyond, a = _asin_parts(code, x)
    negative = x < 0.0
    near = code.select(negative, math.pi - (a + a), a + a)
    far = math.pi / 2 - code.select(negative, -a, a)
    return code.select(beyond, near, far).narrow()


def _library(name: str, arity: int = 1) -> None:
    routine(name, "f64", arity=arity)(lambda code, *arguments: code.each_lane(name, *arguments))


for _name in ("asin", "acos", "atan"):
    _library(_name)
_library("atan2", arity=2)
