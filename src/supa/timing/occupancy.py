"""How many blocks of a kernel one CU holds at a time, and what stops the next one. Not here: their order, time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from supa.arch import Chip
from supa.base.errors import LaunchError
from supa.program.program import Resources

Limiter = Literal["blocks", "warps", "registers", "shared"]


@dataclass(frozen=True, kw_only=True)
class Occupancy:
    """Blocks resident on one CU, warps of one block, and the resource that is used up first."""

    blocks_per_cu: int
    warps_per_block: int
    limiter: Limiter
    warp_share: float  # resident warps of those that the CU can hold


def occupancy(chip: Chip, resources: Resources) -> Occupancy:
    """Occupancy of a kernel; `LaunchError` when not even one block fits."""
    _check(chip, resources)
    warps = -(-resources.threads // chip.warp.size)
    limits: dict[Limiter, int] = {
        "blocks": chip.cu.max_blocks,
        "warps": chip.max_warps_per_cu // warps,
        "registers": _by_registers(chip, resources.registers_per_thread, warps),
        "shared": _by_shared(chip, resources.shared_bytes),
    }
    limiter = min(limits, key=lambda name: limits[name])
    if limits[limiter] == 0:
        raise LaunchError(
            f"a block of {resources.threads} threads with {resources.registers_per_thread} registers each and "
            f"{resources.shared_bytes} B of shared memory does not fit a CU of {chip.name}: too much of {limiter}; "
            "use fewer warps or a smaller tile"
        )
    blocks = limits[limiter]
    return Occupancy(
        blocks_per_cu=blocks,
        warps_per_block=warps,
        limiter=limiter,
        warp_share=blocks * warps / chip.max_warps_per_cu,
    )


def _check(chip: Chip, resources: Resources) -> None:
    refused = (
        ("threads", resources.threads, chip.cu.max_threads_per_block),
        ("bytes of shared memory", resources.shared_bytes, chip.lsc.shared_per_block_bytes),
    )
    for what, found, limit in refused:
        if found > limit:
            raise LaunchError(f"a block asks for {found} {what}, a block on {chip.name} has at most {limit}")
    if resources.threads < 1:
        raise LaunchError(f"a block must have at least 1 thread, found {resources.threads}")


def _by_registers(chip: Chip, registers_per_thread: int, warps: int) -> int:
    """Warps are dealt to the EUs in turn, each with its registers in whole granules."""
    granule = chip.eu.register_granule_bytes
    held = min(max(registers_per_thread, 1), chip.eu.max_registers_per_thread)  # the rest would live in memory
    wanted = held * 4 * chip.warp.size
    of_warp = -(-wanted // granule) * granule
    return (chip.eu.registers_bytes // of_warp) * chip.cu.eu_count // warps


def _by_shared(chip: Chip, shared_bytes: int) -> int:
    if shared_bytes == 0:
        return chip.cu.max_blocks
    return chip.shared_bytes_per_cu // (shared_bytes + chip.lsc.shared_reserved_bytes)
