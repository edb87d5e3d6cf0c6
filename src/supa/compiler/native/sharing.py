"""Which loads blocks may share once they are packed for products, and what such a load depends on.

Not here: the memory that is shared (`panels`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from supa.base.dtypes import DType
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.types import Descriptor, Tile, element_of

_PURE = (
    ops.Map, ops.Cast, ops.AddPtr, ops.Splat, ops.Broadcast, ops.ExpandDims, ops.Range, ops.Constant, ops.Reshape,
    ops.Transpose,
)  # fmt: skip
TileLoad = ops.Load | ops.DescriptorLoad
LOADS = (ops.Load, ops.DescriptorLoad)
_HEARING = (ops.While, ops.InlineAsm)  # may wait for what other blocks write


def shared_loads(everything: Sequence[Op], in_place: Collection[DType]) -> list[Op]:
    """The loads of a kernel that its blocks share, once for each product that packs one; none where a block may wait
    for what others write. `in_place`: formats of left operands that kernels read where they lie.
    """
    if any(isinstance(op, _HEARING) for op in everything):
        return []
    products = [op for op in everything if isinstance(op, ops.Dot)]
    rights = [loaded(op.right) for op in products]
    lefts = [loaded(op.left) for op in products if not lies_ready(op, in_place)]
    return [load for load in (*rights, *lefts) if load is not None and _is_shared(load)]


def lies_ready(op: ops.Dot, in_place: Collection[DType]) -> bool:
    """Whether a product's left operand is loaded in a format that kernels read in place, where they have it."""
    return isinstance(op.left.op, LOADS) and element_of(op.left.type) in in_place


def _is_shared(load: Op) -> bool:
    """Whether blocks may share what this loads, in a kernel that multiplies it."""
    if not isinstance(load, LOADS) or (isinstance(load, ops.Load) and load.volatile):
        return False
    return _follows_no_write(load) and leaves(load) is not None


def leaves(load: TileLoad) -> list[Value] | None:
    """The scalars that decide what a load reads, but for the kernel's arguments; None where memory decides too."""
    found: dict[Value, None] = {}
    waiting, seen = list(_operands(load)), set[Value]()
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        if isinstance(value.type, Descriptor):
            if not isinstance(value.op, ops.MakeDescriptor):
                return None
            waiting.extend(_operands(value.op))
        elif isinstance(value.type, Tile):
            if value.op is None or not isinstance(value.op, _PURE):
                return None
            waiting.extend(_operands(value.op))
        elif not (isinstance(value.op, ops.Constant) or _is_argument(value)):
            found[value] = None
    return list(found)


def loaded(value: Value) -> Op | None:
    """What loads a dot's operand, seen through a transpose and casts."""
    while isinstance(value.op, ops.Cast | ops.Transpose):
        value = value.op.source
    return value.op


def only_products_read(load: Op) -> bool:
    """Whether a load is nothing but right operands: each product packs for itself."""
    waiting = [load.results[0]]
    while waiting:
        value = waiting.pop()
        for user in value.uses:
            if isinstance(user, ops.Cast | ops.Transpose):
                waiting.append(user.result)
            elif not isinstance(user, ops.Dot) or value in (user.left, user.accumulator):
                return False
    return True


def _follows_no_write(load: TileLoad) -> bool:
    """Whether no operation that writes comes before the load, or shares a loop with it, in its block's program."""
    inside: Op = load
    while inside.parent is not None:
        block = inside.parent
        before = block.ops[: block.ops.index(inside)]
        owner = block.parent
        if isinstance(owner, ops.For | ops.While):
            before = block.ops
        if any(_writes(part) for op in before for part in op.walk()):
            return False
        if owner is None:
            return True
        inside = owner
    return True


def is_settled_in_loop(load: TileLoad) -> bool:
    """Whether nothing that shares the innermost loop with the load writes: what it reads stays until the loop's end."""
    return load.parent is not None and not any(_writes(part) for op in load.parent.ops for part in op.walk())


def _writes(op: Op) -> bool:
    return op.writes_memory or isinstance(op, ops.Barrier)


def _is_argument(value: Value) -> bool:
    """Whether a value is an argument of the kernel itself."""
    owner = value.owner
    return isinstance(owner, Block) and isinstance(owner.parent, ops.Func)


def _operands(op: Op) -> Iterator[Value]:
    return (operand for operand in op.operands if operand is not None)
