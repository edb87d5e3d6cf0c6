"""Values of random kernels: arithmetic, casts, shapes, loads, whole-tile operations. Not here: statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from native_calls import Area
from program_choices import (
    AREA_ELEMENTS,
    BIT_MAPS,
    ELEMENTS,
    FLOAT_MAPS,
    FLOAT_TESTS,
    INTEGER_MAPS,
    INTEGER_TESTS,
    MOST_ELEMENTS,
    SPARE_ELEMENTS,
    Chooser,
    some_elements,
    without_sign,
)  # fmt: skip

from supa.base.dtypes import BF16, F16, F32, F64, I1, I8, I16, I32, I64, DType
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.functions import FUNCTIONS
from supa.ir.rewrite import Builder
from supa.ir.types import Pointer, Tile, element_of, shape_of, with_element


@dataclass(frozen=True)
class Alias:
    """A pointer argument into the area of another one."""

    argument: int
    offset_elements: int


@dataclass
class Program:
    """A kernel, its grid, and what its arguments are: areas as (element type, count, kind), aliases, or numbers."""

    func: ops.Func
    grid: tuple[int, ...]
    arguments: list[Any] = field(default_factory=list)

    def areas(self, seed: int) -> list[Any]:
        """Fresh arguments: areas filled with ordinary and special values, `positive` ones with no sign and no NaN."""
        made: list[Any] = []
        for index, arg in enumerate(self.arguments):
            if isinstance(arg, Alias):
                area, element = made[arg.argument], self.arguments[arg.argument][0]
                arg = area.address + arg.offset_elements * element.bytes
            elif isinstance(arg, tuple):
                element, count, kind = arg
                initial = some_elements(element, count, 101 * seed + 7919 * index)
                arg = Area(without_sign(initial, element) if kind == "positive" else initial)
            made.append(arg)
        return made


WIDE_SHAPES = ((16, 16), (16, 32), (32, 16), (32, 32), (64, 16), (16, 64), (64, 64), (128, 32), (2, 16, 32))


class ValueWriter:
    """Writes values of any type from what is visible so far. Statements: `program_generator`."""

    def __init__(self, choose: Chooser, multiplies: bool = False) -> None:
        self.choose, self.multiplies = choose, multiplies
        self.body = Block()
        self.builder = Builder(self.body)
        self.program = Program(ops.Func((), (), {"sym_name": "random"}, [self.body]), self._grid())
        self.visible: list[Value] = []
        self.inputs: dict[DType, Value] = {}
        self.others: dict[DType, Value] = {}
        self.shared: dict[DType, Value] = {}
        self.depth = 0
        self.loops = 0
        self.shapes = [self._shape() for _ in range(choose.integer(1, 2))]
        elements = (I32, F32, BF16) if multiplies else ELEMENTS
        self.elements = [choose.pick(elements) for _ in range(choose.integer(1, 4))] + [choose.pick((I32, F32))]
        self.scalars = [self.argument(I32, choose.pick([0, 1, 3, 7, -5, 1000, 2147483640])) for _ in range(2)]
        self.pid = self._program_id()
        self.visible += [*self.scalars, self.pid]
        for element in (F16, F32, F64)[: choose.integer(0, 2)]:
            self.visible.append(self.argument(element, choose.pick([0.5, -3.0, 0.0])))
        if choose.chance(20):
            self.visible.append(self.argument(I64, choose.pick([5, -1, 1 << 40])))

    # ---- the frame -------------------------------------------------------------------------------------------

    def _grid(self) -> tuple[int, ...]:
        return tuple(self.choose.pick([(1,), (1,), (1,), (1,), (2,), (2,), (2,), (3,), (2, 2), (1, 3), (2, 1, 2)]))

    def _program_id(self) -> Value:
        """The number of this program in the whole grid."""
        grid = self.program.grid
        number = self.builder.value(ops.ProgramId, (), axis=len(grid) - 1)
        for axis in reversed(range(len(grid) - 1)):
            extent = self.builder.value(ops.NumPrograms, (), axis=axis)
            number = self.map("add", self.map("mul", number, extent), self.builder.value(ops.ProgramId, (), axis=axis))
        return number

    def _shape(self) -> tuple[int, ...]:
        if self.multiplies:
            return tuple(self.choose.pick(WIDE_SHAPES))
        if self.choose.chance(3):
            return tuple(self.choose.pick([(1 << 12,), (1 << 14,), (64, 64), (128, 64), (32, 4, 32)]))
        rank = self.choose.pick([1, 2, 2, 3, 4, 5])
        left, shape = 9 if self.choose.chance(90) else 0, []
        for _ in range(rank):
            bits = self.choose.integer(0, min(left, 7 if rank > 1 else 9))
            shape.append(1 << bits)
            left -= bits
        return tuple(shape)

    def argument(self, type_: DType, value: Any) -> Value:
        """A scalar argument."""
        self.program.arguments.append(value)
        return self.body.add_arg(type_)

    def area(self, element: DType, count: int, kind: str = "any") -> Value:
        """A pointer argument."""
        self.program.arguments.append((element, count, kind))
        return self.body.add_arg(Pointer(element))

    def alias(self, value: Value) -> Value:
        """A pointer argument into the area of another."""
        at = self.choose.pick([0, 0, 1, 4, 16, 64])
        self.program.arguments.append(Alias(self.body.args.index(value), at))
        return self.body.add_arg(value.type)

    # ---- small pieces ----------------------------------------------------------------------------------------

    def constant(self, value: Any, type_: Any) -> Value:
        return self.builder.constant(value, type_)

    def splat(self, value: Value, shape: tuple[int, ...]) -> Value:
        """A scalar as a tile."""
        return self.builder.value(ops.Splat, [value], Tile(shape, value.type)) if shape else value

    def map(self, function: str, *arguments: Value) -> Value:
        return self.builder.map(function, *arguments)

    def cast(self, value: Value, element: Any, kind: str, rounding: str = "rtne") -> Value:
        return self.builder.value(ops.Cast, [value], with_element(value.type, element), kind=kind, rounding=rounding)

    def flat_index(self, shape: tuple[int, ...]) -> Value:
        """The row-major position of each element, i32: from ranges and broadcasts, or by a reshape."""
        size = int(np.prod(shape, dtype=np.int64))
        if not shape:
            return self.constant(0, I32)
        if len(shape) == 1 or self.choose.chance(30 if len(shape) == 2 else 75):
            flat = self.builder.value(ops.Range, (), start=0, end=size)
            return flat if len(shape) == 1 else self.builder.value(ops.Reshape, [flat], Tile(shape, I32))
        total, stride = None, 1
        for dim in reversed(range(len(shape))):
            part = self.builder.value(ops.Range, (), start=0, end=shape[dim])
            for axis in range(len(shape)):
                if axis != dim:
                    part = self.builder.value(ops.ExpandDims, [part], axis=axis)
            if stride > 1:
                part = self.map("mul", part, self.splat(self.constant(stride, I32), shape_of(part.type)))
            part = self.builder.value(ops.Broadcast, [part], Tile(shape, I32))
            total = part if total is None else self.map("add", total, part)
            stride *= shape[dim]
        assert total is not None
        return total

    def positions(self, shape: tuple[int, ...], scattered: bool) -> Value:
        """Positions below AREA_ELEMENTS: near each other, or anywhere."""
        if scattered:
            index = self.value(
                with_element(Tile(shape, I32) if shape else I32, self.choose.pick((I8, I16, I32, I64))), 1
            )
            limit = AREA_ELEMENTS - 1 if element_of(index.type) is not I8 else 127
            return self.map("and", index, self.constant(limit, index.type))
        index = self.flat_index(shape)
        kind = self.choose.integer(0, 6)
        if kind == 6:
            return self._periods(index, shape)
        if kind == 5:
            index = self.map("urem", index, self.constant(self.choose.pick([3, 5, 13, 37]), index.type))
        if kind == 1:
            size = int(np.prod(shape, dtype=np.int64))
            index = self.map("sub", self.constant(size - 1, index.type), index)
        elif kind == 2:
            index = self.map("mul", index, self.constant(self.choose.pick([2, 3, 4]), index.type))
        elif kind == 3:
            index = self.map("add", index, self.constant(self.choose.integer(1, 100), index.type))
        if kind == 4:
            index = self.map("lshr", index, self.constant(self.choose.integer(1, 3), index.type))
        if self.choose.chance(50):
            start = self.map("mul", self.pid, self.constant(self.choose.pick([1, 16, 37, 128]), I32))
            index = self.map("add", self.splat(start, shape), index)
        if kind == 2 or np.prod(shape, dtype=np.int64) > MOST_ELEMENTS:
            index = self.map("and", index, self.constant(AREA_ELEMENTS - 1, index.type))
        return self.cast(index, I64, "sext") if self.choose.chance(20) else index

    def _periods(self, index: Value, shape: tuple[int, ...]) -> Value:
        """Rows and planes of an index that begins anywhere: x % n + n * (x // n % m), from n * m on."""
        signed = self.choose.chance(60)
        remainder, quotient = ("srem", "sdiv") if signed else ("urem", "udiv")
        start = self.choose.pick([*self.scalars, self.map("mul", self.pid, self.constant(128, I32))])
        if self.choose.chance(60):
            index = self.map("add", self.splat(start, shape), index)
        if self.choose.chance(20):
            index = self.cast(index, I64, "sext")
        number = self.constant(self.choose.pick([5, 8, 16, 17, 24, 37, 48, 64, 100]), index.type)
        rows = self.constant(self.choose.pick([1, 2, 3]), index.type)
        row = self.map(remainder, self.map(quotient, index, number), rows)
        found = self.map("add", self.map(remainder, index, number), self.map("mul", row, number))
        return self.map("add", found, self.map("mul", number, rows))

    def pointers(self, base: Value, shape: tuple[int, ...], scattered: bool) -> Value:
        index = self.positions(shape, scattered)
        if not self.choose.chance(5):
            return self.builder.value(ops.AddPtr, [self.splat(base, shape), index])
        if element_of(index.type) is not I64:
            index = self.cast(index, I64, "sext")
        assert isinstance(base.type, Pointer)
        offset = self.map("mul", index, self.constant(element_of(base.type.pointee).bytes, index.type))
        address = self.map("add", self.splat(self.cast(base, I64, "ptrtoint"), shape), offset)
        return self.cast(address, base.type, "inttoptr")

    def mask(self, shape: tuple[int, ...]) -> Value:
        """An i1 tile: a ragged edge, or anything."""
        if self.choose.chance(50) and shape:
            limit = self.splat(self.choose.pick(self.scalars), shape)
            return self.map("icmp_slt", self.flat_index(shape), limit)
        return self.value(Tile(shape, I1) if shape else I1, 1)

    def clean(self, value: Value) -> Value:
        """A float without NaN: 1 instead."""
        if not element_of(value.type).is_float:
            return value
        return self.map("select", self.map("isnan", value), self.constant(1.0, value.type), value)

    def whole(self, shape: tuple[int, ...], element: DType) -> Value:
        """Small whole numbers, -3 to 4, exact in every format."""
        source = self.value(Tile(shape, I32), 1)
        small = self.map("sub", self.map("and", source, self.constant(7, source.type)), self.constant(3, source.type))
        if element.is_int:
            return small if element is I32 else self.cast(small, element, "trunc" if element.bits < 32 else "sext")
        return self.cast(small, element, "sitofp")

    # ---- values ----------------------------------------------------------------------------------------------

    def value(self, type_: Any, depth: int) -> Value:
        """A value of this type: one that is there, or a fresh one."""
        known = [value for value in self.visible if value.type == type_]
        if known and self.choose.chance(70):
            return self.choose.pick(known[-6:])
        made = self.fresh(type_, depth)
        self.visible.append(made)
        return made

    def fresh(self, type_: Any, depth: int) -> Value:
        """A new value of this type."""
        shape, element = shape_of(type_), element_of(type_)
        ways: list[Callable[[Any], Value]] = [self._constant, self._load, self._load, self._load]
        if element in (I8, I16, I32, I64):
            ways += [self._index] * 2
        if depth > 0:
            ways += [lambda t: self._map(t, depth - 1)] * 4 + [lambda t: self._cast(t, depth - 1)] * 3
            if shape and element is not I1:
                ways.append(lambda t: self._block(t, depth - 1))
            if shape:
                ways += [lambda t: self._shape_change(t, depth - 1)] * 3
                ways += [lambda t: self._splat(t, depth - 1), lambda t: self._tile_op(t, depth - 1)]
                ways.append(ways[-1])
            else:
                ways += [lambda t: self._total(t, depth - 1)] * 2
        made = self.choose.pick(ways)(type_)
        assert made.type == type_ and element is element_of(made.type)
        return made

    def _constant(self, type_: Any) -> Value:
        element = element_of(type_)
        if element.is_float:
            values: list[Any] = [0.0, 1.0, -2.5, 0.1, float("inf"), -0.0, 1e30, float("nan")]
        else:
            values = (
                [0, 1] if element is I1 else [0, 1, 2, -1, 5, (1 << (element.bits - 1)) - 1, -(1 << (element.bits - 1))]
            )
        shape = shape_of(type_)
        if shape and type_.size <= 8 and self.choose.chance(30):
            return self.builder.value(
                ops.Constant, (), type_, values=tuple(self.choose.pick(values) for _ in range(type_.size))
            )
        return self.constant(self.choose.pick(values), type_)

    def _index(self, type_: Any) -> Value:
        """Positions, times and plus something, narrowed or widened."""
        shape, element = shape_of(type_), element_of(type_)
        index = self.flat_index(shape)
        if self.choose.chance(50):
            index = self.map("mul", index, self.constant(self.choose.pick([3, -1, 64, 1 << 20]), index.type))
        if self.choose.chance(60):
            start = self.choose.pick([self.pid, *self.scalars, self.constant(self.choose.pick([5, 120, 32760]), I32)])
            index = self.map(self.choose.pick(("add", "add", "sub", "mul")), self.splat(start, shape), index)
        if element is I32:
            return index
        return self.cast(index, element, "trunc" if element.bits < 32 else self.choose.pick(("sext", "zext")))

    def _base(self, table: dict[DType, Value], element: DType) -> Value:
        if element not in table:
            table[element] = self.area(element, AREA_ELEMENTS + SPARE_ELEMENTS)
        return table[element]

    def foreign(self, element: DType) -> Value:
        """The shared memory by another argument: accesses by it stand `apart`."""
        if element not in self.others:
            self.others[element] = self.alias(self._base(self.shared, element))
        return self.others[element]

    @contextmanager
    def apart(self, base: Value) -> Iterator[None]:
        """Around one access by `base`, and nothing else: a barrier before and after where it is foreign. Elements of
        two arguments that meet are a race without it.
        """
        foreign = base in self.others.values()
        if foreign:
            self.builder.create(ops.Barrier)
        yield
        if foreign:
            self.builder.create(ops.Barrier)

    def _viewed(self, element: DType, table: dict[DType, Value]) -> Value:
        """A pointer to memory of a wider (or as wide) type, as one to this: inputs, or shared integers."""
        wide = [other for other in table if other.bits >= element.bits and other is not I1]
        wide = [other for other in wide if other.is_int or table is self.inputs]
        base = self._base(table, self.choose.pick(wide) if wide else element)
        return self.cast(base, Pointer(element), "bitcast")

    def _load(self, type_: Any) -> Value:
        element = element_of(type_)
        if self.choose.chance(4):
            return self._load_from(self.foreign(element), type_)
        if element is not I1 and self.choose.chance(5):
            table = self.shared if element.is_int and self.choose.chance(50) else self.inputs
            return self._load_from(self._viewed(element, table), type_)
        return self._load_from(self._base(self.shared if self.choose.chance(25) else self.inputs, element), type_)

    def _load_from(self, base: Value, type_: Any) -> Value:
        shape = shape_of(type_)
        pointer = self.pointers(base, shape, self.choose.chance(15))
        mask = self.mask(shape) if self.choose.chance(35) else None
        other = self.value(type_, 0) if mask is not None and self.choose.chance(50) else None
        volatile = self.choose.chance(3)
        with self.apart(base):
            return self.builder.value(ops.Load, [pointer, mask, other], volatile=volatile)

    def _operand(self, function: str, type_: Any, position: int, depth: int) -> Value:
        value = self.value(type_, depth)
        if function in ("copysign", "signbit"):
            return self.clean(value)
        return value

    def _map(self, type_: Any, depth: int) -> Value:
        element = element_of(type_)
        if element is I1:
            return self._test(type_, depth)
        function = self.choose.pick(FLOAT_MAPS if element.is_float else INTEGER_MAPS)
        return self._apply(function, type_, depth)

    def _apply(self, function: str, type_: Any, depth: int) -> Value:
        if function == "select":
            condition = self.value(with_element(type_, I1), depth)
            if shape_of(type_) and self.choose.chance(20):
                condition = self.splat(self.value(I1, depth), shape_of(type_))
            return self.map(function, condition, self.value(type_, depth), self.value(type_, depth))
        count = FUNCTIONS[function].arity
        made = self.map(function, *(self._operand(function, type_, n, depth) for n in range(count)))
        if function in ("fmin", "fmax"):  # the sign of a zero among them is open
            return self.map("fadd", made, self.constant(0.0, made.type))
        return made

    def _test(self, type_: Any, depth: int) -> Value:
        element = self.choose.pick(self.elements)
        if element is I1 or self.choose.chance(25):
            return self._apply(self.choose.pick(BIT_MAPS), type_, depth)
        tests = FLOAT_TESTS if element.is_float else INTEGER_TESTS
        return self._apply(self.choose.pick(tests), with_element(type_, element), depth)

    def _cast(self, type_: Any, depth: int) -> Value:
        target = element_of(type_)
        source = self.choose.pick([e for e in (*self.elements, I32, F32, F16, I8) if e is not target] or [I16])
        value = self.value(with_element(type_, source), depth)
        if source.bits == target.bits and source is not I1 and self.choose.chance(30):
            return self.cast(self.clean(value), target, "bitcast")
        if source.is_int and target.is_int:
            return self.cast(
                value, target, "trunc" if target.bits < source.bits else self.choose.pick(("sext", "zext"))
            )
        if source.is_int:
            return self.cast(value, target, self.choose.pick(("sitofp", "uitofp")))
        if target.is_int:
            return self.cast(value, target, self.choose.pick(("fptosi", "fptoui")))
        if target.bits > source.bits:
            return self.cast(value, target, "fpext")
        return self.cast(value, target, "fptrunc", self.choose.pick(("rtne", "rtne", "rtz")))

    def _splat(self, type_: Any, depth: int) -> Value:
        return self.splat(self.value(element_of(type_), depth), shape_of(type_))

    def _shape_change(self, type_: Any, depth: int) -> Value:
        shape, element = shape_of(type_), element_of(type_)
        rank = len(shape)
        kind = self.choose.pick(("broadcast", "expand", "transpose", "reshape", "join", "split", "cat", "gather"))
        if kind == "broadcast":
            narrow = tuple(1 if self.choose.chance(50) else extent for extent in shape)
            return self.builder.value(ops.Broadcast, [self.value(Tile(narrow, element), depth)], type_)
        if kind == "expand" and rank > 1 and 1 in shape:
            axis = shape.index(1)
            source = self.value(Tile((*shape[:axis], *shape[axis + 1 :]), element), depth)
            return self.builder.value(ops.ExpandDims, [source], axis=axis)
        if kind == "join" and shape[-1] == 2 and rank > 1:
            half = Tile(shape[:-1], element)
            return self.builder.value(ops.Join, [self.value(half, depth), self.value(half, depth)])
        if kind == "split" and type_.size < MOST_ELEMENTS and rank < 5:
            both = self.builder.create(ops.Split, [self.value(Tile((*shape, 2), element), depth)])
            return both.results[self.choose.integer(0, 1)]
        if kind == "cat" and rank == 1 and shape[0] > 1:
            half = Tile((shape[0] // 2,), element)
            return self.builder.value(ops.Cat, [self.value(half, depth), self.value(half, depth)])
        if kind == "gather":
            return self._gather(type_, depth)
        if kind == "transpose":
            order = list(range(rank))
            self._shuffle(order)
            source = tuple(shape[order.index(dim)] for dim in range(rank))
            return self.builder.value(ops.Transpose, [self.value(Tile(source, element), depth)], order=tuple(order))
        return self.builder.value(ops.Reshape, [self.value(Tile(self._reshaped(shape), element), depth)], type_)

    def _shuffle(self, items: list[int]) -> None:
        for last in reversed(range(1, len(items))):
            other = self.choose.integer(0, last)
            items[last], items[other] = items[other], items[last]

    def _reshaped(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        bits = int(np.prod(shape, dtype=np.int64)).bit_length() - 1
        result = []
        for _ in range(self.choose.integer(0, 4)):
            part = self.choose.integer(0, bits)
            result.append(1 << part)
            bits -= part
        return (*result, 1 << bits)

    def _gather(self, type_: Any, depth: int) -> Value:
        shape, element = type_.shape, type_.element
        axis = self.choose.integer(0, len(shape) - 1)
        extent = self.choose.pick([1, 2, 8, shape[axis]])
        indices = self.value(Tile(shape, self.choose.pick((I8, I16, I32, I64))), depth)
        indices = self.map("and", indices, self.constant(min(extent - 1, 127), indices.type))
        source = self.value(Tile((*shape[:axis], extent, *shape[axis + 1 :]), element), depth)
        return self.builder.value(ops.Gather, [source, indices], axis=axis)

    def type(self) -> Any:
        """A type that the kernel works with."""
        element = self.choose.pick(self.elements)
        if self.choose.chance(20):
            return element
        return Tile(self.choose.pick(self.shapes), element)

    # ---- written elsewhere -----------------------------------------------------------------------------------

    def _tile_op(self, type_: Any, depth: int) -> Value:
        raise NotImplementedError

    def _total(self, type_: Any, depth: int) -> Value:
        raise NotImplementedError

    def _block(self, type_: Any, depth: int) -> Value:
        raise NotImplementedError
