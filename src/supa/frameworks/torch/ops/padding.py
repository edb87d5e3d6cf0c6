"""Padding by reflection and by the edge's element: the tensor is copied into the middle, then each axis' rims from what
lies in the padded tensor already. Not here: gradients (`taken`); crops, and devices whose time is priced (torch's
decompositions, by index).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.frameworks.torch.registration import is_priced

Tensor = torch.Tensor


def _rims(x: Tensor, padding: Sequence[int], rank: int, reflects: bool) -> list[tuple[int, int, int]]:
    """(axis, before, behind) of each padded axis, the first axis first. Raises `Declined` for crops, and for errors."""
    if x.dim() not in (rank + 1, rank + 2) or len(padding) != 2 * rank or not x.numel() or x.dtype.is_complex:
        raise Declined
    if is_priced(x.device.index):
        raise Declined  # of planes a device walks the narrow rims longer than one index along each axis
    if not x.is_contiguous():
        raise Declined  # the result's layout follows the tensor's
    rims = []
    for number in range(rank):
        axis = x.dim() - rank + number
        before, behind = (int(one) for one in padding[2 * (rank - 1 - number) :][:2])
        if min(before, behind) < 0 or (reflects and max(before, behind) >= x.shape[axis]):
            raise Declined
        rims.append((axis, before, behind))
    return rims


def _padded(x: Tensor, rims: list[tuple[int, int, int]], reflects: bool) -> Tensor:
    sizes = list(x.shape)
    for axis, before, behind in rims:
        sizes[axis] += before + behind
    out = torch.empty(sizes, dtype=x.dtype, device=x.device)
    first = rims[0][0]
    lines = x.view(-1, *x.shape[first:])
    parts = [out.view(-1, *sizes[first:])]  # the whole, its middle along the first axis, along the first two, ...
    for number, (axis, before, _) in enumerate(rims):
        parts.append(parts[-1].narrow(number + 1, before, x.shape[axis]))
    parts[-1].copy_(lines)
    for number in reversed(range(len(rims))):
        axis, before, behind = rims[number]
        _fill_rims(parts[number], number + 1, before, x.shape[axis], behind, reflects)
    return out


def _fill_rims(part: Tensor, axis: int, before: int, size: int, behind: int, reflects: bool) -> None:
    """Of a tensor that is filled in the middle of an axis, the rest of it."""
    last = before + size - 1
    for start, count, mirror, edge in ((0, before, before + 1, before), (last + 1, behind, last - behind, last)):
        if count:
            source = part.narrow(axis, mirror, count).flip(axis) if reflects else part.narrow(axis, edge, 1)
            part.narrow(axis, start, count).copy_(source)


def _enter(kind: str, rank: int) -> None:
    reflects = kind == "reflection"

    @device_op(f"{kind}_pad{rank}d")
    def forward(recorder: Recorder, x: Tensor, padding: Sequence[int]) -> Tensor:
        return _padded(x, _rims(x, padding, rank, reflects), reflects)


for _rank in (1, 2, 3):
    _enter("reflection", _rank)
    _enter("replication", _rank)
