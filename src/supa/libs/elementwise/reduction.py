"""Reductions of rows: sums, products, extremes, and sums of what is made of each element. Not here: which axes of a
tensor are rows (`frameworks`), extremes with their place (`indexing.lines`).

A row's place is (row // inner) * outer_stride + (row % inner) * inner_stride; its elements are `step` apart. Programs
take BLOCK_R rows each, and of their columns the part [split * chunk, (split + 1) * chunk). COMPUTE is the type that is
reduced in: fp32, fp64 or int64; `scale` is a number in fp32 for the sums of floats.

KIND: sum, prod, max, min; any and all, as extremes of 0 and 1; of sums: abs, square, count (of what is not 0).
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _times(a, b):
    return a * b


@triton.jit
def _start(KIND: tl.constexpr, COMPUTE: tl.constexpr):
    if KIND == "prod" or KIND == "all":
        return tl.full((), 1, COMPUTE)
    if KIND == "max":
        return (
            tl.full((), -9223372036854775808, COMPUTE) if tl.int64 == COMPUTE else tl.full((), float("-inf"), COMPUTE)
        )
    if KIND == "min":
        return tl.full((), 9223372036854775807, COMPUTE) if tl.int64 == COMPUTE else tl.full((), float("inf"), COMPUTE)
    return tl.full((), 0, COMPUTE)


@triton.jit
def _larger(a, b):
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _smaller(a, b):
    return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _of_tile(x, mask, AXIS: tl.constexpr, KIND: tl.constexpr, COMPUTE: tl.constexpr):
    """One tile reduced along an axis; what its mask cuts off was loaded as 0."""
    if KIND == "count" or KIND == "any" or KIND == "all":
        x = (x != 0).to(COMPUTE)  # asked before a fraction becomes a whole number
    else:
        x = x.to(COMPUTE)
    if KIND == "abs":
        x = tl.abs(x)
    elif KIND == "square":
        x = x * x
    if KIND == "prod" or KIND == "max" or KIND == "min" or KIND == "all":
        x = tl.where(mask, x, _start(KIND, COMPUTE))
    if KIND == "prod":
        return tl.reduce(x, AXIS, _times)
    if KIND == "max" or KIND == "any":
        return tl.reduce(x, AXIS, _larger)
    if KIND == "min" or KIND == "all":
        return tl.reduce(x, AXIS, _smaller)
    return tl.sum(x, axis=AXIS)


@triton.jit
def _joined(a, b, KIND: tl.constexpr):
    """Two partial results together."""
    if KIND == "prod":
        return a * b
    if KIND == "max" or KIND == "any":
        return _larger(a, b)
    if KIND == "min" or KIND == "all":
        return _smaller(a, b)
    return a + b


@triton.jit
def _finished(result, scale, ROOT: tl.constexpr):
    if result.dtype.is_floating():
        result = result * scale
    return tl.sqrt(result) if ROOT else result


@triton.jit
def reduce_rows(
    out_ptr, x_ptr, rows, columns, inner, outer_stride, inner_stride, step, chunk, scale,
    KIND: tl.constexpr, ROOT: tl.constexpr, COMPUTE: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """out[split, row] = scale * reduction of the row's part; elements of a row lie close. With ROOT,
    its square root. Columns count from the part's first, in 32 bits.
    """
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    first = tl.program_id(1).to(tl.int64) * chunk
    count = tl.minimum(chunk, columns - first).to(tl.int32)
    places = x_ptr + ((row // inner) * outer_stride + (row % inner) * inner_stride + first * step)[:, None]
    found = tl.zeros((BLOCK_R,), COMPUTE) + _start(KIND, COMPUTE)
    for begin in range(0, count, BLOCK_C):
        column = begin + tl.arange(0, BLOCK_C)
        mask = (row < rows)[:, None] & (column < count)[None, :]
        x = tl.load(places + (column.to(tl.int64) * step)[None, :], mask=mask, other=0)
        found = _joined(found, _of_tile(x, mask, 1, KIND, COMPUTE), KIND)
    result = _finished(found, scale, ROOT)
    tl.store(out_ptr + tl.program_id(1) * rows + row, result.to(out_ptr.dtype.element_ty), mask=row < rows)


@triton.jit
def reduce_columns(
    out_ptr, x_ptr, rows, columns, inner, outer_stride, inner_stride, step, chunk, scale,
    KIND: tl.constexpr, ROOT: tl.constexpr, COMPUTE: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """The same where neighbouring rows lie close: the tile is turned."""
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    first = tl.program_id(1).to(tl.int64) * chunk
    count = tl.minimum(chunk, columns - first).to(tl.int32)
    places = x_ptr + ((row // inner) * outer_stride + (row % inner) * inner_stride + first * step)[None, :]
    found = tl.zeros((BLOCK_R,), COMPUTE) + _start(KIND, COMPUTE)
    for begin in range(0, count, BLOCK_C):
        column = begin + tl.arange(0, BLOCK_C)
        mask = (row < rows)[None, :] & (column < count)[:, None]
        x = tl.load(places + (column.to(tl.int64) * step)[:, None], mask=mask, other=0)
        found = _joined(found, _of_tile(x, mask, 0, KIND, COMPUTE), KIND)
    result = _finished(found, scale, ROOT)
    tl.store(out_ptr + tl.program_id(1) * rows + row, result.to(out_ptr.dtype.element_ty), mask=row < rows)


@triton.jit
def variance(
    var_ptr, mean_ptr, x_ptr, rows, columns, correction, MEAN: tl.constexpr, ROOT: tl.constexpr,
    COMPUTE: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """The variance of contiguous rows, by a second walk around their mean, or with ROOT its square root."""
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    total = tl.zeros((BLOCK_R, BLOCK_C), COMPUTE)
    for begin in range(0, columns, BLOCK_C):
        column = begin + tl.arange(0, BLOCK_C)
        mask = (row < rows)[:, None] & (column < columns)[None, :]
        total += tl.load(x_ptr + row[:, None] * columns + column[None, :], mask=mask, other=0).to(COMPUTE)
    mean = tl.sum(total, axis=1) / columns
    squares = tl.zeros((BLOCK_R, BLOCK_C), COMPUTE)
    for begin in range(0, columns, BLOCK_C):
        column = begin + tl.arange(0, BLOCK_C)
        mask = (row < rows)[:, None] & (column < columns)[None, :]
        x = tl.load(x_ptr + row[:, None] * columns + column[None, :], mask=mask, other=0).to(COMPUTE)
        away = tl.where(mask, x - mean[:, None], 0.0)
        squares += away * away
    result = tl.sum(squares, axis=1) / tl.maximum(columns - correction, 0.0)
    if ROOT:
        result = tl.sqrt(result)
    tl.store(var_ptr + row, result.to(var_ptr.dtype.element_ty), mask=row < rows)
    if MEAN:
        tl.store(mean_ptr + row, mean.to(mean_ptr.dtype.element_ty), mask=row < rows)
