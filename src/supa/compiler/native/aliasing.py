"""Whether two accesses of one loop nest may meet at an address although they belong to different elements.

Where a load and a store share a nest, an element is stored before the next one is loaded. That is right if both use
the same address for the same element, or never meet. Pointers that come from different kernel arguments (or different
loads of pointers) are taken not to meet at different elements. Not here: what shares a nest (`plan`).
"""

from __future__ import annotations

from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.types import Descriptor, Pointer, Tile, element_of, shape_of

_THROUGH = (
    ops.AddPtr, ops.Splat, ops.Broadcast, ops.ExpandDims, ops.Reshape, ops.Transpose, ops.Split, ops.Join, ops.Cat,
    ops.Gather, ops.MakeDescriptor,
)  # fmt: skip

_BY_POINTER = (ops.Load, ops.Store, ops.AtomicRmw, ops.AtomicCas)


class Aliasing:
    """Answers about the accesses of one function; remembers what it found."""

    def __init__(self) -> None:
        self._known: dict[Value, frozenset[Value]] = {}

    def may_clash(self, first: Op, second: Op) -> bool:
        """Whether the two accesses may meet at an address at different elements."""
        one, other = first.operands[0], second.operands[0]
        assert one is not None and other is not None
        if self.bases(one).isdisjoint(self.bases(other)):
            return False
        if isinstance(first, _BY_POINTER) and isinstance(second, _BY_POINTER):
            return not (_same_value(one, other) and _is_injective(one))
        return not _same_block(first, second)

    def bases(self, value: Value) -> frozenset[Value]:
        """The values that a pointer or descriptor is computed from by offsets."""
        known = self._known.get(value)
        if known is None:
            found: set[Value] = set()
            _collect(value, found, set())
            known = self._known[value] = frozenset(found)
        return known


def _collect(value: Value, found: set[Value], seen: set[Value]) -> None:
    if value in seen:
        return
    seen.add(value)
    sources = _sources(value)
    if not sources:
        found.add(value)
    for source in sources:
        _collect(source, found, seen)


def _sources(value: Value) -> list[Value]:
    """The pointers that `value` is one of, but for an offset; none for a root."""
    op = value.op
    if op is None:
        return _handed_over(value)
    if isinstance(op, _THROUGH) or (isinstance(op, ops.Map) and op.function == "select"):
        return [operand for operand in op.operands if operand is not None and _is_address(operand)]
    if isinstance(op, ops.If):
        return [block.terminator.operands[value.index] for block in op.regions]  # type: ignore[misc]
    if isinstance(op, ops.For):
        return [op.inits[value.index], op.regions[0].terminator.operands[value.index]]
    if isinstance(op, ops.While):
        handed = op.regions[0].terminator.operands[value.index + 1]
        return [handed] if handed is not None else []
    if isinstance(op, ops.Cast):
        return [op.source] if _is_address(op.source) else _integers_of_address(op.source)
    return []


def _integers_of_address(value: Value) -> list[Value]:
    """The pointers that an integer is computed from, and whatever else it is that is not known here."""
    found, waiting, seen = [], [value], {value}
    while waiting:
        value = waiting.pop()
        op = value.op
        if isinstance(op, ops.Constant | ops.Range | ops.ProgramId | ops.NumPrograms):
            continue
        if _is_address(value) or not isinstance(op, (ops.Map, ops.Cast, *_THROUGH)):
            found.append(value)
            continue
        operands = [operand for operand in op.operands if operand is not None and operand not in seen]
        waiting.extend(operands)
        seen.update(operands)
    return found


def _handed_over(argument: Value) -> list[Value]:
    """What a loop hands to a block's argument."""
    assert isinstance(argument.owner, Block)
    loop = argument.owner.parent
    if isinstance(loop, ops.For) and argument.index > 0:
        position = argument.index - 1
        return [loop.inits[position], loop.regions[0].terminator.operands[position]]
    if isinstance(loop, ops.While):
        before, after = loop.regions
        handed = before.terminator.operands[1:] if argument.owner is after else after.terminator.operands
        first = [] if argument.owner is after else [loop.inits[argument.index]]
        following = handed[argument.index]
        return [*first, following] if following is not None else first
    return []


def _is_address(value: Value) -> bool:
    return isinstance(value.type, Descriptor) or isinstance(element_of(value.type), Pointer)


def _same_value(one: Value, other: Value) -> bool:
    """Whether two pointers are equal at every element: the same value, or the same offset of the same base."""
    if one is other:
        return True
    left, right = one.op, other.op
    if left is None or right is None or type(left) is not type(right) or one.type != other.type:
        return False
    if not isinstance(left, ops.AddPtr | ops.Splat | ops.Cast):
        return False
    return all(_same_value(a, b) for a, b in zip(left.operands, right.operands, strict=True) if a and b)


def _is_injective(pointer: Value) -> bool:
    """Whether different elements have different addresses, as long as no stride is zero or too small."""
    wanted = {dim for dim, extent in enumerate(shape_of(pointer.type)) if extent > 1}
    varied = _varied(pointer)
    return not wanted or (varied is not None and wanted <= varied)


def _varied(value: Value) -> frozenset[int] | None:
    """The dimensions along which a sum of ranges grows; None for what is no such sum."""
    op = value.op
    if not isinstance(value.type, Tile) or isinstance(op, ops.Splat):
        return frozenset()
    if op is None:
        first = _handed_over(value)  # a pointer that a loop advances
        return _varied(first[0]) if first and first[0] is not value else None
    if isinstance(op, ops.Constant):
        return None if op.values else frozenset()
    if isinstance(op, ops.Range):
        return frozenset((0,))
    parts = [_varied(operand) for operand in op.operands if operand is not None]
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    return _moved(op, known)


def _moved(op: Op, parts: list[frozenset[int]]) -> frozenset[int] | None:
    """The dimensions along which the result grows, from those of the operands."""
    if isinstance(op, ops.AddPtr) or (isinstance(op, ops.Map) and op.function in ("add", "sub")):
        return parts[0] | parts[1]
    if isinstance(op, ops.Map) and op.function == "mul":
        return parts[0] | parts[1] if not (parts[0] and parts[1]) else None
    if isinstance(op, ops.Broadcast) or (isinstance(op, ops.Cast) and op.kind in ("sext", "zext")):
        return parts[0]
    if isinstance(op, ops.ExpandDims):
        return frozenset(dim + (dim >= op.axis) for dim in parts[0])
    if isinstance(op, ops.Transpose):
        return frozenset(dim for dim, source in enumerate(op.order) if source in parts[0])
    if isinstance(op, ops.Reshape):
        whole = {dim for dim, extent in enumerate(shape_of(op.source.type)) if extent > 1}
        return frozenset(range(len(shape_of(op.result.type)))) if whole <= parts[0] else None
    return None


def _same_block(first: Op, second: Op) -> bool:
    """Whether descriptor accesses move the same block."""
    if not isinstance(first, ops.DescriptorLoad | ops.DescriptorStore):
        return False
    if not isinstance(second, ops.DescriptorLoad | ops.DescriptorStore):
        return False
    return first.descriptor is second.descriptor and list(first.indices) == list(second.indices)
