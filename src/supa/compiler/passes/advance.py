"""How a carried tile advances by uniform amounts: found in what a loop hands on, and built again as scalars.

Not here: which loops are rewritten (`induction`, `induction_while`).
"""

from __future__ import annotations

from supa.base.dtypes import I64, DType
from supa.compiler.passes.uniform import Uniform, uniform_of
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.rewrite import Builder
from supa.ir.types import Pointer, Tile

Step = tuple[str, Uniform]
"""("add" or "sub", what)."""


def offset_type(argument: Value) -> DType | None:
    """The type of the scalar that can stand for this tile's advance, None for other values."""
    if not isinstance(argument.type, Tile):
        return None
    element = argument.type.element
    if isinstance(element, Pointer):
        return I64
    return None if element.is_float or element.bits == 1 else element


def steps_between(value: Value, argument: Value, body: Block) -> tuple[Step, ...] | None:
    """What is added to `argument` on the way to `value`, first to last; None if anything else happens."""
    steps: list[Step] = []
    while value is not argument:
        op = value.op
        if op is None or op.parent is not body:
            return None
        found = _step(op)
        if found is None:
            return None
        step, value = found
        steps.append(step)
    return tuple(steps[::-1])


def _step(op: object) -> tuple[Step, Value] | None:
    if isinstance(op, ops.AddPtr):
        offset = uniform_of(op.offset)
        return (("add", offset), op.pointer) if offset else None
    if not isinstance(op, ops.Map) or op.function not in ("add", "sub"):
        return None
    left, right = op.arguments
    uniform = uniform_of(right)
    if uniform:
        return (op.function, uniform), left
    uniform = uniform_of(left) if op.function == "add" else None
    return (("add", uniform), right) if uniform else None


def following(builder: Builder, offset: Value, steps: tuple[Step, ...]) -> Value:
    """The scalar after one turn of the loop."""
    assert isinstance(offset.type, DType)
    for function, uniform in steps:
        scalar = uniform.build(builder)
        if scalar.type != offset.type:
            scalar = builder.value(ops.Cast, (scalar,), offset.type, kind=_resize(scalar, offset.type))
        offset = builder.map(function, offset, scalar)
    return offset


def _resize(scalar: Value, dtype: DType) -> str:
    assert isinstance(scalar.type, DType)
    return "sext" if scalar.type.bits < dtype.bits else "trunc"


def advanced(builder: Builder, init: Value, offset: Value) -> Value:
    """The tile `init + splat(offset)`."""
    assert isinstance(init.type, Tile) and isinstance(offset.type, DType)
    spread = builder.value(ops.Splat, (offset,), Tile(init.type.shape, offset.type))
    if isinstance(init.type.element, Pointer):
        return builder.value(ops.AddPtr, (init, spread), init.type)
    return builder.value(ops.Map, (init, spread), init.type, function="add")
