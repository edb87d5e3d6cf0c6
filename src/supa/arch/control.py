"""What drives the chip: clocks, launch, the tensor data accelerator, virtual instances. Not here: power."""

from __future__ import annotations

from dataclasses import dataclass

from supa.arch.leaf import leaf


@dataclass(frozen=True, kw_only=True)
class Clocks:
    """Clocks. Under a power cap the core clock falls below `boost_hz` and the matrix clock in proportion."""

    nominal_hz: int = leaf("Hz", "core clock that the maker guarantees")
    boost_hz: int = leaf("Hz", "core clock when power allows: vector and fp64 peaks hold at it")
    min_hz: int = leaf("Hz", "core clock below which the chip does not fall")
    matrix_hz: int = leaf("Hz", "T-core clock at which the printed matrix peaks (all but fp64) hold exactly")
    l2_hz: int = leaf("Hz", "clock of L2 and NoC")


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a kernel costs besides its work."""

    latency_ps: int = leaf("ps", "from the head of an idle stream to the first block, plus the end's notice")
    notice_ps: int = leaf("ps", "of the latency, the part behind the last block: caches written back, the end noticed")
    gap_ps: int = leaf("ps", "between the end of a kernel and the first block of the next in the same stream")
    dispatch_blocks_per_clock: int = leaf("block/clk", "blocks the dispatcher hands out to the whole chip")


@dataclass(frozen=True, kw_only=True)
class Tda:
    """The tensor data accelerator: asynchronous copies of multi-dimensional tiles."""

    present: bool = leaf(doc="the chip has it")
    issue_cycles: int = leaf("cycles", "to start one tile copy", zero=True)
    max_rank: int = leaf(doc="dimensions of a tile", zero=True)
    multicast: bool = leaf(doc="one copy can land in several CUs")


@dataclass(frozen=True, kw_only=True)
class Instances:
    """Secure virtual instances."""

    choices: tuple[int, ...] = leaf(doc="equal parts into which a chip can be divided")
