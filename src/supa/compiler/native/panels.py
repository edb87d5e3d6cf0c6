"""Packed operands that the blocks of one thread share: a tile is packed once for all that come after and load the same.

A thread runs many blocks of a grid one after another, and most of them read an operand that the one before has read:
all rows of blocks of a product read the same columns, all queries of a head the same keys. A packed tile stays in a
slot, one for each turn of the loop around it, together with the scalars that its load depends on; who finds the same
scalars there takes the tile. No block may have written to memory before it loads: what other blocks write meanwhile it
needs not see. Slots live from the entry's begin to its end. Not here: packing (`operands`).
"""

from __future__ import annotations

from collections.abc import Callable

from supa.compiler.native.emitter import llvm_bits, register_type
from supa.compiler.native.generator import Generator
from supa.compiler.native.sharing import is_shared, leaves
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import element_of

BUDGET_BYTES = 2 << 20
"""What a thread keeps for one kernel, all its operands together."""

_MOST_SLOTS = 64


def place(generator: Generator, op: ops.Dot, load: ops.Load, size: int, pack: Callable[[str], None]) -> str | None:
    """Where the packed tile of `size` bytes is; `pack` writes it if it is not there yet. None: it is not shared."""
    planner = generator.planner
    if generator.environment.checks is not None or not planner.shared or not is_shared(load):
        return None
    count = min(_MOST_SLOTS, BUDGET_BYTES // planner.shared // size)
    scalars = leaves(load)
    if count < 2 or scalars is None:
        return None
    emitter, words = generator.emitter, 1 + len(scalars)
    tags = generator.lasting(count * words * 8, clear=True)
    slots = generator.lasting(count * size, clear=False)
    slot = _slot(generator, op, count)
    tag = emitter.op(f"getelementptr i64, ptr {tags}, i64 {emitter.op(f'mul i64 {slot}, {words}')}")
    address = emitter.op(f"getelementptr i8, ptr {slots}, i64 {emitter.op(f'mul i64 {slot}, {size}')}")
    key = ["1", *(_bits(generator, value) for value in scalars)]
    places = [emitter.op(f"getelementptr i64, ptr {tag}, i64 {number}") for number in range(words)]
    same = "true"
    for word, at in zip(key, places, strict=True):
        one = emitter.op(f"icmp eq i64 {emitter.op(f'load i64, ptr {at}')}, {word}")
        same = emitter.op(f"and i1 {same}, {one}")
    miss, ready = emitter.fresh_label("miss"), emitter.fresh_label("packed")
    emitter.do(f"br i1 {same}, label %{ready}, label %{miss}")
    emitter.label(miss)
    pack(address)
    for word, at in zip(key, places, strict=True):
        emitter.do(f"store i64 {word}, ptr {at}")
    emitter.do(f"br label %{ready}")
    emitter.label(ready)
    return address


def _slot(generator: Generator, op: ops.Dot, count: int) -> str:
    """The number of the loop's turn; all turns beyond the slots share the last one."""
    loop = op.parent.parent if op.parent is not None else None
    if not isinstance(loop, ops.For):
        return "0"
    emitter = generator.emitter
    at = generator.environment.scalars[loop.regions[0].args[0]]
    lower, step = generator.scalar(loop.lower), generator.scalar(loop.step)
    passed = emitter.op(f"sub {step.type} {at}, {lower.name}")
    turn = emitter.op(f"udiv {step.type} {passed}, {step.name}")
    wide = turn if step.type == "i64" else emitter.op(f"zext {step.type} {turn} to i64")
    emitter.declare("declare i64 @llvm.umin.i64(i64, i64)")
    return emitter.op(f"call i64 @llvm.umin.i64(i64 {wide}, i64 {count - 1})")


def _bits(generator: Generator, value: Value) -> str:
    """A scalar as 64 bits."""
    emitter, name = generator.emitter, generator.scalar(value).name
    type_ = register_type(element_of(value.type))
    bits = llvm_bits(type_)
    if type_ in ("half", "float", "double"):
        name = emitter.op(f"bitcast {type_} {name} to i{bits}")
    return name if bits == 64 else emitter.op(f"zext i{bits} {name} to i64")
