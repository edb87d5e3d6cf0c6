"""Convolutions whose windows are never written: implicit products over a padded input, forward and backward, where
only the host's speed counts (mode `execute`). Elsewhere windows are matrices (`windows`, `spatial`): described devices
take less time over regular loads. Not here: groups, transposed convolutions.
"""

from __future__ import annotations

import math

import torch

from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.ops.moves import rearrange
from supa.frameworks.torch.ops.products import precision_of
from supa.frameworks.torch.ops.windows import Geometry, three, unfold
from supa.frameworks.torch.recorder import Recorder
from supa.frameworks.torch.registration import is_priced
from supa.libs.dnn import implicit
from supa.libs.sizes import cdiv

Tensor = torch.Tensor
_GROUP = 8
_PLAIN = (1, 1, 1)
_BLOCK_N, _BLOCK_K = 64, 64


def serves(x: Tensor, geometry: Geometry, groups: int) -> bool:
    """Whether a convolution of x is done here."""
    if groups != 1 or x.dtype not in FLOATS or geometry.is_plain or is_priced(x.device.index):
        return False
    return _is_addressable(x, geometry.pad)


def serves_input(grad: Tensor, x: Tensor, weight: Tensor, geometry: Geometry) -> bool:
    """Whether the gradient of x is: a convolution with the weight turned around, where turning it costs less than what
    it saves.
    """
    pad, saves = _turned_pad(geometry), weight.numel() < geometry.elements * x.numel()
    return saves and geometry.stride == _PLAIN and min(pad) >= 0 and _is_addressable(grad, pad)


def serves_weight(x: Tensor, geometry: Geometry) -> bool:
    """Whether the gradient of the weight is: windows lie one element apart, in one plane."""
    return geometry.stride == _PLAIN and x.dim() < 5


def _turned_pad(geometry: Geometry) -> tuple[int, int, int]:
    pads = [geometry.step[at] * (geometry.kernel[at] - 1) - geometry.pad[at] for at in range(3)]
    return pads[0], pads[1], pads[2]


def _padded_space(x: Tensor, pad: tuple[int, int, int]) -> tuple[int, int, int]:
    sizes = three(x.shape[2:], 1)
    return sizes[0] + 2 * pad[0], sizes[1] + 2 * pad[1], sizes[2] + 2 * pad[2]


def _is_addressable(x: Tensor, pad: tuple[int, int, int]) -> bool:
    """Whether places of one padded image are 32-bit numbers, as the kernels have them."""
    return x.shape[1] * math.prod(_padded_space(x, pad)) < 1 << 31


def _padded(recorder: Recorder, x: Tensor, pad: tuple[int, int, int]) -> tuple[Tensor, tuple[int, int, int]]:
    """x, flattened as (images, channels, space), with zeros around, and its space's sizes."""
    space = _padded_space(x, pad)
    return unfold(recorder, x, space, Geometry(_PLAIN, _PLAIN, pad, _PLAIN)), space


def _block_rows(rows: int) -> int:
    return 64 if rows > 32 else 32 if rows > 16 else 16


def convolve(
    recorder: Recorder, x: Tensor, matrix: Tensor, bias: Tensor | None, geometry: Geometry, place: tuple[int, int, int],
    out: Tensor,
) -> None:  # fmt: skip
    """out (images, M, places) = matrix (M, channels * elements) times the windows of x, and the rows' bias."""
    if any(geometry.pad):
        x, space = _padded(recorder, x, geometry.pad)
        channel, line = space[0] * space[1] * space[2], space[1] * space[2]
        strides = (x.stride(0), channel, line, space[2], 1)
    else:
        strides = (x.stride(0), x.stride(1), *three(x.stride()[2:], 0))
    rows, depth = matrix.shape
    count = place[0] * place[1] * place[2]
    block_m = _block_rows(rows)
    options = geometry.options()
    recorder.run(
        implicit.convolve, (cdiv(rows, block_m) * cdiv(count, _BLOCK_N), x.shape[0]), out, matrix, x,
        matrix if bias is None else bias, rows, count, depth, place[1], place[2], *strides,
        **{name: value for name, value in options.items() if not name.startswith("PAD")}, BIASED=bias is not None,
        PRECISION=precision_of(x.dtype), BLOCK_M=block_m, BLOCK_N=_BLOCK_N, BLOCK_K=_BLOCK_K, GROUP_M=_GROUP,
    )  # fmt: skip


def input_gradient(recorder: Recorder, grad: Tensor, weight: Tensor, geometry: Geometry, x: Tensor) -> Tensor:
    """The gradient of x: the output's gradient convolved with the weight turned around."""
    outputs, channels = weight.shape[:2]
    elements = geometry.elements
    flat = recorder.view(weight.view(-1), weight)
    turned = recorder.new((channels, outputs * elements), weight.dtype)
    last = recorder.view(flat[elements - 1 :], weight)
    rearrange(recorder, turned, last, [channels, outputs, elements], [elements, channels * elements, -1])
    out = recorder.new(x.shape, x.dtype)
    around = Geometry(geometry.kernel, _PLAIN, _turned_pad(geometry), geometry.step)
    convolve(recorder, grad, turned, None, around, three(x.shape[2:], 1), out)
    return out


def weight_gradient(recorder: Recorder, grad: Tensor, x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """The gradient of the weight. The output's rows are drawn out to the length of the padded input's, so that windows
    which begin beside each other lie beside each other.
    """
    images, outputs = grad.shape[:2]
    padded, (_, _, width) = _padded(recorder, x, geometry.pad)
    _, height, columns = three(grad.shape[2:], 1)
    drawn = unfold(recorder, grad, (1, height, width), Geometry(_PLAIN, _PLAIN, (0, 0, 0), _PLAIN))
    places = (height - 1) * width + columns
    out = recorder.new(weight.shape, weight.dtype)
    lines = weight[0].numel()
    block_m = _block_rows(outputs)
    options = geometry.options("HW")
    recorder.run(
        implicit.convolve_weight, (cdiv(outputs, block_m) * cdiv(lines, _BLOCK_N),), out, drawn, padded, outputs, lines,
        places, images, drawn.stride(0), drawn.stride(1), padded.stride(0), padded.stride(1), width,
        **{name: value for name, value in options.items() if name.startswith(("KERNEL", "STEP"))},
        PRECISION=precision_of(x.dtype), BLOCK_M=block_m, BLOCK_N=_BLOCK_N, BLOCK_K=_BLOCK_K,
    )  # fmt: skip
    return out
