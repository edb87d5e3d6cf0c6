"""Type rules of structure, control flow and effects."""

from __future__ import annotations

from collections.abc import Sequence

from supa.base.dtypes import I1, DType
from supa.ir import ops
from supa.ir.core import Op
from supa.ir.rules.table import need_integer, need_scalar, refuse, split, type_rule, types_of
from supa.ir.types import Type


@type_rule(ops.Func, infers=True)
def _func(op: ops.Func) -> Sequence[Type]:
    count = len(op.regions[0].args)
    for key in ("arg_names", "arg_divisibility"):
        given = getattr(op, key)
        if given and len(given) != count:
            refuse(op, f"{key} for each of {count} arguments", len(given))
    return ()


@type_rule(ops.Return, infers=True)
@type_rule(ops.Yield, infers=True)
@type_rule(ops.Barrier, infers=True)
def _nothing(op: Op) -> Sequence[Type]:
    return ()


@type_rule(ops.Condition, infers=True)
def _condition(op: ops.Condition) -> Sequence[Type]:
    need_scalar(op, op.condition, I1, "the condition")
    return ()


@type_rule(ops.For, infers=True)
def _for(op: ops.For) -> Sequence[Type]:
    need_integer(op, op.lower, "the bounds")
    iv = op.lower.type
    if op.upper.type != iv or op.step.type != iv:
        refuse(op, f"lower, upper and step of one type {iv}", f"{op.upper.type}, {op.step.type}")
    inits = types_of(op.inits)
    _need_types(op, "arguments of body (iv, carried values)", types_of(op.regions[0].args), [iv, *inits])
    _need_types(op, "values yielded by body", _yielded(op, 0), inits)
    return inits


@type_rule(ops.If)
def _if(op: ops.If) -> Sequence[Type]:
    need_scalar(op, op.condition, I1, "the condition")
    for block in op.regions:
        _need_types(op, "arguments of a branch", types_of(block.args), [])
    results = types_of(op.results)
    for index, label in enumerate(op.region_names):
        _need_types(op, f"values yielded by {label}", _yielded(op, index), results)
    return results


@type_rule(ops.While, infers=True)
def _while(op: ops.While) -> Sequence[Type]:
    inits = types_of(op.inits)
    _need_types(op, "arguments of before", types_of(op.regions[0].args), inits)
    handed = types_of(op.regions[0].terminator.operands[1:])  # type: ignore[arg-type]
    _need_types(op, "arguments of after", types_of(op.regions[1].args), handed)
    _need_types(op, "values yielded by after", _yielded(op, 1), inits)
    return handed


@type_rule(ops.Assert, infers=True)
def _assert(op: ops.Assert) -> Sequence[Type]:
    if split(op.condition.type)[1] != I1:
        refuse(op, "a condition of i1", op.condition.type)
    return ()


@type_rule(ops.Print, infers=True)
def _print(op: ops.Print) -> Sequence[Type]:
    for value in op.values:
        if split(value.type)[1] is None:
            refuse(op, "scalars and tiles to print", value.type)
    if op.signed and len(op.signed) != len(op.values):
        refuse(op, f"a sign flag for each of {len(op.values)} values", len(op.signed))
    return ()


@type_rule(ops.InlineAsm)
def _inline_asm(op: ops.InlineAsm) -> Sequence[Type] | None:
    shapes = {split(value.type)[0] for value in (*op.sources, *op.results)}
    if len(shapes) > 1:
        refuse(op, "operands and results of one shape", sorted(shapes))
    if op.pack < 1:
        refuse(op, "a pack of at least 1", op.pack)
    return None


def _yielded(op: Op, region: int) -> list[Type]:
    return [value.type for value in op.regions[region].terminator.operands if value is not None]


def _need_types(op: Op, what: str, found: list[Type], expected: list[Type]) -> None:
    if found != expected:
        refuse(op, f"{what}: ({', '.join(map(str, expected))})", f"({', '.join(map(str, found))})")


def scalar_combine(op: Op, elements: Sequence[DType]) -> None:
    """Check the `combine` region of reduce and scan: 2n scalars to n."""
    expected: list[Type] = [*elements, *elements]
    _need_types(op, "arguments of combine", types_of(op.regions[0].args), expected)
    _need_types(op, "values yielded by combine", _yielded(op, 0), list(elements))
