"""Negative log likelihood, forward and backward. Not here: losses composed of other operators."""

from __future__ import annotations

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.ops.moves import contiguous
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.dnn import loss
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor


def _check(x: Tensor, target: Tensor, weight: Tensor | None) -> tuple[int, int]:
    if x.dtype not in FLOATS or x.dim() not in (1, 2) or not x.numel() or target.device != x.device:
        raise Declined
    if target.dtype not in (torch.int64, torch.uint8) or target.dim() != x.dim() - 1:
        raise Declined
    rows = x.shape[0] if x.dim() == 2 else 1
    if target.numel() != rows:
        raise Declined
    if weight is not None and (weight.dtype != x.dtype or weight.device != x.device or not weight.is_contiguous()):
        raise Declined
    return rows, x.shape[-1]


@device_op("nll_loss_forward")
def _forward(
    recorder: Recorder, x: Tensor, target: Tensor, weight: Tensor | None, mode: int, ignored: int
) -> tuple[Tensor, Tensor]:
    rows, classes = _check(x, target, weight)
    x, target = contiguous(recorder, x), contiguous(recorder, target)
    out = recorder.new((rows,) if mode == 0 and x.dim() == 2 else (), x.dtype)
    total = recorder.new((), x.dtype)
    recorder.indexed(target, classes, x.dim() - 1, ignored=ignored)
    recorder.run(loss.nll, 1, out, total, x, target, weight if weight is not None else x, rows, classes, ignored,
                 WEIGHS=weight is not None, MODE=mode, BLOCK=min(1024, next_power_of_2(rows)), debug=True)  # fmt: skip
    return out, total


@device_op("nll_loss_backward")
def _backward(
    recorder: Recorder, grad: Tensor, x: Tensor, target: Tensor, weight: Tensor | None, mode: int, ignored: int,
    total: Tensor,
) -> Tensor:  # fmt: skip
    rows, classes = _check(x, target, weight)
    target, grad = contiguous(recorder, target), contiguous(recorder, grad)
    if grad.numel() != (rows if mode == 0 else 1):
        raise Declined
    out = recorder.new(x.shape, x.dtype)
    recorder.indexed(target, classes, x.dim() - 1, ignored=ignored)
    block_c = min(1024, next_power_of_2(classes))
    block_r = min(next_power_of_2(rows), max(1, 2048 // block_c))
    recorder.run(
        loss.nll_backward, (cdiv(rows, block_r), cdiv(classes, block_c)), out, grad, target,
        weight if weight is not None else x, total, rows, classes, ignored, WEIGHS=weight is not None, MODE=mode,
        BLOCK_R=block_r, BLOCK_C=block_c, debug=True,
    )  # fmt: skip
    return out
