"""Memory operations of random kernels: stores, atomics, tensor descriptors, pointers that move on. Not tests."""

from __future__ import annotations

from typing import Any

from program_choices import AREA_ELEMENTS, INTEGER_ATOMICS
from program_tiles import TileWriter

from supa.base.dtypes import BF16, F16, F32, F64, I1, I8, I16, I32, I64, DType
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.rewrite import Builder
from supa.ir.types import Descriptor, Pointer, Tile, element_of, shape_of

ATOMIC_ELEMENTS = (I32, I32, I64, F32, F16, F64, BF16, I8, I16)
REDUCED_ELEMENTS = (I32, I64, F32, F16, BF16, F64)
ORDERS = ("acq_rel", "relaxed", "acquire", "release")


class MemoryWriter(TileWriter):
    """Writes loads and stores of every kind."""

    most_depth = 3

    def store(self) -> None:
        """A store to memory that others read and write too."""
        value = self.value(self.type(), self.most_depth - 1)
        element = element_of(value.type)
        if self.choose.chance(10):
            self._store_to(self.foreign(element), value)
        elif element.is_int and element is not I1 and self.choose.chance(10):
            self._store_to(self._viewed(element, self.shared), value)
        else:
            self._store_to(self._base(self.shared, element), value)

    def _store_to(self, base: Value, value: Value) -> None:
        shape = shape_of(value.type)
        pointer = self.pointers(base, shape, self.choose.chance(25))
        if shape and self.choose.chance(5):
            pointer = self.map("select", self.mask(shape), pointer, self.pointers(base, shape, False))
        mask = self.mask(shape) if self.choose.chance(35) else None
        with self.apart(base):
            self.builder.create(ops.Store, [pointer, value, mask])

    def atomic(self) -> None:
        """A read-modify-write of a scalar or a small tile."""
        shape = self.choose.pick([(), (4,), (2, 4), (32,)])
        element = self.choose.pick(ATOMIC_ELEMENTS)
        type_ = Tile(shape, element) if shape else element
        pointer = self.pointers(self._base(self.shared, element), shape, self.choose.chance(50))
        value = self.value(type_, 1)
        order = {"order": self.choose.pick(ORDERS), "scope": self.choose.pick(("gpu", "cta", "sys"))}
        if self.choose.chance(25):
            expected = self.clean(self.value(type_, 1))
            made = self.builder.value(ops.AtomicCas, [pointer, expected, value], **order)
        else:
            kinds = ("fadd", "fadd", "xchg") if element.is_float else INTEGER_ATOMICS
            mask = self.mask(shape) if self.choose.chance(40) else None
            kind = self.choose.pick(kinds)
            made = self.builder.value(ops.AtomicRmw, [pointer, value, mask], kind=kind, **order)
        if self.choose.chance(60):
            self.visible.append(made)

    # ---- tensor descriptors ----------------------------------------------------------------------------------

    def _descriptor(self, base: Value, block: tuple[int, ...], padding: str | None = None) -> Value:
        """A ragged tensor that lies within the area of `base`."""
        element = element_of(base.type.pointee)
        assert isinstance(element, DType)
        extents, strides, stride = [], [], 1
        for size in reversed(block):
            most = AREA_ELEMENTS // stride
            extent = max(1, min(most, self.choose.pick([size, 2 * size, 2 * size - 1, 3, size + 1, 1, 37])))
            extents.insert(0, extent)
            strides.insert(0, stride)
            stride = min(AREA_ELEMENTS, stride * extent + self.choose.pick([0, 0, 1, 16]))
        numbers = [self._extent(extent) for extent in extents] + [self.constant(stride, I64) for stride in strides]
        if padding is None:
            padding = "nan" if element.is_float and self.choose.chance(30) else "zero"
        if self.choose.chance(20):
            base = self.builder.value(ops.AddPtr, [base, self.constant(self.choose.integer(0, 64), I32)])
        signed = True if element.is_float else self.choose.chance(70)
        return self.builder.value(ops.MakeDescriptor, [base, *numbers], Descriptor(block, element, signed),
                                  padding=padding)  # fmt: skip

    def _extent(self, extent: int) -> Value:
        if self.choose.chance(70):
            return self.constant(extent, I32)
        known = self.map("and", self.choose.pick(self.scalars), self.constant(1023, I32))
        return self.map("smin", known, self.constant(extent, I32))

    def _chosen(self, base: Value, block: tuple[int, ...]) -> Value:
        """A descriptor, sometimes one of two that a branch chooses."""
        if not self.choose.chance(10):
            return self._descriptor(base, block)
        sides, saved, types = [], self.builder, []
        condition = self.value(I1, 1)
        for _ in range(2):
            side = Block()
            self.builder = Builder(side)
            made = self._descriptor(base, block, "zero")
            if not types:
                types = [made.type]
            made = self.builder.value(ops.MakeDescriptor, made.op.operands, types[0], padding="zero")
            self.builder.create(ops.Yield, [made])
            sides.append(side)
        self.builder = saved
        return self.builder.value(ops.If, [condition], types[0], regions=sides)

    def _place(self, extent: int) -> Value:
        """Where a block begins along one dimension: inside, across an edge, or beside the tensor."""
        if self.choose.chance(40):
            return self.constant(self.choose.pick([0, 0, 1, -1, extent, extent // 2, -extent // 2, 100]), I32)
        if self.choose.chance(50):
            return self.map("mul", self.pid, self.constant(extent, I32))
        return self.map("and", self.choose.pick(self.scalars), self.constant(7, I32))

    def _block(self, type_: Any, depth: int) -> Value:
        """A block, or rows, read through a descriptor."""
        shape, element = type_.shape, type_.element
        base = self._base(self.shared if self.choose.chance(25) else self.inputs, element)
        if len(shape) == 2 and self.choose.chance(40):
            described = self._chosen(base, (1, shape[1]))
            return self.builder.value(ops.DescriptorGather, [described, *self._rows(shape)], type_)
        places = [self._place(extent) for extent in shape]
        return self.builder.value(ops.DescriptorLoad, [self._chosen(base, shape), *places], type_)

    def _rows(self, shape: tuple[int, ...]) -> list[Value]:
        rows = self.value(Tile(shape[:1], I32), 1)
        rows = self.map("sub", self.map("and", rows, self.constant(31, rows.type)), self.constant(3, rows.type))
        return [rows, self._place(shape[1])]

    def store_block(self) -> None:
        """A block stored, scattered or combined through a descriptor."""
        shape, kind = self.choose.pick(self.shapes), self.choose.pick(("store", "store", "reduce", "scatter"))
        if kind == "reduce":
            self._reduce_block(shape)
            return
        element = self.choose.pick([e for e in self.elements if e is not I1] or [F32])
        base, value = self._base(self.shared, element), self.value(Tile(shape, element), self.most_depth - 1)
        if kind == "scatter" and len(shape) == 2:
            described = self._chosen(base, (1, shape[1]))
            self.builder.create(ops.DescriptorScatter, [described, value, *self._rows(shape)])
        else:
            places = [self._place(extent) for extent in shape]
            self.builder.create(ops.DescriptorStore, [self._chosen(base, shape), value, *places])

    def _reduce_block(self, shape: tuple[int, ...]) -> None:
        """A block combined into memory; where zeros of two signs or NaN would be open there are none."""
        element = self.choose.pick(REDUCED_ELEMENTS)
        kinds = ("add", "min", "max") if element.is_float else ("add", "min", "max", "and", "or", "xor", "inc", "dec")
        if shape_of(Tile(shape, element)) and Tile(shape, element).size > 512:
            shape = (16,)
        kind, type_ = self.choose.pick(kinds), Tile(shape, element)
        value = self.value(type_, 1)
        if element.is_float and kind != "add":
            base, value = self.area(element, AREA_ELEMENTS + 64, "positive"), self.map("fabs", value)
        else:
            base = self._base(self.shared, element)
        places = [self._place(extent) for extent in shape]
        self.builder.create(ops.DescriptorReduce, [self._chosen(base, shape), value, *places], kind=kind)

    # ---- pointers that loops carry ---------------------------------------------------------------------------

    def moving_pointers(self) -> Value:
        """Pointers that a loop of few trips may move on."""
        shape = self.choose.pick([*self.shapes, ()])
        element = self.choose.pick(self.elements)
        base = self._base(self.shared if self.choose.chance(40) else self.inputs, element)
        return self.pointers(base, shape, self.choose.chance(15))

    def use_pointers(self, pointers: Value, origin: Value) -> Value:
        """Load or store through what a loop carries from `origin` on; gives them one step further."""
        shape, pointer = shape_of(pointers.type), element_of(pointers.type)
        assert isinstance(pointer, Pointer) and isinstance(pointer.pointee, DType)
        writable = any(base in self.shared.values() for base in _origins(origin))
        mask = self.mask(shape) if self.choose.chance(30) else None
        if self.choose.chance(70) or not writable:
            self.visible.append(self.builder.value(ops.Load, [pointers, mask, None]))
        else:
            type_ = Tile(shape, pointer.pointee) if shape else pointer.pointee
            self.builder.create(ops.Store, [pointers, self.value(type_, 1), mask])
        step = self.splat(self.constant(self.choose.pick([1, 4, 16, 64]), I32), shape)
        return self.builder.value(ops.AddPtr, [pointers, step])


def _origins(value: Value) -> list[Value]:
    """The arguments that an address is made from."""
    if value.op is None:
        return [value]
    return [origin for operand in value.op.operands if operand is not None for origin in _origins(operand)]
