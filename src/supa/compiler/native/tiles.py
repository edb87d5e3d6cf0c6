"""What each tile operation's result is at one index: the rules behind fused loop nests.

`Evaluator.at(value, index)` gives the `Vec` of a tile value at `index`, one i32 `Vec` for each dimension. A value that
is kept in a buffer is read from it; any other is computed by the rule of its operation, from its operands at the
indices that the rule asks for. Operations that need all of a tile (dot, reduce, ...) have no rule here: they always
have buffers (`plan`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from supa.base.errors import UnsupportedError
from supa.compiler.native import checks, memory
from supa.compiler.native.buffers import Buffer
from supa.compiler.native.elements import apply_cast, apply_function
from supa.compiler.native.emitter import Emitter, llvm_bits, memory_type, register_type
from supa.compiler.native.lanes import Lanes
from supa.compiler.native.literals import literal
from supa.compiler.native.periods import DIVISIONS, Run, divide
from supa.compiler.native.rows import Row
from supa.compiler.native.vec import Flat, Vec, constant, uniform, vector
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.types import Pointer, Scalar, Tile, element_of, shape_of, storage_bytes

Index = tuple[Vec, ...]
Rule = Callable[["Evaluator", Op, Value, Index], Vec]
_RULES: dict[type[Op], Rule] = {}
ZERO = constant("i32", 0)


@dataclass
class Environment:
    """Where a function's values are: names of scalars (literals included), buffers of tiles."""

    scalars: dict[Value, str] = field(default_factory=dict)
    buffers: dict[Value, Buffer] = field(default_factory=dict)
    checks: checks.Checks | None = None


def rule(*types: type[Op]) -> Callable[[Rule], Rule]:
    """Register how results of these operations are computed at an index."""

    def register(function: Rule) -> Rule:
        for type_ in types:
            _RULES[type_] = function
        return function

    return register


def is_virtual(op: Op) -> bool:
    """Whether results of `op` can be computed at any index, without a buffer."""
    return type(op) in _RULES


class Evaluator(Lanes):
    """Evaluates tile values inside one nest. `flat` is the nest's flat counter, if it runs over one."""

    def __init__(
        self, emitter: Emitter, count: int, sinks: list[list[str]], environment: Environment, flat: Vec | None = None
    ) -> None:
        super().__init__(emitter, count, sinks)
        self.environment = environment
        self.flat = flat
        self.memo: dict[tuple[Value, Index], Vec] = {}
        self.bound: dict[Value, Vec] = {}  # arguments of a combine region
        self.row: Row | None = None  # the loop that walks a row in vectors
        self.runs: dict[Value, Run] = {}  # indices that are divided (`periods`)
        self.rows: dict[tuple[Op, Index], Vec | None] = {}  # under the sanitizer: flags of the rows looked at

    def unchecked(self) -> Evaluator:
        """Knows what this one knows, and emits no calls of the sanitizer."""
        other = Evaluator(self.emitter, self.count, self.sinks, replace(self.environment, checks=None), self.flat)
        other.memo, other.bound = dict(self.memo), self.bound
        return other

    def at(self, value: Value, index: Index) -> Vec:
        """`value` at `index`; scalars ignore the index."""
        if value in self.bound:
            return self.bound[value]
        type_ = value.type
        if not isinstance(type_, Tile):
            return self.scalar(value)
        key = (value, index)
        known = self.memo.get(key)
        if known is None:
            known = self.memo[key] = self._compute(value, index)
        return known

    def scalar(self, value: Value) -> Vec:
        """A scalar value as a uniform Vec; its definition may be a combine region's."""
        name = self.environment.scalars.get(value)
        if name is None:
            op = value.op
            if op is None or type(op) not in _RULES:
                raise AssertionError(f"scalar without a name: {op}")
            return self._compute(value, ())
        type_ = register_type(element_of(value.type))
        known = int(name) if type_[0] == "i" and type_ != "i1" and not name.startswith("%") else None
        return Vec("uniform", type_, name, 0, constant=known)

    def _compute(self, value: Value, index: Index) -> Vec:
        buffer = self.environment.buffers.get(value)
        if buffer is not None:
            return self.read_buffer(buffer, index)
        op = value.op
        if op is None or type(op) not in _RULES:
            raise AssertionError(f"no buffer and no rule for a result of {op and op.name}")
        return _RULES[type(op)](self, op, value, index)

    # ---- buffers -----------------------------------------------------------------------------------------------

    def offset(self, shape: Sequence[int], strides: Sequence[int], index: Index) -> Vec:
        """Row-major position, in elements, of `index` in a tile."""
        flat = self._flat_offset(shape, index)
        if flat is not None:
            return flat
        total = ZERO
        for extent, stride, position in zip(shape, strides, index, strict=True):
            if extent > 1:
                total = self.add(total, self.mul(position, constant("i32", stride)))
        return total

    def _flat_offset(self, shape: Sequence[int], index: Index) -> Vec | None:
        marks = [position.flat for extent, position in zip(shape, index, strict=True) if extent > 1]
        if self.flat is None or not marks or any(mark is None for mark in marks):
            return None
        total, below = 1, None
        for mark, extent in zip(reversed(marks), [e for e in reversed(shape) if e > 1], strict=True):
            assert mark is not None
            if mark.extent != extent or (below is not None and mark.shift != below):
                return None
            below, total = mark.shift + extent.bit_length() - 1, total * extent
        last = marks[-1]
        assert last is not None
        if last.shift == 0 and total >= self.count:
            name = self.emit(self.flat.level, f"and i32 {self.flat.name}, {total - 1}")
            return Vec("linear" if self.count > 1 else "uniform", "i32", name, self.flat.level, 1)
        return self.flat_field(last.shift, total) if (1 << last.shift) >= self.count else None

    def flat_field(self, shift: int, extent: int) -> Vec:
        """Bits [shift, shift + log2(extent)) of the flat counter, for every lane."""
        assert self.flat is not None
        flat, mask = self.flat, constant("i32", extent - 1)
        if (1 << shift) >= self.count:
            base = uniform("i32", flat.name, flat.level)
            moved = self.apply("lshr {t} {0}, {1}", (base, constant("i32", shift)), "i32")
            return self.apply("and {t} {0}, {1}", (moved, mask), "i32")
        if shift == 0 and extent >= self.count:
            return Vec("linear", "i32", self.emit(flat.level, f"and i32 {flat.name}, {extent - 1}"), flat.level, 1)
        if extent << shift <= self.count:  # the counter is a multiple of the lanes: only they decide
            fields = [(lane >> shift) & (extent - 1) for lane in range(self.count)]
            return vector("i32", "<" + ", ".join(f"i32 {field}" for field in fields) + ">", 0)
        moved = self.apply("lshr {t} {0}, {1}", (flat, constant("i32", shift)), "i32")
        return self.apply("and {t} {0}, {1}", (moved, mask), "i32")

    def exchange(self, source: Value, axis: int, index: Index) -> Vec:
        """`source` at `index`, but at the other place along `axis`, whose extent is 2."""
        mark = index[axis].flat
        if self.flat is None or mark is None or not self._is_whole(source, index):
            other = self.apply("xor {t} {0}, {1}", (index[axis], constant("i32", 1)), "i32")
            return self.at(source, (*index[:axis], other, *index[axis + 1 :]))
        distance = 1 << mark.shift
        if distance < self.count:
            vec = self.as_vector(self.at(source, index))
            lanes = ", ".join(f"i32 {lane ^ distance}" for lane in range(self.count))
            type_ = self.vector_type(vec.type)
            text = f"shufflevector {type_} {vec.name}, {type_} poison, <{self.count} x i32> <{lanes}>"
            return vector(vec.type, self.emit(vec.level, text), vec.level)
        buffer = self.environment.buffers[source]
        moved = self.emit(self.flat.level, f"xor i32 {self.flat.name}, {distance}")
        return self._read_at(buffer, replace(self.flat, name=moved, flat=None))

    def _is_whole(self, source: Value, index: Index) -> bool:
        """Whether the flat counter runs over all of a tile, in its order."""
        total = 1
        for extent, position in zip(reversed(shape_of(source.type)), reversed(index), strict=True):
            if extent > 1 and (position.flat is None or position.flat != Flat(total.bit_length() - 1, extent)):
                return False
            total *= extent
        return total >= self.count

    def read_buffer(self, buffer: Buffer, index: Index) -> Vec:
        """The elements of a buffer at `index`."""
        return self._read_at(buffer, self.offset(buffer.shape, buffer.strides, index))

    def _read_at(self, buffer: Buffer, offset: Vec) -> Vec:
        type_, register = memory_type(buffer.element), register_type(buffer.element)
        level = offset.level
        if offset.is_uniform:
            address = self.emit(level, f"getelementptr {type_}, ptr {buffer.address}, i32 {offset.name}")
            result = uniform(type_, self.emit(level, f"load {type_}, ptr {address}"), level)
        elif offset.is_linear and offset.step == 1:
            address = self.emit(level, f"getelementptr {type_}, ptr {buffer.address}, i32 {offset.name}")
            align = storage_bytes(buffer.element)
            result = vector(
                type_, self.emit(level, f"load {self.vector_type(type_)}, ptr {address}, align {align}"), level
            )
        else:
            result = self._gather_buffer(buffer, offset, type_)
        if type_ != register:
            return self.apply("icmp ne {t} {0}, {1}", (result, constant("i8", 0)), "i1")
        return result

    def _gather_buffer(self, buffer: Buffer, offset: Vec, type_: str) -> Vec:
        indices = f"{self.vector_type('i32')} {self.widen(offset)}"
        addresses = self.emit(offset.level, f"getelementptr {type_}, ptr {buffer.address}, {indices}")
        text = memory.masked_gather(
            self.emitter, self.vector_type(type_), addresses, storage_bytes(buffer.element), "splat (i1 true)", "poison"
        )
        return vector(type_, self.emit(offset.level, text), offset.level)

    def write_buffer(self, buffer: Buffer, index: Index, value: Vec, level: int) -> None:
        """Store `value` into a buffer at `index`, at loop level `level`."""
        offset = self.offset(buffer.shape, buffer.strides, index)
        type_ = memory_type(buffer.element)
        if value.type != type_:
            value = self.apply("zext {t} {0} to {r}", (value,), type_)
        level = max(level, offset.level, value.level)
        if offset.is_uniform:
            address = self.emit(level, f"getelementptr {type_}, ptr {buffer.address}, i32 {offset.name}")
            self.run(level, f"store {type_} {value.name}, ptr {address}")
        elif offset.is_linear and offset.step == 1:
            address = self.emit(level, f"getelementptr {type_}, ptr {buffer.address}, i32 {offset.name}")
            align = storage_bytes(buffer.element)
            self.run(level, f"store {self.vector_type(type_)} {self.widen(value)}, ptr {address}, align {align}")
        else:
            indices = f"{self.vector_type('i32')} {self.widen(offset)}"
            addresses = self.emit(level, f"getelementptr {type_}, ptr {buffer.address}, {indices}")
            size = storage_bytes(buffer.element)
            self.run(
                level,
                memory.masked_scatter(
                    self.emitter, self.vector_type(type_), self.widen(value), addresses, size, "splat (i1 true)"
                ),
            )


# ---- rules: shapes -----------------------------------------------------------------------------------------------


@rule(ops.Constant)
def _constant(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.Constant)
    element = element_of(value.type)
    register = register_type(element)
    if op.values:
        return _constant_table(ev, op, value, index)
    text = literal(op.value, element)
    known = int(text) if register[0] == "i" and register != "i1" else None
    return Vec("uniform", register, text, 0, constant=known)


def _constant_table(ev: Evaluator, op: ops.Constant, value: Value, index: Index) -> Vec:
    element, shape = element_of(value.type), shape_of(value.type)
    type_ = memory_type(element)
    entries = [literal(item, element) for item in op.values]
    if type_ != register_type(element):
        entries = ["1" if entry == "true" else "0" for entry in entries]
    body = ", ".join(f"{type_} {entry}" for entry in entries)
    name = f"@supa.table.{hashlib.blake2b(body.encode(), digest_size=12).hexdigest()}"
    ev.emitter.definitions[name] = f"{name} = private constant [{len(entries)} x {type_}] [{body}], align 64\n"
    return ev.read_buffer(Buffer(name, shape, element, 0, 0), index)


@rule(ops.Range)
def _range(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.Range)
    return ev.add(index[0], constant("i32", op.start))


@rule(ops.Splat)
def _splat(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.Splat)
    return ev.at(op.source, ())


@rule(ops.Broadcast)
def _broadcast(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.Broadcast)
    shape = shape_of(op.source.type)
    return ev.at(op.source, tuple(ZERO if extent == 1 else at for extent, at in zip(shape, index, strict=True)))


@rule(ops.ExpandDims)
def _expand_dims(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.ExpandDims)
    return ev.at(op.source, index[: op.axis] + index[op.axis + 1 :])


@rule(ops.Transpose)
def _transpose(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.Transpose)
    source = [ZERO] * len(index)
    for position, dimension in enumerate(op.order):
        source[dimension] = index[position]
    return ev.at(op.source, tuple(source))


@rule(ops.Reshape)
def _reshape(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.Reshape)
    shape, target = shape_of(op.source.type), shape_of(value.type)
    kept = [at for extent, at in zip(target, index, strict=True) if extent > 1]
    if [extent for extent in shape if extent > 1] == [extent for extent in target if extent > 1]:
        rest = iter(kept)
        return ev.at(op.source, tuple(next(rest) if extent > 1 else ZERO for extent in shape))
    strides, stride = [], 1
    for extent in reversed(target):
        strides.append(stride)
        stride *= extent
    position = ev.offset(target, tuple(reversed(strides)), index)
    return ev.at(op.source, _delinearise(ev, position, shape))


def _delinearise(ev: Evaluator, position: Vec, shape: Sequence[int]) -> Index:
    """The index of row-major `position` in a tile whose extents are powers of two."""
    index, shift = [], 0
    for extent in reversed(shape):
        bits = extent.bit_length() - 1
        if extent == 1:
            index.append(ZERO)
            continue
        if position.is_linear and position.step == 1 and shift == 0 and extent >= ev.count:
            # Linear positions start at a multiple of the lane count: a vector never leaves its row.
            base = ev.emit(position.level, f"and i32 {position.name}, {extent - 1}")
            index.append(Vec("linear", "i32", base, position.level, 1))
        else:
            source = position
            if position.is_linear and position.step == 1 and (1 << shift) >= ev.count:
                source = uniform("i32", position.name, position.level)
            moved = ev.apply("lshr {t} {0}, {1}", (source, constant("i32", shift)), "i32")
            index.append(ev.apply("and {t} {0}, {1}", (moved, constant("i32", extent - 1)), "i32"))
        shift += bits
    return tuple(reversed(index))


@rule(ops.Join)
def _join(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.Join)
    first = ev.apply("icmp eq {t} {0}, {1}", (index[-1], ZERO), "i1")
    return ev.select(first, ev.at(op.left, index[:-1]), ev.at(op.right, index[:-1]))


@rule(ops.Split)
def _split(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.Split)
    return ev.at(op.source, (*index, constant("i32", value.index)))


@rule(ops.Butterfly)
def _butterfly(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.Butterfly)
    return ev.exchange(op.source, op.axis, index)


@rule(ops.Cat)
def _cat(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.Cat)
    half = constant("i32", shape_of(op.left.type)[0])
    first = ev.apply("icmp slt {t} {0}, {1}", (index[0], half), "i1")
    wrapped = ev.apply("and {t} {0}, {1}", (index[0], constant("i32", (half.constant or 1) - 1)), "i32")
    return ev.select(first, ev.at(op.left, (wrapped,)), ev.at(op.right, (wrapped,)))


@rule(ops.Gather)
def _gather(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.Gather)
    chosen = ev.at(op.indices, index)
    chosen = ev.resize(chosen, "i32", "sext" if llvm_bits(chosen.type) < 32 else "trunc")
    return ev.at(op.source, (*index[: op.axis], chosen, *index[op.axis + 1 :]))


# ---- rules: elements ---------------------------------------------------------------------------------------------


@rule(ops.Map)
def _map(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.Map)
    args = [ev.at(argument, index) for argument in op.arguments]
    run = ev.runs.get(op.arguments[0])
    if run is not None and op.function in DIVISIONS:
        periodic = divide(ev, op.function, args[0], args[1], run)
        if periodic is not None:
            return periodic
    result = apply_function(ev, op.function, args, [element_of(argument.type) for argument in op.arguments])
    checks.computed(ev, op, args, result, index)
    return result


@rule(ops.Cast)
def _cast(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.Cast)
    source, target = element_of(op.source.type), element_of(value.type)
    vec = ev.at(op.source, index)
    may_wrap = (vec.is_linear or vec.is_bent) and op.kind == "sext" and not isinstance(op.source.op, ops.Range)
    if may_wrap and not _is_only_an_index(value):
        vec = ev.as_vector(vec)  # it may wrap from one lane to the next
    result = apply_cast(ev, op.kind, vec, source, target, op.rounding)
    checks.computed(ev, op, [vec], result, index)
    return result


def _is_only_an_index(value: Value) -> bool:
    """Whether addresses, and comparisons beside them, alone are made from `value`: then none leaves its range in a
    vector. A comparison without an address tells nothing of the range.
    """
    return all(_keeps_index(user) for user in value.uses) and _makes_an_address(value)


def _keeps_index(user: Op) -> bool:
    if isinstance(user, ops.AddPtr) or (isinstance(user, ops.Map) and user.function.startswith("icmp")):
        return True
    onward = _onward(user)
    return onward is not None and all(_keeps_index(other) for other in onward.uses)


def _makes_an_address(value: Value) -> bool:
    onward = (_onward(user) for user in value.uses)
    return any(isinstance(user, ops.AddPtr) for user in value.uses) or any(
        _makes_an_address(other) for other in onward if other is not None
    )


def _onward(user: Op) -> Value | None:
    """The index that `user` makes of an index."""
    shapes = (ops.Broadcast, ops.ExpandDims, ops.Reshape, ops.Transpose)
    if isinstance(user, shapes) or (isinstance(user, ops.Map) and user.function in ("add", "sub", "mul")):
        return user.result
    return None


@rule(ops.AddPtr)
def _addptr(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.AddPtr)
    pointer = element_of(value.type)
    assert isinstance(pointer, Pointer)
    offset = ev.resize(ev.at(op.offset, index), "i64", "sext")
    scaled = ev.mul(offset, constant("i64", storage_bytes(pointer.pointee)))
    return ev.add(ev.at(op.pointer, index), scaled)


@rule(ops.MapRegion)
def _map_region(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.MapRegion)
    if op.pack == 1:
        return evaluate_region(ev, op, [ev.at(source, index) for source in op.sources])[value.index]
    return _map_packed(ev, op, value, index)


def _map_packed(ev: Evaluator, op: ops.MapRegion, value: Value, index: Index) -> Vec:
    """The region on the pack of neighbours that `index` lies in; of its yields for `value`, the one at `index`."""
    shape, pack = shape_of(value.type), op.pack
    strides = Buffer("", shape, element_of(value.type), 0, 0).strides
    position = ev.offset(shape, strides, index)
    first = ev.apply("and {t} {0}, {1}", (position, constant("i32", -pack)), "i32")
    places = [_delinearise(ev, ev.add(first, constant("i32", part)), shape) for part in range(pack)]
    sources = [ev.at(source, place) for source in op.sources for place in places]
    made = evaluate_region(ev, op, sources)[value.index * pack : (value.index + 1) * pack]
    part = ev.apply("and {t} {0}, {1}", (position, constant("i32", pack - 1)), "i32")
    chosen = made[0]
    for number in range(1, pack):
        here = ev.apply("icmp eq {t} {0}, {1}", (part, constant("i32", number)), "i1")
        chosen = ev.select(here, made[number], chosen)
    return chosen


def evaluate_region(ev: Evaluator, op: Op, arguments: Sequence[Vec]) -> list[Vec]:
    """The yields of the scalar region of `op` with its arguments bound to `arguments`, lane by lane."""
    block = op.regions[0]
    saved = ev.bound
    ev.bound = dict(zip(block.args, arguments, strict=True)) | saved
    for inner in block.ops[:-1]:
        _bind_inner(ev, inner)
    results = [ev.at(operand, ()) for operand in block.terminator.operands if operand is not None]
    ev.bound = saved
    return results


_COMBINING = "a function that combines elements is not supported"
_COMBINING_HINT = "give tl.reduce and tl.associative_scan a function of plain arithmetic and tl.where"


def _bind_inner(ev: Evaluator, inner: Op) -> None:
    """Compute the results of an operation of a scalar region; an `if` becomes selects."""
    if isinstance(inner, ops.If):
        if any(part.has_effect or part.reads_memory for part in inner.walk()):
            raise UnsupportedError(f"an access or effect in {_COMBINING}", inner.location, _COMBINING_HINT)
        sides = []
        for block in inner.regions:
            for part in block.ops[:-1]:
                _bind_inner(ev, part)
            sides.append([ev.at(operand, ()) for operand in block.terminator.operands if operand is not None])
        condition = ev.at(inner.condition, ())
        for result, left, right in zip(inner.results, *sides, strict=True):
            ev.bound[result] = ev.select(condition, left, right)
        return
    if type(inner) not in _RULES:
        raise UnsupportedError(f"`{inner.name}` in {_COMBINING}", inner.location, _COMBINING_HINT)
    for result in inner.results:
        ev.bound[result] = _RULES[type(inner)](ev, inner, result, ())


# ---- rules: memory -----------------------------------------------------------------------------------------------


@rule(ops.Load)
def _load(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.Load)
    mask = ev.at(op.mask, index) if op.mask is not None else None
    other = ev.at(op.other, index) if op.other is not None else None
    pointer = ev.at(op.pointer, index)
    allowed = checks.access(ev, op, pointer, mask, index)
    loaded = memory.load(ev, pointer, allowed, other, element_of(value.type))
    checks.loaded(ev, op, pointer, mask, index, loaded)
    return loaded


def descriptor_of(op: Op, value: Value) -> ops.MakeDescriptor:
    """The operation that made a descriptor; anything else is refused."""
    made = value.op
    if not isinstance(made, ops.MakeDescriptor):
        raise UnsupportedError(
            "a tensor descriptor that is carried by a loop or chosen by an if",
            op.location,
            "make the descriptor outside the loop, or make one on each side",
        )
    return made


def descriptor_access(
    ev: Evaluator, op: Op, descriptor: Value, origin: Sequence[Value], index: Index
) -> tuple[Vec, Vec]:
    """Address and in-bounds mask of the element `index` of the block at `origin` of a tensor descriptor."""
    made = descriptor_of(op, descriptor)
    rank = len(made.extents_and_strides) // 2
    index = (ZERO,) * (rank - len(index)) + index
    coordinates = [ev.add(ev.scalar(start), at) for start, at in zip(origin, index, strict=True)]
    return coordinates_access(ev, made, coordinates)


def coordinates_access(ev: Evaluator, made: ops.MakeDescriptor, coordinates: Sequence[Vec]) -> tuple[Vec, Vec]:
    """Address and in-bounds mask of a tensor's element at `coordinates` (i32)."""
    pointer = element_of(made.base.type)
    assert isinstance(pointer, Pointer)
    address, mask = ev.scalar(made.base), uniform("i1", "true")
    for coordinate, extent, stride in zip(coordinates, made.extents, made.strides, strict=True):
        # One unsigned comparison holds for 0 <= coordinate < extent.
        inside = ev.apply("icmp ult {t} {0}, {1}", (coordinate, ev.scalar(extent)), "i1")
        mask = inside if mask.name == "true" else ev.apply("and {t} {0}, {1}", (mask, inside), "i1")
        step = ev.mul(ev.scalar(stride), constant("i64", storage_bytes(pointer.pointee)))
        address = ev.add(address, ev.mul(ev.resize(coordinate, "i64", "sext"), step))
    return address, mask


def padding(ev: Evaluator, made: ops.MakeDescriptor, element: Scalar) -> Vec:
    """What a descriptor reads outside its tensor."""
    type_ = register_type(element)
    zero = uniform(type_, literal(0, element))
    if isinstance(element, Pointer) or not element.is_float:
        return zero
    nan = uniform(type_, literal(float("nan"), element))
    if made.pads_with_nan is not None:
        return ev.select(ev.scalar(made.pads_with_nan), nan, zero)
    return nan if made.padding == "nan" else zero


@rule(ops.DescriptorLoad)
def _descriptor_load(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.DescriptorLoad)
    address, inside = descriptor_access(ev, op, op.descriptor, op.indices, index)
    mask = checks.access(ev, op, address, inside, index)
    element = element_of(value.type)
    loaded = memory.load(ev, address, mask, padding(ev, descriptor_of(op, op.descriptor), element), element)
    checks.loaded(ev, op, address, inside, index, loaded)
    return loaded


@rule(ops.DescriptorGather)
def _descriptor_gather(ev: Evaluator, op: Op, value: Value, index: Index) -> Vec:
    assert isinstance(op, ops.DescriptorGather)
    made = descriptor_of(op, op.descriptor)
    row = ev.at(op.row_indices, (index[0],))
    address, inside = coordinates_access(ev, made, (row, ev.add(ev.scalar(op.column), index[1])))
    mask = checks.access(ev, op, address, inside, index)
    element = element_of(value.type)
    return memory.load(ev, address, mask, padding(ev, made, element), element)


def compute_scalar(ev: Evaluator, op: Op) -> None:
    """Emit a scalar operation and remember the names of its results."""
    for result in op.results:
        ev.environment.scalars[result] = _RULES[type(op)](ev, op, result, ()).name
