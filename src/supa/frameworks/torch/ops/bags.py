"""Sums and means of embeddings in bags, forward and backward, composed of indexing. Not here: largest ones (host)."""

from __future__ import annotations

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.recorder import Declined, Recorder

Tensor = torch.Tensor
_SUM, _MEAN = 0, 1


def _check(table: Tensor, mode: int, *others: Tensor | None) -> None:
    if mode not in (_SUM, _MEAN) or table.dtype not in (*FLOATS, torch.float64):
        raise Declined
    if any(one is not None and (one.device != table.device or not one.numel()) for one in others):
        raise Declined


def _kept(indices: Tensor, padding: int, dtype: torch.dtype) -> Tensor:
    """1 for each index that counts, 0 for padding."""
    return (indices != padding).to(dtype)


@device_op("_embedding_bag", "_embedding_bag_forward_only")
def _forward(
    recorder: Recorder, weight: Tensor, indices: Tensor, offsets: Tensor, by_frequency: bool, mode: int, sparse: bool,
    factors: Tensor | None, has_end: bool, padding: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    _check(weight, mode, indices, offsets, factors)
    begins = offsets[:-1] if has_end else offsets
    if indices.dim() != 1 or begins.dim() != 1 or not begins.numel() or (factors is not None and mode != _SUM):
        raise Declined
    count, bags = indices.numel(), begins.numel()
    starts = torch.zeros(count + 1, dtype=torch.int64, device=weight.device)
    bag = starts.index_add_(0, begins, torch.ones_like(begins, dtype=torch.int64)).cumsum(0)[:count] - 1
    held = _kept(indices, padding, torch.int64)
    sizes = torch.zeros(bags, dtype=torch.int64, device=weight.device).index_add_(0, bag, held)
    wide = torch.float64 if weight.dtype == torch.float64 else torch.float32
    rows = weight.index_select(0, indices).to(wide) * held.unsqueeze(1)
    if factors is not None:
        rows = rows * factors.to(wide).unsqueeze(1)
    total = torch.zeros(bags, weight.shape[1], dtype=wide, device=weight.device).index_add_(0, bag, rows)
    if mode == _MEAN:
        total = total / sizes.clamp_min(1).unsqueeze(1)
    return total.to(weight.dtype), bag, sizes, torch.zeros_like(sizes)


@device_op("_embedding_bag_backward")
def _backward(
    recorder: Recorder, grad: Tensor, indices: Tensor, offsets: Tensor, bag: Tensor, sizes: Tensor, largest: Tensor,
    height: int, by_frequency: bool, mode: int, sparse: bool, factors: Tensor | None, padding: int,
) -> Tensor:  # fmt: skip
    _check(grad, mode, indices, bag, factors)
    if by_frequency or sparse or bag.shape != indices.shape:
        raise Declined
    wide = torch.float64 if grad.dtype == torch.float64 else torch.float32
    rows = grad.index_select(0, bag).to(wide) * _kept(indices, padding, wide).unsqueeze(1)
    if mode == _MEAN:
        rows = rows / sizes.index_select(0, bag).clamp_min(1).unsqueeze(1)
    if factors is not None:
        rows = rows * factors.to(wide).unsqueeze(1)
    total = torch.zeros(height, grad.shape[1], dtype=wide, device=grad.device)
    return total.index_add_(0, indices, rows).to(grad.dtype)


@device_op("_embedding_bag_per_sample_weights_backward")
def _factors_backward(
    recorder: Recorder, grad: Tensor, weight: Tensor, indices: Tensor, offsets: Tensor, bag: Tensor, mode: int,
    padding: int,
) -> Tensor:  # fmt: skip
    _check(grad, mode, indices, bag)
    if bag.shape != indices.shape:
        raise Declined
    found = (grad.index_select(0, bag) * weight.index_select(0, indices)).sum(1)
    return found * _kept(indices, padding, found.dtype)
