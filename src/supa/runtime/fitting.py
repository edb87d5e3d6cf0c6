"""A program's work and resources on a chip with less room for a block than the program was written for.

Kernels are written for the largest chips. Where a block's tiles exceed what the chip gives a block, its loops are
pipelined less deeply, down to one stage, and what still does not fit streams through the load-store cache. Where its
warps ask for more registers than a CU has, they get what there is, as a compiler's register cap would do; the traffic
of the rest is not counted. Slower, not refused. Not here: what that costs (`timing`).
"""

from __future__ import annotations

from dataclasses import replace

from supa.arch import Chip, Device
from supa.program.program import Program, Resources
from supa.program.work import Branch, Loop, Node, Repeat, Work


def fitted(program: Program, device: Device) -> tuple[Work, Resources]:
    """The work and resources of `program` within the shared memory and registers that `device` gives a block."""
    chip, needed = device.chip, program.resources
    limit_bytes = min(chip.lsc.shared_per_block_bytes, chip.shared_bytes_per_cu - chip.lsc.shared_reserved_bytes)
    registers = min(needed.registers_per_thread, _registers_for(chip, needed.threads))
    resources = replace(needed, registers_per_thread=registers, shared_bytes=min(needed.shared_bytes, limit_bytes))
    if needed.shared_bytes <= limit_bytes:
        return program.work, resources
    body = tuple(_shallower(node, limit_bytes, needed.shared_bytes) for node in program.work.body)
    return replace(program.work, body=body), resources


def _registers_for(chip: Chip, threads: int) -> int:
    """32-bit registers of a thread when a CU runs one block of so many; warps are dealt to the EUs in turn."""
    warps_per_eu = -(-threads // (chip.warp.size * chip.cu.eu_count))
    granule = chip.eu.register_granule_bytes
    warp_bytes = chip.eu.registers_bytes // max(1, warps_per_eu) // granule * granule
    return warp_bytes // (4 * chip.warp.size)


def _shallower(node: Node, limit_bytes: int, needed_bytes: int) -> Node:
    """The node with every loop's stages scaled to the memory there is, at least one."""
    if isinstance(node, Branch):
        then, otherwise = (
            tuple(_shallower(one, limit_bytes, needed_bytes) for one in side) for side in (node.then, node.otherwise)
        )
        return replace(node, then=then, otherwise=otherwise)
    if isinstance(node, Repeat | Loop):
        stages = max(1, node.stages * limit_bytes // needed_bytes)
        if isinstance(node, Repeat):
            return replace(node, stages=stages)
        return replace(node, stages=stages, body=tuple(_shallower(one, limit_bytes, needed_bytes) for one in node.body))
    return node
