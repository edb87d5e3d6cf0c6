"""Where addresses come from: the argument that a pointer is made of, and the arithmetic of its offsets.

Both follow definitions backwards through the tile IR; what can not be followed is unknown, never guessed.
"""

from __future__ import annotations

from supa.base.dtypes import I32
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.types import Pointer, element_of

_SHAPES = (ops.Splat, ops.Broadcast, ops.ExpandDims, ops.Reshape, ops.Transpose)
_EXACT = ("add", "sub", "mul")
_UNKNOWN = -1
_SAME = -2  # the value itself again, around a loop


def argument_of(func: ops.Func, op: Op) -> str:
    """The name of the argument whose memory `op` accesses, "" where that is not known."""
    pointer = op.operands[0]
    assert pointer is not None
    position = _argument(pointer, func, set())
    if position < 0:
        return ""
    names = func.arg_names
    return str(names[position]) if position < len(names) else f"arg{position}"


def _argument(value: Value, func: ops.Func, seen: set[Value]) -> int:
    """The position of the argument that a pointer or a descriptor is made of."""
    if value in seen:
        return _SAME
    op = value.op
    if op is None:
        return _argument_of_block(value, func, seen | {value})
    if isinstance(op, (ops.AddPtr, ops.MakeDescriptor, *_SHAPES)):
        return _argument(op.operands[0], func, seen)  # type: ignore[arg-type]
    if isinstance(op, ops.Cast):
        source = op.source
        return _argument(source, func, seen) if isinstance(element_of(source.type), Pointer) else _UNKNOWN
    if isinstance(op, ops.Map) and op.function == "select":
        return _common([_argument(side, func, seen) for side in op.operands[1:] if side is not None])
    if isinstance(op, ops.If):
        ends = [block.terminator.operands[value.index] for block in op.regions]
        return _common([_argument(end, func, seen) for end in ends if end is not None])
    if isinstance(op, ops.For):
        return _argument(op.regions[0].args[value.index + 1], func, seen)
    if isinstance(op, ops.While):
        return _argument(op.regions[0].terminator.values[value.index], func, seen)  # type: ignore[attr-defined]
    return _UNKNOWN


def _argument_of_block(value: Value, func: ops.Func, seen: set[Value]) -> int:
    block = value.owner
    assert isinstance(block, Block)
    if block.parent is func:
        return value.index
    loop = block.parent
    if isinstance(loop, ops.For) and value.index > 0:
        first, again = loop.inits[value.index - 1], block.terminator.operands[value.index - 1]
        assert again is not None
        return _common([_argument(first, func, seen), _argument(again, func, seen)])
    if isinstance(loop, ops.While):
        before, after = loop.regions
        if block is after:
            handed = before.terminator.values[value.index]  # type: ignore[attr-defined]
            return _argument(handed, func, seen)
        again = after.terminator.operands[value.index]
        assert again is not None
        return _common([_argument(loop.inits[value.index], func, seen), _argument(again, func, seen)])
    return _UNKNOWN


def _common(positions: list[int]) -> int:
    found = {position for position in positions if position != _SAME}
    return found.pop() if len(found) == 1 else _SAME if not found else _UNKNOWN


def offset_arithmetic(func: ops.Func) -> set[Op]:
    """The i32 additions, subtractions and multiplications whose exact result an address needs."""
    found: set[Op] = set()
    open_: list[Value] = []
    for op in func.walk():
        if isinstance(op, ops.AddPtr):
            open_.append(op.offset)
    seen: set[Value] = set()
    while open_:
        value = open_.pop()
        if value in seen:
            continue
        seen.add(value)
        op_or_none = value.op
        if op_or_none is None:
            continue
        op = op_or_none
        if isinstance(op, ops.Map) and op.function in _EXACT:
            if element_of(value.type) == I32:
                found.add(op)
            open_.extend(operand for operand in op.operands if operand is not None)
        elif isinstance(op, _SHAPES) or (isinstance(op, ops.Cast) and op.kind == "sext"):
            open_.extend(operand for operand in op.operands if operand is not None)
    return found
