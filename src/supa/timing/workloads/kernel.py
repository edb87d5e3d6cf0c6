"""What a workload hands to `price`: the same four things that a compiled program gives for a launch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from supa.program.program import Resources
from supa.program.work import Work


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """One launch: static work, what a block holds, the grid, and the blocks' values (int64, see `program.work`)."""

    name: str
    work: Work
    resources: Resources
    grid: tuple[int, int, int]
    stream: np.ndarray
    warm: tuple[tuple[int, int], ...] = ()  # (address, bytes) in the L2 when it starts


def stream_of(values: np.ndarray) -> np.ndarray:
    """Blocks by values, int64[blocks, n], as a stream: each row behind its length."""
    blocks, length = values.shape
    return np.concatenate([np.full((blocks, 1), length, np.int64), values.astype(np.int64)], axis=1).reshape(-1)


def arena(*sizes_bytes: int) -> tuple[int, ...]:
    """Addresses of tensors laid out one after another, each on a boundary of 2 MiB as large allocations are."""
    granule = 2 << 20
    addresses, place = [], granule
    for size in sizes_bytes:
        addresses.append(place)
        place += -(-max(size, 1) // granule) * granule
    return tuple(addresses)
