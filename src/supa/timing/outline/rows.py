"""Streams and row kernels: element-wise, norms, gated activations, rotary embedding. Not here: products.

A stream is a grid of small blocks with wide accesses: the memory bounds it. A row kernel gives a token to a block
whose threads step along the row; each turn waits for its own loads and issues its own instructions, so that latency
bounds short rows. What a kernel touches stays in the L2 when it fits, as in a network that runs again and again.
"""

from __future__ import annotations

from dataclasses import dataclass

from supa.timing.mechanisms import LANE_RUN_BYTES
from supa.timing.outline.estimate import Estimate, joined
from supa.timing.outline.rates import Rates

WIDTH = 2
ROW_THREADS = 1024
ROTARY_THREADS = 512
STAYS, GONE = 0.45, 1.25  # working sets, in L2s: up to the first all of it stays, from the second on nothing
ROUND_TAIL = 0.8  # a round of blocks that is not full costs this much less than it would in proportion
NEAR_MIXED = 0.66  # of what reads alone reach, where every second access is a write
SMOOTH_ROUNDS = 12  # of so many rounds, the last one does not show


@dataclass(frozen=True, kw_only=True)
class RowKernel:
    """A block's loop along its row: what a turn waits for, far and near, and the instructions of a thread's turn."""

    rows: int
    width: int  # elements that threads step along; in the last turn some threads have none
    turns: int
    threads: int
    far_waits: int
    near_waits: int
    instructions: int
    moved_bytes: int  # by all rows
    working_bytes: int  # different ones


def stream(rates: Rates, elements: int, *, inputs: int, width: int = WIDTH, result: int | None = None) -> Estimate:
    """Element-wise: `inputs` tensors of `elements` in, one out; `result` bytes an element where not `width`, or 0."""
    read, written = elements * inputs * width, elements * (width if result is None else result)
    moved = read + written
    far = far_share(rates, moved)
    reached = far * (read + rates.written_factor * written) / rates.hbm_stream_bytes_per_s
    start = rates.block_start_s + rates.l2_latency_s + rates.hbm_latency_s * far
    memory = reached + moved * (1 - far) / near_bandwidth(rates)
    return _estimate(rates, start + memory, moved, far, memory, elements * inputs)


def _turns(width: int, threads: int) -> int:
    return -(-width // threads)


def norm(rates: Rates, tokens: int, hidden: int) -> Estimate:
    """RMS or layer norm: the row is read, reduced and read again, then written."""
    moved = tokens * hidden * 2 * WIDTH
    threads = min(hidden, ROW_THREADS)
    return _rows(rates, RowKernel(rows=tokens, width=hidden, turns=_turns(hidden, threads), threads=threads,
                                  far_waits=1, near_waits=1, instructions=NORM, moved_bytes=moved,
                                  working_bytes=moved))  # fmt: skip


def gated(rates: Rates, tokens: int, width: int, *, inputs: int = 2) -> Estimate:
    """An activation of `inputs` halves of `width` (SiLU and multiply, or GELU)."""
    moved = tokens * width * (inputs + 1) * WIDTH
    threads = min(width, ROW_THREADS)
    return _rows(rates, RowKernel(rows=tokens, width=width, turns=_turns(width, threads), threads=threads,
                                  far_waits=1, near_waits=0, instructions=GATED, moved_bytes=moved,
                                  working_bytes=moved))  # fmt: skip


def rotary(rates: Rates, tokens: int, heads: int, kv_heads: int, head_dim: int) -> Estimate:
    """Rotary embedding of queries and keys in place, one after the other; a thread turns a pair of elements."""
    pairs = (heads + kv_heads) * head_dim // 2
    values = tokens * pairs * 2 * WIDTH
    threads = max(min(heads * head_dim // 2, ROTARY_THREADS), 32)
    turns = sum(_turns(one * head_dim // 2, threads) for one in (heads, kv_heads))
    return _rows(rates, RowKernel(rows=tokens, width=pairs, turns=turns, threads=threads, far_waits=1, near_waits=1,
                                  instructions=ROTARY, moved_bytes=2 * values, working_bytes=values))  # fmt: skip


NORM, GATED, ROTARY = 52, 70, 110
"""Instructions of an element, all passes: conversions, addresses, bounds, exponential, division."""


def _rows(rates: Rates, kernel: RowKernel) -> Estimate:
    resident = max(rates.cu_threads // kernel.threads, 1)
    far = far_share(rates, kernel.working_bytes)
    waits = kernel.far_waits * (rates.l2_latency_s + far * rates.hbm_latency_s) + kernel.near_waits * rates.l2_latency_s
    per_cu = kernel.rows / rates.cus
    together = min(max(per_cu, 1.0), resident)
    issue = kernel.instructions * kernel.width * together / rates.cu_issues_per_s
    block = rates.block_start_s + rates.l2_latency_s + kernel.turns * waits + issue
    rounds = per_cu / resident
    whole = -(-kernel.rows // (rates.cus * resident))
    shown = max(1.0, (1 - ROUND_TAIL) * whole + ROUND_TAIL * rounds if rounds < SMOOTH_ROUNDS else rounds + 0.3)
    bandwidth = float(rates.hbm_in_runs(LANE_RUN_BYTES))
    memory = kernel.moved_bytes * (far / bandwidth + (1 - far) / near_bandwidth(rates))
    body = float(joined(shown * block, memory))
    lanes = kernel.rows * kernel.width * kernel.instructions
    return _estimate(rates, body, kernel.moved_bytes, far, memory, lanes)


def _estimate(rates: Rates, body: float, moved: int, far: float, memory: float, lanes: int) -> Estimate:
    time = rates.notice_s + body
    energy = moved * (rates.l2_j_per_byte + far * rates.hbm_j_per_byte) + lanes * rates.vector_j
    bound = "launch" if body < time / 2 else ("hbm" if far > 0.5 else "l2") if memory > 0.7 * body else "latency"
    return Estimate(time_s=time, energy_j=energy + rates.static_w * time, bound_by=bound)


def far_share(rates: Rates, working_bytes: int) -> float:
    """The share of accesses that go to the HBM when a working set is walked again and again."""
    share = working_bytes / rates.l2_bytes
    return min(max((share - STAYS) / (GONE - STAYS), 0.0), 1.0)


def near_bandwidth(rates: Rates) -> float:
    """Reads and writes of the L2 mixed."""
    return rates.l2_bytes_per_s * rates.l2_share * NEAR_MIXED
