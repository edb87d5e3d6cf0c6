"""Softmax and layer normalisation with their gradients. Not here: the kernels (`libs.dnn`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.ops.moves import contiguous
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.frameworks.torch.registration import is_priced
from supa.libs.dnn import layer_norm as norms
from supa.libs.dnn import softmax as softmaxes
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor
_LINES_TILE = 16384  # elements of lines beside each other in a program
_FEW_LINES, _MANY_LINES = 16, 1024
_FEW_PROGRAMS = 16


def _rows(tensor: Tensor, columns: int) -> int:
    """How many contiguous rows of `columns` a tensor has."""
    if tensor.dtype not in FLOATS or not tensor.is_contiguous() or not 0 < columns <= softmaxes.LONGEST_ROW:
        raise Declined
    if tensor.numel() == 0:
        raise Declined
    return tensor.numel() // columns


def warps(block: int) -> int:
    """Warps of a program that holds a row of `block` elements."""
    return 4 if block <= 2048 else 8 if block <= 8192 else 16


def _turned(recorder: Recorder, x: Tensor, dim: int) -> Tensor:
    """The tensor with its axis `dim` last, contiguous."""
    last = x.movedim(dim, -1) if x.dim() else x.view(1)
    return contiguous(recorder, last)


@dataclass(frozen=True, kw_only=True)
class _Lines:
    """Tiles of the lines along the middle axis of (outer, columns, inner)."""

    grid: int
    columns: int
    inner: int
    constants: dict[str, int]


def _beside(tensor: Tensor, dim: int) -> _Lines | None:
    """How to take the lines along `dim` where they lie; None where turning them into rows is better: few lie beside
    each other, or the device would have few programs for long lines.
    """
    inner = math.prod(tensor.shape[dim % tensor.dim() + 1 :]) if tensor.dim() else 1
    if inner < _FEW_LINES or tensor.movedim(dim, -1).is_contiguous():
        return None
    columns = tensor.shape[dim]
    whole = next_power_of_2(columns) * _FEW_LINES <= _LINES_TILE
    if not whole and is_priced(tensor.device.index):
        return None
    outer = tensor.numel() // (columns * inner)
    block_c = next_power_of_2(columns) if whole else _LINES_TILE // _MANY_LINES
    block_i = min(_MANY_LINES, next_power_of_2(inner), _LINES_TILE // block_c)
    while block_i > _FEW_LINES and outer * cdiv(inner, block_i) < _FEW_PROGRAMS:
        block_i //= 2
    constants = {"WHOLE": whole, "BLOCK_C": block_c, "BLOCK_I": block_i, "num_warps": warps(block_c * block_i)}
    return _Lines(grid=outer * cdiv(inner, block_i), columns=columns, inner=inner, constants=constants)


def _softmax(recorder: Recorder, x: Tensor, dim: int, half_to_float: bool, log: bool) -> Tensor:
    if half_to_float or x.dtype not in FLOATS or not x.numel():
        raise Declined
    if lines := _beside(x, dim):
        x = contiguous(recorder, x)
        out = recorder.new(x.shape, x.dtype)
        recorder.run(softmaxes.softmax_beside, lines.grid, out, x, lines.columns, lines.inner, LOG=log,
                     **lines.constants)  # fmt: skip
        return out
    rows = _turned(recorder, x, dim)
    columns = rows.shape[-1]
    if columns > softmaxes.LONGEST_ROW:
        raise Declined
    last = x.dim() == 0 or dim % x.dim() == x.dim() - 1
    out = recorder.new(x.shape if last else rows.shape, x.dtype)
    block = next_power_of_2(columns)
    recorder.run(softmaxes.softmax, rows.numel() // columns, out, rows, columns, LOG=log, BLOCK=block,
                 num_warps=warps(block))  # fmt: skip
    return out if last else contiguous(recorder, out.movedim(-1, dim))


@device_op("_softmax")
def _plain(recorder: Recorder, x: Tensor, dim: int, half_to_float: bool) -> Tensor:
    return _softmax(recorder, x, dim, half_to_float, False)


@device_op("_log_softmax")
def _log(recorder: Recorder, x: Tensor, dim: int, half_to_float: bool) -> Tensor:
    return _softmax(recorder, x, dim, half_to_float, True)


def _softmax_backward(recorder: Recorder, grad: Tensor, y: Tensor, dim: int, dtype: torch.dtype, log: bool) -> Tensor:
    if not grad.dtype == y.dtype == dtype or grad.shape != y.shape or y.dtype not in FLOATS or not y.numel():
        raise Declined
    if lines := _beside(y, dim):
        y, grad = contiguous(recorder, y), contiguous(recorder, grad)
        out = recorder.new(y.shape, y.dtype)
        recorder.run(softmaxes.softmax_beside_backward, lines.grid, out, grad, y, lines.columns, lines.inner, LOG=log,
                     **lines.constants)  # fmt: skip
        return out
    rows, grads = _turned(recorder, y, dim), _turned(recorder, grad, dim)
    columns = rows.shape[-1]
    if columns > softmaxes.LONGEST_ROW:
        raise Declined
    last = y.dim() == 0 or dim % y.dim() == y.dim() - 1
    out = recorder.new(y.shape if last else rows.shape, y.dtype)
    block = next_power_of_2(columns)
    recorder.run(softmaxes.softmax_backward, rows.numel() // columns, out, grads, rows, columns, LOG=log, BLOCK=block,
                 num_warps=warps(block))  # fmt: skip
    return out if last else contiguous(recorder, out.movedim(-1, dim))


@device_op("_softmax_backward_data")
def _plain_backward(recorder: Recorder, grad: Tensor, y: Tensor, dim: int, dtype: torch.dtype) -> Tensor:
    return _softmax_backward(recorder, grad, y, dim, dtype, False)


@device_op("_log_softmax_backward_data")
def _log_backward(recorder: Recorder, grad: Tensor, y: Tensor, dim: int, dtype: torch.dtype) -> Tensor:
    return _softmax_backward(recorder, grad, y, dim, dtype, True)


def _plain_weights(x: Tensor, *weights: Tensor | None) -> None:
    for one in weights:
        if one is not None and (one.device != x.device or one.dtype not in FLOATS or not one.is_contiguous()):
            raise Declined


@device_op("native_layer_norm")
def _layer_norm(
    recorder: Recorder, x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    columns = math.prod(shape)
    if list(x.shape[x.dim() - len(shape) :]) != list(shape):
        raise Declined
    x = contiguous(recorder, x)
    rows = _rows(x, columns)
    _plain_weights(x, weight, bias)
    lead = [*x.shape[: x.dim() - len(shape)], *[1] * len(shape)]
    kept = torch.float32  # as on GPUs: in 16 bits a mean is off by more than the gradients of weights are rounded
    out, mean, rstd = recorder.new(x.shape, x.dtype), recorder.new(lead, kept), recorder.new(lead, kept)
    block = next_power_of_2(columns)
    recorder.run(
        norms.layer_norm, rows, out, mean, rstd, x, weight if weight is not None else x,
        bias if bias is not None else x, columns, float(eps), SCALES=weight is not None, SHIFTS=bias is not None,
        BLOCK=block, num_warps=warps(block),
    )  # fmt: skip
    return out, mean, rstd


@device_op("native_layer_norm_backward")
def _layer_norm_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, shape: Sequence[int], mean: Tensor, rstd: Tensor,
    weight: Tensor | None, bias: Tensor | None, mask: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # fmt: skip
    columns = math.prod(shape)
    x, grad = contiguous(recorder, x), contiguous(recorder, grad)
    rows = _rows(x, columns)
    if _rows(grad, columns) != rows:
        raise Declined
    _plain_weights(x, weight, bias)
    block = next_power_of_2(columns)
    grad_x = grad_weight = grad_bias = None
    if mask[0]:
        grad_x = recorder.new(x.shape, x.dtype)
        recorder.run(
            norms.layer_norm_backward, rows, grad_x, grad, x, mean, rstd, weight if weight is not None else x, columns,
            SCALES=weight is not None, BLOCK=block, num_warps=warps(block),
        )  # fmt: skip
    if (mask[1] or mask[2]) and weight is not None:
        grad_weight, grad_bias = recorder.new(shape, weight.dtype), recorder.new(shape, weight.dtype)
        recorder.run(
            norms.layer_norm_weights_backward, cdiv(columns, 64), grad_weight, grad_bias, grad, x, mean, rstd,
            rows, columns, BLOCK_R=32, BLOCK_C=64,
        )  # fmt: skip
    elif mask[1] or mask[2]:
        raise Declined
    return grad_x, grad_weight if mask[1] else None, grad_bias if mask[2] else None
