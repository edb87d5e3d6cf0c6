"""Operators made of sorted lines: medians and other ranks, distinct values, permutations, draws without replacement.

Not here: the sorting (`along`).
"""

from __future__ import annotations

import math
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.chance import check_generator
from supa.frameworks.torch.ops.elementwise import FLOATS, INTEGERS
from supa.frameworks.torch.ops.masks import places, reads_values
from supa.frameworks.torch.recorder import Declined, Recorder

Tensor = torch.Tensor
_MOST_CLASSES = 1 << 24


def _settled(found: Tensor, out: Tensor) -> Tensor:
    if out.shape != found.shape:
        out.resize_(found.shape)
    return out.copy_(found)


def _at_rank(x: Tensor, dim: int, keep: bool, rank: Tensor | int) -> tuple[Tensor, Tensor]:
    """The element of each line that is number `rank` in order, and its place. NaN is last."""
    values, places = x.sort(dim=dim, stable=True)
    if isinstance(rank, int):
        found = values.select(dim, rank), places.select(dim, rank)
        return (found[0].unsqueeze(dim), found[1].unsqueeze(dim)) if keep else found
    found = values.gather(dim, rank), places.gather(dim, rank)
    return found if keep else (found[0].squeeze(dim), found[1].squeeze(dim))


def _median(x: Tensor, dim: int, keep: bool, skips_nan: bool) -> tuple[Tensor, Tensor]:
    if not x.dim():
        return x.clone(), torch.zeros_like(x, dtype=torch.int64)
    if not x.shape[dim]:
        raise Declined
    middle = (x.shape[dim] - 1) // 2
    if not x.is_floating_point():
        return _at_rank(x, dim, keep, middle)
    odd = x.isnan().sum(dim, keepdim=True)
    if skips_nan:
        return _at_rank(x, dim, keep, ((x.shape[dim] - odd - 1) // 2).clamp_min(0))
    # With a NaN the result is NaN, at the first one's place: behind all numbers in order.
    return _at_rank(x, dim, keep, torch.where(odd > 0, x.shape[dim] - odd, middle))


def _enter_median(name: str, skips_nan: bool) -> None:
    @device_op(f"{name}.dim_values")
    def along(recorder: Recorder, x: Tensor, dim: int, keep: bool, value: Tensor, index: Tensor) -> Any:
        found = _median(x, dim, keep, skips_nan)
        return _settled(found[0], value), _settled(found[1], index)

    @device_op(name)
    def whole(recorder: Recorder, x: Tensor) -> Tensor:
        if not x.numel():
            raise Declined
        return _median(x.reshape(-1), 0, False, skips_nan)[0].clone()


_enter_median("median", False)
_enter_median("nanmedian", True)


@device_op("kthvalue.values")
def _kth(recorder: Recorder, x: Tensor, k: int, dim: int, keep: bool, value: Tensor, index: Tensor) -> Any:
    if not x.dim() or not 1 <= k <= x.shape[dim]:
        raise Declined
    found = _at_rank(x, dim, keep, k - 1)
    return _settled(found[0], value), _settled(found[1], index)


def _runs(recorder: Recorder, line: Tensor) -> tuple[Tensor, Tensor]:
    """Where each run of equal values begins, and of each element the number of its run."""
    fresh = torch.ones_like(line, dtype=torch.bool)
    fresh[1:] = line[1:] != line[:-1]
    return places(recorder, fresh), fresh.cumsum(0) - 1


def _lengths(begins: Tensor, size: int) -> Tensor:
    ends = torch.empty_like(begins)
    ends[:-1] = begins[1:]
    ends[-1:].fill_(size)
    return ends - begins


@device_op("_unique2")
def _unique(recorder: Recorder, x: Tensor, _: bool, inverse: bool, counts: bool) -> tuple[Tensor, Tensor, Tensor]:
    if not x.numel() or x.dtype.is_complex:
        raise Declined
    nothing = recorder.new((0,), torch.int64)
    line, order = x.reshape(-1).sort(stable=True)
    begins, numbers = _runs(recorder, line)
    found = line.index_select(0, begins)
    of_each = torch.empty_like(numbers).scatter_(0, order, numbers).view(x.shape) if inverse or counts else nothing
    return found, of_each, _lengths(begins, line.numel()) if counts else nothing


@device_op("unique_consecutive")
def _consecutive(
    recorder: Recorder, x: Tensor, inverse: bool, counts: bool, dim: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    if not x.numel() or x.dtype.is_complex or dim is not None:
        raise Declined
    nothing = recorder.new((0,), torch.int64)
    line = x.reshape(-1)
    begins, numbers = _runs(recorder, line)
    found = line.index_select(0, begins)
    of_each = numbers.view(x.shape) if inverse else nothing
    return found, of_each, _lengths(begins, line.numel()) if counts else nothing


@device_op("randperm.generator_out")
def _permutation(recorder: Recorder, n: int, generator: Any, out: Tensor) -> Tensor:
    check_generator(generator)
    if n < 1 or out.dtype not in (*FLOATS, *INTEGERS, torch.float64):
        raise Declined
    keys = recorder.new((n,), torch.int64)
    keys.random_(generator=generator)
    return _settled(keys.argsort(stable=True).to(out.dtype), out)


@device_op("multinomial")
def _multinomial(recorder: Recorder, chances: Tensor, count: int, replaces: bool, generator: Any) -> Tensor:
    """Drawn by thresholds in the running sum, or without replacement as the first of exponential races."""
    classes = chances.shape[-1] if chances.dim() else 0
    known = chances.dim() in (1, 2) and chances.dtype in (*FLOATS, torch.float64)
    check_generator(generator)
    if not known or not 0 < count <= (_MOST_CLASSES if replaces else classes) or not chances.numel():
        raise Declined
    reads_values(recorder)
    least, most = chances.aminmax()
    sums = chances.sum(-1, keepdim=True)
    if not (float(least) >= 0 and float(most) < math.inf and float(sums.min()) > 0):
        raise Declined  # the host words the error
    wide = chances.to(torch.float64 if chances.dtype == torch.float64 else torch.float32)
    if not replaces:
        races = torch.empty_like(wide).exponential_(generator=generator)
        return (wide / races).topk(count, dim=-1).indices
    ends = wide.cumsum(-1)
    drawn = (
        torch.rand(*chances.shape[:-1], count, dtype=wide.dtype, device=chances.device, generator=generator)
        * ends[..., -1:]
    )
    return torch.searchsorted(ends, drawn, right=True).clamp_max(classes - 1)
