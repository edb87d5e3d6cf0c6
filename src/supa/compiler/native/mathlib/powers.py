"""Roots, powers and lengths."""

from __future__ import annotations

import math

from supa.compiler.native.mathlib.code import Code, Value
from supa.compiler.native.mathlib.registry import routine


@routine("rsqrt", "f32", "f64", inline=True)
def rsqrt(code: Code, x: Value) -> Value:
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
