"""Operators whose result's size depends on values: places of what is not 0, elements under a mask. Their number is read
by the host, so they are asked anew in each call. Not here: writing one value under a mask (`weighted`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.moves import contiguous
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.frameworks.torch.registration import clock
from supa.libs.indexing import compaction
from supa.libs.sizes import cdiv

Tensor = torch.Tensor
_BLOCK = 1024


def places(recorder: Recorder, x: Tensor) -> Tensor:
    """The places of a tensor's elements that are not 0, in its own order, (count,) int64. Raises `Declined` in mode
    time, where nothing is known of them.
    """
    reads_values(recorder)
    if x.dtype.is_complex:
        x = torch.view_as_real(x).ne(0).any(-1)
    n = x.numel()
    if not n:
        return recorder.new((0,), torch.int64)
    x = contiguous(recorder, x)
    blocks = cdiv(n, _BLOCK)
    counts = recorder.new((blocks,), torch.int64)
    recorder.run(compaction.count, blocks, counts, x, n, BLOCK=_BLOCK)
    ends = counts.cumsum(0)
    found = recorder.new((int(ends[-1]),), torch.int64)
    if found.numel():
        recorder.run(compaction.places, blocks, found, x, ends, n, BLOCK=_BLOCK)
    return found


def reads_values(recorder: Recorder) -> None:
    """The call's recipe holds for no other: what it does depends on values, which there are none of in mode time."""
    if clock.devices[recorder.device.index].mode == "time":
        raise Declined
    recorder.never()


def coordinates(recorder: Recorder, x: Tensor) -> list[Tensor]:
    """The places of what is not 0 along each of the axes."""
    left, found = places(recorder, x), []
    for size in reversed(x.shape[1:]):
        found.append(left % size)
        left = left // size
    return [left, *reversed(found)]


def without_masks(recorder: Recorder, x: Tensor, indices: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Indices of which masks have become the places where they hold; `Declined` where one's shape is not x's."""
    found: list[Tensor | None] = []
    for index in indices:
        if index is None or index.dtype not in (torch.bool, torch.uint8):
            found.append(index)
            continue
        axis = len(found)
        if not index.dim() or index.device != x.device or index.shape != x.shape[axis : axis + index.dim()]:
            raise Declined
        found += coordinates(recorder, index)
    return found


@device_op("nonzero")
def _nonzero(recorder: Recorder, x: Tensor) -> Tensor:
    if not x.dim():
        return recorder.new((places(recorder, x).numel(), 0), torch.int64)
    return torch.stack(coordinates(recorder, x), 1)


@device_op("masked_select")
def _masked_select(recorder: Recorder, x: Tensor, mask: Tensor) -> Tensor:
    if mask.dtype != torch.bool or mask.device != x.device:
        raise Declined
    x, mask = torch.broadcast_tensors(x, mask)
    return x.reshape(-1).index_select(0, places(recorder, mask))


@device_op("masked_scatter_")
def _masked_scatter(recorder: Recorder, x: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    if mask.dtype != torch.bool or source.dtype != x.dtype or not x.numel() or not source.numel():
        raise Declined
    mask = mask.expand(x.shape)
    number = (mask.reshape(-1).cumsum(0) - 1).clamp_min(0)
    recorder.never()  # an error of the inner call is not replayed with its words
    taken = source.reshape(-1).index_select(0, number).view(x.shape)
    return x.copy_(torch.where(mask, taken, x))


@device_op("equal")
def _equal(recorder: Recorder, x: Tensor, y: Tensor) -> Any:
    if x.dtype != y.dtype:
        raise Declined
    reads_values(recorder)
    if x.shape != y.shape:
        return False
    return bool(x.eq(y).all()) if x.numel() else True
