"""Products of microscaling operands: each operand becomes an f32 tile of elements times scales, then it is a dot.

Not here: the product itself (`dot`). The expressions below are tile operations that stand in no block; elements and
scales of the formats are exact in f32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from supa.base.dtypes import F8E4M3FN, F8E5M2, F32, I1, I8, I32, DType
from supa.compiler.native.dot import emit_dot
from supa.compiler.native.generator import Generator, emits
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.types import Scalar, Tile, Type, element_of, shape_of

_MANTISSA_BITS = 23
_SMALLEST_SCALE = 0x0040_0000  # bits of 2**-127, which the exponent field alone can not say
_NAN_BYTE, _NAN = 255, float("nan")
_E2M1_SHIFT, _E2M1_FACTOR = 22, 2.0**126  # three bits put right under f32's exponent, then rebiased
_E2M1_SIGN, _E2M1_SIGN_SHIFT = 8, 28
_FP8 = {"e4m3": F8E4M3FN, "e5m2": F8E5M2}


@emits(ops.DotScaled)
def emit_dot_scaled(generator: Generator, op: ops.DotScaled) -> None:
    """accumulator + (left * left scales) @ (right * right scales)."""
    build = _Expression(op)
    left = build.operand(op.left, op.left_format, packed_last=op.left_k_pack)
    right = build.operand(op.right, op.right_format, packed_last=not op.right_k_pack)
    if op.left_scale is not None:
        left = build.map("fmul", left, build.factors(op.left_scale, shape_of(left.type)[-1]))
    if op.right_scale is not None:
        factors = build.factors(op.right_scale, shape_of(right.type)[-2])
        right = build.map("fmul", right, build.swapped(factors))
    dot = build.op(ops.Dot, (left, right, op.accumulator), op.result.type, precision="ieee")
    if op.result in generator.in_place:
        generator.in_place[dot] = generator.in_place[op.result]
    assert isinstance(dot.op, ops.Dot)
    emit_dot(generator, dot.op)
    generator.environment.buffers[op.result] = generator.environment.buffers[dot]
    build.forget()


class _Expression:
    """Makes tile operations that only the evaluator sees."""

    def __init__(self, origin: Op) -> None:
        self.location = origin.location
        self.made: list[Op] = []

    def op(self, cls: type[Op], operands: Sequence[Value], type_: Type, **attributes: Any) -> Value:
        new = cls(operands, (type_,), attributes, (), self.location)
        self.made.append(new)
        return new.result

    def forget(self) -> None:
        """Take the operations out of the uses of what they read."""
        for op in reversed(self.made):
            op.drop()

    # ---- single operations -----------------------------------------------------------------------------------

    def map(self, function: str, *operands: Value) -> Value:
        element = I1 if function.startswith("icmp") else element_of(operands[-1].type)
        return self.op(ops.Map, operands, Tile(shape_of(operands[-1].type), element), function=function)

    def cast(self, kind: str, value: Value, element: DType) -> Value:
        return self.op(ops.Cast, (value,), Tile(shape_of(value.type), element), kind=kind)

    def constant(self, number: int | float, like: Value) -> Value:
        return self.op(ops.Constant, (), like.type, value=number)

    def swapped(self, value: Value) -> Value:
        """The last two dimensions exchanged."""
        shape = shape_of(value.type)
        rank = len(shape)
        order = (*range(rank - 2), rank - 1, rank - 2)
        return self._move(ops.Transpose, value, tuple(shape[d] for d in order), order=order)

    def _move(self, cls: type[Op], value: Value, shape: tuple[int, ...], **attributes: Any) -> Value:
        element: Scalar = element_of(value.type)
        return self.op(cls, (value,), Tile(shape, element), **attributes)

    # ---- formats ---------------------------------------------------------------------------------------------

    def operand(self, value: Value, name: str, *, packed_last: bool) -> Value:
        """The elements of an operand as f32; `packed_last`: two e2m1 of a byte are neighbours in the last dimension."""
        if name == "e2m1":
            codes = self.cast("zext", value, I32)
            return self._unpacked(codes) if packed_last else self.swapped(self._unpacked(self.swapped(codes)))
        element = element_of(value.type)
        assert isinstance(element, DType)
        if element.is_int:
            value = self.cast("bitcast", value, _FP8[name])
        return value if element is F32 else self.cast("fpext", value, F32)

    def _unpacked(self, codes: Value) -> Value:
        """Bytes to the f32 of their low and high halves, side by side in the last dimension."""
        low, high = self._e2m1(codes), self._e2m1(self.map("lshr", codes, self.constant(4, codes)))
        *outer, extent = shape_of(codes.type)
        pairs = self.op(ops.Join, (low, high), Tile((*outer, extent, 2), F32))
        return self._move(ops.Reshape, pairs, (*outer, 2 * extent))

    def _e2m1(self, codes: Value) -> Value:
        """The low four bits of each element as f32."""
        magnitude = self.map("shl", self._bits(codes, 7), self.constant(_E2M1_SHIFT, codes))
        scaled = self.cast("bitcast", magnitude, F32)
        scaled = self.map("fmul", scaled, self.constant(_E2M1_FACTOR, scaled))
        sign = self.map("shl", self._bits(codes, _E2M1_SIGN), self.constant(_E2M1_SIGN_SHIFT, codes))
        return self.cast("bitcast", self.map("or", self.cast("bitcast", scaled, I32), sign), F32)

    def _bits(self, codes: Value, mask: int) -> Value:
        return self.map("and", codes, self.constant(mask, codes))

    def factors(self, scales: Value, k: int) -> Value:
        """Scales (rows, groups) as f32 of shape (rows, k)."""
        factors = self._e8m0(scales) if element_of(scales.type) is I8 else self.cast("fpext", scales, F32)
        shape = shape_of(scales.type)
        repeats = k // shape[-1]
        wide = self._move(ops.ExpandDims, factors, (*shape, 1), axis=len(shape))
        wide = self._move(ops.Broadcast, wide, (*shape, repeats))
        return self._move(ops.Reshape, wide, (*shape[:-1], k))

    def _e8m0(self, scales: Value) -> Value:
        """Bytes b as 2**(b - 127); 255 is NaN."""
        wide = self.cast("zext", scales, I32)
        exponent = self.map("shl", wide, self.constant(_MANTISSA_BITS, wide))
        is_smallest = self.map("icmp_eq", wide, self.constant(0, wide))
        bits = self.map("select", is_smallest, self.constant(_SMALLEST_SCALE, wide), exponent)
        power = self.cast("bitcast", bits, F32)
        is_nan = self.map("icmp_eq", wide, self.constant(_NAN_BYTE, wide))
        return self.map("select", is_nan, self.constant(_NAN, power), power)
