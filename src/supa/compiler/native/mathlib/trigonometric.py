"""sin, cos, tan, their versions in half turns, and the inverses.

Reduction: x = n pi/2 + r in double precision, where pi/2 in two parts gives r for |x| < 2^48 (f32). What is larger is rare and goes to the C library.
"""

from __future__ import annotations

import math

from supa.compiler.native.mathlib import coefficients as table
from supa.compiler.native.mathlib.code import Code, Value
from supa.compiler.native.mathlib.registry import routine

HALF_PI_HIGH, HALF_PI_LOW = math.pi / 2, 6.123233995736766e-17
LARGE_F32 = 2.0**48


def sin_polynomial(code: Code, r: Value) -> Value:
    """sin r for |r| <= pi/4."""
    z = r * r
    tail = code.poly(z, table.SIN_F32 if r.type == "float" else table.SIN_F64)
    return code.fma(r * z, tail, r)


def cos_polynomial(code: Code, r: Value) -> Value:
    """cos r for |r| <= pi/4."""
    z = r * r
    tail = code.poly(z, table.COS_F32 if r.type == "float" else table.COS_F64)
    return code.fma(z * z, tail, code.fma(z, -0.5, 1.0))


def quarter_turns(code: Code, x: Value) -> tuple[Value, Value]:
    """(r, n mod 2^32) with x = n pi/2 + r, for double x below 2^48."""
    n, turns = code.nearest(x, 2 / math.pi)
    r = code.fma(n, -HALF_PI_LOW, code.fma(n, -HALF_PI_HIGH, x))
    return r, turns


def sin_of(code: Code, r: Value, turns: Value) -> Value:
    """sin(r + turns pi/2): a polynomial for each parity, the sign from the second bit."""
    odd = (turns & 1).same(1)
    made = code.select(odd, cos_polynomial(code, r), sin_polynomial(code, r))
    shift = 30 if made.type == "float" else 62
    return (made.bits() ^ ((turns & 2) << shift)).floats()


def _sine(code: Code, x: Value, function: str, offset: int) -> Value:
    r, turns = quarter_turns(code, x.wide())
    turns = turns.resized("i32")
    made = sin_of(code, r.narrow(), turns + offset if offset else turns)
    return code.patch(code.invert(code.abs(x) < LARGE_F32), made, function + "_large", x)


@routine("sin", "f32", inline=True)
def sin_f32(code: Code, x: Value) -> Value:
    return _sine(code, x, "sin", 0)


@routine("cos", "f32", inline=True)
def cos_f32(code: Code, x: Value) -> Value:
    return _sine(code, x, "cos", 1)


@routine("sin_large", "f32", internal=True)
def sin_large(code: Code, x: Value) -> Value:
    return code.each_lane("sin", x.wide()).narrow()


@routine("cos_large", "f32", internal=True)
def cos_large(code: Code, x: Value) -> Value:
    return code.each_lane("cos", x.wide()).narrow()


@routine("sin", "f64")
def sin_f64(code: Code, x: Value) -> Value:
    return code.each_lane("sin", x)


@routine("cos", "f64")
def cos_f64(code: Code, x: Value) -> Value:
    return code.each_lane("cos", x)
