"""Convolutions of one to three axes, grouped and transposed, as windows and products, forward and backward; those of
single channels by kernels of their own. Not here: pooling (`planes`).

A transposed convolution is the gradient of a plain one: its windows are those of its output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.ops.moves import contiguous
from supa.frameworks.torch.ops.products import product, product_sum
from supa.frameworks.torch.ops.reductions import reduce
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.dnn import windows
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor
_WIDEST, _TILE = 256, 512
_MOST_GROUPS = 64
_SERVED = (*FLOATS, torch.float64)
_LARGEST_KERNEL = 121


@dataclass(frozen=True)
class Geometry:
    """How windows lie: for three axes, the outer ones 1 where there are fewer."""

    kernel: tuple[int, int, int]
    stride: tuple[int, int, int]
    pad: tuple[int, int, int]
    step: tuple[int, int, int]

    def options(self, axes: str = "DHW") -> dict[str, int]:
        """The kernels' constants."""
        facts = {"KERNEL": self.kernel, "STRIDE": self.stride, "PAD": self.pad, "STEP": self.step}
        return {f"{name}_{axis}": values["DHW".index(axis)] for name, values in facts.items() for axis in axes}

    def places(self, space: Sequence[int]) -> tuple[int, int, int]:
        """The windows over a space. Raises `Declined` where there are none."""
        found = [
            (space[at] + 2 * self.pad[at] - self.step[at] * (self.kernel[at] - 1) - 1) // self.stride[at] + 1
            for at in range(3)
        ]
        if min(found) <= 0:
            raise Declined
        return found[0], found[1], found[2]

    @property
    def elements(self) -> int:
        """Of a window."""
        return self.kernel[0] * self.kernel[1] * self.kernel[2]

    @property
    def is_plain(self) -> bool:
        """Whether the windows are the space itself."""
        return self.elements == 1 and self.stride == (1, 1, 1) and self.pad == (0, 0, 0)


def _three(values: Sequence[int], default: int) -> tuple[int, int, int]:
    found = [default] * (3 - len(values)) + [int(one) for one in values]
    return found[0], found[1], found[2]


def _geometry(weight: Tensor, stride: Sequence[int], padding: Sequence[int], step: Sequence[int]) -> Geometry:
    return Geometry(_three(weight.shape[2:], 1), _three(stride, 1), _three(padding, 0), _three(step, 1))


def _check(x: Tensor, weight: Tensor, groups: int, transposed: bool) -> None:
    if not 3 <= x.dim() <= 5 or weight.dim() != x.dim() or x.dtype not in _SERVED or weight.dtype != x.dtype:
        raise Declined
    if x.device != weight.device or not x.numel() or not weight.numel() or x.numel() >= 1 << 31:
        raise Declined
    if x.shape[1] != (weight.shape[0] if transposed else weight.shape[1] * groups):
        raise Declined


def _tiles(height: int, width: int) -> dict[str, int]:
    block_w = min(_WIDEST, next_power_of_2(width))
    return {"BLOCK_H": min(next_power_of_2(height), max(1, _TILE // block_w)), "BLOCK_W": block_w}


def _unfold(recorder: Recorder, x: Tensor, place: tuple[int, int, int], geometry: Geometry) -> Tensor:
    """The windows of x (images, channels, space): (images, channels * elements, places)."""
    images, channels = x.shape[:2]
    count = place[0] * place[1] * place[2]
    if geometry.is_plain:
        x = contiguous(recorder, x)
        return recorder.view(x.view(images, channels, count), x)
    lines = channels * geometry.elements
    columns = recorder.new((images, lines, count), x.dtype)
    tiles = _tiles(*place[1:])
    blocks = cdiv(place[2], tiles["BLOCK_W"])
    grid = (place[0] * cdiv(place[1], tiles["BLOCK_H"]) * blocks, lines, images)
    space, strides = _three(x.shape[2:], 1), _three(x.stride()[2:], 0)
    recorder.run(windows.unfold_windows, grid, columns, x, *space, *place, x.stride(0), x.stride(1), *strides, lines,
                 blocks, **geometry.options(), **tiles)  # fmt: skip
    return columns


def _sum_dtype(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _is_whole(geometry: Geometry, bias: Tensor | None) -> bool:
    """Whether windows are single elements with nothing to add: their columns are the result itself."""
    return bool(geometry.is_plain) and bias is None


def _columns_to_fold(
    recorder: Recorder, sizes: Sequence[int], geometry: Geometry, bias: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """Room for products that are added up: at least in fp32, so that a sum is rounded once."""
    return recorder.new(sizes, dtype if _is_whole(geometry, bias) else _sum_dtype(dtype))


def _fold(
    recorder: Recorder, columns: Tensor, shape: Sequence[int], place: tuple[int, int, int], geometry: Geometry,
    bias: Tensor | None, dtype: torch.dtype,
) -> Tensor:  # fmt: skip
    """What the windows of a tensor of `shape` add up to, and its channels' bias."""
    images, channels = shape[:2]
    if _is_whole(geometry, bias):
        return columns.view(tuple(shape))
    out = recorder.new(shape, dtype)
    space = _three(shape[2:], 1)
    tiles = _tiles(*space[1:])
    blocks = cdiv(space[2], tiles["BLOCK_W"])
    grid = (space[0] * cdiv(space[1], tiles["BLOCK_H"]) * blocks, channels, images)
    recorder.run(windows.fold_windows, grid, out, columns, columns if bias is None else bias, channels, *space, *place,
                 columns.shape[1], blocks, **geometry.options(), BIASED=bias is not None, **tiles)  # fmt: skip
    return out


def _by_group(tensor: Tensor, group: int, groups: int, axis: int) -> Tensor:
    size = tensor.shape[axis] // groups
    return tensor.narrow(axis, group * size, size)


def _multiply(
    recorder: Recorder, weight: Tensor, right: Tensor, out: Tensor, groups: int, *, turned: bool,
    bias: Tensor | None = None,
) -> None:  # fmt: skip
    """out[image] = weight @ right[image] for each group; `weight` (rows, columns of one group), turned or not."""
    images = right.shape[0]
    for group in range(groups):
        matrix = _by_group(weight, group, groups, 0)
        matrix = recorder.view((matrix.t() if turned else matrix).unsqueeze(0).expand(images, -1, -1), weight)
        part, target = (recorder.view(_by_group(one, group, groups, 1), one) for one in (right, out))
        added = None
        if bias is not None:
            added = recorder.view(_by_group(bias, group, groups, 0).view(1, -1, 1), bias)
        product(recorder, matrix, part, target, added=added)


def _weight_gradient(recorder: Recorder, left: Tensor, right: Tensor, weight: Tensor, groups: int) -> Tensor:
    """The sum over images of left @ right transposed, by groups, in the weight's shape."""
    found = []
    for group in range(groups):
        a = recorder.view(_by_group(left, group, groups, 1), left)
        b = recorder.view(_by_group(right, group, groups, 1).transpose(1, 2), right)
        found.append(product_sum(recorder, a, b, weight.dtype))
    return (found[0] if groups == 1 else torch.cat(found)).view(weight.shape)


def _flat(tensor: Tensor) -> Tensor:
    return tensor.view(tensor.shape[0], tensor.shape[1], -1)


def _is_single(x: Tensor, weight: Tensor, geometry: Geometry, groups: int) -> bool:
    return groups == x.shape[1] and weight.shape[1] == 1 and groups > 1 and x.dim() == 4 and (
        geometry.elements <= _LARGEST_KERNEL and x.dtype in FLOATS
    )  # fmt: skip


def _bias_of(recorder: Recorder, bias: Tensor | None, x: Tensor) -> Tensor | None:
    if bias is None:
        return None
    if bias.device != x.device or bias.dtype != x.dtype:
        raise Declined
    return contiguous(recorder, bias)


@device_op("convolution_overrideable")
def _convolution(
    recorder: Recorder, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int],
    step: Sequence[int], transposed: bool, added: Sequence[int], groups: int,
) -> Tensor:  # fmt: skip
    _check(x, weight, groups, transposed)
    geometry = _geometry(weight, stride, padding, step)
    bias, weight = _bias_of(recorder, bias, x), contiguous(recorder, weight)
    if not transposed and _is_single(x, weight, geometry, groups):
        return _single(recorder, contiguous(recorder, x), weight, bias, geometry)
    if groups > _MOST_GROUPS:
        raise Declined
    matrix = recorder.view(weight.view(weight.shape[0], -1), weight)
    if transposed:
        return _transposed(recorder, x, weight, matrix, bias, geometry, _three(added, 0), groups)
    place = geometry.places(_three(x.shape[2:], 1))
    columns = _unfold(recorder, x, place, geometry)
    out = recorder.new((x.shape[0], weight.shape[0], *place[3 - (x.dim() - 2) :]), x.dtype)
    _multiply(recorder, matrix, columns, _flat(out), groups, turned=False, bias=bias)
    return out


def _transposed(
    recorder: Recorder, x: Tensor, weight: Tensor, matrix: Tensor, bias: Tensor | None, geometry: Geometry,
    added: tuple[int, int, int], groups: int,
) -> Tensor:  # fmt: skip
    place = _three(x.shape[2:], 1)
    space = [
        (place[at] - 1) * geometry.stride[at] - 2 * geometry.pad[at] + geometry.step[at] * (geometry.kernel[at] - 1)
        + added[at] + 1
        for at in range(3)
    ]  # fmt: skip
    if min(space) <= 0:
        raise Declined
    channels = weight.shape[1] * groups
    x = contiguous(recorder, x)
    sizes = (x.shape[0], channels * geometry.elements, place[0] * place[1] * place[2])
    columns = _columns_to_fold(recorder, sizes, geometry, bias, x.dtype)
    _multiply(recorder, matrix, recorder.view(_flat(x), x), columns, groups, turned=True)
    shape = (x.shape[0], channels, *space[3 - (x.dim() - 2) :])
    return _fold(recorder, columns, shape, place, geometry, bias, x.dtype)


@device_op("convolution_backward_overrideable")
def _convolution_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, weight: Tensor, stride: Sequence[int], padding: Sequence[int],
    step: Sequence[int], transposed: bool, _: Sequence[int], groups: int, mask: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # fmt: skip
    _check(x, weight, groups, transposed)
    if grad.dtype != x.dtype:
        raise Declined
    geometry = _geometry(weight, stride, padding, step)
    grad, weight = contiguous(recorder, grad), contiguous(recorder, weight)
    if not transposed and _is_single(x, weight, geometry, groups):
        grad_x, grad_weight = _single_backward(recorder, grad, contiguous(recorder, x), weight, geometry, mask)
    elif groups > _MOST_GROUPS:
        raise Declined
    else:
        run = _transposed_backward if transposed else _plain_backward
        grad_x, grad_weight = run(recorder, grad, x, weight, geometry, groups, mask)
    grad_bias = _bias_gradient(recorder, recorder.view(_flat(grad), grad)) if mask[2] else None
    return grad_x, grad_weight, grad_bias


def _plain_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, groups: int, mask: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    place = _three(grad.shape[2:], 1)
    flat = recorder.view(_flat(grad), grad)
    matrix = recorder.view(weight.view(weight.shape[0], -1), weight)
    grad_x = grad_weight = None
    if mask[0]:
        sizes = (x.shape[0], x.shape[1] * geometry.elements, flat.shape[2])
        columns = _columns_to_fold(recorder, sizes, geometry, None, x.dtype)
        _multiply(recorder, matrix, flat, columns, groups, turned=True)
        grad_x = _fold(recorder, columns, x.shape, place, geometry, None, x.dtype)
    if mask[1]:
        grad_weight = _weight_gradient(recorder, flat, _unfold(recorder, x, place, geometry), weight, groups)
    return grad_x, grad_weight


def _transposed_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, groups: int, mask: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    place = _three(x.shape[2:], 1)
    x = contiguous(recorder, x)
    matrix = recorder.view(weight.view(weight.shape[0], -1), weight)
    columns = _unfold(recorder, grad, place, geometry)
    grad_x = grad_weight = None
    if mask[0]:
        grad_x = recorder.new(x.shape, x.dtype)
        _multiply(recorder, matrix, columns, _flat(grad_x), groups, turned=False)
    if mask[1]:
        grad_weight = _weight_gradient(recorder, recorder.view(_flat(x), x), columns, weight, groups)
    return grad_x, grad_weight


def _single(recorder: Recorder, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    images, channels, height, width = x.shape
    place = geometry.places((1, height, width))[1:]
    out = recorder.new((images, weight.shape[0], *place), x.dtype)
    tiles = _tiles(*place)
    blocks = cdiv(place[1], tiles["BLOCK_W"])
    recorder.run(
        windows.single_channels, (cdiv(place[0], tiles["BLOCK_H"]) * blocks, weight.shape[0], images), out, x, weight,
        weight if bias is None else bias, weight.shape[0], weight.shape[0] // channels, height, width, *place, blocks,
        **geometry.options("HW"), BIASED=bias is not None, **tiles,
    )  # fmt: skip
    return out


def _single_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, mask: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    images, channels, height, width = x.shape
    rows, columns = grad.shape[2:]
    facts = (weight.shape[0], weight.shape[0] // channels, height, width, rows, columns)
    grad_x = grad_weight = None
    if mask[0]:
        grad_x = recorder.new(x.shape, x.dtype)
        tiles = _tiles(height, width)
        blocks = cdiv(width, tiles["BLOCK_W"])
        recorder.run(windows.single_channels_input, (cdiv(height, tiles["BLOCK_H"]) * blocks, channels, images), grad_x,
                     grad, weight, *facts, blocks, **geometry.options("HW"), **tiles)  # fmt: skip
    if mask[1]:
        grad_weight = recorder.new(weight.shape, weight.dtype)
        recorder.run(windows.single_channels_weight, (weight.shape[0], geometry.elements), grad_weight, grad, x, images,
                     *facts, **geometry.options("HW"), **_tiles(rows, columns))  # fmt: skip
    return grad_x, grad_weight


def _bias_gradient(recorder: Recorder, flat: Tensor) -> Tensor:
    inner = reduce(recorder, flat, [2], False, "sum", _sum_dtype(flat.dtype))
    return reduce(recorder, inner, [0], False, "sum", flat.dtype)
