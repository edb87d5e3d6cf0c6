"""Values of planes and volumes at the places of a grid (`grid_sample`), forward and backward. Not here: resizing by a
factor (`planes`, `axes`), the kernels (`libs.dnn.sampling`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.along import compute_of
from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.ops.moves import contiguous
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.dnn import sampling
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor
_TAPS = {0: 2, 1: 1, 2: 4}
"""Torch's number of a way of interpolation (linear, nearest, cubic) -> elements along each axis."""
_BLOCK, _BLOCK_C = 128, 8


def _options(x: Tensor, grid: Tensor, mode: int, padding: int, aligned: bool) -> dict[str, Any]:
    """The kernels' constants. Raises `Declined` for what they do not serve."""
    axes = x.dim() - 2
    if (
        x.dtype not in (*FLOATS, torch.float64)
        or grid.dtype != x.dtype
        or grid.device != x.device
        or axes not in (2, 3)
    ):
        raise Declined
    fits = grid.dim() == x.dim() and grid.shape[0] == x.shape[0] and grid.shape[-1] == axes
    if not fits or not x.numel() or not grid.numel() or x.numel() >= 1 << 31 or grid.numel() >= 1 << 31:
        raise Declined
    if mode not in _TAPS or padding not in (0, 1, 2) or (axes == 3 and mode == 2):
        raise Declined
    places = grid.numel() // (grid.shape[0] * axes)
    return {
        "TAPS": _TAPS[mode], "PADDING": padding, "ALIGNED": aligned, "VOLUME": axes == 3,
        "COMPUTE": compute_of(x.dtype),
        "BLOCK_C": min(_BLOCK_C, next_power_of_2(x.shape[1])), "BLOCK": min(_BLOCK, next_power_of_2(places)),
    }  # fmt: skip


def _sizes(x: Tensor, grid: Tensor) -> tuple[int, ...]:
    """Channels, places, depth, height, width."""
    space = [1] * (5 - x.dim()) + list(x.shape[2:])
    return x.shape[1], grid.numel() // (grid.shape[0] * grid.shape[-1]), *space


@device_op("grid_sampler_2d", "grid_sampler_3d")
def _sample(recorder: Recorder, x: Tensor, grid: Tensor, mode: int, padding: int, aligned: bool) -> Tensor:
    options = _options(x, grid, mode, padding, aligned)
    x, grid = contiguous(recorder, x), contiguous(recorder, grid)
    out = recorder.new((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
    channels, places, *space = _sizes(x, grid)
    blocks = (cdiv(places, options["BLOCK"]), cdiv(channels, options["BLOCK_C"]), x.shape[0])
    recorder.run(sampling.sample, blocks, out, x, grid, channels, places, *space, **options)
    return out


@device_op("grid_sampler_2d_backward", "grid_sampler_3d_backward")
def _sample_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, grid: Tensor, mode: int, padding: int, aligned: bool,
    mask: Sequence[bool],
) -> tuple[Tensor | None, Tensor]:  # fmt: skip
    options = _options(x, grid, mode, padding, aligned)
    if grad.dtype != x.dtype or tuple(grad.shape) != (*x.shape[:2], *grid.shape[1:-1]):
        raise Declined
    grad, x, grid = contiguous(recorder, grad), contiguous(recorder, x), contiguous(recorder, grid)
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    grad_x = torch.zeros(x.shape, dtype=wide, device=x.device) if mask[0] else None
    grad_grid = recorder.new(grid.shape, grid.dtype)
    channels, places, *space = _sizes(x, grid)
    blocks = (cdiv(places, options["BLOCK"]), x.shape[0])
    recorder.run(sampling.sample_backward, blocks, x if grad_x is None else grad_x, grad_grid, grad, x, grid,
                 channels, places, *space, OF_X=mask[0], **options)  # fmt: skip
    return None if grad_x is None else grad_x.to(x.dtype), grad_grid
