"""Resampling and adaptive means of any rank: a matrix along each axis, its transpose backward; linear, cubic, with
and without smoothing. Not here: nearest and linear resampling of planes, which have kernels (`planes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.ops.products import exact_product
from supa.frameworks.torch.recorder import Declined, Recorder

Tensor = torch.Tensor
_SHARP, _SMOOTH = -0.75, -0.5  # the cubic's free number, plain and with smoothing, as torch has it


def _wide(x: Tensor) -> torch.dtype:
    if x.dtype not in (*FLOATS, torch.float64) or not x.numel():
        raise Declined
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _number(count: int, x: Tensor) -> Tensor:
    return torch.arange(count, dtype=_wide(x), device=x.device)


def _step(size: int, out: int, aligned: bool, given: float | None) -> float:
    if aligned:
        return (size - 1) / (out - 1) if out > 1 else 0.0
    return 1.0 / given if given else size / out


def _cubic(away: Tensor, a: float) -> Tensor:
    """The weight of a neighbour that far away."""
    near = ((a + 2) * away - (a + 3)) * away * away + 1
    far = ((a * away - 5 * a) * away + 8 * a) * away - 4 * a
    return torch.where(away <= 1, near, torch.where(away < 2, far, torch.zeros_like(far)))


def _plain_weights(size: int, out: int, step: float, aligned: bool, cubic: bool, x: Tensor) -> Tensor:
    """(out, size): what each element of the resampled axis has of each of the axis; past the edge the edge counts."""
    at = _number(out, x)
    real = at * step if aligned else (at + 0.5) * step - 0.5
    if not cubic:
        real = real.clamp_min(0.0)
    first = real.floor()
    share = (real - first).unsqueeze(1)
    column = _number(size, x)
    total = torch.zeros(out, size, dtype=column.dtype, device=x.device)
    for reach in range(-1, 3) if cubic else range(2):
        weight = _cubic((share - reach).abs(), _SHARP) if cubic else (1 - share if reach == 0 else share)
        place = (first + reach).clamp(0, size - 1).unsqueeze(1)
        total = total + torch.where(place == column, weight, torch.zeros_like(weight))
    return total


def _smooth_weights(size: int, out: int, step: float, cubic: bool, x: Tensor) -> Tensor:
    """The same with a filter as wide as what an element stands for."""
    width = max(step, 1.0)
    support = (2.0 if cubic else 1.0) * width
    center = ((_number(out, x) + 0.5) * step).unsqueeze(1)
    column = _number(size, x).unsqueeze(0)
    inside = (column >= (center - support + 0.5).trunc()) & (column < (center + support + 0.5).trunc())
    away = ((column - center + 0.5) / width).abs()
    weight = _cubic(away, _SMOOTH) if cubic else (1 - away).clamp_min(0.0)
    weight = torch.where(inside, weight, torch.zeros_like(weight))
    return weight / weight.sum(1, keepdim=True)


def _adaptive_weights(size: int, out: int, x: Tensor) -> Tensor:
    at = torch.arange(out, device=x.device)
    begin, end = (at * size // out).unsqueeze(1), (((at + 1) * size + out - 1) // out).unsqueeze(1)
    column = torch.arange(size, device=x.device)
    inside = ((column >= begin) & (column < end)).to(_wide(x))
    return inside / (end - begin)


def _along(recorder: Recorder, x: Tensor, weights: Sequence[Tensor], back: bool) -> Tensor:
    """A matrix along each of the last axes; BACK: its transpose."""
    found = x.to(_wide(x))
    for number, weight in enumerate(weights):
        axis = x.dim() - len(weights) + number
        moved = found.movedim(axis, -1)
        found = exact_product(recorder, moved, weight if back else weight.t()).movedim(-1, axis)
    return found.to(x.dtype).contiguous()


def _check(x: Tensor, small: Sequence[int], large: Sequence[int], rank: int) -> None:
    if x.dim() not in (rank + 1, rank + 2) or len(small) != rank or len(large) != rank or 0 in (*small, *large):
        raise Declined  # the host words the error


def _enter(name: str, rank: int, cubic: bool, smooth: bool) -> None:
    def weights(x: Tensor, small: Sequence[int], large: Sequence[int], aligned: bool, given: Any) -> list[Tensor]:
        _check(x, small, large, rank)
        found = []
        for size, out, scale in zip(small, large, given, strict=True):
            step = _step(size, out, aligned, scale)
            if smooth:
                found.append(_smooth_weights(size, out, step, cubic, x))
            else:
                found.append(_plain_weights(size, out, step, aligned, cubic, x))
        return found

    @device_op(name)
    def forward(recorder: Recorder, x: Tensor, size: Sequence[int], aligned: bool, *given: float | None) -> Tensor:
        return _along(recorder, x, weights(x, x.shape[-rank:], [int(one) for one in size], aligned, given), False)

    @device_op(f"{name}_backward")
    def backward(
        recorder: Recorder, grad: Tensor, out_size: Sequence[int], in_size: Sequence[int], aligned: bool,
        *given: float | None,
    ) -> Tensor:  # fmt: skip
        small = [int(one) for one in in_size[-rank:]]
        return _along(recorder, grad, weights(grad, small, [int(one) for one in out_size], aligned, given), True)


for _name, _rank, _is_cubic, _is_smooth in (
    ("upsample_linear1d", 1, False, False), ("upsample_trilinear3d", 3, False, False),
    ("upsample_bicubic2d", 2, True, False), ("_upsample_bilinear2d_aa", 2, False, True),
    ("_upsample_bicubic2d_aa", 2, True, True),
):  # fmt: skip
    _enter(_name, _rank, _is_cubic, _is_smooth)


def adaptive_mean(recorder: Recorder, x: Tensor, small: Sequence[int], large: Sequence[int], back: bool) -> Tensor:
    """Means of windows that divide the last axes, of sizes `small`, evenly into `large`; BACK: the gradient, from x."""
    _check(x, small, large, len(small))
    weights = [_adaptive_weights(size, out, x) for size, out in zip(small, large, strict=True)]
    return _along(recorder, x, weights, back)


@device_op("_adaptive_avg_pool3d")
def _adaptive_mean(recorder: Recorder, x: Tensor, size: Sequence[int]) -> Tensor:
    return adaptive_mean(recorder, x, x.shape[-3:], [int(one) for one in size], False)


@device_op("_adaptive_avg_pool3d_backward")
def _adaptive_mean_backward(recorder: Recorder, grad: Tensor, x: Tensor) -> Tensor:
    return adaptive_mean(recorder, grad, x.shape[-3:], grad.shape[-3:], True)
