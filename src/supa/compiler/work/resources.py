"""What one block holds of its compute unit: an estimate from the tile IR, as no register allocator runs here.

Shared memory: for each pipelined loop, `stages` buffers of every tile loaded ahead, and of the loops the largest;
plus the largest single use outside pipelines (an exchange between warps, an operand that a product reads).
Registers: the largest sum of tiles that hold data at one point of the program, spread over the threads, plus
addresses (one 64-bit register pair for 16 bytes of a carried address tile), plus a base for scalars and indices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from supa.compiler.work.plan import BranchPlan, Draft, Item, LoopPlan
from supa.compiler.work.walker import Walker, is_index
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.types import Pointer, Tile, element_of, storage_bytes
from supa.program.program import Resources
from supa.program.work import Access, Exchange

BASE_REGISTERS = 24  # scalars, indices, predicates, the stack pointer: what a near-empty kernel takes
REGISTERS_MAX = 255  # a thread's architectural limit
REGISTER_BYTES = 4
REGISTER_STEP = 8  # registers are allocated in eights


def estimate_resources(func: ops.Func, walker: Walker) -> Resources:
    """Threads, registers of a thread and shared bytes of one block of `func`, which `walker` has walked."""
    threads = walker.options.num_warps * walker.options.warp_size
    live = _Liveness(walker, threads).peak_bytes(func.regions[0])
    registers = BASE_REGISTERS + -(-live // (threads * REGISTER_BYTES))
    rounded = min(REGISTERS_MAX, -(-registers // REGISTER_STEP) * REGISTER_STEP)
    return Resources(threads=threads, registers_per_thread=rounded, shared_bytes=_shared_bytes(func, walker))


# ---- shared memory


def _shared_bytes(func: ops.Func, walker: Walker) -> int:
    pipelined = max((_pipelined(plan) for plan in _loops(walker.items)), default=0)
    scratch = max((d.fields["bytes"] for d in _drafts(walker.items) if _through_shared(d)), default=0)
    operands = max((_operand_bytes(op) for op in func.walk() if isinstance(op, ops.Dot)), default=0)
    return pipelined + max(scratch, 0 if pipelined else operands)


def _through_shared(draft: Draft) -> bool:
    return draft.make is Exchange and draft.fields["scope"] == "block"


def _pipelined(plan: LoopPlan) -> int:
    """Bytes of the buffers of one loop."""
    size = 0
    for draft in plan.body:
        if isinstance(draft, Draft) and draft.make is Access and draft.fields.get("asynchronous"):
            elements = 1
            for extent in draft.fields["shape"]:
                elements *= extent
            size += elements * draft.fields["element_bytes"]
    return size * plan.stages


def _operand_bytes(op: ops.Dot) -> int:
    """Both operands of a product outside pipelines."""
    return sum(_bytes(value) for value in (op.left, op.right))


def _loops(items: Sequence[Item]) -> Iterator[LoopPlan]:
    for item in items:
        if isinstance(item, LoopPlan):
            yield item
            yield from _loops(item.before)
            yield from _loops(item.body)
        elif isinstance(item, BranchPlan):
            yield from _loops(item.then)
            yield from _loops(item.otherwise)


def _drafts(items: Sequence[Item]) -> Iterator[Draft]:
    for item in items:
        if isinstance(item, Draft):
            yield item
        elif isinstance(item, LoopPlan):
            yield from _drafts(item.before)
            yield from _drafts(item.body)
        else:
            yield from _drafts(item.then)
            yield from _drafts(item.otherwise)


def _bytes(value: Value) -> int:
    return value.type.size * storage_bytes(value.type.element) if isinstance(value.type, Tile) else 0


# ---- registers


class _Liveness:
    """Which tiles hold registers where: a tile from its definition to its last use, in a loop to the loop's end."""

    def __init__(self, walker: Walker, threads: int) -> None:
        self.walker, self.threads = walker, threads
        self.position = 0
        self.changes: dict[int, int] = {}
        self.spans: dict[Op, tuple[int, int]] = {}
        self.starts: dict[Value, int] = {}

    def peak_bytes(self, body: Block) -> int:
        """The most bytes of tiles held at once."""
        self._number(body)
        for value, start in self.starts.items():
            size = self._held_bytes(value)
            if size:
                self.changes[start] = self.changes.get(start, 0) + size
                end = self._last_use(value, start)
                self.changes[end] = self.changes.get(end, 0) - size
        live = peak = 0
        for _, change in sorted(self.changes.items()):
            live += change
            peak = max(peak, live)
        return peak

    def _number(self, block: Block) -> None:
        for value in block.args:
            self.starts[value] = self.position
        for op in block.ops:
            self.position += 1
            start = self.position
            if isinstance(op, ops.For | ops.While | ops.If):
                for inner in op.regions:
                    self._number(inner)
                self.position += 1
            for result in op.results:
                self.starts[result] = self.position
            self.spans[op] = (start, self.position)

    def _held_bytes(self, value: Value) -> int:
        """Registers' bytes of a value: data tiles in full, address tiles that a loop carries, nothing else."""
        if not isinstance(value.type, Tile):
            return 0
        element = element_of(value.type)
        if is_index(value.type) and value in self.walker.regular:
            carried = isinstance(value.owner, Block) and isinstance(element, Pointer)
            pointee = storage_bytes(element.pointee) if isinstance(element, Pointer) else 1
            return max(8 * self.threads, _bytes(value) * pointee // 16) if carried else 0
        if value in self.walker.regular or not self.walker.after.get(value) or self._elsewhere(value):
            return 0
        return _bytes(value)

    def _elsewhere(self, value: Value) -> bool:
        """Tiles that shared memory holds, and repeated ones that take no registers of their own."""
        op = value.op
        if isinstance(op, ops.Splat | ops.Broadcast | ops.ExpandDims):
            return True
        if isinstance(op, ops.Load | ops.DescriptorLoad | ops.Transpose | ops.Reshape):
            return bool(value.uses) and all(_is_operand(user, value) for user in value.uses)
        return False

    def _last_use(self, value: Value, start: int) -> int:
        """Just before the last reader gives its result; the end of a loop that reads a value from outside."""
        last = start
        for user in value.uses:
            op = user
            while op.parent is not None and op.parent is not self._home(value) and op.parent.parent is not None:
                op = op.parent.parent
            span = self.spans.get(op)
            if span is not None:
                last = max(last, span[1])
        return last

    def _home(self, value: Value) -> Block | None:
        return value.owner if isinstance(value.owner, Block) else value.owner.parent


def _is_operand(user: Op, value: Value) -> bool:
    if isinstance(user, ops.Transpose | ops.Reshape):
        return all(_is_operand(next_, user.results[0]) for next_ in user.results[0].uses)
    if isinstance(user, ops.Dot):
        return user.accumulator is not value
    return isinstance(user, ops.DotScaled)
