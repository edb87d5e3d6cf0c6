"""Values of scalar functions and casts on constants, as far as the compiler folds them. Not here: which operations
are folded (`folding`), nor the functions' full definition (the oracle's).

Only what is exact or correctly rounded is folded: integers, and sums, products and quotients of floats (binary64 holds
twice the digits of the narrower formats, so rounding its result once more is harmless). Results that are NaN or
overflow are left to the machine.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from supa.base.dtypes import DType
from supa.compiler.ttir.floats import round_to

Number = bool | int | float

_INTEGERS: dict[str, Callable[[int, int], int]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul,
    "and": operator.and_, "or": operator.or_, "xor": operator.xor, "smin": min, "smax": max,
}  # fmt: skip
_ORDERS: dict[str, Callable[[int, int], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip
_FLOATS: dict[str, Callable[[float, float], float]] = {
    "fadd": operator.add, "fsub": operator.sub, "fmul": operator.mul, "fdiv": operator.truediv,
}  # fmt: skip
_DIVISIONS = ("sdiv", "srem", "udiv", "urem")


def signed(value: int, dtype: DType) -> int:
    """The two's complement number with the low bits of `value`."""
    half = 1 << (dtype.bits - 1)
    return ((int(value) + half) & ((1 << dtype.bits) - 1)) - half


def unsigned(value: int, dtype: DType) -> int:
    """The low bits of `value`."""
    return int(value) & ((1 << dtype.bits) - 1)


def as_constant(value: Number, dtype: DType) -> Number:
    """The value as a `constant` of this type holds it."""
    if dtype.is_float:
        return float(value)
    return bool(int(value) & 1) if dtype.bits == 1 else signed(int(value), dtype)


def evaluate(function: str, values: list[Number], dtype: DType) -> Number | None:
    """`function` of constants of type `dtype`, which may be written with more digits; None where it is not folded."""
    if dtype.is_float:
        rounded = [_rounded(float(value), dtype) for value in values]
        return _evaluate_float(function, [value for value in rounded if value is not None], dtype)
    if len(values) != 2:
        return None
    left, right = (int(value) for value in values)
    if function.startswith("icmp_"):
        return _compare(function.removeprefix("icmp_"), left, right, dtype)
    if function in _DIVISIONS:
        return _divide(function, left, right, dtype)
    found = _INTEGERS.get(function)
    if found is None:
        return None
    return as_constant(found(signed(left, dtype), signed(right, dtype)), dtype)


def _compare(predicate: str, left: int, right: int, dtype: DType) -> bool:
    number = unsigned if predicate[0] == "u" else signed
    name = predicate if predicate in ("eq", "ne") else predicate[1:]
    return _ORDERS[name](number(left, dtype), number(right, dtype))


def _divide(function: str, left: int, right: int, dtype: DType) -> Number | None:
    number = unsigned if function[0] == "u" else signed
    left, right = number(left, dtype), number(right, dtype)
    if right == 0:
        return None
    quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    return as_constant(quotient if function.endswith("div") else left - quotient * right, dtype)


def _evaluate_float(function: str, values: list[float], dtype: DType) -> float | None:
    found = _FLOATS.get(function)
    if found is None or len(values) != 2 or (function == "fdiv" and values[1] == 0):
        return None
    return _rounded(found(*values), dtype)


def _rounded(value: float, dtype: DType) -> float | None:
    if not math.isfinite(value):
        return None
    try:
        return round_to(dtype, value)
    except OverflowError:
        return None


def convert(kind: str, value: Number, before: DType, after: DType) -> Number | None:
    """The cast `kind` of a constant; None where it is not folded."""
    if kind in ("trunc", "sext"):
        return as_constant(signed(int(value), before), after)
    if kind == "zext":
        return as_constant(unsigned(int(value), before), after)
    if kind == "fpext":
        return _rounded(float(value), before)
    if kind in ("sitofp", "uitofp"):
        number = (signed if kind == "sitofp" else unsigned)(int(value), before)
        exact = abs(number) < 1 << (after.mantissa_bits + 1)
        return _rounded(float(number), after) if exact else None
    return None
