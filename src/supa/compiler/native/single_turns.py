"""Kernels whose loops over a row take one turn if the row fits a block: the same kernel once more without those loops.

Row kernels loop over blocks of a row and carry tiles of partial results; where a block holds the row, as most do, the
second version has nothing to carry, and what one pass can do it does in one. Arguments alone choose, when it runs.
"""

from __future__ import annotations

from collections.abc import Callable

from supa.compiler.passes.cleanup import EraseDead, MergeCommon
from supa.compiler.passes.folding import Fold
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.rewrite import Builder, clone, replace
from supa.ir.types import Tile

_MOST_LOOPS = 4
_LEAST_CARRIED = 64  # elements; smaller tiles cost little in a loop
_PRODUCTS = (ops.Dot, ops.DotScaled)


def with_single_turns(func: ops.Func) -> ops.Func:
    """A copy of the kernel that chooses between both versions; the kernel itself if it has no such loops."""
    loops = _loops(func)
    if not 1 <= len(loops) <= _MOST_LOOPS or any(isinstance(op, _PRODUCTS) for op in func.walk()):
        return func
    looped, single = clone(func), clone(func)
    for loop in _loops(single):
        _take_one_turn(loop)
    body = looped.regions[0]
    builder = Builder(body, body.ops[0], func.location)
    condition = _condition(builder, _loops(looped))
    guards = len(builder.created)
    otherwise, then = Block(), Block()
    terminator = body.ops[-1]
    _move(body.ops[guards:-1], otherwise)
    for mine, its in zip(single.regions[0].args, body.args, strict=True):
        mine.replace_by(its)
    _move(single.regions[0].ops[:-1], then)
    body.ops = [*body.ops[:guards], terminator]
    for block in (then, otherwise):
        Builder(block, location=func.location).create(ops.Yield, (), ())
    Builder(body, terminator, func.location).create(ops.If, (condition,), (), regions=(then, otherwise))
    for step in (Fold(), MergeCommon(), EraseDead()):
        step.run(looped)
    return looped


def _loops(func: ops.Func) -> list[ops.For]:
    """The loops of the kernel's own block that carry tiles and whose bounds come from arguments alone."""
    return [op for op in func.regions[0].ops if isinstance(op, ops.For) and _is_over_a_row(op)]


def _is_over_a_row(loop: ops.For) -> bool:
    carried = any(isinstance(value.type, Tile) and value.type.size >= _LEAST_CARRIED for value in loop.inits)
    nested = any(isinstance(op, ops.For | ops.While | ops.If) for op in loop.regions[0].ops)
    bounds = (loop.lower, loop.upper, loop.step)
    return carried and not nested and not loop.unsigned and all(_is_from_arguments(value) for value in bounds)


def _is_from_arguments(value: Value) -> bool:
    op = value.op
    if op is None:
        return isinstance(value.owner, Block) and isinstance(value.owner.parent, ops.Func)
    if not isinstance(op, ops.Constant | ops.Map | ops.Cast):
        return False
    return all(operand is not None and _is_from_arguments(operand) for operand in op.operands)


def _condition(builder: Builder, loops: list[ops.For]) -> Value:
    """Whether each loop takes exactly one turn."""
    known: dict[Value, Value] = {}
    flags = []
    for loop in loops:
        lower, upper, step = (_again(builder, value, known) for value in (loop.lower, loop.upper, loop.step))
        flags.append(builder.map("icmp_slt", lower, upper))
        flags.append(builder.map("icmp_ule", builder.map("sub", upper, lower), step))  # exact where lower < upper
    total = flags[0]
    for flag in flags[1:]:
        total = builder.map("and", total, flag)
    return total


def _again(builder: Builder, value: Value, known: dict[Value, Value]) -> Value:
    """A scalar that arguments decide, computed once more at the builder's place."""
    op = value.op
    if op is None:
        return value
    if value not in known:
        operands = [_again(builder, operand, known) for operand in op.operands if operand is not None]
        known[value] = builder.create(type(op), operands, [value.type], **op.attributes).result
    return known[value]


def _take_one_turn(loop: ops.For) -> None:
    """The loop's body in its place."""
    body, block = loop.regions[0], loop.parent
    assert block is not None
    for argument, value in zip(body.args, (loop.lower, *loop.inits), strict=True):
        argument.replace_by(value)
    terminator = body.ops[-1]
    results = [value for value in terminator.operands if value is not None]
    moved, body.ops = body.ops[:-1], [terminator]
    _move(moved, block, lambda op: block.insert_before(loop, op))
    replace(loop, results)


def _move(moved: list[Op], block: Block, place: Callable[[Op], Op] | None = None) -> None:
    for op in list(moved):
        (place or block.append)(op)
