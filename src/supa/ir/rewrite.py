"""Building and rewriting kernels: the builder, patterns to a fixpoint, dead code, common subexpressions.

Not here: any particular pass (`compiler`). A pattern changes the IR through a builder placed before its operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from supa.base.location import UNKNOWN, Location
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.rules import INFERS, TYPE_RULES
from supa.ir.types import Type

Pattern = Callable[[Any, "Builder"], bool]
"""Rewrites one operation if it matches, and says whether it changed anything."""


class Builder:
    """Creates operations at a place: at the end of `block`, or before `anchor`; all get `location`."""

    def __init__(self, block: Block, anchor: Op | None = None, location: Location = UNKNOWN) -> None:
        self.block, self.anchor, self.location = block, anchor, location
        self.created: list[Op] = []

    @classmethod
    def before(cls, op: Op) -> Builder:
        """A builder that puts operations just before `op`, with its location."""
        if op.parent is None:
            raise ValueError(f"{op.name} is in no block")
        return cls(op.parent, op, op.location)

    def create(
        self,
        cls: type[Op],
        operands: Sequence[Value | None] = (),
        result_types: Sequence[Type] | None = None,
        *,
        regions: Sequence[Block] = (),
        **attributes: Any,
    ) -> Op:
        """Create and place one operation.

        Without `result_types` they are inferred from operands, attributes and regions, where the operation's type
        rule can (`rules.INFERS`); else `TypeError`. Wrong operands then raise `VerifyError`.
        """
        if result_types is None and cls not in INFERS:
            raise TypeError(f"the result types of {cls.name} can not be inferred: give result_types")
        op = cls(operands, result_types or (), attributes, regions, self.location)
        if result_types is None:
            inferred = TYPE_RULES[cls](op) or ()
            op.results = [Value(type_, op, index) for index, type_ in enumerate(inferred)]
        return self.insert(op)

    def insert(self, op: Op) -> Op:
        """Place an operation that exists but is in no block."""
        if self.anchor is None:
            self.block.append(op)
        else:
            self.block.insert_before(self.anchor, op)
        self.created.append(op)
        return op

    def value(
        self,
        cls: type[Op],
        operands: Sequence[Value | None] = (),
        result_type: Type | None = None,
        *,
        regions: Sequence[Block] = (),
        **attributes: Any,
    ) -> Value:
        """`create` for an operation of one result: that result."""
        types = None if result_type is None else (result_type,)
        return self.create(cls, operands, types, regions=regions, **attributes).result

    def map(self, function: str, *arguments: Value) -> Value:
        """`function` of `ir.functions` applied to each element."""
        return self.value(ops.Map, arguments, function=function)

    def constant(self, value: bool | int | float, type_: Type) -> Value:
        """A scalar, or a tile filled with one value."""
        return self.value(ops.Constant, (), type_, value=value)


def replace(op: Op, values: Sequence[Value]) -> None:
    """Make all users of the results read `values` instead, and drop `op`."""
    for old, new in zip(op.results, values, strict=True):
        old.replace_by(new)
    op.drop()


def clone(func: ops.Func) -> ops.Func:
    """A kernel of its own that says the same."""
    copy = _clone_operation(func, {})
    assert isinstance(copy, ops.Func)
    return copy


def clone_block(source: Block) -> Block:
    """A block that says the same, in no operation; what it takes from outside stays what it is."""
    return _clone_block(source, {})


def _clone_block(source: Block, known: dict[Value, Value]) -> Block:
    made = Block(argument.type for argument in source.args)
    known.update(zip(source.args, made.args, strict=True))
    for op in source.ops:
        made.append(_clone_operation(op, known))
    return made


def _clone_operation(op: Op, known: dict[Value, Value]) -> Op:
    operands = [None if operand is None else known.get(operand, operand) for operand in op.operands]
    types = [result.type for result in op.results]
    regions = [_clone_block(region, known) for region in op.regions]
    made = type(op)(operands, types, dict(op.attributes), regions, op.location)
    known.update(zip(op.results, made.results, strict=True))
    return made


def apply_patterns(func: ops.Func, patterns: dict[type[Op], Sequence[Pattern]], *, limit: int = 100_000) -> int:
    """Apply patterns until none matches; gives how often one did. `patterns` are by the class they look at.

    After a match the new operations, and the users of everything touched, are looked at again. A set of patterns
    that never settles ends in `RuntimeError` after `limit` matches.
    """
    worklist = list(func.walk())[::-1]
    waiting = set(worklist)
    count = 0
    while worklist:
        op = worklist.pop()
        waiting.discard(op)
        if op.parent is None:
            continue
        for pattern in patterns.get(op.__class__, ()):
            around = [*_definers(op.operands), *_users(op)]
            builder = Builder.before(op)
            if not pattern(op, builder):
                continue
            count += 1
            if count > limit:
                raise RuntimeError(f"patterns do not settle: the last matched {op.name} at {op.location}")
            created = [inner for new in builder.created for inner in new.walk()]
            again = [*around, *created, *(user for new in created for user in _users(new)), op, *_users(op)]
            fresh = [one for one in dict.fromkeys(again) if one.parent is not None and one not in waiting]
            worklist.extend(reversed(fresh))
            waiting.update(fresh)
            break
    return count


def _users(op: Op) -> Iterable[Op]:
    return [user for value in op.results for user in value.uses]


def _definers(operands: Iterable[Value | None]) -> list[Op]:
    return [value.op for value in operands if value is not None and value.op is not None]


def has_effect(op: Op) -> bool:
    """Whether the operation, or one inside it, must be kept even if no result is used."""
    if op.is_terminator or op.has_effect:
        return op.has_effect
    if isinstance(op, ops.InlineAsm):
        return not op.pure
    if isinstance(op, ops.Load):
        return bool(op.volatile)
    return isinstance(op, ops.While) or any(_inside_has_effect(block) for block in op.regions)


def _inside_has_effect(block: Block) -> bool:
    return any(has_effect(op) for op in block.ops)


def erase_dead(func: ops.Func) -> int:
    """Drop every operation without effect whose results nobody uses; gives how many.

    A `while` stays, for it may be a wait. Carried values of loops stay.
    """
    return sum(_erase_dead_in(block) for block in func.regions)


def _erase_dead_in(block: Block) -> int:
    count = 0
    for op in reversed(list(block.ops)):
        unused = not op.is_terminator and not any(value.uses for value in op.results)
        if unused and not has_effect(op):
            op.drop()
            count += 1
        else:
            count += sum(_erase_dead_in(inner) for inner in op.regions)
    return count


def merge_common(func: ops.Func) -> int:
    """Let equal pure operations without regions share one result (common subexpressions); gives how many went."""
    return sum(_merge_in(block, {}) for block in func.regions)


def _merge_in(block: Block, known: dict[object, Op]) -> int:
    known = dict(known)  # what is known in an inner block ends with it
    count = 0
    for op in list(block.ops):
        for inner in op.regions:
            count += _merge_in(inner, known)
        if op.regions or op.is_terminator or op.has_effect or op.reads_memory or has_effect(op):
            continue
        key = _key(op)
        first = known.setdefault(key, op)
        if first is not op:
            replace(op, first.results)
            count += 1
    return count


def _key(op: Op) -> object:
    """Equal keys: equal operations. The text of a float tells 0.0 from -0.0, and one nan equals itself."""
    attributes = tuple(sorted((key, repr(value)) for key, value in op.attributes.items()))
    return (op.__class__, tuple(op.operands), tuple(value.type for value in op.results), attributes)
