"""C = A B as tiles: one output tile a block, a pipelined loop over k; dot products for one row. Not here: choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from supa.program.program import Resources
from supa.program.work import Access, Barrier, Count, Engine, Exchange, Matrix, Node, Repeat, Vector, Work
from supa.timing.mechanisms import PARTS_AT_ONCE, TILE_RUN_BYTES
from supa.timing.workloads.kernel import Kernel, arena, stream_of

MatrixFormat = Literal["bf16", "fp16", "tf32"]
_ELEMENT = {"bf16": ("bf16", 2), "fp16": ("f16", 2), "tf32": ("f32", 4)}
SUM_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How a product is cut: the block's tile, pipelining depth, warps, rows of tiles that run beside each other.

    `parts` of k go to blocks of their own, whose sums meet in memory. `cluster` blocks share reads of the larger
    operand's tiles (1: none).
    """

    m: int = 128
    n: int = 128
    k: int = 64
    stages: int = 3
    warps: int = 4
    group: int = 8
    engine: Engine = "load_store"
    parts: int = 1
    cluster: int = 1
    registers: int = 48  # of a thread, beside its sums


DEFAULT_TILING = Tiling()


def gemm(
    m: int,
    n: int,
    k: int,
    *,
    tensor_format: MatrixFormat = "bf16",
    tiling: Tiling = DEFAULT_TILING,
    warm_share: float = 0.0,
) -> Kernel:
    """A of (m, k) and B of (n, k), both with k contiguous, to C of (m, n), all of one format, sums in fp32.

    `warm_share` of A lies in the L2 when the kernel starts.
    """
    dtype, width = _ELEMENT[tensor_format]
    a, b, c, sums = arena(m * k * width, n * k * width, m * n * width, tiling.parts * m * n * SUM_BYTES)
    row, column, part = _order(m, n, tiling)
    blocks = len(row)
    turns = -(-k // tiling.k)
    each = -(-turns // tiling.parts)
    steps = np.clip(turns - part * each, 1, each)
    start = part * each * tiling.k
    ones = np.ones(blocks, np.int64)
    left = [ones * k * width, k - start, ones * width]
    load_a = [a + (row * tiling.m * k + start) * width, m - row * tiling.m, *left]
    load_b = [b + (column * tiling.n * k + start) * width, n - column * tiling.n, *left]
    move = [ones * tiling.k * width, ones * 0, ones * 0, ones * -tiling.k, ones * 0]
    corner = row * tiling.m * n + column * tiling.n
    rows, columns = m - row * tiling.m, n - column * tiling.n
    store = [c + corner * width, rows, ones * n * width, columns, ones * width]
    if tiling.parts > 1:
        own = [sums + (part * m * n + corner) * SUM_BYTES, rows, ones * n * SUM_BYTES, columns, ones * SUM_BYTES]
        share = -(-tiling.m // tiling.parts)
        first = corner + part * share * n
        mine = np.clip(rows - part * share, 0, share)
        others = [sums + first * SUM_BYTES, ones * tiling.parts, ones * m * n * SUM_BYTES, mine,
                  ones * n * SUM_BYTES, columns, ones * SUM_BYTES]  # fmt: skip
        turns_of_adding = ones * -(-tiling.parts // PARTS_AT_ONCE)
        onwards = [ones * PARTS_AT_ONCE * m * n * SUM_BYTES, ones * -PARTS_AT_ONCE, *[ones * 0] * 5]
        store = [
            *own,
            turns_of_adding,
            *others,
            *onwards,
            c + first * width,
            mine,
            ones * n * width,
            columns,
            ones * width,
        ]
    return Kernel(
        name="gemm",
        work=_work(tiling, tensor_format, dtype, width),
        resources=_resources(tiling, width),
        grid=(blocks, 1, 1),
        stream=stream_of(np.stack([steps, *load_a, *load_b, *move, *move, *store], axis=1)),
        warm=((a, int(warm_share * m * k * width)),) if warm_share > 0 else (),
    )


DOT_ROWS, DOT_COLUMNS = 4, 1024  # of B that a block multiplies, a row a warp, and of k, all under way at once


def dots(n: int, k: int) -> Kernel:
    """A row of (1, k) times B of (n, k): dot products on the vector lanes, 16-bit elements.

    Blocks that share a row of B by k hand their sums over in memory.
    """
    width = 2
    a, b, c = arena(k * width, n * k * width, n * width)
    parts, groups = -(-k // DOT_COLUMNS), -(-n // DOT_ROWS)
    block = np.arange(groups * parts, dtype=np.int64)
    first, start = block // parts * DOT_ROWS, block % parts * DOT_COLUMNS
    ones = np.ones(len(block), np.int64)
    rows, left = n - first, k - start
    mine = np.where(start == 0, rows, 0)
    load_a = [a + start * width, left, ones * width]
    load_b = [b + (first * k + start) * width, rows, ones * k * width, left, ones * width]
    multiply = Count(kind="fma", format="f32", elements=DOT_ROWS * min(k, DOT_COLUMNS))
    body: tuple[Node, ...] = (
        Access(id=0, kind="load", element_bytes=width, shape=(DOT_COLUMNS,), argument=0),
        Access(
            id=1,
            kind="load",
            element_bytes=width,
            shape=(DOT_ROWS, DOT_COLUMNS),
            argument=1,
            piece_bytes=TILE_RUN_BYTES,
        ),
        Vector(id=2, waits=(0, 1), counts=(multiply,)),
        Exchange(id=3, waits=(2,), scope="warp", bytes=DOT_ROWS * 32 * 4, rounds=5),
    )
    if parts > 1:
        body = (*body, Barrier(id=4, scope="grid", waits=(3,)))
    store = Access(id=5, waits=(len(body) - 1,), kind="store", element_bytes=width, shape=(DOT_ROWS,), argument=2)
    return Kernel(
        name="dots",
        work=Work(body=(*body, store)),
        resources=Resources(threads=32 * DOT_ROWS, registers_per_thread=48, shared_bytes=0),
        grid=(len(block), 1, 1),
        stream=stream_of(np.stack([*load_a, *load_b, c + first * width, mine, ones * width], axis=1)),
    )


def _order(m: int, n: int, tiling: Tiling) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and part of each block's tile: down `group` rows of tiles, then one column on; parts outermost."""
    rows, columns = -(-m // tiling.m), -(-n // tiling.n)
    block = np.arange(rows * columns * tiling.parts)
    part, tile = block // (rows * columns), block % (rows * columns)
    first = tile // (tiling.group * columns) * tiling.group
    height = np.minimum(rows - first, tiling.group)
    within = tile % (tiling.group * columns)
    return first + within % height, within // height, part


def _work(tiling: Tiling, tensor_format: str, dtype: str, width: int) -> Work:
    shared_left = tiling.m >= tiling.n

    def load(step: int, rows: int, argument: int, shared: bool) -> Access:
        return Access(
            id=step, kind="load", element_bytes=width, shape=(rows, tiling.k), engine=tiling.engine,
            argument=argument, asynchronous=True, multicast=tiling.cluster if shared else 1,
        )  # fmt: skip

    product = Matrix(id=2, waits=(0, 1, 2), m=tiling.m, n=tiling.n, k=tiling.k, format=tensor_format)
    left, right = load(0, tiling.m, 0, shared_left), load(1, tiling.n, 1, not shared_left)
    loop = Repeat(body=(left, right, product), stages=tiling.stages)
    return Work(body=(loop, *_end(tiling, dtype, width)))


def _end(tiling: Tiling, dtype: str, width: int) -> tuple[Node, ...]:
    """The sums to C; of split products first to memory, where every block adds its share of all parts."""
    tile = tiling.m * tiling.n
    if tiling.parts == 1:
        convert = Vector(id=3, waits=(2,), counts=(Count(kind="convert", format=dtype, elements=tile),))
        return (
            convert,
            Access(id=4, waits=(3,), kind="store", element_bytes=width, shape=(tiling.m, tiling.n), argument=2),
        )
    share = -(-tiling.m // tiling.parts)
    together = min(tiling.parts, PARTS_AT_ONCE)
    adding = (
        Access(id=5, waits=(4,), kind="load", element_bytes=SUM_BYTES, shape=(together, share, tiling.n), argument=3),
        Vector(id=6, waits=(5, 6), counts=(Count(kind="add", format="f32", elements=together * share * tiling.n),)),
    )
    convert = Vector(id=7, waits=(6,), counts=(Count(kind="convert", format=dtype, elements=share * tiling.n),))
    return (
        Access(id=3, waits=(2,), kind="store", element_bytes=SUM_BYTES, shape=(tiling.m, tiling.n), argument=3),
        Barrier(id=4, scope="grid", waits=(3,)),
        Repeat(body=adding),
        convert,
        Access(id=8, waits=(7,), kind="store", element_bytes=width, shape=(share, tiling.n), argument=2),
    )


def _resources(tiling: Tiling, width: int) -> Resources:
    threads = 32 * tiling.warps
    return Resources(
        threads=threads,
        registers_per_thread=min(255, tiling.m * tiling.n // threads + tiling.registers),
        shared_bytes=tiling.stages * (tiling.m + tiling.n) * tiling.k * width,
    )
