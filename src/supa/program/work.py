"""The work of a kernel: which engine does what on which tile, with what it waits for and which memory it touches.

A kernel's work has two parts. The static part is a tree of `Node`s, the same for every block (`Work.body`). The
dynamic part is a stream of int64 values for each block, written by the kernel's native work entry in the order in
which the tree is walked. Each node says which values it takes from the stream:

==========  =========================================================================================================
`Access`    affine: address, then for each dimension of `shape` its limit, then its stride in bytes. The elements
            touched are those with index below clamp(limit, 0, shape[d]) in each dimension, at
            address + sum(index[d] * stride[d]). `scattered`: address of the region, number of elements touched.
`Matrix`, `Vector`, `Exchange`, `Barrier`   nothing.
`Repeat`    trip count n, then the values of all nodes of its body for iteration 0, then for each of those values
            its increment per iteration (n is 0: the body's values are absent). The body holds no other control node.
`Loop`      n, then n times the values of its body.
`Branch`    1 or 0, then the values of the side taken (`then` for 1).
==========  =========================================================================================================

Steps are numbered by `id` in walking order. `waits` names the steps whose results a step needs; inside a loop body
an id not smaller than the step's own means that step's previous iteration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from supa.base.location import UNKNOWN, Location

Engine = Literal["load_store", "tensor_data"]
VectorClass = Literal["add", "mul", "fma", "div", "compare", "logic", "special", "special2", "convert"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing an engine does for one block."""

    id: int
    waits: tuple[int, ...] = ()
    location: Location = UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Access(Step):
    """Memory traffic of one tile. `argument` is the kernel argument that the address derives from, -1 unknown.

    `asynchronous` marks loads that a software pipeline may issue ahead (their tile goes to shared memory).
    `piece_bytes`: neighbouring bytes that one instruction of a warp touches (0: the footprint's rows, whole).
    `multicast`: so many blocks, neighbours in the grid, receive the tile by one read.
    """

    kind: Literal["load", "store", "atomic"]
    element_bytes: int
    shape: tuple[int, ...] = ()  # () for a scalar; dimensions over which the address does not change are left out
    engine: Engine = "load_store"
    scattered: bool = False
    cache: str = ""  # '', 'ca', 'cg', 'cs', 'cv'
    argument: int = -1
    asynchronous: bool = False
    returns: bool = True  # atomics: whether the old value is used
    piece_bytes: int = 0
    multicast: int = 1

    @property
    def value_count(self) -> int:
        """int64 values this node takes from the stream."""
        return 2 if self.scattered else 1 + 2 * len(self.shape)


@dataclass(frozen=True, kw_only=True)
class Matrix(Step):
    """One tile product on the matrix engine: m x n x k multiply-accumulates of operands in `format`.

    `left_shared`/`right_shared`: the operand comes from shared memory (else from registers). `batch` repeats it.
    """

    m: int
    n: int
    k: int
    format: str  # a matrix format of `arch`: fp32, tf32, bf16, fp16, fp8, int8, fp64
    batch: int = 1
    left_shared: bool = True
    right_shared: bool = True


@dataclass(frozen=True, kw_only=True)
class Count:
    """`elements` scalar operations of one class on elements of `format` (a dtype's name)."""

    kind: VectorClass
    format: str
    elements: int


@dataclass(frozen=True, kw_only=True)
class Vector(Step):
    """Element-wise work of one fused group, on the vector lanes and the special-function units."""

    counts: tuple[Count, ...]


@dataclass(frozen=True, kw_only=True)
class Exchange(Step):
    """Data changing hands between lanes: `warp` inside warps, `block` through shared memory with a barrier.

    `bytes` is written once and read once. `rounds` is the number of dependent steps (log2 of lanes for a tree).
    """

    scope: Literal["warp", "block"]
    bytes: int
    rounds: int = 1


@dataclass(frozen=True, kw_only=True)
class Barrier(Step):
    """All warps of the block meet; across the `grid`, a block waits for what its neighbours hand over in memory."""

    scope: Literal["block", "grid"] = "block"


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """An affine loop: n trips over `body`, every footprint moving by a fixed increment. `stages` is its
    software-pipelining depth (1: none).
    """

    body: tuple[Step, ...]
    stages: int = 1
    location: Location = UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A loop whose footprints are not affine: its trips are spelled out in the stream."""

    body: tuple[Node, ...]
    stages: int = 1
    location: Location = UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One of two sides, chosen by the stream."""

    then: tuple[Node, ...]
    otherwise: tuple[Node, ...] = ()
    location: Location = UNKNOWN


Node = Step | Repeat | Loop | Branch


@dataclass(frozen=True, kw_only=True)
class Work:
    """The static work of one kernel. `data_dependent` lists why the work entry had to guess (empty: exact)."""

    body: tuple[Node, ...]
    data_dependent: tuple[str, ...] = field(default=())

    def steps(self) -> Iterator[Step]:
        """Every step, in the order of its id."""
        yield from _steps(self.body)


def _steps(nodes: tuple[Node, ...]) -> Iterator[Step]:
    for node in nodes:
        if isinstance(node, Step):
            yield node
        elif isinstance(node, Branch):
            yield from _steps(node.then)
            yield from _steps(node.otherwise)
        else:
            yield from _steps(node.body)
