"""What the combine region of a reduction allows: another order of elements, a neutral element. Emits nothing."""

from __future__ import annotations

from supa.ir import ops
from supa.ir.core import Op, Value

_IDENTITY: dict[str, float | int] = {
    "fadd": -0.0, "fmul": 1.0, "add": 0, "mul": 1, "or": 0, "xor": 0, "and": -1, "umax": 0, "umin": -1,
    "fmin": float("nan"), "fmax": float("nan"), "fminimum": float("inf"), "fmaximum": float("-inf"),
}  # fmt: skip
_COMMUTATIVE = {*_IDENTITY, "smin", "smax"}
_STRICT = {
    "fcmp_ogt", "fcmp_olt", "fcmp_ugt", "fcmp_ult", "icmp_sgt", "icmp_slt", "icmp_ugt", "icmp_ult",
}  # fmt: skip
_EQUAL = {"fcmp_oeq", "icmp_eq"}


def identity_function(op: ops.Reduce | ops.Scan) -> str | None:
    """The function of a region that combines by one commutative function with an identity, else None."""
    block = op.regions[0]
    if len(block.ops) != 2 or len(block.args) != 2:
        return None
    inner = block.ops[0]
    if not isinstance(inner, ops.Map) or set(inner.arguments) != set(block.args):
        return None
    return inner.function if inner.function in _COMMUTATIVE and block.terminator.operands == inner.results else None


def identity_value(function: str, type_: object) -> float | int:
    """The element that changes nothing."""
    bits = getattr(type_, "bits", 64)
    if function == "smin":
        return int((1 << (bits - 1)) - 1)
    if function == "smax":
        return int(-(1 << (bits - 1)))
    return _IDENTITY[function]


def is_commutative(op: ops.Reduce) -> bool:
    """Whether elements may be combined in any order: known functions side by side, or the extreme of (value, index).

    Other regions may be commutative too; they are combined in order.
    """
    block = op.regions[0]
    count = len(block.args) // 2
    pairs = list(zip(block.args[:count], block.args[count:], strict=True))
    yields = [value for value in block.terminator.operands if value is not None]
    if all(_combines(value, *pair) for value, pair in zip(yields, pairs, strict=True)):
        return True
    return count == 2 and _is_extreme(yields, pairs)


def _combines(value: Value, left: Value, right: Value) -> bool:
    op = value.op
    return isinstance(op, ops.Map) and op.function in _COMMUTATIVE and set(op.arguments) == {left, right}


def _is_extreme(yields: list[Value], pairs: list[tuple[Value, Value]]) -> bool:
    """Both operands of the side with the better value or, where values are equal, the better index."""
    chosen = [value.op for value in yields]
    if not all(_is_map(op, {"select"}) for op in chosen):
        return False
    first, second = (list(op.operands) for op in chosen if op is not None)
    if first[0] is not second[0] or first[1:] != list(pairs[0]) or second[1:] != list(pairs[1]):
        return False
    either = first[0].op if first[0] is not None else None
    if not _is_map(either, {"or"}) or either is None:
        return False
    sides = [operand.op for operand in either.operands if operand is not None]
    return any(_is_better(one, other, pairs) for one, other in (sides, sides[::-1]))


def _is_better(better: Op | None, tie: Op | None, pairs: list[tuple[Value, Value]]) -> bool:
    if not _is_map(better, _STRICT, pairs[0]) or not _is_map(tie, {"and"}) or tie is None:
        return False
    sides = [operand.op for operand in tie.operands if operand is not None]
    return any(
        _is_map(equal, _EQUAL, pairs[0]) and _is_map(index, _STRICT, pairs[1]) for equal, index in (sides, sides[::-1])
    )


def _is_map(op: Op | None, functions: set[str], operands: tuple[Value, Value] | None = None) -> bool:
    if not isinstance(op, ops.Map) or op.function not in functions:
        return False
    return operands is None or tuple(op.operands) == operands
