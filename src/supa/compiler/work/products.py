"""Rules of matrix products: the matrix engine's format, where operands come from.

tf32x3 and bf16x3 are three products, bf16x6 six: their k is that much longer. Microscaling products (`dot_scaled`)
are priced as a compiler does them on engines without scales: operands converted to a 16-bit float and scaled.
"""

from __future__ import annotations

from supa.base.errors import UnsupportedError
from supa.compiler.work.shapes import from_memory
from supa.compiler.work.walker import Waits, Walker, rule
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.types import Tile, element_of, shape_of, storage_bytes
from supa.program.work import Exchange, Matrix

_FORMATS = {"f16": "fp16", "bf16": "bf16", "f64": "fp64", "i8": "int8"}
_PRECISIONS = {
    "ieee": ("fp32", 1), "tf32": ("tf32", 1), "tf32x3": ("tf32", 3), "bf16x3": ("bf16", 3), "bf16x6": ("bf16", 6),
}  # fmt: skip


def matrix_format(op: ops.Dot) -> tuple[str, int]:
    """The engine's format of a product, and how many such products it takes."""
    name = str(element_of(op.left.type))
    if name == "f32":
        return _PRECISIONS[op.precision]
    if name.startswith("f8"):
        return "fp8", 1
    if name in _FORMATS:
        return _FORMATS[name], 1
    hint = f"use {', '.join(_FORMATS)}, f32 or an 8-bit float"
    raise UnsupportedError(f"no matrix engine multiplies {name}", op.location, hint)


def in_shared(value: Value) -> bool:
    """Whether an operand is in shared memory: loaded, or put there by a transposition."""
    return from_memory(value) or isinstance(value.op, ops.Transpose)


def _right(w: Walker, op: Op, value: Value) -> Waits:
    """The right operand always comes from shared memory: data in registers goes there first."""
    waits = w.waits([value])
    if in_shared(value) or not waits:
        return waits
    assert isinstance(value.type, Tile)
    size = value.type.size * storage_bytes(value.type.element)
    step = w.step(Exchange, op, waits, scope="block", bytes=size)
    return frozenset((step.id,))


@rule(ops.Dot)
def dot(w: Walker, op: ops.Dot) -> None:
    """One matrix step."""
    format_, times = matrix_format(op)
    left, right = shape_of(op.left.type), shape_of(op.right.type)
    waits = _right(w, op, op.right) | w.waits([op.left, op.accumulator])
    step = w.step(
        Matrix, op, waits, m=left[-2], n=right[-1], k=left[-1] * times, format=format_,
        batch=left[0] if len(left) == 3 else 1, left_shared=in_shared(op.left), right_shared=True,
    )  # fmt: skip
    _result(w, op.results[0], step.id)


def _result(w: Walker, result: Value, step: int) -> None:
    w.after[result] = frozenset((step,))
    w.fragments.add(result)


@rule(ops.DotScaled)
def dot_scaled(w: Walker, op: ops.DotScaled) -> None:
    """Conversion and scaling of both operands, then one 16-bit product."""
    m, n = shape_of(op.results[0].type)[-2:]
    rows = shape_of(op.left.type)
    k = rows[-1] * (2 if op.left_format == "e2m1" and op.left_k_pack else 1)
    sixteen = "fp16" if "fp16" in (op.left_format, op.right_format) else "bf16"
    waits = w.waits([op.left, op.left_scale, op.right, op.right_scale])
    group = w.group(op, waits)
    name = "f16" if sixteen == "fp16" else "bf16"
    for kind in ("convert", "mul"):
        w.count_elements(group, kind, name, (m + n) * k)
    ready = frozenset((group.id,)) | w.waits([op.accumulator])
    step = w.step(Matrix, op, ready, m=m, n=n, k=k, format=sixteen, left_shared=False, right_shared=True)
    _result(w, op.results[0], step.id)
