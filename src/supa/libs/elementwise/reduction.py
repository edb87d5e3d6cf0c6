"""Reductions of rows: sum, largest, smallest, in fp32. Not here: which axes of a tensor are rows (`frameworks`).

A row's place is (row // inner) * outer_stride + (row % inner) * inner_stride; its elements are `step` apart. Programs
take BLOCK_R rows each, and of their columns the part [split * chunk, (split + 1) * chunk).
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def reduce_rows(
    out_ptr, x_ptr, rows, columns, inner, outer_stride, inner_stride, step, chunk, scale,
    KIND: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """out[split, row] = scale * reduction of the row's part; elements of a row lie close."""
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    first = tl.program_id(1).to(tl.int64) * chunk
    last = tl.minimum(first + chunk, columns)
    places = x_ptr + ((row // inner) * outer_stride + (row % inner) * inner_stride)[:, None]
    start = 0.0 if KIND == "sum" else (float("-inf") if KIND == "max" else float("inf"))
    found = tl.full((BLOCK_R, BLOCK_C), start, tl.float32)
    for begin in range(first, last, BLOCK_C):
        column = begin + tl.arange(0, BLOCK_C)
        mask = (row < rows)[:, None] & (column < last)[None, :]
        x = tl.load(places + (column * step)[None, :], mask=mask, other=start).to(tl.float32)
        if KIND == "sum":
            found += x
        elif KIND == "max":
            found = tl.maximum(found, x, propagate_nan=tl.PropagateNan.ALL)
        else:
            found = tl.minimum(found, x, propagate_nan=tl.PropagateNan.ALL)
    if KIND == "sum":
        result = tl.sum(found, axis=1) * scale
    elif KIND == "max":
        result = tl.max(found, axis=1)
        result = tl.where(tl.sum((found != found).to(tl.int32), axis=1) > 0, float("nan"), result)
    else:
        result = tl.min(found, axis=1)
        result = tl.where(tl.sum((found != found).to(tl.int32), axis=1) > 0, float("nan"), result)
    tl.store(out_ptr + tl.program_id(1) * rows + row, result.to(out_ptr.dtype.element_ty), mask=row < rows)


@triton.jit
def reduce_columns(
    out_ptr, x_ptr, rows, columns, inner, outer_stride, inner_stride, step, chunk, scale,
    KIND: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """The same where neighbouring rows lie close: the tile is turned."""
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    first = tl.program_id(1).to(tl.int64) * chunk
    last = tl.minimum(first + chunk, columns)
    places = x_ptr + ((row // inner) * outer_stride + (row % inner) * inner_stride)[None, :]
    start = 0.0 if KIND == "sum" else (float("-inf") if KIND == "max" else float("inf"))
    found = tl.full((BLOCK_C, BLOCK_R), start, tl.float32)
    for begin in range(first, last, BLOCK_C):
        column = begin + tl.arange(0, BLOCK_C)
        mask = (row < rows)[None, :] & (column < last)[:, None]
        x = tl.load(places + (column * step)[:, None], mask=mask, other=start).to(tl.float32)
        if KIND == "sum":
            found += x
        elif KIND == "max":
            found = tl.maximum(found, x, propagate_nan=tl.PropagateNan.ALL)
        else:
            found = tl.minimum(found, x, propagate_nan=tl.PropagateNan.ALL)
    if KIND == "sum":
        result = tl.sum(found, axis=0) * scale
    elif KIND == "max":
        result = tl.max(found, axis=0)
        result = tl.where(tl.sum((found != found).to(tl.int32), axis=0) > 0, float("nan"), result)
    else:
        result = tl.min(found, axis=0)
        result = tl.where(tl.sum((found != found).to(tl.int32), axis=0) > 0, float("nan"), result)
    tl.store(out_ptr + tl.program_id(1) * rows + row, result.to(out_ptr.dtype.element_ty), mask=row < rows)
