"""Loops that add to carried tiles, element by element, and do nothing else: four turns at once, then what is left.

A row that is longer than a block is read block by block, and partial sums of a block's size lie in memory from turn to
turn. Four turns in one body load and store them once. Each element sees the same operations in the same order.
"""

from __future__ import annotations

from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.rewrite import Builder, clone, clone_block
from supa.ir.types import Tile

_TURNS = 4
_MOST_STEP = 1 << 20
_MOST_OPS = 32  # of a body: four of them are code to compile
_LEAST_CARRIED = 256  # elements; smaller tiles stay in the nearest cache and cost little
_INSIDE = (ops.Map, ops.Cast, ops.Splat, ops.Broadcast, ops.ExpandDims, ops.AddPtr, ops.Load, ops.Range, ops.Constant)


def with_joined_turns(func: ops.Func) -> ops.Func:
    """A copy of the kernel in which such loops take four turns at a time; the kernel itself if it has none."""
    if not any(_adds_only(op) for op in func.walk()):
        return func
    made = clone(func)
    for op in list(made.walk()):
        if _adds_only(op):
            assert isinstance(op, ops.For)
            _join(op)
    return made


def _adds_only(op: Op) -> bool:
    """Whether a loop's body reads memory and computes tiles from carried ones, with bounds that can not wrap."""
    if not isinstance(op, ops.For) or op.unsigned:
        return False
    body = op.regions[0]
    tiles = [value.type for value in op.inits if isinstance(value.type, Tile)]
    if len({tile.shape for tile in tiles}) != 1 or tiles[0].size < _LEAST_CARRIED or len(body.ops) > _MOST_OPS:
        return False
    plain = all(isinstance(inner, _INSIDE) and not getattr(inner, "volatile", False) for inner in body.ops[:-1])
    loads = any(isinstance(inner, ops.Load) and isinstance(inner.result.type, Tile) for inner in body.ops)
    lower, upper, step = (_constant(bound) for bound in (op.lower, op.upper, op.step))
    if not plain or not loads or lower is None or lower < 0 or step is None or not 0 < step <= _MOST_STEP:
        return False
    return upper is None or upper - lower >= _TURNS * step


def _constant(value: Value) -> int | None:
    op = value.op
    return int(op.value) if isinstance(op, ops.Constant) and not op.values else None


def _join(loop: ops.For) -> None:
    """Before the loop, one of whole groups of turns; the loop itself begins where that ends."""
    builder = Builder.before(loop)
    type_, step = loop.lower.type, _constant(loop.step)
    assert step is not None
    group = builder.constant(_TURNS * step, type_)
    span = builder.map("sub", builder.map("smax", loop.upper, loop.lower), loop.lower)
    whole = builder.map("mul", builder.map("udiv", span, group), group)
    end = builder.map("add", loop.lower, whole)
    body = Block(argument.type for argument in loop.regions[0].args)
    inside = Builder(body, None, loop.location)
    counter, carried = body.args[0], list(body.args[1:])
    for turn in range(_TURNS):
        at = counter if turn == 0 else inside.map("add", counter, inside.constant(turn * step, type_))
        carried = _put(loop.regions[0], body, (at, *carried))
    inside.create(ops.Yield, carried, ())
    operands = (loop.lower, end, group, *loop.inits)
    first = builder.create(ops.For, operands, [value.type for value in loop.inits], regions=(body,), **loop.attributes)
    for position, value in enumerate((end, loop.upper, loop.step, *first.results)):
        loop.set_operand(position, value)


def _put(source: Block, target: Block, arguments: tuple[Value, ...]) -> list[Value]:
    """One turn at the end of a body; what it yields."""
    turn = clone_block(source)
    for argument, value in zip(turn.args, arguments, strict=True):
        argument.replace_by(value)
    yielded = [value for value in turn.terminator.operands if value is not None]
    moved, turn.ops = turn.ops[:-1], turn.ops[-1:]
    for op in moved:
        target.append(op)
    turn.terminator.drop()
    return yielded
