"""Pooling of volumes, forward and backward; planes in fp64 and with large windows too. Not here: planes otherwise
(`planes`), adaptive means (`axes`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.ops.indexing import put
from supa.frameworks.torch.ops.moves import contiguous, copy_into, filled
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.dnn import pooling_3d
from supa.libs.elementwise.pointwise import COMPUTE
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor
_BLOCK = 256


def _triple(values: Sequence[int], default: Sequence[int] = (1, 1, 1)) -> tuple[int, int, int]:
    if not len(values):
        return int(default[0]), int(default[1]), int(default[2])
    return int(values[0]), int(values[len(values) // 2]), int(values[-1])


def _check(x: Tensor) -> tuple[int, int, int]:
    if x.dtype not in (*FLOATS, torch.float64) or x.dim() not in (4, 5) or not x.numel() or x.numel() >= 1 << 31:
        raise Declined
    return int(x.shape[-3]), int(x.shape[-2]), int(x.shape[-1])


def _out_size(size: int, kernel: int, stride: int, pad: int, step: int, ceil: bool) -> int:
    if 2 * pad > kernel:
        raise Declined
    span = size + 2 * pad - step * (kernel - 1) - 1
    count = (-(-span // stride) if ceil else span // stride) + 1
    if ceil and (count - 1) * stride >= size + pad:
        count -= 1
    if count <= 0:
        raise Declined  # the host words the error
    return count


def _options(**triples: tuple[int, int, int]) -> dict[str, int]:
    return {f"{name}_{axis}": values[at] for name, values in triples.items() for at, axis in enumerate("DHW")}


def _compute(x: Tensor) -> Any:
    return COMPUTE["f64" if x.dtype == torch.float64 else "f32"]


def _grid(count: int) -> tuple[int, int]:
    block = min(_BLOCK, next_power_of_2(count))
    return cdiv(count, block), block


@device_op("max_pool3d_with_indices")
def _largest(
    recorder: Recorder, x: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int], ceil: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    sizes, size, pad, step = _check(x), _triple(kernel), _triple(padding), _triple(dilation)
    by = _triple(stride, size)
    outs = [_out_size(sizes[at], size[at], by[at], pad[at], step[at], ceil) for at in range(3)]
    x = contiguous(recorder, x)
    out, index = recorder.new((*x.shape[:-3], *outs), x.dtype), recorder.new((*x.shape[:-3], *outs), torch.int64)
    grid, block = _grid(out.numel())
    recorder.run(pooling_3d.largest, grid, out, index, x, out.numel(), *sizes, *outs,
                 **_options(KERNEL=size, STRIDE=by, PAD=pad, STEP=step), COMPUTE=_compute(x), BLOCK=block)  # fmt: skip
    return out, index


@device_op("max_pool3d_with_indices_backward")
def _largest_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: Any,
    index: Tensor,
) -> Tensor:  # fmt: skip
    _check(x)
    return _put_back(recorder, grad, x, index, 3)


def _put_back(recorder: Recorder, grad: Tensor, x: Tensor, index: Tensor, rank: int) -> Tensor:
    """What was taken from `index` of the last axes, as many as `rank`, added there."""
    if grad.dtype != x.dtype or not grad.numel() or index.shape != grad.shape:
        raise Declined
    grad, index = contiguous(recorder, grad), contiguous(recorder, index)
    out = filled(recorder, recorder.new(x.shape, x.dtype), 0)
    within = math.prod(x.shape[-rank:])
    volumes = x.numel() // within
    count = grad.numel() // volumes
    strides = [[within, 0], [count, 1], [count, 1]]
    return put(recorder, out, grad, index, (volumes, count), strides, size=within, step=1, kind="add", axis=x.dim() - 1)


def _adaptive_windows(sizes: Sequence[int], outs: Sequence[int], device: torch.device) -> tuple[Tensor, Tensor]:
    """(places in the flat space, whether they are inside) of each window that divides it: (windows, most elements)."""
    place = torch.zeros((1, 1), dtype=torch.int64, device=device)
    inside = torch.ones((1, 1), dtype=torch.bool, device=device)
    for size, out in zip(sizes, outs, strict=True):
        longest = max(-(-(at + 1) * size // out) - at * size // out for at in range(out))
        at = torch.arange(out, device=device).unsqueeze(1)
        begin, end = at * size // out, ((at + 1) * size + out - 1) // out
        here = begin + torch.arange(longest, device=device)
        held = here < end
        windows, count = place.shape[0] * out, place.shape[1] * longest
        place = (place[:, None, :, None] * size + here[None, :, None, :].clamp_max(size - 1)).reshape(windows, count)
        inside = (inside[:, None, :, None] & held[None, :, None, :]).reshape(windows, count)
    return place, inside


def _enter_adaptive(rank: int) -> None:
    @device_op(f"adaptive_max_pool{rank}d")
    def forward(recorder: Recorder, x: Tensor, outs: Sequence[int]) -> tuple[Tensor, Tensor]:
        if x.dtype not in (*FLOATS, torch.float64) or x.dim() not in (rank + 1, rank + 2) or not x.numel():
            raise Declined
        if len(outs) != rank or min(outs) < 1:
            raise Declined
        place, inside = _adaptive_windows(x.shape[-rank:], outs, x.device)
        windows = x.flatten(-rank)[..., place]
        value, chosen = torch.where(inside, windows, -math.inf).max(-1)
        index = place.expand(windows.shape).gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
        shape = (*x.shape[:-rank], *outs)
        return value.view(shape), index.view(shape)

    @device_op(f"adaptive_max_pool{rank}d_backward")
    def backward(recorder: Recorder, grad: Tensor, x: Tensor, index: Tensor) -> Tensor:
        if x.dtype not in (*FLOATS, torch.float64) or x.dim() not in (rank + 1, rank + 2) or not x.numel():
            raise Declined
        return _put_back(recorder, grad, x, index, rank)


_enter_adaptive(2)
_enter_adaptive(3)


def _mean_options(
    kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], padded: bool
) -> tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int], dict[str, Any]]:
    size, pad = _triple(kernel), _triple(padding)
    by = _triple(stride, size)
    return size, by, pad, {**_options(KERNEL=size, STRIDE=by, PAD=pad), "PADDED": bool(padded)}


@device_op("avg_pool3d")
def _mean(
    recorder: Recorder, x: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], ceil: bool,
    padded: bool, divisor: int | None,
) -> Tensor:  # fmt: skip
    sizes = _check(x)
    size, by, pad, options = _mean_options(kernel, stride, padding, padded)
    if divisor == 0:
        raise Declined
    outs = [_out_size(sizes[at], size[at], by[at], pad[at], 1, ceil) for at in range(3)]
    x = contiguous(recorder, x)
    out = recorder.new((*x.shape[:-3], *outs), x.dtype)
    grid, block = _grid(out.numel())
    recorder.run(pooling_3d.mean, grid, out, x, out.numel(), *sizes, *outs, divisor or 0, BACK=False,
                 COMPUTE=_compute(x), BLOCK=block, **options)  # fmt: skip
    return out


@device_op("avg_pool3d_backward")
def _mean_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, kernel: Sequence[int], stride: Sequence[int],
    padding: Sequence[int], ceil: bool, padded: bool, divisor: int | None,
) -> Tensor:  # fmt: skip
    sizes, options = _check(x), _mean_options(kernel, stride, padding, padded)[3]
    if grad.dtype != x.dtype or not grad.numel() or divisor == 0:
        raise Declined
    grad = contiguous(recorder, grad)
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    total = filled(recorder, recorder.new(x.shape, wide), 0)
    grid, block = _grid(grad.numel())
    recorder.run(pooling_3d.mean, grid, total, grad, grad.numel(), *sizes, *grad.shape[-3:], divisor or 0, BACK=True,
                 COMPUTE=_compute(x), BLOCK=block, **options)  # fmt: skip
    return total if x.dtype == wide else copy_into(recorder, total, recorder.new(x.shape, x.dtype))
