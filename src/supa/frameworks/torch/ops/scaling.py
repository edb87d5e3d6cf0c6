"""What `GradScaler` asks of the device: gradients divided by the loss's scale, and the scale's own steps. Composed.

Not here: optimizers (`optimizers`), which take gradients as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.recorder import Declined, Recorder

Tensor = torch.Tensor


@device_op("_amp_foreach_non_finite_check_and_unscale_")
def _unscale(recorder: Recorder, gradients: Sequence[Tensor], found_inf: Tensor, inverse_scale: Tensor) -> None:
    if found_inf.numel() != 1 or inverse_scale.numel() != 1 or any(one.dtype not in FLOATS for one in gradients):
        raise Declined
    for gradient in gradients:
        is_finite = torch.isfinite(gradient).all()
        found_inf.copy_(torch.where(is_finite, found_inf, torch.ones_like(found_inf)))
        gradient.mul_(inverse_scale.reshape(()))


@device_op("_amp_update_scale_")
def _update_scale(
    recorder: Recorder, scale: Tensor, tracker: Tensor, found_inf: Tensor, growth: float, backoff: float, interval: int
) -> Tensor:
    if scale.numel() != 1 or tracker.numel() != 1 or found_inf.numel() != 1:
        raise Declined
    overflowed = found_inf.reshape(scale.shape) != 0
    steps = tracker + 1
    is_due = steps == interval
    grown = scale * growth
    larger = torch.where(torch.isfinite(grown), grown, scale)
    kept = torch.where(is_due.reshape(scale.shape), larger, scale)
    scale.copy_(torch.where(overflowed, scale * backoff, kept))
    tracker.copy_(torch.where(overflowed.reshape(tracker.shape) | is_due, torch.zeros_like(steps), steps))
    return scale
