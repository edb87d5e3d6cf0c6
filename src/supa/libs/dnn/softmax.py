"""Softmax and log-softmax, forward and backward: of rows that lie contiguously, one program a row, which it reads
whole; and of the middle axis of (outer, columns, inner), contiguous, a program's lines lying beside each other.

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


@triton.jit
def _beside(begin, columns, inner, BLOCK_C: tl.constexpr, BLOCK_I: tl.constexpr):
    """Places of the tile (BLOCK_C, BLOCK_I) of this program's lines that begins at column `begin`, and their mask."""
    blocks = tl.cdiv(inner, BLOCK_I)
    outer = tl.program_id(0) // blocks
    line = (tl.program_id(0) % blocks) * BLOCK_I + tl.arange(0, BLOCK_I)
    column = begin + tl.arange(0, BLOCK_C)
    start = outer.to(tl.int64) * columns * inner
    mask = (column < columns)[:, None] & (line < inner)[None, :]
    return start + (column.to(tl.int64) * inner)[:, None] + line[None, :], mask


@triton.jit
def softmax_beside(
    out_ptr, x_ptr, columns, inner, LOG: tl.constexpr, WHOLE: tl.constexpr, BLOCK_C: tl.constexpr,
    BLOCK_I: tl.constexpr,
):  # fmt: skip
    """out = softmax(x) or log_softmax(x) of the middle axis of (outer, columns, inner). WHOLE: a tile holds the lines;
    else they are read three times.
    """
    if WHOLE:
        at, mask = _beside(0, columns, inner, BLOCK_C, BLOCK_I)
        x = tl.load(x_ptr + at, mask=mask, other=float("-inf")).to(tl.float32)
        shifted = x - tl.max(x, axis=0)[None, :]
        powers = tl.exp(shifted)
        total = tl.sum(powers, axis=0)
        result = shifted - tl.log(total)[None, :] if LOG else powers / total[None, :]
        tl.store(out_ptr + at, result.to(out_ptr.dtype.element_ty), mask=mask)
    else:
        most = tl.full((BLOCK_I,), float("-inf"), tl.float32)
        for begin in range(0, columns, BLOCK_C):
            at, mask = _beside(begin, columns, inner, BLOCK_C, BLOCK_I)
            x = tl.load(x_ptr + at, mask=mask, other=float("-inf")).to(tl.float32)
            most = tl.maximum(most, tl.max(x, axis=0))
        total = tl.zeros((BLOCK_I,), tl.float32)
        for begin in range(0, columns, BLOCK_C):
            at, mask = _beside(begin, columns, inner, BLOCK_C, BLOCK_I)
            x = tl.load(x_ptr + at, mask=mask, other=float("-inf")).to(tl.float32)
            total += tl.sum(tl.exp(x - most[None, :]), axis=0)
        for begin in range(0, columns, BLOCK_C):
            at, mask = _beside(begin, columns, inner, BLOCK_C, BLOCK_I)
            shifted = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32) - most[None, :]
            result = shifted - tl.log(total)[None, :] if LOG else tl.exp(shifted) / total[None, :]
            tl.store(out_ptr + at, result.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def softmax_beside_backward(
    out_ptr, grad_ptr, y_ptr, columns, inner, LOG: tl.constexpr, WHOLE: tl.constexpr, BLOCK_C: tl.constexpr,
    BLOCK_I: tl.constexpr,
):  # fmt: skip
    """out = the gradient of x from that of y, as above; where no tile holds the lines they are read twice."""
    if WHOLE:
        at, mask = _beside(0, columns, inner, BLOCK_C, BLOCK_I)
        grad = tl.load(grad_ptr + at, mask=mask, other=0.0).to(tl.float32)
        y = tl.load(y_ptr + at, mask=mask, other=0.0).to(tl.float32)
        total = tl.sum(grad if LOG else grad * y, axis=0)
        result = grad - tl.exp(y) * total[None, :] if LOG else y * (grad - total[None, :])
        tl.store(out_ptr + at, result.to(out_ptr.dtype.element_ty), mask=mask)
    else:
        total = tl.zeros((BLOCK_I,), tl.float32)
        for begin in range(0, columns, BLOCK_C):
            at, mask = _beside(begin, columns, inner, BLOCK_C, BLOCK_I)
            grad = tl.load(grad_ptr + at, mask=mask, other=0.0).to(tl.float32)
            if LOG:
                total += tl.sum(grad, axis=0)
            else:
                total += tl.sum(grad * tl.load(y_ptr + at, mask=mask, other=0.0).to(tl.float32), axis=0)
        for begin in range(0, columns, BLOCK_C):
            at, mask = _beside(begin, columns, inner, BLOCK_C, BLOCK_I)
            grad = tl.load(grad_ptr + at, mask=mask, other=0.0).to(tl.float32)
            y = tl.load(y_ptr + at, mask=mask, other=0.0).to(tl.float32)
            result = grad - tl.exp(y) * total[None, :] if LOG else y * (grad - total[None, :])
            tl.store(out_ptr + at, result.to(out_ptr.dtype.element_ty), mask=mask)
