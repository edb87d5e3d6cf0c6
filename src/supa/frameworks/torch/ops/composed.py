"""Operators composed here of others, where torch has no decomposition or one that runs on the host. Not here: torch's
own (`composition`), families with a module of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS, INTEGERS
from supa.frameworks.torch.ops.masks import reads_values
from supa.frameworks.torch.recorder import Declined, Recorder

Tensor = torch.Tensor
_REAL = (*FLOATS, torch.float64)


@device_op("roll")
def _roll(recorder: Recorder, x: Tensor, shifts: Sequence[int], dims: Sequence[int]) -> Tensor:
    flat = not dims and len(shifts) == 1
    if not flat and (len(dims) != len(shifts) or not x.dim()):
        raise Declined
    found = x.reshape(-1) if flat else x
    for shift, dim in zip(shifts, [0] if flat else dims, strict=True):
        size = found.shape[dim]
        begin = size - shift % size if size else 0
        if begin % max(size, 1):
            found = torch.cat((found.narrow(dim, begin, size - begin), found.narrow(dim, 0, begin)), dim)
    return found.reshape(x.shape).clone(memory_format=torch.contiguous_format)


@device_op("masked_fill_.Tensor")
def _masked_fill(recorder: Recorder, x: Tensor, mask: Tensor, value: Tensor) -> Tensor:
    if value.dim() or value.device != x.device or mask.dtype != torch.bool or x.dtype.is_complex:
        raise Declined
    if not torch.can_cast(value.dtype, x.dtype):
        raise Declined
    x.copy_(torch.where(mask, value.to(x.dtype), x))
    return x


@device_op("linspace.out", "logspace.out")
def _spaced(recorder: Recorder, begin: float, end: float, steps: int, *rest: Any) -> Tensor:
    base = rest[0] if len(rest) == 2 else None
    out: Tensor = rest[-1]
    if isinstance(begin, complex) or isinstance(end, complex) or out.dtype not in _REAL or steps < 1:
        raise Declined
    wide = torch.float64 if out.dtype == torch.float64 else torch.float32
    step = (end - begin) / (steps - 1) if steps > 1 else 0.0
    number = torch.arange(steps, dtype=wide, device=out.device)
    from_end = end - (steps - 1 - number) * step
    found = torch.where(number < steps / 2, begin + number * step, from_end) if steps > 1 else number + begin
    if base is not None:
        found = torch.pow(base, found)
    if out.shape != found.shape:
        out.resize_(found.shape)
    out.copy_(found)
    return out


@device_op("histc")
def _histogram(recorder: Recorder, x: Tensor, bins: int, low: float, high: float) -> Tensor:
    whole = x.dtype in INTEGERS and x.dtype != torch.bool  # as on GPUs; the host takes none
    if not (whole or x.dtype in _REAL) or bins < 1 or not x.numel() or low > high:
        raise Declined
    if whole:
        low, high = int(low), int(high)
    if low == high:
        reads_values(recorder)
        low, high = (float(one) for one in x.aminmax())
        if low == high:
            low, high = low - 1, high + 1
    if not (math.isfinite(low) and math.isfinite(high)):
        raise Declined
    flat = x.reshape(-1).to(torch.float64) if whole else x.reshape(-1)
    place = ((flat - low) * bins / (high - low)).to(torch.int64).clamp(0, bins - 1)
    dtype = torch.int64 if whole else x.dtype
    inside = ((flat >= low) & (flat <= high)).to(dtype)
    return torch.zeros(bins, dtype=dtype, device=x.device).scatter_add_(0, place, inside).to(x.dtype)


@device_op("bincount")
def _counts(recorder: Recorder, x: Tensor, weights: Tensor | None, least: int) -> Tensor:
    if x.dtype not in INTEGERS or x.dim() != 1 or not x.numel() or (weights is not None and weights.shape != x.shape):
        raise Declined
    reads_values(recorder)
    low, high = x.aminmax()
    if int(low) < 0:
        raise Declined
    dtype = torch.int64 if weights is None else torch.float32 if weights.dtype == torch.float32 else torch.float64
    given = torch.ones_like(x, dtype=dtype) if weights is None else weights.to(dtype)
    total = torch.zeros(max(int(high) + 1, least), dtype=dtype, device=x.device)
    return total.scatter_add_(0, x.to(torch.int64), given)


def _differences(x: Tensor, y: Tensor) -> Tensor:
    return x.unsqueeze(-2) - y.unsqueeze(-3)


@device_op("_cdist_forward")
def _distances(recorder: Recorder, x: Tensor, y: Tensor, p: float, _: int | None) -> Tensor:
    if x.dtype not in _REAL or x.dtype != y.dtype or not x.shape[-1]:
        raise Declined
    found: Tensor = torch.linalg.vector_norm(_differences(x, y), p, dim=-1)
    return found


@device_op("_cdist_backward")
def _distances_backward(recorder: Recorder, grad: Tensor, x: Tensor, y: Tensor, p: float, found: Tensor) -> Tensor:
    if x.dtype not in _REAL or x.dtype != y.dtype or x.shape[:-2] != y.shape[:-2] or not x.shape[-1]:
        raise Declined
    away, length = _differences(x, y), found.unsqueeze(-1)
    if p == 0:
        return torch.zeros_like(x)
    if p == math.inf:
        each = away.sign() * (away.abs() == length)
    elif p == 1:
        each = away.sign()
    else:
        each = away.sign() * away.abs().pow(p - 1) / length.pow(p - 1)
        each = torch.where(length == 0, torch.zeros_like(each), each)
    return (grad.unsqueeze(-1) * each).sum(-2)
