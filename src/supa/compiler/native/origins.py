"""Where addresses come from: the argument that a pointer is made of, and the arithmetic of its offsets.

Both follow definitions backwards through the tile IR; what can not be followed is unknown, never guessed.
"""

from __future__ import annotations

from supa.base.dtypes import I32
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.types import Pointer, Tile, element_of

_SHAPES = (ops.Splat, ops.Broadcast, ops.ExpandDims, ops.Reshape, ops.Transpose)
_EXACT = ("add", "sub", "mul")


class _Same:
    """The value itself again, around a loop."""


_SAME = _Same()
_Origin = Value | _Same | None


def argument_of(func: ops.Func, op: Op) -> str:
    """The name of the argument whose memory `op` accesses, "" where that is not known."""
    origin = _of_access(op)
    if origin is None or not _is_argument(origin, func):
        return ""
    names = func.arg_names
    return str(names[origin.index]) if origin.index < len(names) else f"arg{origin.index}"


def computed_origin_of(func: ops.Func, op: Op) -> Value | None:
    """The scalar that the addresses of `op` are made of, where it is no argument but computed or loaded before."""
    origin = _of_access(op)
    if origin is None or _is_argument(origin, func) or isinstance(origin.type, Tile):
        return None
    return origin if _encloses(origin, op) else None


def _is_argument(origin: Value, func: ops.Func) -> bool:
    return isinstance(origin.owner, Block) and origin.owner.parent is func


def _encloses(origin: Value, op: Op) -> bool:
    """Whether `origin` stands in a block around `op`, not in one beside it."""
    home = origin.owner if isinstance(origin.owner, Block) else origin.owner.parent
    block = op.parent
    while block is not None and block is not home:
        outer = block.parent
        block = outer.parent if outer is not None else None
    return block is not None


def _of_access(op: Op) -> Value | None:
    pointer = op.operands[0]
    assert pointer is not None
    origin = _origin(pointer, set())
    return None if isinstance(origin, _Same) else origin


def _origin(value: Value, seen: set[Value]) -> _Origin:
    """What a pointer or a descriptor is made of: where following it ends."""
    if value in seen:
        return _SAME
    op = value.op
    if op is None:
        return _origin_of_block(value, seen | {value})
    if isinstance(op, (ops.AddPtr, ops.MakeDescriptor, *_SHAPES)):
        return _origin(op.operands[0], seen)  # type: ignore[arg-type]
    if isinstance(op, ops.Cast) and isinstance(element_of(op.source.type), Pointer):
        return _origin(op.source, seen)
    if isinstance(op, ops.Map) and op.function == "select":
        return _common([_origin(side, seen) for side in op.operands[1:] if side is not None])
    if isinstance(op, ops.If):
        ends = [block.terminator.operands[value.index] for block in op.regions]
        return _common([_origin(end, seen) for end in ends if end is not None])
    if isinstance(op, ops.For):
        return _origin(op.regions[0].args[value.index + 1], seen)
    if isinstance(op, ops.While):
        return _origin(op.regions[0].terminator.values[value.index], seen)  # type: ignore[attr-defined]
    return value


def _origin_of_block(value: Value, seen: set[Value]) -> _Origin:
    block = value.owner
    assert isinstance(block, Block)
    loop = block.parent
    if isinstance(loop, ops.For) and value.index > 0:
        first, again = loop.inits[value.index - 1], block.terminator.operands[value.index - 1]
        assert again is not None
        return _common([_origin(first, seen), _origin(again, seen)])
    if isinstance(loop, ops.While):
        before, after = loop.regions
        if block is after:
            handed = before.terminator.values[value.index]  # type: ignore[attr-defined]
            return _origin(handed, seen)
        again = after.terminator.operands[value.index]
        assert again is not None
        return _common([_origin(loop.inits[value.index], seen), _origin(again, seen)])
    return value


def _common(origins: list[_Origin]) -> _Origin:
    found = [origin for origin in origins if not isinstance(origin, _Same)]
    if not found:
        return _SAME
    return found[0] if all(origin is found[0] for origin in found) else None


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
