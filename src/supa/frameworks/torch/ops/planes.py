"""Pooling and resampling of planes, forward and backward. Not here: convolutions (`spatial`), other ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.axes import adaptive_mean
from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.ops.indexing import put
from supa.frameworks.torch.ops.moves import contiguous, copy_into, filled
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.dnn import pooling
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor
_BLOCK = 256
_RESAMPLED_COLUMNS = 64
_LARGEST_WINDOW = 64


def _pair(values: Sequence[int], default: Sequence[int] = (1, 1)) -> tuple[int, int]:
    if not len(values):
        return int(default[0]), int(default[1])
    return int(values[0]), int(values[-1])


def _check(x: Tensor) -> tuple[int, int, int]:
    if x.dtype not in FLOATS or x.dim() not in (3, 4) or not x.numel() or x.numel() >= 1 << 31:
        raise Declined
    height, width = x.shape[-2:]
    return x.numel() // (height * width), height, width


def _out_size(size: int, kernel: int, stride: int, pad: int, step: int, ceil: bool) -> int:
    span = size + 2 * pad - step * (kernel - 1) - 1
    count = (-(-span // stride) if ceil else span // stride) + 1
    if ceil and (count - 1) * stride >= size + pad:
        count -= 1
    if count <= 0:
        raise Declined  # the host words the error
    return count


def _grid(count: int) -> tuple[int, int]:
    block = min(_BLOCK, next_power_of_2(count))
    return cdiv(count, block), block


def _options(**pairs: tuple[int, int]) -> dict[str, int]:
    return {f"{name}_{axis}": pair[at] for name, pair in pairs.items() for at, axis in enumerate("HW")}


def _deep(values: Sequence[int], lead: int) -> list[int]:
    """A plane's numbers for a volume of one plane."""
    return [lead, *_pair(values)] if len(values) else []


def _served(x: Tensor, size: Sequence[int]) -> bool:
    """Whether the kernels for planes take it; those for volumes take fp64 and large windows."""
    return x.dtype != torch.float64 and _pair(size)[0] * _pair(size)[1] <= _LARGEST_WINDOW


@device_op("max_pool2d_with_indices")
def _max_pool(
    recorder: Recorder, x: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int], ceil: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    if not _served(x, kernel):
        options = (_deep(kernel, 1), _deep(stride, 1), _deep(padding, 0), _deep(dilation, 1), ceil)
        found = torch.ops.aten.max_pool3d_with_indices(x.unsqueeze(-3), *options)
        return found[0].squeeze(-3), found[1].squeeze(-3)
    _, height, width = _check(x)
    size, pad, step = _pair(kernel), _pair(padding), _pair(dilation)
    by = _pair(stride, size)
    if 2 * pad[0] > size[0] or 2 * pad[1] > size[1]:
        raise Declined
    rows = _out_size(height, size[0], by[0], pad[0], step[0], ceil)
    columns = _out_size(width, size[1], by[1], pad[1], step[1], ceil)
    x = contiguous(recorder, x)
    shape = (*x.shape[:-2], rows, columns)
    out, index = recorder.new(shape, x.dtype), recorder.new(shape, torch.int64)
    grid, block = _grid(out.numel())
    recorder.run(pooling.largest, grid, out, index, x, out.numel(), height, width, rows, columns,
                 **_options(KERNEL=size, STRIDE=by, PAD=pad, STEP=step), BLOCK=block)  # fmt: skip
    return out, index


@device_op("max_pool2d_with_indices_backward")
def _max_pool_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: Any,
    index: Tensor,
) -> Tensor:  # fmt: skip
    if x.dtype == torch.float64:
        options = (_deep(kernel, 1), _deep(stride, 1), _deep(padding, 0), _deep(dilation, 1), ceil)
        grad, index = grad.unsqueeze(-3), index.unsqueeze(-3)
        deep: Tensor = torch.ops.aten.max_pool3d_with_indices_backward(grad, x.unsqueeze(-3), *options, index)
        return deep.squeeze(-3)
    planes, height, width = _check(x)
    grad, index = contiguous(recorder, grad), contiguous(recorder, index)
    out = filled(recorder, recorder.new(x.shape, x.dtype), 0)
    count = grad.numel() // planes
    if grad.dtype != x.dtype or not count:
        raise Declined
    strides = [[height * width, 0], [count, 1], [count, 1]]
    return put(recorder, out, grad, index, (planes, count), strides, size=height * width, step=1, kind="add",
               axis=x.dim() - 1)  # fmt: skip


def _mean_options(
    kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], padded: bool
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], dict[str, Any]]:
    size, pad = _pair(kernel), _pair(padding)
    by = _pair(stride, size)
    return size, by, pad, {**_options(KERNEL=size, STRIDE=by, PAD=pad), "PADDED": bool(padded)}


@device_op("avg_pool2d")
def _avg_pool(
    recorder: Recorder, x: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], ceil: bool,
    padded: bool, divisor: int | None,
) -> Tensor:  # fmt: skip
    if x.dtype == torch.float64:
        numbers = (_deep(kernel, 1), _deep(stride, 1), _deep(padding, 0), ceil, padded, divisor)
        deep: Tensor = torch.ops.aten.avg_pool3d(x.unsqueeze(-3), *numbers)
        return deep.squeeze(-3)
    _, height, width = _check(x)
    size, by, pad, options = _mean_options(kernel, stride, padding, padded)
    if divisor is not None and divisor <= 0:
        raise Declined
    rows = _out_size(height, size[0], by[0], pad[0], 1, ceil)
    columns = _out_size(width, size[1], by[1], pad[1], 1, ceil)
    x = contiguous(recorder, x)
    out = recorder.new((*x.shape[:-2], rows, columns), x.dtype)
    grid, block = _grid(out.numel())
    recorder.run(pooling.mean, grid, out, x, out.numel(), height, width, rows, columns, divisor or 0, **options,
                 BLOCK=block)  # fmt: skip
    return out


@device_op("avg_pool2d_backward")
def _avg_pool_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, kernel: Sequence[int], stride: Sequence[int],
    padding: Sequence[int], ceil: bool, padded: bool, divisor: int | None,
) -> Tensor:  # fmt: skip
    if x.dtype == torch.float64:
        numbers = (_deep(kernel, 1), _deep(stride, 1), _deep(padding, 0), ceil, padded, divisor)
        deep: Tensor = torch.ops.aten.avg_pool3d_backward(grad.unsqueeze(-3), x.unsqueeze(-3), *numbers)
        return deep.squeeze(-3)
    _, height, width = _check(x)
    options = _mean_options(kernel, stride, padding, padded)[3]
    if grad.dtype != x.dtype or not grad.numel():
        raise Declined
    grad = contiguous(recorder, grad)
    out = recorder.new(x.shape, x.dtype)
    grid, block = _grid(out.numel())
    recorder.run(pooling.mean_backward, grid, out, grad, out.numel(), height, width, *grad.shape[-2:], divisor or 0,
                 **options, BLOCK=block)  # fmt: skip
    return out


def _most(size: int, out: int) -> int:
    """The longest of `out` adaptive windows over `size`."""
    return max(-(-(at + 1) * size // out) - at * size // out for at in range(out))


@device_op("_adaptive_avg_pool2d")
def _adaptive(recorder: Recorder, x: Tensor, out_size: Sequence[int]) -> Tensor:
    if x.dtype == torch.float64:
        return adaptive_mean(recorder, x, x.shape[-2:], _pair(out_size), False)
    _, height, width = _check(x)
    rows, columns = _pair(out_size)
    if not rows * columns:
        raise Declined
    x = contiguous(recorder, x)
    out = recorder.new((*x.shape[:-2], rows, columns), x.dtype)
    grid, block = _grid(out.numel())
    recorder.run(pooling.adaptive_mean, grid, out, x, out.numel(), height, width, rows, columns, _most(height, rows),
                 _most(width, columns), BACK=False, BLOCK=block)  # fmt: skip
    return out


@device_op("_adaptive_avg_pool2d_backward")
def _adaptive_backward(recorder: Recorder, grad: Tensor, x: Tensor) -> Tensor:
    if x.dtype == torch.float64:
        return adaptive_mean(recorder, grad, x.shape[-2:], grad.shape[-2:], True)
    _, height, width = _check(x)
    if grad.dtype != x.dtype or not grad.numel():
        raise Declined
    grad = contiguous(recorder, grad)
    rows, columns = grad.shape[-2:]
    total = filled(recorder, recorder.new(x.shape, torch.float32), 0)
    grid, block = _grid(grad.numel())
    recorder.run(pooling.adaptive_mean, grid, total, grad, grad.numel(), height, width, rows, columns,
                 _most(height, rows), _most(width, columns), BACK=True, BLOCK=block)  # fmt: skip
    return total if x.dtype == torch.float32 else copy_into(recorder, total, recorder.new(x.shape, x.dtype))


def _scale(size: int, out: int, aligned: bool, given: float | None) -> float:
    if aligned:
        return (size - 1) / (out - 1) if out > 1 else 0.0
    return 1.0 / given if given else size / out


def _resample(
    recorder: Recorder, x: Tensor, small: Sequence[int], large: Sequence[int], scales: Sequence[float],
    linear: bool, aligned: bool,
) -> Tensor:  # fmt: skip
    x = contiguous(recorder, x)
    lead = x.shape[:-2]
    out = recorder.new([*lead, *large], x.dtype)
    rows, columns = math.prod(lead) * large[0], large[1]
    block_c = min(_RESAMPLED_COLUMNS, next_power_of_2(columns))
    block_r = min(_BLOCK // block_c, next_power_of_2(rows))
    grid = cdiv(rows, block_r) * cdiv(columns, block_c)
    recorder.run(pooling.resample, grid, out, x, math.prod(lead), *small, *large, *scales, LINEAR=linear,
                 ALIGNED=aligned, BLOCK_R=block_r, BLOCK_C=block_c)  # fmt: skip
    return out


def _resample_backward(
    recorder: Recorder, grad: Tensor, small: Sequence[int], large: Sequence[int], scales: Sequence[float],
    linear: bool, aligned: bool,
) -> Tensor:  # fmt: skip
    grad = contiguous(recorder, grad)
    out = filled(recorder, recorder.new([*grad.shape[:-2], *small], torch.float32), 0)
    grid, block = _grid(grad.numel())
    recorder.run(pooling.resample_backward, grid, out, grad, grad.numel(), *small, *large, *scales, LINEAR=linear,
                 ALIGNED=aligned, BLOCK=block)  # fmt: skip
    return out if grad.dtype == torch.float32 else copy_into(recorder, out, recorder.new(out.shape, grad.dtype))


def _enter(name: str, linear: bool) -> None:
    def facts(values: tuple[Any, ...]) -> tuple[bool, Sequence[float | None]]:
        return (bool(values[0]), values[1:3]) if linear else (False, values[0:2])

    def scales(small: Sequence[int], large: Sequence[int], options: tuple[Any, ...]) -> list[float]:
        aligned, given = facts(options)
        return [_scale(small[at], large[at], aligned, given[at]) for at in range(2)]

    @device_op(name)
    def forward(recorder: Recorder, x: Tensor, size: Sequence[int], *options: Any) -> Tensor:
        _check(x)
        small, large = list(x.shape[-2:]), [int(one) for one in size]
        return _resample(recorder, x, small, large, scales(small, large, options), linear, facts(options)[0])

    @device_op(f"{name}_backward")
    def backward(
        recorder: Recorder, grad: Tensor, out_size: Sequence[int], in_size: Sequence[int], *options: Any
    ) -> Tensor:
        _check(grad)
        small, large = [int(one) for one in in_size[-2:]], [int(one) for one in out_size]
        return _resample_backward(
            recorder, grad, small, large, scales(small, large, options), linear, facts(options)[0]
        )


_enter("upsample_nearest2d", False)
_enter("upsample_bilinear2d", True)
