"""One step of SGD and Adam on one parameter, in fp32, in place; torch's `fused` optimizers. Not here: other optimizers.

All tensors of a parameter lie alike; `n` elements.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def sgd(
    p_ptr, grad_ptr, momentum_ptr, n, decay, momentum, rate, damping, MOMENTUM: tl.constexpr, NESTEROV: tl.constexpr,
    FIRST: tl.constexpr, ASCENDS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """p -= rate * (grad + decay * p), or along its momentum. FIRST: there was none yet."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < n
    p = tl.load(p_ptr + index, mask=mask, other=0.0).to(tl.float32)
    grad = tl.load(grad_ptr + index, mask=mask, other=0.0).to(tl.float32)
    grad = (-grad if ASCENDS else grad) + decay * p
    if MOMENTUM:
        if FIRST:
            moving = grad
        else:
            moving = tl.load(momentum_ptr + index, mask=mask, other=0.0).to(tl.float32) * momentum
            moving += (1.0 - damping) * grad
        tl.store(momentum_ptr + index, moving.to(momentum_ptr.dtype.element_ty), mask=mask)
        grad = grad + momentum * moving if NESTEROV else moving
    tl.store(p_ptr + index, (p - rate * grad).to(p_ptr.dtype.element_ty), mask=mask)


@triton.jit
def adam(
    p_ptr, grad_ptr, mean_ptr, square_ptr, most_ptr, step_ptr, n, rate, beta1, beta2, decay, eps,
    DECOUPLED: tl.constexpr, AMSGRAD: tl.constexpr, ASCENDS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Adam, or with DECOUPLED AdamW; `step` is one value, counted from 1."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < n
    step = tl.load(step_ptr).to(tl.float32)
    p = tl.load(p_ptr + index, mask=mask, other=0.0).to(tl.float32)
    grad = tl.load(grad_ptr + index, mask=mask, other=0.0).to(tl.float32)
    grad = -grad if ASCENDS else grad
    if DECOUPLED:
        p -= rate * decay * p
    else:
        grad += decay * p
    mean = tl.load(mean_ptr + index, mask=mask, other=0.0).to(tl.float32)
    square = tl.load(square_ptr + index, mask=mask, other=0.0).to(tl.float32)
    mean += (1.0 - beta1) * (grad - mean)
    square = beta2 * square + (1.0 - beta2) * grad * grad
    tl.store(mean_ptr + index, mean.to(mean_ptr.dtype.element_ty), mask=mask)
    tl.store(square_ptr + index, square.to(square_ptr.dtype.element_ty), mask=mask)
    if AMSGRAD:
        square = tl.maximum(square, tl.load(most_ptr + index, mask=mask, other=0.0).to(tl.float32))
        tl.store(most_ptr + index, square.to(most_ptr.dtype.element_ty), mask=mask)
    first = 1.0 - tl.exp2(step * tl.log2(beta1))
    second = 1.0 - tl.exp2(step * tl.log2(beta2))
    away = tl.sqrt_rn(square) / tl.sqrt_rn(second) + eps
    tl.store(p_ptr + index, (p - rate / first * mean / away).to(p_ptr.dtype.element_ty), mask=mask)
