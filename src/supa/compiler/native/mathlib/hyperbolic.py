"""tanh, sinh, cosh and their inverses. From e^x - 1, or from log(1 + t): both keep small results accurate."""

from __future__ import annotations

import math

from supa.compiler.native.mathlib import coefficients as table
from supa.compiler.native.mathlib.code import Code, Value
from supa.compiler.native.mathlib.exponential import expm1_double, reduced
from supa.compiler.native.mathlib.logarithm import log1p_double
from supa.compiler.native.mathlib.registry import routine


@routine("tanh", "f32", inline=True)
def _tanh_f32(code: Code, x: Value) -> Value:
    """t / (t + 2) with t = e^(2 |x|) - 1, corrected by the division's residual."""
    held = code.least(code.abs(x), 9.5)
    r, n, _ = reduced(code, held + held)
    less_one = code.fma(r * r, code.poly(r, table.EXPM1_F32), r)
    power = code.power_of_two(n)
    t = code.fma(power, less_one, power - 1.0)
    divisor = t + 2.0
    lost = t - (divisor - 2.0)
    inverse = 1.0 / divisor
    quotient = t * inverse
    residual = code.fma(-quotient, lost, code.fma(-quotient, divisor, t))
    return code.copysign(code.fma(residual, inverse, quotient), x)


@routine("sinh", "f32")
def _sinh_f32(code: Code, x: Value) -> Value:
    t = expm1_double(code, code.least(code.abs(x), 95.0).wide())
    made = (t + t / (t + 1.0)) * 0.5
    return code.copysign(made.narrow(), x)


@routine("cosh", "f32")
def _cosh_f32(code: Code, x: Value) -> Value:
    power = expm1_double(code, code.least(code.abs(x), 95.0).wide()) + 1.0
    return ((power + 1.0 / power) * 0.5).narrow()


@routine("asinh", "f32")
def _asinh_f32(code: Code, x: Value) -> Value:
    magnitude = code.abs(x)
    wide = magnitude.wide()
    square = wide * wide
    made = log1p_double(code, wide + square / (code.sqrt(square + 1.0) + 1.0)).narrow()
    made = code.select(magnitude < 1e-12, magnitude, made)
    made = code.select(magnitude < math.inf, made, magnitude)  # infinity, NaN
    return code.copysign(made, x)


@routine("acosh", "f32")
def _acosh_f32(code: Code, x: Value) -> Value:
    t = x.wide() - 1.0
    made = log1p_double(code, t + code.sqrt(t * (t + 2.0))).narrow()
    made = code.select(x < math.inf, made, x)
    return code.select(x < 1.0, math.nan, made)


@routine("atanh", "f32")
def _atanh_f32(code: Code, x: Value) -> Value:
    magnitude = code.abs(x)
    wide = magnitude.wide()
    made = (log1p_double(code, (wide + wide) / (1.0 - wide)) * 0.5).narrow()
    made = code.select(magnitude < 1e-12, magnitude, made)
    made = code.select(magnitude.same(1.0), math.inf, made)
    return code.copysign(code.select(magnitude <= 1.0, made, math.nan), x)


def _library(name: str) -> None:
    routine(name, "f64")(lambda code, x: code.each_lane(name, x))


for _name in ("tanh", "sinh", "cosh", "asinh", "acosh", "atanh"):
    _library(_name)
