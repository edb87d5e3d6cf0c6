"""Products of tiles in random kernels: every pair of formats; operands whose sums are exact. Not tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supa.base.dtypes import BF16, DTYPES, F8E4M3FN, F8E5M2, F16, F32, F64, I8, I32, DType
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import Tile, shape_of

if TYPE_CHECKING:
    from program_values import ValueWriter

FLOATS = [element for element in DTYPES.values() if element.is_float]
FP8 = [element for element in FLOATS if element.bits == 8]
PRECISIONS = ("ieee", "tf32", "tf32x3", "bf16x3", "bf16x6")
SCALED = {"e2m1": None, "e4m3": F8E4M3FN, "e5m2": F8E5M2, "bf16": BF16, "fp16": F16}
ONE = 127  # the byte of the scale 1


def dot(w: ValueWriter, type_: Tile) -> Value:
    """A dot of small whole numbers, whose operands may be seen through transposes."""
    *batch, m, n = type_.shape
    k = 1 << w.choose.integer(3 if w.multiplies else 0, 7 if w.multiplies else 6)
    left, right = _pair(w, type_.element)
    sides = [_side(w, left, (*batch, m, k)), _side(w, right, (*batch, k, n))]
    total = w.whole(type_.shape, type_.element) if w.choose.chance(60) else w.constant(0, type_)
    precision = w.choose.pick(PRECISIONS) if left is F32 else "ieee"
    return w.builder.value(ops.Dot, [*sides, total], precision=precision)


def _pair(w: ValueWriter, total: DType) -> tuple[DType, DType]:
    """Two formats of one width, no wider than the sum's."""
    if total is I32:
        return I8, I8
    width = w.choose.pick([bits for bits in ((8, 16) if w.multiplies else (8, 16, 32, 64)) if bits <= total.bits])
    same = [element for element in FLOATS if element.bits == width]
    if total is not F64:
        same = [element for element in same if element is not F64]
    return w.choose.pick(same), w.choose.pick(same)


def _side(w: ValueWriter, element: DType, shape: tuple[int, ...]) -> Value:
    if element is I8 and w.multiplies and w.choose.chance(70):
        return w.value(Tile(shape, I8), 1)  # sums of whole numbers wrap, and are exact whatever the numbers are
    if not w.choose.chance(40):
        return w.whole(shape, element)
    rank = len(shape)
    swapped = w.whole((*shape[:-2], shape[-1], shape[-2]), element)
    return w.builder.value(ops.Transpose, [swapped], order=(*range(rank - 2), rank - 1, rank - 2))


def dot_scaled(w: ValueWriter, type_: Tile) -> Value:
    """A dot of microscaling operands."""
    *batch, m, n = type_.shape
    k = 1 << w.choose.integer(1, 6)
    group = 1 << w.choose.integer(0, k.bit_length() - 1)
    names = [w.choose.pick(list(SCALED)) for _ in range(2)]
    packs = [w.choose.chance(70) or extent == 1 for extent in (m, n)]
    left = _microscaled(w, names[0], (*batch, m, k), -1 if packs[0] else -2)
    right = _microscaled(w, names[1], (*batch, k, n), -2 if packs[1] else -1)
    scales = [_scale(w, (*batch, rows, k // group)) if w.choose.chance(75) else None for rows in (m, n)]
    total = w.whole(type_.shape, type_.element) if w.choose.chance(60) else w.constant(0, type_)
    return w.builder.value(
        ops.DotScaled, [left, scales[0], right, scales[1], total], left_format=names[0], right_format=names[1],
        left_k_pack=packs[0], right_k_pack=packs[1],
    )  # fmt: skip


def _microscaled(w: ValueWriter, name: str, shape: tuple[int, ...], packed_axis: int) -> Value:
    element = SCALED[name]
    if element is None:
        bytes_ = list(shape)
        bytes_[packed_axis] //= 2
        return w.value(Tile(tuple(bytes_), I8), 1)
    value = w.whole(shape, element)
    return w.cast(value, I8, "bitcast") if element.bits == 8 and w.choose.chance(50) else value


def _scale(w: ValueWriter, shape: tuple[int, ...]) -> Value:
    """Powers of two near 1, rarely a NaN; or small whole numbers as f8E4M3FN."""
    tile = Tile(shape, I32)
    small = w.map("and", w.value(tile, 1), w.constant(3, tile))
    if w.choose.chance(30):
        return w.cast(w.map("add", small, w.constant(1, tile)), F8E4M3FN, "sitofp")
    scale = w.cast(w.map("add", small, w.constant(ONE - 1, tile)), I8, "trunc")
    if w.choose.chance(10):
        return w.map("select", w.mask(shape_of(scale.type)), w.constant(-1, scale.type), scale)
    return scale
