"""Work and resources on a chip with less room for a block than the kernel was written for, and what that costs.

Kernels are written for the largest chips. Where a block's tiles exceed the shared memory that the chip gives it, its
loops are pipelined less deeply, down to one stage; what still does not fit passes through the load-store cache once a
turn. Where its warps ask for more registers than a CU has, they get what there is, as a compiler's register cap would
do, and the rest is stored and loaded again once a turn. Slower, not refused. Not here: resident blocks (`occupancy`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from supa.arch import Chip, Device
from supa.program.program import Resources
from supa.program.work import Branch, Exchange, Loop, Node, Repeat, Step, Work

REGISTER_BYTES = 4


def fitted(work: Work, resources: Resources, device: Device) -> tuple[Work, Resources]:
    """The work and resources within the shared memory and registers that `device` gives a block."""
    chip = device.chip
    limit_bytes = min(chip.lsc.shared_per_block_bytes, chip.shared_bytes_per_cu - chip.lsc.shared_reserved_bytes)
    registers = min(resources.registers_per_thread, _registers_for(chip, resources.threads))
    stages = max((node.stages for node in _loops(work.body)), default=1)
    streamed_bytes = max(resources.shared_bytes // stages - limit_bytes, 0)
    spilled_bytes = (resources.registers_per_thread - registers) * resources.threads * REGISTER_BYTES
    within = replace(resources, registers_per_thread=registers, shared_bytes=min(resources.shared_bytes, limit_bytes))
    if within == resources:
        return work, resources
    steps = tuple(work.steps())
    fitter = _Fitter(
        keep=min(limit_bytes / max(resources.shared_bytes, 1), 1.0),
        moved_bytes=streamed_bytes + spilled_bytes,
        next_id=1 + max((step.id for step in steps), default=-1),
    )
    body = tuple(fitter.node(node) for node in work.body)
    if not fitter.placed:
        body = (*body, *fitter.passing(steps))
    return replace(work, body=body), within


@dataclass
class _Fitter:
    """Rewrites loops: stages times `keep`, and `moved_bytes` in and out once a turn of each innermost loop."""

    keep: float
    moved_bytes: int
    next_id: int
    placed: bool = False

    def node(self, node: Node) -> Node:
        """The node with every loop in it rewritten."""
        if isinstance(node, Branch):
            then, otherwise = (tuple(self.node(one) for one in side) for side in (node.then, node.otherwise))
            return replace(node, then=then, otherwise=otherwise)
        if isinstance(node, Step):
            return node
        stages = max(1, int(node.stages * self.keep))
        steps = [one for one in node.body if isinstance(one, Step)]
        if isinstance(node, Repeat) or len(steps) == len(node.body):
            return replace(node, stages=stages, body=(*steps, *self.passing(steps)))
        return replace(node, stages=stages, body=tuple(self.node(one) for one in node.body))

    def passing(self, steps: list[Step] | tuple[Step, ...]) -> tuple[Step, ...]:
        """What passes through the load-store cache behind the last of some steps."""
        if not self.moved_bytes or not steps:
            return ()
        self.placed = True
        self.next_id += 1
        last = steps[-1]
        return (
            Exchange(
                id=self.next_id - 1, waits=(last.id,), location=last.location, scope="block", bytes=self.moved_bytes
            ),
        )


def _loops(nodes: tuple[Node, ...]) -> Iterator[Repeat | Loop]:
    for node in nodes:
        if isinstance(node, Branch):
            yield from _loops((*node.then, *node.otherwise))
        elif not isinstance(node, Step):
            yield node
            yield from _loops(node.body)


def _registers_for(chip: Chip, threads: int) -> int:
    """32-bit registers of a thread when a CU runs one block of so many; warps are dealt to the EUs in turn."""
    warps_per_eu = -(-threads // (chip.warp.size * chip.cu.eu_count))
    granule = chip.eu.register_granule_bytes
    warp_bytes = chip.eu.registers_bytes // max(1, warps_per_eu) // granule * granule
    return warp_bytes // (REGISTER_BYTES * chip.warp.size)
