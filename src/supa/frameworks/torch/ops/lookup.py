"""Rows by index (embeddings) with their gradient, and dropout. Not here: other indexing (host)."""

from __future__ import annotations

import torch

from supa.frameworks.torch.extension import library
from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS, apply
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.dnn import lookup
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor
_BLOCK = 1024
_INDEX = (torch.int64, torch.int32)


def _zeros(recorder: Recorder, shape: tuple[int, ...]) -> Tensor:
    made = recorder.new(shape, torch.float32)
    count = made.numel()
    recorder.run(lookup.fill, cdiv(count, _BLOCK), made, 0.0, count, BLOCK=_BLOCK)
    return made


@device_op("embedding_dense_backward")
def _embedding_backward(
    recorder: Recorder, grad: Tensor, index: Tensor, height: int, padding: int, by_frequency: bool
) -> Tensor:
    if by_frequency or grad.dtype not in FLOATS or index.dtype not in _INDEX or not grad.is_contiguous():
        raise Declined
    if not index.is_contiguous() or index.device != grad.device or grad.numel() == 0:
        raise Declined
    columns = grad.shape[-1]
    total = _zeros(recorder, (height, columns))
    block = min(_BLOCK, next_power_of_2(columns))
    grid = (index.numel(), cdiv(columns, block))
    recorder.run(lookup.add_rows, grid, total, grad, index, columns, padding, BLOCK=block)
    if grad.dtype == torch.float32:
        return total
    return apply(recorder, "copy", [total], dtype=torch.float32, out=recorder.new(total.shape, grad.dtype))


@device_op("native_dropout")
def _dropout(recorder: Recorder, x: Tensor, share: float, train: bool | None) -> tuple[Tensor, Tensor]:
    if train is False or not 0 < share < 1 or x.dtype not in FLOATS or not x.is_contiguous() or x.numel() == 0:
        raise Declined
    recorder.never()
    index = x.device.index
    seed = int(library().supa_torch_seed(index)) & 0x7FFFFFFF
    offset = int(library().supa_torch_draw(index, x.numel())) & 0x7FFFFFFF
    out, kept = recorder.new(x.shape, x.dtype), recorder.new(x.shape, torch.bool)
    grid = cdiv(x.numel(), _BLOCK)
    recorder.run(lookup.dropout, grid, out, kept, x, float(share), seed, offset, x.numel(), BLOCK=_BLOCK)
    return out, kept


@device_op("native_dropout_backward")
def _dropout_backward(recorder: Recorder, grad: Tensor, kept: Tensor, scale: float) -> Tensor:
    if grad.dtype not in FLOATS:
        raise Declined
    kept_float = apply(recorder, "copy", [kept], dtype=torch.bool, out=recorder.new(kept.shape, grad.dtype))
    scaled = apply(recorder, "mul", [grad, kept_float], dtype=grad.dtype)
    factor = recorder.new((1,), torch.float32)
    recorder.run(lookup.fill, 1, factor, float(scale), 1, BLOCK=1)
    return apply(recorder, "mul", [scaled, factor], dtype=grad.dtype)
