"""A branch back in inline assembly, as a loop on whole tiles: it runs until no element wants another turn.

Carried are who runs, who has left the loop and where to, and every register that the loop writes. A register has no
declared type: a first translation into a block that nobody keeps tells what each holds at the loop's end. Not here:
instructions, branches forward (`registers`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supa.base.dtypes import I1, I64, DType
from supa.compiler.ttir.ptx.reader import Instruction, Label
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.rewrite import Builder
from supa.ir.types import Pointer, Tile, element_of, shape_of, with_element

if TYPE_CHECKING:
    from supa.compiler.ttir.ptx.registers import Registers

_MOST_TRIALS = 4


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What a loop hands on: registers with their types, and the labels behind it that it branches to."""

    types: dict[str, DType]
    exits: tuple[str, ...]


def last_branch(instructions: Sequence[Instruction | Label], start: int) -> int | None:
    """The place of the last branch back to the label at `start`."""
    label = instructions[start]
    assert isinstance(label, Label)
    found = [
        place
        for place, one in enumerate(instructions[start:], start)
        if isinstance(one, Instruction) and one.opcode == "bra" and one.operands[0] == label.name
    ]
    return found[-1] if found else None


def emit_loop(to: Registers, label: str, body: list[Instruction | Label]) -> None:
    """Translate a loop from `label` on; its elements are those that run now."""
    carried = _carried(to, label, body)
    running, base, waiting = to.running, to.base, to.jumped
    entering = running if running is not None else base if base is not None else to.constant(True, I1)
    nobody = to.constant(False, I1)
    registers = [_read(to, name, dtype) for name, dtype in carried.types.items()]
    start = [entering, nobody, *(nobody for _ in carried.exits), *registers]
    types = [value.type for value in start]
    first, second, outer = Block(types), Block(types), to.conversion.block
    location = to.conversion.place(to.op)
    again = _any(Builder(first, None, location), first.args[0])
    first.append(ops.Condition((again, *first.args), location=location))
    to.conversion.block = second
    second.append(ops.Yield(_turn(to, label, body, carried, second.args), location=location))
    to.conversion.block = outer
    loop = ops.While(start, types, {}, (first, second), location)
    outer.append(loop)
    _, fallen, *rest = loop.results
    left, registers = rest[: len(carried.exits)], rest[len(carried.exits) :]
    to.base, to.jumped = base, waiting
    to.values.update(zip(carried.types, registers, strict=True))
    for name, leaving in zip(carried.exits, left, strict=True):
        to.wait_at(name, leaving)
    to.running = fallen if to.jumped else base


def _turn(
    to: Registers, label: str, body: list[Instruction | Label], carried: Carried, args: Sequence[Value]
) -> list[Value]:
    """One turn in the current block: what the next one begins with."""
    runs, fallen, *rest = args
    left, registers = rest[: len(carried.exits)], rest[len(carried.exits) :]
    to.values.update(zip(carried.types, registers, strict=True))
    to.running = to.base = runs
    to.jumped = {}
    to.translate(body)
    staying = to.running
    again = to.jumped.pop(label, None)
    leaving = [to.jumped.get(name) for name in carried.exits]
    return [
        again if again is not None else to.constant(False, I1),
        to.map("or", fallen, staying),
        *(value if more is None else to.map("or", value, more) for value, more in zip(left, leaving, strict=True)),
        *(_read(to, name, dtype) for name, dtype in carried.types.items()),
    ]


def _carried(to: Registers, label: str, body: list[Instruction | Label]) -> Carried:
    """What the loop writes, from translations that are thrown away: the last one changes no type any more."""
    types: dict[str, DType] = {}
    for _ in range(_MOST_TRIALS):
        found = _trial(to, label, body, types)
        if found.types == types:
            return found
        types = found.types
    raise AssertionError(f"the loop at {label}: modifiers decide what instructions write, not operands")


def _trial(to: Registers, label: str, body: list[Instruction | Label], types: dict[str, DType]) -> Carried:
    kept = (dict(to.values), to.running, to.base, to.jumped, set(to.passed), to.conversion.block)
    block = to.conversion.block = Block(
        [with_element(to.type, I1), *(with_element(to.type, one) for one in types.values())]
    )
    to.values.update(zip(types, block.args[1:], strict=True))
    before = dict(to.values)
    to.running = to.base = block.args[0]
    to.jumped = {}
    to.translate(body)
    written = {name: _dtype(value) for name, value in to.values.items() if value is not before.get(name)}
    exits = tuple(name for name in to.jumped if name != label)
    to.values, to.running, to.base, to.jumped, to.passed, to.conversion.block = kept
    for op in reversed(list(block.ops)):
        op.drop()
    return Carried(types={**types, **written}, exits=exits)


def _dtype(value: Value) -> DType:
    element = element_of(value.type)
    return element if isinstance(element, DType) else I64


def _read(to: Registers, name: str, dtype: DType) -> Value:
    """A register as its type at the loop's head; one that only the loop writes begins as zero."""
    if name in to.values:
        value = to.values[name]
        return to.cast("ptrtoint", value, I64) if isinstance(element_of(value.type), Pointer) else to.read(name, dtype)
    return to.constant(0.0 if dtype.is_float else False if dtype == I1 else 0, dtype)


def _any(builder: Builder, mask: Value) -> Value:
    """Whether any element is true, as a scalar."""
    if not isinstance(mask.type, Tile):
        return mask
    if len(shape_of(mask.type)) > 1:
        mask = builder.value(ops.Reshape, (mask,), Tile((mask.type.size,), I1))
    combine = Block((I1, I1))
    inner = Builder(combine, None, builder.location)
    inner.create(ops.Yield, (inner.map("or", *combine.args),), ())
    return builder.create(ops.Reduce, (mask,), (I1,), regions=(combine,), axis=0).result
