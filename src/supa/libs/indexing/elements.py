"""Elements by index: reading x[.., index, ..] and writing or adding there. Not here: which tensors these are.

All tensors are seen in one shape of five sizes (s0 is not needed), each with its strides, 0 where it is broadcast. An
index is along one place of memory: it counts steps of `step` elements in [0, size); with WRAPS negative ones count from
the end. An index outside stops the launch.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _place(at, s1, s2, s3, s4, p0, p1, p2, p3, p4):
    """The place of element number `at` of the shape in a tensor with strides p."""
    i4, left = at % s4, at // s4
    i3, left = left % s3, left // s3
    i2, left = left % s2, left // s2
    return (left // s1) * p0 + (left % s1) * p1 + i2 * p2 + i3 * p3 + i4 * p4


@triton.jit
def _checked(index_ptr, places, mask, size, WRAPS: tl.constexpr):
    index = tl.load(index_ptr + places, mask=mask, other=0).to(tl.int64)
    if WRAPS:
        index = tl.where(index < 0, index + size, index)
    tl.device_assert((index >= 0) & (index < size), "index out of bounds", mask=mask)
    return index


@triton.jit
def take(
    out_ptr, x_ptr, index_ptr, n, size, step, s1, s2, s3, s4, x0, x1, x2, x3, x4, i0, i1, i2, i3, i4,
    WRAPS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out[e] = x[place of e + index[e] * step], out in the shape's own order."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    index = _checked(index_ptr, _place(at, s1, s2, s3, s4, i0, i1, i2, i3, i4), mask, size, WRAPS)
    place = _place(at, s1, s2, s3, s4, x0, x1, x2, x3, x4) + index * step
    tl.store(out_ptr + at, tl.load(x_ptr + place, mask=mask), mask=mask)


@triton.jit
def take_rows(
    out_ptr, x_ptr, index_ptr, columns, size, step, s1, s2, s3, x0, x1, x2, x3, i0, i1, i2, i3, WRAPS: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """The same where whole rows of `columns` lie together and have one index. Grid: (rows, blocks of columns)."""
    row = tl.program_id(0).to(tl.int64)
    index = tl.load(index_ptr + _place(row, 1, s1, s2, s3, i0, 0, i1, i2, i3)).to(tl.int64)
    if WRAPS:
        index = tl.where(index < 0, index + size, index)
    tl.device_assert((index >= 0) & (index < size), "index out of bounds")
    place = x_ptr + _place(row, 1, s1, s2, s3, x0, 0, x1, x2, x3) + index * step
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(place + column, mask=column < columns)
    tl.store(out_ptr + row * columns + column, values, mask=column < columns)


@triton.jit
def put(
    out_ptr, x_ptr, index_ptr, n, size, step, s1, s2, s3, s4, o0, o1, o2, o3, o4, x0, x1, x2, x3, x4,
    i0, i1, i2, i3, i4, KIND: tl.constexpr, WRAPS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out[place of e + index[e] * step] = x[e], or its sum, largest or smallest with it (KIND: set, add, max, min)."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    index = _checked(index_ptr, _place(at, s1, s2, s3, s4, i0, i1, i2, i3, i4), mask, size, WRAPS)
    place = out_ptr + _place(at, s1, s2, s3, s4, o0, o1, o2, o3, o4) + index * step
    value = tl.load(x_ptr + _place(at, s1, s2, s3, s4, x0, x1, x2, x3, x4), mask=mask)
    value = value.to(out_ptr.dtype.element_ty)
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
    out_ptr, index_ptr, n, size, step, s1, s2, s3, s4, i0, i1, i2, i3, i4, ADDS: tl.constexpr, BLOCK: tl.constexpr
):
    """out[e] = (out[e] if ADDS) + index[e] * step in int64: the place that several indices mean together."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    index = _checked(index_ptr, _place(at, s1, s2, s3, s4, i0, i1, i2, i3, i4), mask, size, True) * step
    if ADDS:
        index += tl.load(out_ptr + at, mask=mask, other=0)
    tl.store(out_ptr + at, index, mask=mask)
