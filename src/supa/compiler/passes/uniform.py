"""Tiles whose elements are all one scalar, as expressions of scalars: found in a tile's definition, built on demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.rewrite import Builder
from supa.ir.types import Scalar, element_of

_SHAPES = (ops.Broadcast, ops.ExpandDims, ops.Reshape, ops.Transpose)
_ELEMENTWISE = (ops.Map, ops.Cast, ops.AddPtr)


@dataclass(frozen=True)
class Uniform:
    """A scalar of type `element`: an existing `value`, or the operation `cls` on `operands`. Equal expressions are
    equal scalars.
    """

    element: Scalar
    value: Value | None = None
    cls: type[Op] | None = None
    operands: tuple[Uniform, ...] = ()
    attributes: tuple[tuple[str, Any], ...] = ()

    def build(self, builder: Builder) -> Value:
        """The scalar, made by `builder` where it does not exist yet."""
        if self.value is not None:
            return self.value
        assert self.cls is not None
        operands = [operand.build(builder) for operand in self.operands]
        return builder.value(self.cls, operands, self.element, **dict(self.attributes))


def uniform_of(tile: Value) -> Uniform | None:
    """The one scalar that all elements of `tile` are, or None where that is not plain."""
    op, element = tile.op, element_of(tile.type)
    if isinstance(op, ops.Splat):
        return _scalar(op.source)
    if isinstance(op, _SHAPES):
        return uniform_of(op.operands[0])  # type: ignore[arg-type]
    if isinstance(op, ops.Constant) and "values" not in op.attributes:
        return _constant(element, op)
    if not isinstance(op, _ELEMENTWISE):
        return None
    operands = [uniform_of(value) for value in op.operands if value is not None]
    known = tuple(operand for operand in operands if operand is not None)
    if len(known) != len(operands):
        return None
    return Uniform(element, cls=op.__class__, operands=known, attributes=tuple(op.attributes.items()))


def _scalar(value: Value) -> Uniform:
    op, element = value.op, element_of(value.type)
    return _constant(element, op) if isinstance(op, ops.Constant) else Uniform(element, value)


def _constant(element: Scalar, op: ops.Constant) -> Uniform:
    return Uniform(element, cls=ops.Constant, attributes=tuple(op.attributes.items()))
