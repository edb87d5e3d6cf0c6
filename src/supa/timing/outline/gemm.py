"""C = A B as a good library would run it: a small space of tilings, searched on the closed form of the machine.

The space: output tiles of the sizes that libraries ship, the pipelining depth that fills shared memory once or twice
over, k cut in parts whose sums are added at the end; for one row, a kernel of dot products. Activations (A) were just
written and lie in the L2 as far as they keep a place there; weights (B) come from the HBM. Not here: walking blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from supa.timing import mechanisms
from supa.timing.mechanisms import PARTS_AT_ONCE, TILE_RUN_BYTES
from supa.timing.outline.estimate import Estimate, capped, joined
from supa.timing.outline.rates import Rates
from supa.timing.outline.rows import GONE, STAYS

SPLITS = (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 96)
MOST_SPLIT_TILE = 128 * 128  # larger tiles are not split further than DEEP_SPLIT
DEEP_SPLIT = 8
SMALL_TILE, SMALL_SPLIT = 64 * 64, 32  # only tiles up to this are split further than that
STEP_BYTES = 32  # of k, that one step of the matrix engine takes
ADDRESS_REGISTERS = 56  # of a thread, beside its sums
PRODUCER_REGISTERS = 128 * 40  # of a block whose copies have warps of their own
DIRECT_MOST_SUMS = 40960  # sums of a block, two groups of warps with up to 160 registers of sums each
SMALL_SHARED = 64 << 10  # a block with less is given shallower turns as well
DRAIN = 0.5  # of the last blocks' sums leave behind the memory's last read: blocks do not end together
LEAST_TURNS = 4  # of the loop over k in a part of it: shorter ones are not worth the hand-over
DOT_COLUMNS = 1024  # of k, that a block of the one-row kernel takes


@dataclass(frozen=True, kw_only=True)
class Space:
    """Candidates as columns of float64[candidates]: tile, depth of a turn, stages, warps, parts of k."""

    m: np.ndarray
    n: np.ndarray
    k: np.ndarray
    stages: np.ndarray
    warps: np.ndarray
    parts: np.ndarray

    def candidate(self, place: int) -> Candidate:
        """One of them."""
        columns = (self.m, self.n, self.k, self.stages, self.warps, self.parts)
        m, n, k, stages, warps, parts = (int(column[place]) for column in columns)
        return Candidate(m=m, n=n, k=k, stages=stages, warps=warps, parts=parts)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One schedule: tile, depth of a turn, stages, warps, parts of k; `dots`: a kernel of dot products instead."""

    m: int
    n: int
    k: int
    stages: int
    warps: int
    parts: int
    dots: bool = False

    def __str__(self) -> str:
        if self.dots:
            return "dot products"
        return f"tile {self.m}x{self.n}x{self.k}, {self.stages} stages, k in {self.parts}"


def gemm(rates: Rates, m: int, n: int, k: int) -> Estimate:
    """A of (m, k) and B of (n, k) to C of (m, n), sums in fp32; the best schedule of the space."""
    return best(rates, m, n, k)[0]


def best(rates: Rates, m: int, n: int, k: int) -> tuple[Estimate, Candidate]:
    """The price of a product, and the schedule that has it."""
    space = tilings(rates)
    rows, columns, depth = (np.array([[float(size)]]) for size in (m, n, k))
    times, parts = times_of(rates, rows, columns, depth, space)
    choice = int(times[0].argmin())
    bound = _bound(rates, parts, choice, float(times[0, choice]))
    time, energy = float(times[0, choice]), float(np.broadcast_to(parts.energy_j, times.shape)[0, choice])
    chosen = space.candidate(choice)
    dots = float(one_row(rates, rows, columns, depth)[0, 0]) if min(m, n) == 1 else float("inf")
    if dots < time:
        time, bound, chosen = dots, "hbm", replace(chosen, dots=True)
    joules = energy + rates.static_w * time
    return Estimate(time_s=time, energy_j=joules, bound_by=bound, schedule=str(chosen)), chosen


def _bound(rates: Rates, parts: Parts, choice: int, time: float) -> str:
    """The launch, or the busiest resource, if it is busy for half of the time behind it."""
    busy = {name: float(share[0, choice]) for name, share in parts.shares.items()}
    found = max(busy, key=lambda name: busy[name])
    if rates.launch_s > time / 2:
        return "launch"
    return found if busy[found] > (time - rates.launch_s) / 2 else "latency"


@cache
def tilings(rates: Rates) -> Space:
    """The candidates for a device.

    A matrix engine that reads shared memory takes 64 rows a warp group and columns in eights, so libraries ship many
    tiles; one that is fed through registers gets powers of two.
    """
    rows: list[tuple[int, int, int, int, int, int]] = []
    width = rates.element_bytes
    for m, n in _tiles(rates):
        for k in _depths(rates):
            turn = (m + n) * k * rates.element_bytes
            warps = 8 if m * n > (MOST_SPLIT_TILE if rates.direct else 2 * MOST_SPLIT_TILE - 1) else 4
            for stages in _stages(rates, turn, k * width):
                limit = _most_parts(m * n)
                rows += [(m, n, k, stages, warps, parts) for parts in SPLITS if parts <= limit]
    return Space(**dict(zip(("m", "n", "k", "stages", "warps", "parts"), np.array(rows, float).T, strict=True)))


def _most_parts(tile: int) -> int:
    """Partial sums of large tiles would take more room and time than the parts save."""
    return DEEP_SPLIT if tile > MOST_SPLIT_TILE else SMALL_SPLIT if tile > SMALL_TILE else max(SPLITS)


def _depths(rates: Rates) -> tuple[int, ...]:
    """Turns take rows of 128 bytes of the operands, or half of that."""
    deep = 128 // rates.element_bytes
    return (deep,) if rates.direct and rates.shared_per_block_bytes > SMALL_SHARED else (deep // 2, deep)


def fetches_ahead(rates: Rates) -> bool:
    """With little shared memory a good library asks for tiles into the L2 first: stages hide its latency alone."""
    return rates.multicast and rates.shared_per_block_bytes < SMALL_SHARED


def _tiles(rates: Rates) -> list[tuple[int, int]]:
    if rates.direct:
        widths = range(8, 257, 8)
        tall = [(m, n) for m in (64, 128, 192, 256, 320) for n in widths if m * n <= DIRECT_MOST_SUMS]
        return sorted({*tall, *((n, m) for m, n in tall)})
    sizes = (16, 32, 64, 128, 256)
    return [(m, n) for m in sizes for n in sizes if 512 <= m * n <= 2 * MOST_SPLIT_TILE]


def _stages(rates: Rates, turn_bytes: int, row_bytes: int) -> list[int]:
    """Pipelining depths, the deepest first, which wins where they are as good: what fills shared memory with one block
    or two, or what libraries ship.
    """
    room = rates.shared_bytes
    if rates.direct:
        wanted = {max(2, min((room // blocks - 1024) // turn_bytes, 8)) for blocks in (1, 2)}
    else:
        wanted = {3, 4, 5, 6} if row_bytes == 64 else {3, 4}
    return sorted((one for one in wanted if one * turn_bytes <= rates.shared_per_block_bytes), reverse=True)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Where the time goes, each broadcast against candidates."""

    shares: dict[str, Any]  # seconds that each resource is busy
    energy_j: Any


def times_of(rates: Rates, m: Any, n: Any, k: Any, space: Space) -> tuple[np.ndarray, Parts]:
    """Seconds of shapes (float64[shapes, 1]) under every candidate: float64[shapes, candidates]; no split that is
    emptier than asked for.
    """
    turns_all = np.ceil(k / space.k)
    turns = np.ceil(turns_all / space.parts)
    tiles = np.ceil(m / space.m) * np.ceil(n / space.n) * space.parts
    together = np.minimum(_resident(rates, space), np.ceil(tiles / rates.cus))
    turn_bytes = (space.m + space.n) * space.k * rates.element_bytes
    operand_bytes = _operand_bytes(rates, space)
    carried = turn_bytes - (np.maximum(space.m, space.n) * space.k * rates.element_bytes / 2 if rates.multicast else 0)
    per_cu = np.ceil(tiles / rates.cus)
    rounds = np.floor(per_cu / together)
    left = per_cu - rounds * together
    loads = _Turn(
        rates=rates,
        space=space,
        operand_bytes=operand_bytes,
        carried=carried,
        far_s=0.0 if fetches_ahead(rates) else rates.miss_latency_s,
        busy=np.minimum(tiles, rates.cus),
    )
    compute = rounds * loads.group(turns, together) + (left > 0) * loads.group(turns, np.maximum(left, 1))
    read = _traffic(rates, m, n, k, tiles / space.parts, together, space)
    last = np.where(left > 0, left, together)
    written = m * n * rates.result_bytes * _leaving(rates, m, n, k)
    hbm = (read + rates.written_factor * written) / rates.hbm_in_runs(space.k * rates.element_bytes)
    ends = loads.start() + DRAIN * loads.end(last)
    moved = tiles * turns * carried
    l2 = moved / (rates.l2_bytes_per_s * rates.l2_share)
    energy = (
        m * n * k * rates.mac_j
        + (read + written) * rates.hbm_j_per_byte
        + moved * rates.l2_j_per_byte
        + tiles * turns * (operand_bytes + turn_bytes) * rates.lsc_j_per_byte
    )
    body = ends + joined(compute - ends, hbm)
    split = space.parts > 1
    in_turn = rates.handover_s + space.parts / PARTS_AT_ONCE * rates.l2_latency_s
    adding = np.where(split, in_turn + space.parts * m * n * 16 / rates.l2_bytes_per_s, 0.0)
    times = rates.launch_s + capped(rates, body, (compute / body) ** 5, energy) + adding
    wasted = split & ((np.ceil(turns_all / turns) != space.parts) | (turns < LEAST_TURNS))
    shares = {"matrix": per_cu * turns * loads.engine(), "hbm": hbm, "l2": l2}
    return np.where(wasted, np.inf, times), Parts(shares=shares, energy_j=energy)


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """One CU's blocks in step: seconds of a turn of the loop over k, and of a whole group of resident blocks."""

    rates: Rates
    space: Space
    operand_bytes: Any
    carried: Any
    far_s: float
    busy: Any

    def group(self, turns: Any, blocks: Any) -> Any:
        there = np.minimum(turns, self.space.stages) if self.rates.direct else 1.0
        loop = there * self._turn(blocks, 0.0) + (turns - there) * self._turn(blocks, self._waiting())
        return loop + self.start() + self.end(blocks)

    def start(self) -> float:
        """From a block's first instruction to its first operands: no memory is busy before."""
        return self.rates.block_start_s + self.rates.l2_latency_s + self.rates.miss_latency_s

    def end(self, blocks: Any) -> Any:
        """The sums of resident blocks leave the CU."""
        rates, space = self.rates, self.space
        width = np.where(space.parts > 1, 4, rates.result_bytes)
        return blocks * (space.m * space.n * width / rates.cu_sums_bytes_per_s + rates.l2_latency_s)

    def _waiting(self) -> Any:
        """A turn's share of the way from memory.

        A producer asks for the operands of the first turns at once; threads that copy themselves go turn by turn.
        """
        return (self.rates.l2_latency_s + self.far_s) / np.maximum(self.space.stages - 1, 1)

    def _matrix(self) -> Any:
        """One turn's product on the matrix engine."""
        rates, space = self.rates, self.space
        macs = np.maximum(space.m * space.n, 512) if rates.direct else space.m * np.maximum(space.n, 8)
        return macs * space.k / rates.cu_mac_per_s

    def engine(self) -> Any:
        """One turn of one block as far as its CU bounds it: product, shared memory, fill."""
        rates, space = self.rates, self.space
        turn_bytes = (space.m + space.n) * space.k * rates.element_bytes
        shared = (self.operand_bytes + turn_bytes) / rates.cu_lsc_bytes_per_s
        return np.maximum(np.maximum(self._matrix(), shared), turn_bytes / rates.cu_fill_bytes_per_s)

    def _turn(self, blocks: Any, waiting: Any) -> Any:
        rates, space = self.rates, self.space
        matrix, engine = self._matrix(), self.engine()
        shared = self.busy * self.carried / (rates.l2_bytes_per_s * rates.l2_share)
        chain = space.k * rates.element_bytes / STEP_BYTES * rates.chain_s
        alone = np.maximum(matrix, 0 if rates.direct else chain) + rates.turn_s
        return np.maximum(np.maximum(blocks * engine, blocks * shared), np.maximum(alone, waiting))


def _resident(rates: Rates, space: Space) -> Any:
    """Blocks that one CU holds, by shared memory and registers."""
    shared = space.stages * (space.m + space.n) * space.k * rates.element_bytes + rates.shared_reserved_bytes
    threads = space.warps * 32
    registers = np.minimum(255, space.m * space.n / threads + ADDRESS_REGISTERS)
    held = threads * np.ceil(registers / 8) * 8 + (PRODUCER_REGISTERS if rates.direct else 0)
    return np.clip(np.minimum(rates.shared_bytes // shared, rates.cu_registers // held), 1, 8)


def _operand_bytes(rates: Rates, space: Space) -> Any:
    """Bytes that one turn's product reads from shared memory (the rules of `timing.steps`, for a column of tiles)."""
    if rates.direct:
        turned = (space.m % 64 != 0) | ((space.n % 64 == 0) & (space.n > space.m))
        rows, columns = np.where(turned, space.n, space.m), np.where(turned, space.m, space.n)
        return (rows + columns * np.ceil(rows / 64)) * space.k * rates.element_bytes
    best = np.full(space.m.shape, np.inf)
    for down in (1, 2, 4, 8):
        across = space.warps / down
        copies = space.m * np.minimum(np.maximum(across, 1), np.ceil(space.n / 8))
        copies = copies + space.n * np.minimum(down, np.ceil(space.m / rates.step_m))
        best = np.minimum(best, np.where(across >= 1, copies * space.k * rates.element_bytes, np.inf))
    return best


def _traffic(rates: Rates, m: Any, n: Any, k: Any, tiles: Any, together: Any, space: Space) -> Any:
    """Bytes read from the HBM: once where the operands fit the L2, else once a wave of tiles in a near-square patch."""
    width = rates.element_bytes
    rows, columns = np.ceil(m / space.m), np.ceil(n / space.n)
    wave = np.minimum(tiles, np.maximum(rates.cus * together / space.parts, 1))
    high = np.clip(np.sqrt(wave * space.n / space.m), 1, rows)
    wide = np.clip(wave / high, 1, columns)
    high = np.clip(wave / wide, 1, rows)
    by_waves = tiles / wave * (high * space.m + wide * space.n) * k * width
    once = (m + n) * k * width
    fits = np.clip(0.6 * rates.l2_bytes / once, 0, 1)
    read = np.maximum(once, by_waves * (1 - fits) + once * fits)
    streamed = n * k * width + m * n * rates.result_bytes
    warm = mechanisms.warm_share(rates.kept, rates.l2_bytes, streamed, m * k * width)
    return read - warm * m * k * width


def _leaving(rates: Rates, m: Any, n: Any, k: Any) -> Any:
    """Share of the results that leave the L2: where all of a product fits, the next one finds its lines there."""
    working = (m + n) * k * rates.element_bytes + m * n * rates.result_bytes
    return np.clip((working / rates.l2_bytes - STAYS) / (GONE - STAYS), 0.0, 1.0)


def one_row(rates: Rates, m: Any, n: Any, k: Any) -> Any:
    """Seconds of a kernel of dot products for a single row; all loads of a block are under way at once.

    What exceeds DOT_COLUMNS of k goes to blocks of their own, whose sums meet in memory.
    """
    waiting = rates.l2_latency_s + rates.miss_latency_s + np.where(k > DOT_COLUMNS, rates.handover_s, 0.0)
    ends = rates.block_start_s + rates.l2_latency_s
    return (
        rates.launch_s + ends + waiting + np.maximum(m, n) * k * rates.element_bytes / rates.hbm_in_runs(TILE_RUN_BYTES)
    )
