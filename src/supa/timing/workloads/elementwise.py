"""Element-wise work on contiguous tensors: load some, compute, store one. Not here: broadcasting, reductions."""

from __future__ import annotations

from typing import Literal

import numpy as np

from supa.base.dtypes import DTYPES
from supa.program.program import Resources
from supa.program.work import Access, Count, Vector, VectorClass, Work
from supa.timing.workloads.kernel import Kernel, arena, stream_of

Element = Literal["f32", "f16", "bf16", "i32", "i8", "i1"]


def elementwise(
    elements: int,
    *,
    inputs: int = 1,
    dtype: Element = "f16",
    result: Element | None = None,
    operations: tuple[VectorClass, ...] = ("add",),
    tile: int = 1024,
    warps: int = 4,
) -> Kernel:
    """`inputs` tensors of `elements` in, one out, with `operations` on each element; a block does `tile` of them."""
    width, width_out = DTYPES[dtype].bytes, DTYPES[result or dtype].bytes
    blocks = -(-elements // tile)
    first = np.arange(blocks, dtype=np.int64) * tile
    ones = np.ones(blocks, np.int64)
    addresses = arena(*[elements * width] * inputs, elements * width_out)
    columns = [value for at in addresses[:-1] for value in (at + first * width, elements - first, ones * width)]
    columns += [addresses[-1] + first * width_out, elements - first, ones * width_out]
    loads = tuple(
        Access(id=place, kind="load", element_bytes=width, shape=(tile,), argument=place) for place in range(inputs)
    )
    counts = tuple(Count(kind=kind, format="f32" if dtype == "bf16" else dtype, elements=tile) for kind in operations)
    compute = Vector(id=inputs, waits=tuple(range(inputs)), counts=counts)
    store = Access(
        id=inputs + 1, waits=(inputs,), kind="store", element_bytes=width_out, shape=(tile,), argument=inputs
    )
    return Kernel(
        name="elementwise",
        work=Work(body=(*loads, compute, store)),
        resources=Resources(threads=32 * warps, registers_per_thread=32, shared_bytes=0),
        grid=(blocks, 1, 1),
        stream=stream_of(np.stack(columns, axis=1)),
    )
