"""The walk over a kernel: state shared by the rules, and the table of rules by operation.

Regular tiles (integers, addresses and masks computed from ranges and scalars, not from other tiles' data) cost lanes
but nothing waits for that arithmetic: hardware runs ahead with it, and a pipeline needs it early. Its counts go to one
`Vector` step without waits in each body; who uses the tile waits for the scalars in it only.
Not here: the rules themselves (`control`, `shapes`, `elements`, `memory`, `products`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from supa.base.errors import UnsupportedError
from supa.base.location import Location
from supa.compiler.work.expressions import Expr, Expressions, Region
from supa.compiler.work.plan import Carried, Draft, Item
from supa.compiler.work.scalars import llvm_type
from supa.compiler.work.tiles import Index, Mask, Tiles
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.types import Pointer, Tile, Type, element_of, shape_of
from supa.program.work import Vector

Waits = frozenset[Any]
NOTHING: Waits = frozenset()
Rule = Callable[["Walker", Any], None]
RULES: dict[type[Op], Rule] = {}
"""What each operation does to the walk."""


def rule(*classes: type[Op]) -> Callable[[Rule], Rule]:
    """Registers the rule of some operations."""

    def register(function: Rule) -> Rule:
        for cls in classes:
            RULES[cls] = function
        return function

    return register


@dataclass(frozen=True, kw_only=True)
class WorkOptions:
    """Launch facts that shape the work: warps of a block, the kernel's pipelining depth, lanes of a warp."""

    num_warps: int = 4
    num_stages: int = 3
    warp_size: int = 32


@dataclass(frozen=True, kw_only=True)
class TensorFacts:
    """A tensor descriptor's contents: strides in bytes, kernel argument of the base."""

    base: Expr
    extents: tuple[Expr, ...]
    strides: tuple[Expr, ...]
    argument: int


Trust = tuple[int, int, str]
"""A loop (by id), a carried position, and what was trusted of the value: its even 'spacing', that it is 'regular', that
it 'waits' for nothing.
"""


class BrokenTrust(Exception):  # noqa: N818 - not an error: the walk starts again
    """A carried tile is not as regular as the walk assumed: walk again without trusting it."""

    def __init__(self, key: Trust) -> None:
        self.key = key


def is_index(type_: Type) -> bool:
    """Whether values of the type are integers or addresses (not i1)."""
    element = element_of(type_)
    return isinstance(element, Pointer) or (element.is_int and element.bits > 1)


def is_mask(type_: Type) -> bool:
    """Whether values of the type are i1."""
    element = element_of(type_)
    return not isinstance(element, Pointer) and element.bits == 1


class Walker:
    """Walks a kernel once; leaves the plan in `items`."""

    def __init__(self, func: ops.Func, options: WorkOptions, untrusted: set[Trust]) -> None:
        self.options, self.untrusted = options, untrusted
        self.x = Expressions()
        self.tiles = Tiles(self.x)
        self.region: Region = self.x.block
        self.loop: Region | None = None  # innermost loop
        self.stages = 0  # pipelining depth of the innermost loop
        self.pipeline_all = False  # the user asked for that loop's depth: every load is issued ahead
        self.items: list[Item] = []
        self.groups: list[Draft] = []  # open element-wise groups of this body
        self.scalars: dict[Value, Expr] = {}
        self.indices: dict[Value, Index] = {}
        self.masks: dict[Value, Mask] = {}
        self.arguments: dict[Value, int] = {}
        self.tensors: dict[Value, TensorFacts] = {}
        self.after: dict[Value, Waits] = {}
        self.regular: set[Value] = set()  # tiles computed from ranges and scalars only
        self.fragments: set[Value] = set()  # tiles laid out as a matrix result
        self.carried: dict[Carried, Waits] = {}
        self.control: Waits = NOTHING  # what the enclosing conditions and bounds wait for
        self.fence: Waits = NOTHING  # the last barrier
        self.unfenced: set[Any] = set()  # accesses since then
        self.reasons: dict[str, None] = {}
        self.count = 0
        self.loops = 0
        self._take_arguments(func)
        self.walk(func.regions[0])

    def _take_arguments(self, func: ops.Func) -> None:
        for index, value in enumerate(func.regions[0].args):
            if isinstance(value.type, Pointer):
                self.arguments[value] = index
            carrier = llvm_type(value.type)
            if carrier is not None:
                self.scalars[value] = self.x.leaf("arg", carrier, index, self.x.call)

    def walk(self, block: Block) -> None:
        """All operations of a block."""
        for op in block.ops:
            handle = RULES.get(type(op))
            if handle is None:
                raise UnsupportedError(f"no work is known for the operation {op.name}", op.location)
            handle(self, op)

    # ---- facts of values

    def scalar(self, value: Value) -> Expr:
        """The expression of a scalar; a guess where the slice can not compute it."""
        found = self.scalars.get(value)
        if found is None:
            op = value.op
            where, what = (op.location, op.name) if op is not None else (Location(), "a carried value")
            found = self.guess(value.type, where, f"the result of {what} is needed early; 0 assumed")
            self.scalars[value] = found
        return found

    def guess(self, type_: Type, location: Location, why: str) -> Expr:
        """A value that only the data knows: 0, and if it turns out to be needed the work says why."""
        return Expr("guess", llvm_type(type_) or "i64", (), f"{location}: {why}", self.x.call)

    def index(self, value: Value) -> Index:
        """What is known of an integer or address tile (of a scalar: itself)."""
        found = self.indices.get(value)
        if found is None:
            if isinstance(value.type, Tile):
                found = self.tiles.opaque(value.type.shape)
            else:
                found = Index(self.x.wide(self.scalar(value)), ())
        return found

    def mask(self, value: Value | None) -> Mask:
        """What is known of a mask tile or scalar condition."""
        if value is None:
            return Mask()
        if isinstance(value.type, Tile):
            return self.masks.get(value) or Mask(complete=False)
        return Mask(conditions=(self.scalar(value),))

    def argument(self, value: Value | None) -> int:
        """The kernel argument that an address derives from, -1 unknown."""
        return -1 if value is None else self.arguments.get(value, -1)

    def waits(self, values: Iterable[Value | None]) -> Waits:
        """The steps that some values come from."""
        result = NOTHING
        for value in values:
            if value is not None:
                after = self.after.get(value)
                if after:
                    result = result | after if result else after
        return result

    # ---- steps

    def step(self, make: Any, op: Op, waits: Waits, values: tuple[Expr, ...] = (), **fields: Any) -> Draft:
        """Append one step."""
        draft = Draft(self.count, make, fields, waits | self.control, op.location, values)
        self.count += 1
        self.items.append(draft)
        return draft

    def group(self, op: Op, waits: Waits) -> Draft:
        """The first element-wise group of this body that an operation can join without making it wait for more."""
        for draft in self.groups:
            if not waits and draft.waits - self.control:
                continue
            if waits <= draft.waits or all(w == draft.id or w in draft.waits for w in waits):
                return draft
        draft = self.step(Vector, op, waits, counts={})
        self.groups.append(draft)
        return draft

    def count_elements(self, draft: Draft, kind: str, format_: str, elements: int) -> None:
        """Add scalar operations to a group."""
        if kind != "none" and elements:
            counts = draft.fields["counts"]
            counts[kind, format_] = counts.get((kind, format_), 0) + elements

    def is_regular(self, op: Op) -> bool:
        """Whether an operation makes integers, addresses or masks of regular tiles and scalars."""
        for value in (*op.results, *op.operands):
            if value is not None and not (is_index(value.type) or is_mask(value.type)):
                return False
        return all(v is None or not isinstance(v.type, Tile) or v in self.regular for v in op.operands)

    def hoisted(self, value: Value) -> bool:
        """Whether index arithmetic in a loop does not change from one iteration to the next."""
        if self.loop is None:
            return False
        index = self.indices.get(value)
        if index is not None:
            parts: list[Expr | None] = [index.base, *index.coefficients]
            return index.base is not None and all(p is None or p.region.depth < self.loop.depth for p in parts)
        mask = self.masks.get(value)
        if mask is None or not mask.complete:
            return False
        exprs = [*(b.value for b in mask.bounds), *mask.conditions]
        return all(e.region.depth < self.loop.depth for e in exprs)

    def count_index(self, op: Op, kind: str, element_bytes: int = 0) -> None:
        """A regular tile is made. Its arithmetic is counted once for each element along the dimensions where the
        result varies; for neighbouring addresses once for each 16 bytes, as one vector access takes one address.
        """
        result = op.results[0]
        self.regular.add(result)
        after = self.waits(op.operands)
        if after:
            self.after[result] = after
        if kind == "none" or self.hoisted(result):
            return
        shape, elements = shape_of(result.type), 1
        index = self.indices.get(result)
        for dim, extent in enumerate(shape):
            coefficient = index.coefficients[dim] if index is not None else self.x.one
            if coefficient is None:
                continue
            near = element_bytes and coefficient.kind == "const" and coefficient.payload == element_bytes
            elements *= max(1, extent * element_bytes // 16) if near else extent
        element = element_of(op.operands[-1].type if is_mask(result.type) and op.operands[-1] else result.type)
        draft = self.group(op, NOTHING)
        self.count_elements(draft, kind, "i64" if isinstance(element, Pointer) else element.name, elements)
