"""Assertions inside functions that combine elements, brought outside: a pass.

A reduction or scan carries, beside its elements, whether every assertion of the combinations so far held; the assertion
itself follows the operation. Triton's debug mode asserts in every integer sum that nothing overflows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supa.base.dtypes import I1
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.rewrite import Builder, replace
from supa.ir.types import Tile, Type, shape_of


@dataclass(frozen=True, kw_only=True)
class LiftAssertions:
    """Leaves no assertion at the top of a `reduce`'s or `scan`'s region."""

    name: ClassVar[str] = "lift_assertions"

    def run(self, func: ops.Func) -> None:
        """Lift in place."""
        for op in list(func.walk()):
            if isinstance(op, ops.Reduce | ops.Scan) and _assertions(op):
                _lift(op, _assertions(op))


def _assertions(op: ops.Reduce | ops.Scan) -> list[ops.Assert]:
    return [inner for inner in op.regions[0].ops if isinstance(inner, ops.Assert)]


def _lift(op: ops.Reduce | ops.Scan, assertions: list[ops.Assert]) -> None:
    builder = Builder.before(op)
    sources = list(op.sources)
    shape = shape_of(sources[0].type)
    flags = [builder.constant(True, Tile(shape, I1)) for _ in assertions]
    block = _carrying(op.regions[0], len(sources), assertions)
    result = _without_axis(shape, op.axis) if isinstance(op, ops.Reduce) else Tile(shape, I1)
    types = [value.type for value in op.results] + [result] * len(flags)
    op.regions = []
    new = builder.insert(type(op)([*sources, *flags], types, dict(op.attributes), [block], op.location))
    for assertion, held in zip(assertions, new.results[len(sources) :], strict=True):
        assert isinstance(held, Value)
        message = {"message": assertion.message}
        builder.insert(ops.Assert((held,), (), message, (), assertion.location))
    replace(op, new.results[: len(sources)])


def _without_axis(shape: tuple[int, ...], axis: int) -> Type:
    rest = (*shape[:axis], *shape[axis + 1 :])
    return Tile(rest, I1) if rest else I1


def _carrying(old: Block, count: int, assertions: list[ops.Assert]) -> Block:
    """The region with a flag for each assertion behind the elements of each side."""
    flags = len(assertions)
    types = [value.type for value in old.args]
    new = Block([*types[:count], *[I1] * flags, *types[count:], *[I1] * flags])
    for value, other in zip(old.args, (*new.args[:count], *new.args[count + flags : 2 * count + flags]), strict=True):
        value.replace_by(other)
    end = old.terminator
    for inner in list(old.ops[:-1]):
        old.ops.remove(inner)
        new.append(inner)
    yielded = [value for value in end.operands if value is not None]
    for index, assertion in enumerate(assertions):
        builder = Builder.before(assertion)
        before = builder.map("and", new.args[count + index], new.args[2 * count + flags + index])
        yielded.append(builder.map("and", before, _as_flag(builder, assertion.condition)))
        assertion.drop()
    end.drop()
    new.append(ops.Yield(yielded, (), {}, (), end.location))
    return new


def _as_flag(builder: Builder, condition: Value) -> Value:
    if condition.type == I1:
        return condition
    return builder.map("icmp_ne", condition, builder.constant(0, condition.type))
