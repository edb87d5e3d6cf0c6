"""Mechanisms of a chip that the event-driven machine and the outline price alike. Not here: queues, closed forms.

Each is a few figures of `arch` put together. What both planes of the clock must agree on is stated here once.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from supa.arch import Chip

TILE_RUN_BYTES = 128  # a row of a tile: what libraries load of a matrix before they turn to the next row
PARTS_AT_ONCE = 6  # partial sums that a block which adds them has under way before it waits
LANE_RUN_BYTES = 64  # what a warp asks for when each of its lanes takes one element of two bytes


def row_opening_ps(chip: Chip) -> Fraction:
    """A channel's time for each row that it opens, as far as its banks do not open rows side by side."""
    return Fraction(chip.hbm.row_miss_ps, chip.hbm.bank_count)


def channel_bytes_per_s(chip: Chip) -> Fraction:
    """Long reads of one channel."""
    return Fraction(chip.hbm.bandwidth_bytes_per_s, chip.hbm.channel_count) * Fraction(chip.hbm.peak_efficiency)


def hbm_share(chip: Chip, run_bytes: int) -> float:
    """Share of the printed bandwidth that reads reach in runs of so many neighbouring bytes.

    Runs of a page and more reach the peak; shorter ones open a row each.
    """
    page = chip.hbm.page_bytes
    run = max(min(run_bytes, page), chip.hbm.access_bytes)
    return chip.hbm.peak_efficiency * run / (run + opening_bytes(chip) * (1 - run / page))


def opening_bytes(chip: Chip) -> float:
    """What a channel would transfer while it opens a row."""
    return float(row_opening_ps(chip) * channel_bytes_per_s(chip) / 10**12)


def turning_ps_per_byte(chip: Chip) -> Fraction:
    """A channel's time for a written byte beside its transfer: it turns to writes and back once for each batch."""
    return Fraction(2 * chip.hbm.turnaround_ps, chip.hbm.write_batch_bytes)


def written_factor(chip: Chip) -> float:
    """What a written byte takes of the HBM, in bytes read."""
    return float(1 + turning_ps_per_byte(chip) * channel_bytes_per_s(chip) / 10**12)


def miss_latency_ps(chip: Chip) -> int:
    """Added to an L2 miss of a tile whose rows lie apart: their translations and queues included."""
    return max(chip.hbm.latency_ps, chip.sustained.loaded_latency_ps)


def l2_bytes_per_clock(chip: Chip) -> Fraction:
    """What one slice delivers while all CUs read: its port, and the crossbar's conflicts."""
    return Fraction(chip.l2.slice_bandwidth_bytes_per_clock) * Fraction(chip.sustained.l2)


def l2_written_bytes_per_clock(chip: Chip) -> Fraction:
    """What one slice takes while all CUs write."""
    return Fraction(chip.l2.slice_write_bandwidth_bytes_per_clock) * Fraction(chip.sustained.l2)


def product_latency_cycles(chip: Chip) -> int:
    """From a product's last step to the next product of the same block: pipeline, barrier, addresses."""
    return max(chip.tcore.latency_cycles, chip.sustained.turn_cycles)


def warm_share(kept: float, l2_bytes: int, streamed_bytes: Any, warm_bytes: Any) -> Any:
    """Share of an operand that still lies in the L2 from the kernel before, while others of `streamed_bytes` pass."""
    return np.clip((kept * l2_bytes - streamed_bytes) / warm_bytes, 0.0, 1.0)


def seen_share(time: Any, response: Any) -> Any:
    """Share of a kernel's power that the governor sees: it averages over its response, and a burst ends before that.

    Both in the same unit; floats or arrays.
    """
    return -np.expm1(-np.asarray(time) / response) if response else np.ones_like(np.asarray(time, float))
