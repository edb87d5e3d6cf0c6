"""Emits the nests that `plan` made: keeps tiles in buffers, stores, reduces."""

from __future__ import annotations

from supa.base.dtypes import F32, DType
from supa.compiler.native import checks, memory
from supa.compiler.native.buffers import Buffer
from supa.compiler.native.combination import identity_function, identity_value, is_commutative
from supa.compiler.native.elements import apply_function
from supa.compiler.native.finite import watch_reductions
from supa.compiler.native.formats import from_f32, to_f32
from supa.compiler.native.generator import Generator, emits
from supa.compiler.native.literals import literal
from supa.compiler.native.loops import Loops, choose_space
from supa.compiler.native.plan import Nest, Root
from supa.compiler.native.tiles import (
    Evaluator,
    Index,
    coordinates_access,
    descriptor_access,
    descriptor_of,
    evaluate_region,
)
from supa.compiler.native.vec import Vec, uniform, vector
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.types import Scalar, Tile, element_of, shape_of

# Independent accumulators hide the combining instruction's latency; along columns they make longer runs of memory.
_REDUCTION_COPIES = 4
_BUSY_COPIES = 2  # where a body has work enough to hide the latency, and copies would only be code


@emits(Nest)
def emit_nest(generator: Generator, nest: Nest) -> None:
    """Emit the loops of `nest` and everything its roots do."""
    space = choose_space(nest.shape, nest.axis, generator.width)
    in_order = any(isinstance(root.op, ops.Reduce) and not is_commutative(root.op) for root in nest.roots)
    copies = 1
    if nest.axis is not None and not in_order:
        copies = _BUSY_COPIES if generator.planner.is_busy(nest) else _REDUCTION_COPIES
    loops = Loops(generator.emitter, generator.environment, nest.shape, space, copies)
    buffers = {root: _destination(generator, nest, root) for root in nest.roots if root.kind == "keep"}
    reductions = {root: _Reduction(generator, loops, root) for root in nest.roots if root.kind == "reduce"}
    for copy, index in enumerate(loops.indices):
        # First read everything, then write: a tile updated in place is read by all roots before it changes.
        seen = {
            root: [_evaluate(loops.evaluator, root, value, index) for value in _evaluated(root)] for root in nest.roots
        }
        for root, values in seen.items():
            if root.kind == "keep":
                buffer = buffers[root]
                if buffer is not None:
                    loops.evaluator.write_buffer(buffer, index, values[0], loops.level)
            elif root.kind == "reduce":
                reductions[root].combine(copy, values)
            else:
                emit_store(loops.evaluator, root.op, index, values, loops.level)
    for reduction in reductions.values():
        reduction.finish()
    loops.finish()
    for root, buffer in buffers.items():
        if root.target is None and buffer is not None:
            assert root.value is not None
            generator.environment.buffers[root.value] = buffer
    for reduction in reductions.values():
        reduction.publish()
    watch_reductions(generator, nest)


def _evaluated(root: Root) -> list[Value]:
    if root.kind == "store":
        return [root.op.value]  # type: ignore[attr-defined]
    return root.inputs


def _evaluate(evaluator: Evaluator, root: Root, value: Value, index: Index) -> Vec:
    return evaluator.at(value, index)


def _destination(generator: Generator, nest: Nest, root: Root) -> Buffer | None:
    """The buffer that a keep-root writes, None where only roots of the same nest read the value."""
    assert root.value is not None
    if root.target is not None:
        return root.target
    here: set[object] = {other.reader for other in nest.roots}
    if generator.planner.uses[root.value].readers <= here:
        return None
    return generator.new_buffer(root.shape, element_of(root.value.type))


def emit_store(evaluator: Evaluator, op: Op, index: Index, values: list[Vec], level: int) -> None:
    """Write one vector of the value of a storing operation."""
    mask: Vec | None
    if isinstance(op, ops.Store):
        pointer = evaluator.at(op.pointer, index)
        mask = evaluator.at(op.mask, index) if op.mask is not None else None
    elif isinstance(op, ops.DescriptorStore):
        pointer, mask = descriptor_access(evaluator, op, op.descriptor, op.indices, index)
    else:
        assert isinstance(op, ops.DescriptorScatter)
        row = evaluator.at(op.row_indices, (index[0],))
        column = evaluator.add(evaluator.scalar(op.column), index[1])
        pointer, mask = coordinates_access(evaluator, descriptor_of(op, op.descriptor), (row, column))
    mask = checks.access(evaluator, op, pointer, mask, index)
    memory.store(evaluator, pointer, values[0], mask, element_of(op.value.type), level)


class _Reduction:
    """One reduce operation inside a nest: accumulators, their combination, the final tree over lanes."""

    def __init__(self, generator: Generator, loops: Loops, root: Root) -> None:
        assert isinstance(root.op, ops.Reduce) and root.axis is not None
        self.generator, self.loops, self.op, self.axis = generator, loops, root.op, root.axis
        self.looped = bool(loops.looped) and loops.looped[-1][0] == root.axis
        self.level = loops.level - 1 if self.looped else loops.level
        self.types = [element_of(source.type) for source in self.op.sources]
        self.in_order = loops.space.horizontal and not is_commutative(self.op)
        self.narrow = _widened(self.op, self.types[0])
        if self.narrow is not None:  # sums of small floats run in f32 and are rounded once
            self.types = [F32]
        self.slots: list[list[str]] = []  # [copy][operand]
        self.flags: list[str] = []
        self.values: list[list[Vec]] = []  # where there is no loop
        self.results: list[str | Buffer] = []

    def combine(self, copy: int, values: list[Vec]) -> None:
        """Fold the values of one index into accumulator `copy`."""
        evaluator = self.loops.evaluator
        if self.narrow is not None:
            values = [to_f32(evaluator, value, self.narrow) for value in values]
        wide = [evaluator.as_vector(value) if self.loops.space.lanes > 1 else value for value in values]
        if self.in_order:  # the vector's own elements first: the region sees neighbours only
            wide = self._across_lanes(evaluator, wide, self.loops.level)
        if not self.looped:
            self.values.append(wide)
            return
        self._make_slots(copy, wide)
        old = [
            self._load(evaluator, slot, vec, self.loops.level) for slot, vec in zip(self.slots[copy], wide, strict=True)
        ]
        new = self._fold(evaluator, [*old, *wide])
        if self.flags:
            started = uniform(
                "i1", evaluator.emit(self.loops.level, f"load i1, ptr {self.flags[copy]}"), self.loops.level
            )
            new = [evaluator.select(started, made, value) for made, value in zip(new, wide, strict=True)]
            evaluator.run(self.loops.level, f"store i1 true, ptr {self.flags[copy]}")
        for slot, vec in zip(self.slots[copy], new, strict=True):
            text = evaluator.widen(vec) if self._is_vector else vec.name
            evaluator.run(self.loops.level, f"store {self._type(vec)} {text}, ptr {slot}")

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
            likes = [Vec("vector", literal_type, "") for literal_type in self._register_types()]
            parts = [
                [self._load(evaluator, slot, like, self.level) for slot, like in zip(slots, likes, strict=True)]
                for slots in self.slots
            ]
        while self.loops.space.horizontal and len(parts) > 1:
            parts = [
                self._fold(evaluator, [*left, *right]) for left, right in zip(parts[::2], parts[1::2], strict=True)
            ]
        for copy, totals in enumerate(parts):
            if self.loops.space.horizontal and not self.in_order:
                totals = self._across_lanes(evaluator, totals, self.level)
            if self.narrow is not None:
                totals = [from_f32(evaluator, total, self.narrow) for total in totals]
            self._write(evaluator, totals, self.loops.indices[copy])

    def _register_types(self) -> list[str]:
        from supa.compiler.native.emitter import register_type

        return [register_type(type_) for type_ in self.types]

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

    def _write(self, evaluator: Evaluator, totals: list[Vec], index: Index) -> None:
        outer = index[: self.axis] + index[self.axis + 1 :]
        evaluator.flat = self.loops.evaluator.flat
        if not self.results:
            self.results = [self._place(result) for result in self.op.results]
        for position, (place, vec) in enumerate(zip(self.results, totals, strict=True)):
            if isinstance(place, Buffer):
                evaluator.write_buffer(place, outer, vec, self.level)
            else:
                self.results[position] = vec.name

    def _place(self, result: Value) -> str | Buffer:
        if not isinstance(result.type, Tile):
            return ""
        return self.generator.new_buffer(shape_of(result.type), element_of(result.type))

    def publish(self) -> None:
        """Make the results known to what follows the nest."""
        for result, place in zip(self.op.results, self.results, strict=True):
            if isinstance(place, Buffer):
                self.generator.environment.buffers[result] = place
            else:
                self.generator.environment.scalars[result] = place


def _widened(op: ops.Reduce, type_: Scalar) -> DType | None:
    """The small float type of a reduction that may run in f32: by one function whose order is free anyway."""
    function = identity_function(op)
    is_narrow = isinstance(type_, DType) and type_.is_float and type_.bits < F32.bits
    return type_ if is_narrow and isinstance(type_, DType) and function is not None else None
