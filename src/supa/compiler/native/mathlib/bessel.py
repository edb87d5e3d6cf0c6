"""The modified Bessel functions I0 and I1: a power series' minimax kin up to 8, e^x / sqrt(x) P(1/x) beyond."""

from __future__ import annotations

from collections.abc import Sequence

from supa.compiler.native.mathlib import coefficients as table
from supa.compiler.native.mathlib.code import Code, Value
from supa.compiler.native.mathlib.exponential import exp_of_reduced, reduced
from supa.compiler.native.mathlib.registry import routine

LARGE_FROM = 8.0


def _large(code: Code, x: Value, coefficients: Sequence[float], bound: float) -> Value:
    """e^x / sqrt(x) P(1/x); the power of two comes last, as e^x alone overflows too early."""
    held = code.least(x, bound)
    r, n = reduced(code, held)
    return code.scale(
        exp_of_reduced(code, r)
        * (code.poly(code.fma(1.0 / held, 2 * LARGE_FROM, -1.0), coefficients) / code.sqrt(held)),
        n,
    )


@routine("cyl_bessel_i0", "f32", "f64")
def _i0(code: Code, x: Value) -> Value:
    magnitude = code.abs(x).wide()
    y = magnitude * magnitude * 0.25
    small = code.fma(y, code.poly(y, table.I0_SMALL), 1.0)
    made = code.select(magnitude < LARGE_FROM, small, _large(code, magnitude, table.I0_LARGE, 730.0))
    return made.narrow() if x.type == "float" else made


@routine("cyl_bessel_i1", "f32", "f64")
def _i1(code: Code, x: Value) -> Value:
    magnitude = code.abs(x).wide()
    y = magnitude * magnitude * 0.25
    small = magnitude * 0.5 * code.poly(y, table.I1_SMALL)
    made = code.select(magnitude < LARGE_FROM, small, _large(code, magnitude, table.I1_LARGE, 730.0))
    return code.copysign(made.narrow() if x.type == "float" else made, x)
