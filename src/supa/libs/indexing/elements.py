"""Elements by index: reading x[.., index, ..] and writing or adding there. Not here: which tensors these are.

All tensors are seen in one shape of rows and columns, rows of four sizes (s0 is not needed), each tensor with its
strides, 0 where it is broadcast; programs take BLOCK_R rows and BLOCK_C columns of them. An index is along one place
of memory: it counts steps of `step` elements in [0, size); with WRAPS negative ones count from the end. With SHARED a
row's elements have one index. An index outside stops the launch.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _place(at, s1, s2, s3, p0, p1, p2, p3):
    """The place of row number `at` of the shape in a tensor with strides p."""
    i3, left = at % s3, at // s3
    i2, left = left % s2, left // s2
    return (left // s1) * p0 + (left % s1) * p1 + i2 * p2 + i3 * p3


@triton.jit
def _tile(rows, columns, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr):
    """Rows, columns and what is inside of a program's tile. Its number counts along the rows first."""
    blocks = tl.cdiv(columns, BLOCK_C)
    row = (tl.program_id(0) // blocks).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    column = (tl.program_id(0) % blocks).to(tl.int64) * BLOCK_C + tl.arange(0, BLOCK_C)
    return row, column, (row < rows)[:, None] & (column < columns)[None, :]


@triton.jit
def _checked(index_ptr, places, mask, size, WRAPS: tl.constexpr):
    index = tl.load(index_ptr + places, mask=mask, other=0).to(tl.int64)
    if WRAPS:
        index = tl.where(index < 0, index + size, index)
    tl.device_assert((index >= 0) & (index < size), "index out of bounds", mask=mask)
    return index


@triton.jit
def _index(
    index_ptr, row, column, mask, rows, size, s1, s2, s3, i0, i1, i2, i3, ic, SHARED: tl.constexpr, WRAPS: tl.constexpr
):  # fmt: skip
    """The index of each element, or with SHARED of each row."""
    place = _place(row, s1, s2, s3, i0, i1, i2, i3)[:, None]
    if SHARED:
        index = _checked(index_ptr, place, (row < rows)[:, None], size, WRAPS)
    else:
        index = _checked(index_ptr, place + (column * ic)[None, :], mask, size, WRAPS)
    return index


@triton.jit
def take(
    out_ptr, x_ptr, index_ptr, rows, columns, size, step, s1, s2, s3, x0, x1, x2, x3, xc, i0, i1, i2, i3, ic,
    SHARED: tl.constexpr, WRAPS: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """out[e] = x[place of e + index[e] * step], out in the shape's own order."""
    row, column, mask = _tile(rows, columns, BLOCK_R, BLOCK_C)
    index = _index(index_ptr, row, column, mask, rows, size, s1, s2, s3, i0, i1, i2, i3, ic, SHARED, WRAPS)
    place = x_ptr + _place(row, s1, s2, s3, x0, x1, x2, x3)[:, None] + index * step + (column * xc)[None, :]
    tl.store(out_ptr + row[:, None] * columns + column[None, :], tl.load(place, mask=mask), mask=mask)


@triton.jit
def put(
    out_ptr, x_ptr, index_ptr, rows, columns, size, step, s1, s2, s3, o0, o1, o2, o3, oc, x0, x1, x2, x3, xc,
    i0, i1, i2, i3, ic, KIND: tl.constexpr, SHARED: tl.constexpr, WRAPS: tl.constexpr, BLOCK_R: tl.constexpr,
    BLOCK_C: tl.constexpr,
):  # fmt: skip
    """out[place of e + index[e] * step] = x[e], or its sum, largest or smallest with it (KIND: set, add, max, min)."""
    row, column, mask = _tile(rows, columns, BLOCK_R, BLOCK_C)
    index = _index(index_ptr, row, column, mask, rows, size, s1, s2, s3, i0, i1, i2, i3, ic, SHARED, WRAPS)
    place = out_ptr + _place(row, s1, s2, s3, o0, o1, o2, o3)[:, None] + index * step + (column * oc)[None, :]
    source = x_ptr + _place(row, s1, s2, s3, x0, x1, x2, x3)[:, None] + (column * xc)[None, :]
    value = tl.load(source, mask=mask).to(out_ptr.dtype.element_ty)
    if KIND == "add":
        tl.atomic_add(place, value, mask=mask)
    elif KIND == "max":
        tl.atomic_max(place, value, mask=mask)
    elif KIND == "min":
        tl.atomic_min(place, value, mask=mask)
    else:
        tl.store(place, value, mask=mask)


@triton.jit
def combine(
    out_ptr, index_ptr, rows, columns, size, step, s1, s2, s3, i0, i1, i2, i3, ic, ADDS: tl.constexpr,
    BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """out[e] = (out[e] if ADDS) + index[e] * step in int64: the place that several indices mean together."""
    row, column, mask = _tile(rows, columns, BLOCK_R, BLOCK_C)
    index = _index(index_ptr, row, column, mask, rows, size, s1, s2, s3, i0, i1, i2, i3, ic, False, True) * step
    at = out_ptr + row[:, None] * columns + column[None, :]
    if ADDS:
        index += tl.load(at, mask=mask, other=0)
    tl.store(at, index, mask=mask)
