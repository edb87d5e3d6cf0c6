"""One reduction inside a nest: accumulators, their combination, the final tree over lanes. Not here: the loops."""

from __future__ import annotations

from supa.base.dtypes import F32, I1, DType
from supa.compiler.native import row_groups
from supa.compiler.native.buffers import Buffer
from supa.compiler.native.combination import identity_function, identity_value, is_commutative
from supa.compiler.native.elements import apply_function
from supa.compiler.native.emitter import register_type
from supa.compiler.native.formats import from_f32, to_f32
from supa.compiler.native.generator import Generator
from supa.compiler.native.literals import literal
from supa.compiler.native.loops import Loops
from supa.compiler.native.plan import Root
from supa.compiler.native.tiles import Evaluator, Index, evaluate_region
from supa.compiler.native.vec import Vec, uniform, vector
from supa.ir import ops
from supa.ir.types import Scalar, Tile, element_of, shape_of

Place = str | Buffer
"""Where one result goes: a buffer, or the stack slot of a scalar."""
_NUMBERS_WIN = {"fmax": "ogt", "fmin": "olt"}


def places_of(generator: Generator, op: ops.Reduce) -> list[Place]:
    """A place for each result of a reduction."""
    places: list[Place] = []
    for result in op.results:
        element = element_of(result.type)
        if isinstance(result.type, Tile):
            places.append(generator.new_buffer(shape_of(result.type), element))
        else:
            places.append(generator.emitter.alloca(register_type(element)))
    return places


def publish(generator: Generator, op: ops.Reduce, places: list[Place]) -> None:
    """Make the results known to what follows the nest."""
    for result, place in zip(op.results, places, strict=True):
        if isinstance(place, Buffer):
            generator.environment.buffers[result] = place
        else:
            type_ = register_type(element_of(result.type))
            generator.environment.scalars[result] = generator.emitter.op(f"load {type_}, ptr {place}")


class Reduction:
    """The code of one reduce operation in one emission of its nest; results go to `places`."""

    def __init__(
        self, generator: Generator, loops: Loops, root: Root, places: list[Place], before: Reduction | None = None
    ) -> None:
        assert isinstance(root.op, ops.Reduce) and root.axis is not None
        self.generator, self.loops, self.op, self.axis = generator, loops, root.op, root.axis
        self.looped = bool(loops.looped) and loops.looped[-1][0] == root.axis
        self.level = loops.level - 1 if self.looped else loops.level
        self.types = [element_of(source.type) for source in self.op.sources]
        self.in_order = loops.space.horizontal and not is_commutative(self.op)
        self.narrow = _widened(self.op, self.types[0])
        if self.narrow is not None:  # sums of small floats run in f32 and are rounded once
            self.types = [F32]
        self.before = before  # the same reduction over a part of the elements, which this one goes on with
        self.slots: list[list[str]] = [] if before is None else before.slots  # [copy][operand]
        self.flags: list[str] = [] if before is None else before.flags
        self.values: list[list[Vec]] = []  # where there is no loop
        self.pending: list[list[Vec]] = []  # of a turn whose elements are combined in order
        self.places = places
        self.row = row_groups.row_dimension(loops.space)
        if self.in_order or not all(isinstance(place, Buffer) for place in places) or I1 in self.types:
            self.row = None  # one row after the other

    def combine(self, copy: int, values: list[Vec]) -> None:
        """Fold the values of one index into accumulator `copy`."""
        evaluator = self.loops.evaluator
        if self.narrow is not None:
            values = [to_f32(evaluator, value, self.narrow) for value in values]
        wide = [evaluator.as_vector(value) if self.loops.space.lanes > 1 else value for value in values]
        if self.in_order:  # the turn's own elements first: the region sees neighbours only
            self.pending.append(wide)
            if len(self.pending) < self.loops.copies:
                return
            wide = self._across_lanes(evaluator, self._neighbours_combined(evaluator), self.loops.level)
            copy, self.pending = 0, []
        if not self.looped:
            self.values.append(wide)
            return
        if self.before is None:
            self._make_slots(copy, wide)
        old = [
            self._load(evaluator, slot, vec, self.loops.level) for slot, vec in zip(self.slots[copy], wide, strict=True)
        ]
        new = self._accumulate(evaluator, old, wide)
        if self.flags:
            started = uniform(
                "i1", evaluator.emit(self.loops.level, f"load i1, ptr {self.flags[copy]}"), self.loops.level
            )
            new = [evaluator.select(started, made, value) for made, value in zip(new, wide, strict=True)]
            evaluator.run(self.loops.level, f"store i1 true, ptr {self.flags[copy]}")
        for slot, vec in zip(self.slots[copy], new, strict=True):
            text = evaluator.widen(vec) if self._is_vector else vec.name
            evaluator.run(self.loops.level, f"store {self._type(vec)} {text}, ptr {slot}")

    def _accumulate(self, evaluator: Evaluator, old: list[Vec], new: list[Vec]) -> list[Vec]:
        """`_fold`, where NaNs lose: one ordered choice, in the lanes that hold a number. The start is a NaN itself."""
        function = identity_function(self.op)
        if function not in _NUMBERS_WIN or new[0].type not in ("float", "double"):
            return self._fold(evaluator, [*old, *new])
        better = evaluator.apply(f"fcmp {_NUMBERS_WIN[function]} {{t}} {{0}}, {{1}}", (old[0], new[0]), "i1")
        chosen = evaluator.select(better, old[0], new[0])
        number = evaluator.apply("fcmp ord {t} {0}, {0}", (new[0],), "i1")
        return [evaluator.select(number, chosen, old[0])]

    def _fold(self, evaluator: Evaluator, values: list[Vec]) -> list[Vec]:
        if self.narrow is None:
            return evaluate_region(evaluator, self.op, values)
        inner = self.op.regions[0].ops[0]
        assert isinstance(inner, ops.Map)
        return [apply_function(evaluator, inner.function, values, (F32, F32))]

    @property
    def _is_vector(self) -> bool:
        return self.loops.space.lanes > 1 and not self.in_order

    def _type(self, vec: Vec) -> str:
        return self.loops.evaluator.vector_type(vec.type) if self._is_vector else vec.type

    def _load(self, evaluator: Evaluator, slot: str, like: Vec, level: int) -> Vec:
        name = evaluator.emit(level, f"load {self._type(like)}, ptr {slot}")
        return vector(like.type, name, level) if self._is_vector else uniform(like.type, name, level)

    def _make_slots(self, copy: int, values: list[Vec]) -> None:
        identity = identity_function(self.op)
        slots = []
        outside = self.loops.before[self.level]
        for vec, type_ in zip(values, self.types, strict=True):
            slot = self.generator.emitter.alloca(self._type(vec))
            slots.append(slot)
            if identity is not None:
                first = literal(identity_value(identity, type_), type_)
                start = f"splat ({vec.type} {first})" if self._is_vector else first
                outside.append(f"  store {self._type(vec)} {start}, ptr {slot}")
        self.slots.append(slots)
        if identity is None:
            flag = self.generator.emitter.alloca("i1")
            self.flags.append(flag)
            outside.append(f"  store i1 false, ptr {flag}")
            for slot, vec in zip(slots, values, strict=True):
                outside.append(f"  store {self._type(vec)} zeroinitializer, ptr {slot}")

    def finish(self) -> None:
        """After the loop: combine the copies, then the lanes, and put the result where it belongs."""
        evaluator = self.loops.finisher if self.looped else self.loops.evaluator
        parts = self.values
        if self.looped:
            likes = [Vec("vector", register_type(type_), "") for type_ in self.types]
            parts = [
                [self._load(evaluator, slot, like, self.level) for slot, like in zip(slots, likes, strict=True)]
                for slots in self.slots
            ]
        while self.loops.space.horizontal and len(parts) > 1:
            parts = [
                self._fold(evaluator, [*left, *right]) for left, right in zip(parts[::2], parts[1::2], strict=True)
            ]
        for copy, totals in enumerate(parts):
            if self.row is not None:
                self._join_group(evaluator, totals, self.loops.indices[copy], self.row)
                continue
            if self.loops.space.horizontal and not self.in_order:
                totals = self._across_lanes(evaluator, totals, self.level)
            self._write(evaluator, totals, self.loops.indices[copy], self.level)

    def _join_group(self, evaluator: Evaluator, totals: list[Vec], index: Index, dimension: int) -> None:
        """Put a row's vectors aside; behind the last row of a group combine those of all its rows."""
        lanes, level = evaluator.count, self.level
        row = index[dimension]
        place = evaluator.emit(level, f"and i32 {row.name}, {lanes - 1}")
        slots, types = [], [evaluator.vector_type(vec.type) for vec in totals]
        for vec, type_ in zip(totals, types, strict=True):
            slots.append(self.generator.emitter.alloca(f"[{lanes} x {type_}]"))
            at = evaluator.emit(level, f"getelementptr {type_}, ptr {slots[-1]}, i32 {place}")
            evaluator.run(level, f"store {type_} {evaluator.widen(vec)}, ptr {at}")
        full, done = (self.generator.emitter.fresh_label(hint) for hint in ("group", "grouped"))
        is_last = evaluator.emit(level, f"icmp eq i32 {place}, {lanes - 1}")
        evaluator.run(level, f"br i1 {is_last}, label %{full}, label %{done}")
        evaluator.sinks[level].append(f"{full}:")
        rows = [
            [self._row_of(evaluator, slot, vec, at) for slot, vec in zip(slots, totals, strict=True)]
            for at in range(lanes)
        ]
        made = row_groups.combine(evaluator, rows, lambda vecs: self._fold(evaluator, vecs), level)
        first = evaluator.emit(level, f"sub i32 {row.name}, {lanes - 1}")
        rows_made = Vec("linear", "i32", first, level, 1)
        self._write(evaluator, made, (*index[:dimension], rows_made, *index[dimension + 1 :]), level)
        evaluator.run(level, f"br label %{done}")
        evaluator.sinks[level].append(f"{done}:")

    def _row_of(self, evaluator: Evaluator, slot: str, like: Vec, row: int) -> Vec:
        type_ = evaluator.vector_type(like.type)
        at = evaluator.emit(self.level, f"getelementptr {type_}, ptr {slot}, i32 {row}")
        return vector(like.type, evaluator.emit(self.level, f"load {type_}, ptr {at}"), self.level)

    def _neighbours_combined(self, evaluator: Evaluator) -> list[Vec]:
        """One vector for each operand from a turn's vectors: of two, each element with the one behind it."""
        rows = self.pending
        while len(rows) > 1:
            pairs = []
            for left, right in zip(rows[::2], rows[1::2], strict=True):
                firsts, seconds = (
                    [self._every_second(evaluator, *both, start) for both in zip(left, right, strict=True)]
                    for start in (0, 1)
                )
                folded = self._fold(evaluator, [*firsts, *seconds])
                pairs.append([evaluator.as_vector(vec) for vec in folded])
            rows = pairs
        return rows[0]

    def _every_second(self, evaluator: Evaluator, left: Vec, right: Vec, start: int) -> Vec:
        """Every second element of two vectors that lie one behind the other."""
        type_, level = evaluator.vector_type(left.type), max(left.level, right.level)
        order = ", ".join(f"i32 {lane}" for lane in range(start, 2 * evaluator.count, 2))
        text = f"shufflevector {type_} {left.name}, {type_} {right.name}, <{evaluator.count} x i32> <{order}>"
        return vector(left.type, evaluator.emit(level, text), level)

    def _across_lanes(self, evaluator: Evaluator, totals: list[Vec], level: int) -> list[Vec]:
        """Combine all lanes: neighbours first where order matters, else halves, which shuffle faster.

        The last two are combined as scalars: of a vector comparison whose first lane alone is wanted, LLVM 22 makes a
        scalar comparison that may forget the shuffle of its operand.
        """
        count = evaluator.count
        if count == 1:
            return totals
        distances = [1 << step for step in range(count.bit_length() - 1)]
        *firsts, last = distances if self.in_order else distances[::-1]
        level = max([level, *(vec.level for vec in totals)])
        for distance in firsts:
            order = ", ".join(f"i32 {(lane + distance) % count}" for lane in range(count))
            shifted = []
            for vec in totals:
                type_ = evaluator.vector_type(vec.type)
                text = f"shufflevector {type_} {vec.name}, {type_} poison, <{count} x i32> <{order}>"
                shifted.append(vector(vec.type, evaluator.emit(level, text), level))
            totals = [evaluator.as_vector(vec) for vec in self._fold(evaluator, [*totals, *shifted])]
        lanes = [self._lane(evaluator, vec, lane, level) for lane in (0, last) for vec in totals]
        return self._fold(evaluator, lanes)

    @staticmethod
    def _lane(evaluator: Evaluator, vec: Vec, lane: int, level: int) -> Vec:
        text = f"extractelement {evaluator.vector_type(vec.type)} {vec.name}, i64 {lane}"
        return uniform(vec.type, evaluator.emit(level, text), level)

    def _write(self, evaluator: Evaluator, totals: list[Vec], index: Index, level: int) -> None:
        outer = index[: self.axis] + index[self.axis + 1 :]
        if self.narrow is not None:
            totals = [from_f32(evaluator, total, self.narrow) for total in totals]
        evaluator.flat = self.loops.evaluator.flat
        for place, vec in zip(self.places, totals, strict=True):
            if isinstance(place, Buffer):
                evaluator.write_buffer(place, outer, vec, level)
            else:
                evaluator.run(level, f"store {vec.type} {vec.name}, ptr {place}")


def _widened(op: ops.Reduce, type_: Scalar) -> DType | None:
    """The small float type of a reduction that may run in f32: by one function whose order is free anyway."""
    function = identity_function(op)
    is_narrow = isinstance(type_, DType) and type_.is_float and type_.bits < F32.bits
    return type_ if is_narrow and isinstance(type_, DType) and function is not None else None
