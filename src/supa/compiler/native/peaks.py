"""Tiles of integers that grow by one from element to element: a range and a scalar. Not here: what that decides."""

from __future__ import annotations

from dataclasses import dataclass

from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import shape_of


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The largest element of a tile: a scalar plus a constant, and how far below it the smallest is."""

    base: Value | None
    last: int
    spread: int


def peak_of(value: Value) -> Peak | None:
    """Of a tile of integers made from one range and one scalar."""
    op = value.op
    if isinstance(op, ops.Range):
        extent = shape_of(value.type)[0]
        return Peak(base=None, last=op.start + extent - 1, spread=extent - 1)
    if isinstance(op, ops.Splat):
        return _peak_of_scalar(op.source)
    if isinstance(op, ops.Constant):
        return None if op.values else Peak(base=None, last=int(op.value), spread=0)
    if isinstance(op, ops.Broadcast | ops.ExpandDims | ops.Transpose):
        return peak_of(op.source)
    if isinstance(op, ops.Cast) and op.kind == "sext":
        return peak_of(op.source)
    if isinstance(op, ops.Map) and op.function == "add":
        left, right = (peak_of(operand) if operand is not None else None for operand in op.arguments)
        if left is None or right is None or (left.base and right.base) or min(left.last, right.last) < 0:
            return None
        return Peak(base=left.base or right.base, last=left.last + right.last, spread=left.spread + right.spread)
    return None


def _peak_of_scalar(value: Value) -> Peak:
    op = value.op
    if isinstance(op, ops.Constant) and not op.values:
        return Peak(base=None, last=int(op.value), spread=0)
    return Peak(base=value, last=0, spread=0)
