"""Random well-typed kernels whose answers have one right value bit for bit. Not here: running them, nor tests.

A `Chooser` makes the decisions: Hypothesis (which then also shrinks) or a seeded generator. What the tile IR leaves
open is avoided: NaN's sign and payload do not reach integers, zero's sign does not depend on fmin, sums of floats have
exact values (small integers), combine regions are associative, special functions are left to their own tests.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from native_calls import Area

from supa.base.dtypes import (
    BF16, DTYPES, F8E4M3FN, F8E5M2, F16, F32, F64, I1, I8, I16, I32, I64, DType,
)  # fmt: skip
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.oracle.formats import from_float64, storage_of
from supa.ir.rewrite import Builder
from supa.ir.types import Pointer, Tile, element_of, shape_of, with_element

ELEMENTS = tuple(DTYPES.values())
FLOATS = tuple(element for element in ELEMENTS if element.is_float)
INTEGERS = (I1, I8, I16, I32, I64)
ARGUMENT_FLOATS = (F16, F32, F64)
AREA_ELEMENTS = 2048
MOST_ELEMENTS = 512
_FLOAT_MAPS = (
    "fadd fsub fmul fdiv fmin fmax fminimum fmaximum frem fma fneg fabs floor ceil trunc round rint copysign sqrt fdim"
    " nextafter remainder select"
).split()
_FLOAT_TESTS = (
    "isnan isinf isfinite signbit fcmp_oeq fcmp_one fcmp_olt fcmp_ole fcmp_ogt fcmp_oge fcmp_ueq fcmp_une fcmp_ult"
    " fcmp_ule fcmp_ugt fcmp_uge fcmp_ord fcmp_uno"
).split()
_INTEGER_MAPS = (
    "add sub mul smin smax umin umax mulhi_s mulhi_u sdiv udiv srem urem and or xor shl lshr ashr abs clz popcount ffs"
    " brev select"
).split()
_INTEGER_TESTS = "icmp_eq icmp_ne icmp_slt icmp_sle icmp_sgt icmp_sge icmp_ult icmp_ule icmp_ugt icmp_uge".split()
_BIT_MAPS = "and or xor select add sub mul".split()
_ARITY = {"fma": 3, "select": 3} | dict.fromkeys(
    "fneg fabs floor ceil trunc round rint sqrt isnan isinf isfinite signbit abs clz popcount ffs brev".split(), 1
)
_INTEGER_REDUCTIONS = "add mul smin smax umin umax and or xor".split()


class Chooser:
    """Where decisions come from: a seeded generator."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def integer(self, low: int, high: int) -> int:
        """A number from low to high."""
        return self.random.randint(low, high)

    def pick(self, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        return choices[self.integer(0, len(choices) - 1)]

    def chance(self, percent: int) -> bool:
        """True in about `percent` of 100 cases; what shrinks, shrinks to False."""
        return self.integer(0, 99) >= 100 - percent


@dataclass
class Program:
    """A kernel, its grid, and what its arguments are: element types of areas, or numbers."""

    func: ops.Func
    grid: tuple[int, ...]
    arguments: list[Any] = field(default_factory=list)

    def areas(self, seed: int) -> list[Any]:
        """Fresh arguments: areas filled with ordinary and special values."""
        generator = np.random.default_rng(seed)
        return [Area(fill(arg[0], arg[1], generator)) if isinstance(arg, tuple) else arg for arg in self.arguments]


def fill(element: DType, count: int, generator: np.random.Generator) -> np.ndarray:
    """Stored elements: a mix of random bits, special values and small whole numbers."""
    storage = storage_of(element)
    if element == I1:
        return generator.integers(0, 2, count).astype(np.bool_)
    bits = generator.integers(0, 256, count * storage.itemsize, np.uint8).view(storage).copy()
    small = generator.integers(-20, 21, count)
    if element.is_int:
        edges = np.array([0, 1, -1, 2, 1 << (element.bits - 2)], np.int64)
        limits = np.array([-(1 << (element.bits - 1)), (1 << (element.bits - 1)) - 1], np.int64)
        special = generator.choice(np.concatenate([edges, limits]), count).astype(storage)
        return np.where(
            generator.random(count) < 0.4, small.astype(storage), np.where(generator.random(count) < 0.5, special, bits)
        )
    values = np.array(
        [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 1e-40, 6e-8, 65504.0, 65520.0, 448.0, 3e38, 0.5, 2.5]
    )
    special = from_float64(generator.choice(values, count), element)
    normal = from_float64(generator.standard_normal(count) * 4, element)
    whole = from_float64(small / 2, element)
    kind = generator.integers(0, 10, count)
    return np.select([kind < 4, kind < 6, kind < 8], [normal, whole, special], bits).astype(storage)


class DataChooser(Chooser):
    """Decisions drawn by Hypothesis."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def integer(self, low: int, high: int) -> int:
        """A number from low to high."""
        return int(self.data.draw(st.integers(low, high)))


class Writer:
    """Writes one kernel, operation by operation, from what is visible so far."""

    def __init__(self, choose: Chooser) -> None:
        self.choose = choose
        self.body = Block()
        self.builder = Builder(self.body)
        self.program = Program(ops.Func((), (), {"sym_name": "random"}, [self.body]), self._grid())
        self.visible: list[Value] = []
        self.inputs: dict[DType, Value] = {}
        self.shared: dict[DType, Value] = {}
        self.depth = 0
        self.loops = 0
        self.shapes = [self._shape() for _ in range(choose.integer(1, 2))]
        self.elements = [choose.pick(ELEMENTS) for _ in range(choose.integer(1, 4))] + [choose.pick((I32, F32))]
        self.scalars = [self.argument(I32, choose.pick([0, 1, 3, 7, -5, 1000, 2147483640])) for _ in range(2)]
        self.pid = self.builder.value(ops.ProgramId, (), axis=0)
        self.visible += [*self.scalars, self.pid]
        for element in ARGUMENT_FLOATS[: choose.integer(0, 2)]:
            self.visible.append(self.argument(element, choose.pick([0.5, -3.0, 0.0])))
        if choose.chance(20):
            self.visible.append(self.argument(I64, choose.pick([5, -1, 1 << 40])))

    # ---- the frame -------------------------------------------------------------------------------------------

    def _grid(self) -> tuple[int, ...]:
        return (self.choose.pick([1, 2, 3]),)

    def _shape(self) -> tuple[int, ...]:
        rank = self.choose.pick([1, 2, 2, 3, 4])
        left, shape = 9, []
        for _ in range(rank):
            bits = self.choose.integer(0, min(left, 7 if rank > 1 else 9))
            shape.append(1 << bits)
            left -= bits
        return tuple(shape)

    def argument(self, type_: DType, value: Any) -> Value:
        """A scalar argument."""
        self.program.arguments.append(value)
        return self.body.add_arg(type_)

    def area(self, element: DType, count: int) -> Value:
        """A pointer argument."""
        self.program.arguments.append((element, count))
        return self.body.add_arg(Pointer(element))

    def finish(self) -> Program:
        """Store what was computed last, and end the kernel."""
        stored = [value for value in reversed(self.visible) if value not in self.body.args]
        for value in stored[: self.choose.integer(1, 4)]:
            self.output(value)
        self.builder.create(ops.Return)
        return self.program

    # ---- small pieces ----------------------------------------------------------------------------------------

    def constant(self, value: Any, type_: Any) -> Value:
        return self.builder.constant(value, type_)

    def splat(self, value: Value, shape: tuple[int, ...]) -> Value:
        """A scalar as a tile."""
        return self.builder.value(ops.Splat, [value], Tile(shape, value.type)) if shape else value

    def map(self, function: str, *arguments: Value) -> Value:
        return self.builder.map(function, *arguments)

    def cast(self, value: Value, element: DType, kind: str, rounding: str = "rtne") -> Value:
        return self.builder.value(ops.Cast, [value], with_element(value.type, element), kind=kind, rounding=rounding)

    def flat_index(self, shape: tuple[int, ...]) -> Value:
        """The row-major position of each element, i32: from ranges and broadcasts, or by a reshape."""
        size = int(np.prod(shape, dtype=np.int64))
        if not shape:
            return self.constant(0, I32)
        if len(shape) == 1 or self.choose.chance(30):
            flat = self.builder.value(ops.Range, (), start=0, end=size)
            return flat if len(shape) == 1 else self.builder.value(ops.Reshape, [flat], Tile(shape, I32))
        total, stride = None, 1
        for dim in reversed(range(len(shape))):
            part = self.builder.value(ops.Range, (), start=0, end=shape[dim])
            for axis in range(len(shape)):
                if axis != dim:
                    part = self.builder.value(ops.ExpandDims, [part], axis=axis)
            factor = self.splat(self.constant(stride, I32), shape_of(part.type))
            part = self.builder.value(ops.Broadcast, [self.map("mul", part, factor)], Tile(shape, I32))
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
        kind = self.choose.integer(0, 4)
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

    def pointers(self, base: Value, shape: tuple[int, ...], scattered: bool) -> Value:
        index = self.positions(shape, scattered)
        return self.builder.value(ops.AddPtr, [self.splat(base, shape), index])

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
            table[element] = self.area(element, AREA_ELEMENTS)
        return table[element]

    def _load(self, type_: Any) -> Value:
        shape, element = shape_of(type_), element_of(type_)
        base = self._base(self.shared if self.choose.chance(25) else self.inputs, element)
        pointer = self.pointers(base, shape, self.choose.chance(15))
        mask = self.mask(shape) if self.choose.chance(35) else None
        other = self.value(type_, 0) if mask is not None and self.choose.chance(50) else None
        return self.builder.value(ops.Load, [pointer, mask, other], volatile=self.choose.chance(3))

    def _operand(self, function: str, type_: Any, position: int, depth: int) -> Value:
        value = self.value(type_, depth)
        if function in ("copysign", "signbit"):
            return self.clean(value)
        return value

    def _map(self, type_: Any, depth: int) -> Value:
        element = element_of(type_)
        if element is I1:
            return self._test(type_, depth)
        function = self.choose.pick(_FLOAT_MAPS if element.is_float else _INTEGER_MAPS)
        return self._apply(function, type_, depth)

    def _apply(self, function: str, type_: Any, depth: int) -> Value:
        if function == "select":
            condition = self.value(with_element(type_, I1), depth)
            if shape_of(type_) and self.choose.chance(20):
                condition = self.splat(self.value(I1, depth), shape_of(type_))
            return self.map(function, condition, self.value(type_, depth), self.value(type_, depth))
        count = _ARITY.get(function, 2)
        made = self.map(function, *(self._operand(function, type_, n, depth) for n in range(count)))
        if function in ("fmin", "fmax"):  # the sign of a zero among them is open
            return self.map("fadd", made, self.constant(0.0, made.type))
        return made

    def _test(self, type_: Any, depth: int) -> Value:
        element = self.choose.pick(self.elements)
        if element is I1 or self.choose.chance(25):
            return self._apply(self.choose.pick(_BIT_MAPS), type_, depth)
        tests = _FLOAT_TESTS if element.is_float else _INTEGER_TESTS
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
        if kind == "split" and type_.size < MOST_ELEMENTS and rank < 4:
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
        for _ in range(self.choose.integer(0, 3)):
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

    # ---- whole tiles -----------------------------------------------------------------------------------------

    def _tile_op(self, type_: Any, depth: int) -> Value:
        shape, element = type_.shape, type_.element
        kind = self.choose.pick(("reduce", "reduce", "scan", "dot", "histogram", "region"))
        if kind == "dot" and len(shape) in (2, 3) and element in (F16, BF16, F32, F64, I32):
            return self._dot(type_)
        if kind == "histogram" and len(shape) == 1 and element is I32:
            return self._histogram(type_, depth)
        if kind == "region":
            return self._region(type_, depth)
        if kind == "scan":
            sources, region = self._combination(type_, depth)
            made = self.builder.create(
                ops.Scan, sources, axis=self.choose.integer(0, len(shape) - 1), reverse=self.choose.chance(50),
                regions=[region],
            )  # fmt: skip
            return made.results[0]
        return self._reduce(type_, depth)

    def _total(self, type_: Any, depth: int) -> Value:
        if self.choose.chance(20):
            value = self.value(Tile(self.choose.pick([(1,), (1, 1)]), type_), depth)
            return self.builder.value(ops.Reshape, [value], type_)
        return self._reduce(type_, depth)

    def _reduce(self, type_: Any, depth: int) -> Value:
        shape, element = shape_of(type_), element_of(type_)
        axis = self.choose.integer(0, len(shape))
        room = MOST_ELEMENTS // int(np.prod(shape, dtype=np.int64))
        most = max(0, min(room, 256).bit_length() - 1)
        extent = 1 << self.choose.integer(0 if self.choose.chance(50) else most // 2, most)
        sources, region = self._combination(Tile((*shape[:axis], extent, *shape[axis:]), element), depth)
        return self.builder.create(ops.Reduce, sources, axis=axis, regions=[region]).results[0]

    def _combination(self, type_: Tile, depth: int) -> tuple[list[Value], Block]:
        """Sources and an associative region, whose first result has the element type of `type_`."""
        element = type_.element
        assert isinstance(element, DType)
        if element.is_float:
            return self._float_combination(type_, depth)
        kind = self.choose.pick(("one", "one", "pair", "affine", "first", "arg", "mixed"))
        if kind == "affine" and element is not I1:
            return self._affine(type_, depth)
        if kind == "arg":
            return self._arg(type_, depth)
        if kind in ("pair", "mixed"):
            other = self.choose.pick((I8, I16, I32, I64)) if kind == "mixed" else element
            sources = [self.value(type_, depth), self.value(Tile(type_.shape, other), depth)]
            return sources, self._region_of([element, other, element, other], lambda b, v: [
                b.map(self.choose.pick(_INTEGER_REDUCTIONS), v[0], v[2]),
                b.map(self.choose.pick(_INTEGER_REDUCTIONS), v[1], v[3]),
            ])  # fmt: skip
        if kind == "first":
            side = self.choose.integer(0, 1)
            return [self.value(type_, depth)], self._region_of([element] * 2, lambda b, v: [v[side]])
        function = self.choose.pick(_INTEGER_REDUCTIONS)
        flip = self.choose.chance(30)
        return [self.value(type_, depth)], self._region_of(
            [element] * 2, lambda b, v: [b.map(function, *(reversed(v) if flip else v))]
        )

    def _float_combination(self, type_: Tile, depth: int) -> tuple[list[Value], Block]:
        element = type_.element
        kind = self.choose.pick(("sum", "extreme", "extreme", "arg"))
        if kind == "sum" and element in (F32, F64):
            return [self.whole(type_.shape, element)], self._region_of([element] * 2, lambda b, v: [b.map("fadd", *v)])
        if kind == "arg":
            return self._arg(type_, depth)
        source = self.map("fadd", self.value(type_, depth), self.constant(0.0, type_))  # no -0
        function = self.choose.pick(("fmin", "fmax", "fminimum", "fmaximum"))
        return [source], self._region_of([element] * 2, lambda b, v: [b.map(function, *v)])

    def _arg(self, type_: Tile, depth: int) -> tuple[list[Value], Block]:
        """The extreme element and its index; ties by the index, or by the order of the operands."""
        element = type_.element
        assert isinstance(element, DType)
        value = self.clean(self.value(type_, depth))
        index = self.flat_index(type_.shape)
        above, equal = ("fcmp_ogt", "fcmp_oeq") if element.is_float else ("icmp_sgt", "icmp_eq")
        above = self.choose.pick((above, above.replace("gt", "lt")))
        plain = self.choose.chance(30)

        def write(b: Builder, v: Sequence[Value]) -> list[Value]:
            better = b.map(above, v[0], v[2])
            if not plain:
                tie = b.map("and", b.map(equal, v[0], v[2]), b.map("icmp_slt", v[1], v[3]))
                better = b.map("or", better, tie)
            return [b.map("select", better, v[0], v[2]), b.map("select", better, v[1], v[3])]

        return [value, index], self._region_of([element, I32] * 2, write)

    def _affine(self, type_: Tile, depth: int) -> tuple[list[Value], Block]:
        """x -> a x + b, composed: associative, not commutative."""
        sources = [self.value(type_, depth), self.value(type_, depth)]
        return sources, self._region_of([type_.element] * 4, lambda b, v: [
            b.map("mul", v[0], v[2]),
            b.map("add", b.map("mul", v[1], v[2]), v[3]),
        ])  # fmt: skip

    def _region_of(self, elements: Sequence[Any], write: Callable[[Builder, Sequence[Value]], list[Value]]) -> Block:
        block = Block(elements)
        builder = Builder(block)
        builder.create(ops.Yield, write(builder, block.args))
        return block

    def _region(self, type_: Tile, depth: int) -> Value:
        """A map_region with a branch."""
        element = type_.element
        sources = [self.value(type_, depth), self.value(type_, depth)]
        maps = _FLOAT_MAPS if element.is_float else (_BIT_MAPS if element is I1 else _INTEGER_MAPS)
        binary = [name for name in maps if _ARITY.get(name, 2) == 2 and name not in ("fmin", "fmax", "copysign")]

        def write(b: Builder, v: Sequence[Value]) -> list[Value]:
            test = v[0] if element is I1 else b.map("fcmp_olt" if element.is_float else "icmp_slt", v[0], v[1])
            sides = []
            for _ in range(2):
                side = Block()
                inner = Builder(side)
                inner.create(ops.Yield, [inner.map(self.choose.pick(binary), v[0], v[1])])
                sides.append(side)
            return [b.value(ops.If, [test], element, regions=sides)]

        return self.builder.value(ops.MapRegion, sources, type_, regions=[self._region_of([element] * 2, write)])

    def _dot(self, type_: Tile) -> Value:
        *batch, m, n = type_.shape
        k = 1 << self.choose.integer(0, 6)
        element = type_.element
        if element is I32:
            left = right = I8
        elif element is F64:
            left = right = self.choose.pick((F64, F32, F16))
        elif element is F32:
            left, right = self.choose.pick(
                ((F32, F32), (F16, F16), (BF16, BF16), (F8E4M3FN, F8E5M2), (F8E5M2, F8E5M2), (BF16, F16))
            )
        else:
            left = right = self.choose.pick((element, F8E5M2))
        sides = []
        for side, shape in ((left, (*batch, m, k)), (right, (*batch, k, n))):
            if self.choose.chance(40):
                swapped = (*batch, shape[-1], shape[-2])
                order = (*range(len(batch)), len(batch) + 1, len(batch))
                sides.append(self.builder.value(ops.Transpose, [self.whole(swapped, side)], order=order))
            else:
                sides.append(self.whole(shape, side))
        total = self.whole(type_.shape, element) if self.choose.chance(60) else self.constant(0, type_)
        precision = self.choose.pick(("ieee", "tf32", "tf32x3", "bf16x3", "bf16x6")) if left is F32 else "ieee"
        return self.builder.value(ops.Dot, [*sides, total], precision=precision)

    def _histogram(self, type_: Tile, depth: int) -> Value:
        source = self.value(Tile(self.choose.pick(self.shapes), self.choose.pick((I8, I16, I32, I64))), depth)
        mask = self.mask(source.type.shape) if self.choose.chance(30) else None
        return self.builder.value(ops.Histogram, [source, mask], type_)

    # ---- statements ------------------------------------------------------------------------------------------

    def type(self) -> Any:
        """A type that the kernel works with."""
        element = self.choose.pick(self.elements)
        if self.choose.chance(20):
            return element
        return Tile(self.choose.pick(self.shapes), element)

    def statements(self, most: int) -> None:
        """A few statements."""
        for _ in range(self.choose.integer(1, most)):
            kind = self.choose.integer(0, 19)
            if kind == 19 and self.depth < 2:
                self._for()
            elif kind == 18 and self.depth < 2:
                self._if()
            elif kind == 17 and self.depth < 2:
                self._while()
            elif kind in (15, 16):
                self._store()
            elif kind == 14:
                self._atomic()
            else:
                self.visible.append(self.fresh(self.type(), 3))

    def output(self, value: Value) -> None:
        """Store a value to an area of its own, each program to its own part."""
        shape, element = shape_of(value.type), element_of(value.type)
        size = int(np.prod(shape, dtype=np.int64))
        base = self.area(element, size * self.program.grid[0])
        start = self.map("mul", self.pid, self.constant(size, I32))
        index = self.map("add", self.splat(start, shape), self.flat_index(shape))
        pointer = self.builder.value(ops.AddPtr, [self.splat(base, shape), index])
        mask = self.mask(shape) if self.choose.chance(20) else None
        self.builder.create(ops.Store, [pointer, value, mask])

    def _store(self) -> None:
        value = self.value(self.type(), 2)
        shape, element = shape_of(value.type), element_of(value.type)
        pointer = self.pointers(self._base(self.shared, element), shape, self.choose.chance(25))
        mask = self.mask(shape) if self.choose.chance(35) else None
        self.builder.create(ops.Store, [pointer, value, mask])

    def _atomic(self) -> None:
        shape = self.choose.pick([(), (4,), (2, 4), (32,)])
        element = self.choose.pick((I32, I64, F32, F16, F64))
        type_ = Tile(shape, element) if shape else element
        base = self._base(self.shared, element)
        pointer = self.pointers(base, shape, self.choose.chance(50))
        value = self.value(type_, 1)
        if element.is_int and self.choose.chance(30):
            made = self.builder.value(ops.AtomicCas, [pointer, self.value(type_, 1), value])
        else:
            kinds = (
                ("fadd", "xchg")
                if element.is_float
                else ("add", "and", "or", "xor", "smax", "smin", "umax", "umin", "xchg")
            )
            mask = self.mask(shape) if self.choose.chance(40) else None
            made = self.builder.value(ops.AtomicRmw, [pointer, value, mask], kind=self.choose.pick(kinds))
        if made is not None and self.choose.chance(60):
            self.visible.append(made)

    @contextmanager
    def _inside(self, block: Block) -> Any:
        """Write into a nested block; what it defines is not visible behind it."""
        saved, known = self.builder, list(self.visible)
        self.builder, self.depth = Builder(block), self.depth + 1
        yield
        self.builder, self.visible, self.depth = saved, known, self.depth - 1

    def _carried(self) -> list[Value]:
        known = [value for value in self.visible if value.type.__class__ in (Tile, DType)]
        values = []
        for _ in range(self.choose.integer(1, 3)):
            again = values and self.choose.chance(50)
            values.append(self.value(values[-1].type, 1) if again else self.value(self.choose.pick(known).type, 1))
        return values

    def _for(self) -> None:
        inits = self._carried()
        trips = self.choose.integer(0, 3)
        lower, step = self.constant(0, I32), self.constant(self.choose.integer(1, 2), I32)
        upper = self.constant(trips, I32)
        if self.choose.chance(50):
            upper = self.map("and", self.choose.pick(self.scalars), self.constant(3, I32))
        body = Block([I32, *(value.type for value in inits)])
        with self._inside(body):
            self.visible += body.args
            self.statements(3)
            self.builder.create(ops.Yield, [self._next(body.args, value.type) for value in inits])
        self.visible += self.builder.create(ops.For, [lower, upper, step, *inits], regions=[body]).results

    def _next(self, arguments: Sequence[Value], type_: Any) -> Value:
        """What is carried on: often another carried value of this type, or something made from one."""
        same = [argument for argument in arguments if argument.type == type_]
        if same and self.choose.chance(40):
            return self.choose.pick(same)
        return self.value(type_, 2)

    def _if(self) -> None:
        condition = self.value(I1, 1)
        types = [self.type() for _ in range(self.choose.integer(0, 2))]
        sides = []
        for _ in range(2):
            side = Block()
            with self._inside(side):
                if self.choose.chance(70):
                    self.statements(2)
                self.builder.create(ops.Yield, [self.value(type_, 1) for type_ in types])
            sides.append(side)
        self.visible += self.builder.create(ops.If, [condition], types, regions=sides).results

    def _while(self) -> None:
        inits = [self.constant(0, I32), *self._carried()]
        types = [value.type for value in inits]
        before, after = Block(types), Block(types)
        with self._inside(before):
            self.visible += before.args
            if self.choose.chance(40):
                self.statements(2)
            go = self.map("icmp_slt", before.args[0], self.constant(self.choose.integer(0, 3), I32))
            handed = [before.args[0], *(self._next(before.args[1:], type_) for type_ in types[1:])]
            self.builder.create(ops.Condition, [go, *handed])
        with self._inside(after):
            self.visible += after.args
            self.statements(2)
            count = self.map("add", after.args[0], self.constant(1, I32))
            yields = [self._next(after.args[1:], type_) for type_ in types[1:]]
            self.builder.create(ops.Yield, [count, *yields])
        self.visible += self.builder.create(ops.While, inits, regions=[before, after]).results


def generate_program(choose: Chooser, most_statements: int = 8) -> Program:
    """One random kernel with its grid and arguments."""
    writer = Writer(choose)
    writer.statements(most_statements)
    return writer.finish()
