"""Lines put in order by networks: a tile's elements at once, longer lines as runs that are merged tile by tile.

An element becomes a key of 64 bits whose order is the line's: 32 bits of its value (NaN is the largest, zeros are
equal), below them its place counted down, so that the first of equals stays first and no two keys are equal. The first
key in order is the largest. Values of 64 bits are sorted by their lower half, then by their upper one (HALF: 0 for
values of at most 32 bits, 1 lower, 2 upper). Not here: lines so short that each element looks at all others
(`lines.order`).
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _ordered(x, HALF: tl.constexpr):
    """32 bits, signed, in the order of the values or of their half."""
    if x.dtype.is_floating():
        if HALF == 0:
            x = x.to(tl.float32)
        x = tl.where(x != x, float("nan"), x + 0.0)  # one NaN, one zero
        if HALF == 0:
            bits = x.to(tl.int32, bitcast=True)
            bits = bits ^ ((bits >> 31) & 0x7FFFFFFF)
        else:
            bits = x.to(tl.int64, bitcast=True)
            bits = bits ^ ((bits >> 63) & 0x7FFFFFFFFFFFFFFF)
    else:
        bits = x.to(tl.int32) if HALF == 0 else x.to(tl.int64)
    if HALF == 1:
        bits = (bits & 0xFFFFFFFF) - 2147483648
    elif HALF == 2:
        bits = bits >> 32
    return bits.to(tl.int32)


@triton.jit
def _keys(x, place, mask, LARGEST: tl.constexpr, HALF: tl.constexpr):
    """Keys of elements at their places; what the mask cuts off comes last."""
    ordered = _ordered(x, HALF)
    if not LARGEST:
        ordered = ~ordered
    key = (ordered.to(tl.int64) << 32) | (4294967295 - place.to(tl.int64))
    return tl.where(mask, key, -9223372036854775808)


@triton.jit
def _place_of(key):
    return 4294967295 - (key & 4294967295)


@triton.jit
def _start(line, columns, inner):
    return (line // inner) * columns * inner + line % inner


@triton.jit
def _store_first(value_ptr, index_ptr, begin, place, at, line, inner, kept):
    """The first `kept` of a line whose elements begin at `begin`: those at `place`, to the places `at`."""
    mask = at < kept
    to = _start(line, kept, inner) + at.to(tl.int64) * inner
    tl.store(value_ptr + to, tl.load(begin + place * inner, mask=mask, other=0), mask=mask)
    tl.store(index_ptr + to, place, mask=mask)


@triton.jit
def sort_lines(
    value_ptr, index_ptr, x_ptr, columns, inner, kept, LARGEST: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    """The first `kept` of each line in order, with their places. Elements are `inner` apart. Grid: (lines,)."""
    line = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    mask = at < columns
    begin = x_ptr + _start(line, columns, inner)
    x = tl.load(begin + at.to(tl.int64) * inner, mask=mask, other=0)
    if WIDE:
        first = _place_of(tl.sort(_keys(x, at, mask, LARGEST, 1), descending=True))
        x = tl.load(begin + first * inner, mask=mask, other=0)
        second = _place_of(tl.sort(_keys(x, at, mask, LARGEST, 2), descending=True))
        place = tl.gather(first, tl.where(mask, second, 0).to(tl.int32), 0)
    else:
        place = _place_of(tl.sort(_keys(x, at, mask, LARGEST, 0), descending=True))
    _store_first(value_ptr, index_ptr, begin, place, at, line, inner, kept)


@triton.jit
def select_lines(
    value_ptr, index_ptr, x_ptr, columns, inner, kept, LARGEST: tl.constexpr, KEPT: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    """The same for few of each line, KEPT or less, of values of at most 32 bits."""
    line = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    mask = at < columns
    begin = x_ptr + _start(line, columns, inner)
    x = tl.load(begin + at.to(tl.int64) * inner, mask=mask, other=0)
    place = _place_of(tl.topk(_keys(x, at, mask, LARGEST, 0), KEPT))
    at = tl.arange(0, KEPT)
    _store_first(value_ptr, index_ptr, begin, place, at, line, inner, kept)


@triton.jit
def sort_runs(
    key_ptr, x_ptr, order_ptr, columns, LARGEST: tl.constexpr, HALF: tl.constexpr, KEPT: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """The keys of each BLOCK elements in order, the first KEPT of them. Grid: (blocks of a line, lines).

    With HALF 2 element e is x[order[e]]; with HALF 3 x are keys.
    """
    line = tl.program_id(1).to(tl.int64) * columns
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = at < columns
    if HALF == 3:
        key = tl.load(x_ptr + line + at, mask=mask, other=-9223372036854775808)
    elif HALF == 2:
        place = tl.load(order_ptr + line + at, mask=mask, other=0)
        key = _keys(tl.load(x_ptr + line + place, mask=mask, other=0), at, mask, LARGEST, HALF)
    else:
        key = _keys(tl.load(x_ptr + line + at, mask=mask, other=0), at, mask, LARGEST, HALF)
    if KEPT == BLOCK:
        tl.store(key_ptr + line + at, tl.sort(key, descending=True), mask=mask)
    else:
        to = tl.program_id(1).to(tl.int64) * tl.num_programs(0) + tl.program_id(0)
        tl.store(key_ptr + to * KEPT + tl.arange(0, KEPT), tl.topk(key, KEPT))


@triton.jit
def merge_runs(out_ptr, key_ptr, columns, width, BLOCK: tl.constexpr):
    """Pairs of runs of `width` keys become runs. A program makes BLOCK keys of the result: bisection finds how many of
    them each run gives, the first of both are one rising and one falling row, which a network merges.

    Grid: (blocks of a line, lines).
    """
    line = tl.program_id(1).to(tl.int64) * columns
    begin = tl.program_id(0).to(tl.int64) * BLOCK
    pair = begin // (2 * width) * (2 * width)
    left = tl.minimum(columns - pair, width)
    right = tl.minimum(tl.maximum(columns - pair - width, 0), width)
    before = begin - pair
    a_ptr = key_ptr + line + pair
    b_ptr = a_ptr + width
    low = tl.maximum(before - right, 0)
    high = tl.minimum(before, left)
    reach = width
    while reach > 0:
        middle = (low + high) // 2
        is_open = low < high
        a = tl.load(a_ptr + middle, mask=is_open, other=0)
        b = tl.load(b_ptr + before - 1 - middle, mask=is_open, other=0)
        goes_on = is_open & (a > b)
        low = tl.where(goes_on, middle + 1, low)
        high = tl.where(is_open & (a <= b), middle, high)
        reach = reach // 2
    at = tl.arange(0, BLOCK)
    a_at, b_at = low + at, before - low + (BLOCK - 1 - at)
    least = -9223372036854775808
    a = tl.load(a_ptr + a_at, mask=a_at < left, other=least)
    b = tl.load(b_ptr + b_at, mask=b_at < right, other=least)
    merged = tl.bitonic_merge(tl.maximum(a, b), descending=True)
    tl.store(out_ptr + line + begin + at, merged, mask=begin + at < columns)


@triton.jit
def places_of(
    value_ptr, index_ptr, x_ptr, key_ptr, order_ptr, columns, held, kept, ORDERED: tl.constexpr, VALUES: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """The places that the first `kept` of a line's `held` keys stand for, with VALUES what lies there in x; with
    ORDERED they are places in `order`. Grid: (blocks of what is kept, lines).
    """
    line = tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < kept
    place = _place_of(tl.load(key_ptr + line * held + at, mask=mask, other=-1))
    if ORDERED:
        place = tl.load(order_ptr + line * columns + place, mask=mask, other=0)
    tl.store(index_ptr + line * kept + at, place, mask=mask)
    if VALUES:
        tl.store(value_ptr + line * kept + at, tl.load(x_ptr + line * columns + place, mask=mask), mask=mask)
