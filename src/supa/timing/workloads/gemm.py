"""C = A B as tiles: one output tile a block, a pipelined loop over k. Not here: which tiling is best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from supa.program.program import Resources
from supa.program.work import Access, Count, Engine, Matrix, Repeat, Vector, Work
from supa.timing.workloads.kernel import Kernel, arena, stream_of

MatrixFormat = Literal["bf16", "fp16", "tf32"]
_ELEMENT = {"bf16": ("bf16", 2), "fp16": ("f16", 2), "tf32": ("f32", 4)}


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How a product is cut: the block's tile, pipelining depth, warps, rows of tiles that run beside each other."""

    m: int = 128
    n: int = 128
    k: int = 64
    stages: int = 3
    warps: int = 4
    group: int = 8
    engine: Engine = "load_store"


DEFAULT_TILING = Tiling()


def gemm(m: int, n: int, k: int, *, tensor_format: MatrixFormat = "bf16", tiling: Tiling = DEFAULT_TILING) -> Kernel:
    """A of (m, k) and B of (n, k), both with k contiguous, to C of (m, n), all of one format, sums in fp32."""
    dtype, width = _ELEMENT[tensor_format]
    a, b, c = arena(m * k * width, n * k * width, m * n * width)
    row, column = _order(m, n, tiling)
    blocks, steps = len(row), -(-k // tiling.k)
    ones = np.ones(blocks, np.int64)
    load_a = [a + row * tiling.m * k * width, m - row * tiling.m, ones * k * width, ones * k, ones * width]
    load_b = [b + column * tiling.n * k * width, n - column * tiling.n, ones * k * width, ones * k, ones * width]
    move = [ones * tiling.k * width, ones * 0, ones * 0, ones * -tiling.k, ones * 0]
    address = c + (row * tiling.m * n + column * tiling.n) * width
    store = [address, m - row * tiling.m, ones * n * width, n - column * tiling.n, ones * width]
    return Kernel(
        name="gemm",
        work=_work(tiling, tensor_format, dtype, width),
        resources=_resources(tiling, width),
        grid=(blocks, 1, 1),
        stream=stream_of(np.stack([ones * steps, *load_a, *load_b, *move, *move, *store], axis=1)),
    )


def _order(m: int, n: int, tiling: Tiling) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each block's tile: down `group` rows of tiles, then one column on."""
    rows, columns = -(-m // tiling.m), -(-n // tiling.n)
    block = np.arange(rows * columns)
    first = block // (tiling.group * columns) * tiling.group
    height = np.minimum(rows - first, tiling.group)
    within = block % (tiling.group * columns)
    return first + within % height, within // height


def _work(tiling: Tiling, tensor_format: str, dtype: str, width: int) -> Work:
    def load(step: int, rows: int, argument: int) -> Access:
        return Access(
            id=step, kind="load", element_bytes=width, shape=(rows, tiling.k), engine=tiling.engine,
            argument=argument, asynchronous=True,
        )  # fmt: skip

    product = Matrix(id=2, waits=(0, 1), m=tiling.m, n=tiling.n, k=tiling.k, format=tensor_format)
    loop = Repeat(body=(load(0, tiling.m, 0), load(1, tiling.n, 1), product), stages=tiling.stages)
    convert = Vector(id=3, waits=(2,), counts=(Count(kind="convert", format=dtype, elements=tiling.m * tiling.n),))
    store = Access(id=4, waits=(3,), kind="store", element_bytes=width, shape=(tiling.m, tiling.n), argument=2)
    return Work(body=(loop, convert, store))


def _resources(tiling: Tiling, width: int) -> Resources:
    threads = 32 * tiling.warps
    return Resources(
        threads=threads,
        registers_per_thread=min(255, tiling.m * tiling.n // threads + 48),  # the sums, and what addresses take
        shared_bytes=tiling.stages * (tiling.m + tiling.n) * tiling.k * width,
    )
