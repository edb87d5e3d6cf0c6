"""Elements by where they are: other orders of memory, triangles, counting. Not here: indices in memory (`elements`)."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def walk(out_ptr, x_ptr, rows, columns, s1, s2, p0, p1, p2, p3, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr):
    """out (s0, s1, s2, columns), contiguous, from x with strides p of any sign; rows = s0 * s1 * s2."""
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    column = tl.program_id(1).to(tl.int64) * BLOCK_C + tl.arange(0, BLOCK_C)
    mask = (row < rows)[:, None] & (column < columns)[None, :]
    left = row // s2
    place = (left // s1) * p0 + (left % s1) * p1 + (row % s2) * p2
    x = tl.load(x_ptr + place[:, None] + (column * p3)[None, :], mask=mask)
    tl.store(out_ptr + row[:, None] * columns + column[None, :], x, mask=mask)


@triton.jit
def triangle(out_ptr, x_ptr, n, rows, columns, diagonal, UPPER: tl.constexpr, BLOCK: tl.constexpr):
    """out: x's lower triangles up to a diagonal, or with UPPER the upper ones from it on; 0 elsewhere."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    away = at % columns - (at // columns) % rows
    kept = away >= diagonal if UPPER else away <= diagonal
    x = tl.load(x_ptr + at, mask=(at < n) & kept, other=0)
    tl.store(out_ptr + at, x, mask=at < n)


@triton.jit
def count_up(out_ptr, start0, start1, start2, step0, step1, step2, n, COMPUTE: tl.constexpr, BLOCK: tl.constexpr):
    """out[e] = start + e * step, each the sum of three numbers."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    zero = tl.zeros((BLOCK,), tl.float32)
    start = (zero + start0).to(COMPUTE) + (zero + start1).to(COMPUTE) + (zero + start2).to(COMPUTE)
    step = (zero + step0).to(COMPUTE) + (zero + step1).to(COMPUTE) + (zero + step2).to(COMPUTE)
    tl.store(out_ptr + at, (start + at.to(COMPUTE) * step).to(out_ptr.dtype.element_ty), mask=at < n)
