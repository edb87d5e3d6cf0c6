"""Packed operands that the blocks of one thread share: a tile is packed once for all that come after and load the same.

A thread runs many blocks of a grid one after another, and most of them read an operand that the one before has read:
all rows of blocks of a product read the same columns, all queries of a head the same keys. A packed tile stays in a
slot, one for each turn of the loop around it, together with the scalars that its load depends on; who finds the same
scalars there takes the tile. No block may have written to memory before it loads: what other blocks write meanwhile it
needs not see. Slots live from the entry's begin to its end. Not here: packing (`operands`).
"""

from __future__ import annotations

from collections.abc import Callable

from supa.compiler.native.batches import Batch, at_most, turn_of, turns_of
from supa.compiler.native.emitter import llvm_bits, register_type
from supa.compiler.native.generator import Generator
from supa.compiler.native.sharing import TileLoad, leaves
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.types import element_of

BUDGET_BYTES = 2 << 20
"""What a thread keeps for one kernel, all its operands together."""

_MOST_SLOTS = 256


def place(
    generator: Generator,
    op: ops.Dot,
    load: TileLoad,
    extent: int,
    size: int,
    pack: Callable[[str], None],
    batch: Batch | None,
    step: int,
) -> str | None:
    """Where the packed tile of `size` bytes is; `pack` writes it if it is not there yet. None: it is not shared.

    `extent`: its rows, of a left operand, or its columns, of a right one.
    With a batch it lies `step` bytes behind the turn before, and the address is that of the batch's first.
    """
    planner = generator.planner
    if generator.environment.checks is not None or load not in planner.shared:
        return None
    turns = batch.turns if batch is not None else 1
    count = min(_MOST_SLOTS, BUDGET_BYTES // len(planner.shared) // size) // turns * turns
    scalars = leaves(load)
    if count < 2 or scalars is None:
        return None
    emitter, words = generator.emitter, 1 + len(scalars)
    tags = generator.lasting(count * words * 8, clear=True)
    slots = generator.lasting(count * size, clear=False)
    slot = _slot(generator, op, scalars, count, extent, turns)
    tag = emitter.op(f"getelementptr i64, ptr {tags}, i64 {emitter.op(f'mul i64 {slot}, {words}')}")
    first = slot if batch is None else emitter.op(f"sub i64 {slot}, {batch.phase}")
    address = emitter.op(f"getelementptr i8, ptr {slots}, i64 {emitter.op(f'mul i64 {first}, {size}')}")
    key = ["1", *(_bits(generator, value) for value in scalars)]
    places = [emitter.op(f"getelementptr i64, ptr {tag}, i64 {number}") for number in range(words)]
    same = "true"
    for word, at in zip(key, places, strict=True):
        one = emitter.op(f"icmp eq i64 {emitter.op(f'load i64, ptr {at}')}, {word}")
        same = emitter.op(f"and i1 {same}, {one}")
    miss, ready = emitter.fresh_label("miss"), emitter.fresh_label("packed")
    emitter.do(f"br i1 {same}, label %{ready}, label %{miss}")
    emitter.label(miss)
    pack(address if batch is None else batch.place(generator, address, step))
    for word, at in zip(key, places, strict=True):
        emitter.do(f"store i64 {word}, ptr {at}")
    emitter.do(f"br label %{ready}")
    emitter.label(ready)
    return address


def _slot(generator: Generator, op: ops.Dot, scalars: list[Value], count: int, extent: int, turns: int) -> str:
    """The number of a slot, from the loop's turn; a batch of `turns` has neighbouring ones.

    A loop that takes fewer turns than there are slots begins elsewhere for other rows or columns; where it takes more,
    all batches beyond the slots share the last ones.
    """
    loop = op.parent.parent if op.parent is not None else None
    if not isinstance(loop, ops.For):
        return "0"
    emitter = generator.emitter
    turn, all_turns = turn_of(generator, loop), turns_of(generator, loop)
    batch = emitter.op(f"udiv i64 {turn}, {turns}")
    batches = emitter.op(f"udiv i64 {emitter.op(f'add i64 {all_turns}, {turns - 1}')}, {turns}")
    blocks = "0"
    for value in scalars:
        if not _is_inside(value, loop):
            block = emitter.op(f"lshr i64 {_bits(generator, value)}, {extent.bit_length() - 1}")
            blocks = emitter.op(f"add i64 {blocks}, {block}")
    spread = emitter.op(f"add i64 {batch}, {emitter.op(f'mul i64 {blocks}, {batches}')}")
    place = emitter.op(f"urem i64 {spread}, {count // turns}")
    few = emitter.op(f"icmp ult i64 {batches}, {count // turns}")
    chosen = emitter.op(f"select i1 {few}, i64 {place}, i64 {at_most(generator, batch, count // turns - 1)}")
    first = emitter.op(f"mul i64 {chosen}, {turns}")
    phase = emitter.op(f"sub i64 {turn}, {emitter.op(f'mul i64 {batch}, {turns}')}")
    return emitter.op(f"add i64 {first}, {phase}")


def _is_inside(value: Value, loop: ops.For) -> bool:
    """Whether a scalar is made anew in every turn of the loop."""
    block = value.owner if isinstance(value.owner, Block) else value.op.parent if value.op is not None else None
    while block is not None:
        if block.parent is loop:
            return True
        block = block.parent.parent if block.parent is not None else None
    return False


def _bits(generator: Generator, value: Value) -> str:
    """A scalar as 64 bits."""
    emitter, name = generator.emitter, generator.scalar(value).name
    type_ = register_type(element_of(value.type))
    bits = llvm_bits(type_)
    if type_ in ("half", "float", "double"):
        name = emitter.op(f"bitcast {type_} {name} to i{bits}")
    return name if bits == 64 else emitter.op(f"zext i{bits} {name} to i64")
