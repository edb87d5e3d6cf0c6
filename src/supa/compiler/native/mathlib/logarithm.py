"""log, log2, log10, log1p, logb. Reduction: x = 2^e m with m about one, then a polynomial of m - 1."""

from __future__ import annotations

import math

from supa.compiler.native.mathlib import coefficients as table
from supa.compiler.native.mathlib.code import Code, Value
from supa.compiler.native.mathlib.exponential import LN2_HIGH_F32, LN2_HIGH_F64, LN2_LOW_F32, LN2_LOW_F64
from supa.compiler.native.mathlib.registry import routine

LOG2_E = 1 / math.log(2)
LOG2_E_LOW_F32, LOG2_E_LOW_F64 = 1.9259629911266175e-08, 2.0355273740931033e-17  # log2 e less its rounding
LOG10_E = 1 / math.log(10)


def split(code: Code, x: Value, lowest: float) -> tuple[Value, Value]:
    """(e as float, m) with x = 2^e m and m in [lowest, 2 lowest), for positive finite x."""
    single = x.type == "float"
    shift, gain, normal = (23, 23, 2.0**-126) if single else (52, 52, 2.0**-1022)
    tiny = x < normal
    bits = code.select(tiny, x * 2.0**gain, x).bits()
    exponent = (bits - code.constant(lowest, x.type).bits()) >> shift
    mantissa = (bits - (exponent << shift)).floats()
    e = (exponent.resized("i32")).to_float(x.type) + code.select(tiny, code.constant(-gain, x.type), 0.0)
    return e, mantissa


def at_edges(code: Code, x: Value, result: Value) -> Value:
    """A logarithm's values at zero, infinity, negative numbers and NaN, where `result` is good for none."""
    result = code.select(x.same(math.inf), x, result)
    result = code.select(x.same(0.0), -math.inf, result)
    return code.select(code.op("i1", f"fcmp ult {code.vector(x.type)} {x.name}, zeroinitializer"), math.nan, result)


@routine("log", "f32", inline=True)
def _log_f32(code: Code, x: Value) -> Value:
    e, m = split(code, x, 2 / 3)
    f = m - 1.0
    tail = (f * f) * code.fma(f, code.poly(f, table.LOG_F32), -0.5)
    tail = code.fma(e, LN2_LOW_F32, tail)
    high = code.fma(e, LN2_HIGH_F32, f)
    lost = f - code.fma(e, -LN2_HIGH_F32, high)
    return at_edges(code, x, high + (tail + lost))


@routine("log2", "f32", inline=True)
def _log2_f32(code: Code, x: Value) -> Value:
    e, m = split(code, x, 2 / 3)
    f = m - 1.0
    high = f * LOG2_E
    low = code.fma(f, LOG2_E_LOW_F32, code.fma(f, LOG2_E, -high))
    low = code.fma(f * f, code.poly(f, table.LOG2_F32), low)
    total = e + high
    return at_edges(code, x, total + (low + (high - (total - e))))


def log1p_of_reduced(code: Code, f: Value) -> tuple[Value, Value]:
    """log(1 + f) = f - tail in double precision, for f within sqrt(1/2) - 1 and sqrt(2) - 1."""
    s = f / (f + 2.0)
    z = s * s
    half = f * f * 0.5
    return f, half - s * code.fma(z, code.poly(z, table.LOG_F64), half)


def log_double(code: Code, x: Value) -> Value:
    """log x in double precision, for positive finite x."""
    e, m = split(code, x, math.sqrt(0.5))
    f, tail = log1p_of_reduced(code, m - 1.0)
    return code.fma(e, LN2_HIGH_F64, f - (tail - e * LN2_LOW_F64))


def log2_double(code: Code, x: Value) -> Value:
    """log2 x in double precision, for positive finite x."""
    e, m = split(code, x, math.sqrt(0.5))
    f, tail = log1p_of_reduced(code, m - 1.0)
    log = f - tail
    low = ((f - log) - tail) * LOG2_E + log * LOG2_E_LOW_F64
    high = log * LOG2_E
    low = low + code.fma(log, LOG2_E, -high)
    total = e + high
    return total + (low + (high - (total - e)))


@routine("log", "f64", inline=True)
def _log_f64(code: Code, x: Value) -> Value:
    return at_edges(code, x, log_double(code, x))


@routine("log2", "f64", inline=True)
def _log2_f64(code: Code, x: Value) -> Value:
    return at_edges(code, x, log2_double(code, x))


@routine("log10", "f32")
def _log10_f32(code: Code, x: Value) -> Value:
    return at_edges(code, x, (log_double(code, x.wide()) * LOG10_E).narrow())


def log1p_double(code: Code, x: Value) -> Value:
    """log(1 + x) in double precision for finite x > -1; relative error about 2^-50 but for x that no float holds."""
    u = x + 1.0
    lost = x - (u - 1.0)  # matters only where u is near 1
    return log_double(code, u) + lost


@routine("log1p", "f32")
def _log1p_f32(code: Code, x: Value) -> Value:
    made = log1p_double(code, x.wide()).narrow()
    made = code.select(x.same(math.inf), x, code.select(x.same(-1.0), -math.inf, made))
    made = code.select(x < -1.0, math.nan, code.select(x.is_nan(), x, made))
    return code.select(x.same(0.0), x, made)


@routine("log10", "f64")
def _log10_f64(code: Code, x: Value) -> Value:
    return code.each_lane("log10", x)


@routine("log1p", "f64")
def _log1p_f64(code: Code, x: Value) -> Value:
    return code.each_lane("log1p", x)


@routine("logb", "f32", "f64")
def _logb(code: Code, x: Value) -> Value:
    """The exponent of x as a float."""
    magnitude = code.abs(x)
    e, _ = split(code, magnitude, 1.0)
    result = code.select(magnitude.same(0.0), -math.inf, e)
    result = code.select(magnitude.same(math.inf), magnitude, result)
    return code.select(x.is_nan(), x, result)
