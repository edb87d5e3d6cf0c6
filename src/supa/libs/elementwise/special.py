"""Special functions that the device's own math library lacks: gamma's relatives, Bessel's scaled and modified ones.

For operations of the table, in fp32 or fp64. Sources: NIST's Digital Library of Mathematical Functions (DLMF), by
section. Not here: what `libdevice` has (erfcx, the normal distribution's inverse, J, Y, I0, I1).
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language.extra import libdevice

_LONGEST: tl.constexpr = tl.constexpr(2000)


@triton.jit
def digamma(x):
    """The logarithmic derivative of gamma: reflected, raised to at least 10, then Stirling's (DLMF 5.5.4, 5.11.2)."""
    reflected = x < 0
    y = tl.where(reflected, 1.0 - x, x)
    total = tl.zeros_like(x)
    for _ in range(10):
        low = y < 10.0
        total = tl.where(low, total - 1.0 / y, total)
        y = tl.where(low, y + 1.0, y)
    square = 1.0 / (y * y)
    series = 0.08333333333333333 * square - 0.021092796092796094
    series = 0.007575757575757576 + square * series
    series = 0.003968253968253968 + square * (square * series - 0.004166666666666667)
    series = square * (0.08333333333333333 + square * (square * series - 0.008333333333333333))
    found = total + tl.log(y) - 0.5 / y - series
    away = x - libdevice.rint(x)
    turned = found - 3.141592653589793 / libdevice.tan(3.141592653589793 * away)
    found = tl.where(reflected, tl.where(away == 0, float("nan"), turned), found)
    found = tl.where(x == 0, 0.0 - libdevice.copysign(tl.full(x.shape, float("inf"), x.dtype), x), found)
    return tl.where(x == float("inf"), x, tl.where(x == float("-inf"), float("nan"), found))


@triton.jit
def zeta(s, q):
    """Hurwitz's zeta: terms up to 9, then Euler's and Maclaurin's sum (DLMF 25.11.5)."""
    total = libdevice.pow(q, -s)
    w = q
    turn = 0
    while (turn < 9) | ((turn < 2000) & (tl.min(w) <= 9.0)):
        more = (turn < 9) | (w <= 9.0)
        w = tl.where(more, w + 1.0, w)
        total = tl.where(more, total + libdevice.pow(w, -s), total)
        turn += 1
    power = libdevice.pow(w, -s)
    found = total + power * w / (s - 1.0) - 0.5 * power
    inverse = 1.0 / (w * w)
    term = s * power / w  # times B2 / 2!, then B4 / 4! and so on: DLMF 24.2
    found += term * 0.08333333333333333
    term *= (s + 1.0) * (s + 2.0) * inverse
    found -= term * 0.001388888888888889
    term *= (s + 3.0) * (s + 4.0) * inverse
    found += term * 3.306878306878307e-05
    term *= (s + 5.0) * (s + 6.0) * inverse
    found -= term * 8.267195767195767e-07
    term *= (s + 7.0) * (s + 8.0) * inverse
    found += term * 2.08767569878681e-08
    term *= (s + 9.0) * (s + 10.0) * inverse
    found -= term * 5.284190138687493e-10
    term *= (s + 11.0) * (s + 12.0) * inverse
    found += term * 1.3382536530684679e-11
    found = tl.where(power == 0, total, found)
    refused = (s < 1.0) | ((q <= 0) & (s != tl.floor(s))) | (s != s) | (q != q)
    infinite = (s == 1.0) | ((q <= 0) & (q == tl.floor(q)))
    return tl.where(refused, float("nan"), tl.where(infinite, float("inf"), found))


@triton.jit
def trigamma(x):
    """The derivative of digamma (DLMF 5.15.3, 5.15.6)."""
    reflected = x < 0.5
    y = tl.where(reflected, 1.0 - x, x)
    found = zeta(tl.full(x.shape, 2.0, x.dtype), y)
    sine = tl.sin(3.141592653589793 * x)  # as torch has it: large, not infinite, at poles
    return tl.where(reflected, 9.869604401089358 / (sine * sine) - found, found)


@triton.jit
def polygamma(n, x):
    """The derivative of digamma of order n, from 2 on (DLMF 5.15.1 and 25.11.12)."""
    size = libdevice.tgamma(n + 1.0) * zeta(n + 1.0, x)
    half = n * 0.5
    return tl.where(half == tl.floor(half), -size, size)


@triton.jit
def _scaled_large(x, FOUR_SQUARES: tl.constexpr):
    """exp(-x) I(x) of an order of which that is four times the square, for x from 40 on (DLMF 10.40.1)."""
    term = tl.full(x.shape, 1.0, x.dtype)
    total = term
    for turn in tl.static_range(1, 12):
        odd = 2 * turn - 1
        term = term * (odd * odd - FOUR_SQUARES) / (8.0 * turn * x)
        total += term
    return total / tl.sqrt(6.283185307179586 * x)


@triton.jit
def scaled_i0(x):
    """exp(-abs(x)) I0(x)."""
    size = tl.abs(x)
    near = tl.minimum(size, 40.0)
    found = tl.exp(-near) * libdevice.cyl_bessel_i0(near)
    found = tl.where(size > 40.0, _scaled_large(tl.maximum(size, 40.0), 0), found)
    return tl.where(x != x, x, found)


@triton.jit
def scaled_i1(x):
    """exp(-abs(x)) I1(x)."""
    size = tl.abs(x)
    near = tl.minimum(size, 40.0)
    found = tl.exp(-near) * libdevice.cyl_bessel_i1(near)
    found = tl.where(size > 40.0, _scaled_large(tl.maximum(size, 40.0), 4), found)
    return tl.where(x != x, x, tl.where(x < 0, -found, found))


@triton.jit
def _scaled_k_large(x, ORDER: tl.constexpr):
    """exp(x) K(x) for x from 2 on: the trapezoidal rule, exponentially exact here (DLMF 10.32.9)."""
    total = tl.full(x.shape, 0.5, x.dtype)
    step = 0.36 / tl.sqrt(x)
    for turn in tl.static_range(1, 25):
        half = libdevice.sinh(0.5 * turn * step)
        part = tl.exp(-2.0 * x * half * half)
        total += part * (1.0 + 2.0 * half * half) if ORDER == 1 else part
    return step * total


@triton.jit
def _k_small(x, ORDER: tl.constexpr):
    """K(x) for x up to 2 by its series (DLMF 10.31.1)."""
    quarter = 0.25 * x * x
    term = tl.full(x.shape, 1.0, x.dtype)
    psi = tl.full(x.shape, -0.5772156649015329, x.dtype)
    logarithm = tl.log(0.5 * x)
    if ORDER == 0:
        total = psi - logarithm
        for turn in tl.static_range(1, 14):
            term = term * quarter / (turn * turn)
            psi += 1.0 / turn
            total += term * (psi - logarithm)
        return total
    total = tl.zeros_like(x)
    for turn in tl.static_range(0, 14):
        if turn > 0:
            term = term * quarter / (turn * (turn + 1))
            psi += 1.0 / turn
        total += term * (2.0 * logarithm - 2.0 * psi - 1.0 / (turn + 1))
    return 1.0 / x + 0.25 * x * total


@triton.jit
def _modified_k(x, ORDER: tl.constexpr, SCALED: tl.constexpr):
    near = _k_small(tl.minimum(x, 2.0), ORDER)
    far = _scaled_k_large(tl.maximum(x, 2.0), ORDER)
    if SCALED:
        near = near * tl.exp(tl.minimum(x, 2.0))
    else:
        far = far * tl.exp(-x)
    found = tl.where(x <= 2.0, near, tl.where(x == float("inf"), 0.0, far))
    return tl.where((x < 0) | (x != x), float("nan"), tl.where(x == 0, float("inf"), found))


@triton.jit
def modified_k0(x):
    """K0(x)."""
    return _modified_k(x, 0, False)


@triton.jit
def modified_k1(x):
    """K1(x)."""
    return _modified_k(x, 1, False)


@triton.jit
def scaled_k0(x):
    """exp(x) K0(x)."""
    return _modified_k(x, 0, True)


@triton.jit
def scaled_k1(x):
    """exp(x) K1(x)."""
    return _modified_k(x, 1, True)


@triton.jit
def log_ndtr(x):
    """The logarithm of the normal distribution."""
    low = tl.minimum(x, -1.0)
    tail = tl.log(0.5 * libdevice.erfcx(-0.7071067811865476 * low)) - 0.5 * low * low
    high = tl.maximum(x, -1.0)
    found = tl.where(x < -1.0, tail, libdevice.log1p(-0.5 * libdevice.erfc(0.7071067811865476 * high)))
    return tl.where(x != x, x, found)


@triton.jit
def _gamma_front(a, x):
    """x**a exp(-x) / gamma(a), by its logarithm; near x = a, for large a, by what is small there."""
    plain = tl.exp(a * tl.log(x) - x - libdevice.lgamma(a))
    large = tl.maximum(a, 8.0)
    away = (x - large) / large
    close = tl.exp(large * (libdevice.log1p(away) - away)) * tl.sqrt(large * 0.15915494309189535)
    inverse = 1.0 / (large * large)
    correction = 0.0008417508417508417 - inverse * 0.0019175269175269176  # Stirling's, DLMF 5.11.1
    correction = 0.0007936507936507937 - inverse * (0.0005952380952380953 - inverse * correction)
    correction = (0.08333333333333333 - inverse * (0.002777777777777778 - inverse * correction)) / large
    return tl.where(a >= 8.0, close * tl.exp(-correction), plain)


@triton.jit
def _lower_series(a, x, active):
    """The sum of x**n / (a (a + 1) .. (a + n)), times a (DLMF 8.11.4)."""
    term = tl.full(x.shape, 1.0, x.dtype)
    total = term
    turn = 0
    going = 1
    while (turn < _LONGEST) & (going > 0):
        turn += 1
        term = tl.where(active, term * x / (a + turn), 0.0)
        total += term
        going = tl.max((term > total * 1e-17).to(tl.int32))
    return total


@triton.jit
def _upper_fraction(a, x, active):
    """Legendre's continued fraction of the upper function without its front (DLMF 8.9.2), by Lentz's method."""
    tiny = 1e-30
    b = x + 1.0 - a
    c = tl.full(x.shape, 1e30, x.dtype)
    d = 1.0 / tl.where(tl.abs(b) < tiny, tiny, b)
    found = d
    turn = 0
    going = 1
    while (turn < _LONGEST) & (going > 0):
        turn += 1
        part = turn * (a - turn)
        b += 2.0
        d = part * d + b
        d = 1.0 / tl.where(tl.abs(d) < tiny, tiny, d)
        c = b + part / c
        c = tl.where(tl.abs(c) < tiny, tiny, c)
        step = tl.where(active, c * d, 1.0)
        found *= step
        going = tl.max((tl.abs(step - 1.0) > (1e-16 if x.dtype == tl.float64 else 1e-7)).to(tl.int32))
    return found


@triton.jit
def incomplete_gamma(a, x, UPPER: tl.constexpr):
    """The regularised incomplete gamma functions, lower (P) or upper (Q)."""
    inside = (a > 0) & (x > 0) & (a < float("inf")) & (x < float("inf"))
    below = x < a + 1.0
    safe_a, safe_x = tl.where(inside, a, 1.0), tl.where(inside, x, 1.0)
    front = _gamma_front(safe_a, safe_x)
    lower = front / safe_a * _lower_series(safe_a, safe_x, inside & below)
    upper = front * _upper_fraction(safe_a, tl.where(below, safe_a + 2.0, safe_x), inside & (below == 0))
    if UPPER:
        found = tl.where(below, 1.0 - lower, upper)
    else:
        found = tl.where(below, lower, 1.0 - upper)
    low = 1.0 if UPPER else 0.0
    found = tl.where(x == 0, low, found)
    found = tl.where(a == 0, 1.0 - low, found)
    found = tl.where(x == float("inf"), 1.0 - low, found)
    found = tl.where((a == float("inf")) & (x < float("inf")), low, found)
    refused = (a < 0) | (x < 0) | (a != a) | (x != x) | ((a == 0) & (x == 0))
    refused |= (a == float("inf")) & (x == float("inf"))
    return tl.where(refused, float("nan"), found)


@triton.jit
def greatest_divisor(x, y):
    """The greatest common divisor of whole numbers, by Euclid."""
    a, b = tl.abs(x), tl.abs(y)
    while tl.max((b != 0).to(tl.int32)) > 0:
        left = tl.where(b != 0, a % tl.where(b != 0, b, 1), b)
        a = tl.where(b != 0, b, a)
        b = left
    return a


@triton.jit
def least_multiple(x, y):
    """The least common multiple of whole numbers."""
    divisor = greatest_divisor(x, y)
    return tl.abs(x // tl.where(divisor == 0, 1, divisor) * y)
