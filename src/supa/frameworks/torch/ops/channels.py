"""Batch normalisation and group normalisation, forward and backward. Not here: rows (`normal`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS, apply, operand
from supa.frameworks.torch.ops.moves import contiguous, copy_into
from supa.frameworks.torch.recorder import Declined, Number, Recorder
from supa.libs.dnn import batch_norm as kernels
from supa.libs.dnn import layer_norm as norms
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor
_BLOCK = 1024
_TILE = 2048
_ROW = 64  # from this much space on, a program takes a row of it


def _shape(x: Tensor) -> tuple[int, int, int]:
    if x.dim() < 2 or x.dtype not in FLOATS or not x.numel():
        raise Declined
    images, channels = x.shape[:2]
    return images, channels, x.numel() // (images * channels)


def _check(x: Tensor, *given: Tensor | None) -> None:
    for one in given:
        if one is not None and (one.dtype not in FLOATS or one.device != x.device or not one.is_contiguous()):
            raise Declined


def _tile(images: int, space: int) -> dict[str, int]:
    block = min(_BLOCK, next_power_of_2(space))
    return {"BLOCK_N": min(next_power_of_2(images), max(1, _TILE // block)), "BLOCK": block}


def _grid(x: Tensor, images: int, channels: int, space: int) -> tuple[tuple[int, ...], dict[str, int | bool]]:
    if space >= _ROW:
        block = min(_BLOCK, next_power_of_2(space))
        return (images * channels, cdiv(space, block)), {"ROWS": True, "BLOCK": block}
    block = min(_BLOCK, next_power_of_2(x.numel()))
    return (cdiv(x.numel(), block),), {"ROWS": False, "BLOCK": block}


def _rstd(recorder: Recorder, var: Tensor, eps: float) -> Tensor:
    rstd = recorder.new(var.shape, torch.float32)
    block = min(_BLOCK, next_power_of_2(var.numel()))
    recorder.run(kernels.rstd_of, cdiv(var.numel(), block), rstd, var, var.numel(), float(eps), BLOCK=block)
    return rstd


@device_op("native_batch_norm")
def _batch_norm(
    recorder: Recorder, x: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    if x.dtype == torch.float64:
        return _batch_norm_in_fp64(recorder, x, weight, bias, running_mean, running_var, training, momentum, eps)
    images, channels, space = _shape(x)
    _check(x, weight, bias, running_mean, running_var)
    x = contiguous(recorder, x)
    mixed = any(one is not None and one.dtype == torch.float32 for one in (weight, bias, running_mean))
    kept = torch.float32 if mixed else x.dtype
    out = recorder.new(x.shape, x.dtype)
    if training:
        mean, rstd = recorder.new((channels,), torch.float32), recorder.new((channels,), torch.float32)
        tracks = running_mean is not None and running_var is not None
        recorder.run(
            kernels.statistics, channels, mean, rstd, running_mean if tracks else mean, running_var if tracks else rstd,
            x, images, channels, space, float(momentum), float(eps), TRACKS=tracks, **_tile(images, space),
        )  # fmt: skip
        saved = tuple(_typed(recorder, one, kept) for one in (mean, rstd))
    else:
        if running_mean is None or running_var is None:
            raise Declined
        mean, rstd = running_mean, _rstd(recorder, running_var, eps)
        saved = (recorder.new((0,), kept), recorder.new((0,), kept))
    grid, options = _grid(x, images, channels, space)
    recorder.run(
        kernels.normalise, grid, out, x, mean, rstd, weight if weight is not None else mean,
        bias if bias is not None else mean, channels, space, x.numel(), SCALES=weight is not None,
        SHIFTS=bias is not None, **options,
    )  # fmt: skip
    return out, saved[0], saved[1]


def _batch_norm_in_fp64(
    recorder: Recorder, x: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """The same composed of other operators."""
    if x.dim() < 2 or not x.numel():
        raise Declined
    others = [0, *range(2, x.dim())]
    if training:
        var, mean = torch.var_mean(x, others, correction=0)
        if running_mean is not None and running_var is not None:
            count = x.numel() // x.shape[1]
            running_mean.copy_(running_mean + momentum * (mean - running_mean))
            running_var.copy_(running_var + momentum * (var * (count / max(count - 1, 1)) - running_var))
    elif running_mean is None or running_var is None:
        raise Declined
    else:
        mean, var = running_mean, running_var
    rstd = torch.rsqrt(var + eps)
    along = (-1, *[1] * (x.dim() - 2))
    out = (x - mean.view(along)) * rstd.view(along)
    out = out if weight is None else out * weight.view(along)
    out = out if bias is None else out + bias.view(along)
    if training:
        return out, mean, rstd
    return out, recorder.new((0,), x.dtype), recorder.new((0,), x.dtype)


@device_op("_native_batch_norm_legit")
def _with_statistics(recorder: Recorder, *values: Any) -> tuple[Tensor, Tensor, Tensor]:
    found: tuple[Tensor, Tensor, Tensor] = _batch_norm(recorder, *values)
    return found


@device_op("_native_batch_norm_legit.no_stats")
def _without_statistics(
    recorder: Recorder, x: Tensor, weight: Tensor | None, bias: Tensor | None, *rest: Any
) -> tuple[Tensor, Tensor, Tensor]:
    found: tuple[Tensor, Tensor, Tensor] = _batch_norm(recorder, x, weight, bias, None, None, *rest)
    return found


@device_op("_batch_norm_with_update")
def _updating(
    recorder: Recorder, x: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor,
    running_var: Tensor, momentum: float, eps: float,
) -> tuple[Tensor, ...]:  # fmt: skip
    found = _batch_norm(recorder, x, weight, bias, running_mean, running_var, True, momentum, eps)
    return *found, recorder.new((0,), torch.uint8)


@device_op("native_batch_norm_backward")
def _batch_norm_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, weight: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, save_mean: Tensor | None, save_rstd: Tensor | None, train: bool, eps: float,
    mask: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # fmt: skip
    images, channels, space = _shape(x)
    _check(x, weight, running_mean, running_var, save_mean, save_rstd)
    if grad.dtype != x.dtype:
        raise Declined
    x, grad = contiguous(recorder, x), contiguous(recorder, grad)
    if train:
        if save_mean is None or save_rstd is None:
            raise Declined
        mean, rstd = save_mean, save_rstd
    else:
        if running_mean is None or running_var is None:
            raise Declined
        mean, rstd = running_mean, _rstd(recorder, running_var, eps)
    total, along = recorder.new((channels,), torch.float32), recorder.new((channels,), torch.float32)
    recorder.run(kernels.gradient_sums, channels, total, along, grad, x, mean, rstd, images, channels, space,
                 **_tile(images, space))  # fmt: skip
    grad_x = None
    if mask[0]:
        grad_x = recorder.new(x.shape, x.dtype)
        grid, options = _grid(x, images, channels, space)
        recorder.run(
            kernels.gradient, grid, grad_x, grad, x, mean, rstd, weight if weight is not None else mean, total, along,
            channels, space, x.numel(), images * space, SCALES=weight is not None, TRAINS=train, **options,
        )  # fmt: skip
    own = torch.float32 if weight is None else weight.dtype
    grad_weight, grad_bias = (_typed(recorder, one, own) for one in (along, total))
    return grad_x, grad_weight if mask[1] else None, grad_bias if mask[2] else None


def _typed(recorder: Recorder, value: Tensor, dtype: torch.dtype) -> Tensor:
    return value if value.dtype == dtype else copy_into(recorder, value, recorder.new(value.shape, dtype))


@device_op("native_group_norm")
def _group_norm(
    recorder: Recorder, x: Tensor, weight: Tensor | None, bias: Tensor | None, images: int, channels: int, space: int,
    groups: int, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    _shape(x)
    _check(x, weight, bias)
    columns = channels // groups * space
    if columns * groups != channels * space or columns > 1 << 16:
        raise Declined
    x = contiguous(recorder, x)
    rows = images * groups
    kept = torch.float32 if weight is None or weight.dtype == x.dtype == torch.float32 else x.dtype
    normal = recorder.new(x.shape, torch.float32)
    mean, rstd = recorder.new((images, groups), kept), recorder.new((images, groups), kept)
    block = next_power_of_2(columns)
    recorder.run(norms.layer_norm, rows, normal, mean, rstd, x, x, x, columns, float(eps), SCALES=False, SHIFTS=False,
                 BLOCK=block, num_warps=4 if block <= 2048 else 8)  # fmt: skip
    shape = (1, channels, *[1] * (x.dim() - 2))
    if weight is not None:
        scale = recorder.view(weight.view(shape), weight)
        normal = apply(recorder, "mul", [normal, operand(scale, 0)], dtype=torch.float32)
    if bias is not None:
        shift = recorder.view(bias.view(shape), bias)
        normal = apply(recorder, "add", [normal, operand(shift, 0)], [Number(1.0)], dtype=torch.float32)
    out = normal if x.dtype == torch.float32 else copy_into(recorder, normal, recorder.new(x.shape, x.dtype))
    return out, mean, rstd
