"""Factors of small square blocks and of panels, a program for each matrix of a batch: what blocked factorisations of
any size are made of. Not here: the products between the blocks (`product`, `plain`), which blocks there are.

COMPUTE is fp32 or fp64. Tiles hold BLOCK (a power of two) rows and columns; beyond the matrix they are the identity's.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _row_of(tile, number, row):
    return tl.sum(tl.where(row == number, tile, 0.0), axis=0)


@triton.jit
def _column_of(tile, number, column):
    return tl.sum(tl.where(column == number, tile, 0.0), axis=1)


@triton.jit
def _inverse_of_lower(tile, n, row, column, COMPUTE: tl.constexpr):
    """By substitution; what is above the diagonal is not read."""
    found = (row == column).to(COMPUTE)
    lines = tl.arange(0, tile.shape[0])
    for k in range(0, n):
        below = tl.where(lines > k, _column_of(tile, k, column), 0.0)
        own = _row_of(found, k, row) / tl.sum(tl.where((row == k) & (column == k), tile, 0.0))
        found = tl.where(row == k, own[None, :], found - below[:, None] * own[None, :])
    return found


@triton.jit
def cholesky_block(
    a_ptr, inverse_ptr, info_ptr, n, first, a_batch, a_row, a_column, COMPUTE: tl.constexpr, BLOCK: tl.constexpr
):
    """The block of size n at (first, first) becomes L of L @ L.T, of its lower triangle; 0 above. Also L's inverse,
    contiguous; `info` is the first leading minor that is not positive, if it was 0.
    """
    batch = tl.program_id(0).to(tl.int64)
    row, column = tl.arange(0, BLOCK)[:, None], tl.arange(0, BLOCK)[None, :]
    high, low = tl.maximum(row, column), tl.minimum(row, column)
    begin = a_ptr + batch * a_batch + first * (a_row + a_column)
    inside = (row < n) & (column < n)
    left = tl.load(begin + high * a_row + low * a_column, mask=inside, other=0.0).to(COMPUTE)
    left = tl.where(inside, left, (row == column).to(COMPUTE))
    lower = tl.zeros((BLOCK, BLOCK), COMPUTE)
    info = tl.load(info_ptr + batch)
    lines = tl.arange(0, BLOCK)
    for k in range(0, n):
        pivot = tl.sum(tl.where((row == k) & (column == k), left, 0.0))
        info = tl.where((info == 0) & ((pivot > 0) == 0), first + k + 1, info)
        root = tl.sqrt(pivot)
        down = tl.where(lines >= k, _column_of(left, k, column), 0.0) / root
        across = tl.where(lines >= k, _row_of(left, k, row), 0.0) / root
        lower = tl.where(column == k, down[:, None], lower)
        left -= down[:, None] * across[None, :]
    lower = tl.where((row >= n) & (row == column), 1.0, lower)
    tl.store(begin + row * a_row + column * a_column, lower.to(a_ptr.dtype.element_ty), mask=inside)
    inverse = _inverse_of_lower(lower, n, row, column, COMPUTE)
    at = inverse_ptr + batch * n * n + row * n + column
    tl.store(at, inverse.to(inverse_ptr.dtype.element_ty), mask=inside)
    tl.store(info_ptr + batch, info)


@triton.jit
def inverse_of_triangle(
    out_ptr, a_ptr, n, first, a_batch, a_row, a_column, out_row, out_column,
    UNIT: tl.constexpr, COMPUTE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The inverse of the lower triangle of size n at (first, first); of an upper one by turned strides, out's too."""
    batch = tl.program_id(0).to(tl.int64)
    row, column = tl.arange(0, BLOCK)[:, None], tl.arange(0, BLOCK)[None, :]
    inside = (row < n) & (column < n)
    at = a_ptr + batch * a_batch + first * (a_row + a_column) + row * a_row + column * a_column
    tile = tl.load(at, mask=inside & (row >= column), other=0.0).to(COMPUTE)
    if UNIT:
        tile = tl.where(row == column, 1.0, tile)
    found = _inverse_of_lower(tile, n, row, column, COMPUTE)
    at = out_ptr + batch * n * n + row * out_row + column * out_column
    tl.store(at, found.to(out_ptr.dtype.element_ty), mask=inside)


@triton.jit
def lu_panel(
    a_ptr, pivots_ptr, info_ptr, rows, width, first, pivot_batch, a_batch, a_row, a_column,
    PIVOTS: tl.constexpr, COMPUTE: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """`width` columns from (first, first) on, `rows` of them in all, become their L (1 on its diagonal) and U; the rows
    that change places, counted from 1 and from the matrix's first; `info` is the first pivot of 0, if it was 0.
    """
    batch = tl.program_id(0).to(tl.int64)
    row, column = tl.arange(0, BLOCK_R)[:, None], tl.arange(0, BLOCK_C)[None, :]
    inside = (row < rows) & (column < width)
    at = a_ptr + batch * a_batch + first * (a_row + a_column) + row * a_row + column * a_column
    tile = tl.load(at, mask=inside, other=0.0).to(COMPUTE)
    info = tl.load(info_ptr + batch)
    lines = tl.arange(0, BLOCK_R)
    for k in range(0, tl.minimum(width, rows)):
        chosen = k
        if PIVOTS:
            size = tl.where((lines >= k) & (lines < rows), tl.abs(_column_of(tile, k, column)), -1.0)
            chosen = tl.argmax(size, axis=0)
        above, best = _row_of(tile, k, row), _row_of(tile, chosen, row)
        tile = tl.where(row == k, best[None, :], tl.where(row == chosen, above[None, :], tile))
        pivot = tl.sum(tl.where(tl.arange(0, BLOCK_C) == k, best, 0.0))
        info = tl.where((info == 0) & (pivot == 0), first + k + 1, info)
        down = tl.where(lines > k, _column_of(tile, k, column), 0.0) / tl.where(pivot == 0, 1.0, pivot)
        across = tl.where(tl.arange(0, BLOCK_C) > k, best, 0.0)
        tile = tl.where((row > k) & (column == k), down[:, None], tile - down[:, None] * across[None, :])
        tl.store(pivots_ptr + batch * pivot_batch + first + k, first + chosen + 1)
    tl.store(at, tile.to(a_ptr.dtype.element_ty), mask=inside)
    tl.store(info_ptr + batch, info)


@triton.jit
def change_rows(
    a_ptr, pivots_ptr, columns, begin, end, pivot_batch, a_batch, a_row, a_column, BACK: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Rows change places as pivots [begin, end) say, one after the other, or with BACK the last first."""
    batch = tl.program_id(1).to(tl.int64)
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    place = a_ptr + batch * a_batch + column * a_column
    for turn in range(begin, end):
        k = begin + end - 1 - turn if BACK else turn
        other = tl.load(pivots_ptr + batch * pivot_batch + k) - 1
        here = tl.load(place + k * a_row, mask=column < columns)
        there = tl.load(place + other * a_row, mask=column < columns)
        tl.store(place + other * a_row, here, mask=column < columns)
        tl.store(place + k * a_row, there, mask=column < columns)
