"""erf and its relatives: erfc, erfcx, their inverses, the normal distribution."""

from __future__ import annotations

from supa.compiler.native.mathlib import coefficients as table
from supa.compiler.native.mathlib.code import Code, Value
from supa.compiler.native.mathlib.registry import routine


@routine("erf", "f32", inline=True)
def erf_f32(code: Code, x: Value) -> Value:
    """x + x P(x^2) near zero, 1 - 2^Q(|x|) beyond."""
    magnitude = code.least(code.abs(x), 3.9375)
    square = x * x
    near = code.fma(x, code.poly(square, table.ERF_SMALL_F32), x)
    exponent = code.poly(magnitude, table.ERF_TAIL_F32)
    n, n_int = code.nearest(exponent, 1.0)
    r = exponent - n
    tail = code.fma(r, code.poly(r, table.EXP2_F32), 1.0) * code.power_of_two(n_int)
    return code.select(magnitude < 0.9375, near, code.copysign(1.0 - tail, x))


@routine("erf", "f64")
def erf_f64(code: Code, x: Value) -> Value:
    return code.each_lane("erf", x)
