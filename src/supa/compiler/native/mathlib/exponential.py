"""exp, exp2, exp10, expm1. Reduction: x = n ln 2 + r with |r| <= ln 2 / 2, then 2^n times a polynomial of r."""

from __future__ import annotations

import math

from supa.compiler.native.mathlib import coefficients as table
from supa.compiler.native.mathlib.code import Code, Value
from supa.compiler.native.mathlib.registry import routine

LN2_HIGH_F32, LN2_LOW_F32 = 0.693145751953125, 1.4286068203094173e-06  # the high part has 15 bits: n times it is exact
LN2_HIGH_F64, LN2_LOW_F64 = 0.6931471805598903, 5.497923018708371e-14  # 42 bits
LOG2_E = 1 / math.log(2)
LOG2_10 = math.log2(10)
LOG2_10_LOW = 1.661617516973592e-16


def reduced(code: Code, x: Value) -> tuple[Value, Value, Value]:
    """(r, n as integer, n as float) with x = n ln 2 + r."""
    high, low = (LN2_HIGH_F32, LN2_LOW_F32) if x.type == "float" else (LN2_HIGH_F64, LN2_LOW_F64)
    n, exponent = code.nearest(x, LOG2_E)
    return code.fma(n, -low, code.fma(n, -high, x)), exponent, n


def exp_of_reduced(code: Code, r: Value) -> Value:
    """e^r for |r| <= ln 2 / 2. What is added to 1 last is small, so that its own rounding hardly counts."""
    tail = code.poly(r, table.EXP_F32 if r.type == "float" else table.EXP_F64)
    return code.fma(r * r, tail, r) + 1.0


def exp_double(code: Code, x: Value, low: float = -1100.0, high: float = 1100.0) -> Value:
    """e^x in double precision, for use by others; x is held within bounds where the result under- or overflows."""
    r, exponent, n = reduced(code, code.most(code.least(x, high), low))
    return code.scale(exp_of_reduced(code, r), exponent, n)


def expm1_double(code: Code, x: Value) -> Value:
    """e^x - 1 in double precision, relative error about 2^-50, for |x| < 700."""
    r, n, _ = reduced(code, x)
    less_one = code.fma(r * r, code.poly(r, table.EXP_F64), r)
    power = code.power_of_two(n)
    return code.fma(power, less_one, power - 1.0)


@routine("exp", "f32", inline=True)
def _exp_f32(code: Code, x: Value) -> Value:
    return exp_double(code, x, -104.0, 89.0)


@routine("exp", "f64", inline=True)
def _exp_f64(code: Code, x: Value) -> Value:
    return exp_double(code, x, -746.0, 710.0)


@routine("exp2", "f32", inline=True)
def _exp2_f32(code: Code, x: Value) -> Value:
    if code.scales_whole(x):  # nothing needs to be held within bounds
        r = code.fraction(x)
        return code.scale_whole(code.fma(r, code.poly(r, table.EXP2_F32), 1.0), code.rint(x))
    held = code.most(code.least(x, 129.0), -151.0)
    n, exponent = code.nearest(held, 1.0)
    r = held - n
    return code.scale(code.fma(r, code.poly(r, table.EXP2_F32), 1.0), exponent, n)


def exp2_double(code: Code, x: Value) -> Value:
    """2^x in double precision."""
    held = code.most(code.least(x, 1025.0), -1076.0)
    n, exponent = code.nearest(held, 1.0)
    r = held - n
    high = r * math.log(2)
    low = code.fma(r, 2.3190468138462996e-17, code.fma(r, math.log(2), -high))
    tail = code.fma(high * high, code.poly(high, table.EXP_F64), low)
    return code.scale((high + tail) + 1.0, exponent, n)


@routine("exp2", "f64", inline=True)
def _exp2_f64(code: Code, x: Value) -> Value:
    return exp2_double(code, x)


@routine("exp10", "f32")
def _exp10_f32(code: Code, x: Value) -> Value:
    return exp2_double(code, code.most(code.least(x, 40.0), -50.0).wide() * LOG2_10).narrow()


@routine("exp10", "f64")
def _exp10_f64(code: Code, x: Value) -> Value:
    return code.each_lane("exp10", x)


@routine("expm1", "f32")
def _expm1_f32(code: Code, x: Value) -> Value:
    made = expm1_double(code, code.most(code.least(x, 90.0), -30.0).wide()).narrow()
    return code.select(x.same(0.0), x, made)


@routine("expm1", "f64")
def _expm1_f64(code: Code, x: Value) -> Value:
    return code.each_lane("expm1", x)
