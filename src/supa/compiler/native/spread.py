"""Lines that are asked for between groups of a product's rows: the memory delivers them while the product computes.

A small product that stores its result at once has as many lines to move as it has vectors to compute. Asked for in one
run they wait for each other, as the host has no more than some twenty under way, and the product after them waits for
nothing. So it is taken in groups of rows, as many as a register tile has: each asks for its own rows of the result,
which the block is about to store, and for those that the next block reads where this one reads its left operand. Only
where the right operand's panels stay in the nearest cache, as every group walks them all.

A product that a loop adds up is stored behind the loop: on the last turn its kernel asks for the result's lines itself,
before each register tile for those that the tile will go to. Not here: operands, the kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from supa.compiler.native.ahead import is_plain
from supa.compiler.native.batches import Batch
from supa.compiler.native.generator import Generator
from supa.compiler.native.kernels import KernelSpec
from supa.compiler.native.operands import Placed
from supa.compiler.native.steps import step_of
from supa.compiler.native.tiles import ZERO
from supa.compiler.native.vec import constant, uniform
from supa.compiler.native.visible import stores_of
from supa.ir import ops
from supa.ir.types import element_of, shape_of, storage_bytes

_MOST_PANEL_BYTES = 16 << 10
_LINE_BYTES = 64
_TO_READ, _TO_WRITE = "i32 0, i32 2, i32 1", "i32 1, i32 3, i32 1"
Call = Callable[[str, str], None]
"""Emits the product of one group: the i64 names of its first row and of how many rows it has."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Where a loop's product will be stored: an address, null on all but the last turn, and the bytes between rows, as
    names of LLVM values; how many bytes an element has."""

    address: str
    row_bytes: str
    bytes: int


def result_of_loop(generator: Generator, op: ops.Dot, batch: Batch) -> Result | None:
    """The result that a product which a loop adds up may ask for: the first one that is stored behind the loop.

    None where its addresses are not known so early.
    """
    loop = op.parent.parent if op.parent is not None else None
    stores = stores_of(op.result) or []
    store = next((each for each in stores if loop and each.parent is loop.parent and _has_rows(generator, each)), None)
    if store is None:
        return None
    evaluator, emitter = generator.evaluator(), generator.emitter
    start = evaluator.at(store.pointer, (ZERO, ZERO)).name
    second = evaluator.at(store.pointer, (constant("i32", 1), ZERO)).name
    address = emitter.op(f"select i1 {batch.is_last}, i64 {start}, i64 0")
    return Result(
        address=emitter.op(f"inttoptr i64 {address} to ptr"),
        row_bytes=emitter.op(f"sub i64 {second}, {start}"),
        bytes=storage_bytes(element_of(store.value.type)),
    )


def stores_to_ask_for(generator: Generator, op: ops.Dot, spec: KernelSpec) -> list[ops.Store]:
    """The stores whose rows a product's groups may ask for: of its elements, in its block; none if it has no groups."""
    *batch, m, n = shape_of(op.result.type)
    panel_bytes = n * shape_of(op.left.type)[-1] * spec.input_type.bytes
    if batch or generator.environment.checks is not None or m <= spec.most_rows or panel_bytes > _MOST_PANEL_BYTES:
        return []
    stores = stores_of(op.result) or []
    return [store for store in stores if store.parent is op.parent and _has_rows(generator, store)]


def _has_rows(generator: Generator, store: ops.Store) -> bool:
    """Whether a store's addresses are known before what is stored, and its rows are contiguous."""
    return is_plain(generator, store.pointer) and step_of(store.pointer) == 1


def multiply(
    generator: Generator, spec: KernelSpec, left: Placed, stores: list[ops.Store], rows: str, row_bytes: int, call: Call
) -> None:
    """All groups of `rows` rows (an i64; each of a left operand in a table has `row_bytes`)."""
    emitter = generator.emitter
    emitter.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
    emitter.declare("declare i64 @llvm.umin.i64(i64, i64)")
    with emitter.loop(rows, spec.most_rows) as first:
        rest = emitter.op(f"sub i64 {rows}, {first}")
        count = emitter.op(f"call i64 @llvm.umin.i64(i64 {rest}, i64 {spec.most_rows})")
        with emitter.loop(spec.most_rows) as inside:
            row = emitter.op(f"add i64 {first}, {inside}")
            if left.next_bytes:
                at = emitter.op(f"getelementptr i64, ptr {left.address}, i64 {row}")
                place = emitter.op(f"add i64 {emitter.op(f'load i64, ptr {at}')}, {left.next_bytes}")
                _ask_row(generator, place, row_bytes, _TO_READ)
            for store in stores:
                index = (uniform("i32", emitter.op(f"trunc i64 {row} to i32")), ZERO)
                extent, size = shape_of(store.value.type)[-1], storage_bytes(element_of(store.value.type))
                _ask_row(generator, generator.evaluator().at(store.pointer, index).name, extent * size, _TO_WRITE)
        call(first, count)


def _ask_row(generator: Generator, place: str, row_bytes: int, how: str) -> None:
    """Ask for the lines of a row that begins at an address, an i64."""
    emitter = generator.emitter
    with emitter.loop(row_bytes, _LINE_BYTES) as line:
        address = emitter.op(f"inttoptr i64 {emitter.op(f'add i64 {place}, {line}')} to ptr")
        emitter.do(f"call void @llvm.prefetch.p0(ptr {address}, {how})")
