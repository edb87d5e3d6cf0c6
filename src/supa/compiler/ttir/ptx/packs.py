"""Inline assembly on several elements at a time: tiles of elements as tiles of registers, and back.

A pack is `count` neighbours of the row-major order. Elements narrower than 32 bits share registers, the first one in
the lowest bits; wider ones have a register each. Not here: the instructions (`assembly`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from supa.base.dtypes import I8, I16, I32, I64, DType
from supa.compiler.ttir.conversion import Conversion
from supa.compiler.ttir.structure import MlirOp
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import Scalar, Tile, Type, element_of, shape_of, with_element

_REGISTER_BITS = 32
INTEGERS = {dtype.bits: dtype for dtype in (I8, I16, I32, I64)}


@dataclass(frozen=True)
class Packs:
    """The packs of one operation whose tiles have type `type_`."""

    conversion: Conversion
    op: MlirOp
    type_: Type
    count: int

    @property
    def fits(self) -> bool:
        """Whether the tiles are whole packs."""
        return self.count == 1 or prod(shape_of(self.type_)) % self.count == 0

    @property
    def register_type(self) -> Type:
        """The type of a tile of registers, but for its element."""
        return self.type_ if self.count == 1 else Tile(self._outer, I32)

    @property
    def _outer(self) -> tuple[int, ...]:
        shape = shape_of(self.type_)
        if shape[-1] % self.count == 0:
            return (*shape[:-1], shape[-1] // self.count)
        return (prod(shape) // self.count,)

    def registers(self, value: Value) -> list[Value]:
        """The registers that hold an operand, one tile for each."""
        if self.count == 1:
            return [value]
        parts = self._apart(self._reshaped(value, (*self._outer, self.count)))
        shared = self._shared(element_of(value.type))
        return [self.together(parts[start : start + shared]) for start in range(0, self.count, shared)]

    def register_count(self, element: Scalar) -> int:
        """How many registers a result of this element type takes."""
        return self.count // self._shared(element)

    def register_dtype(self, element: DType) -> DType:
        """What a result's register holds: the element itself, or an integer of several."""
        shared = self._shared(element)
        return element if shared == 1 else INTEGERS[shared * element.bits]

    def elements(self, registers: list[Value], element: DType) -> Value:
        """The result that these registers hold."""
        if self.count == 1:
            return registers[0]
        shared = self._shared(element)
        parts = [part for register in registers for part in self.apart(register, shared, element)]
        return self._reshaped(self._joined(parts), shape_of(self.type_))

    def _shared(self, element: Scalar) -> int:
        bits = element.bits if isinstance(element, DType) else 64
        return min(self.count, max(1, _REGISTER_BITS // bits))

    # ---- elements within a register --------------------------------------------------------------------------

    def together(self, parts: list[Value]) -> Value:
        """One register of several narrower values, the first in the lowest bits."""
        if len(parts) == 1:
            return parts[0]
        element = element_of(parts[0].type)
        assert isinstance(element, DType)
        whole = INTEGERS[element.bits * len(parts)]
        total: Value | None = None
        for index, part in enumerate(parts):
            bits = self._cast("zext", self._cast("bitcast", part, INTEGERS[element.bits]), whole)
            shifted = self._map("shl", bits, self._constant(index * element.bits, bits)) if index else bits
            total = shifted if total is None else self._map("or", total, shifted)
        assert total is not None
        return total

    def apart(self, register: Value, count: int, element: DType) -> list[Value]:
        """The `count` values in a register."""
        if count == 1:
            return [self._cast("bitcast", register, element)]
        whole = element_of(register.type)
        assert isinstance(whole, DType)
        bits = self._cast("bitcast", register, INTEGERS[whole.bits])
        parts = []
        for index in range(count):
            shift = self._constant(index * element.bits, bits)
            low = self._cast("trunc", self._map("lshr", bits, shift) if index else bits, INTEGERS[element.bits])
            parts.append(self._cast("bitcast", low, element))
        return parts

    # ---- tiles -----------------------------------------------------------------------------------------------

    def _apart(self, tile: Value) -> list[Value]:
        """A tile (..., n) as n tiles (...)."""
        *outer, count = shape_of(tile.type)
        if count == 1:
            return [self._reshaped(tile, tuple(outer))]
        pairs = self._reshaped(tile, (*outer, count // 2, 2))
        half = Tile((*outer, count // 2), element_of(tile.type))
        split = ops.Split((pairs,), (half, half), {}, (), self.conversion.place(self.op))
        self.conversion.block.append(split)
        even, odd = (self._apart(result) for result in split.results)
        return [part for both in zip(even, odd, strict=True) for part in both]

    def _joined(self, parts: list[Value]) -> Value:
        """n tiles (...) as one tile (..., n)."""
        outer = shape_of(parts[0].type)
        if len(parts) == 1:
            return self._reshaped(parts[0], (*outer, 1))
        even, odd = self._joined(parts[::2]), self._joined(parts[1::2])
        element = element_of(even.type)
        both = self.conversion.make(self.op, ops.Join, (even, odd), Tile((*shape_of(even.type), 2), element))
        return self._reshaped(both, (*outer, len(parts)))

    def _reshaped(self, value: Value, shape: tuple[int, ...]) -> Value:
        if shape_of(value.type) == shape:
            return value
        return self.conversion.make(self.op, ops.Reshape, (value,), Tile(shape, element_of(value.type)))

    def _map(self, function: str, *operands: Value) -> Value:
        return self.conversion.make(self.op, ops.Map, operands, operands[-1].type, {"function": function})

    def _cast(self, kind: str, value: Value, element: DType) -> Value:
        if element_of(value.type) == element:
            return value
        return self.conversion.make(self.op, ops.Cast, (value,), with_element(value.type, element), {"kind": kind})

    def _constant(self, number: int, like: Value) -> Value:
        return self.conversion.constant(self.op, number, like.type)
