"""Lanes of many rows combined together: where a reduction has a vector of partial results for each row.

One vector's lanes take a shuffle and an operation for each halving, each of which waits for the one before, and give
one result. Of as many rows as vectors have lanes, halves are paired instead: the low halves of two rows make a vector,
their high halves another, and one operation combines them. Each row's elements meet in the same order as alone, and the
results lie side by side. Not here: what combines them, and where the results go (`reduction`).
"""

from __future__ import annotations

from collections.abc import Callable

from supa.compiler.native.emitter import llvm_bits
from supa.compiler.native.lanes import Lanes
from supa.compiler.native.loops import Space
from supa.compiler.native.vec import Vec, vector

_SHUFFLED_BITS = 128  # of the parts inside which lanes move most cheaply
Fold = Callable[[list[Vec]], list[Vec]]


def row_dimension(space: Space) -> int | None:
    """The dimension whose rows a reduction along the last loop may combine in groups of `space.lanes`, if any."""
    if not space.horizontal or space.lanes < 2 or len(space.loops) < 2:
        return None
    dimension, extent, _ = space.loops[-2]
    return dimension if extent % space.lanes == 0 else None


def combine(ev: Lanes, rows: list[list[Vec]], fold: Fold, level: int) -> list[Vec]:
    """One vector for each operand, lane i of which holds row i: `rows` are their vectors, as many as these have lanes.

    `fold` takes the vectors of all operands twice: of lanes that come first, and of those that they are combined with.
    """
    lanes, bits = ev.count, max(llvm_bits(vec.type) for vec in rows[0])
    parts = [rows[row] for row in _order(lanes, bits)]
    distance = lanes // 2
    while distance:
        chosen = _lanes_of_halves(lanes, distance, bits)
        pairs = []
        for one, other in zip(parts[::2], parts[1::2], strict=True):
            halves = [_shuffle(ev, *both, order, level) for order in chosen for both in zip(one, other, strict=True)]
            pairs.append([ev.as_vector(vec) for vec in fold(halves)])
        parts, distance = pairs, distance // 2
    return parts[0]


def _lanes_of_halves(lanes: int, distance: int, bits: int) -> tuple[list[int], list[int]]:
    """Which lanes of two vectors, one behind the other, are combined with those `distance` further on; and these."""
    block = lanes if distance * bits >= _SHUFFLED_BITS else min(lanes, max(_SHUFFLED_BITS // bits, 2 * distance))
    lows = [
        vector * lanes + start + lane
        for start in range(0, lanes, block)
        for vector in (0, 1)
        for lane in range(block)
        if not lane & distance
    ]
    return lows, [lane + distance for lane in lows]


def _order(lanes: int, bits: int) -> list[int]:
    """In which order rows have to be paired to come out in their own."""
    held = [[row] * lanes for row in range(lanes)]
    distance = lanes // 2
    while distance:
        lows, _ = _lanes_of_halves(lanes, distance, bits)
        held = [[(one + other)[lane] for lane in lows] for one, other in zip(held[::2], held[1::2], strict=True)]
        distance //= 2
    order = [0] * lanes
    for lane, row in enumerate(held[0]):
        order[row] = lane
    return order


def _shuffle(ev: Lanes, one: Vec, other: Vec, order: list[int], level: int) -> Vec:
    type_ = ev.vector_type(one.type)
    lanes = ", ".join(f"i32 {lane}" for lane in order)
    text = f"shufflevector {type_} {one.name}, {type_} {other.name}, <{len(order)} x i32> <{lanes}>"
    return vector(one.type, ev.emit(level, text), level)
