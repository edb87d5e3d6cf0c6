"""Decides which tiles are kept in buffers and which operations share a loop nest. Emits nothing.

A tile is *virtual* (computed at each index where it is used) or *kept* (computed once into a buffer). Operations that
must happen - stores, reductions, keeping a tile - are *roots*; neighbouring roots over one shape share a nest, where a
kept tile's elements pass from root to root in registers, and its buffer is dropped if no one else reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from math import prod

from supa.base.dtypes import DType
from supa.compiler.native.aliasing import Aliasing
from supa.compiler.native.buffers import Buffer
from supa.compiler.native.periods import is_cheap, is_division
from supa.compiler.native.sharing import only_products_read, shared_loads
from supa.compiler.native.tiles import is_virtual
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.functions import FUNCTIONS
from supa.ir.types import Tile, element_of, shape_of

_LOAD_COST = 100
_CHEAP_LOAD_COST = 2  # at simple addresses: reading memory again costs what reading a buffer does
_EXPENSIVE = 10
_EXPENSIVE_INTEGER = 40  # a division; chains of cheap address arithmetic are computed where they are used
_RECOMPUTE_LIMIT = 16  # of integers: addresses and masks
_RECOMPUTE_LIMIT_FLOAT = 8
_ATOMICS = (ops.AtomicRmw, ops.AtomicCas, ops.DescriptorReduce)
_LOADS = (ops.Load, ops.DescriptorLoad, ops.DescriptorGather)
_SAME_INDEX = (ops.Map, ops.Cast, ops.AddPtr, ops.Load, ops.MapRegion)
_STORES = (ops.Store, ops.DescriptorStore, ops.DescriptorScatter)
_BY_POSITION = (ops.Yield, ops.For, ops.While, ops.Condition)  # each operand is read for itself
_GROWING = (ops.Broadcast, ops.Splat, ops.Gather)


@dataclass(eq=False)
class Root:
    """One thing a nest does for each element: `keep` a value, `store` by an operation, or `reduce` by one."""

    kind: str
    op: Op
    value: Value | None
    shape: tuple[int, ...]
    axis: int | None = None
    target: Buffer | None = None  # keep: the buffer that is written, if not a new one of its own
    position: int = 0  # keep with a target: the operand of `op` that asks for it

    @property
    def reader(self) -> object:
        """What stands for this root among the readers of the values that it evaluates."""
        if self.kind == "keep" and self.target is None:
            return self.value
        return (self.op, self.position)

    @property
    def inputs(self) -> list[Value]:
        """The values that the root evaluates at the nest's index."""
        if self.kind == "keep":
            assert self.value is not None
            return [self.value]
        if isinstance(self.op, ops.Reduce | ops.Scan):
            return list(self.op.sources)
        return [operand for operand in self.op.operands if operand is not None]


@dataclass(eq=False)
class Nest:
    """Roots that share loops over `shape`; `axis` is the dimension that its reductions run along."""

    shape: tuple[int, ...]
    roots: list[Root] = field(default_factory=list)
    axis: int | None = None
    products: set[Value] = field(default_factory=set)
    store_order: int | None = None  # program position of its first store
    accesses: list[Op] = field(default_factory=list)  # loads and stores that it executes


@dataclass
class _Use:
    """What the reverse walk knows of one tile value: who reads it in the end, and how."""

    readers: set[object] = field(default_factory=set)
    blocks: set[Block] = field(default_factory=set)
    expanded: bool = False
    last: int = 0


class Planner:
    """Plans one function: at first which tiles are kept, then, block by block, the nests (`plan`)."""

    def __init__(self, func: ops.Func, width: int, in_place: Collection[DType]) -> None:
        everything = list(func.walk())
        self.width = width
        self.multiplies = any(isinstance(op, ops.Dot | ops.DotScaled) for op in everything)
        self.divides = any(is_division(op) and isinstance(op.results[0].type, Tile) for op in everything)
        self.in_place = in_place  # formats of left operands that products read where they lie (`tables`)
        self.shared = shared_loads(everything, in_place)  # operands of products that blocks share (`panels`)
        self.order = {op: position for position, op in enumerate(everything)}
        self.writes = [self.order[op] for op in everything if op.writes_memory or isinstance(op, ops.Barrier)]
        self.kept: set[Value] = set()
        self.exchanged: set[Value] = set()
        self.aliasing = Aliasing()
        self.uses: dict[Value, _Use] = {}
        self._collect_uses(everything)
        for choose in (self._is_worth_keeping, self._is_still_shared):
            before = self.kept
            self._choose(everything, choose)
            if self.kept != before:
                self._collect_uses(everything)

    # ---- which tiles are kept ----------------------------------------------------------------------------------

    def _choose(self, everything: list[Op], wanted: Callable[[Op, Value, int], bool]) -> None:
        """Decide anew, operands before users, which virtual tiles are kept; all others always are."""
        kept: set[Value] = set()
        exchanged: set[Value] = set()  # computed from neighbouring lanes: only in nests in the tile's own order
        cost: dict[Value, int] = {}
        for op in everything:
            if isinstance(op, ops.Gather) or (isinstance(op, ops.Butterfly) and not self.keeps_index(op)):
                kept.add(op.source)  # read at any index: it must be complete
            if op.results and not self.keeps_index(op):
                kept.update(value for value in _present(op.operands) if value in exchanged)
            exchanged.update(result for result in op.results if self._exchanges(op, exchanged - kept))
            for result in op.results:
                if not is_virtual(op):
                    kept.add(result)
                    continue
                below = sum(cost.get(operand, 0) for operand in op.operands if operand is not None)
                total = _own_cost(op, below, self.width) + below
                if isinstance(result.type, Tile) and self.uses[result].readers and wanted(op, result, total):
                    kept.add(result)
                # A scalar is computed once, wherever it is used.
                cost[result] = 0 if result in kept or not isinstance(result.type, Tile) else total
        self.kept, self.exchanged = kept, exchanged

    def keeps_index(self, op: Op) -> bool:
        """Whether the result at an index, or a vector of them, needs the operands at that index only."""
        if isinstance(op, ops.Butterfly):
            shape = shape_of(op.source.type)
            return prod(shape) >= self.width > 2 * prod(shape[op.axis + 1 :]) - 1 and shape[-1] < self.width
        return isinstance(op, _SAME_INDEX) and not (isinstance(op, ops.MapRegion) and op.pack > 1)

    def _exchanges(self, op: Op, exchanged: set[Value]) -> bool:
        """Whether an operation's results depend on neighbouring lanes."""
        if isinstance(op, ops.Butterfly):
            return self.keeps_index(op)
        return self.keeps_index(op) and not exchanged.isdisjoint(_present(op.operands))

    def _is_worth_keeping(self, op: Op, value: Value, cost: int) -> bool:
        use = self.uses[value]
        if isinstance(op, _LOADS) and self._must_load_early(op, use):
            return True
        if isinstance(op, ops.Constant | ops.Splat):
            return False
        if op in self.shared and only_products_read(op):
            return False
        if isinstance(op, _LOADS) and (use.expanded or self._is_read_inside(op, use)):
            return True
        if len(use.readers) > 1:
            return cost > (_RECOMPUTE_LIMIT_FLOAT if _is_float(value) else _RECOMPUTE_LIMIT)
        limit = _EXPENSIVE if _is_float(value) else _EXPENSIVE_INTEGER
        return cost >= limit and (use.expanded or self._is_read_inside(op, use))

    def _is_still_shared(self, op: Op, value: Value, cost: int) -> bool:
        if value not in self.kept:
            return False
        use = self.uses[value]
        early = isinstance(op, _LOADS) and self._must_load_early(op, use)
        forced = any(isinstance(user, ops.Gather) and user.source is value for user in value.uses)
        return early or forced or len(use.readers) > 1 or use.expanded or self._is_read_inside(op, use)

    def _must_load_early(self, op: Op, use: _Use) -> bool:
        """Whether memory may change between the load and its last reader."""
        if getattr(op, "volatile", False):
            return True
        if any(self.order[op] < position < use.last for position in self.writes):
            return True
        users = [reader[0] for reader in use.readers if isinstance(reader, tuple)]
        return any(user.writes_memory and self.aliasing.may_clash(op, user) for user in users)

    def _is_read_inside(self, op: Op, use: _Use) -> bool:
        return any(block is not op.parent for block in use.blocks)

    def _collect_uses(self, everything: list[Op]) -> None:
        """Find the readers of every tile, through virtual tiles that are not kept."""
        self.uses = {}
        for op in reversed(everything):
            for value in (*op.results, *(argument for block in op.regions for argument in block.args)):
                use = self.uses[value] = _Use()
                for user in value.uses:
                    self._add_user(use, value, user)

    def _add_user(self, use: _Use, value: Value, user: Op) -> None:
        if user.parent is None:
            return
        if not (is_virtual(user) and isinstance(user.results[0].type, Tile)):
            by_position = isinstance(user, _BY_POSITION)
            use.readers.add((user, user.operands.index(value) if by_position else 0))
            use.blocks.add(user.parent)
            # An atomic works lane by lane: what it changes first, its later lanes must not load.
            use.last = max(use.last, self.order[user] + isinstance(user, _ATOMICS))
            return
        for result in user.results:
            if result in self.kept:
                use.readers.add(result)
                use.blocks.add(user.parent)
                use.last = max(use.last, self.order[user])
            else:
                inner = self.uses[result]
                use.readers |= inner.readers
                use.blocks |= inner.blocks
                use.expanded |= inner.expanded
                use.last = max(use.last, inner.last)
        use.expanded |= isinstance(user, _GROWING)

    # ---- nests -------------------------------------------------------------------------------------------------

    def plan(self, block: Block, closing: list[Root]) -> list[Nest | Op]:
        """The actions of `block`; `closing` are roots to run at its end (carried tiles, results of branches)."""
        grouping = _Grouping(self)
        for op in block.ops[:-1]:
            roots = list(self._roots(op))
            for root in roots:
                grouping.add(root)
            if not roots and not self.is_silent(op):
                grouping.alone(op)
        for root in closing:
            grouping.add(root)
        grouping.close()
        return grouping.actions

    def group(self, roots: list[Root]) -> list[Nest]:
        """The nests of some roots on their own."""
        grouping = _Grouping(self)
        for root in roots:
            grouping.add(root)
        grouping.close()
        return [action for action in grouping.actions if isinstance(action, Nest)]

    def is_busy(self, nest: Nest) -> bool:
        """Whether the nest computes something expensive at each index."""
        waiting = [value for root in nest.roots for value in _present(root.op.operands)]
        waiting += [root.value for root in nest.roots if root.value is not None]
        inside = {root.value for root in nest.roots}
        seen: set[Value] = set()
        while waiting:
            value = waiting.pop()
            op = value.op
            if value in seen or op is None or not is_virtual(op) or (value in self.kept and value not in inside):
                continue
            seen.add(value)
            if isinstance(op, ops.Map) and isinstance(value.type, Tile) and _own_cost(op, 0, self.width) >= _EXPENSIVE:
                return True
            waiting.extend(_present(op.operands))
        return False

    def last_reads(self, actions: list[Nest | Op]) -> dict[Value, int]:
        """For each kept tile that `actions` read, the position of the last one that does."""
        last: dict[Value, int] = {}
        for position, action in enumerate(actions):
            if isinstance(action, Nest):
                values = [value for root in action.roots for value in (*_present(root.op.operands), *root.inputs)]
            else:
                values = [value for op in action.walk() for value in _present(op.operands)]
            for value in self._leaves(values):
                last[value] = position
        return last

    def _leaves(self, values: list[Value]) -> list[Value]:
        """The kept tiles among `values` and below the virtual ones."""
        seen: dict[Value, None] = {}
        waiting = list(values)
        while waiting:
            value = waiting.pop()
            if value in seen:
                continue
            seen[value] = None
            op = value.op
            if op is not None and is_virtual(op) and value not in self.kept:
                waiting.extend(_present(op.operands))
        return [value for value in seen if isinstance(value.type, Tile)]

    def _roots(self, op: Op) -> Iterator[Root]:
        if isinstance(op, _STORES) and isinstance(op.operands[1].type, Tile):  # type: ignore[union-attr]
            value = op.operands[1]
            assert value is not None
            yield Root("store", op, None, shape_of(value.type))
        elif isinstance(op, ops.Reduce):
            yield Root("reduce", op, None, shape_of(op.sources[0].type), op.axis)
        elif is_virtual(op):
            for result in op.results:
                if result in self.kept:
                    yield Root("keep", op, result, shape_of(result.type))

    def is_silent(self, op: Op) -> bool:
        """Whether an operation needs no code of its own: a virtual tile, a descriptor, an assumption."""
        if isinstance(op, ops.MakeDescriptor):
            return True
        return is_virtual(op) and isinstance(op.results[0].type, Tile)


class _Grouping:
    """The greedy grouping of one block's roots.

    A root joins the first open nest in which all that it reads is complete or at hand; nests run, in order, when an
    operation of another kind needs them.
    """

    def __init__(self, planner: Planner) -> None:
        self.planner = planner
        self.open: list[Nest] = []
        self.actions: list[Nest | Op] = []

    def add(self, root: Root) -> None:
        """Put a root into the first open nest that it fits, else into a new one."""
        first = len(self.open) - 1 if root.kind == "store" or root.target is not None else self._first_allowed(root)
        for nest in self.open[max(first, 0) :]:
            if self._fits(root, nest):
                break
        else:
            nest = Nest(root.shape)
            self.open.append(nest)
        nest.roots.append(root)
        nest.accesses += self._accesses(root)
        if root.axis is not None:
            nest.axis = root.axis
        if root.kind == "keep" and root.target is None and root.value is not None:
            nest.products.add(root.value)
        elif root.kind == "reduce":
            nest.products.update(root.op.results)
        elif root.kind == "store" and nest.store_order is None:
            nest.store_order = self.planner.order[root.op]

    def _first_allowed(self, root: Root) -> int:
        """Index of the last open nest that makes something the root reads, or stores before the root loads."""
        made: dict[Value, None] = {}
        loads: list[int] = []
        self._gather(root.inputs if root.kind != "keep" else _present(root.op.operands), made, loads)
        if root.kind == "keep" and root.op.reads_memory:
            loads.append(self.planner.order[root.op])
        first = 0
        for index, nest in enumerate(self.open):
            stores_before = nest.store_order is not None and any(order > nest.store_order for order in loads)
            if stores_before or not nest.products.isdisjoint(made):
                first = index
        return first

    def _accesses(self, root: Root) -> list[Op]:
        """The loads and the store of `root`."""
        values: dict[Value, None] = {}
        computed = root.kind == "keep" and root.target is None  # else the operation itself runs elsewhere
        self._gather(_present(root.op.operands) if computed else root.inputs, values, [])
        ops_ = [value.op for value in values if value not in self.planner.kept]
        if root.kind == "store" or computed:
            ops_.append(root.op)
        return [op for op in ops_ if isinstance(op, (*_LOADS, *_STORES))]

    def _clashes(self, root: Root, nest: Nest) -> bool:
        """Whether `root` stores what other elements of `nest` still access."""
        if root.kind != "store":
            return False
        return any(self.planner.aliasing.may_clash(access, root.op) for access in nest.accesses)

    def _gather(self, values: Iterable[Value], made: dict[Value, None], loads: list[int]) -> None:
        """Add what `values` are evaluated from, in an order of its own, and the positions of the loads among it."""
        for value in values:
            if value in made:
                continue
            made[value] = None
            op = value.op
            if op is None or value in self.planner.kept or not is_virtual(op):
                continue
            if op.reads_memory:
                loads.append(self.planner.order[op])
            self._gather(_present(op.operands), made, loads)

    def alone(self, op: Op) -> None:
        """A scalar operation, or one with loops of its own."""
        if any(self._must_wait(op, nest) for nest in self.open):
            self.close()
        self.actions.append(op)

    def _must_wait(self, op: Op, nest: Nest) -> bool:
        if op.regions or op.has_effect or any(isinstance(result.type, Tile) for result in op.results):
            return True
        if op.reads_memory and nest.store_order is not None:
            return True
        if any(isinstance(operand.type, Tile) for operand in op.operands if operand is not None):
            return True
        return any(operand in nest.products for operand in op.operands)

    def close(self) -> None:
        """Schedule the open nests."""
        self.actions.extend(self.open)
        self.open = []

    def _fits(self, root: Root, nest: Nest) -> bool:
        if root.shape != nest.shape or self._clashes(root, nest):
            return False
        if root.axis is not None and nest.axis is not None and root.axis != nest.axis:
            return False
        along = (root, *nest.roots) if root.axis is not None or nest.axis is not None else ()
        if any(not self.planner.exchanged.isdisjoint((one.value, *one.inputs)) for one in along):
            return False
        stores = root.kind == "store" or nest.store_order is not None
        if stores and (root.axis is not None or nest.axis is not None):
            return False  # a reduction's loops may leave row-major order, in which repeated addresses are written
        seen: set[tuple[Value, bool]] = set()
        if root.kind == "keep" and root.target is None:  # computed here: what matters is what it is computed from
            same_index = self.planner.keeps_index(root.op)
            if root.op.reads_memory and nest.store_order is not None:
                return False
            operands = [operand for operand in root.op.operands if operand is not None]
            return all(self._reads_well(operand, same_index, nest, seen) for operand in operands)
        return all(self._reads_well(value, True, nest, seen) for value in root.inputs)

    def _reads_well(self, value: Value, same_index: bool, nest: Nest, seen: set[tuple[Value, bool]]) -> bool:
        """Whether `value` can be evaluated inside `nest`: nothing in it that the nest itself completes only later."""
        if (value, same_index) in seen:
            return True
        seen.add((value, same_index))
        if value in nest.products:
            root_kept = any(root.value is value for root in nest.roots if root.kind == "keep")
            return root_kept and same_index
        op = value.op
        if op is None or value in self.planner.kept or not is_virtual(op):
            return True
        if op.reads_memory and nest.store_order is not None and self.planner.order[op] > nest.store_order:
            return False
        same_index = same_index and self.planner.keeps_index(op)
        return all(self._reads_well(operand, same_index, nest, seen) for operand in op.operands if operand is not None)


def _present(operands: list[Value | None]) -> Iterator[Value]:
    return (operand for operand in operands if operand is not None)


def _own_cost(op: Op, below: int, width: int) -> int:
    """What one operation costs where it is computed again; `below` is the cost of its operands."""
    if isinstance(op, ops.Map):
        if FUNCTIONS[op.function].work in ("div", "special", "special2"):
            if is_cheap(op, width):
                return 1
            return _EXPENSIVE if FUNCTIONS[op.function].domain == "float" else _EXPENSIVE_INTEGER
        return 1
    if isinstance(op, _LOADS):
        return _LOAD_COST if below > _RECOMPUTE_LIMIT else _CHEAP_LOAD_COST
    if isinstance(op, ops.MapRegion):
        return _EXPENSIVE
    return 1 if isinstance(op, ops.Cast | ops.Join | ops.Cat | ops.Reshape | ops.Gather) else 0


def _is_float(value: Value) -> bool:
    element = element_of(value.type)
    return isinstance(element, DType) and element.is_float
