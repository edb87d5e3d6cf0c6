"""The product of complex numbers, each a pair of real ones side by side. Not here: sums and products with real numbers,
which are those of the parts (`pointwise`), other functions, which are composed (`frameworks`).

A lane holds one part of one pair and finds the other part beside it: every load is of neighbours. Loads of all real
parts, then of all imaginary ones, take every second element; they cost more than twice as much on hosts.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _parts(at, column, mask, ends, BESIDE: tl.constexpr, CONJUGATE: tl.constexpr, COMPUTE: tl.constexpr):
    """Both parts of each lane's number; the numbers of a row lie side by side, or are one where not BESIDE."""
    if BESIDE:
        own = tl.load(at + column, mask=mask).to(COMPUTE)
        after = tl.load(at + column + 1, mask=mask & (column < ends)).to(COMPUTE)
        before = tl.load(at + column - 1, mask=mask & (column > 0)).to(COMPUTE)
        even = column % 2 == 0
        real, imaginary = tl.where(even, own, before), tl.where(even, after, own)
    else:
        real = tl.load(at + column * 0, mask=mask).to(COMPUTE)
        imaginary = tl.load(at + column * 0 + 1, mask=mask).to(COMPUTE)
    return real, -imaginary if CONJUGATE else imaginary


@triton.jit
def product(
    out_ptr, x_ptr, y_ptr, rows, columns, size1, size2, size3, out_r0, out_r1, out_r2, out_r3, x_r0, x_r1, x_r2, x_r3,
    y_r0, y_r1, y_r2, y_r3, BESIDE_X: tl.constexpr, BESIDE_Y: tl.constexpr, CONJUGATE_X: tl.constexpr,
    CONJUGATE_Y: tl.constexpr, LOOPS: tl.constexpr, COMPUTE: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """out = x * y of rows of pairs: `columns` is twice their number, strides of the LOOPS row loops (outermost
    first, `size0` is what is left) are in real numbers, 0 where one is broadcast.
    """
    blocks = tl.cdiv(columns, BLOCK_C)
    row = (tl.program_id(0) // blocks).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    column = ((tl.program_id(0) % blocks).to(tl.int64) * BLOCK_C + tl.arange(0, BLOCK_C))[None, :]
    mask = (row < rows)[:, None] & (column < columns)
    left = row
    i1, i2, i3 = left * 0, left * 0, left * 0
    if LOOPS > 3:
        i3 = left % size3
        left = left // size3
    if LOOPS > 2:
        i2 = left % size2
        left = left // size2
    if LOOPS > 1:
        i1 = left % size1
        left = left // size1
    i0 = left
    x_at = x_ptr + (i0 * x_r0 + i1 * x_r1 + i2 * x_r2 + i3 * x_r3)[:, None]
    y_at = y_ptr + (i0 * y_r0 + i1 * y_r1 + i2 * y_r2 + i3 * y_r3)[:, None]
    a, b = _parts(x_at, column, mask, columns - 1, BESIDE_X, CONJUGATE_X, COMPUTE)
    c, d = _parts(y_at, column, mask, columns - 1, BESIDE_Y, CONJUGATE_Y, COMPUTE)
    found = tl.where(column % 2 == 0, a * c - b * d, a * d + b * c)
    out_at = out_ptr + (i0 * out_r0 + i1 * out_r1 + i2 * out_r2 + i3 * out_r3)[:, None]
    tl.store(out_at + column, found.to(out_ptr.dtype.element_ty), mask=mask)
