"""Where a grid repeats itself, so that a stretch of blocks in the middle need not be simulated. Not here: simulating.

Blocks repeat with a period when those one period apart differ only in where their memory lies, and by the same
distances throughout. Whether the machine then repeats too, in time and in memory traffic, is looked at while it runs:
three windows of blocks before the gap must agree, or the whole grid is simulated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from supa.program.work import Access, Node, Repeat, Step, Work
from supa.timing.machine import layout

WINDOWS = 3
AGREEMENT = 0.01  # of a window's L2 traffic
Role = Literal["trips", "address", "limit", "plain"]


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Blocks [begin, begin + blocks) are skipped; the windows before, of `window` blocks each, are measured."""

    begin: int
    blocks: int
    window: int

    @property
    def marks(self) -> np.ndarray:
        """The blocks whose placement begins each window, and the end of the last one."""
        return self.begin - self.window * np.arange(WINDOWS, -1, -1, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class _Column:
    """What one value of a block's row means; a limit above `shape` is as good as `shape`."""

    role: Role
    shape: int = 0


def find_gap(work: Work, stream: np.ndarray, blocks: int, resident: int, filling: int) -> Gap | None:
    """A gap worth taking, or None.

    `resident` blocks are on the machine at a time; after `filling` blocks its caches are full.
    """
    columns = _columns(work.body)
    if columns is None or blocks < 8 * resident or len(stream) != blocks * (len(columns) + 1):
        return None
    rows = stream.reshape(blocks, len(columns) + 1)[:, 1:]
    keys = _keys(rows, columns)
    first = max(2 * resident, filling)
    period = _period(keys, first, blocks - resident)
    if period is None:
        return None
    different = np.flatnonzero(keys[first:-period] != keys[first + period :])
    last = first + period + int(different[0]) if len(different) else blocks - 1
    window = period * -(-max(4 * resident, 512) // period)
    begin = first + WINDOWS * window
    length = (last - begin - resident) // period * period
    return Gap(begin=begin, blocks=length, window=window) if length > 2 * window else None


def times_of_steps(work: Work, stream: np.ndarray, blocks: int) -> list[int]:
    """How often each step runs in a grid whose rows all have the same form."""
    columns = _columns(work.body)
    assert columns is not None
    rows = stream.reshape(blocks, len(columns) + 1)[:, 1:]
    trips = iter([int(rows[:, place].sum()) for place, column in enumerate(columns) if column.role == "trips"])
    times: list[int] = []
    for node in work.body:
        times += [next(trips)] * len(node.body) if isinstance(node, Repeat) else [blocks]
    return times


def agree(snapshots: np.ndarray) -> bool:
    """Whether the windows before the gap missed the L2 alike; that they took the same time is known."""
    missed = np.diff(snapshots[:, layout.HBM_READ_BYTES] + snapshots[:, layout.HBM_WRITE_BYTES])
    moved = np.diff(snapshots[:, layout.L2_READ_BYTES] + snapshots[:, layout.L2_WRITE_BYTES])
    return bool(np.ptp(missed) <= AGREEMENT * max(moved.mean(), 1))


def _columns(body: Sequence[Node]) -> list[_Column] | None:
    """Meaning of a row's values; None where rows have no fixed form (branches, loops spelled out, trips of zero)."""
    columns: list[_Column] = []
    for node in body:
        if isinstance(node, Repeat):
            values = [column for step in node.body for column in _of_step(step)]
            columns += [_Column(role="trips"), *values, *[_Column(role="plain")] * len(values)]
        elif isinstance(node, Step):
            columns += _of_step(node)
        else:
            return None
    return columns


def _of_step(step: Step) -> Iterator[_Column]:
    if not isinstance(step, Access):
        return
    yield _Column(role="address")
    if step.scattered:
        yield _Column(role="plain")
        return
    for size in step.shape:
        yield _Column(role="limit", shape=size)
        yield _Column(role="plain")


def _keys(rows: np.ndarray, columns: Sequence[_Column]) -> np.ndarray:
    """One number for each block but the last: equal for blocks with equal values and equal ways to the next block."""
    weights = np.random.default_rng(1).integers(1, 1 << 62, size=len(columns)) | 1
    keys = np.zeros(len(rows) - 1, np.int64)
    for place, column in enumerate(columns):
        values = rows[:, place]
        if column.role == "address":
            keys += np.diff(values) * weights[place]
        else:
            bounded = np.minimum(values, column.shape) if column.role == "limit" else values
            keys += bounded[:-1] * weights[place]
    return keys


def _period(keys: np.ndarray, first: int, last: int) -> int | None:
    """The distance at which keys repeat between two blocks: that of the rarest key there."""
    values, counts = np.unique(keys[first:last], return_counts=True)
    if len(values) == 0:
        return None
    rarest = values[np.argmin(np.where(counts > 1, counts, len(keys)))]
    places = np.flatnonzero(keys[first:last] == rarest)[:2]
    return int(places[1] - places[0]) if len(places) == 2 else None
