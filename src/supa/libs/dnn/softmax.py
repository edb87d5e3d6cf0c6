"""Softmax and log-softmax of rows that lie contiguously, forward and backward. One program a row, which it reads whole.

Arithmetic in fp32. Not here: other axes (the caller turns them).
"""

from __future__ import annotations

import triton
import triton.language as tl

LONGEST_ROW = 65536


@triton.jit
def softmax(out_ptr, x_ptr, columns, LOG: tl.constexpr, BLOCK: tl.constexpr):
    """out = softmax(x) or log_softmax(x), each (rows, columns)."""
    row = tl.program_id(0).to(tl.int64) * columns
    column = tl.arange(0, BLOCK)
    mask = column < columns
    x = tl.load(x_ptr + row + column, mask=mask, other=float("-inf")).to(tl.float32)
    shifted = x - tl.max(x, axis=0)
    powers = tl.exp(shifted)
    total = tl.sum(powers, axis=0)
    result = shifted - tl.log(total) if LOG else powers / total
    tl.store(out_ptr + row + column, result.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def softmax_backward(out_ptr, grad_ptr, y_ptr, columns, LOG: tl.constexpr, BLOCK: tl.constexpr):
    """out = the gradient of x from that of y = softmax(x) or log_softmax(x)."""
    row = tl.program_id(0).to(tl.int64) * columns
    column = tl.arange(0, BLOCK)
    mask = column < columns
    grad = tl.load(grad_ptr + row + column, mask=mask, other=0.0).to(tl.float32)
    y = tl.load(y_ptr + row + column, mask=mask, other=0.0).to(tl.float32)
    result = grad - tl.exp(y) * tl.sum(grad, axis=0) if LOG else y * (grad - tl.sum(grad * y, axis=0))
    tl.store(out_ptr + row + column, result.to(out_ptr.dtype.element_ty), mask=mask)
