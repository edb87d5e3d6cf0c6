"""Turns of a loop whose products are taken together: their operands are packed side by side, and multiplied at once.

A loop that adds one product a turn to its sums fetches them and puts them back in every turn; of small products that is
a good part of the time. Where nothing but the product reads the sums, it may wait for a few turns: the sums see the
same additions in the same order. Not here: the packing (`operands`), how many turns (`kernels`).
"""

from __future__ import annotations

from dataclasses import dataclass

from supa.compiler.native import kernels
from supa.compiler.native.generator import Generator
from supa.compiler.native.kernels import KernelSpec
from supa.ir import ops


@dataclass(frozen=True, kw_only=True)
class Batch:
    """`turns` of a loop at a time. Names of LLVM values: the turn's place in the batch, how many of the batch are there
    with this one (both i64), whether the product is due, whether the loop ends with it (both i1)."""

    turns: int
    phase: str
    done: str
    is_full: str
    is_last: str

    def place(self, generator: Generator, address: str, step: int) -> str:
        """The place of this turn's part, where each turn's lies `step` bytes behind the one before."""
        emitter = generator.emitter
        return emitter.op(f"getelementptr i8, ptr {address}, i64 {emitter.op(f'mul i64 {self.phase}, {step}')}")


def batch_of(generator: Generator, op: ops.Dot, spec: KernelSpec, k: int) -> Batch | None:
    """How this product is taken together with those of other turns; None where it is not."""
    block = op.parent
    loop = block.parent if block is not None else None
    turns = kernels.turns_at_once(spec, k)
    if turns == 1 or not isinstance(loop, ops.For) or generator.environment.checks is not None:
        return None
    if op.result not in generator.in_place or op.result.uses != [loop.regions[0].terminator]:
        return None
    if generator.environment.buffers.get(op.accumulator) != generator.in_place[op.result]:
        return None  # the sums are changed between the products: scaled, as in attention
    emitter = generator.emitter
    turn = turn_of(generator, loop)
    phase = emitter.op(f"and i64 {turn}, {turns - 1}")
    done = emitter.op(f"add i64 {phase}, 1")
    at, upper, step = (
        generator.environment.scalars[loop.regions[0].args[0]],
        *(generator.scalar(value) for value in (loop.upper, loop.step)),
    )
    following = emitter.op(f"add {step.type} {at}, {step.name}")
    more = emitter.op(f"icmp {'ult' if loop.unsigned else 'slt'} {step.type} {following}, {upper.name}")
    last = emitter.op(f"xor i1 {more}, true")
    whole = emitter.op(f"icmp eq i64 {done}, {turns}")
    return Batch(turns=turns, phase=phase, done=done, is_full=emitter.op(f"or i1 {last}, {whole}"), is_last=last)


def turn_of(generator: Generator, loop: ops.For) -> str:
    """How many turns of the loop have ended, an i64."""
    emitter = generator.emitter
    at = generator.environment.scalars[loop.regions[0].args[0]]
    lower, step = generator.scalar(loop.lower), generator.scalar(loop.step)
    passed = emitter.op(f"sub {step.type} {at}, {lower.name}")
    turn = emitter.op(f"udiv {step.type} {passed}, {step.name}")
    return turn if step.type == "i64" else emitter.op(f"zext {step.type} {turn} to i64")


def turns_of(generator: Generator, loop: ops.For) -> str:
    """How many turns the loop takes, an i64; anything where it takes none."""
    emitter = generator.emitter
    lower, upper, step = (generator.scalar(value) for value in (loop.lower, loop.upper, loop.step))
    span = emitter.op(f"sub {step.type} {upper.name}, {lower.name}")
    before = emitter.op(f"sub {step.type} {span}, 1")
    count = emitter.op(f"add {step.type} {emitter.op(f'udiv {step.type} {before}, {step.name}')}, 1")
    return count if step.type == "i64" else emitter.op(f"zext {step.type} {count} to i64")


def at_most(generator: Generator, value: str, most: int) -> str:
    """The smaller of an unsigned i64 and a number."""
    generator.emitter.declare("declare i64 @llvm.umin.i64(i64, i64)")
    return generator.emitter.op(f"call i64 @llvm.umin.i64(i64 {value}, i64 {most})")
