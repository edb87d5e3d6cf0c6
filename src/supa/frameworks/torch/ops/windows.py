"""How the windows of a convolution lie, and windows as matrices: written, and added up where they came from. Not here:
products with them (`spatial`), windows that are not written (`implicit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from supa.frameworks.torch.ops.moves import contiguous
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.dnn import windows
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor
_WIDEST, _TILE = 256, 512


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


def three(values: Sequence[int], default: int) -> tuple[int, int, int]:
    """One to three axes' values as three: `default` for the outer ones that are not there."""
    found = [default] * (3 - len(values)) + [int(one) for one in values]
    return found[0], found[1], found[2]


def geometry_of(weight: Tensor, stride: Sequence[int], padding: Sequence[int], step: Sequence[int]) -> Geometry:
    """The windows of a convolution with this weight (.., .., kernel), by torch's arguments."""
    return Geometry(three(weight.shape[2:], 1), three(stride, 1), three(padding, 0), three(step, 1))


def tiles_of(height: int, width: int) -> dict[str, int]:
    """The tile that a program takes of an output."""
    block_w = min(_WIDEST, next_power_of_2(width))
    return {"BLOCK_H": min(next_power_of_2(height), max(1, _TILE // block_w)), "BLOCK_W": block_w}


def unfold(recorder: Recorder, x: Tensor, place: tuple[int, int, int], geometry: Geometry) -> Tensor:
    """The windows of x (images, channels, space): (images, channels * elements, places)."""
    images, channels = x.shape[:2]
    count = place[0] * place[1] * place[2]
    space = three(x.shape[2:], 1)
    if geometry.is_plain and place == space:
        x = contiguous(recorder, x)
        return recorder.view(x.view(images, channels, count), x)
    lines = channels * geometry.elements
    columns = recorder.new((images, lines, count), x.dtype)
    tiles = tiles_of(*place[1:])
    blocks = cdiv(place[2], tiles["BLOCK_W"])
    grid = (place[0] * cdiv(place[1], tiles["BLOCK_H"]) * blocks, lines, images)
    strides = three(x.stride()[2:], 0)
    recorder.run(windows.unfold_windows, grid, columns, x, *space, *place, x.stride(0), x.stride(1), *strides, lines,
                 blocks, **geometry.options(), **tiles)  # fmt: skip
    return columns


def sum_dtype(dtype: torch.dtype) -> torch.dtype:
    """The type in which values of `dtype` are added up."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def _is_whole(geometry: Geometry, bias: Tensor | None) -> bool:
    """Whether windows are single elements with nothing to add: their columns are the result itself."""
    return bool(geometry.is_plain) and bias is None


def columns_to_fold(
    recorder: Recorder, sizes: Sequence[int], geometry: Geometry, bias: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """Room for products that are added up: at least in fp32, so that a sum is rounded once."""
    return recorder.new(sizes, dtype if _is_whole(geometry, bias) else sum_dtype(dtype))


def fold(
    recorder: Recorder, columns: Tensor, shape: Sequence[int], place: tuple[int, int, int], geometry: Geometry,
    bias: Tensor | None, dtype: torch.dtype,
) -> Tensor:  # fmt: skip
    """What the windows of a tensor of `shape` add up to, and its channels' bias."""
    images, channels = shape[:2]
    if _is_whole(geometry, bias):
        return columns.view(tuple(shape))
    out = recorder.new(shape, dtype)
    space = three(shape[2:], 1)
    tiles = tiles_of(*space[1:])
    blocks = cdiv(space[2], tiles["BLOCK_W"])
    grid = (space[0] * cdiv(space[1], tiles["BLOCK_H"]) * blocks, channels, images)
    recorder.run(windows.fold_windows, grid, out, columns, columns if bias is None else bias, channels, *space, *place,
                 columns.shape[1], blocks, **geometry.options(), BIASED=bias is not None, **tiles)  # fmt: skip
    return out
