"""Runs one elementwise operation: promoted type, shape, layout, the kernel's form and its blocks.

Not here: which operators there are (`unary`, `binary`, `weighted`), the operations (`libs.elementwise`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch

from supa.frameworks.torch.recorder import Declined, Number, Recorder
from supa.libs.elementwise.pointwise import COMPUTE, MOST_ROW_LOOPS, flat, tiled
from supa.libs.elementwise.table import OPERATIONS
from supa.libs.sizes import cdiv, next_power_of_2

Operand = torch.Tensor | Number
FLOATS = (torch.float32, torch.float16, torch.bfloat16)
INTEGERS = {
    torch.uint8: "u8", torch.int8: "i8", torch.int16: "i16", torch.int32: "i32", torch.int64: "i64", torch.bool: "i1",
}  # fmt: skip
_LARGEST_FP32 = 3.4028234663852886e38
_FLAT_BLOCK, _LARGE_BLOCK, _LARGE = 1024, 4096, 1 << 20


def operand(value: object, argument: int) -> Operand:
    """An operator's argument as an operand; a host tensor of one value is a number. Raises `Declined` for others."""
    if isinstance(value, torch.Tensor):
        if value.device.type == "supa":
            if value.is_conj() or value.is_neg():
                raise Declined
            return value
        if value.dim() or value.dtype.is_complex:
            raise Declined
        return Number(value.item(), argument)
    if isinstance(value, (int, float)):
        return Number(value, argument)
    raise Declined


def broadcast(*shapes: Sequence[int]) -> torch.Size:
    """The shape that all of them are seen in. Raises `Declined` where there is none: the host words the error."""
    try:
        found: torch.Size = torch.broadcast_shapes(*(tuple(one) for one in shapes))
    except RuntimeError as error:
        raise Declined from error
    return found


def promoted(first: Any, *others: Any) -> torch.dtype:
    """The type that torch computes in for these tensors and numbers; they are torch's own arguments."""
    return reduce(torch.promote_types, [torch.result_type(first, other) for other in others])


def apply(
    recorder: Recorder,
    name: str,
    operands: Sequence[Operand],
    numbers: Sequence[Operand] = (),
    *,
    dtype: torch.dtype,
    out: torch.Tensor | None = None,
    converts: bool = False,
) -> torch.Tensor:
    """`OPERATIONS[name]` over the operands, computed for `dtype` (what the promoted arguments have). The result fits
    into `out`'s type by torch's rules, or is converted whatever it is with `converts`.

    Raises `Declined` for types and layouts that the kernels do not serve.
    """
    operation = OPERATIONS[name]
    tensors = [one for one in operands if isinstance(one, torch.Tensor)]
    if not tensors:
        raise Declined
    compute = _compute_type(operation.kind, dtype)
    result_dtype = torch.bool if operation.kind == "bool" else dtype
    sizes = broadcast(*(one.shape for one in tensors))
    if out is None:
        out = recorder.new(sizes, result_dtype, strides_like(tensors, sizes))
    elif not _fits(result_dtype, out.dtype, converts) or (
        tuple(out.shape) != tuple(sizes) and not (converts and broadcast(out.shape, sizes) == tuple(out.shape))
    ):
        raise Declined
    if out.numel():
        _launch(recorder, name, out, list(operands), list(numbers), compute)
    return out


def _compute_type(kind: str, dtype: torch.dtype) -> str:
    if dtype in FLOATS and kind != "bits":
        return "f32"
    if dtype == torch.float64 and kind != "bits":
        return "f64"
    if dtype in INTEGERS and kind != "float":
        return "i8" if dtype == torch.bool and kind == "same" else INTEGERS[dtype]
    raise Declined


def wide(value: Number, compute: str) -> list[Number]:
    """A number as three of fp32 whose sum it is: what operations in fp64 and on integers take exactly."""
    left, parts = value.value, []
    if (compute != "f64" and left != left) or (abs(left) > _LARGEST_FP32 and abs(left) != math.inf):
        raise Declined
    if compute != "f64":
        left = int(left)
    for _ in range(3):
        part = struct.unpack("<f", struct.pack("<f", left))[0]
        parts.append(Number(part))
        if abs(part) == math.inf or part != part:
            left = 0.0
        else:
            left = left - (part if compute == "f64" else int(part))
    return parts


def _fits(computed: torch.dtype, target: torch.dtype, converts: bool) -> bool:
    if target not in FLOATS and target not in INTEGERS and target != torch.float64:
        raise Declined
    return converts or torch.can_cast(computed, target)


def strides_like(tensors: Sequence[torch.Tensor], sizes: Sequence[int]) -> tuple[int, ...] | None:
    """The first operand's own layout where it fills memory and has the result's shape; contiguous otherwise."""
    for one in tensors:
        if tuple(one.shape) == tuple(sizes):
            if one.is_contiguous():
                return None
            order = sorted(range(one.dim()), key=lambda dim: (one.stride(dim), one.shape[dim]))
            expected = 1
            for dim in order:
                if one.shape[dim] != 1 and one.stride(dim) != expected:
                    return None
                expected *= one.shape[dim]
            return tuple(one.stride())
    return None


def _launch(
    recorder: Recorder, name: str, out: torch.Tensor, operands: list[Operand], numbers: list[Operand], compute: str
) -> None:
    form = "".join("p" if isinstance(one, torch.Tensor) else "n" for one in operands)
    if compute != "f32":
        form = form.replace("n", "w") + "w" * bool(numbers)
        operands = [part for one in operands for part in (wide(one, compute) if isinstance(one, Number) else [one])]
        numbers = [part for one in numbers if isinstance(one, Number) for part in wide(one, compute)]
    moving = [out, *(one for one in operands if isinstance(one, torch.Tensor))]
    loops = loops_of(list(out.shape), [strides_over(one, out.shape) for one in moving])
    count = out.numel()
    if len(loops) == 1 and all(stride == 1 for stride in loops[0][1]):
        block = _LARGE_BLOCK if count >= _LARGE else min(_FLAT_BLOCK, next_power_of_2(count))
        grid = cdiv(count, block)
        recorder.run(flat(name, form), grid, out, *operands, *numbers, count, COMPUTE=COMPUTE[compute], BLOCK=block)
        return
    if len(loops) > MOST_ROW_LOOPS + 1:
        raise Declined
    if len(loops) == 1:
        loops.insert(0, (1, [0] * len(moving)))
    rows, columns = loops[:-1], loops[-1]
    row_count = count // columns[0]
    block_c = min(_FLAT_BLOCK, next_power_of_2(columns[0]))
    block_r = max(1, min(_FLAT_BLOCK // block_c, next_power_of_2(row_count)))
    strides = [
        stride for index in range(len(moving)) for stride in [columns[1][index], *(row[1][index] for row in rows)]
    ]
    grid = cdiv(row_count, block_r) * cdiv(columns[0], block_c)
    recorder.run(
        tiled(name, form, len(rows)), grid, out, *operands, *numbers, row_count, columns[0],
        *(row[0] for row in rows[1:]), *strides, COMPUTE=COMPUTE[compute], BLOCK_R=block_r, BLOCK_C=block_c,
    )  # fmt: skip


def strides_over(tensor: torch.Tensor, sizes: Sequence[int]) -> list[int]:
    """Strides of a tensor seen in a broadcast shape."""
    missing = len(sizes) - tensor.dim()
    own = [0] * missing + list(tensor.stride())
    shape = [1] * missing + list(tensor.shape)
    return [0 if shape[dim] == 1 else own[dim] for dim in range(len(sizes))]


def loops_of(sizes: list[int], strides: list[list[int]]) -> list[tuple[int, list[int]]]:
    """The fewest loops that walk all tensors together, outermost first: (size, stride of each tensor)."""
    dims = [dim for dim in range(len(sizes)) if sizes[dim] != 1]
    dims.sort(key=lambda dim: (-strides[0][dim], dim))
    loops: list[tuple[int, list[int]]] = []
    for dim in dims:
        here = [one[dim] for one in strides]
        if loops and all(outer == inner * sizes[dim] for outer, inner in zip(loops[-1][1], here, strict=True)):
            loops[-1] = (loops[-1][0] * sizes[dim], here)
        else:
            loops.append((sizes[dim], here))
    return loops or [(1, [1] * len(strides))]
