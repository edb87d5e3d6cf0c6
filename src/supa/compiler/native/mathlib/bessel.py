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
    r, n, _ = reduced(code, held)
    scaled = code.poly(code.fma(1.0 / held, 2 * LARGE_FROM, -1.0), coefficients) / code.sqrt(held)
    return code.scale(exp_of_reduced(code, r) * scaled, n)


def _made_good(code: Code, series: Value, half: Value, y: Value, order: int) -> Value:
    """A series in y = half^2, with the rounding of y made good; its logarithmic slope needs no accuracy."""
    slope = 1.0 / code.fma(half, 0.85, order + 1.0)
    return code.fma(series * slope, code.fma(half, half, -y), series)


def _modified(code: Code, x: Value, order: int) -> Value:
    magnitude = code.abs(x).wide()
    half = magnitude * 0.5
    y = half * half
    if order == 0:
        small = code.fma(y, code.poly(y, table.I0_SMALL), 1.0)
    else:
        small = half * code.poly(y, table.I1_SMALL)
    if x.type == "double":
        small = _made_good(code, small, half, y, order)
    large = _large(code, magnitude, table.I0_LARGE if order == 0 else table.I1_LARGE, 730.0)
    made = code.select(magnitude < LARGE_FROM, small, large)
    return made.narrow() if x.type == "float" else made


@routine("cyl_bessel_i0", "f32", "f64")
def _i0(code: Code, x: Value) -> Value:
    return _modified(code, x, 0)


@routine("cyl_bessel_i1", "f32", "f64")
def _i1(code: Code, x: Value) -> Value:
    return code.copysign(_modified(code, x, 1), x)
