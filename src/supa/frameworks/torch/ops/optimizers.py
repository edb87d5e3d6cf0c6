"""Torch's fused optimizers: one launch a parameter. Not here: `foreach` ones, which torch makes of other operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.ops.indexing import grid_of
from supa.frameworks.torch.recorder import Declined, Number, Recorder
from supa.libs.optim import steps

Tensor = torch.Tensor


def _alike(tensors: Sequence[Tensor]) -> None:
    """All lie in the same dense order; the host words the errors of others."""
    first = tensors[0]
    for one in tensors:
        dense = one.is_contiguous() or one.permute(*_order(one)).is_contiguous()
        if one.dtype not in FLOATS or one.shape != first.shape or one.stride() != first.stride() or not dense:
            raise Declined


def _order(tensor: Tensor) -> list[int]:
    return sorted(range(tensor.dim()), key=lambda dim: -int(tensor.stride()[dim]))


def _rate(value: Any, argument: int) -> Number:
    if not isinstance(value, (int, float)):
        raise Declined
    return Number(value, argument)


def _enter_adam(name: str, decoupled: bool) -> None:
    @device_op(name)
    def adam(
        recorder: Recorder, params: Sequence[Tensor], grads: Sequence[Tensor], means: Sequence[Tensor],
        squares: Sequence[Tensor], most: Sequence[Tensor], counts: Sequence[Tensor], rate: Any, beta1: float,
        beta2: float, decay: float, eps: float, amsgrad: bool, maximize: bool, grad_scale: Any, found_inf: Any,
    ) -> None:  # fmt: skip
        if grad_scale is not None or found_inf is not None:
            raise Declined
        numbers = [_rate(value, 6 + at) for at, value in enumerate((rate, beta1, beta2, decay, eps))]
        for number, param in enumerate(params):
            own = [param, grads[number], means[number], squares[number], *([most[number]] if amsgrad else [])]
            _alike(own)
            if not param.numel():
                continue
            block, blocks = grid_of(param.numel())
            recorder.run(
                steps.adam, blocks, param, grads[number], means[number], squares[number],
                most[number] if amsgrad else squares[number], counts[number], param.numel(), *numbers,
                DECOUPLED=decoupled, AMSGRAD=amsgrad, ASCENDS=maximize, BLOCK=block,
            )  # fmt: skip


_enter_adam("_fused_adam_", False)
_enter_adam("_fused_adamw_", True)


@device_op("_fused_sgd_")
def _sgd(
    recorder: Recorder, params: Sequence[Tensor], grads: Sequence[Tensor], momenta: Sequence[Tensor], decay: float,
    momentum: float, rate: Any, damping: float, nesterov: bool, maximize: bool, first: bool, grad_scale: Any,
    found_inf: Any,
) -> None:  # fmt: skip
    if grad_scale is not None or found_inf is not None:
        raise Declined
    numbers = [_rate(value, 3 + at) for at, value in enumerate((decay, momentum, rate, damping))]
    moves = len(momenta) > 0
    for number, param in enumerate(params):
        _alike([param, grads[number], *([momenta[number]] if moves else [])])
        if not param.numel():
            continue
        block, blocks = grid_of(param.numel())
        recorder.run(
            steps.sgd, blocks, param, grads[number], momenta[number] if moves else param, param.numel(), *numbers,
            MOMENTUM=moves, NESTEROV=nesterov, FIRST=first, ASCENDS=maximize, BLOCK=block,
        )  # fmt: skip
