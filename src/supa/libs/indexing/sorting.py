"""Long lines put in order: runs first, then pairs of runs merged. Lines are contiguous: (lines, columns).

NaN is the largest; equals keep their order. COMPUTE is fp32, fp64 or int64. Not here: lines of which every element can
look at every other (`lines.order`).
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _strictly_before(a, b, LARGEST: tl.constexpr):
    if LARGEST:
        return (a > b) | ((a != a) & (b == b))
    return (a < b) | ((b != b) & (a == a))


@triton.jit
def order_runs(
    value_ptr, index_ptr, x_ptr, columns, width, LARGEST: tl.constexpr, COMPUTE: tl.constexpr, BLOCK_R: tl.constexpr,
    BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Each run of `width` elements in order, with their places in the line. Grid: (blocks of a run, runs, lines)."""
    begin = tl.program_id(1).to(tl.int64) * width
    first = tl.program_id(2).to(tl.int64) * columns + begin
    count = tl.minimum(columns - begin, width)
    own = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    x = tl.load(x_ptr + first + own, mask=own < count, other=0).to(COMPUTE)
    before = tl.zeros((BLOCK_R, BLOCK_C), tl.int32)
    for start in range(0, width, BLOCK_C):
        other = start + tl.arange(0, BLOCK_C)
        y = tl.load(x_ptr + first + other, mask=other < count, other=0).to(COMPUTE)
        goes = _strictly_before(y[None, :], x[:, None], LARGEST)
        stays = _strictly_before(x[:, None], y[None, :], LARGEST)
        goes = goes | ((stays == 0) & (other[None, :] < own[:, None]))
        before += (goes & (other < count)[None, :]).to(tl.int32)
    at = first + tl.sum(before, axis=1)
    tl.store(value_ptr + at, x.to(value_ptr.dtype.element_ty), mask=own < count)
    tl.store(index_ptr + at, begin + own, mask=own < count)


@triton.jit
def merge(
    value_out_ptr, index_out_ptr, value_ptr, index_ptr, columns, width, LARGEST: tl.constexpr, COMPUTE: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Pairs of runs of `width` become runs: each element finds its place among the other run's by bisection.

    Grid: (blocks of a line, lines).
    """
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = at < columns
    line = tl.program_id(1).to(tl.int64) * columns
    x = tl.load(value_ptr + line + at, mask=mask, other=0).to(COMPUTE)
    pair = at // (2 * width) * (2 * width)
    is_right = at - pair >= width
    other = tl.where(is_right, pair, pair + width)
    low = tl.minimum(other, columns)
    high = tl.minimum(other + width, columns)
    other = low
    reach = width
    while reach > 0:
        middle = (low + high) // 2
        open_ = (low < high) & mask
        y = tl.load(value_ptr + line + middle, mask=open_, other=0).to(COMPUTE)
        y_first = _strictly_before(y, x, LARGEST) | (is_right & (_strictly_before(x, y, LARGEST) == 0))
        goes_on = y_first & open_
        low = tl.where(goes_on, middle + 1, low)
        high = tl.where(open_ & (goes_on == 0), middle, high)
        reach = reach // 2
    to = line + tl.where(is_right, at - width, at) + low - other
    tl.store(value_out_ptr + to, x.to(value_out_ptr.dtype.element_ty), mask=mask)
    tl.store(index_out_ptr + to, tl.load(index_ptr + line + at, mask=mask, other=0), mask=mask)
