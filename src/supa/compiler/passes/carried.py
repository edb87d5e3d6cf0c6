"""Values carried by counted loops: adding and removing them, and the pass that prunes those without a purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.rewrite import has_effect

_BOUNDS = 3  # operands of a loop before the carried values: lower, upper, step


@dataclass(frozen=True, kw_only=True)
class PruneCarried:
    """A value that a loop hands on unchanged is read from outside; one that only feeds itself goes."""

    name: ClassVar[str] = "prune_carried"

    def run(self, func: ops.Func) -> None:
        """Prune all loops in place, inner ones first."""
        for block in func.regions:
            _prune_block(block)


def _prune_block(block: Block) -> None:
    for op in list(block.ops):
        for inner in op.regions:
            _prune_block(inner)
        if isinstance(op, ops.For):
            _prune_loop(op)


def _prune_loop(loop: ops.For) -> None:
    body = loop.regions[0]
    yielded, inits = body.terminator.operands, loop.inits
    useless: list[int] = []
    for index, (result, init, handed) in enumerate(zip(loop.results, inits, yielded, strict=True)):
        argument = body.args[index + 1]
        if handed is argument or handed is init:
            argument.replace_by(init)
            result.replace_by(init)
            useless.append(index)
        elif not result.uses and _feeds_only_itself(argument, body.terminator, index):
            useless.append(index)
    remove_carried(loop, useless)


def _feeds_only_itself(argument: Value, end: Op, index: int) -> bool:
    """Whether all that is computed from `argument` is pure and ends in position `index` of the loop's yield."""
    waiting, seen = [argument], {argument}
    while waiting:
        value = waiting.pop()
        if any(operand is value for position, operand in enumerate(end.operands) if position != index):
            return False
        for user in value.uses:
            if user is end:
                continue
            if user.parent is not end.parent or user.regions or has_effect(user):
                return False
            fresh = [result for result in user.results if result not in seen]
            seen.update(fresh)
            waiting.extend(fresh)
    return True


def remove_carried(loop: ops.For, positions: Sequence[int]) -> None:
    """Take carried values out of a loop; what is computed from them and only feeds them is dropped as well."""
    body = loop.regions[0]
    for position in sorted(positions, reverse=True):
        _remove_operand(body.terminator, position)
        _remove_operand(loop, _BOUNDS + position)
        _drop_users(body.args[position + 1])
        del body.args[position + 1], loop.results[position]
    for index, argument in enumerate(body.args):
        argument.index = index
    for index, result in enumerate(loop.results):
        result.index = index


def _drop_users(value: Value) -> None:
    for user in list(value.uses):
        for result in user.results:
            _drop_users(result)
        if user.parent is not None:
            user.drop()


def _remove_operand(op: Op, position: int) -> None:
    op.set_operand(position, None)
    del op.operands[position]


def add_carried(loop: ops.For, init: Value) -> tuple[Value, Value]:
    """One more carried value: the body's argument and the loop's result. The caller appends to the loop's yield."""
    loop.operands.append(init)
    init.uses.append(loop)
    result = Value(init.type, loop, len(loop.results))
    loop.results.append(result)
    return loop.regions[0].add_arg(init.type), result


def yield_also(loop: ops.For, value: Value) -> None:
    """Hand `value` on as the next of the last carried value."""
    end = loop.regions[0].terminator
    end.operands.append(value)
    value.uses.append(end)
