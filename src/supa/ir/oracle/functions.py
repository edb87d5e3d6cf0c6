"""The scalar functions on stored elements: the executable form of `ir.functions`. Not here: casts (`oracle.casts`).

Floats are computed in float64 and rounded once: exact for + - * / sqrt and fma in every format (f64's fma is done in
rational arithmetic), and within the error of float64's library, so all but correctly rounded, for the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from supa.base.dtypes import F64, I1, DType
from supa.ir.functions import FUNCTIONS
from supa.ir.oracle import special
from supa.ir.oracle.formats import FLOAT_FORMATS, Array, Numerics, from_float64, storage_of, to_float64
from supa.ir.types import Pointer, Scalar

FLOAT_RULES: dict[str, Callable[..., Any]] = {}
"""Functions of float64 arrays that give float64 or bool arrays."""
INTEGER_RULES: dict[str, Callable[..., Any]] = {}
"""Functions of integer arrays; `bits` is the width. See `_SIGNED` and `_UNSIGNED` for how operands are read."""
STORED_RULES: dict[str, Callable[..., Any]] = {}
"""Functions (arguments, element, numerics) of stored elements, for what depends on the format itself."""
_UNSIGNED: set[str] = set()


def apply_function(name: str, arguments: list[Array], element: Scalar, numerics: Numerics) -> Array:
    """`name` of FUNCTIONS on stored arrays that broadcast; `element` is the type of the last operand."""
    with np.errstate(all="ignore"):
        if name in STORED_RULES:
            return np.asarray(STORED_RULES[name](arguments, element, numerics))
        if name in FLOAT_RULES and isinstance(element, DType):
            values = FLOAT_RULES[name](*(to_float64(array, element) for array in arguments))
            return np.asarray(
                values if FUNCTIONS[name].result == "i1" else from_float64(values, element, "rtne", numerics)
            )
        return _apply_integer(name, arguments, element)


def _apply_integer(name: str, arguments: list[Array], element: Scalar) -> Array:
    bits = 64 if isinstance(element, Pointer) else element.bits
    read = unsigned if name in _UNSIGNED else signed
    result = INTEGER_RULES[name](*(read(array, element) for array in arguments), bits)
    return np.asarray(result, np.bool_) if FUNCTIONS[name].result == "i1" else wrap(result, element)


def signed(array: Array, element: Scalar) -> Array:
    """Stored integers as signed ones; the i1 true is -1."""
    return -(array.astype(np.int8)) if element == I1 else array


def unsigned(array: Array, element: Scalar) -> Array:
    """Stored integers as unsigned ones."""
    return array.astype(np.uint8) if element == I1 else array.astype(f"u{array.dtype.itemsize}")


def wrap(values: Array, element: Scalar) -> Array:
    """Integers of any width as stored ones: the low bits."""
    array = np.asarray(values)
    return array % 2 != 0 if element == I1 else array.astype(storage_of(element))


def _float(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            FLOAT_RULES[name] = function
        return function

    return register


def _integer(*names: str, is_unsigned: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            INTEGER_RULES[name] = function
            if is_unsigned:
                _UNSIGNED.add(name)
        return function

    return register


# ---- floats ----------------------------------------------------------------------------------------------------

FLOAT_RULES.update({
    "fadd": np.add, "fsub": np.subtract, "fmul": np.multiply, "fdiv": np.divide, "frem": np.fmod,
    "fneg": np.negative, "fabs": np.abs, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint,
    "copysign": np.copysign, "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite, "signbit": np.signbit,
    "exp": np.exp, "exp2": np.exp2, "log": np.log, "log2": np.log2, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos,
    "tanh": np.tanh, "expm1": np.expm1, "log10": np.log10, "log1p": np.log1p, "tan": np.tan, "asin": np.arcsin,
    "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "cbrt": np.cbrt, "pow": np.power, "atan2": np.arctan2,
    "hypot": np.hypot,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "rcbrt": lambda x: 1 / np.cbrt(x),
    "rhypot": lambda x, y: 1 / np.hypot(x, y),
    "exp10": lambda x: np.power(10.0, x),
    "fdim": lambda x, y: np.where(np.isnan(x) | np.isnan(y), np.nan, np.where(x > y, x - y, 0.0)),
    "fcmp_oeq": lambda x, y: x == y,
    "fcmp_one": lambda x, y: (x < y) | (x > y),
    "fcmp_olt": lambda x, y: x < y,
    "fcmp_ole": lambda x, y: x <= y,
    "fcmp_ogt": lambda x, y: x > y,
    "fcmp_oge": lambda x, y: x >= y,
    "fcmp_ueq": lambda x, y: ~((x < y) | (x > y)),
    "fcmp_une": lambda x, y: x != y,
    "fcmp_ult": lambda x, y: ~(x >= y),
    "fcmp_ule": lambda x, y: ~(x > y),
    "fcmp_ugt": lambda x, y: ~(x <= y),
    "fcmp_uge": lambda x, y: ~(x < y),
    "fcmp_ord": lambda x, y: ~(np.isnan(x) | np.isnan(y)),
    "fcmp_uno": lambda x, y: np.isnan(x) | np.isnan(y),
})  # fmt: skip


def _elementwise(function: Callable[..., float], arity: int) -> Callable[..., Array]:
    vectorised = np.frompyfunc(function, arity, 1)
    return lambda *arrays: np.asarray(vectorised(*arrays), np.float64)


def _ieee_remainder(x: float, y: float) -> float:
    if math.isnan(x) or math.isnan(y) or math.isinf(x) or y == 0:
        return math.nan
    return math.remainder(x, y)


for _name, _function in {
    "erf": math.erf, "erfc": math.erfc, "lgamma": special.lgamma, "tgamma": special.tgamma,
    "erfinv": special.erfinv, "erfcinv": special.erfcinv, "erfcx": special.erfcx, "normcdf": special.normcdf,
    "normcdfinv": special.normcdfinv, "sinpi": special.sinpi, "cospi": special.cospi, "tanpi": special.tanpi,
    "j0": special.j0, "j1": special.j1, "y0": special.y0, "y1": special.y1,
    "cyl_bessel_i0": special.bessel_i0, "cyl_bessel_i1": special.bessel_i1,
}.items():  # fmt: skip
    FLOAT_RULES[_name] = _elementwise(_function, 1)
FLOAT_RULES["remainder"] = _elementwise(_ieee_remainder, 2)


@_float("round")
def _round(x: Array) -> Array:
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.copysign(1.0, x), whole)


@_float("logb")
def _logb(x: Array) -> Array:
    exponent = np.frexp(x)[1] - 1.0
    return np.where(x == 0, -np.inf, np.where(np.isfinite(x), exponent, np.abs(x)))


def _smaller(x: Array, y: Array) -> Array:
    """-0 is smaller than +0."""
    return np.where((x < y) | ((x == y) & np.signbit(x)), x, y)


@_float("fminimum")
def _minimum(x: Array, y: Array) -> Array:
    return np.where(np.isnan(x) | np.isnan(y), np.nan, _smaller(x, y))


@_float("fmaximum")
def _maximum(x: Array, y: Array) -> Array:
    return np.asarray(-_minimum(-x, -y))


@_float("fmin")
def _fmin(x: Array, y: Array) -> Array:
    return np.where(np.isnan(x), y, np.where(np.isnan(y), x, _smaller(x, y)))


@_float("fmax")
def _fmax(x: Array, y: Array) -> Array:
    return np.asarray(-_fmin(-x, -y))


def _fma(arguments: list[Array], element: Scalar, numerics: Numerics) -> Array:
    if element == F64:
        return np.asarray(np.frompyfunc(_exact_fma, 3, 1)(*arguments), np.float64)
    assert isinstance(element, DType)
    x, y, z = (to_float64(array, element) for array in arguments)
    product = x * y  # exact: at most 48 bits
    total = product + z
    high = total - product
    error = (product - (total - high)) + (z - high)
    # Round to odd, so that the second rounding, to the element, is the only one.
    inexact = np.isfinite(total) & (error != 0)
    even = total.view(np.int64) % 2 == 0
    toward = np.nextafter(total, np.where(error > 0, np.inf, -np.inf))
    return from_float64(np.where(inexact & even, toward, total), element, "rtne", numerics)


def _exact_fma(x: float, y: float, z: float) -> float:
    if not (math.isfinite(x) and math.isfinite(y)):
        return x * y + z
    if not math.isfinite(z):
        return z
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    if exact == 0:
        return math.copysign(0.0, x) * math.copysign(1.0, y) + z if x == 0 or y == 0 else 0.0
    try:
        return exact.numerator / exact.denominator
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def _nextafter(arguments: list[Array], element: Scalar, numerics: Numerics) -> Array:
    assert isinstance(element, DType)
    x, y = arguments
    if element.name not in FLOAT_FORMATS:
        return np.asarray(np.where(x == y, y, np.nextafter(x, y)))  # zeros of two signs: C gives y, NumPy's half x
    fmt = FLOAT_FORMATS[element.name]
    a, b = np.broadcast_arrays(to_float64(x, element), to_float64(y, element))
    codes = np.broadcast_to(x, a.shape).astype(np.int64)
    magnitude, negative = codes & (fmt.sign_bit - 1), np.signbit(a)
    away = np.where(negative, b < a, b > a)
    step = np.where(away, magnitude + 1, magnitude - 1)
    moved = np.where(negative, step | fmt.sign_bit, step)
    moved = np.where((magnitude == 0) & (a == 0), np.where(b > 0, 1, 1 | fmt.sign_bit), moved)
    if fmt.special == "fnuz":
        moved = np.where(moved == fmt.sign_bit, 0, moved)
    result = np.where(a == b, np.broadcast_to(y, a.shape), moved)
    return np.where(np.isnan(a) | np.isnan(b), fmt.nan_code, result).astype(x.dtype)


def _select(arguments: list[Array], element: Scalar, numerics: Numerics) -> Array:
    condition, x, y = arguments
    return np.where(condition, x, y)


STORED_RULES.update({"fma": _fma, "nextafter": _nextafter, "select": _select})

# ---- integers --------------------------------------------------------------------------------------------------

INTEGER_RULES.update({
    "add": lambda x, y, bits: x + y,
    "sub": lambda x, y, bits: x - y,
    "mul": lambda x, y, bits: x * y,
    "smin": lambda x, y, bits: np.minimum(x, y),
    "smax": lambda x, y, bits: np.maximum(x, y),
    "and": lambda x, y, bits: x & y,
    "or": lambda x, y, bits: x | y,
    "xor": lambda x, y, bits: x ^ y,
    "abs": lambda x, bits: np.abs(x),
    "icmp_eq": lambda x, y, bits: x == y,
    "icmp_ne": lambda x, y, bits: x != y,
    "icmp_slt": lambda x, y, bits: x < y,
    "icmp_sle": lambda x, y, bits: x <= y,
    "icmp_sgt": lambda x, y, bits: x > y,
    "icmp_sge": lambda x, y, bits: x >= y,
})  # fmt: skip
for _name, _signed_name in {
    "umin": "smin", "umax": "smax", "icmp_ult": "icmp_slt", "icmp_ule": "icmp_sle", "icmp_ugt": "icmp_sgt",
    "icmp_uge": "icmp_sge",
}.items():  # fmt: skip
    _integer(_name, is_unsigned=True)(INTEGER_RULES[_signed_name])


@_integer("udiv", is_unsigned=True)
def _udiv(x: Array, y: Array, bits: int) -> Array:
    return np.where(y == 0, ~np.zeros_like(y), x // np.where(y == 0, 1, y).astype(y.dtype))


@_integer("urem", is_unsigned=True)
def _urem(x: Array, y: Array, bits: int) -> Array:
    return np.where(y == 0, x, x % np.where(y == 0, 1, y).astype(y.dtype))


@_integer("sdiv")
def _sdiv(x: Array, y: Array, bits: int) -> Array:
    as_unsigned = f"u{np.asarray(x).dtype.itemsize}"
    magnitude = _udiv(np.abs(x).astype(as_unsigned), np.abs(y).astype(as_unsigned), bits).astype(np.asarray(x).dtype)
    return np.where(y == 0, -1, np.where((x < 0) != (y < 0), -magnitude, magnitude)).astype(np.asarray(x).dtype)


@_integer("srem")
def _srem(x: Array, y: Array, bits: int) -> Array:
    return np.asarray(x - _sdiv(x, y, bits) * y)


@_integer("mulhi_s")
@_integer("mulhi_u", is_unsigned=True)
def _mulhi(x: Array, y: Array, bits: int) -> Array:
    product = np.asarray(x).astype(object) * np.asarray(y).astype(object)
    low = np.frompyfunc(lambda p: ((p >> bits) + (1 << 63)) % (1 << 64) - (1 << 63), 1, 1)(product)
    return np.asarray(low, np.int64)


@_integer("shl", is_unsigned=True)
def _shl(x: Array, y: Array, bits: int) -> Array:
    return np.where(y >= bits, 0, x << np.minimum(y, bits - 1).astype(y.dtype))


@_integer("lshr", is_unsigned=True)
def _lshr(x: Array, y: Array, bits: int) -> Array:
    return np.where(y >= bits, 0, x >> np.minimum(y, bits - 1).astype(y.dtype))


@_integer("ashr")
def _ashr(x: Array, y: Array, bits: int) -> Array:
    inside = (y >= 0) & (y < bits)  # read as unsigned, a negative amount is a large one
    return np.asarray(x >> np.where(inside, y, bits - 1).astype(np.asarray(x).dtype))


@_integer("popcount", is_unsigned=True)
def _popcount(x: Array, bits: int) -> Array:
    return np.asarray(np.bitwise_count(x))


@_integer("clz", is_unsigned=True)
def _clz(x: Array, bits: int) -> Array:
    smeared, width = x, 1
    while width < bits:
        smeared = smeared | (smeared >> np.asarray(width, np.asarray(x).dtype))
        width *= 2
    return np.asarray(bits - np.bitwise_count(smeared).astype(np.int64))


@_integer("ffs", is_unsigned=True)
def _ffs(x: Array, bits: int) -> Array:
    below = ~x & (x - np.asarray(1, np.asarray(x).dtype))  # ones where trailing zeros are
    return np.where(x == 0, 0, np.bitwise_count(below).astype(np.int64) + 1)


@_integer("brev", is_unsigned=True)
def _brev(x: Array, bits: int) -> Array:
    one = np.asarray(1, np.asarray(x).dtype)
    result = np.zeros_like(x)
    for position in range(bits):
        bit = (x >> np.asarray(position, one.dtype)) & one
        result = result | (bit << np.asarray(bits - 1 - position, one.dtype))
    return result
