"""Execution of whole-tile operations: dot, dot_scaled, reduce, scan, histogram.

Products and sums of dot are taken in float64 and rounded once to the accumulator's type; operands are rounded before
as the precision says. Reductions combine neighbours in a tree, scans go from one element to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supa.base.dtypes import BF16, F8E4M3FN, F8E5M2, F32, DType
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.oracle.formats import Array, Numerics, Rounding, from_float64, round_mantissa, to_float64
from supa.ir.oracle.functions import wrap
from supa.ir.oracle.program import Program, result_shape, rule
from supa.ir.types import element_of

_E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
_PIECES = {"tf32x3": 2, "bf16x3": 2, "bf16x6": 3}
_E8M0_BIAS, _E8M0_NAN = 127, 255


@rule(ops.Dot)
def _dot(op: ops.Dot, program: Program) -> Array:
    left, right, total = program.all(op.operands)  # type: ignore[arg-type]
    element = element_of(op.result.type)
    assert isinstance(element, DType)
    with np.errstate(all="ignore"):
        if not element.is_float:
            product = np.matmul(left.astype(np.int64), right.astype(np.int64))
            return wrap(product + total, element)
        lefts = _enter(left, op.left, op.precision, program.numerics)
        rights = _enter(right, op.right, op.precision, program.numerics)
        pairs = [(a, b) for i, a in enumerate(lefts) for j, b in enumerate(rights) if i + j < len(lefts)]
        product = sum(np.matmul(a, b) for a, b in pairs)
        return from_float64(product + to_float64(total, element), element, "rtne", program.numerics)


def _enter(stored: Array, value: Value, precision: str, numerics: Numerics) -> list[NDArray[np.float64]]:
    """An operand as the matrix unit takes it: one float64 matrix, or the pieces whose products are summed."""
    element = element_of(value.type)
    assert isinstance(element, DType)
    if element != F32 or precision == "ieee":
        return [to_float64(stored, element)]
    pieces, rest = [], np.asarray(stored, np.float32)
    for _ in range(_PIECES.get(precision, 1)):
        piece = _narrow(rest, precision, numerics)
        pieces.append(piece.astype(np.float64))
        rest = np.where(np.isfinite(piece), rest - piece, np.float32(0))
    return pieces


def _narrow(values: Array, precision: str, numerics: Numerics) -> NDArray[np.float32]:
    if precision.startswith("tf32"):
        rounding: Rounding = "rtz" if numerics.tf32_rounding == "truncate" else "rtne"
        return round_mantissa(values, numerics.tf32_mantissa_bits, rounding)
    return np.asarray(to_float64(from_float64(values, BF16), BF16), np.float32)


@rule(ops.DotScaled)
def _dot_scaled(op: ops.DotScaled, program: Program) -> Array:
    left = _unpack(program.get(op.left), op.left, op.left_format, -1 if op.left_k_pack else -2)
    right = _unpack(program.get(op.right), op.right, op.right_format, -2 if op.right_k_pack else -1)
    element = element_of(op.result.type)
    assert isinstance(element, DType)
    with np.errstate(all="ignore"):
        if op.left_scale is not None:
            left = left * _scale(program.get(op.left_scale), op.left_scale, left.shape[-1])
        if op.right_scale is not None:
            right = right * np.swapaxes(_scale(program.get(op.right_scale), op.right_scale, right.shape[-2]), -1, -2)
        total = np.matmul(left, right) + to_float64(program.get(op.accumulator), element)
        return from_float64(total, element, "rtne", program.numerics)


def _unpack(stored: Array, value: Value, name: str, axis: int) -> NDArray[np.float64]:
    """Elements of a microscaling operand; of the two e2m1 in a byte the low one comes first along the packed axis."""
    if name == "e2m1":
        raw = stored.view(np.uint8)
        pairs = np.stack([_E2M1[raw & 15], _E2M1[raw >> 4]], axis=-1)
        moved = np.moveaxis(pairs, -1, stored.ndim + axis + 1)
        shape = list(stored.shape)
        shape[axis] *= 2
        return moved.reshape(shape)
    element = element_of(value.type)
    assert isinstance(element, DType)
    if not element.is_float:
        return to_float64(stored.view(np.uint8), {"e4m3": F8E4M3FN, "e5m2": F8E5M2}[name])
    return to_float64(stored, element)


def _scale(stored: Array, value: Value, k: int) -> NDArray[np.float64]:
    """Scales (rows, groups) repeated to (rows, k): e8m0 bytes, powers of two with 255 as nan, or f8E4M3FN."""
    element = element_of(value.type)
    assert isinstance(element, DType)
    if element.is_float:
        factors = to_float64(stored, element)
    else:
        raw = stored.view(np.uint8).astype(np.int64)
        factors = np.where(raw == _E8M0_NAN, np.nan, np.ldexp(1.0, raw - _E8M0_BIAS))
    return np.repeat(factors, k // stored.shape[-1], axis=-1)


@rule(ops.Reduce)
def _reduce(op: ops.Reduce, program: Program) -> list[Array]:
    parts = [np.moveaxis(array, op.axis, 0) for array in program.all(op.sources)]
    while (extent := parts[0].shape[0]) > 1:
        pairs = extent // 2
        combined = _combine(op, program, [a[0 : 2 * pairs : 2] for a in parts], [a[1 : 2 * pairs : 2] for a in parts])
        parts = [np.concatenate([new, old[2 * pairs :]]) for new, old in zip(combined, parts, strict=True)]
    return [np.asarray(array[0]) for array in parts]


def _combine(op: Any, program: Program, left: Sequence[Array], right: Sequence[Array]) -> list[Array]:
    return program.lift(op.regions[0], [*left, *right], np.shape(left[0]))


@rule(ops.Scan)
def _scan(op: ops.Scan, program: Program) -> list[Array]:
    parts = [np.moveaxis(array, op.axis, 0) for array in program.all(op.sources)]
    if op.reverse:
        parts = [array[::-1] for array in parts]
    rows = [[np.asarray(array[0]) for array in parts]]
    for position in range(1, parts[0].shape[0]):
        rows.append(_combine(op, program, rows[-1], [np.asarray(array[position]) for array in parts]))
    stacked = [np.stack(column) for column in zip(*rows, strict=True)]
    return [np.moveaxis(array[::-1] if op.reverse else array, 0, op.axis) for array in stacked]


@rule(ops.Histogram)
def _histogram(op: ops.Histogram, program: Program) -> Array:
    values = np.asarray(program.get(op.source)).astype(np.int64)
    (bins,) = result_shape(op)
    counted = (values >= 0) & (values < bins)
    if op.mask is not None:
        counted = counted & program.get(op.mask)
    return np.bincount(values[counted].reshape(-1), minlength=bins).astype(np.int32)
