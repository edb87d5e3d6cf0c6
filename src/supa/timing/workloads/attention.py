"""Causal attention over a paged cache as launches of tile work: write the cache, attend, join parts. Not here: tiles.

A block holds query rows and walks the keys: a product, a softmax on the vector lanes, a product, each waiting for the
one before; blocks that share a CU hide each other's waits. Groups of warps that share a block's keys are blocks of
their own here, which receive the keys by one read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from supa.program.program import Resources
from supa.program.work import Access, Barrier, Count, Engine, Matrix, Node, Repeat, Step, Vector, Work
from supa.timing.mechanisms import TILE_RUN_BYTES
from supa.timing.workloads.kernel import Kernel, arena, stream_of

WIDTH = 2
SUM_BYTES = 4
SOFTMAX_OPERATIONS = 12  # of a score: scale, mask, maximum, subtract, sum, rescale, convert, addresses
CHAIN_BYTES = 256  # between entries of a table that blocks look up, so that neighbours do not share them


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One attention: rows of queries that share keys, per `groups` of heads; keys that the first and last row see."""

    sequences: int
    groups: int  # of heads, each with keys of its own
    rows: int
    rows_per_token: int
    new_tokens: int
    past_tokens: int
    head_dim: int

    @property
    def keys(self) -> int:
        """Keys that the last row sees."""
        return self.new_tokens + self.past_tokens


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Tile rows and keys, what a block looks up before it starts, parts of the keys, and what hides what."""

    rows: int
    keys: int
    lookups: int
    parts: int = 1
    shared_by: int = 1  # blocks that receive keys by one read: groups of warps of one real block
    handover: bool = False  # parts meet within the kernel
    engine: Engine = "load_store"
    shared_bytes: int = 0
    threads: int = 128
    section: int = 1  # pairs of sequence and group whose blocks are mixed, longest first


def attend(shape: Shape, schedule: Schedule) -> Kernel:
    """The main kernel."""
    plan = _Plan(shape, schedule)
    width = shape.head_dim
    row = width * WIDTH
    token = (
        2 * shape.groups * row
    )  # keys and values of a token lie beside each other, those of a group behind another's
    q, cache, out, table, sums = arena(
        shape.sequences * shape.groups * shape.rows * row,
        shape.sequences * shape.keys * token,
        shape.sequences * shape.groups * shape.rows * row,
        len(plan.trips) * CHAIN_BYTES * schedule.lookups,
        schedule.parts * shape.sequences * shape.groups * shape.rows * width * SUM_BYTES,
    )
    ones = np.ones(len(plan.trips), np.int64)
    number = np.arange(len(plan.trips))
    columns: list[np.ndarray] = []
    for lookup in range(schedule.lookups):
        columns += [table + (number * schedule.lookups + lookup) * CHAIN_BYTES, ones * 2, ones * 128]
    rows_left = np.minimum(shape.rows - plan.first_row, schedule.rows)
    columns += [
        q + plan.pair * shape.rows * row + plan.first_row * row,
        rows_left,
        ones * row,
        ones * width,
        ones * WIDTH,
    ]
    sequence, group = plan.pair // shape.groups, plan.pair % shape.groups
    keys = cache + (sequence * shape.keys + plan.first_key) * token + 2 * group * row
    load = [shape.keys - plan.first_key, ones * token, ones * width, ones * WIDTH]
    columns += [plan.trips, keys, *load, keys + row, *load]
    move = [ones * schedule.keys * token, ones * -schedule.keys, ones * 0, ones * 0, ones * 0]
    columns += [*move, *move]
    if schedule.parts > 1:
        address = sums + ((plan.part * shape.groups * shape.sequences + plan.pair) * shape.rows + plan.first_row) * (
            width * SUM_BYTES
        )
        columns += [address, rows_left, ones * width * SUM_BYTES, ones * width, ones * SUM_BYTES]
    else:
        columns += [out + plan.pair * shape.rows * row + plan.first_row * row, rows_left, ones * row, ones * width,
                    ones * WIDTH]  # fmt: skip
    return Kernel(
        name="attention",
        work=Work(body=_body(shape, schedule)),
        resources=Resources(threads=schedule.threads, registers_per_thread=255, shared_bytes=schedule.shared_bytes),
        grid=(len(plan.trips), 1, 1),
        stream=stream_of(np.stack(np.broadcast_arrays(*columns), axis=1)),
    )


class _Plan:
    """Every block's place: sequence and group, first row, first key, trips; int64[blocks] each."""

    def __init__(self, shape: Shape, schedule: Schedule) -> None:
        tiles = -(-shape.rows // schedule.rows)
        pairs = shape.sequences * shape.groups
        tile = np.arange(tiles)
        last_token = np.minimum(((tile + 1) * schedule.rows - 1) // shape.rows_per_token, shape.new_tokens - 1)
        steps = -(-(last_token + 1 + shape.past_tokens) // schedule.keys)
        each = -(-steps // schedule.parts)
        pair, part, index = (axis.ravel() for axis in np.indices((pairs, schedule.parts, tiles)))
        if schedule.section > 1:
            real = index // schedule.shared_by  # groups of warps of a block stay together
            order = np.lexsort((index, pair, -real, pair // schedule.section))
            pair, part, index = pair[order], part[order], index[order]
        self.pair, self.part = pair, part
        trips = np.clip(steps[index] - self.part * each[index], 0, each[index])
        kept = trips > 0
        self.pair, self.part, self.trips = self.pair[kept], self.part[kept], trips[kept]
        index = index[kept]
        self.first_row = index * schedule.rows
        self.first_key = self.part * each[index] * schedule.keys


def _body(shape: Shape, schedule: Schedule) -> tuple[Node, ...]:
    width, rows, keys = shape.head_dim, schedule.rows, schedule.keys
    chain: list[Node] = [
        Access(id=step, kind="load", element_bytes=4, shape=(2,), waits=(step - 1,) if step else (), argument=0)
        for step in range(schedule.lookups)
    ]
    at = schedule.lookups
    before = (at - 1,) if at else ()

    def tile(step: int, kind: str, size: int, waits: tuple[int, ...], argument: int, ahead: bool = False) -> Access:
        return Access(
            id=step, kind=kind, element_bytes=WIDTH, shape=(size, width), waits=waits, argument=argument,  # type: ignore[arg-type]
            asynchronous=ahead, engine=schedule.engine, multicast=schedule.shared_by if ahead else 1,
            piece_bytes=TILE_RUN_BYTES,
        )  # fmt: skip

    softmax = (
        Count(kind="fma", format="f32", elements=rows * keys * SOFTMAX_OPERATIONS),
        Count(kind="special", format="f32", elements=rows * keys),
    )
    loop = Repeat(
        stages=2,
        body=(
            tile(at + 1, "load", keys, before, 1, ahead=True),
            tile(at + 2, "load", keys, before, 2, ahead=True),
            Matrix(id=at + 3, waits=(at, at + 1), m=rows, n=keys, k=width, format="bf16"),
            Vector(id=at + 4, waits=(at + 3, at + 4), counts=softmax),
            Matrix(
                id=at + 5, waits=(at + 2, at + 4, at + 5), m=rows, n=width, k=keys, format="bf16", left_shared=False
            ),
        ),
    )
    end: list[Step] = [
        Vector(id=at + 6, waits=(at + 5,), counts=(Count(kind="mul", format="f32", elements=rows * width),))
    ]
    if schedule.parts > 1:
        end.append(
            Access(id=at + 7, kind="store", element_bytes=SUM_BYTES, shape=(rows, width), waits=(at + 6,), argument=4)
        )
        if schedule.handover:
            end.append(Barrier(id=at + 8, scope="grid", waits=(at + 7,)))
    else:
        end.append(tile(at + 7, "store", rows, (at + 6,), 3))
    return (*chain, tile(at, "load", rows, before, 0), loop, *end)


def write_cache(tokens: int, kv_heads: int, head_dim: int, *, loads: int, threads: int) -> Kernel:
    """New keys and values into the paged cache: a block a token behind a chain of dependent loads."""
    row = kv_heads * head_dim * WIDTH
    table, source, cache = arena(tokens * CHAIN_BYTES * loads, tokens * 2 * row, tokens * 2 * row)
    token = np.arange(tokens, dtype=np.int64)
    ones = np.ones(tokens, np.int64)
    columns: list[np.ndarray] = []
    chain: list[Node] = []
    for step in range(loads - 1):
        chain.append(Access(id=step, kind="load", element_bytes=4, shape=(2,), waits=(step - 1,) if step else ()))
        columns += [table + (token * loads + step) * CHAIN_BYTES, ones * 2, ones * 128]
    shape = (2, kv_heads * head_dim)
    read = Access(id=loads - 1, kind="load", element_bytes=WIDTH, shape=shape, waits=(loads - 2,))
    write = Access(id=loads, kind="store", element_bytes=WIDTH, shape=shape, waits=(loads - 1,))
    for base in (source, cache):
        columns += [base + token * row, ones * 2, ones * tokens * row, ones * kv_heads * head_dim, ones * WIDTH]
    return Kernel(
        name="write_cache",
        work=Work(body=(*chain, read, write)),
        resources=Resources(threads=threads, registers_per_thread=32, shared_bytes=0),
        grid=(tokens, 1, 1),
        stream=stream_of(np.stack(columns, axis=1)),
    )


def chain(blocks: int, loads: int) -> Kernel:
    """A small kernel whose blocks do nothing but follow a chain of dependent loads: plans, page tables."""
    (table,) = arena(blocks * CHAIN_BYTES * loads)
    block = np.arange(blocks, dtype=np.int64)
    ones = np.ones(blocks, np.int64)
    steps = tuple(
        Access(id=step, kind="load", element_bytes=4, shape=(2,), waits=(step - 1,) if step else ())
        for step in range(loads)
    )
    columns = [c for step in range(loads) for c in (table + (block * loads + step) * CHAIN_BYTES, ones * 2, ones * 128)]
    return Kernel(
        name="chain",
        work=Work(body=steps),
        resources=Resources(threads=32, registers_per_thread=32, shared_bytes=0),
        grid=(blocks, 1, 1),
        stream=stream_of(np.stack(columns, axis=1)),
    )


def join(results: int, width: int, parts: int) -> Kernel:
    """Partial results of `parts` to one: a block takes 128 threads' worth of a result's elements."""
    tile = min(128, width)
    blocks = results * -(-width // tile)
    sums, out = arena(parts * results * width * SUM_BYTES, results * width * WIDTH)
    block = np.arange(blocks, dtype=np.int64)
    ones = np.ones(blocks, np.int64)
    columns = [sums + block * tile * SUM_BYTES, ones * parts, ones * results * width * SUM_BYTES, ones * tile,
               ones * SUM_BYTES, out + block * tile * WIDTH, ones * tile, ones * WIDTH]  # fmt: skip
    steps = (
        Access(id=0, kind="load", element_bytes=SUM_BYTES, shape=(parts, tile)),
        Vector(id=1, waits=(0,), counts=(Count(kind="fma", format="f32", elements=2 * parts * tile),)),
        Access(id=2, kind="store", element_bytes=WIDTH, shape=(tile,), waits=(1,)),
    )
    return Kernel(
        name="join",
        work=Work(body=steps),
        resources=Resources(threads=tile, registers_per_thread=40, shared_bytes=0),
        grid=(blocks, 1, 1),
        stream=stream_of(np.stack(columns, axis=1)),
    )
