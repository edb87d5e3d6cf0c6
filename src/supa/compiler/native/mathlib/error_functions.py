"""erf and its relatives: erfc, erfcx, their inverses, the normal distribution."""

from __future__ import annotations

import math

from supa.compiler.native.mathlib import coefficients as table
from supa.compiler.native.mathlib.code import Code, Value
from supa.compiler.native.mathlib.exponential import exp_double
from supa.compiler.native.mathlib.logarithm import at_edges, log_double
from supa.compiler.native.mathlib.registry import routine

ERFCX_CENTRE, TAIL_CENTRE, TAIL_FROM = 4.0, 7.8125, 5.0  # as in the derivation of the coefficients
ERF_MAGIC, ERF_END = 1.5 * 2.0**21, 3.875 - 2.0**-22  # erf is 1 within an ulp from there
HALF_ROOT, HALF_ROOT_LOW = math.sqrt(0.5), -4.833646656726457e-17


@routine("erf", "f32", inline=True)
def _erf_f32(code: Code, x: Value) -> Value:
    """Sixteen polynomials about the multiples of 1/4, their coefficients from registers."""
    magnitude = code.least(code.abs(x), ERF_END)
    shifted = magnitude + ERF_MAGIC  # its ulp is 1/4: the low bits are the piece's number
    r = magnitude - (shifted - ERF_MAGIC)
    first, *rest, result = (code.lookup(row, shifted.bits()) for row in table.ERF_PIECES_F32)
    for coefficient in reversed(rest):
        result = code.fma(r, result, coefficient)
    result = code.fma(r, result, code.most(first, r))  # about 0, where the constant is 0, r + r P(r)
    return code.copysign(result, x)


@routine("erf", "f64")
def _erf_f64(code: Code, x: Value) -> Value:
    return code.each_lane("erf", x)


def erfcx_double(code: Code, x: Value) -> Value:
    """e^(x^2) erfc x of doubles from 0 to infinity."""
    held = code.least(x, 1e18)
    inverse = 1.0 / (held + ERFCX_CENTRE)
    rough = (held - ERFCX_CENTRE) * inverse
    residual = code.fma(-rough, held, code.fma(rough + 1.0, -ERFCX_CENTRE, held))
    t = code.fma(residual, inverse, rough)  # (x - c) / (x + c)
    return code.poly(t, table.ERFCX) / code.fma(x, 2.0, 1.0)


def _upper_tail(code: Code, square: Value, x: Value) -> Value:
    """erfc x of doubles from 0, given x^2."""
    return exp_double(code, -square) * erfcx_double(code, x)


@routine("erfc", "f32")
def _erfc_f32(code: Code, x: Value) -> Value:
    wide = code.abs(x).wide()
    tail = _upper_tail(code, wide * wide, wide)
    return code.select(x < 0.0, 2.0 - tail, tail).narrow()


@routine("erfc", "f64")
def _erfc_f64(code: Code, x: Value) -> Value:
    return code.each_lane("erfc", x)


@routine("erfcx", "f32", "f64")
def _erfcx(code: Code, x: Value) -> Value:
    """For negative x, 2 e^(x^2) - erfcx(-x)."""
    wide = x.wide()
    magnitude = code.abs(wide)
    right = erfcx_double(code, magnitude)
    held = code.least(magnitude, 30.0)
    square = held * held
    growth = exp_double(code, square) * 2.0
    growth = code.fma(growth, code.fma(held, held, -square), growth) if x.type == "double" else growth
    growth = code.select(magnitude > 27.0, math.inf, growth)
    result = code.select(wide < 0.0, growth - right, right)
    return result.narrow() if x.type == "float" else result


@routine("normcdf", "f32")
def _normcdf_f32(code: Code, x: Value) -> Value:
    wide = code.abs(x).wide()
    tail = _upper_tail(code, wide * wide * 0.5, wide * HALF_ROOT) * 0.5
    return code.select(x > 0.0, 1.0 - tail, tail).narrow()


@routine("normcdf", "f64")
def _normcdf_f64(code: Code, x: Value) -> Value:
    """erfc(-x / sqrt 2) / 2, with the rounding of the argument made good to first order."""
    held = code.most(code.least(x, 40.0), -40.0)
    argument = held * -HALF_ROOT
    lost = code.fma(held, -HALF_ROOT, -argument) + held * -HALF_ROOT_LOW
    slope = exp_double(code, -(argument * argument)) * (-2.0 / math.sqrt(math.pi))
    return code.fma(slope, lost, code.each_lane("erfc", argument)) * 0.5


# ---- inverses --------------------------------------------------------------------------------------------------


def _log_or_nan(code: Code, x: Value) -> Value:
    return at_edges(code, x, log_double(code, x))


def _growth(code: Code, product: Value) -> Value:
    """erfinv(y) / y from product = 1 - y^2, to about 30 bits."""
    w = -_log_or_nan(code, product)
    s = code.sqrt(w)
    t = (s - TAIL_CENTRE) / (s + TAIL_CENTRE)
    return code.select(w < TAIL_FROM, code.poly(w, table.ERFINV_CENTRE), code.poly(t, table.ERFINV_TAIL))


def _refined(code: Code, z: Value, y: Value, q: Value) -> Value:
    """A Newton step to z >= 0 with erf z = y, erfc z = q: on erf for small z, on log erfc for large."""
    square = z * z
    scaled = erfcx_double(code, z)
    near = (y - code.each_lane("erf", z)) * exp_double(code, square, -1.0, 1.0)
    far = (_log_or_nan(code, scaled) - square - _log_or_nan(code, q)) * scaled
    return code.fma(code.select(q > 0.5, near, far), math.sqrt(math.pi) / 2, z)


def _inverse(code: Code, y: Value, q: Value, sign: Value, refine: bool) -> Value:
    """The z >= 0 with erf z = y and erfc z = q = 1 - y, with the sign of `sign`; doubles."""
    z = y * _growth(code, q * (y + 1.0))
    z = _refined(code, z, y, q) if refine else z
    z = code.select(q.same(0.0), math.inf, z)
    z = code.select(y.same(0.0), 0.0, z)
    return code.copysign(z, sign)


@routine("erfinv", "f32", "f64")
def _erfinv(code: Code, x: Value) -> Value:
    wide = x.wide()
    y = code.abs(wide)
    made = _inverse(code, y, 1.0 - y, wide, refine=x.type == "double")
    return made.narrow() if x.type == "float" else made


def _erfcinv_double(code: Code, x: Value, refine: bool) -> Value:
    beyond = x > 1.0
    q = code.select(beyond, 2.0 - x, x)
    return _inverse(code, 1.0 - q, q, 1.0 - x, refine)


@routine("erfcinv", "f32", "f64")
def _erfcinv(code: Code, x: Value) -> Value:
    made = _erfcinv_double(code, x.wide(), x.type == "double")
    return made.narrow() if x.type == "float" else made


@routine("normcdfinv", "f32", "f64")
def _normcdfinv(code: Code, x: Value) -> Value:
    wide = x.wide()
    made = _erfcinv_double(code, wide + wide, x.type == "double") * -math.sqrt(2) + 0.0
    return made.narrow() if x.type == "float" else made
