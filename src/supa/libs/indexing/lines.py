"""Scans, orders and extremes along lines: the elements of one axis of a contiguous tensor.

Line number r begins at (r // inner) * columns * inner + r % inner; its elements are `inner` apart. COMPUTE is fp32,
fp64 or int64.
Not here: sums and
extremes without an index (`elementwise.reduction`), which axis (`frameworks`).
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def _times(a, b):
    return a * b


@triton.jit
def _log_sum(a, b):
    most = tl.maximum(a, b)
    least = tl.minimum(a, b)
    same = (a == b) & (tl.abs(a) == float("inf"))
    return tl.where(same, a, most + libdevice.log1p(tl.exp(tl.where(same, 0.0, least - most))))


@triton.jit
def _places(row, columns, inner):
    return (row // inner) * columns * inner + row % inner


@triton.jit
def _joined(a, b, KIND: tl.constexpr):
    if KIND == "sum":
        return a + b
    elif KIND == "prod":
        return a * b
    else:
        return _log_sum(a, b)


@triton.jit
def _start_of(KIND: tl.constexpr):
    return 0.0 if KIND == "sum" else (1.0 if KIND == "prod" else float("-inf"))


@triton.jit
def _running(x, AXIS: tl.constexpr, KIND: tl.constexpr):
    """Of a tile the running value along an axis, and the last one."""
    if KIND == "sum":
        found = tl.cumsum(x, axis=AXIS)
        last = tl.sum(x, axis=AXIS)
    elif KIND == "prod":
        found = tl.associative_scan(x, AXIS, _times)
        last = tl.reduce(x, AXIS, _times)
    else:
        found = tl.associative_scan(x, AXIS, _log_sum)
        last = tl.reduce(x, AXIS, _log_sum)
    return found, last


@triton.jit
def part_totals(
    total_ptr, x_ptr, rows, columns, inner, part, KIND: tl.constexpr, COMPUTE: tl.constexpr, BLOCK_R: tl.constexpr,
    BLOCK_C: tl.constexpr,
):  # fmt: skip
    """total[line, number of the part]: the sum, product or logarithm of a sum of powers of each part of the lines.

    Grid: (blocks of lines, parts of `part` elements).
    """
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    first = tl.program_id(1).to(tl.int64) * part
    count = tl.minimum(part, columns - first).to(tl.int32)
    places = x_ptr + (_places(row, columns, inner) + first * inner)[:, None]
    start = _start_of(KIND)
    total = tl.full((BLOCK_R,), start, COMPUTE)
    for begin in range(0, count, BLOCK_C):
        column = begin + tl.arange(0, BLOCK_C)
        mask = (row < rows)[:, None] & (column < count)[None, :]
        x = tl.load(places + (column.to(tl.int64) * inner)[None, :], mask=mask, other=0).to(COMPUTE)
        x = tl.where(mask, x, tl.full((BLOCK_R, BLOCK_C), start, COMPUTE))
        if KIND == "sum":
            total += tl.sum(x, axis=1)
        elif KIND == "prod":
            total *= tl.reduce(x, 1, _times)
        else:
            total = _log_sum(total, tl.reduce(x, 1, _log_sum))
    tl.store(total_ptr + row * tl.num_programs(1) + tl.program_id(1), total, mask=row < rows)


@triton.jit
def scan(
    out_ptr, total_ptr, x_ptr, rows, columns, inner, part, KIND: tl.constexpr, CARRIED: tl.constexpr,
    COMPUTE: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Running sums, products or logarithms of sums of powers (KIND: sum, prod, logsum) of each part of the lines.

    Grid: (blocks of lines, parts of `part` elements). With CARRIED total[line, number of a part] is the running value
    of the parts, which the next part goes on with.
    """
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    first = tl.program_id(1).to(tl.int64) * part
    count = tl.minimum(part, columns - first).to(tl.int32)
    places = (_places(row, columns, inner) + first * inner)[:, None]
    start = _start_of(KIND)
    carry = tl.full((BLOCK_R,), start, COMPUTE)
    if CARRIED:
        before = row * tl.num_programs(1) + tl.program_id(1) - 1
        carry = tl.load(total_ptr + before, mask=(row < rows) & (tl.program_id(1) > 0), other=start)
    for begin in range(0, count, BLOCK_C):
        column = begin + tl.arange(0, BLOCK_C)
        mask = (row < rows)[:, None] & (column < count)[None, :]
        at = places + (column.to(tl.int64) * inner)[None, :]
        x = tl.load(x_ptr + at, mask=mask, other=0).to(COMPUTE)
        x = tl.where(mask, x, tl.full((BLOCK_R, BLOCK_C), start, COMPUTE))
        found, last = _running(x, 1, KIND)
        found = _joined(carry[:, None], found, KIND)
        carry = _joined(carry, last, KIND)
        tl.store(out_ptr + at, found.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def scan_columns(
    out_ptr, x_ptr, rows, columns, inner, KIND: tl.constexpr, COMPUTE: tl.constexpr, BLOCK_R: tl.constexpr,
    BLOCK_C: tl.constexpr,
):  # fmt: skip
    """The same of whole lines that lie side by side: the tile is turned. Grid: (blocks of lines,)."""
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    places = _places(row, columns, inner)[None, :]
    start = _start_of(KIND)
    carry = tl.full((BLOCK_R,), start, COMPUTE)
    for begin in range(0, columns, BLOCK_C):
        column = begin + tl.arange(0, BLOCK_C)
        mask = (row < rows)[None, :] & (column < columns)[:, None]
        at = places + (column.to(tl.int64) * inner)[:, None]
        x = tl.load(x_ptr + at, mask=mask, other=0).to(COMPUTE)
        x = tl.where(mask, x, tl.full((BLOCK_C, BLOCK_R), start, COMPUTE))
        found, last = _running(x, 0, KIND)
        found = _joined(carry[None, :], found, KIND)
        carry = _joined(carry, last, KIND)
        tl.store(out_ptr + at, found.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def _last_largest(a, i, b, j):
    """Of two neighbours the larger with its place; the later of equals; NaN is largest."""
    later = (b != b) | ((a == a) & (b >= a))
    return tl.where(later, b, a), tl.where(later, j, i)


@triton.jit
def _last_smallest(a, i, b, j):
    later = (b != b) | ((a == a) & (b <= a))
    return tl.where(later, b, a), tl.where(later, j, i)


@triton.jit
def running_extreme(
    value_ptr, index_ptr, x_ptr, rows, columns, inner, LARGEST: tl.constexpr, COMPUTE: tl.constexpr,
    BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """The largest or smallest so far of each line and the last place where it is."""
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    column = tl.arange(0, BLOCK_C)
    first = tl.load(x_ptr + _places(row, columns, inner), mask=row < rows, other=0).to(COMPUTE)[:, None]
    best = tl.broadcast_to(first, (BLOCK_R, BLOCK_C))
    best_at = tl.zeros((BLOCK_R, BLOCK_C), tl.int64)
    for begin in range(0, columns, BLOCK_C):
        mask = (row < rows)[:, None] & (begin + column < columns)[None, :]
        at = _places(row, columns, inner)[:, None] + ((begin + column) * inner)[None, :]
        x = tl.load(x_ptr + at, mask=mask, other=0).to(COMPUTE)
        place = tl.broadcast_to((begin + column).to(tl.int64)[None, :], (BLOCK_R, BLOCK_C))
        x = tl.where(mask, x, best)
        place = tl.where(mask, place, best_at)
        if LARGEST:
            found, found_at = tl.associative_scan((x, place), 1, _last_largest)
            found, found_at = _last_largest(best, best_at, found, found_at)
        else:
            found, found_at = tl.associative_scan((x, place), 1, _last_smallest)
            found, found_at = _last_smallest(best, best_at, found, found_at)
        tl.store(value_ptr + at, found.to(value_ptr.dtype.element_ty), mask=mask)
        tl.store(index_ptr + at, found_at, mask=mask)
        is_last = (column == BLOCK_C - 1)[None, :]
        last_at = tl.sum(tl.where(is_last, found_at, 0), axis=1)[:, None]
        last = tl.sum(tl.where(is_last, found, tl.zeros((BLOCK_R, BLOCK_C), COMPUTE)), axis=1)[:, None]
        best = tl.broadcast_to(last, (BLOCK_R, BLOCK_C))
        best_at = tl.broadcast_to(last_at, (BLOCK_R, BLOCK_C))


@triton.jit
def _before(a, i, b, j, LARGEST: tl.constexpr):
    """Whether element i of value a goes before element j of value b: NaN is largest, equals keep their order."""
    if LARGEST:
        strictly = (a > b) | ((a != a) & (b == b))
    else:
        strictly = (a < b) | ((b != b) & (a == a))
    same = (a == b) | ((a != a) & (b != b))
    return strictly | (same & (i < j))


@triton.jit
def extreme(
    value_ptr, index_ptr, x_ptr, rows, columns, inner, LARGEST: tl.constexpr, COMPUTE: tl.constexpr,
    VALUES: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """The largest or smallest of each line and the first place where it is; NaN counts as either."""
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    column = tl.arange(0, BLOCK_C)
    best = tl.load(x_ptr + _places(row, columns, inner), mask=row < rows, other=0).to(COMPUTE)[:, None]
    best = tl.broadcast_to(best, (BLOCK_R, BLOCK_C))
    place = tl.zeros((BLOCK_R, BLOCK_C), tl.int64)
    for begin in range(0, columns, BLOCK_C):
        at = (begin + column).to(tl.int64)
        mask = (row < rows)[:, None] & (at < columns)[None, :]
        x = tl.load(x_ptr + _places(row, columns, inner)[:, None] + (at * inner)[None, :], mask=mask, other=0).to(
            COMPUTE
        )
        if LARGEST:
            better = (x > best) | ((x != x) & (best == best))
        else:
            better = (x < best) | ((x != x) & (best == best))
        better = better & mask
        best = tl.where(better, x, best)
        place = tl.where(better, tl.broadcast_to(at[None, :], (BLOCK_R, BLOCK_C)), place)
    odd = (best != best).to(tl.int32)
    some_odd = tl.max(odd, axis=1)[:, None] > 0
    if LARGEST:
        most = tl.max(best, axis=1)[:, None]
    else:
        most = tl.min(best, axis=1)[:, None]
    chosen = tl.where(some_odd, odd > 0, best == most)
    first = tl.min(tl.where(chosen, place, columns), axis=1)
    tl.store(index_ptr + row, first, mask=row < rows)
    if VALUES:
        where = x_ptr + _places(row, columns, inner) + tl.minimum(first, columns - 1) * inner
        tl.store(value_ptr + row, tl.load(where, mask=row < rows, other=0), mask=row < rows)


@triton.jit
def order(
    value_ptr, index_ptr, x_ptr, columns, inner, kept, LARGEST: tl.constexpr, COMPUTE: tl.constexpr,
    BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """The first `kept` of each line in order, with their places: each element counts those that go before it.

    Grid: (blocks of BLOCK_R elements, lines). The order of equals is that of the line. The work is columns².
    """
    line = tl.program_id(1).to(tl.int64)
    own = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    begin_of_line = x_ptr + _places(line, columns, inner)
    x = tl.load(begin_of_line + own.to(tl.int64) * inner, mask=own < columns, other=0).to(COMPUTE)
    before = tl.zeros((BLOCK_R, BLOCK_C), tl.int32)
    for begin in range(0, columns, BLOCK_C):
        other = begin + tl.arange(0, BLOCK_C)
        y = tl.load(begin_of_line + other.to(tl.int64) * inner, mask=other < columns, other=0).to(COMPUTE)
        first = _before(y[None, :], other[None, :], x[:, None], own[:, None], LARGEST)
        before += (first & (other < columns)[None, :]).to(tl.int32)
    rank = tl.sum(before, axis=1).to(tl.int64)
    at = (line // inner) * kept * inner + line % inner + rank * inner
    mask = (own < columns) & (rank < kept)
    tl.store(value_ptr + at, x.to(value_ptr.dtype.element_ty), mask=mask)
    tl.store(index_ptr + at, own.to(tl.int64), mask=mask)


@triton.jit
def select(
    value_ptr, index_ptr, x_ptr, columns, inner, kept, LARGEST: tl.constexpr, COMPUTE: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """The first `kept` of each line in order, one after the other: for few of long lines. Grid: (lines,)."""
    line = tl.program_id(0).to(tl.int64)
    begin_of_line = x_ptr + _places(line, columns, inner)
    last = tl.load(begin_of_line).to(COMPUTE)
    last_at = tl.full((), -1, tl.int32)
    for number in range(0, kept):
        best = tl.zeros((BLOCK,), COMPUTE)
        best_at = tl.full((BLOCK,), 2147483647, tl.int32)
        for begin in range(0, columns, BLOCK):
            at = begin + tl.arange(0, BLOCK)
            x = tl.load(begin_of_line + at.to(tl.int64) * inner, mask=at < columns, other=0).to(COMPUTE)
            left = (at < columns) & ((number == 0) | _before(last, last_at, x, at, LARGEST))
            better = left & ((best_at == 2147483647) | _before(x, at, best, best_at, LARGEST))
            best = tl.where(better, x, best)
            best_at = tl.where(better, at, best_at)
        odd = (best != best) & (best_at != 2147483647)
        found = best_at != 2147483647
        if LARGEST:
            some_odd = tl.max(odd.to(tl.int32), axis=0) > 0
            plain = tl.where(found & (best == best), best, _least(best))
            most = tl.max(plain, axis=0)
            chosen = tl.where(some_odd, odd, found & (best == most))
        else:
            some_plain = tl.max((found & (best == best)).to(tl.int32), axis=0) > 0
            plain = tl.where(found & (best == best), best, _most(best))
            most = tl.min(plain, axis=0)
            chosen = tl.where(some_plain, found & (best == most), odd)
        last_at = tl.min(tl.where(chosen, best_at, 2147483647), axis=0)
        raw = tl.load(begin_of_line + last_at.to(tl.int64) * inner)
        last = raw.to(COMPUTE)
        to = (line // inner) * kept * inner + line % inner + number * inner
        tl.store(value_ptr + to, raw)
        tl.store(index_ptr + to, last_at.to(tl.int64))


@triton.jit
def _least(x):
    if x.dtype.is_floating():
        return tl.full(x.shape, float("-inf"), x.dtype)
    return tl.full(x.shape, -9223372036854775808, x.dtype)


@triton.jit
def _most(x):
    if x.dtype.is_floating():
        return tl.full(x.shape, float("inf"), x.dtype)
    return tl.full(x.shape, 9223372036854775807, x.dtype)


@triton.jit
def search(
    out_ptr, sorted_ptr, value_ptr, n, columns, per_line, RIGHT: tl.constexpr, SHARED: tl.constexpr,
    COMPUTE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out[e] = how many of the sorted line of value e go before it (RIGHT: or are equal to it), by bisection.

    Value e belongs to line e // per_line; all to line 0 with SHARED.
    """
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    value = tl.load(value_ptr + at, mask=mask, other=0).to(COMPUTE)
    base = tl.zeros((BLOCK,), tl.int64) if SHARED else (at // per_line) * columns
    low = tl.zeros((BLOCK,), tl.int64)
    high = tl.zeros((BLOCK,), tl.int64) + columns
    reach = columns
    while reach > 0:
        middle = (low + high) // 2
        open_ = low < high
        x = tl.load(sorted_ptr + base + middle, mask=mask & open_, other=0).to(COMPUTE)
        if RIGHT:
            goes_on = ((x <= value) | (value != value)) & open_
        else:
            goes_on = ((x < value) | ((value != value) & (x == x))) & open_
        low = tl.where(goes_on, middle + 1, low)
        high = tl.where(goes_on | (high <= low), high, middle)
        reach = reach // 2
    tl.store(out_ptr + at, low.to(out_ptr.dtype.element_ty), mask=mask)
