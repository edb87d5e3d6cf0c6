"""Kernels for the tests of timing, built by hand after the contract of `program.work`."""

from __future__ import annotations

import numpy as np

from supa.program.program import Resources
from supa.program.work import (
    Access,
    Barrier,
    Branch,
    Count,
    Exchange,
    Loop,
    Matrix,
    Node,
    Repeat,
    Vector,
    Work,
)
from supa.timing.workloads import Kernel, elementwise, gemm
from supa.timing.workloads.gemm import Tiling

BASE = 1 << 30


def kernel(*body: Node, rows: list[list[int]], threads: int = 128, registers: int = 64, shared: int = 0) -> Kernel:
    stream = np.array([value for row in rows for value in [len(row), *row]], np.int64)
    return Kernel(
        name="test",
        work=Work(body=body),
        resources=Resources(threads=threads, registers_per_thread=registers, shared_bytes=shared),
        grid=(len(rows), 1, 1),
        stream=stream,
    )


def load(step: int, elements: int, *, waits: tuple[int, ...] = (), ahead: bool = False) -> Access:
    return Access(id=step, kind="load", element_bytes=4, shape=(elements,), waits=waits, asynchronous=ahead)


def store(step: int, elements: int, *, waits: tuple[int, ...] = ()) -> Access:
    return Access(id=step, kind="store", element_bytes=4, shape=(elements,), waits=waits)


def adds(step: int, elements: int, *, waits: tuple[int, ...] = ()) -> Vector:
    return Vector(id=step, waits=waits, counts=(Count(kind="add", format="f32", elements=elements),))


def product(step: int, *, waits: tuple[int, ...] = (), size: int = 128, k: int = 64) -> Matrix:
    return Matrix(id=step, waits=waits, m=size, n=size, k=k, format="bf16")


def copy(blocks: int, elements: int = 1024, *, limit: int | None = None) -> Kernel:
    """Each block copies `elements` f32 values; `limit` of them where given."""
    size = elements if limit is None else limit
    rows = [[BASE + b * elements * 4, size, 4, 2 * BASE + b * elements * 4, size, 4] for b in range(blocks)]
    return kernel(load(0, elements), store(1, elements, waits=(0,)), rows=rows)


def softmax(rows: int, columns: int = 1024) -> Kernel:
    """A block a row: maximum, exponential, sum, division."""
    data = [[BASE + r * columns * 4, columns, 4, 2 * BASE + r * columns * 4, columns, 4] for r in range(rows)]
    return kernel(
        load(0, columns),
        adds(1, columns, waits=(0,)),
        Exchange(id=2, waits=(1,), scope="block", bytes=512, rounds=2),
        Vector(id=3, waits=(2,), counts=(Count(kind="special", format="f32", elements=columns),)),
        Exchange(id=4, waits=(3,), scope="block", bytes=512, rounds=2),
        Vector(id=5, waits=(4,), counts=(Count(kind="div", format="f32", elements=columns),)),
        store(6, columns, waits=(5,)),
        rows=data,
    )


def attention(heads: int, blocks_per_head: int, steps: int, *, stages: int = 2) -> Kernel:
    """FlashAttention's forward loop: 64 queries a block, 64 keys a step, 64 wide, bf16 as rows of 128 bytes."""
    tile = 64 * 64
    rows = []
    for head in range(heads):
        keys = BASE + head * steps * tile * 2
        for block in range(blocks_per_head):
            query = 2 * BASE + (head * blocks_per_head + block) * tile * 2
            values = [keys, tile, 2, 3 * BASE + keys, tile, 2]
            move = [tile * 2, 0, 0, tile * 2, 0, 0]
            rows.append([query, tile, 2, steps, *values, *move, query + 4 * BASE, tile, 2])

    def tile_of(step: int, kind: str, waits: tuple[int, ...] = (), ahead: bool = False) -> Access:
        return Access(id=step, kind=kind, element_bytes=2, shape=(tile,), waits=waits, asynchronous=ahead)  # type: ignore[arg-type]

    loop = Repeat(
        stages=stages,
        body=(
            tile_of(1, "load", ahead=True),
            tile_of(2, "load", ahead=True),
            Matrix(id=3, waits=(0, 1), m=64, n=64, k=64, format="bf16"),
            Vector(id=4, waits=(3, 4), counts=(Count(kind="special", format="f32", elements=tile),)),
            Matrix(id=5, waits=(2, 4, 5), m=64, n=64, k=64, format="bf16", left_shared=False),
        ),
    )
    return kernel(tile_of(0, "load"), loop, tile_of(6, "store", waits=(5,)), rows=rows, registers=128, shared=24 << 10)


def walks_everything(trips: int, side: int) -> Kernel:
    """Nested loops, a loop spelled out, a branch, a barrier, an atomic and scattered loads."""
    inner = Repeat(body=(load(0, 256, ahead=True), adds(1, 256, waits=(0, 1))), stages=3)
    branch = Branch(then=(adds(2, 64, waits=(1,)), Barrier(id=3)), otherwise=(load(4, 64),))
    outer = Loop(body=(inner, branch))
    flat = Loop(body=(load(5, 128, ahead=True), adds(6, 128, waits=(5,))), stages=2)
    add = Access(id=7, kind="atomic", element_bytes=4, shape=(32,), waits=(6,), returns=False)
    gather = Access(id=8, kind="load", element_bytes=4, shape=(512,), scattered=True)
    turns = [
        v
        for t in range(trips)
        for v in [t, *([BASE, 256, 4, 1024, 0, 0] if t else []), side, *([] if side else [BASE, 64, 4])]
    ]
    spelled = [v for t in range(trips) for v in [BASE + 4096 * t, 128, 4]]
    row = [trips, *turns, trips, *spelled, BASE, 32, 4, 5 * BASE, 300]
    return kernel(outer, flat, add, gather, rows=[row] * 5)


def suite() -> dict[str, Kernel]:
    """Small kernels of every sort; they fit BR100's 32 KB of shared memory a block."""
    tiling = Tiling(m=64, n=64, k=64, stages=2)
    return {
        "gemm": gemm(512, 768, 512, tiling=tiling),
        "ragged gemm": gemm(500, 700, 300, tiling=tiling),
        "elementwise": elementwise(1 << 20, inputs=2),
        "copy": copy(700),
        "softmax": softmax(600),
        "attention": attention(16, 8, 8),
        "everything": walks_everything(3, 1),
    }
