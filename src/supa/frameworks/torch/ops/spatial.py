"""Convolutions of one to three axes, grouped and transposed, as windows and products, forward and backward; those of
single channels by kernels of their own. Not here: pooling (`planes`).

A transposed convolution is the gradient of a plain one: its windows are those of its output.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops import implicit
from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.ops.moves import contiguous
from supa.frameworks.torch.ops.products import product, product_sum
from supa.frameworks.torch.ops.reductions import reduce
from supa.frameworks.torch.ops.windows import (
    Geometry,
    columns_to_fold,
    fold,
    geometry_of,
    sum_dtype,
    three,
    tiles_of,
    unfold,
)
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.dnn import windows
from supa.libs.sizes import cdiv

Tensor = torch.Tensor
_MOST_GROUPS = 64
_SERVED = (*FLOATS, torch.float64)
_LARGEST_KERNEL = 121


def _check(x: Tensor, weight: Tensor, groups: int, transposed: bool) -> None:
    if not 3 <= x.dim() <= 5 or weight.dim() != x.dim() or x.dtype not in _SERVED or weight.dtype != x.dtype:
        raise Declined
    if x.device != weight.device or not x.numel() or not weight.numel() or x.numel() >= 1 << 31:
        raise Declined
    if x.shape[1] != (weight.shape[0] if transposed else weight.shape[1] * groups):
        raise Declined


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
    geometry = geometry_of(weight, stride, padding, step)
    bias, weight = _bias_of(recorder, bias, x), contiguous(recorder, weight)
    if not transposed and _is_single(x, weight, geometry, groups):
        return _single(recorder, contiguous(recorder, x), weight, bias, geometry)
    if groups > _MOST_GROUPS:
        raise Declined
    matrix = recorder.view(weight.view(weight.shape[0], -1), weight)
    if transposed:
        return _transposed(recorder, x, weight, matrix, bias, geometry, three(added, 0), groups)
    place = geometry.places(three(x.shape[2:], 1))
    out = recorder.new((x.shape[0], weight.shape[0], *place[3 - (x.dim() - 2) :]), x.dtype)
    if implicit.serves(x, geometry, groups):
        implicit.convolve(recorder, x, matrix, bias, geometry, place, out)
        return out
    columns = unfold(recorder, x, place, geometry)
    _multiply(recorder, matrix, columns, _flat(out), groups, turned=False, bias=bias)
    return out


def _transposed(
    recorder: Recorder, x: Tensor, weight: Tensor, matrix: Tensor, bias: Tensor | None, geometry: Geometry,
    added: tuple[int, int, int], groups: int,
) -> Tensor:  # fmt: skip
    place = three(x.shape[2:], 1)
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
    columns = columns_to_fold(recorder, sizes, geometry, bias, x.dtype)
    _multiply(recorder, matrix, recorder.view(_flat(x), x), columns, groups, turned=True)
    shape = (x.shape[0], channels, *space[3 - (x.dim() - 2) :])
    return fold(recorder, columns, shape, place, geometry, bias, x.dtype)


@device_op("convolution_backward_overrideable")
def _convolution_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, weight: Tensor, stride: Sequence[int], padding: Sequence[int],
    step: Sequence[int], transposed: bool, _: Sequence[int], groups: int, mask: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # fmt: skip
    _check(x, weight, groups, transposed)
    if grad.dtype != x.dtype:
        raise Declined
    geometry = geometry_of(weight, stride, padding, step)
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
    place = three(grad.shape[2:], 1)
    flat = recorder.view(_flat(grad), grad)
    matrix = recorder.view(weight.view(weight.shape[0], -1), weight)
    grad_x = grad_weight = None
    served = implicit.serves(x, geometry, groups)
    if mask[0] and served and implicit.serves_input(grad, x, weight, geometry):
        grad_x = implicit.input_gradient(recorder, grad, weight, geometry, x)
    elif mask[0]:
        sizes = (x.shape[0], x.shape[1] * geometry.elements, flat.shape[2])
        columns = columns_to_fold(recorder, sizes, geometry, None, x.dtype)
        _multiply(recorder, matrix, flat, columns, groups, turned=True)
        grad_x = fold(recorder, columns, x.shape, place, geometry, None, x.dtype)
    if mask[1] and served and implicit.serves_weight(x, geometry):
        grad_weight = implicit.weight_gradient(recorder, grad, x, weight, geometry)
    elif mask[1]:
        grad_weight = _weight_gradient(recorder, flat, unfold(recorder, x, place, geometry), weight, groups)
    return grad_x, grad_weight


def _transposed_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, groups: int, mask: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    place = three(x.shape[2:], 1)
    x = contiguous(recorder, x)
    matrix = recorder.view(weight.view(weight.shape[0], -1), weight)
    columns = unfold(recorder, grad, place, geometry)
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
    tiles = tiles_of(*place)
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
        tiles = tiles_of(height, width)
        blocks = cdiv(width, tiles["BLOCK_W"])
        recorder.run(windows.single_channels_input, (cdiv(height, tiles["BLOCK_H"]) * blocks, channels, images), grad_x,
                     grad, weight, *facts, blocks, **geometry.options("HW"), **tiles)  # fmt: skip
    if mask[1]:
        grad_weight = recorder.new(weight.shape, weight.dtype)
        recorder.run(windows.single_channels_weight, (weight.shape[0], geometry.elements), grad_weight, grad, x, images,
                     *facts, **geometry.options("HW"), **tiles_of(rows, columns))  # fmt: skip
    return grad_x, grad_weight


def _bias_gradient(recorder: Recorder, flat: Tensor) -> Tensor:
    inner = reduce(recorder, flat, [2], False, "sum", sum_dtype(flat.dtype))
    return reduce(recorder, inner, [0], False, "sum", flat.dtype)
