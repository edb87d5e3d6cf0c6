"""By how much a tile grows from element to element along a dimension, where ranges and scalars alone decide it.

For choices of a nest's form before it is emitted. Not here: what addresses are in emitted code (`vec`).
"""

from __future__ import annotations

from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import shape_of

_LEAST_PERIOD = 16  # of x % n and x // n, for x to run on in most places
_BY_PERIODS = ("srem", "urem", "sdiv", "udiv")


def step_of(value: Value, axis: int = -1) -> int | None:
    """By how much `value` grows from element to element along `axis`, in most places: 0 where neighbours are equal,
    None where that is unknown.
    """
    op, shape = value.op, shape_of(value.type)
    if not shape or shape[axis] == 1 or isinstance(op, ops.Splat):
        return 0
    if isinstance(op, ops.Range):
        return 1
    if isinstance(op, ops.Constant):
        return None if op.values else 0
    if isinstance(op, ops.ExpandDims):
        place = axis % len(shape)
        return 0 if place == op.axis else step_of(op.source, place - (place > op.axis))
    if isinstance(op, ops.Broadcast | ops.Cast):
        return step_of(op.source, axis)
    if isinstance(op, ops.AddPtr):
        return _sum(step_of(op.pointer, axis), step_of(op.offset, axis))
    return _step_of_map(op, axis) if isinstance(op, ops.Map) else None


def _sum(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left + right


def _step_of_map(op: ops.Map, axis: int) -> int | None:
    steps = [step_of(argument, axis) for argument in op.arguments]
    if all(step == 0 for step in steps):
        return 0
    if op.function in ("add", "sub"):
        return _sum(steps[0], steps[1] if op.function == "add" or steps[1] is None else -steps[1])
    numbers = [_number(argument) for argument in op.arguments]
    if op.function == "mul":
        for step, number in ((steps[0], numbers[1]), (steps[1], numbers[0])):
            if step is not None and number is not None:
                return step * number
    step, period = steps[0], numbers[-1]
    if op.function not in _BY_PERIODS or step is None or period is None or abs(period) < _LEAST_PERIOD * abs(step):
        return None
    return step if op.function.endswith("rem") else 0


def _number(value: Value) -> int | None:
    """The one integer that a value is, where it is written out."""
    op = value.op
    while isinstance(op, ops.Splat | ops.Broadcast):
        op = op.source.op
    return op.value if isinstance(op, ops.Constant) and isinstance(op.value, int) and not op.values else None
