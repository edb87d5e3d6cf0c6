"""nextafter, fdim, remainder."""

from __future__ import annotations

import math

from supa.compiler.native.mathlib.code import Code, Value
from supa.compiler.native.mathlib.registry import routine


def _either_nan(code: Code, x: Value, y: Value) -> Value:
    return code.op("i1", f"fcmp uno {code.vector(x.type)} {x.name}, {y.name}")


@routine("nextafter", "f32", "f64", arity=2)
def _nextafter(code: Code, x: Value, y: Value) -> Value:
    """The bits of floats of one sign are ordered as integers: one up goes away from zero."""
    bits = x.bits()
    away = code.select(x > 0.0, code.select(x < y, code.like(bits, 1), -1), code.select(x > y, code.like(bits, 1), -1))
    moved = (bits + away).floats()
    least = code.copysign(code.like(bits, 1).floats(), y)
    moved = code.select(x.same(0.0), least, moved)
    moved = code.select(x.same(y), y, moved)
    return code.select(_either_nan(code, x, y), math.nan, moved)


@routine("fdim", "f32", "f64", arity=2)
def _fdim(code: Code, x: Value, y: Value) -> Value:
    return code.select(x <= y, 0.0, x - y)


@routine("remainder", "f32", arity=2)
def _remainder_f32(code: Code, x: Value, y: Value) -> Value:
    return code.each_lane("remainderf", x, y)


@routine("remainder", "f64", arity=2)
def _remainder_f64(code: Code, x: Value, y: Value) -> Value:
    return code.each_lane("remainder", x, y)
