"""The loops of one nest: which dimensions become scalar loops, which one is cut into vectors. Bodies come from users.

A nest over `shape` runs scalar loops over its outer dimensions and vectors along the last one. Where the last
dimension is shorter than a vector it runs over one flat counter instead, from which indices are cut. A reduction's
`axis` is the innermost loop; along the last dimension it is the vector dimension (`horizontal`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from supa.compiler.native.emitter import Emitter
from supa.compiler.native.rows import Row
from supa.compiler.native.tiles import ZERO, Environment, Evaluator, Index
from supa.compiler.native.vec import Flat, Vec


@dataclass(frozen=True, kw_only=True)
class Space:
    """How a shape is walked: loops (dimension, extent, step) outermost first; dimension -1 is the flat counter."""

    loops: tuple[tuple[int, int, int], ...]
    lanes: int
    vector_dimension: int | None = None  # walked in vectors; -1: flat
    flat: tuple[int, ...] = ()
    horizontal: bool = False


def columns_first(space: Space) -> Space:
    """The same walk with the vector dimension outermost: what only columns decide is found once, not for every row."""
    first = [loop for loop in space.loops if loop[0] == space.vector_dimension]
    return replace(space, loops=(*first, *(loop for loop in space.loops if loop not in first)))


def choose_space(shape: tuple[int, ...], axis: int | None, width: int) -> Space:
    """The walk over `shape` with vectors of at most `width` lanes; `axis` is reduced along, innermost."""
    rest = [dim for dim, extent in enumerate(shape) if extent > 1 and dim != axis]
    axis_loop: tuple[tuple[int, int, int], ...] = ()
    if axis is not None and shape[axis] > 1:
        is_last = all(dim < axis for dim in rest)
        if is_last and (shape[axis] >= width or not rest):
            lanes = min(width, shape[axis])
            loops = (*((dim, shape[dim], 1) for dim in rest), (axis, shape[axis], lanes))
            return Space(loops=loops, lanes=lanes, vector_dimension=axis, horizontal=True)
        axis_loop = ((axis, shape[axis], 1),)
    if not rest:
        return Space(loops=axis_loop, lanes=1)
    last, total = rest[-1], prod(shape[dim] for dim in rest)
    if shape[last] >= width or len(rest) == 1:
        lanes = min(width, shape[last])
        outer = tuple((dim, shape[dim], 1) for dim in rest[:-1])
        return Space(loops=(*outer, (last, shape[last], lanes), *axis_loop), lanes=lanes, vector_dimension=last)
    lanes = min(width, total)
    return Space(loops=((-1, total, lanes), *axis_loop), lanes=lanes, vector_dimension=-1, flat=tuple(rest))


class Loops:
    """The nest under construction. `indices` holds one index tuple for each copy of the innermost body: the vector loop
    may take several neighbouring vectors at once.

    `level` is the innermost loop's level; `before[k]` and `after[k]` receive what level k does before and after the
    loop inside it.
    """

    def __init__(
        self,
        emitter: Emitter,
        environment: Environment,
        shape: tuple[int, ...],
        space: Space,
        copies: int = 1,
        bounds: tuple[str, str] | None = None,
    ) -> None:
        self.emitter, self.shape, self.space = emitter, shape, space
        self.bounds = bounds  # of the only loop, i64 and whole steps; it may have no turn then
        self.looped = [(dim, extent, step) for dim, extent, step in space.loops if extent > step]
        self.level = len(self.looped)
        self.before: list[list[str]] = [[] for _ in range(self.level + 1)]
        self.after: list[list[str]] = [[] for _ in range(self.level + 1)]
        self.counters = [emitter.fresh("i") for _ in self.looped]
        self.copied = self._copied_loop(copies)
        self.copies = copies if self.copied is not None else 1
        self.evaluator = Evaluator(emitter, space.lanes, self.before, environment)
        around = max(0, self.level - 1)  # what the finisher needs of outer levels must stand before the loops inside
        sinks = [*self.before[:around], *self.after[around:]]
        self.finisher = Evaluator(emitter, space.lanes, sinks, environment)
        self.indices = self._make_indices()
        self.evaluator.row = self._row()

    def _row(self) -> Row | None:
        """The loop over the vectors of a row, where that is a loop."""
        for level, (dim, extent, step) in enumerate(self.looped, 1):
            if dim == self.space.vector_dimension and dim != -1 and step > 1:
                counters = frozenset(index[dim] for index in self.indices)
                return Row(extent=extent, level=level, counters=counters)
        return None

    def _copied_loop(self, copies: int) -> int | None:
        """The position of the vector loop, if it can take `copies` vectors at a time."""
        for position, (dim, extent, step) in enumerate(self.looped):
            if dim == self.space.vector_dimension and dim != -1 and copies > 1 and extent % (step * copies) == 0:
                return position
        return None

    def _make_indices(self) -> list[Index]:
        positions: dict[int, Vec] = {}
        for level, ((dim, _, step), counter) in enumerate(zip(self.looped, self.counters, strict=True), 1):
            name = self.evaluator.emit(level, f"trunc i64 {counter} to i32")
            is_vector = dim == self.space.vector_dimension and step > 1
            positions[dim] = Vec("linear" if is_vector else "uniform", "i32", name, level, 1 if is_vector else 0)
        vector_dim = self.space.vector_dimension
        if vector_dim is not None and vector_dim not in positions:
            positions[vector_dim] = Vec("linear", "i32", "0", 0, 1) if self.space.lanes > 1 else ZERO
        if vector_dim == -1:
            self._cut_flat(positions)
        first = tuple(positions.get(dim, ZERO) for dim in range(len(self.shape)))
        return [self._shifted(first, copy) for copy in range(self.copies)]

    def _cut_flat(self, positions: dict[int, Vec]) -> None:
        flat = positions.pop(-1)
        self.evaluator.flat = flat
        shift = 0
        for dim in reversed(self.space.flat):
            extent = self.shape[dim]
            field = self.evaluator.flat_field(shift, extent)
            positions[dim] = Vec(
                field.kind, field.type, field.name, field.level, field.step, field.constant, Flat(shift, extent)
            )
            shift += extent.bit_length() - 1

    def _shifted(self, index: Index, copy: int) -> Index:
        if self.copied is None or copy == 0:
            return index
        dim, _, step = self.looped[self.copied]
        at = index[dim]
        name = self.evaluator.emit(at.level, f"add i32 {at.name}, {copy * step}")
        moved = Vec(at.kind, "i32", name, at.level, at.step)
        return (*index[:dim], moved, *index[dim + 1 :])

    def finish(self) -> None:
        """Write the nest into the emitter's current sink."""
        self._write(0)

    def _write(self, level: int) -> None:
        sink = self.emitter.sink
        sink.extend(self.before[level])
        if level < self.level:
            _, extent, step = self.looped[level]
            step *= self.copies if level == self.copied else 1
            counter = self.counters[level]
            labels = [self.emitter.fresh_label(hint) for hint in ("pre", "loop", "latch", "exit")]
            pre, head, latch, exit_ = labels
            following, again = self.emitter.fresh("n"), self.emitter.fresh("c")
            first: int | str = 0
            enter = f"  br label %{head}"
            if self.bounds is not None:
                first, extent = self.bounds  # type: ignore[assignment]
                some = self.emitter.fresh("c")
                enter = f"  {some} = icmp slt i64 {first}, {extent}\n  br i1 {some}, label %{head}, label %{exit_}"
            sink.append(f"  br label %{pre}\n{pre}:\n{enter}\n{head}:")
            sink.append(f"  {counter} = phi i64 [ {first}, %{pre} ], [ {following}, %{latch} ]")
            self._write(level + 1)
            sink.append(f"  br label %{latch}\n{latch}:\n  {following} = add nuw nsw i64 {counter}, {step}")
            sink.append(f"  {again} = icmp slt i64 {following}, {extent}")
            sink.append(f"  br i1 {again}, label %{head}, label %{exit_}\n{exit_}:")
        sink.extend(self.after[level])
