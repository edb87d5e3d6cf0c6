"""Arithmetic that rounds toward zero, down or up, made of operations that round to nearest even.

The nearest result is corrected by one step where the sign of its error, which is computed exactly, says that it lies on
the wrong side. Sources: T. J. Dekker 1971 and D. E. Knuth (exact sums and products); S. Boldo and J.-M. Muller, "Exact
and Approximated Error of the FMA" (2011). Elements narrower than f64 take a wider format, in which products, quotients'
and roots' remainders are exact. Not here: conversions to integers, which have functions of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from supa.base.dtypes import F64, DType
from supa.compiler.ttir.elementwise import Elementwise, dtype_of
from supa.ir.core import Value

_NEAREST = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv", "fma": "fma", "sqrt": "sqrt", "rcp": "fdiv"}


def directed(to: Elementwise, operation: str, mode: str, operands: list[Value]) -> Value:
    """`operation` (add sub mul div fma sqrt rcp) of floats, rounded as `mode` says: z, d or u."""
    if operation == "sub":
        operation, operands = "add", [operands[0], to.map("fneg", operands[1])]
    if operation == "rcp":
        operation, operands = "div", [to.like(1.0, operands[0]), operands[0]]
    nearest = to.map(_NEAREST[operation], *operands)
    wide = [_widened(to, value) for value in (nearest, *operands)]
    error = _ERRORS[operation](to, *wide)
    error = _of_overflow(to, nearest, operands, error, operation)
    found = stepped(to, nearest, error, mode)
    if mode == "d" and operation in ("add", "fma"):
        return _negative_zero(to, found, operation, operands)
    return found


def stepped(to: Elementwise, nearest: Value, error: Value, mode: str) -> Value:
    """`nearest`, moved by one where the exact result (`nearest` + `error`) lies on the side that `mode` asks for."""
    zero = to.like(0.0, error)
    low, high = to.map("fcmp_olt", error, zero), to.map("fcmp_ogt", error, zero)
    if mode == "z":
        negative = to.map("signbit", nearest)
        away = to.select(negative, high, low)
        toward = to.like(0.0, nearest)
    else:
        away = low if mode == "d" else high
        toward = to.like(-math.inf if mode == "d" else math.inf, nearest)
    return to.select(away, to.map("nextafter", nearest, toward), nearest)


def narrowed(to: Elementwise, source: Value, dtype: DType, mode: str) -> Value:
    """Floats in a narrower format."""
    nearest = to.cast("fptrunc", source, dtype)
    error = to.map("fsub", source, to.cast("fpext", nearest, dtype_of(source)))
    return stepped(to, nearest, error, mode)


def from_integer(to: Elementwise, source: Value, dtype: DType, mode: str, signed: bool) -> Value:
    """Integers as floats."""
    nearest = to.cast("sitofp" if signed else "uitofp", source, dtype)
    back = to.cast("fptosi" if signed else "fptoui", nearest, dtype_of(source))
    limit = to.like(2.0 ** (dtype_of(source).bits - signed), nearest)
    above = to.map("or", to.map("icmp_sgt" if signed else "icmp_ugt", back, source), to.map("fcmp_oge", nearest, limit))
    below = to.map("icmp_slt" if signed else "icmp_ult", back, source)
    plus, minus, zero = (to.like(number, nearest) for number in (1.0, -1.0, 0.0))
    return stepped(to, nearest, to.select(above, minus, to.select(below, plus, zero)), mode)


def _widened(to: Elementwise, value: Value) -> Value:
    return value if dtype_of(value) == F64 else to.cast("fpext", value, F64)


def _sign(to: Elementwise, value: Value) -> Value:
    return to.map("copysign", to.like(1.0, value), value)


def _of_overflow(to: Elementwise, nearest: Value, operands: list[Value], error: Value, operation: str) -> Value:
    """Where finite operands gave an infinity, the exact result lies before it; infinite operands are exact."""
    finite = to.map("isfinite", operands[0])
    for operand in operands[1:]:
        finite = to.map("and", finite, to.map("isfinite", operand))
    if operation == "div":  # x / 0 is exact
        finite = to.map("and", finite, to.map("fcmp_une", operands[1], to.like(0.0, operands[1])))
    before = to.map("fneg", _sign(to, _widened(to, nearest)))
    error = to.select(to.map("isinf", nearest), before, error)
    return to.select(finite, error, to.like(0.0, error))


def _two_sum(to: Elementwise, a: Value, b: Value) -> tuple[Value, Value]:
    total = to.map("fadd", a, b)
    from_b = to.map("fsub", total, a)
    from_a = to.map("fsub", total, from_b)
    return total, to.map("fadd", to.map("fsub", a, from_a), to.map("fsub", b, from_b))


def _sum_error(to: Elementwise, nearest: Value, a: Value, b: Value) -> Value:
    """(a + b) - nearest: the sum of two in f64 is itself one rounding away."""
    total, rest = _two_sum(to, a, b)
    return to.map("fadd", to.map("fsub", total, nearest), rest)


def _scale(to: Elementwise, value: Value) -> tuple[Value, Value]:
    """A power of two that brings a small number up and a large one down, and the number times it."""
    size = to.map("fabs", value)
    low = to.map("fcmp_olt", size, to.like(2.0**-400, size))
    high = to.map("fcmp_ogt", size, to.like(2.0**400, size))
    power = to.select(low, to.like(2.0**500, size), to.select(high, to.like(2.0**-500, size), to.like(1.0, size)))
    return power, to.map("fmul", value, power)


def _product_error(to: Elementwise, nearest: Value, a: Value, b: Value) -> Value:
    """The sign of a * b - nearest. Factors are scaled so that no bit of the product is lost."""
    first, a = _scale(to, a)
    second, b = _scale(to, b)
    scaled = to.map("fmul", nearest, to.map("fmul", first, second))
    error = to.map("fma", a, b, to.map("fneg", scaled))
    zero = to.like(0.0, nearest)
    vanished = to.map("fcmp_oeq", nearest, zero)
    whole = to.map("fmul", _sign(to, a), _sign(to, b))
    for factor in (a, b):
        whole = to.select(to.map("fcmp_oeq", factor, zero), zero, whole)
    return to.select(vanished, whole, error)


def _quotient_error(to: Elementwise, nearest: Value, a: Value, b: Value) -> Value:
    """The sign of a / b - nearest: that of (a - nearest * b) * b."""
    by_b, b = _scale(to, b)
    by_q, q = _scale(to, nearest)
    scaled = to.map("fmul", a, to.map("fmul", by_b, by_q))
    rest = to.map("fma", to.map("fneg", q), b, scaled)
    zero = to.like(0.0, nearest)
    rest = to.select(to.map("fcmp_oeq", nearest, zero), a, rest)
    signed = to.map("copysign", to.like(1.0, rest), to.map("fmul", _sign(to, rest), _sign(to, b)))
    return to.select(to.map("fcmp_oeq", rest, zero), zero, signed)


def _root_error(to: Elementwise, nearest: Value, a: Value) -> Value:
    """The sign of sqrt(a) - nearest: that of a - nearest^2, both scaled by an even power of two."""
    low = to.map("fcmp_olt", a, to.like(2.0**-800, a))
    root = to.map("fmul", nearest, to.select(low, to.like(2.0**300, a), to.like(1.0, a)))
    square = to.map("fmul", a, to.select(low, to.like(2.0**600, a), to.like(1.0, a)))
    return to.map("fma", to.map("fneg", root), root, square)


def _fused_error(to: Elementwise, nearest: Value, a: Value, b: Value, c: Value) -> Value:
    """The sign of a * b + c - nearest (Boldo and Muller's ErrFmaNearest; exact but for products near f64's limits)."""
    product = to.map("fmul", a, b)
    low = to.map("fma", a, b, to.map("fneg", product))
    first, second = _two_sum(to, c, low)
    third, fourth = _two_sum(to, product, first)
    rest = to.map("fadd", to.map("fsub", third, nearest), fourth)
    return to.map("fadd", rest, second)


def _negative_zero(to: Elementwise, found: Value, operation: str, operands: list[Value]) -> Value:
    """Rounded down, numbers that cancel give -0, unless both are +0."""
    left = to.map("fmul", *operands[:2]) if operation == "fma" else operands[0]
    right = operands[-1]
    zero = to.map("fcmp_oeq", found, to.like(0.0, found))
    either = to.map("or", to.map("signbit", left), to.map("signbit", right))
    cancelled = to.map("and", zero, either)
    return to.select(cancelled, to.like(-0.0, found), found)


_ERRORS: dict[str, Callable[..., Value]] = {
    "add": _sum_error, "mul": _product_error, "div": _quotient_error, "sqrt": _root_error, "fma": _fused_error,
}  # fmt: skip
