"""Whether a launch writes so much that its stores should go past the caches. Not here: the stores (`memory`).

A tile that is stored counts once for each block of the grid and each turn of the loops around it: what is known where
a loop begins. Lines that are written whole need not be read first; what is larger than the cache would leave it anyway.
Such stores are ordered by a fence at the entry's end alone: no kernel has them that speaks to other blocks on its way.
"""

from __future__ import annotations

from math import prod

from supa.compiler.native.generator import Generator
from supa.compiler.native.plan import Nest
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.types import element_of, storage_bytes

_LEAST_VECTOR_BYTES = 32
_SPEAKING = (ops.AtomicRmw, ops.AtomicCas, ops.DescriptorReduce, ops.InlineAsm, ops.While)


def stream_bits(generator: Generator, nest: Nest) -> str:
    """The name of the i64 that `memory.store` takes for a nest's stores; empty where none may go past the caches."""
    stored = [root.op for root in nest.roots if root.kind == "store"]
    sizes = [storage_bytes(element_of(op.operands[1].type)) for op in stored if op.operands[1] is not None]
    if not stored or not _may_stream(generator) or _is_in_place(generator, stored):
        return ""
    if min(sizes) * generator.width < _LEAST_VECTOR_BYTES:
        return ""
    emitter = generator.emitter
    written = emitter.op(f"mul i64 {generator.turns[-1]}, {prod(nest.shape) * sum(sizes)}")
    large = emitter.op(f"icmp sgt i64 {written}, {generator.host.cache_bytes // 4}")
    generator.streams = True
    return emitter.op(f"select i1 {large}, i64 0, i64 -1")


def enter_loop(generator: Generator, op: ops.For, lower: str, upper: str, step: str) -> None:
    """Count the turns of a loop that is about to run, where stores inside it may ask; `leave_loop` ends it."""
    turns = generator.turns[-1]
    type_ = str(op.lower.type)
    if _may_stream(generator) and any(inner.writes_memory for inner in op.walk()):
        emitter = generator.emitter
        wide = [name if type_ == "i64" else emitter.op(f"sext {type_} {name} to i64") for name in (lower, upper, step)]
        emitter.declare("declare i64 @llvm.smax.i64(i64, i64)")
        span = emitter.op(f"sub i64 {wide[1]}, {wide[0]}")
        positive = emitter.op(f"call i64 @llvm.smax.i64(i64 {wide[2]}, i64 1)")
        count = emitter.op(f"sdiv i64 {span}, {positive}")
        at_least = emitter.op(f"call i64 @llvm.smax.i64(i64 {count}, i64 1)")
        turns = emitter.op(f"mul i64 {turns}, {at_least}")
    generator.turns.append(turns)


def leave_loop(generator: Generator) -> None:
    """The loop has ended."""
    generator.turns.pop()


def _may_stream(generator: Generator) -> bool:
    """Whether any store of the kernel may. Beside products stores hardly count; checked code keeps to plain ones."""
    if generator.planner.multiplies or generator.environment.checks is not None or generator.host.vector_bits < 256:
        return False
    return not any(isinstance(op, _SPEAKING) for op in generator.planner.order)


def _is_in_place(generator: Generator, stored: list[Op]) -> bool:
    """Whether the kernel also loads from what is stored to."""
    planner = generator.planner
    loads = [op for op in planner.order if op.reads_memory and op.operands]
    loaded = {base for op in loads for base in _bases(generator, op)}
    return any(not loaded.isdisjoint(_bases(generator, op)) for op in stored)


def _bases(generator: Generator, op: Op) -> frozenset[Value]:
    pointer = op.operands[0]
    return frozenset() if pointer is None else generator.planner.aliasing.bases(pointer)
