"""Type rules of scalars and shapes: program ids, ranges, splat, broadcast, reshape, transpose, join, gather, ..."""

from __future__ import annotations

from collections.abc import Sequence

from supa.base.dtypes import I32, I64
from supa.ir import ops
from supa.ir.core import Op
from supa.ir.rules.table import is_integer, joined, need_choice, need_tile, refuse, split, type_rule
from supa.ir.types import Tile, Type


@type_rule(ops.ProgramId, infers=True)
@type_rule(ops.NumPrograms, infers=True)
def _grid(op: ops.ProgramId) -> Sequence[Type]:
    need_choice(op, "axis", op.axis, (0, 1, 2))
    return (I32,)


@type_rule(ops.ReadDevice, infers=True)
def _read_device(op: ops.ReadDevice) -> Sequence[Type]:
    need_choice(op, "what", op.what, ops.DEVICE_READINGS)
    return (I64,)


@type_rule(ops.Range, infers=True)
def _range(op: ops.Range) -> Sequence[Type]:
    if op.end <= op.start:
        refuse(op, f"an end above {op.start}", op.end)
    return (Tile((op.end - op.start,), I32),)


@type_rule(ops.Splat)
def _splat(op: ops.Splat) -> Sequence[Type] | None:
    shape, element = split(op.source.type)
    if shape or element is None:
        refuse(op, "a scalar", op.source.type)
    tile = need_tile(op, op.result)
    if tile.element is not element and tile.element != element:
        refuse(op, f"a tile of {element} as result", tile)
    return None


@type_rule(ops.Broadcast)
def _broadcast(op: ops.Broadcast) -> Sequence[Type] | None:
    source, result = need_tile(op, op.source), need_tile(op, op.result)
    fits = len(source.shape) == len(result.shape) and all(
        a in (1, b) for a, b in zip(source.shape, result.shape, strict=True)
    )
    if not fits or source.element != result.element:
        refuse(op, f"a result that {source} can be repeated to", result)
    return None


@type_rule(ops.ExpandDims, infers=True)
def _expand_dims(op: ops.ExpandDims) -> Sequence[Type]:
    source, axis = need_tile(op, op.source), op.axis
    if not 0 <= axis <= len(source.shape):
        refuse(op, f"an axis from 0 to {len(source.shape)}", axis)
    return (Tile((*source.shape[:axis], 1, *source.shape[axis:]), source.element),)


@type_rule(ops.Reshape)
def _reshape(op: ops.Reshape) -> Sequence[Type] | None:
    source, result = need_tile(op, op.source), op.result.type
    element = split(result)[1]
    size = result.size if isinstance(result, Tile) else 1
    if size != source.size or element != source.element:
        refuse(op, f"a result of {source.size} elements of {source.element}", result)
    return None


@type_rule(ops.Transpose, infers=True)
def _transpose(op: ops.Transpose) -> Sequence[Type]:
    source = need_tile(op, op.source)
    if sorted(op.order) != list(range(len(source.shape))):
        refuse(op, f"an order of the dimensions 0 to {len(source.shape) - 1}", op.order)
    return (Tile(tuple(source.shape[d] for d in op.order), source.element),)


@type_rule(ops.Join, infers=True)
def _join(op: ops.Join) -> Sequence[Type]:
    shape, element = split(op.left.type)
    if element is None or op.left.type != op.right.type:
        refuse(op, "two tiles of one type", f"{op.left.type}, {op.right.type}")
    return (Tile((*shape, 2), element),)


@type_rule(ops.Split, infers=True)
def _split(op: ops.Split) -> Sequence[Type]:
    source = need_tile(op, op.source)
    if source.shape[-1] != 2:
        refuse(op, "a tile whose last extent is 2", source)
    half = joined(source.shape[:-1], source.element)
    return (half, half)


@type_rule(ops.Butterfly, infers=True)
def _butterfly(op: ops.Butterfly) -> Sequence[Type]:
    source = need_tile(op, op.source)
    need_axis(op, op.axis, len(source.shape))
    if source.shape[op.axis] != 2:
        refuse(op, "an axis whose extent is 2", source)
    return (source,)


@type_rule(ops.Cat, infers=True)
def _cat(op: ops.Cat) -> Sequence[Type]:
    left = need_tile(op, op.left)
    if len(left.shape) != 1 or op.right.type != left:
        refuse(op, "two tiles of one type and rank 1", f"{left}, {op.right.type}")
    return (Tile((2 * left.shape[0],), left.element),)


@type_rule(ops.Gather, infers=True)
def _gather(op: ops.Gather) -> Sequence[Type]:
    source, indices = need_tile(op, op.source), need_tile(op, op.indices)
    need_axis(op, op.axis, len(source.shape))
    if not is_integer(indices.element) or _without(source.shape, op.axis) != _without(indices.shape, op.axis):
        refuse(op, f"integer indices of shape {source.shape} except along axis {op.axis}", indices)
    return (Tile(indices.shape, source.element),)


def need_axis(op: Op, axis: int, rank: int) -> None:
    """Refuse an axis outside the rank."""
    if not 0 <= axis < rank:
        refuse(op, f"an axis from 0 to {rank - 1}", axis)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])
