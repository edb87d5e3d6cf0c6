"""Causal attention over a paged key-value cache as FlashAttention schedules it. Not here: other masks, training.

A block takes some query rows of a head and walks the keys in tiles: two products, and a softmax on the vector lanes
between them. Before it, a kernel writes the new keys and values into the cache, a block a token. With one new token
the heads that share keys are packed into the rows of one block, and the walk over the keys is cut in parts.

A matrix engine that reads shared memory gets the schedule of the library's third generation (larger tiles, a kernel
that plans the blocks first), the others that of the second (query tiles of 64 for paged caches; parts only for
grouped heads, which are gathered and scattered by kernels of their own).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from supa.timing.mechanisms import PARTS_AT_ONCE
from supa.timing.outline.estimate import Estimate, capped, joined
from supa.timing.outline.gemm import fetches_ahead
from supa.timing.outline.rates import Rates
from supa.timing.outline.rows import far_share, near_bandwidth

WIDTH = 2
SOFTMAX_LANES = 12  # lane operations of a score: scale, mask, maximum, subtract, sum, rescale, convert, addresses
CACHE_THREADS = 512  # most threads of the cache writer's block
PLANNED_LOADS = 3  # of a planned block before its first product: plan, page table, keys; of many tokens queries before
PLANNED_AT_ONCE = 31  # sequences that the planner's warp takes a turn, each turn behind its loads
MOST_PLANNED = 32 * PLANNED_AT_ONCE  # sequences: a block of warps; with more, blocks look for theirs themselves
UNPLANNED_LOADS = 2  # of each of their turns, from the L2: lengths, then what they add up to
MANY_ROUNDS = 8  # of blocks on a CU, from which on the last one does not show
ALTERNATING = 2.5  # sharpness of the corner between memory and compute: one block waits for its own loads
CACHE_LOADS = 5  # its chain: length, slot, keys, values, and their way into the cache
MOST_PARTS = 128
FILLED, NEARLY = 0.8, 0.85  # of the slots, from which on keys stay whole; of the best filling, that is good enough
MARGIN = 1.1  # more than an even share, that a planner gives each CU
TAIL, PLANNED_TAIL = 0.7, 0.2  # of the longest block, by which a grid outlasts its mean; planned: longest first


@dataclass(frozen=True, kw_only=True)
class Heads:
    """One attention: sequences, new tokens and cached tokens of each, query and key heads, head's width."""

    batch: int
    new_tokens: int
    past_tokens: int
    heads: int
    kv_heads: int
    head_dim: int

    @property
    def keys(self) -> int:
        """Keys that the last new token sees."""
        return self.new_tokens + self.past_tokens

    @property
    def group(self) -> float:
        """Query heads that share keys."""
        return self.heads / self.kv_heads

    @property
    def query_bytes(self) -> int:
        """Queries; results are as many."""
        return self.batch * self.new_tokens * self.heads * self.head_dim * WIDTH

    @property
    def key_bytes(self) -> int:
        """Keys and values."""
        return 2 * self.batch * self.keys * self.kv_heads * self.head_dim * WIDTH

    @property
    def moved_bytes(self) -> int:
        """Queries, results, keys and values."""
        return 2 * self.query_bytes + self.key_bytes


def attention(rates: Rates, shape: Heads) -> Estimate:
    """One layer's attention with its write to the cache, 16-bit elements."""
    packed = packs(rates, shape)
    tile = tile_of(rates, shape)
    body, compute, macs, schedule = (
        _split(rates, shape, tile) if shape.new_tokens == 1 else _walk(rates, shape, tile, packed)
    )
    energy = macs * rates.mac_j + shape.moved_bytes * (rates.hbm_j_per_byte + rates.l2_j_per_byte)
    energy += macs / shape.head_dim / 2 * (SOFTMAX_LANES * rates.vector_j + rates.special_j)
    memory = shape.moved_bytes / _bandwidth(rates, shape)
    body = float(capped(rates, body, (compute / max(body, 1e-12)) ** 5 if compute < body else 1.0, energy))
    gathered = _gathered(rates, shape)
    time = _launches(rates, shape) + body + _cache_write(rates, shape) + gathered
    fixed = time - body
    bound = "launch" if fixed > body else "hbm" if memory > compute else "matrix"
    return Estimate(time_s=time, energy_j=energy + rates.static_w * time, bound_by=bound, schedule=schedule)


def packs(rates: Rates, shape: Heads) -> bool:
    """Whether the heads that share keys are rows of one block."""
    return shape.new_tokens == 1 or (rates.direct and shape.group > 1)


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Rows of queries and of keys of one step."""

    rows: int
    keys: int


def tile_of(rates: Rates, shape: Heads) -> Tile:
    """The library's tiles; smaller ones where shared memory is small or registers can not hold the sums."""
    width = shape.head_dim
    if rates.direct:
        rows = 64 if shape.new_tokens == 1 else 192 if width <= 64 else 128
        keys = 128 if width <= 128 else 112 if width <= 192 else 80
    else:
        rows, keys = 64, 128 if width <= 128 else 64
    while 2 * rows * width > rates.cu_registers and rows > 64:
        rows //= 2
    tile = Tile(rows=rows, keys=keys)
    while (tile.rows + 2 * tile.keys) * width * WIDTH > rates.shared_per_block_bytes and tile.keys > 16:
        tile = replace(tile, keys=tile.keys // 2) if tile.keys > 32 or tile.rows <= 64 else replace(tile, rows=64)
    return tile


def groups_of(rates: Rates, head_dim: int) -> int:
    """Groups of warps that share the columns of 64 rows of sums, which fill no more than a quarter of the registers.

    Each of them computes the scores for itself.
    """
    return -(-64 * head_dim // (rates.cu_registers // 4))


def _step_s(rates: Rates, shape: Heads, tile: Tile) -> float:
    """One tile of keys: products and softmax, the shorter hidden in part."""
    scores = tile.rows * tile.keys * groups_of(rates, shape.head_dim)
    matrix = (scores + tile.rows * tile.keys) * shape.head_dim / rates.cu_mac_per_s
    vector = scores * max(1 / rates.cu_special_per_s, SOFTMAX_LANES / rates.cu_lanes_per_s)
    return max(matrix, vector) + (1 - rates.overlap) * min(matrix, vector) + rates.turn_s


def _alone_s(rates: Rates, shape: Heads, tile: Tile) -> float:
    """The same for a block that has its CU for itself.

    Where shared memory holds one tile of keys and one of values, values travel during the first product and keys
    during the rest, and what is missing then is waited for. Producers of the third generation are a tile ahead, where
    there is room for two of each or tiles are asked for into the L2 first.
    """
    return sum(_halves_s(rates, shape, tile))


def _last_s(rates: Rates, shape: Heads, tile: Tile) -> float:
    """What the last tile of a block that is alone takes less: no keys travel behind it."""
    _, rest = _halves_s(rates, shape, tile)
    product = tile.rows * tile.keys * shape.head_dim / rates.cu_mac_per_s
    return rest - min(_step_s(rates, shape, tile) - product, rest)


def _halves_s(rates: Rates, shape: Heads, tile: Tile) -> tuple[float, float]:
    """A tile of keys of a block that is alone: the first product, and the rest."""
    step = _step_s(rates, shape, tile)
    first = tile.rows * tile.keys * shape.head_dim / rates.cu_mac_per_s
    two_of_each = (tile.rows + 4 * tile.keys) * shape.head_dim * WIDTH
    if rates.direct and (two_of_each <= rates.shared_per_block_bytes or fetches_ahead(rates)):
        return first, step - first
    loading = rates.l2_latency_s + rates.miss_latency_s
    loading += min(tile.keys, shape.keys) * shape.head_dim * WIDTH / rates.cu_fill_bytes_per_s
    return max(first, loading), max(step - first, loading)


def _ends_s(rates: Rates, shape: Heads, tile: Tile, rows: float) -> float:
    """A block before its first product and after its last one; `rows` of its queries are real.

    Blocks of the second generation read the page table, which lies in the L2, and then keys.
    """
    loads = PLANNED_LOADS + (shape.new_tokens > 1) if rates.direct else 1
    width = shape.head_dim * WIDTH
    start = rates.block_start_s + loads * (rates.l2_latency_s + rates.miss_latency_s)
    start += 0.0 if rates.direct else rates.l2_latency_s
    filled = (rows + min(tile.keys, shape.keys)) * width / rates.cu_fill_bytes_per_s
    return start + filled + rows * width / rates.cu_sums_bytes_per_s + rates.l2_latency_s


def _resident(rates: Rates) -> int:
    """Blocks of a CU, which hide each other's ends: the larger tiles of the third generation leave room for one."""
    return 1 if rates.direct else 2


def _bandwidth(rates: Rates, shape: Heads) -> float:
    """The cache lies by token, then head: a block reads a row of its head at a time."""
    return float(rates.hbm_in_runs(shape.head_dim * WIDTH))


def _keys_s(rates: Rates, shape: Heads) -> float:
    """Keys and values from the cache; they lie in the L2 from the step before, as far as their copies fit."""
    far = far_share(rates, shape.key_bytes * rates.l2_copies)
    return shape.key_bytes * (far / _bandwidth(rates, shape) + (1 - far) / (rates.l2_bytes_per_s * rates.l2_share))


def _joined(rates: Rates, shape: Heads, compute: float, ends: float) -> float:
    """Compute and memory at the same time, but for the ends of a block: the memory has nothing to do then."""
    return ends + float(joined(compute - ends, shape.moved_bytes / _bandwidth(rates, shape), sharpness=ALTERNATING))


def _walk(rates: Rates, shape: Heads, tile: Tile, packed: bool) -> tuple[float, float, float, str]:
    """Many new tokens: seconds, those of the compute alone, multiply-accumulates, words."""
    group = shape.group if packed else 1.0
    rows = shape.new_tokens * group
    blocks = -(-int(rows) // tile.rows)
    last = np.minimum(np.arange(1, blocks + 1) * tile.rows / group, shape.new_tokens) + shape.past_tokens
    steps = np.ceil(last / tile.keys)
    grid = shape.batch * (shape.kv_heads if packed else shape.heads)
    step, start = _step_s(rates, shape, tile), _ends_s(rates, shape, tile, min(rows, tile.rows))
    alone, resident = _alone_s(rates, shape, tile), _resident(rates)
    longest = float(steps[-1]) * alone - _last_s(rates, shape, tile) + start
    total = grid * (float(steps.sum()) * max(step, alone / resident) + blocks * start / resident)
    tail = PLANNED_TAIL if rates.direct else TAIL
    compute = longest if grid * blocks <= rates.cus else max(longest, total / rates.cus + tail * longest)
    macs = grid * float(steps.sum()) * 2 * tile.rows * tile.keys * shape.head_dim
    return _joined(rates, shape, compute, start), compute, macs, f"{tile.rows} queries by {tile.keys} keys"


def _split(rates: Rates, shape: Heads, tile: Tile) -> tuple[float, float, float, str]:
    """One new token, its keys in parts; as `_walk`."""
    rows = -(-int(shape.group) // tile.rows)
    blocks = shape.batch * shape.kv_heads * rows
    all_steps = -(-shape.keys // tile.keys)
    steps = -(-all_steps // _parts(rates, shape, blocks, all_steps))
    used = -(-all_steps // steps)
    compute = _rounds_s(rates, shape, tile, blocks * used / rates.cus, steps)
    ends = _ends_s(rates, shape, tile, min(shape.group, tile.rows))
    keys = joined(compute - ends, _keys_s(rates, shape), sharpness=ALTERNATING)
    body = ends + float(keys) + shape.query_bytes * (1 + rates.written_factor) / _bandwidth(rates, shape)
    if used > 1:
        sums = used * shape.batch * shape.heads * shape.head_dim * 4
        launch = 0.0 if rates.direct else rates.launch_s
        in_turn = rates.handover_s + used / (PARTS_AT_ONCE if rates.direct else 1) * rates.l2_latency_s
        body += launch + in_turn + 4 * sums / rates.l2_bytes_per_s
    macs = blocks * all_steps * 2.0 * tile.rows * tile.keys * shape.head_dim
    return body, compute, macs, f"keys in {used} parts of {steps} tiles"


def _rounds_s(rates: Rates, shape: Heads, tile: Tile, per_cu: float, steps: int) -> float:
    """Blocks of one CU, `steps` tiles each: as many at once as it holds, the last ones alone."""
    step, alone = _step_s(rates, shape, tile), _alone_s(rates, shape, tile)
    start = _ends_s(rates, shape, tile, min(shape.group, tile.rows))
    resident = _resident(rates)

    def together(blocks: int) -> float:
        last = _last_s(rates, shape, tile) if blocks * step < alone else 0.0
        return steps * max(blocks * step, alone) - last + start

    if per_cu > MANY_ROUNDS:
        return per_cu / resident * together(resident)
    rounds, left = divmod(int(np.ceil(per_cu)), resident)
    return rounds * together(resident) + (together(left) if left else 0.0)


def _parts(rates: Rates, shape: Heads, blocks: int, all_steps: int) -> int:
    """Into how many parts the library cuts the keys of one new token.

    The third generation's planner gives each CU its share of all tiles. The second generation's rule is the fewest
    parts that fill two blocks a CU nearly as well as the best number does; heads that share no keys stay whole.
    """
    if rates.direct:
        share = -(-int(MARGIN * blocks * all_steps) // rates.cus)
        return -(-all_steps // max(share, 1))
    slots = 2 * rates.cus
    if shape.group == 1 or blocks >= FILLED * slots:
        return 1
    filled = {1: blocks / slots}
    for parts in range(2, min(MOST_PARTS, slots, all_steps) + 1):
        if -(-all_steps // parts) != -(-all_steps // (parts - 1)):
            rounds = blocks * parts / slots
            filled[parts] = rounds / np.ceil(rounds)
    enough = NEARLY * max(filled.values())
    return next(parts for parts, share in filled.items() if share >= enough)


def best_parts(rates: Rates, shape: Heads) -> int:
    """The parts of the keys that `attention` chose."""
    if shape.new_tokens > 1:
        return 1
    words = _split(rates, shape, tile_of(rates, shape))[3]
    return int(words.split()[2])


def _cache_write(rates: Rates, shape: Heads) -> float:
    """Keys and values into the cache, a block a token: its latency by rounds, or its traffic and the last of them."""
    threads = min(shape.kv_heads * shape.head_dim, CACHE_THREADS)
    resident = min(rates.cu_threads // threads, 32)
    tokens = shape.batch * shape.new_tokens
    block = rates.block_start_s + CACHE_LOADS * (rates.l2_latency_s + rates.miss_latency_s)
    values = 2 * tokens * shape.kv_heads * shape.head_dim * WIDTH
    far = far_share(rates, 2 * values)
    memory = values * far * (1 + rates.written_factor) / _bandwidth(rates, shape)
    memory += 2 * values * (1 - far) / near_bandwidth(rates)
    return max(max(tokens / (rates.cus * resident), 1.0) * block, memory + block)


def _launches(rates: Rates, shape: Heads) -> float:
    """The cache writer's launch, the attention's behind it and, where blocks are planned, the planner between them.

    Second generation: heads of one token that are packed take a small kernel more.
    """
    chain = rates.launch_s + rates.gap_s
    if not rates.direct:
        return chain + (rates.gap_s if shape.new_tokens == 1 and shape.group > 1 else 0.0)
    turns = -(-shape.batch // PLANNED_AT_ONCE)
    if shape.batch > MOST_PLANNED:
        return chain + turns * UNPLANNED_LOADS * rates.l2_latency_s
    return chain + rates.gap_s + rates.block_start_s + (1 + turns) * (rates.l2_latency_s + rates.miss_latency_s)


def _gathered(rates: Rates, shape: Heads) -> float:
    """Second generation, one new token, grouped heads: queries and results pass two kernels that reorder them."""
    if rates.direct or shape.new_tokens > 1 or shape.batch == 1 or shape.kv_heads == 1 or shape.group == 1:
        return 0.0
    moved = 4 * shape.batch * shape.heads * shape.head_dim * WIDTH
    return 2 * (
        rates.gap_s + rates.block_start_s + 2 * (rates.l2_latency_s + rates.miss_latency_s)
    ) + moved / _bandwidth(rates, shape)
