"""Two-dimensional convolution as windows and a product, forward and backward. Not here: other ranks, groups (host)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.ops.products import product
from supa.frameworks.torch.ops.reductions import reduce
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.dnn.windows import fold_windows, unfold_windows
from supa.libs.sizes import cdiv

Tensor = torch.Tensor
_BLOCK = 256


def _check(x: Tensor, weight: Tensor, transposed: bool, groups: int) -> None:
    if x.dim() != 4 or transposed or groups != 1 or x.dtype not in FLOATS or weight.dtype != x.dtype:
        raise Declined
    if x.device != weight.device or x.numel() == 0 or x.shape[1] != weight.shape[1] or not weight.is_contiguous():
        raise Declined


def _options(weight: Tensor, stride: Sequence[int], padding: Sequence[int], step: Sequence[int]) -> dict[str, int]:
    names = ("KERNEL", "STRIDE", "PAD", "STEP")
    values = (weight.shape[2:], stride, padding, step)
    return {f"{name}_{axis}": int(pair[at]) for name, pair in zip(names, values, strict=True)
            for at, axis in enumerate("HW")}  # fmt: skip


def _windows(recorder: Recorder, x: Tensor, weight: Tensor, place: tuple[int, int], options: dict[str, int]) -> Tensor:
    """(images, channels * kernel, places)."""
    lines = weight[0].numel()
    columns = recorder.new((x.shape[0], lines, place[0] * place[1]), x.dtype)
    grid = (cdiv(place[0] * place[1], _BLOCK), lines, x.shape[0])
    recorder.run(unfold_windows, grid, columns, x, x.shape[2], x.shape[3], *place, *x.stride(), lines, **options,
                 BLOCK=_BLOCK)  # fmt: skip
    return columns


@device_op("convolution_overrideable")
def _convolution(
    recorder: Recorder, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int],
    step: Sequence[int], transposed: bool, _: Sequence[int], groups: int,
) -> Tensor:  # fmt: skip
    _check(x, weight, transposed, groups)
    if bias is not None and (bias.device != x.device or bias.dtype != x.dtype):
        raise Declined
    options = _options(weight, stride, padding, step)
    place = tuple(
        (x.shape[2 + at] + 2 * padding[at] - step[at] * (weight.shape[2 + at] - 1) - 1) // stride[at] + 1
        for at in range(2)
    )
    if min(place) <= 0:
        raise Declined
    columns = _windows(recorder, x, weight, (place[0], place[1]), options)
    out = recorder.new((x.shape[0], weight.shape[0], *place), x.dtype)
    matrix = recorder.view(weight.view(1, weight.shape[0], -1).expand(x.shape[0], -1, -1), weight)
    added = None if bias is None else recorder.view(bias.view(1, -1, 1), bias)
    product(recorder, matrix, columns, out.view(x.shape[0], weight.shape[0], -1), added=added)
    return out


@device_op("convolution_backward_overrideable")
def _convolution_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, weight: Tensor, stride: Sequence[int], padding: Sequence[int],
    step: Sequence[int], transposed: bool, _: Sequence[int], groups: int, mask: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # fmt: skip
    _check(x, weight, transposed, groups)
    if not grad.is_contiguous() or grad.dtype != x.dtype:
        raise Declined
    options = _options(weight, stride, padding, step)
    place = (grad.shape[2], grad.shape[3])
    flat = recorder.view(grad.view(grad.shape[0], grad.shape[1], -1), grad)
    matrix = recorder.view(weight.view(1, weight.shape[0], -1).expand(x.shape[0], -1, -1), weight)
    grad_x = grad_weight = grad_bias = None
    if mask[0]:
        columns = recorder.new((x.shape[0], matrix.shape[2], flat.shape[2]), x.dtype)
        product(recorder, recorder.view(matrix.transpose(1, 2), weight), flat, columns)
        grad_x = recorder.new(x.shape, x.dtype)
        grid = (cdiv(x.shape[2] * x.shape[3], _BLOCK), x.shape[1], x.shape[0])
        recorder.run(fold_windows, grid, grad_x, columns, x.shape[1], x.shape[2], x.shape[3], *place, matrix.shape[2],
                     **options, BLOCK=_BLOCK)  # fmt: skip
    if mask[1]:
        columns = _windows(recorder, x, weight, place, options)
        each = recorder.new((x.shape[0], weight.shape[0], matrix.shape[2]), torch.float32)
        product(recorder, flat, columns.transpose(1, 2), each)
        grad_weight = reduce(recorder, each, [0], False, "sum", weight.dtype).view(weight.shape)
    if mask[2]:
        grad_bias = _bias_gradient(recorder, flat)
    return grad_x, grad_weight, grad_bias


def _bias_gradient(recorder: Recorder, flat: Tensor) -> Tensor:
    inner = reduce(recorder, flat, [2], False, "sum", torch.float32)
    return reduce(recorder, inner, [0], False, "sum", flat.dtype)
