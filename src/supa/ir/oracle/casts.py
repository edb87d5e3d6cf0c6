"""The conversions of `cast`: the executable form of `functions.CASTS`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from supa.base.dtypes import DType
from supa.ir.oracle.formats import (
    Array,
    Numerics,
    Rounding,
    from_float64,
    integers_to_odd_float64,
    storage_of,
    to_float64,
)
from supa.ir.oracle.functions import signed, unsigned, wrap
from supa.ir.types import Scalar

Cast = Callable[[Array, Scalar, Scalar, Rounding, Numerics], Array]


def _truncate(array: Array, source: Scalar, target: Scalar, rounding: Rounding, numerics: Numerics) -> Array:
    return wrap(array, target)


def _sign_extend(array: Array, source: Scalar, target: Scalar, rounding: Rounding, numerics: Numerics) -> Array:
    return wrap(signed(array, source), target)


def _zero_extend(array: Array, source: Scalar, target: Scalar, rounding: Rounding, numerics: Numerics) -> Array:
    return wrap(unsigned(array, source), target)


def _float_to_float(array: Array, source: Scalar, target: Scalar, rounding: Rounding, numerics: Numerics) -> Array:
    assert isinstance(source, DType) and isinstance(target, DType)
    return from_float64(to_float64(array, source), target, rounding, numerics)


def _to_float(integers: Array, target: Scalar, numerics: Numerics) -> Array:
    assert isinstance(target, DType)
    if target.name == "f64":
        return np.asarray(integers.astype(np.float64))
    return from_float64(integers_to_odd_float64(integers), target, "rtne", numerics)


def _signed_to_float(array: Array, source: Scalar, target: Scalar, rounding: Rounding, numerics: Numerics) -> Array:
    return _to_float(signed(array, source), target, numerics)


def _unsigned_to_float(array: Array, source: Scalar, target: Scalar, rounding: Rounding, numerics: Numerics) -> Array:
    return _to_float(unsigned(array, source), target, numerics)


def _saturate(array: Array, source: Scalar, target: Scalar, low: int, high: int) -> Array:
    assert isinstance(source, DType)
    values = np.trunc(to_float64(array, source))
    inside = (values >= float(low)) & (values < float(high + 1))
    kind = np.uint64 if low == 0 else np.int64
    integers = np.where(inside, values, 0.0).astype(kind)
    integers = np.where(values >= float(high + 1), np.asarray(high, kind), integers)
    return wrap(np.where(values < float(low), np.asarray(low, kind), integers), target)


def _to_signed(array: Array, source: Scalar, target: Scalar, rounding: Rounding, numerics: Numerics) -> Array:
    assert isinstance(target, DType)
    half = 1 << (target.bits - 1)
    return _saturate(array, source, target, -half, half - 1)


def _to_unsigned(array: Array, source: Scalar, target: Scalar, rounding: Rounding, numerics: Numerics) -> Array:
    assert isinstance(target, DType)
    return _saturate(array, source, target, 0, (1 << target.bits) - 1)


def _same_bits(array: Array, source: Scalar, target: Scalar, rounding: Rounding, numerics: Numerics) -> Array:
    return np.ascontiguousarray(array).reshape(array.shape).view(storage_of(target))


CAST_RULES: dict[str, Cast] = {
    "trunc": _truncate,
    "sext": _sign_extend,
    "zext": _zero_extend,
    "fptrunc": _float_to_float,
    "fpext": _float_to_float,
    "sitofp": _signed_to_float,
    "uitofp": _unsigned_to_float,
    "fptosi": _to_signed,
    "fptoui": _to_unsigned,
    "bitcast": _same_bits,
    "ptrtoint": _same_bits,
    "inttoptr": _same_bits,
}
"""Kind of cast -> what it does to stored elements."""


def apply_cast(
    kind: str, array: Array, source: Scalar, target: Scalar, rounding: Rounding, numerics: Numerics
) -> Array:
    """Convert stored elements of `source` to stored elements of `target`."""
    with np.errstate(all="ignore"):
        return np.asarray(CAST_RULES[kind](array, source, target, rounding, numerics))
