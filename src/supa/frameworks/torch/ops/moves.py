"""Copies, fills and joins of tensors as kernels. Not here: what reads by index (`indexing`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS, INTEGERS, apply, operand, wide
from supa.frameworks.torch.recorder import Declined, Number, Recorder
from supa.libs.dnn.lookup import fill
from supa.libs.elementwise.pointwise import COMPUTE
from supa.libs.indexing.places import count_up, triangle, walk
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor
_BLOCK = 1024
_LARGEST_EXACT = 1 << 24  # of an integer in fp32


def copy_into(recorder: Recorder, source: Tensor, target: Tensor) -> Tensor:
    """target[...] = source, broadcast and converted."""
    if source.dtype.is_complex or target.dtype.is_complex:
        raise Declined
    return apply(recorder, "copy", [operand(source, 0)], dtype=source.dtype, out=target, converts=True)


def contiguous(recorder: Recorder, tensor: Tensor) -> Tensor:
    """The tensor, or a copy of it that lies contiguously."""
    if tensor.is_contiguous() and not tensor.is_neg() and not tensor.is_conj():
        return tensor
    return copy_into(recorder, tensor, recorder.new(tensor.shape, tensor.dtype))


def filled(recorder: Recorder, target: Tensor, value: float) -> Tensor:
    """target[...] = value."""
    if target.dtype not in (*FLOATS, *INTEGERS, torch.float64) or not isinstance(value, (int, float)):
        raise Declined
    exact = target.dtype in FLOATS or value != value or abs(value) == float("inf") or _is_fp32(value)
    if not exact:
        raise Declined
    if not target.is_contiguous():
        one = recorder.new((1,), target.dtype)
        recorder.run(fill, 1, one, float(value), 1, BLOCK=1)
        return copy_into(recorder, one, target)
    count = target.numel()
    block = min(_BLOCK, next_power_of_2(count))
    recorder.run(fill, cdiv(count, block), target, float(value), count, BLOCK=block)
    return target


def _is_fp32(value: float) -> bool:
    if isinstance(value, int) or value == int(value):
        return abs(value) <= _LARGEST_EXACT
    return float(torch.tensor(value, dtype=torch.float32)) == value


@device_op("fill_.Scalar")
def _fill(recorder: Recorder, target: Tensor, value: Any) -> Tensor:
    return filled(recorder, target, value)


@device_op("_copy_from")
def _copy(recorder: Recorder, source: Tensor, target: Tensor, _: bool) -> Tensor:
    return copy_into(recorder, source, target)


@device_op("cat")
def _cat(recorder: Recorder, tensors: Sequence[Tensor], dim: int) -> Tensor:
    held = [one for one in tensors if one.dim() != 1 or one.numel() or one.shape[0]]
    if not held or any(one.dim() != held[0].dim() for one in held) or held[0].dim() == 0:
        raise Declined
    dtype = held[0].dtype
    for one in tensors:
        dtype = torch.promote_types(dtype, one.dtype)
    axis = dim % held[0].dim()
    shape = list(held[0].shape)
    rest = shape[:axis] + shape[axis + 1 :]
    if any([*one.shape[:axis], *one.shape[axis + 1 :]] != rest for one in held):
        raise Declined  # the host words the error
    shape[axis] = sum(one.shape[axis] for one in held)
    out = recorder.new(shape, dtype)
    begin = 0
    for one in held:
        part = out.narrow(axis, begin, one.shape[axis])
        begin += one.shape[axis]
        if one.numel():
            copy_into(recorder, one, part)
    return out


@device_op("flip")
def _flip(recorder: Recorder, x: Tensor, dims: Sequence[int]) -> Tensor:
    turned = {dim % x.dim() for dim in dims} if x.dim() else set()
    out = recorder.new(x.shape, x.dtype)
    if x.numel():
        strides = [-stride if dim in turned else stride for dim, stride in enumerate(x.stride())]
        corner = sum(x.stride(dim) * (x.shape[dim] - 1) for dim in turned)
        start = recorder.view(x.as_strided((1,), (1,), x.storage_offset() + corner), x)
        rearrange(recorder, out, start, list(x.shape), strides)
    return out


def rearrange(recorder: Recorder, out: Tensor, start: Tensor, sizes: list[int], strides: list[int]) -> None:
    """out, contiguous in `sizes`, from memory that begins at `start` and is walked with any strides."""
    if start.dtype.is_complex:
        raise Declined
    rows, columns = 1, sizes[-1] if sizes else 1
    for size in sizes[:-1]:
        rows *= size
    lead = ([1] * 3 + sizes[:-1])[-3:]
    steps = ([0] * 3 + strides[:-1])[-3:]
    if len(sizes) > 4:
        raise Declined
    block_c = min(_BLOCK, next_power_of_2(columns))
    block_r = min(next_power_of_2(rows), max(1, _BLOCK // block_c))
    recorder.run(walk, (cdiv(rows, block_r), cdiv(columns, block_c)), out, start, rows, columns, *lead[1:], *steps,
                 strides[-1] if strides else 0, BLOCK_R=block_r, BLOCK_C=block_c)  # fmt: skip


def _enter_triangle(name: str, upper: bool) -> None:
    def run(recorder: Recorder, x: Tensor, diagonal: int, out: Tensor | None) -> Tensor:
        if x.dim() < 2 or x.dtype.is_complex:
            raise Declined
        source = contiguous(recorder, x)
        target = recorder.new(x.shape, x.dtype) if out is None or not out.is_contiguous() else out
        count = x.numel()
        if count:
            block = min(_BLOCK, next_power_of_2(count))
            recorder.run(triangle, cdiv(count, block), target, source, count, x.shape[-2], x.shape[-1], diagonal,
                         UPPER=upper, BLOCK=block)  # fmt: skip
        return target if out is None or out is target else copy_into(recorder, target, out)

    @device_op(name)
    def plain(recorder: Recorder, x: Tensor, diagonal: int) -> Tensor:
        return run(recorder, x, diagonal, None)

    @device_op(f"{name}_")
    def in_place(recorder: Recorder, x: Tensor, diagonal: int) -> Tensor:
        return run(recorder, x, diagonal, x)


_enter_triangle("tril", False)
_enter_triangle("triu", True)


@device_op("arange.start_out")
def _arange(recorder: Recorder, start: Any, end: Any, step: Any, out: Tensor) -> Tensor:
    compute = "i64" if out.dtype in INTEGERS else "f64"
    if out.dtype not in (*FLOATS, *INTEGERS, torch.float64) or not out.is_contiguous():
        raise Declined
    count = out.numel()
    if count:
        block = min(_BLOCK, next_power_of_2(count))
        recorder.run(count_up, cdiv(count, block), out, *wide(Number(start), compute), *wide(Number(step), compute),
                     count, COMPUTE=COMPUTE[compute], BLOCK=block)  # fmt: skip
    return out
