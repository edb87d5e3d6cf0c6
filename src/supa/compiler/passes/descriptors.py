"""Tensor descriptors that loops carry or branches choose: carried as base, shape and strides instead.

Afterwards every use of a descriptor reads a `make_descriptor`, so that back ends see its tensor. Not here: kernels'
arguments (`ttir` spreads them already).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from supa.base.dtypes import I1, I32, I64
from supa.base.location import Location
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.rewrite import Builder
from supa.ir.types import Descriptor, Pointer, Type

_CONTROL = (ops.For, ops.If, ops.While)


@dataclass(frozen=True, kw_only=True)
class SpreadDescriptors:
    """No descriptor crosses the border of a region or leaves one."""

    name: ClassVar[str] = "spread_descriptors"

    def run(self, func: ops.Func) -> None:
        """Spread all of them in place."""
        spread = _Spread()
        for op in func.walk():
            if isinstance(op, _CONTROL):
                spread.declare(op)
        spread.fill()


@dataclass
class _Spread:
    """`parts`: what carries each descriptor now; `flows`: the operands that may flow into it."""

    parts: dict[Value, list[Value]] = field(default_factory=dict)
    made: dict[Value, ops.MakeDescriptor] = field(default_factory=dict)
    flows: dict[Value, list[tuple[Op, int]]] = field(default_factory=dict)
    borders: list[tuple[Op, int]] = field(default_factory=list)  # (operation that hands on, its first such operand)
    chooses: bool = False  # descriptors of different padding: the choice is a part

    def declare(self, op: Op) -> None:
        """Give an operation's descriptor arguments and results their parts."""
        for group, sources, skipped in _groups(op):
            for index, value in enumerate(list(group)):
                if isinstance(value.type, Descriptor):
                    self.flows[value] = [(source, first + index - skipped) for source, first in sources]
                    self._replace(value, group)
        for border in _borders(op):
            if border not in self.borders:
                self.borders.append(border)

    def _replace(self, value: Value, group: list[Value]) -> None:
        assert isinstance(value.type, Descriptor)
        parts = []
        for type_ in _part_types(value.type):
            part = Value(type_, value.owner, len(group))
            group.append(part)
            parts.append(part)
        made = ops.MakeDescriptor(parts, (value.type,), {}, (), _location(value))
        block, position = _place(value)
        made.parent = block
        block.ops.insert(position, made)
        value.replace_by(made.result)
        self.parts[value], self.made[value] = parts, made

    def fill(self) -> None:
        """Hand the parts on where the descriptors were handed on, then forget these."""
        paddings = {value: self._paddings(value) for value in self.made}
        self.chooses = any(len(found) > 1 or "choice" in found for found in paddings.values())
        for value, made in self.made.items():
            if self.chooses:
                self._add_choice(value, made)
            elif paddings[value]:
                (made.attributes["padding"],) = paddings[value]
        for op, first in self.borders:
            handed = [value for value in op.operands[first:] if value is not None]
            for value in handed:
                if isinstance(value.type, Descriptor):
                    for part in self._parts_of(value, op):
                        op.operands.append(part)
                        part.uses.append(op)
            for position in reversed(range(first, first + len(handed))):
                if isinstance(handed[position - first].type, Descriptor):
                    op.set_operand(position, None)
                    del op.operands[position]
        for value in self.parts:
            group = _group_of(value)
            group.remove(value)
            for index, other in enumerate(group):
                other.index = index

    def _add_choice(self, value: Value, made: ops.MakeDescriptor) -> None:
        """One more part: whether to pad with NaN."""
        group = _group_of(value)
        part = Value(I1, value.owner, len(group))
        group.append(part)
        self.parts[value].append(part)
        made.operands.append(part)
        part.uses.append(made)
        made.attributes["padding"] = "choice"

    def _parts_of(self, value: Value, border: Op) -> Sequence[Value]:
        made = value.op
        assert isinstance(made, ops.MakeDescriptor)
        parts = [operand for operand in made.operands if operand is not None]
        if self.chooses and made.padding != "choice":
            parts.append(Builder.before(border).constant(made.padding == "nan", I1))
        return parts

    def _paddings(self, value: Value) -> set[str]:
        """The paddings of the descriptors that may flow into `value`."""
        found, waiting, seen = set(), [value], {value}
        while waiting:
            for handing, position in self.flows[waiting.pop()]:
                made = _operand(handing, position).op
                assert isinstance(made, ops.MakeDescriptor)
                origin = next((old for old, new in self.made.items() if new is made), None)
                if origin is None:
                    found.add(str(made.padding))
                elif origin not in seen:
                    seen.add(origin)
                    waiting.append(origin)
        return found


def _part_types(type_: Descriptor) -> Iterator[Type]:
    rank = len(type_.block)
    yield Pointer(type_.element)
    yield from [I32] * rank
    yield from [I64] * rank


def _groups(op: Op) -> Iterator[tuple[list[Value], list[tuple[Op, int]], int]]:
    """Lists of arguments or results, the operations (and first operands) that feed them, values that nothing feeds."""
    ends = [block.terminator for block in op.regions]
    if isinstance(op, ops.For):
        yield op.regions[0].args, [(op, 3), (ends[0], 0)], 1
        yield op.results, [(op, 3), (ends[0], 0)], 0
    elif isinstance(op, ops.If):
        yield op.results, [(end, 0) for end in ends], 0
    else:
        yield op.regions[0].args, [(op, 0), (ends[1], 0)], 0
        yield op.regions[1].args, [(ends[0], 1)], 0
        yield op.results, [(ends[0], 1)], 0


def _borders(op: Op) -> Iterator[tuple[Op, int]]:
    for _, sources, _ in _groups(op):
        yield from sources


def _operand(op: Op, position: int) -> Value:
    value = op.operands[position]
    assert value is not None
    return value


def _group_of(value: Value) -> list[Value]:
    return value.owner.args if isinstance(value.owner, Block) else value.owner.results


def _place(value: Value) -> tuple[Block, int]:
    """Where what is made of `value` goes: the start of its block, or behind its operation."""
    if isinstance(value.owner, Block):
        return value.owner, 0
    block = value.owner.parent
    assert block is not None
    return block, block.ops.index(value.owner) + 1


def _location(value: Value) -> Location:
    return value.owner.location if isinstance(value.owner, Op) else value.owner.ops[0].location
