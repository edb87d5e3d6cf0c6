"""By how much a tile grows from element to element along its last dimension, where ranges and scalars alone decide it.

For choices of a nest's form before it is emitted. Not here: what addresses are in emitted code (`vec`).
"""

from __future__ import annotations

from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import Tile, shape_of


def step_of(value: Value) -> int | None:
    """The elements between neighbours along the last dimension: 0 for equal ones, None where that is not known."""
    op = value.op
    if not isinstance(value.type, Tile) or isinstance(op, ops.Splat):
        return 0
    if isinstance(op, ops.Range):
        return 1
    if isinstance(op, ops.Constant):
        return None if op.values else 0
    if isinstance(op, ops.ExpandDims):
        return 0 if op.axis == len(shape_of(value.type)) - 1 else step_of(op.source)
    if isinstance(op, ops.Broadcast):
        grows = shape_of(op.source.type)[-1] != shape_of(value.type)[-1]
        return 0 if grows else step_of(op.source)
    if isinstance(op, ops.Cast) and op.kind == "sext":
        return step_of(op.source)
    if isinstance(op, ops.AddPtr):
        return _sum(op.pointer, op.offset)
    if isinstance(op, ops.Map) and op.function in ("add", "mul"):
        left, right = op.operands
        if left is None or right is None:
            return None
        if op.function == "add":
            return _sum(left, right)
        return 0 if step_of(left) == 0 == step_of(right) else None
    return None


def _sum(left: Value, right: Value) -> int | None:
    steps = step_of(left), step_of(right)
    return None if steps[0] is None or steps[1] is None else steps[0] + steps[1]
