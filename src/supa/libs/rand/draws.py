"""Numbers of a Philox generator: element i of a draw belongs to counter offset + i. Not here: the generator's state."""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit(do_not_specialize=["seed", "offset"])
def draw(out_ptr, n, a, b, seed: tl.int64, offset: tl.int64, KIND: tl.constexpr, BLOCK: tl.constexpr):
    """out[i]: KIND uniform in [a, b); normal, log_normal and cauchy of centre a and width b; exponential of rate a;
    bernoulli and geometric of probability a.
    """
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    if KIND == "normal" or KIND == "log_normal":
        x = a + b * tl.randn(seed, offset + index)
        if KIND == "log_normal":
            x = tl.exp(x)
    else:
        u = tl.rand(seed, offset + index)
        if KIND == "uniform":
            x = a + u * (b - a)
            x = tl.where(x >= b, a, x)
        elif KIND == "exponential":
            x = -libdevice.log1p(-u) / a
        elif KIND == "cauchy":
            x = a + b * libdevice.tan(3.141592653589793 * (u - 0.5))
        elif KIND == "geometric":
            x = tl.maximum(tl.ceil(libdevice.log1p(-u) / libdevice.log1p(tl.zeros((BLOCK,), tl.float32) - a)), 1.0)
        else:
            x = (u < a).to(tl.float32)
    tl.store(out_ptr + index, x.to(out_ptr.dtype.element_ty), mask=index < n)


@triton.jit
def _unit(high, low):
    """A number in [0, 1) of 53 random bits."""
    bits = (high.to(tl.uint32).to(tl.int64) << 21) ^ (low.to(tl.uint32).to(tl.int64) >> 11)
    return bits.to(tl.float64) * 1.1102230246251565e-16


@triton.jit(do_not_specialize=["seed", "offset"])
def draw_wide(
    out_ptr, n, a0, a1, a2, b0, b1, b2, seed: tl.int64, offset: tl.int64, KIND: tl.constexpr, BLOCK: tl.constexpr
):
    """The same in fp64; a and b are each the sum of three numbers in fp32."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    zero = tl.zeros((BLOCK,), tl.float32)
    a = (zero + a0).to(tl.float64) + (zero + a1).to(tl.float64) + (zero + a2).to(tl.float64)
    b = (zero + b0).to(tl.float64) + (zero + b1).to(tl.float64) + (zero + b2).to(tl.float64)
    first, second, third, fourth = tl.randint4x(seed, offset + index)
    u = _unit(first, second)
    if KIND == "normal" or KIND == "log_normal":
        x = a + b * tl.sqrt(-2.0 * libdevice.log1p(-u)) * tl.cos(6.283185307179586 * _unit(third, fourth))
        if KIND == "log_normal":
            x = tl.exp(x)
    elif KIND == "uniform":
        x = a + u * (b - a)
        x = tl.where(x >= b, a, x)
    elif KIND == "exponential":
        x = -libdevice.log1p(-u) / a
    elif KIND == "cauchy":
        x = a + b * libdevice.tan(3.141592653589793 * (u - 0.5))
    elif KIND == "geometric":
        x = tl.maximum(tl.ceil(libdevice.log1p(-u) / libdevice.log1p(-a)), 1.0)
    else:
        x = (u < a).to(tl.float64)
    tl.store(out_ptr + index, x.to(out_ptr.dtype.element_ty), mask=index < n)


@triton.jit(do_not_specialize=["seed", "offset"])
def chances(out_ptr, p_ptr, n, seed: tl.int64, offset: tl.int64, BLOCK: tl.constexpr):
    """out[i] = 1 with probability p[i], else 0."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    p = tl.load(p_ptr + index, mask=index < n, other=0.0).to(tl.float32)
    x = tl.rand(seed, offset + index) < p
    tl.store(out_ptr + index, x.to(out_ptr.dtype.element_ty), mask=index < n)


@triton.jit(do_not_specialize=["seed", "offset", "low", "span"])
def integers(out_ptr, n, low: tl.int64, span: tl.int64, seed: tl.int64, offset: tl.int64, BLOCK: tl.constexpr):
    """out[i] in [low, low + span), span below 2^62; 64 random bits each, so that the remainder's bias is negligible."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    first, second, _, _ = tl.randint4x(seed, offset + index)
    bits = (first.to(tl.uint32).to(tl.int64) << 31) ^ second.to(tl.uint32).to(tl.int64)
    x = low + (bits & 0x7FFFFFFFFFFFFFFF) % span
    tl.store(out_ptr + index, x.to(out_ptr.dtype.element_ty), mask=index < n)


@triton.jit(do_not_specialize=["seed", "offset"])
def dropout(out_ptr, kept_ptr, x_ptr, share, n, seed: tl.int64, offset: tl.int64, BLOCK: tl.constexpr):
    """Each element is dropped with probability `share`; the others are scaled up."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < n
    kept = tl.rand(seed, offset + index) >= share
    x = tl.load(x_ptr + index, mask=mask, other=0.0)
    if x.dtype != tl.float64:
        x = x.to(tl.float32)
    tl.store(out_ptr + index, tl.where(kept, x / (1.0 - share), 0.0).to(out_ptr.dtype.element_ty), mask=mask)
    tl.store(kept_ptr + index, kept, mask=mask)
