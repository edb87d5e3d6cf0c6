"""Type rules of whole-tile operations: dot, dot_scaled, reduce, scan, histogram."""

from __future__ import annotations

from collections.abc import Sequence

from supa.base.dtypes import BF16, F8E4M3FN, F8E5M2, F16, F32, F64, I8, I32, DType
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.rules.control import scalar_combine
from supa.ir.rules.shapes import need_axis
from supa.ir.rules.table import is_integer, joined, need_choice, need_mask, need_tile, refuse, type_rule
from supa.ir.types import Tile, Type

PRECISIONS = ("tf32", "tf32x3", "ieee", "bf16x3", "bf16x6")
SCALED_FORMATS: dict[str, tuple[DType, ...]] = {
    "e2m1": (I8,), "e4m3": (F8E4M3FN, I8), "e5m2": (F8E5M2, I8), "bf16": (BF16,), "fp16": (F16,),
}  # fmt: skip
"""Microscaling formats, and the element types that hold them."""
SCALE_TYPES = (I8, F8E4M3FN)


@type_rule(ops.Dot, infers=True)
def _dot(op: ops.Dot) -> Sequence[Type]:
    left, right, total = (need_tile(op, value) for value in op.operands if value is not None)
    _need_matrices(op, left.shape, right.shape, total)
    _need_elements(op, left, right, total)
    need_choice(op, "precision", op.precision, PRECISIONS)
    return (total,)


def _need_matrices(op: Op, left: tuple[int, ...], right: tuple[int, ...], total: Tile) -> None:
    fits = len(left) == len(right) in (2, 3) and left[-1] == right[-2] and left[:-2] == right[:-2]
    if not fits:
        refuse(op, "operands (m, k) and (k, n), or both with one leading batch", f"{left} and {right}")
    if total.shape != (*left[:-1], right[-1]):
        refuse(op, f"an accumulator of shape {(*left[:-1], right[-1])}", total)


def _need_elements(op: Op, left: Tile, right: Tile, total: Tile) -> None:
    elements = (left.element, right.element, total.element)
    if not all(isinstance(element, DType) for element in elements):
        refuse(op, "numbers", ", ".join(map(str, elements)))
    a, b, c = (element for element in elements if isinstance(element, DType))
    if a.is_float != b.is_float or a.is_float != c.is_float or a.bits != b.bits:
        refuse(op, "operands and accumulator all floats or all integers, operands of one width", f"{a}, {b}, {c}")
    if a.is_float and (c.bits < a.bits or c not in (F16, BF16, F32, F64)):
        refuse(op, f"an accumulator at least as wide as {a}", c)
    if not a.is_float and c != I32:
        refuse(op, "an accumulator of i32", c)


@type_rule(ops.DotScaled, infers=True)
def _dot_scaled(op: ops.DotScaled) -> Sequence[Type]:
    left, right, total = need_tile(op, op.left), need_tile(op, op.right), need_tile(op, op.accumulator)
    for tile, name in ((left, op.left_format), (right, op.right_format)):
        need_choice(op, "a format", name, tuple(SCALED_FORMATS))
        if tile.element not in SCALED_FORMATS[name]:
            refuse(op, f"elements that hold {name}", tile)
    a = _unpacked(left.shape, op.left_format, op.left_k_pack, k_axis=-1)
    b = _unpacked(right.shape, op.right_format, op.right_k_pack, k_axis=-2)
    _need_matrices(op, a, b, total)
    _need_scale(op, op.left_scale, (*a[:-1], a[-1]))
    _need_scale(op, op.right_scale, (*b[:-2], b[-1], b[-2]))
    if total.element not in (F32, F16, BF16):
        refuse(op, "an accumulator of f32, f16 or bf16", total)
    return (total,)


def _unpacked(shape: tuple[int, ...], name: str, k_pack: bool, k_axis: int) -> tuple[int, ...]:
    """The shape in elements; e2m1 holds two a byte, along k or along the other dimension."""
    if name != "e2m1" or len(shape) < 2:
        return shape
    axis = len(shape) + (k_axis if k_pack else -3 - k_axis)
    return tuple(extent * 2 if d == axis else extent for d, extent in enumerate(shape))


def _need_scale(op: Op, scale: Value | None, rows_and_k: tuple[int, ...]) -> None:
    if scale is None:
        return
    tile = need_tile(op, scale)
    *rows, k = rows_and_k
    fits = tile.shape[:-1] == tuple(rows) and k % tile.shape[-1] == 0 and tile.element in SCALE_TYPES
    if not fits:
        refuse(op, f"scales (i8 or f8E4M3FN) of {tuple(rows)} times groups of k={k}", tile)


@type_rule(ops.Reduce, infers=True)
def _reduce(op: ops.Reduce) -> Sequence[Type]:
    tiles = _need_sources(op, op.sources, op.axis)
    shape = (*tiles[0].shape[: op.axis], *tiles[0].shape[op.axis + 1 :])
    return [joined(shape, tile.element) for tile in tiles]


@type_rule(ops.Scan, infers=True)
def _scan(op: ops.Scan) -> Sequence[Type]:
    return _need_sources(op, op.sources, op.axis)


def _need_sources(op: Op, sources: Sequence[Value], axis: int) -> list[Tile]:
    tiles = [need_tile(op, value) for value in sources]
    if not tiles or any(tile.shape != tiles[0].shape for tile in tiles):
        refuse(op, "tiles of one shape", ", ".join(map(str, tiles)) or "none")
    need_axis(op, axis, len(tiles[0].shape))
    scalar_combine(op, [tile.element for tile in tiles])  # type: ignore[misc]
    return tiles


@type_rule(ops.Histogram)
def _histogram(op: ops.Histogram) -> Sequence[Type] | None:
    source, result = need_tile(op, op.source), need_tile(op, op.result)
    if not is_integer(source.element):
        refuse(op, "an integer tile", source)
    need_mask(op, op.mask, source.shape)
    if len(result.shape) != 1 or result.element != I32:
        refuse(op, "bins as an i32 tile of rank 1", result)
    return None
