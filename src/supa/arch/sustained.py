"""What a chip sustains under load, beside its printed peaks: shares, and times that no datasheet prints.

The closed forms of `timing.outline` read it. Where hardware was measured these figures are calibrated
(docs/calibration). Not here: peaks and idle latencies (`memory`, `compute`).
"""

from __future__ import annotations

from dataclasses import dataclass

from supa.arch.leaf import leaf


@dataclass(frozen=True, kw_only=True)
class Sustained:
    """Shares of peaks and exposed times of well written kernels."""

    l2: float = leaf(doc="share of the slices' bandwidth that all CUs together reach", at_most=1)
    kept: float = leaf(doc="share of the L2 that an operand keeps against another that streams by", at_most=1)
    loaded_latency_ps: int = leaf("ps", "added to an L2 miss of a tile whose rows lie apart: translations and queues")
    block_start_ps: int = leaf("ps", "from a block's first instruction to its first load")
    matrix_hz: int = leaf("Hz", "T-core clock while power allows; printed peaks may be stated at a lower one")
    turn_cycles: int = leaf("cycles", "of a pipelined loop's turn: barrier, addresses, first operands", zero=True)
    sums_bytes_per_clock: int = leaf("B/clk", "results of one CU from its accumulators into L2")
    handover_ps: int = leaf("ps", "from a block's partial sums to the block that adds them: write, flag, read")
    overlap: float = leaf(doc="share of a block's vector work that hides behind its matrix work", zero=True, at_most=1)
    collective_start_ps: int = leaf("ps", "a collective's launch on all devices, with their meeting", zero=True)
    collective_bulk_ps: int = leaf("ps", "what its protocol for long messages takes more to get going", zero=True)
