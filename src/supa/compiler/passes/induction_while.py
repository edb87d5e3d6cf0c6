"""Pointer advance in a `while`: like `induction` for counted loops. A carried tile is rewritten where `before` hands it
on as it came, once.
"""

from __future__ import annotations

from supa.base.dtypes import DType
from supa.compiler.passes.advance import Step, advanced, following, offset_type, steps_between
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.rewrite import Builder


def rewrite_while(loop: ops.While) -> None:
    """Carry the advance of tiles of pointers or integers as scalars."""
    for position in reversed(range(len(loop.inits))):
        found = _advance(loop, position)
        if found is not None:
            _rewrite(loop, position, *found)


def _advance(loop: ops.While, position: int) -> tuple[int, DType, tuple[Step, ...]] | None:
    """Where `before` hands the tile on, the type of its advance, and the steps; None if it is not plain."""
    before, after = loop.regions
    argument, next_ = before.args[position], after.terminator.operands[position]
    dtype = offset_type(argument)
    handed = [index for index, value in enumerate(before.terminator.operands[1:]) if value is argument]
    if dtype is None or len(handed) != 1 or next_ is None or next_ is after.args[handed[0]]:
        return None
    steps = steps_between(next_, after.args[handed[0]], after)
    return None if steps is None else (handed[0], dtype, steps)


def _rewrite(loop: ops.While, position: int, handed: int, dtype: DType, steps: tuple[Step, ...]) -> None:
    assert loop.parent is not None
    before, after = loop.regions
    tile = loop.inits[position]
    _append(loop, Builder.before(loop).constant(0, dtype))
    tested, moved = before.add_arg(dtype), after.add_arg(dtype)
    _append(before.terminator, tested)
    end = after.terminator
    _append(end, following(Builder.before(end), moved, steps))
    last = Value(dtype, loop, len(loop.results))
    loop.results.append(last)
    _replace(before, before.args[position], tile, tested)
    _replace(after, after.args[handed], tile, moved)
    if loop.results[handed].uses:
        behind = loop.parent.ops[loop.parent.ops.index(loop) + 1]
        builder = Builder(loop.parent, behind, loop.location)
        loop.results[handed].replace_by(advanced(builder, tile, last))
    for op, index in ((loop, position), (end, position), (before.terminator, 1 + handed)):
        op.set_operand(index, None)
        del op.operands[index]
    for values, index in ((before.args, position), (after.args, handed), (loop.results, handed)):
        del values[index]
        for number, value in enumerate(values):
            value.index = number


def _append(op: Op, value: Value) -> None:
    op.operands.append(value)
    value.uses.append(op)


def _replace(block: Block, argument: Value, tile: Value, offset: Value) -> None:
    argument.replace_by(advanced(Builder(block, block.ops[0], block.ops[0].location), tile, offset))
