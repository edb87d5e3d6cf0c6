"""Sums of rows by index, and fills. Not here: other ways of indexing (`indexing`)."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def add_rows(out_ptr, grad_ptr, index_ptr, rows, columns, skipped, BLOCK: tl.constexpr):
    """out[index[i]] += grad[i], unless index[i] is `skipped`; an index outside of the rows stops the launch."""
    number = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    index = tl.load(index_ptr + number).to(tl.int64)
    tl.device_assert((index == skipped) | ((index >= 0) & (index < rows)), "index out of bounds")
    grad = tl.load(grad_ptr + number * columns + column, mask=column < columns, other=0.0).to(tl.float32)
    tl.atomic_add(out_ptr + index * columns + column, grad, mask=(column < columns) & (index != skipped))


@triton.jit
def fill(out_ptr, value, n, BLOCK: tl.constexpr):
    """out[:n] = value."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out_ptr + index, tl.full((BLOCK,), value, tl.float32).to(out_ptr.dtype.element_ty), mask=index < n)
