"""Reductions and scans whose function has a loop, as element-wise steps on whole tiles: a pass.

A reduction halves its axis until one element is left, always combining neighbours; a scan combines each element with
what stands 1, 2, 4, ... places before it. What runs the loops element by element is `regions`. Not here: functions
without loops, which native code evaluates in vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from supa.base.dtypes import I32
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.rewrite import Builder, clone_block, replace
from supa.ir.types import Tile, element_of, shape_of


@dataclass(frozen=True, kw_only=True)
class SpreadCombining:
    """Rewrites each `reduce` and `scan` whose region has a loop."""

    name: ClassVar[str] = "spread_combining"

    def run(self, func: ops.Func) -> None:
        """Rewrite in place."""
        for op in list(func.walk()):
            if isinstance(op, ops.Reduce | ops.Scan) and _has_loop(op):
                replace(op, _reduced(op) if isinstance(op, ops.Reduce) else _scanned(op))


def _has_loop(op: Op) -> bool:
    return any(isinstance(inner, ops.For | ops.While) for part in op.regions[0].ops for inner in part.walk())


def _reduced(op: ops.Reduce) -> list[Value]:
    builder = Builder.before(op)
    rank = len(shape_of(op.sources[0].type))
    order = (*(dim for dim in range(rank) if dim != op.axis), op.axis)
    tiles = [_rows(builder, _transposed(builder, source, order)) for source in op.sources]
    while shape_of(tiles[0].type)[-1] > 1:
        pairs = [_halves(builder, tile) for tile in tiles]
        tiles = _combined(builder, op, [left for left, _ in pairs], [right for _, right in pairs])
    return [builder.value(ops.Reshape, (tile,), result.type) for tile, result in zip(tiles, op.results, strict=True)]


def _transposed(builder: Builder, tile: Value, order: tuple[int, ...]) -> Value:
    if order == tuple(range(len(order))):
        return tile
    shape = tuple(shape_of(tile.type)[dim] for dim in order)
    return builder.value(ops.Transpose, (tile,), Tile(shape, element_of(tile.type)), order=order)


def _rows(builder: Builder, tile: Value) -> Value:
    """The same elements in two dimensions at most: halves need one more."""
    *outer, extent = shape_of(tile.type)
    if len(outer) < 2:
        return tile
    element = element_of(tile.type)
    return builder.value(ops.Reshape, (tile,), Tile((Tile(tuple(outer), element).size, extent), element))


def _halves(builder: Builder, tile: Value) -> tuple[Value, Value]:
    """The elements at even places of the last dimension, and those at odd ones."""
    *outer, extent = shape_of(tile.type)
    half = Tile((*outer, extent // 2), element_of(tile.type))
    pairs = builder.value(ops.Reshape, (tile,), Tile((*half.shape, 2), half.element))
    left, right = builder.create(ops.Split, (pairs,), (half, half)).results
    return left, right


def _combined(builder: Builder, op: Op, first: Sequence[Value], second: Sequence[Value]) -> list[Value]:
    body = clone_block(op.regions[0])
    types = [tile.type for tile in first]
    return list(builder.create(ops.MapRegion, (*first, *second), types, regions=(body,)).results)


def _scanned(op: ops.Scan) -> list[Value]:
    builder = Builder.before(op)
    extent = shape_of(op.sources[0].type)[op.axis]
    tiles, distance = list(op.sources), 1
    place = _places(builder, shape_of(tiles[0].type), op.axis)
    while distance < extent:
        ends = builder.constant(extent - 1 if op.reverse else 0, place.type)
        moved = builder.map("add", place, builder.constant(distance if op.reverse else -distance, place.type))
        held = builder.map("smin" if op.reverse else "smax", moved, ends)
        before = [builder.value(ops.Gather, (tile, held), tile.type, axis=op.axis) for tile in tiles]
        combined = _combined(builder, op, before, tiles)
        there = builder.map("icmp_eq", held, moved)
        tiles = [builder.map("select", there, new, old) for new, old in zip(combined, tiles, strict=True)]
        distance *= 2
    return tiles


def _places(builder: Builder, shape: tuple[int, ...], axis: int) -> Value:
    """Each element's place along `axis`."""
    extent = shape[axis]
    found = builder.value(ops.Range, (), Tile((extent,), I32), start=0, end=extent)
    if len(shape) == 1:
        return found
    line = tuple(extent if dim == axis else 1 for dim in range(len(shape)))
    return builder.value(ops.Broadcast, (builder.value(ops.Reshape, (found,), Tile(line, I32)),), Tile(shape, I32))
