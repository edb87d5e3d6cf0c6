"""Every elementwise operation as one expression over its operands. Not here: their kernels (`pointwise`).

Operands are x, y, z in the order of torch's arguments, numbers s, t. Kinds: `float` computes in fp32 and gives a
float; `same` computes in the promoted type; `bool` compares in the promoted type; `bits` takes integers and booleans.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["float", "same", "bool", "bits"]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`expression` in Triton's language over x, y, z (`arity` of them) and the numbers s, t (`numbers` of them)."""

    name: str
    kind: Kind
    arity: int
    numbers: int
    expression: str


def _table(kind: Kind, arity: int, numbers: int, rows: dict[str, str]) -> dict[str, Operation]:
    return {
        name: Operation(name=name, kind=kind, arity=arity, numbers=numbers, expression=expression)
        for name, expression in rows.items()
    }


_SIGMOID = "1.0 / (1.0 + tl.exp(-{0}))"
_GELU_TANH = "0.7978845608028654 * ({0} + 0.044715 * {0} * {0} * {0})"

OPERATIONS: dict[str, Operation] = {
    **_table("float", 1, 0, {
        "exp": "tl.exp(x)", "exp2": "tl.exp2(x)", "expm1": "libdevice.expm1(x)", "log": "tl.log(x)",
        "log2": "tl.log2(x)", "log10": "libdevice.log10(x)", "log1p": "libdevice.log1p(x)", "sqrt": "root(x)",
        "rsqrt": "1.0 / root(x)", "sin": "tl.sin(x)", "cos": "tl.cos(x)", "tan": "libdevice.tan(x)",
        "asin": "libdevice.asin(x)", "acos": "libdevice.acos(x)", "atan": "libdevice.atan(x)",
        "sinh": "libdevice.sinh(x)", "cosh": "libdevice.cosh(x)", "tanh": "libdevice.tanh(x)",
        "erf": "tl.erf(x)", "erfc": "libdevice.erfc(x)", "sigmoid": _SIGMOID.format("x"), "reciprocal": "1.0 / x",
        "asinh": "libdevice.asinh(x)", "acosh": "libdevice.acosh(x)", "atanh": "libdevice.atanh(x)",
        "erfinv": "libdevice.erfinv(x)", "lgamma": "libdevice.lgamma(x)",
        "silu": "x / (1.0 + tl.exp(-x))",
        "gelu": "0.5 * x * (1.0 + tl.erf(x * 0.7071067811865476))",
        "gelu_tanh": f"0.5 * x * (1.0 + libdevice.tanh({_GELU_TANH.format('x')}))",
        "mish": "x * libdevice.tanh(tl.where(x > 20.0, x, libdevice.log1p(tl.exp(x))))",
        "hardswish": "x * tl.minimum(tl.maximum(x + 3.0, 0.0), 6.0) / 6.0",
        "hardsigmoid": "tl.minimum(tl.maximum(x + 3.0, 0.0), 6.0) / 6.0",
    }),
    **_table("float", 1, 0, {
        "digamma": "digamma(x)", "trigamma": "trigamma(x)", "i0": "libdevice.cyl_bessel_i0(x)",
        "special_i0e": "scaled_i0(x)", "special_i1": "libdevice.cyl_bessel_i1(x)", "special_i1e": "scaled_i1(x)",
        "special_modified_bessel_i0": "libdevice.cyl_bessel_i0(x)", "special_bessel_j0": "libdevice.j0(x)",
        "special_modified_bessel_i1": "libdevice.cyl_bessel_i1(x)", "special_bessel_j1": "libdevice.j1(x)",
        "special_bessel_y0": "libdevice.y0(x)", "special_bessel_y1": "libdevice.y1(x)",
        "special_modified_bessel_k0": "modified_k0(x)", "special_modified_bessel_k1": "modified_k1(x)",
        "special_scaled_modified_bessel_k0": "scaled_k0(x)", "special_scaled_modified_bessel_k1": "scaled_k1(x)",
        "special_erfcx": "libdevice.erfcx(x)", "special_log_ndtr": "log_ndtr(x)",
        "special_ndtri": "libdevice.normcdfinv(x)",
        "special_spherical_bessel_j0": "tl.where(tl.abs(x) == float('inf'), 0.0, tl.where(tl.abs(x) < 0.03125,"
                                       " 1.0 - x * x * (1.0 - 0.05 * x * x) / 6.0, tl.sin(x) / x))",
    }),
    **_table("float", 1, 1, {"polygamma": "polygamma(s, x)"}),
    **_table("float", 2, 0, {
        "igamma": "incomplete_gamma(x, y, False)", "igammac": "incomplete_gamma(x, y, True)",
        "special_zeta": "zeta(x, y)",
    }),
    **_table("bits", 2, 0, {"gcd": "greatest_divisor(x, y)", "lcm": "least_multiple(x, y)"}),
    **_table("same", 1, 0, {
        "neg": "-x", "abs": "tl.abs(x)", "relu": "tl.where(x < 0, x * 0, x)", "copy": "x",
        "sign": "(x > 0).to(COMPUTE) - (x < 0).to(COMPUTE)",
    }),
    **_table("float", 1, 0, {
        "floor": "tl.floor(x)", "ceil": "tl.ceil(x)", "trunc": "libdevice.trunc(x)", "round": "libdevice.rint(x)",
    }),
    **_table("same", 1, 2, {"clamp": "tl.where(x != x, x, tl.minimum(tl.maximum(x, s), t))"}),
    **_table("float", 1, 1, {
        "leaky_relu": "tl.where(x > 0, x, x * s)", "power": "libdevice.pow(x, s)",
    }),
    **_table("float", 1, 2, {"softplus": "tl.where(x * s > t, x, libdevice.log1p(tl.exp(x * s)) / s)"}),
    **_table("same", 2, 0, {
        "mul": "x * y", "maximum": "tl.where((x != x) | (x > y), x, y)",
        "minimum": "tl.where((x != x) | (x < y), x, y)",
    }),
    **_table("same", 2, 1, {"add": "x + s * y", "sub": "x - s * y"}),
    **_table("float", 2, 0, {"div": "divide(x, y)", "pow": "libdevice.pow(x, y)", "atan2": "libdevice.atan2(x, y)"}),
    **_table("bool", 2, 0, {
        "eq": "x == y", "ne": "x != y", "lt": "x < y", "le": "x <= y", "gt": "x > y", "ge": "x >= y",
    }),
    **_table("bool", 1, 0, {"logical_not": "x == 0", "isnan": "x != x", "signbit": "libdevice.signbit(x) != 0"
                            " if COMPUTE == tl.float32 or COMPUTE == tl.float64 else x < 0"}),
    **_table("bits", 1, 0, {"bitwise_not": "x ^ True if COMPUTE == tl.int1 else ~x"}),
    **_table("bool", 2, 0, {
        "logical_and": "(x != 0) & (y != 0)", "logical_or": "(x != 0) | (y != 0)",
        "logical_xor": "(x != 0) != (y != 0)",
    }),
    **_table("same", 2, 0, {
        "whole_power": "whole_power(x, y)", "fmod": "remainder_towards_zero(x, y)",
        "remainder": "remainder_of_floor(x, y)",
        "floor_divide": "quotient_of_floor(x, y)", "trunc_divide": "quotient_towards_zero(x, y)",
        "fmax": "tl.where((y != y) | (x > y), x, y)", "fmin": "tl.where((y != y) | (x < y), x, y)",
    }),
    **_table("float", 2, 0, {
        "hypot": "libdevice.hypot(x, y)", "copysign": "libdevice.copysign(x, y)",
        "nextafter": "libdevice.nextafter(x, y)", "div_trunc": "quotient_towards_zero(x, y)",
    }),
    **_table("bits", 2, 0, {"left_shift": "x << y", "right_shift": "x >> y"}),
    **_table("bits", 2, 0, {"bitwise_and": "x & y", "bitwise_or": "x | y", "bitwise_xor": "x ^ y"}),
    **_table("float", 2, 0, {  # gradient first, as torch's backward operators have it
        "sigmoid_backward": "x * y * (1.0 - y)", "tanh_backward": "x * (1.0 - y * y)",
        "silu_backward": f"x * (({_SIGMOID.format('y')}) * (1.0 + y * (1.0 - {_SIGMOID.format('y')})))",
        "gelu_backward": "x * (0.5 * (1.0 + tl.erf(y * 0.7071067811865476))"
                         " + y * 0.3989422804014327 * tl.exp(-0.5 * y * y))",
        "gelu_tanh_backward": f"x * (0.5 * (1.0 + libdevice.tanh({_GELU_TANH.format('y')})) + 0.5 * y * (1.0 -"
                              f" libdevice.tanh({_GELU_TANH.format('y')}) * libdevice.tanh({_GELU_TANH.format('y')}))"
                              " * 0.7978845608028654 * (1.0 + 3.0 * 0.044715 * y * y))",
    }),
    **_table("float", 2, 1, {
        "shrink_backward": "tl.where((y >= -s) & (y <= s), 0.0, x)", "threshold_backward": "tl.where(y <= s, 0.0, x)",
        "leaky_relu_backward": "tl.where(y > 0, x, x * s)",
        "lerp": "tl.where(tl.abs(s) < 0.5, x + s * (y - x), y - (y - x) * (1.0 - s))",
    }),
    **_table("same", 3, 1, {"addcmul": "x + s * y * z"}),
    **_table("float", 3, 1, {"addcdiv": "x + s * divide(y, z)"}),
    **_table("same", 3, 0, {"where": "tl.where(x != 0, y, z)"}),
    **_table("float", 2, 1, {"kept": "tl.where(y != 0, x * s, 0.0)"}),
    **_table("same", 2, 1, {"masked_fill": "tl.where(y != 0, s, x)"}),
}  # fmt: skip
"""Name -> operation."""
