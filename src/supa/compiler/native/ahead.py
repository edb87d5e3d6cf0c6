"""Fetches into the caches what the next block will read, while this block computes. Not here: loads themselves.

A row kernel reads its row, then works on it in the caches, while the memory waits. Where a nest reads what an earlier
nest of the block has read already, or computes much for each element, it asks for the same place one block further on:
as far as the previous block's first access was from this one's. Hardware does the same within a page; rows end there.

Of a tile of several rows each is too short for the hardware to follow: the first nest that reads it asks for the tile
that its next run will read, in a loop's next turn or in the next block, as far away as the one before was.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from supa.compiler.native.generator import Generator
from supa.compiler.native.loops import Loops
from supa.compiler.native.plan import Nest
from supa.compiler.native.steps import step_of
from supa.compiler.native.tiles import ZERO, Evaluator
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.types import Tile, element_of, shape_of, storage_bytes

_LINE_BYTES = 64
_MOST_BYTES = 1 << 18  # of a tile, and to the next block's: what is fetched must still be there when it is read
_ADDRESSES = (ops.AddPtr, ops.Splat, ops.Broadcast, ops.ExpandDims, ops.Map, ops.Cast, ops.Range, ops.Constant)


def distances(generator: Generator, nest: Nest) -> dict[Op, str]:
    """For each load of a nest that fetches ahead, the name of an i64: the bytes to what the next block will read."""
    if generator.environment.checks is not None:
        return {}
    loads = [
        op for op in dict.fromkeys(nest.accesses) if isinstance(op, ops.Load) and _is_suited(generator, op, nest.shape)
    ]
    readers = _count_readers(generator, loads)
    if sum(extent > 1 for extent in nest.shape) != 1:
        first = [load for load in loads if readers[load] == 1 and step_of(load.pointer) != 0]
        return {load: distance_of_runs(generator, _start(generator, load)) for load in first}
    if generator.planner.multiplies:
        return {}
    again = [load for load in loads if readers[load] == 2]
    chosen = loads if generator.planner.is_busy(nest) else again
    return {load: _distance_of_blocks(generator, load) for load in chosen}


def fetch(loops: Loops, found: dict[Op, str]) -> None:
    """Ask for the next block's elements of each vector of the nest."""
    evaluator = loops.evaluator
    for load, distance in found.items():
        size = storage_bytes(element_of(load.results[0].type))
        for copy, index in enumerate(loops.indices):
            pointer = evaluator.at(load.operands[0], index)  # type: ignore[arg-type]
            if not pointer.is_linear or pointer.step == 0:
                continue
            if pointer.step == size and copy * loops.space.lanes * size % _LINE_BYTES:
                continue  # the line of the copy before
            place = evaluator.emit(pointer.level, f"add i64 {pointer.name}, {distance}")
            ask(evaluator, place, pointer.level)
            if pointer.step != size:  # lanes further apart, mostly in two lines: the first one's and the last one's
                span = evaluator.emit(pointer.level, f"mul i64 {pointer.step}, {loops.space.lanes - 1}")
                ask(evaluator, evaluator.emit(pointer.level, f"add i64 {place}, {span}"), pointer.level)


def ask(evaluator: Evaluator, place: str, level: int) -> None:
    """Fetch the line of an address, an i64."""
    address = evaluator.emit(level, f"inttoptr i64 {place} to ptr")
    evaluator.emitter.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
    evaluator.run(level, f"call void @llvm.prefetch.p0(ptr {address}, i32 0, i32 2, i32 1)")


def _is_suited(generator: Generator, load: ops.Load, shape: Sequence[int]) -> bool:
    size = storage_bytes(element_of(load.result.type))
    bytes_ = prod(shape_of(load.result.type)) * size
    if (
        shape_of(load.result.type) != tuple(shape)
        or generator.width * size < _LINE_BYTES // 2
        or not 4 * _LINE_BYTES <= bytes_ <= _MOST_BYTES
    ):
        return False
    return is_plain(generator, load.pointer)


def is_plain(generator: Generator, value: Value) -> bool:
    """Whether a tile of addresses is made of ranges and scalars alone, with nothing kept in buffers."""
    if not isinstance(value.type, Tile):
        return value in generator.environment.scalars
    if not isinstance(value.op, _ADDRESSES) or value in generator.planner.kept:
        return False
    return all(is_plain(generator, operand) for operand in value.op.operands if operand is not None)


def _count_readers(generator: Generator, loads: list[ops.Load]) -> dict[ops.Load, int]:
    """Which nest this is, from 1 on, of those that read from each load's pointers on the way that the block takes."""
    keys = {load: (_way(load), generator.planner.aliasing.bases(load.pointer)) for load in loads}
    for key in dict.fromkeys(keys.values()):
        generator.reads[key] = generator.reads.get(key, 0) + 1
    return {load: generator.reads[key] for load, key in keys.items()}


def _way(load: ops.Load) -> Block | None:
    """The branch, or the kernel, that a load is in."""
    way: Block | None = load.parent
    while way is not None and way.parent is not None and not isinstance(way.parent, ops.If | ops.Func):
        way = way.parent.parent
    return way


def _start(generator: Generator, load: ops.Load) -> str:
    """The address of the tile's first element."""
    return generator.evaluator().at(load.pointer, tuple(ZERO for _ in shape_of(load.result.type))).name


def distance_of_runs(generator: Generator, here: str) -> str:
    """From where the tile began that was read when this place in the code last ran to `here`, where this one begins."""
    emitter = generator.emitter
    last = emitter.alloca("i64")
    emitter.entry.append(f"  store i64 0, ptr {last}")
    before = emitter.op(f"load i64, ptr {last}")
    emitter.do(f"store i64 {here}, ptr {last}")
    distance = emitter.op(f"sub i64 {here}, {before}")
    is_first = emitter.op(f"icmp eq i64 {before}, 0")
    return emitter.op(f"select i1 {is_first}, i64 0, i64 {distance}")


def _distance_of_blocks(generator: Generator, load: ops.Load) -> str:
    """From where the block before this one began to where this one begins."""
    emitter, here = generator.emitter, _start(generator, load)
    first, before = emitter.alloca("i64"), emitter.alloca("i64")
    emitter.entry.append(f"  store i64 0, ptr {first}")
    known = emitter.fresh()
    generator.block_start += [
        f"  {known} = load i64, ptr {first}", f"  store i64 {known}, ptr {before}", f"  store i64 0, ptr {first}"
    ]  # fmt: skip
    so_far = emitter.op(f"load i64, ptr {first}")
    is_first = emitter.op(f"icmp eq i64 {so_far}, 0")
    start = emitter.op(f"select i1 {is_first}, i64 {here}, i64 {so_far}")
    emitter.do(f"store i64 {start}, ptr {first}")
    previous = emitter.op(f"load i64, ptr {before}")
    distance = emitter.op(f"sub i64 {start}, {previous}")
    raised = emitter.op(f"add i64 {distance}, {_MOST_BYTES}")
    near = emitter.op(f"icmp ult i64 {raised}, {2 * _MOST_BYTES}")
    return emitter.op(f"select i1 {near}, i64 {distance}, i64 0")
