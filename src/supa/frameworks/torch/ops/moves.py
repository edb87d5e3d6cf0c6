"""Copies, fills and joins of tensors as kernels. Not here: what reads by index (`indexing`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS, INTEGERS, apply, operand
from supa.frameworks.torch.recorder import Declined, Number, Recorder
from supa.libs.dnn.lookup import fill
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


def number_tensor(recorder: Recorder, value: Number, dtype: torch.dtype) -> Tensor:
    """A tensor of one value."""
    return filled(recorder, recorder.new((1,), dtype), value.value)
