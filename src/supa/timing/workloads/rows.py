"""Row kernels: norm, gated activation, rotary embedding; a block a token, threads step along the row. Not here: rates.

Each turn of a block loads what its threads step over, waits for it and works on it; lanes take one element each, so
that a warp's load is of 64 neighbouring bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from supa.program.program import Resources
from supa.program.work import Access, Count, Exchange, Node, Repeat, Step, Vector, Work
from supa.timing.workloads.kernel import Kernel, arena, stream_of

WIDTH = 2
MOST_THREADS = 1024
ROTARY_THREADS = 512
PIECE_BYTES = 64  # of 32 lanes with an element of two bytes each
NORM_INSTRUCTIONS, GATED_INSTRUCTIONS, ROTARY_INSTRUCTIONS = 34, 93, 158
"""Of an element (of a norm: of one of two passes), addresses and conversions included; fixed on the fit half."""


@dataclass(frozen=True, kw_only=True)
class Operand:
    """A tensor that a block's loop walks: its address, bytes from row to row and from turn to turn; how it is used."""

    address: int
    row_bytes: int
    written: bool = False


def norm(tokens: int, hidden: int) -> Kernel:
    """RMS or layer norm: the row is read and reduced, then read again and written."""
    x, y = arena(tokens * hidden * WIDTH, tokens * hidden * WIDTH)
    threads = min(hidden, MOST_THREADS)
    row = hidden * WIDTH
    first = _Loop(threads, hidden, 0, [Operand(address=x, row_bytes=row)], NORM_INSTRUCTIONS)
    across = Exchange(id=first.end, waits=(first.end - 1,), scope="block", bytes=threads * 4, rounds=2)
    operands = [Operand(address=x, row_bytes=row), Operand(address=y, row_bytes=row, written=True)]
    second = _Loop(threads, hidden, first.end + 1, operands, NORM_INSTRUCTIONS, waits=(across.id,))
    return _kernel("norm", (first.node, across, second.node), [first, second], tokens, hidden, threads)


def gated(tokens: int, width: int, *, inputs: int = 2) -> Kernel:
    """An activation of `inputs` halves of `width`: SiLU and multiply, or GELU."""
    size = tokens * width * WIDTH
    x, y = arena(inputs * size, size)
    threads = min(width, MOST_THREADS)
    row = width * WIDTH
    operands = [Operand(address=x + part * row, row_bytes=inputs * row) for part in range(inputs)]
    written = Operand(address=y, row_bytes=row, written=True)
    loop = _Loop(threads, width, 0, [*operands, written], GATED_INSTRUCTIONS)
    return _kernel("gated", (loop.node,), [loop], tokens, width, threads)


def rotary(tokens: int, heads: int, kv_heads: int, head_dim: int) -> Kernel:
    """Rotary embedding of queries and keys in place; a thread turns a pair of elements."""
    pairs = (heads + kv_heads) * head_dim // 2
    row = 2 * pairs * WIDTH
    x, table = arena(tokens * row, head_dim * WIDTH * 8192)
    threads = max(min(heads * head_dim // 2, ROTARY_THREADS), 32)
    angles = Operand(address=table, row_bytes=0)
    halves = [Operand(address=x + part * (row // 2), row_bytes=row) for part in range(2)]
    written = [Operand(address=half.address, row_bytes=row, written=True) for half in halves]
    loop = _Loop(threads, pairs, 0, [angles, *halves, *written], ROTARY_INSTRUCTIONS, chained=True)
    return _kernel("rotary", (loop.node,), [loop], tokens, pairs, threads)


class _Loop:
    """One loop along a row: loads, instructions, stores; `chained`: the second load needs the first."""

    def __init__(
        self, threads: int, width: int, first: int, operands: list[Operand], instructions: int, *,
        waits: tuple[int, ...] = (), chained: bool = False,
    ) -> None:  # fmt: skip
        self.operands, self.threads = operands, threads
        read = [operand for operand in operands if not operand.written]
        steps: list[Step] = []
        for place, _ in enumerate(read):
            before = (first + place - 1,) if chained and place == 1 else ()
            steps.append(_access("load", first + place, threads, (*waits, *before)))
        working = -(-width // -(-width // threads))  # on average: in the last turn some threads have no element
        lanes = working * instructions // 2  # address and control beside arithmetic: both kinds of lanes side by side
        counts = (Count(kind="add", format="f32", elements=lanes), Count(kind="add", format="i32", elements=lanes))
        work = first + len(read)
        steps.append(Vector(id=work, waits=tuple(range(first, work)), counts=counts))
        for place in range(len(operands) - len(read)):
            steps.append(_access("store", work + 1 + place, threads, (work,)))
        self.node = Repeat(body=tuple(steps))
        self.end = first + len(steps)

    def values(self, rows: np.ndarray, width: int) -> list[np.ndarray]:
        """Trips, the first turn's values and their increments."""
        ones = np.ones(len(rows), np.int64)
        columns = [ones * -(-width // self.threads)]
        for operand in self.operands:
            columns += [operand.address + rows * operand.row_bytes, ones * width, ones * WIDTH]
        for _ in self.operands:
            columns += [ones * self.threads * WIDTH, ones * -self.threads, ones * 0]
        return columns


def _access(kind: str, step: int, threads: int, waits: tuple[int, ...]) -> Access:
    return Access(
        id=step, kind=kind, element_bytes=WIDTH, shape=(threads,), waits=waits, argument=step,  # type: ignore[arg-type]
        piece_bytes=PIECE_BYTES,
    )  # fmt: skip


def _kernel(name: str, body: tuple[Node, ...], loops: list[_Loop], tokens: int, width: int, threads: int) -> Kernel:
    rows = np.arange(tokens, dtype=np.int64)
    columns = [column for loop in loops for column in loop.values(rows, width)]
    return Kernel(
        name=name,
        work=Work(body=body),
        resources=Resources(threads=-(-threads // 32) * 32, registers_per_thread=32, shared_bytes=0),
        grid=(tokens, 1, 1),
        stream=stream_of(np.stack(columns, axis=1)),
    )
