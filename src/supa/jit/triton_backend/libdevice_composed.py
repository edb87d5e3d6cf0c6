"""The libdevice names that are combinations of Triton operations, written in Triton itself. Not here: the names that
are one scalar function (`libdevice`).

Conversions to integers saturate and give 0 for NaN, as the device's cast does.
"""

# mypy: disable-error-code="no-untyped-def"
# (Triton would take annotations for its own.)

from __future__ import annotations

import triton
import triton.language as tl
from triton.language.extra import libdevice as interface

_SMALLEST_INT32 = tl.constexpr(-(2**31))


@triton.jit
def to_float(x):
    """To fp32, to nearest even."""
    return x.to(tl.float32)


@triton.jit
def to_double(x):
    """To fp64, to nearest even."""
    return x.to(tl.float64)


@triton.jit
def saturatef(x):
    """Clamp to [0, 1]; NaN gives 0."""
    return tl.minimum(tl.maximum(x, 0.0), 1.0)


@triton.jit
def rcp_rn(x):
    """1/x, correctly rounded."""
    return 1.0 / x


@triton.jit
def rcp64h(x):
    """1/x of an fp64 with the low 32 bits cleared."""
    bits = (1.0 / x).to(tl.int64, bitcast=True)
    return ((bits >> 32) << 32).to(tl.float64, bitcast=True)


@triton.jit
def _sum_of_squares(a, b, c, d):
    """a power of two s, and the sum of the squares of the arguments times s, which neither overflows nor vanishes."""
    a, b, c, d = a.to(tl.float64), b.to(tl.float64), c.to(tl.float64), d.to(tl.float64)
    most = tl.maximum(tl.maximum(tl.abs(a), tl.abs(b)), tl.maximum(tl.abs(c), tl.abs(d)))
    scale = tl.where(most > 2.0**400, 2.0**-600, tl.where(most < 2.0**-400, 2.0**600, 1.0))
    a, b, c, d = a * scale, b * scale, c * scale, d * scale
    total = tl.fma(a, a, tl.fma(b, b, tl.fma(c, c, d * d)))
    return scale, tl.where(most == float("inf"), float("inf"), total)


@triton.jit
def norm3d(a, b, c):
    """sqrt(a^2 + b^2 + c^2) without undue overflow; infinite where one of them is."""
    return interface.norm4d(a, b, c, tl.zeros_like(a))


@triton.jit
def norm4d(a, b, c, d):
    """sqrt(a^2 + b^2 + c^2 + d^2) without undue overflow; infinite where one of them is."""
    scale, total = _sum_of_squares(a, b, c, d)
    return (interface.sqrt(total) / scale).to(a.dtype)


@triton.jit
def rnorm3d(a, b, c):
    """1 / norm3d(a, b, c)."""
    return interface.rnorm4d(a, b, c, tl.zeros_like(a))


@triton.jit
def rnorm4d(a, b, c, d):
    """1 / norm4d(a, b, c, d)."""
    scale, total = _sum_of_squares(a, b, c, d)
    return (scale / interface.sqrt(total)).to(a.dtype)


@triton.jit
def _bessel_j_number(n, x):
    """J of order n at a number x: upward from J0 and J1 where that is stable (n <= |x|), else downward from a high
    order at which J is negligible, normalised by J0 + 2 (J2 + J4 + ..) = 1.
    """
    order, size = n.to(tl.float64), tl.abs(x)
    value = size * 0.0
    if (order <= size) & (size < float("inf")):
        before, value = interface.j0(size), interface.j1(size)
        if n == 0:
            value = before
        k = 1
        while k < n:
            before, value = value, 2.0 * k / size * value - before
            k += 1
    elif (size > 0.0) & (order * tl.log(2.0 * order / (2.7182818284590452 * size)) < 800.0):
        start = 2 * ((n + 60 + tl.sqrt(60.0 * order).to(tl.int32)) // 2)
        above, here, total = size * 0.0, size * 0.0 + 1e-300, size * 0.0
        k = start
        while k > 0:
            above, here = here, 2.0 * k / size * here - above
            k -= 1
            if k == n:
                value = here
            if k % 2 == 0:
                total += tl.where(k == 0, here, 2.0 * here)
            if tl.abs(here) > 1e200:
                above, here, total, value = above * 1e-200, here * 1e-200, total * 1e-200, value * 1e-200
        value = value / total
    elif (size == 0.0) & (n == 0):
        value = size * 0.0 + 1.0
    value = tl.where((x < 0.0) & (n % 2 == 1), -value, value)
    return tl.where((n < 0) | (x != x), float("nan"), value)


@triton.jit
def _bessel_y_number(n, x):
    """Y of order n at a number x, upward from Y0 and Y1."""
    before, value = interface.y0(x), interface.y1(x)
    if n == 0:
        value = before
    k = 1
    while (k < n) & (value > -float("inf")):
        before, value = value, 2.0 * k / x * value - before
        k += 1
    return tl.where((n < 0) | (x < 0.0), float("nan"), tl.where(x == float("inf"), 0.0, value))


@triton.jit
def jn(n, x):
    """The Bessel function of the first kind of integer order; NaN for negative orders."""
    wide = x.to(tl.float64)
    if len(wide.shape) > 0:
        n = n + tl.zeros(wide.shape, tl.int32)
        value = tl.map_elementwise(_bessel_j_number, n, wide)
    else:
        value = _bessel_j_number(n, wide)
    return value.to(x.dtype)


@triton.jit
def yn(n, x):
    """The Bessel function of the second kind of integer order; NaN for negative orders."""
    wide = x.to(tl.float64)
    if len(wide.shape) > 0:
        n = n + tl.zeros(wide.shape, tl.int32)
        value = tl.map_elementwise(_bessel_y_number, n, wide)
    else:
        value = _bessel_y_number(n, wide)
    return value.to(x.dtype)


@triton.jit
def ilogb(x):
    """The binary exponent as int32: the smallest int32 for 0 and NaN, the largest for infinities."""
    return tl.where(x == x, interface.logb(x).to(tl.int32), _SMALLEST_INT32)


@triton.jit
def _power_of_two(exponent):
    return ((exponent.to(tl.int64) + 1023) << 52).to(tl.float64, bitcast=True)


@triton.jit
def ldexp(x, n):
    """x * 2^n rounded once: n is taken in three steps of which only the last can leave the normal numbers."""
    value = x.to(tl.float64)
    left = tl.minimum(tl.maximum(n, -3000), 3000)
    for _ in tl.static_range(2):
        step = tl.where(left > 1023, 1023, tl.where(left < -1022, -969, 0))
        value = value * _power_of_two(step)
        left = left - step
    left = tl.minimum(tl.maximum(left, -1022), 1023)
    return (value * _power_of_two(left)).to(x.dtype)


@triton.jit
def scalbn(x, n):
    """x * 2^n, as `ldexp`."""
    return interface.ldexp(x, n)


@triton.jit
def llrint(x):
    """To int64, to nearest even."""
    return interface.rint(x).to(tl.int64)


@triton.jit
def llround(x):
    """To int64, halves away from zero."""
    return interface.round(x).to(tl.int64)


@triton.jit
def hadd(a, b):
    """(a + b) / 2 rounded down, without overflow."""
    return (a & b) + ((a ^ b) >> 1)


@triton.jit
def rhadd(a, b):
    """(a + b + 1) / 2 rounded down, without overflow."""
    return (a | b) - ((a ^ b) >> 1)


@triton.jit
def mul24(a, b):
    """The low 32 bits of the product of the low 24 bits of a and b, signed or unsigned as they are."""
    return ((a << 8) >> 8) * ((b << 8) >> 8)


@triton.jit
def sad(a, b, c):
    """|a - b| + c in 32 bits."""
    return (tl.where(a > b, a - b, b - a) + c.to(a.dtype)).to(a.dtype)


@triton.jit
def byte_perm(a, b, selector):
    """Four bytes of the eight in a (0-3) and b (4-7), chosen by the low three bits of the selector's nibbles."""
    eight = (b.to(tl.uint32, bitcast=True).to(tl.uint64) << 32) | a.to(tl.uint32, bitcast=True).to(tl.uint64)
    result = (eight & 0).to(tl.uint32)
    for index in tl.static_range(4):
        chosen = ((selector >> (4 * index)) & 7).to(tl.uint64)
        result = result | (((eight >> (8 * chosen)) & 255) << (8 * index)).to(tl.uint32)
    return result.to(tl.int32, bitcast=True)


@triton.jit
def hiloint2double(high, low):
    """The fp64 of two int32 halves."""
    low = low.to(tl.uint32, bitcast=True).to(tl.int64)
    return ((high.to(tl.int64) << 32) | low).to(tl.float64, bitcast=True)


@triton.jit
def double2loint(x):
    """The low 32 bits of an fp64."""
    return x.to(tl.int64, bitcast=True).to(tl.int32)


@triton.jit
def double2hiint(x):
    """The high 32 bits of an fp64."""
    return (x.to(tl.int64, bitcast=True) >> 32).to(tl.int32)


@triton.jit
def int_as_float(x):
    """The same bits as fp32."""
    return x.to(tl.float32, bitcast=True)


@triton.jit
def float_as_int(x):
    """The same bits as int32."""
    return x.to(tl.int32, bitcast=True)


@triton.jit
def longlong_as_double(x):
    """The same bits as fp64."""
    return x.to(tl.float64, bitcast=True)


@triton.jit
def double_as_longlong(x):
    """The same bits as int64."""
    return x.to(tl.int64, bitcast=True)


@triton.jit
def _nearest_int32(x):
    return interface.rint(x).to(tl.int32)


@triton.jit
def _zero_int32(x):
    return x.to(tl.int32)


@triton.jit
def _down_int32(x):
    return interface.floor(x).to(tl.int32)


@triton.jit
def _up_int32(x):
    return interface.ceil(x).to(tl.int32)


@triton.jit
def _nearest_uint32(x):
    return interface.rint(x).to(tl.uint32).to(tl.int32, bitcast=True)


@triton.jit
def _zero_uint32(x):
    return x.to(tl.uint32).to(tl.int32, bitcast=True)


@triton.jit
def _down_uint32(x):
    return interface.floor(x).to(tl.uint32).to(tl.int32, bitcast=True)


@triton.jit
def _up_uint32(x):
    return interface.ceil(x).to(tl.uint32).to(tl.int32, bitcast=True)


@triton.jit
def _nearest_int64(x):
    return interface.rint(x).to(tl.int64)


@triton.jit
def _zero_int64(x):
    return x.to(tl.int64)


@triton.jit
def _down_int64(x):
    return interface.floor(x).to(tl.int64)


@triton.jit
def _up_int64(x):
    return interface.ceil(x).to(tl.int64)


@triton.jit
def _nearest_uint64(x):
    return interface.rint(x).to(tl.uint64).to(tl.int64, bitcast=True)


@triton.jit
def _zero_uint64(x):
    return x.to(tl.uint64).to(tl.int64, bitcast=True)


@triton.jit
def _down_uint64(x):
    return interface.floor(x).to(tl.uint64).to(tl.int64, bitcast=True)


@triton.jit
def _up_uint64(x):
    return interface.ceil(x).to(tl.uint64).to(tl.int64, bitcast=True)


uint_as_float, float_as_uint = int_as_float, float_as_int
float2int_rn = double2int_rn = _nearest_int32
float2int_rz = double2int_rz = _zero_int32
float2int_rd = double2int_rd = _down_int32
float2int_ru = double2int_ru = _up_int32
float2uint_rn = double2uint_rn = _nearest_uint32
float2uint_rz = double2uint_rz = _zero_uint32
float2uint_rd = double2uint_rd = _down_uint32
float2uint_ru = double2uint_ru = _up_uint32
float2ll_rn = double2ll_rn = _nearest_int64
float2ll_rz = double2ll_rz = _zero_int64
float2ll_rd = double2ll_rd = _down_int64
float2ll_ru = double2ll_ru = _up_int64
float2ull_rn = double2ull_rn = _nearest_uint64
float2ull_rz = double2ull_rz = _zero_uint64
float2ull_rd = double2ull_rd = _down_uint64
float2ull_ru = double2ull_ru = _up_uint64
