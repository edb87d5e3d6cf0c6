"""Roots, powers and lengths."""

from __future__ import annotations

import math

from supa.compiler.native.mathlib.code import Code, Value
from supa.compiler.native.mathlib.exponential import exp_double
from supa.compiler.native.mathlib.logarithm import at_edges, log_double
from supa.compiler.native.mathlib.registry import routine


@routine("rsqrt", "f32", "f64", inline=True)
def _rsqrt(code: Code, x: Value) -> Value:
    """1 / sqrt(x), corrected by the residuals of the root and of the division."""
    bound, gain = (2.0**-100, 64) if x.type == "float" else (2.0**-950, 128)
    tiny = x < bound
    scaled = code.select(tiny, x * 2.0**gain, x)
    root = code.sqrt(scaled)
    inverse = 1.0 / root
    lost = code.fma(-root, root, scaled) * (inverse * inverse) * -0.5
    made = code.fma(inverse, code.fma(-root, inverse, 1.0) + lost, inverse)
    made = made * code.select(tiny, code.constant(2.0 ** (gain // 2), x.type), 1.0)
    regular = code.abs(inverse) < math.inf
    return code.select(x < math.inf, code.select(regular, made, inverse), inverse)


def _inverse_cube_root(code: Code, x: Value) -> Value:
    """x^(-1/3) of positive finite doubles above 2^-1000, with one correction by its residual."""
    r = exp_double(code, log_double(code, x) * (-1 / 3))
    square, product = r * r, x * r
    lost = product * code.fma(r, r, -square) + code.fma(x, r, -product) * square
    return code.fma(r, (code.fma(-product, square, 1.0) - lost) * (1 / 3), r)


@routine("cbrt", "f32")
def _cbrt_f32(code: Code, x: Value) -> Value:
    magnitude = code.abs(x)
    root = exp_double(code, log_double(code, magnitude.wide()) * (1 / 3)).narrow()
    regular = (magnitude < math.inf) & (magnitude > 0.0)
    return code.copysign(code.select(regular, root, magnitude), x)


@routine("rcbrt", "f32")
def _rcbrt_f32(code: Code, x: Value) -> Value:
    magnitude = code.abs(x)
    root = exp_double(code, log_double(code, magnitude.wide()) * (-1 / 3)).narrow()
    root = code.select(magnitude.same(0.0), math.inf, root)
    root = code.select(magnitude.same(math.inf), 0.0, root)
    return code.copysign(code.select(x.is_nan(), x, root), x)


def _scaled_up(code: Code, x: Value) -> tuple[Value, Value]:
    """(|x| 2^162 or |x|, whether scaled): clear of the subnormal numbers."""
    magnitude = code.abs(x)
    tiny = magnitude < 2.0**-900
    return code.select(tiny, magnitude * 2.0**162, magnitude), tiny


@routine("cbrt", "f64")
def _cbrt_f64(code: Code, x: Value) -> Value:
    scaled, tiny = _scaled_up(code, x)
    r = _inverse_cube_root(code, scaled)
    root = scaled * r * r
    square = root * root
    residual = code.fma(-square, root, scaled) - code.fma(root, root, -square) * root
    root = code.fma(residual, r * r * (1 / 3), root)
    root = root * code.select(tiny, code.constant(2.0**-54, x.type), 1.0)
    regular = code.abs(x) < math.inf
    root = code.select(regular, code.select(x.same(0.0), x, root), x)
    return code.copysign(root, x)


@routine("rcbrt", "f64")
def _rcbrt_f64(code: Code, x: Value) -> Value:
    scaled, tiny = _scaled_up(code, x)
    root = _inverse_cube_root(code, scaled) * code.select(tiny, code.constant(2.0**54, x.type), 1.0)
    root = code.select(x.same(0.0), math.inf, root)
    root = code.select(code.abs(x).same(math.inf), 0.0, root)
    return code.copysign(code.select(x.is_nan(), x, root), x)


@routine("pow", "f32", arity=2)
def _pow_f32(code: Code, x: Value, y: Value) -> Value:
    """e^(y log |x|) in double precision, then the sign and C's special cases."""
    magnitude = code.abs(x).wide()
    made = exp_double(code, at_edges(code, magnitude, log_double(code, magnitude)) * y.wide()).narrow()
    made = code.select(magnitude.same(1.0), code.select(y.is_nan(), y, code.constant(1.0, "float")), made)
    whole = code.floor(y).same(y)
    half = y * 0.5
    odd = whole & ~code.floor(half).same(half)
    made = code.select(odd, code.copysign(made, x), made)
    made = code.select((x < 0.0) & (x > -math.inf) & ~whole, math.nan, made)
    return code.select(y.same(0.0) | x.same(1.0), 1.0, made)


@routine("hypot", "f32", arity=2)
def _hypot_f32(code: Code, x: Value, y: Value) -> Value:
    return _length(code, x, y).narrow()


@routine("rhypot", "f32", arity=2)
def _rhypot_f32(code: Code, x: Value, y: Value) -> Value:
    return (1.0 / _length(code, x, y)).narrow()


def _infinite(code: Code, x: Value, y: Value) -> Value:
    return code.abs(x).same(math.inf) | code.abs(y).same(math.inf)


def _length(code: Code, x: Value, y: Value) -> Value:
    """sqrt(x^2 + y^2) of floats as double; infinite if either is, NaN or not."""
    a, b = x.wide(), y.wide()
    length = code.sqrt(code.fma(a, a, b * b))
    return code.select(_infinite(code, x, y), math.inf, length)


@routine("rhypot", "f64", arity=2)
def _rhypot_f64(code: Code, x: Value, y: Value) -> Value:
    """Halved where the length would overflow."""
    large = (code.abs(x) > 2.0**1000) | (code.abs(y) > 2.0**1000)
    gain = code.select(large, code.constant(0.25, x.type), 1.0)
    length = code.each_lane("hypot", x * gain, y * gain)
    return code.select(_infinite(code, x, y), 0.0, gain / length)


@routine("pow", "f64", arity=2)
def _pow_f64(code: Code, x: Value, y: Value) -> Value:
    return code.each_lane("pow", x, y)


@routine("hypot", "f64", arity=2)
def _hypot_f64(code: Code, x: Value, y: Value) -> Value:
    return code.each_lane("hypot", x, y)
