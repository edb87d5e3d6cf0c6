"""The gradient of embeddings. Not here: their rows, other indexing (`indexing`)."""

from __future__ import annotations

import torch

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
    recorder.indexed(index, height, 0)
    recorder.run(lookup.add_rows, grid, total, grad, index, height, columns, padding, BLOCK=block, debug=True)
    if grad.dtype == torch.float32:
        return total
    return apply(recorder, "copy", [total], dtype=torch.float32, out=recorder.new(total.shape, grad.dtype))
