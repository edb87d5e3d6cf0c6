"""Special functions in float64, one element at a time, from their definitions. Not here: what NumPy already has.

Slow and clear: power series in exact integer arithmetic, classical asymptotic series, Newton steps on erfc.
Sources: NIST Digital Library of Mathematical Functions (dlmf.nist.gov), section numbers at each function.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

_SQRT_PI = math.sqrt(math.pi)
_SERIES_END = 25.0  # Bessel arguments above use the asymptotic series, whose error there is below e**-50
_SCALE_BITS = 256


def lgamma(x: float) -> float:
    """log |gamma(x)|; inf at the poles."""
    if math.isinf(x) or (x <= 0 and x == math.floor(x)):
        return math.inf
    return math.lgamma(x)


def tgamma(x: float) -> float:
    """gamma(x); signed inf at zeros, nan at negative integers."""
    if x == 0:
        return math.copysign(math.inf, x)
    if math.isnan(x) or x == -math.inf or (x < 0 and x == math.floor(x)):
        return math.nan
    try:
        return math.gamma(x)
    except OverflowError:
        return math.inf


def erfinv(x: float) -> float:
    """The inverse of erf on [-1, 1]."""
    if not -1 <= x <= 1:
        return math.nan
    if abs(x) == 1:
        return math.copysign(math.inf, x)
    if abs(x) > 0.5:
        return math.copysign(erfcinv(1 - abs(x)), x)
    y = x * _SQRT_PI / 2 * (1 + math.pi * x * x / 12)
    for _ in range(6):
        error = math.erf(y) - x
        slope = 2 / _SQRT_PI * math.exp(-y * y)
        y -= error / (slope + error * y)  # Halley: the second derivative is -2 y slope
    return y


def erfcinv(x: float) -> float:
    """The inverse of erfc on [0, 2]."""
    if not 0 <= x <= 2:
        return math.nan
    if x in (0, 2):
        return math.inf if x == 0 else -math.inf
    if 0.5 <= x <= 1.5:
        return erfinv(1 - x)
    if x > 1:
        return -erfcinv(2 - x)
    log_x = math.log(x)
    y = math.sqrt(max(-log_x - 0.5 * math.log(max(-math.pi * log_x, 1.0)), 0.2))
    for _ in range(12):  # Newton on log(erfc), which is nearly a parabola
        scaled = erfcx(y)
        distance = math.log(math.erfc(y) / x) if x > 1e-290 else math.log(scaled) - y * y - log_x
        y += distance * scaled * _SQRT_PI / 2
    return y


def erfcx(x: float) -> float:
    """exp(x²) erfc(x); DLMF 7.12.1 for large arguments."""
    if x > 25:
        total, term, k = 1.0, 1.0, 0
        while abs(term) > 1e-18:
            k += 1
            term *= -(2 * k - 1) / (2 * x * x)
            total += term
        return total / (x * _SQRT_PI)
    if x < -26.7:
        return math.inf if not math.isnan(x) else x
    if math.isnan(x):
        return x
    square = x * x
    rest = float(Fraction(x) * Fraction(x) - Fraction(square))
    return math.exp(square) * (1 + rest) * math.erfc(x)


def normcdf(x: float) -> float:
    """The normal distribution's cumulative function."""
    return math.erfc(-x / math.sqrt(2)) / 2


def normcdfinv(p: float) -> float:
    """The inverse of `normcdf` on [0, 1]."""
    return -math.sqrt(2) * erfcinv(2 * p)


def sinpi(x: float) -> float:
    """sin(pi x), exact at multiples of a half."""
    if math.isinf(x) or math.isnan(x):
        return math.nan
    r = math.fmod(x, 2.0)
    if r == math.trunc(r):
        return math.copysign(0.0, x)
    folded = abs(r) if abs(r) < 1 else abs(r) - 1
    value = math.sin(math.pi * min(folded, 1 - folded))
    if abs(folded) == 0.5:
        value = 1.0
    elif 0.25 < folded < 0.75:
        value = math.cos(math.pi * (0.5 - folded))
    return math.copysign(value, r if abs(r) < 1 else -r)


def cospi(x: float) -> float:
    """cos(pi x), exact at multiples of a half."""
    if math.isinf(x) or math.isnan(x):
        return math.nan
    r = abs(math.fmod(x, 2.0))
    r = min(r, 2 - r)
    if r == 0.5:
        return 0.0
    return sinpi(0.5 - r)


def tanpi(x: float) -> float:
    """tan(pi x)."""
    if math.isinf(x) or math.isnan(x):
        return math.nan
    cosine = cospi(x)
    return sinpi(x) / cosine if cosine else math.copysign(math.inf, sinpi(x))


def j0(x: float) -> float:
    """Bessel function of the first kind, order 0; DLMF 10.2.2, 10.17.3."""
    return _bessel_j(0, x)


def j1(x: float) -> float:
    """Bessel function of the first kind, order 1."""
    return _bessel_j(1, x)


def y0(x: float) -> float:
    """Bessel function of the second kind, order 0; DLMF 10.8.2, 10.17.4."""
    return _bessel_y(0, x)


def y1(x: float) -> float:
    """Bessel function of the second kind, order 1."""
    return _bessel_y(1, x)


def _bessel_j(order: int, x: float) -> float:
    if math.isnan(x) or math.isinf(x):
        return x if math.isnan(x) else 0.0
    if abs(x) <= _SERIES_END:
        return float(_power_series(order, x)) if x else float(order == 0)
    value = _asymptotic(order, abs(x))[0]
    return -value if order == 1 and x < 0 else value


def _bessel_y(order: int, x: float) -> float:
    if math.isnan(x) or x < 0:
        return math.nan
    if x == 0 or math.isinf(x):
        return -math.inf if x == 0 else 0.0
    if x > _SERIES_END:
        return _asymptotic(order, x)[1]
    if x < 1e-30:
        return 2 / math.pi * (math.log(x / 2) + float(_GAMMA)) if order == 0 else -2 / math.pi / x
    logarithm = _log_half(x) + _GAMMA
    if order == 0:
        return float(2 * (logarithm * _power_series(0, x) - _power_series(0, x, _HARMONIC)) / _PI)
    pairs = [low + high for low, high in pairwise(_HARMONIC)]
    return float((2 * logarithm * _power_series(1, x) - 2 / Fraction(x) - _power_series(1, x, pairs)) / _PI)


def _power_series(order: int, x: float, weights: Sequence[int] | None = None) -> Fraction:
    """sum over k of weight(k) (-1)^k (x/2)^(2k+order) / (k! (k+order)!) in fixed point; weights in 2**-256."""
    bits = _SCALE_BITS + max(0, -math.frexp(x)[1])  # small arguments need more bits to be relatively exact
    half = Fraction(abs(x)) / 2
    square = round(half * half * (1 << bits))
    term = round(half * (1 << bits)) if order else 1 << bits
    total, k = 0, 0
    while term:
        weighted = term if weights is None else term * weights[k] >> _SCALE_BITS
        total += -weighted if k % 2 else weighted
        k += 1
        term = (term * square >> bits) // (k * (k + order))
    return Fraction(-total if order and x < 0 else total, 1 << bits)


def _log_half(x: float) -> Fraction:
    """log(x/2) to about 32 digits: math.log and one correction by the exact residue."""
    first = math.log(x / 2)
    return Fraction(first) + Fraction(x) / 2 / _exponential(Fraction(first)) - 1


def _exponential(x: Fraction) -> Fraction:
    term, total, k = Fraction(1), Fraction(1), 0
    scale = 1 << 320
    while abs(term) * scale > 1:
        k += 1
        term = Fraction(round(term * x / k * scale), scale)
        total += term
    return total


def _harmonic_numbers(count: int) -> list[int]:
    numbers = [0]
    for k in range(1, count):
        numbers.append(numbers[-1] + (1 << _SCALE_BITS) // k)
    return numbers


def _asymptotic(order: int, x: float) -> tuple[float, float]:
    """(J, Y) for large x > 0 by Hankel's expansion."""
    mu = 4.0 * order * order
    p, q, term, k = 0.0, 0.0, 1.0, 0
    while abs(term) > 1e-19 and k < 60:
        sign = -1.0 if k % 4 >= 2 else 1.0
        if k % 2 == 0:
            p += sign * term
        else:
            q += sign * term
        k += 1
        following = term * (mu - (2 * k - 1) ** 2) / (k * 8 * x)
        if abs(following) >= abs(term):
            break
        term = following
    sine, cosine = math.sin(x), math.cos(x)
    # phase x - pi/4 (order 0) or x - 3 pi/4 (order 1), without rounding the phase
    c, s = (cosine + sine, sine - cosine) if order == 0 else (sine - cosine, -(sine + cosine))
    factor = 1 / math.sqrt(math.pi * x)
    return factor * (p * c - q * s), factor * (p * s + q * c)


def bessel_i0(x: float) -> float:
    """Modified Bessel function of the first kind, order 0; DLMF 10.25.2, 10.40.1."""
    return _bessel_i(0, abs(x))


def bessel_i1(x: float) -> float:
    """Modified Bessel function of the first kind, order 1."""
    return math.copysign(_bessel_i(1, abs(x)), x)


def _bessel_i(order: int, x: float) -> float:
    if math.isnan(x) or math.isinf(x):
        return x
    if x <= 30:
        term = total = x / 2 if order else 1.0
        k = 0
        while term > total * 1e-19:
            k += 1
            term *= x * x / 4 / (k * (k + order))
            total += term
        return total
    mu, term, total, k = 4.0 * order * order, 1.0, 1.0, 0
    while abs(term) > 1e-19 and k < 60:
        k += 1
        term *= -(mu - (2 * k - 1) ** 2) / (k * 8 * x)
        total += term
    if x > 720:
        return math.inf
    half = math.exp(x / 2)
    return half * (total / math.sqrt(2 * math.pi * x)) * half


# 60 digits, DLMF 3.12 and 5.2: the head and the tail of the series for Y cancel near its zeros
_PI = Fraction("3.14159265358979323846264338327950288419716939937510582097494")
_GAMMA = Fraction("0.577215664901532860606512090082402431042159335939923598805767")
_HARMONIC = _harmonic_numbers(200)
