"""Folds constants and takes away operations that change nothing. Not here: how constants compute (`evaluation`).

One walk in program order is enough: operands are folded before their users.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from supa.base.dtypes import DType
from supa.compiler.passes.evaluation import Number, as_constant, convert, evaluate
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.types import Tile, Type, element_of

Rule = Callable[[Any], "Value | Number | None"]
_RULES: dict[type[Op], Rule] = {}
"""Operation -> rule: the value that its result equals, a number for a constant, or None to leave it."""


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Constants of scalars and of uniform tiles through functions, casts and shapes; x + 0, x * 1 and the like;
    shapes of uniform tiles; branches whose condition is known.
    """

    name: ClassVar[str] = "fold"

    def run(self, func: ops.Func) -> None:
        """Fold a kernel in place; results keep every bit."""
        for block in func.regions:
            _fold_block(block)


def _fold_block(block: Block) -> None:
    for op in list(block.ops):
        for inner in op.regions:
            _fold_block(inner)
        rule = _RULES.get(op.__class__)
        if rule is not None:
            _apply(op, rule(op))
        elif op.__class__ is ops.If:
            _fold_branch(op)


def _apply(op: Op, found: Value | Number | None) -> None:
    if found is None:
        return
    value = found if isinstance(found, Value) else _insert(op, ops.Constant, (), {"value": found})
    op.result.replace_by(value)
    op.drop()


def _insert(op: Op, cls: type[Op], operands: tuple[Value, ...], attributes: dict[str, Any]) -> Value:
    """A new operation before `op` with its result type."""
    assert op.parent is not None
    return op.parent.insert_before(op, cls(operands, (op.result.type,), attributes, (), op.location)).result


def constant_of(value: Value | None) -> Number | None:
    """The number that a scalar, or every element of a tile, is known to be."""
    op = value.owner if value is not None else None
    if op.__class__ is ops.Constant and "values" not in op.attributes:
        number: Number = op.attributes.get("value", 0)
        return number
    return None


def _dtype(type_: Type) -> DType | None:
    element = element_of(type_)
    return element if isinstance(element, DType) else None


def _rule(cls: type[Op]) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        _RULES[cls] = function
        return function

    return register


@_rule(ops.Map)
def _fold_map(op: ops.Map) -> Value | Number | None:
    function, operands = op.attributes["function"], op.operands
    numbers = [constant_of(value) for value in operands]
    if function == "select":
        return _fold_select(op, numbers[0])
    if all(number is None for number in numbers):
        return None
    assert operands[0] is not None
    dtype = _dtype(operands[0].type)
    if dtype is None:
        return None
    known = [number for number in numbers if number is not None]
    if len(known) == len(numbers):
        return evaluate(function, known, dtype)
    return _fold_identity(op, function, numbers, dtype) if len(numbers) == 2 else None


def _fold_select(op: ops.Map, condition: Number | None) -> Value | None:
    _, yes, no = op.operands
    if yes is no:
        return yes
    return None if condition is None else (yes if condition else no)


_RIGHT_NEUTRAL: dict[str, Number] = {
    "add": 0, "sub": 0, "mul": 1, "sdiv": 1, "udiv": 1, "or": 0, "xor": 0, "and": -1,
    "shl": 0, "ashr": 0, "lshr": 0, "fsub": 0.0, "fadd": -0.0, "fmul": 1.0, "fdiv": 1.0,
}  # fmt: skip
_COMMUTATIVE = ("add", "mul", "or", "xor", "and", "fadd", "fmul")
_ZERO_IF_ZERO = ("mul", "and")


def _fold_identity(op: ops.Map, function: str, numbers: list[Number | None], dtype: DType) -> Value | Number | None:
    left, right = op.operands
    if _is_neutral(function, numbers[1], dtype):
        return left
    if function in _COMMUTATIVE and _is_neutral(function, numbers[0], dtype):
        return right
    if function in _ZERO_IF_ZERO and any(number is not None and number == 0 for number in numbers):
        return as_constant(0, dtype)
    return None


def _is_neutral(function: str, number: Number | None, dtype: DType) -> bool:
    """Whether x stays x, in every bit: -0.0 + 0.0 is 0.0, so only -0.0 is neutral to a sum of floats."""
    neutral = _RIGHT_NEUTRAL.get(function)
    if neutral is None or number is None:
        return False
    if dtype.is_float:
        return number == neutral and math.copysign(1.0, number) == math.copysign(1.0, neutral)
    return as_constant(number, dtype) == as_constant(neutral, dtype)


@_rule(ops.Cast)
def _fold_cast(op: ops.Cast) -> Number | None:
    number = constant_of(op.operands[0])
    before, after = _dtype(op.source.type), _dtype(op.result.type)
    if number is None or before is None or after is None:
        return None
    return convert(op.attributes["kind"], number, before, after)


@_rule(ops.AddPtr)
def _fold_address(op: ops.AddPtr) -> Value | None:
    return op.operands[0] if constant_of(op.operands[1]) == 0 else None


@_rule(ops.Splat)
def _fold_splat(op: ops.Splat) -> Number | None:
    return constant_of(op.operands[0])


@_rule(ops.Broadcast)
@_rule(ops.ExpandDims)
@_rule(ops.Reshape)
@_rule(ops.Transpose)
def _fold_shape(op: Op) -> Value | Number | None:
    """The same type again, a uniform tile of another shape, or a broadcast of a broadcast."""
    source = op.operands[0]
    assert source is not None
    if source.type == op.result.type and not isinstance(op, ops.Transpose):
        return source
    number = constant_of(source)
    if number is not None:
        return number
    below = source.op
    if isinstance(below, ops.Splat):
        return _insert(op, ops.Splat, (below.source,), {}) if isinstance(op.result.type, Tile) else below.source
    if isinstance(below, ops.Broadcast) and isinstance(op, ops.Broadcast):
        return _insert(op, ops.Broadcast, (below.source,), {})
    return None


def _fold_branch(op: Op) -> None:
    """Put the branch that is taken in the place of an `if` whose condition is known."""
    condition = constant_of(op.operands[0])
    if condition is None or op.parent is None:
        return
    taken = op.regions[0 if condition else 1]
    end = taken.terminator
    for result, value in zip(op.results, end.operands, strict=True):
        assert value is not None
        result.replace_by(value)
    end.drop()
    for inner in list(taken.ops):
        taken.ops.remove(inner)
        op.parent.insert_before(op, inner)
    op.drop()
