"""Gradients of operators that take whole lines along axes: each line's gradient is added to the one that it was taken
from. Resizing to the nearest, padding by the edge's element. Not here: planes resized to the nearest (`planes`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.recorder import Declined, Recorder

Tensor = torch.Tensor


def _added_back(grad: Tensor, sizes: Sequence[int], places: Callable[[int], Tensor]) -> Tensor:
    """`grad` with its last axes of those sizes; `places(number)` are what was taken along the axis of that number."""
    if grad.dtype not in (*FLOATS, torch.float64, torch.complex64, torch.complex128) or not grad.numel() or 0 in sizes:
        raise Declined
    found = grad.float() if grad.dtype in FLOATS else grad
    for number, size in enumerate(sizes):
        axis = grad.dim() - len(sizes) + number
        shape = list(found.shape)
        shape[axis] = size
        found = torch.zeros(shape, dtype=found.dtype, device=grad.device).index_add(axis, places(number), found)
    return found.to(grad.dtype)


def _enter_nearest(name: str, rank: int, center: float) -> None:
    @device_op(name)
    def backward(
        recorder: Recorder, grad: Tensor, out_size: Sequence[int], in_size: Sequence[int], *scales: float | None
    ) -> Tensor:
        if grad.dim() != rank + 2 or len(in_size) != rank + 2:
            raise Declined

        def places(number: int) -> Tensor:
            out, size, given = out_size[number], in_size[2 + number], scales[number]
            step = 1.0 / given if given else size / out
            at = torch.arange(out, dtype=torch.float32, device=grad.device) + center
            return (at * step).floor().clamp_max(size - 1).to(torch.int64)

        return _added_back(grad, in_size[2:], places)


def _enter_replication(rank: int) -> None:
    @device_op(f"replication_pad{rank}d_backward")
    def backward(recorder: Recorder, grad: Tensor, x: Tensor, padding: Sequence[int]) -> Tensor:
        if grad.dim() != x.dim() or x.dim() not in (rank + 1, rank + 2) or len(padding) != 2 * rank:
            raise Declined

        def places(number: int) -> Tensor:
            size, before = x.shape[x.dim() - rank + number], padding[2 * (rank - 1 - number)]
            at = torch.arange(grad.shape[x.dim() - rank + number], device=grad.device) - before
            return at.clamp(0, size - 1)

        return _added_back(grad, x.shape[-rank:], places)


for _rank in (1, 3):
    _enter_nearest(f"upsample_nearest{_rank}d_backward", _rank, 0.0)
for _rank in (1, 2, 3):
    _enter_nearest(f"_upsample_nearest_exact{_rank}d_backward", _rank, 0.5)
    _enter_replication(_rank)
