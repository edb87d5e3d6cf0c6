"""Whole rows of a tile under the sanitizer: where its addresses lie side by side, one look before its loop is enough.

A row whose look finds anything is left to the looks at each vector, which know lanes and say what is wrong. Not here:
those (`checks`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from supa.compiler.native.vec import Vec, uniform
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import Tile, shape_of

if TYPE_CHECKING:
    from supa.compiler.native.tiles import Evaluator, Index

_ZERO = Vec("uniform", "i32", "0", 0, constant=0)


@dataclass(frozen=True, kw_only=True)
class Row:
    """The loop over the vectors of a row: its extent in elements, its level, and the index that it gives each copy."""

    extent: int
    level: int
    counters: frozenset[Vec]


@dataclass(frozen=True, kw_only=True)
class Span:
    """The addresses of a row's first and last vector, outside the row's loop, and the row's elements."""

    first: Vec
    last: Vec
    extent: int

    @property
    def level(self) -> int:
        """Where both are known."""
        return max(self.first.level, self.last.level)


def span_of(ev: Evaluator, pointer: Value, index: Index, element_bytes: int) -> Span | None:
    """The row that `index` runs over, if the addresses of `pointer` grow along it by one element from lane to lane.

    Integers may wrap inside a row: only where last - first is the row's length they have not.
    """
    row = ev.row
    if row is None or not _grows(ev, pointer, index, row):
        return None
    plain = ev.unchecked()
    ends = []
    for start in (0, row.extent - ev.count):
        counter = Vec("linear", "i32", str(start), 0, 1)
        ends.append(plain.at(pointer, tuple(counter if at in row.counters else at for at in index)))
    span = Span(first=ends[0], last=ends[1], extent=row.extent)
    linear = all(end.is_linear and end.step == element_bytes for end in ends)
    return span if linear and span.level < row.level else None


def _grows(ev: Evaluator, value: Value, index: Index, row: Row) -> bool:
    """Whether `value` is linear along the whole row, not only along each vector."""
    op = value.op
    if value in ev.environment.buffers or value in ev.bound or op is None:
        return False
    if isinstance(op, ops.Range):
        return index[0] in row.counters
    if isinstance(op, ops.AddPtr):
        return _sum_grows(ev, op.pointer, op.offset, index, row)
    if isinstance(op, ops.Map) and op.function in ("add", "sub") and len(op.arguments) == 2:
        return _sum_grows(ev, op.arguments[0], op.arguments[1], index, row)
    if isinstance(op, ops.Map) and op.function == "mul":
        left, right = op.arguments
        sides = ((left, right), (right, left))
        return any(_grows(ev, one, index, row) and _stays(ev, other, index, row) for one, other in sides)
    if isinstance(op, ops.Cast) and op.kind == "sext":
        return _grows(ev, op.source, index, row)
    source = _source(op, index)
    return source is not None and _grows(ev, source[0], source[1], row)


def _sum_grows(ev: Evaluator, left: Value, right: Value, index: Index, row: Row) -> bool:
    grows = [_grows(ev, side, index, row) for side in (left, right)]
    return any(grows) and all(
        known or _stays(ev, side, index, row) for known, side in zip(grows, (left, right), strict=True)
    )


def _stays(ev: Evaluator, value: Value, index: Index, row: Row) -> bool:
    """Whether `value` is the same all along the row, and known before it."""
    if not isinstance(value.type, Tile):
        return value in ev.environment.scalars
    if any(at in row.counters for at in index):
        op = value.op
        if isinstance(op, ops.Splat | ops.Constant):
            return isinstance(op, ops.Splat) or not op.values
        source = _source(op, index) if op is not None else None
        return source is not None and _stays(ev, source[0], source[1], row)
    return (value, index) in ev.memo


def _source(op: object, index: Index) -> tuple[Value, Index] | None:
    """Where an operation that only moves elements takes the one at `index` from."""
    if isinstance(op, ops.Broadcast):
        shape = shape_of(op.source.type)
        return op.source, tuple(_ZERO if extent == 1 else at for extent, at in zip(shape, index, strict=True))
    if isinstance(op, ops.ExpandDims):
        return op.source, index[: op.axis] + index[op.axis + 1 :]
    if isinstance(op, ops.Transpose):
        source = [_ZERO] * len(index)
        for position, dimension in enumerate(op.order):
            source[dimension] = index[position]
        return op.source, tuple(source)
    return None


def look(ev: Evaluator, span: Span, site: int, size: int, after: list[Vec]) -> Vec:
    """Whether all of a row may be accessed, an i1 outside its loop; false where one of `after` is."""
    ev.emitter.definitions["@supa.row"] = _ROW
    level = max(span.level, *(flag.level for flag in after), 0)
    wanted = "true"
    for flag in after:
        wanted = flag.name if wanted == "true" else ev.emit(level, f"and i1 {wanted}, {flag.name}")
    call = (
        f"call i1 @supa.row(ptr %launch, i32 {site}, i64 %block, i64 {span.first.name}, i64 {span.last.name},"
        f" i64 {span.extent * size}, i64 {(span.extent - ev.count) * size}, i64 {size}, i1 {wanted})"
    )
    return uniform("i1", ev.emit(level, call), level)


_ROW = """define internal i1 @supa.row(ptr %launch, i32 %site, i64 %block, i64 %base, i64 %last, i64 %bytes,
    i64 %before, i64 %size, i1 %wanted) nounwind {
  %at = getelementptr i8, ptr %launch, i64 32
  %sanitizer = load ptr, ptr %at
  %none = icmp eq ptr %sanitizer, null
  br i1 %none, label %yes, label %look
look:
  %grown = sub i64 %last, %base
  %straight = icmp eq i64 %grown, %before
  %rest = sub i64 %size, 1
  %over = and i64 %base, %rest
  %aligned = icmp eq i64 %over, 0
  %apt = and i1 %straight, %aligned
  %go = and i1 %apt, %wanted
  br i1 %go, label %window, label %no
window:
  %windows.at = getelementptr i8, ptr %sanitizer, i64 32
  %windows = load ptr, ptr %windows.at
  %index = sext i32 %site to i64
  %window.at = getelementptr [2 x i64], ptr %windows, i64 %index
  %from = load i64, ptr %window.at
  %to.at = getelementptr i8, ptr %window.at, i64 8
  %to = load i64, ptr %to.at
  %end = add i64 %base, %bytes
  %low = icmp uge i64 %base, %from
  %high = icmp ule i64 %end, %to
  %in = and i1 %low, %high
  br i1 %in, label %yes, label %ask
ask:
  %row.at = getelementptr i8, ptr %sanitizer, i64 40
  %row = load ptr, ptr %row.at
  %found = call i32 %row(ptr %sanitizer, i32 %site, i64 %block, i64 %base, i64 %bytes)
  %fine = icmp ne i32 %found, 0
  ret i1 %fine
yes:
  ret i1 true
no:
  ret i1 false
}
"""
