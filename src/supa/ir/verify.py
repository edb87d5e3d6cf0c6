"""Checks that a kernel is well formed: structure here, types by the rules of `ir.rules`. Changes nothing.

A refusal is a defect of a front end or a pass, never of the user's program; it names the user's line all the same.
"""

from __future__ import annotations

from typing import NoReturn

from supa.base.errors import VerifyError
from supa.ir import ops
from supa.ir.core import Attribute, Block, Op, Value
from supa.ir.rules import TYPE_RULES

TERMINATORS: dict[tuple[type[Op], str], type[Op]] = {
    (ops.Func, "body"): ops.Return,
    (ops.For, "body"): ops.Yield,
    (ops.If, "then"): ops.Yield,
    (ops.If, "otherwise"): ops.Yield,
    (ops.While, "before"): ops.Condition,
    (ops.While, "after"): ops.Yield,
    (ops.MapRegion, "body"): ops.Yield,
    (ops.Reduce, "combine"): ops.Yield,
    (ops.Scan, "combine"): ops.Yield,
}
"""(operation, region) -> the operation that ends it."""


def verify(func: ops.Func) -> None:
    """Refuse a malformed kernel with a `VerifyError` at the location of the first wrong operation.

    Checked: every operand is defined above and in scope, operands and attributes are present and of their type,
    regions end in their terminator, uses are recorded, and the type rule of every operation holds.
    """
    if not isinstance(func, ops.Func):
        _refuse(func, "a func", func.name)
    visible: set[Value] = set()
    reads: dict[Value, int] = {}
    _verify_op(func, visible, reads)
    for value, count in reads.items():
        if len(value.uses) != count:
            op = value.op or func
            _refuse(op, f"{count} recorded uses of a value of type {value.type}", len(value.uses))


def _refuse(op: Op, expected: str, found: object) -> NoReturn:
    raise VerifyError(f"{op.name}: expected {expected}, found {found}", op.location)


def _verify_op(op: Op, visible: set[Value], reads: dict[Value, int]) -> None:
    operands = op.operands
    if None in operands or len(operands) != len(op.operand_specs):
        _verify_operand_count(op)
    for value in operands:
        if value is None:
            continue
        if value not in visible:
            _refuse(op, "operands defined above and in scope", f"a value of type {value.type} that is not")
        reads[value] = reads.get(value, 0) + 1
    _verify_attributes(op)
    if op.regions or op.region_names:
        _verify_regions(op, visible, reads)
    rule = TYPE_RULES.get(op.__class__)
    if rule is None:
        _refuse(op, "an operation with a type rule", op.name)
    expected = rule(op)
    if expected is not None:
        found = [value.type for value in op.results]
        if found != (expected if expected.__class__ is list else list(expected)):
            _refuse(op, f"results ({', '.join(map(str, expected))})", f"({', '.join(map(str, found))})")
    visible.update(op.results)


def _verify_operand_count(op: Op) -> None:
    specs = op.operand_specs
    variadic = bool(specs) and specs[-1].variadic
    fixed = specs[:-1] if variadic else specs
    count = len(op.operands)
    if count < len(fixed) or (count > len(fixed) and not variadic):
        _refuse(op, f"{len(fixed)}{' or more' if variadic else ''} operands", count)
    for position, value in enumerate(op.operands):
        if value is None and (position >= len(fixed) or not fixed[position].optional):
            name = specs[min(position, len(specs) - 1)].name
            _refuse(op, f"operand {position} ({name})", "none")


def _verify_attributes(op: Op) -> None:
    specs, attributes = op.attribute_specs, op.attributes
    for key, value in attributes.items():
        spec = specs.get(key)
        if spec is None:
            _refuse(op, f"attributes out of ({', '.join(specs)})", key)
        if value.__class__ is not spec.type and not _is_instance(value, spec):
            _refuse(op, f"{key} of type {_type_names(spec)}", repr(value))
    if len(attributes) < len(specs):
        for key, spec in specs.items():
            if key not in attributes and spec.required:
                _refuse(op, f"attribute {key}", "none")


def _is_instance(value: object, spec: Attribute) -> bool:
    return value.__class__ in (spec.type if isinstance(spec.type, tuple) else (spec.type,))


def _type_names(spec: Attribute) -> str:
    types = spec.type if isinstance(spec.type, tuple) else (spec.type,)
    return " or ".join(type_.__name__ for type_ in types)


def _verify_regions(op: Op, visible: set[Value], reads: dict[Value, int]) -> None:
    if len(op.regions) != len(op.region_names):
        _refuse(op, f"regions ({', '.join(op.region_names)})", len(op.regions))
    for label, block in zip(op.region_names, op.regions, strict=True):
        if block.parent is not op:
            _refuse(op, f"region {label} to know its operation", "another parent")
        _verify_block(op, label, block, visible, reads)


def _verify_block(op: Op, label: str, block: Block, visible: set[Value], reads: dict[Value, int]) -> None:
    visible.update(block.args)
    last = len(block.ops) - 1
    expected = TERMINATORS[op.__class__, label]
    if last < 0 or block.ops[last].__class__ is not expected:
        _refuse(op, f"region {label} to end in {expected.name}", block.ops[last].name if last >= 0 else "nothing")
    for index, inner in enumerate(block.ops):
        if inner.parent is not block:
            _refuse(inner, "an operation that knows its block", "another parent")
        if inner.is_terminator and index != last:
            _refuse(inner, f"a terminator at the end of region {label} only", f"one at position {index}")
        _verify_op(inner, visible, reads)
    visible.difference_update(block.args)
    for inner in block.ops:
        visible.difference_update(inner.results)
