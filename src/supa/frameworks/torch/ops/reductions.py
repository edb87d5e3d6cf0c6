"""Sums, means, extremes over any axes: the tensor as rows, in one or two launches. Not here: arg-reductions (host)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS, loops_of
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.elementwise.reduction import reduce_columns, reduce_rows
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor
_TILE = 2048
_ENOUGH_BLOCKS = 64
_LONG = 1 << 14


def reduce(
    recorder: Recorder, tensor: Tensor, dims: Sequence[int] | None, keep: bool, kind: str, dtype: torch.dtype | None
) -> Tensor:
    """`kind`, one of sum, mean, max, min, over `dims` (all if None or empty). Raises `Declined` for other layouts."""
    if tensor.dtype not in FLOATS or (dtype or tensor.dtype) not in FLOATS or tensor.numel() == 0:
        raise Declined
    rank = tensor.dim()
    chosen = sorted({dim % rank for dim in dims}) if dims and rank else list(range(rank))
    shape = list(tensor.shape)
    sizes = [1 if dim in chosen else size for dim, size in enumerate(shape)]
    out = recorder.new(sizes if keep else [size for dim, size in enumerate(shape) if dim not in chosen],
                       dtype or tensor.dtype)  # fmt: skip
    columns, step = _one_loop(tensor, chosen)
    outer = _row_loops(tensor, [dim for dim in range(tensor.dim()) if dim not in chosen])
    _launch(recorder, tensor, out, outer, columns, step, kind)
    return out


def _one_loop(tensor: Tensor, dims: list[int]) -> tuple[int, int]:
    if not dims:
        return 1, 1
    loops = loops_of([tensor.shape[dim] for dim in dims], [[tensor.stride(dim) for dim in dims]])
    if len(loops) > 1:
        raise Declined
    return loops[0][0], loops[0][1][0]


def _row_loops(tensor: Tensor, dims: list[int]) -> list[tuple[int, int]]:
    """At most two loops over the result's elements in its own order: (size, stride)."""
    loops: list[tuple[int, int]] = []
    for dim in dims:
        size, stride = tensor.shape[dim], tensor.stride(dim)
        if size == 1:
            continue
        if loops and loops[-1][1] == stride * size:
            loops[-1] = (loops[-1][0] * size, stride)
        else:
            loops.append((size, stride))
    if len(loops) > 2:
        raise Declined
    return [(1, 0)] * (2 - len(loops)) + loops


def _launch(
    recorder: Recorder, tensor: Tensor, out: Tensor, outer: list[tuple[int, int]], columns: int, step: int, kind: str
) -> None:
    (_, outer_stride), (inner, inner_stride) = outer
    rows = math.prod(size for size, _ in outer)
    scale = 1.0 / columns if kind == "mean" else 1.0
    name = "sum" if kind == "mean" else kind
    kernel = reduce_columns if inner_stride == 1 and step != 1 and inner > 1 else reduce_rows
    splits = 1
    if columns >= _LONG and rows < _ENOUGH_BLOCKS:
        splits = min(cdiv(columns, _TILE), _ENOUGH_BLOCKS)
    chunk = cdiv(columns, splits)
    splits = cdiv(columns, chunk)
    target = out if splits == 1 else recorder.new((splits, rows), torch.float32)
    _run(recorder, kernel, target, tensor, (rows, columns, inner, outer_stride, inner_stride, step, chunk), splits,
         scale if splits == 1 else 1.0, name)  # fmt: skip
    if splits > 1:
        facts = (rows, splits, max(rows, 1), 0, 1, rows, splits)
        _run(recorder, reduce_columns if rows > 1 else reduce_rows, out, target, facts, 1, scale, name)


def _run(
    recorder: Recorder, kernel: Any, out: Tensor, tensor: Tensor, facts: tuple[int, ...], splits: int, scale: float,
    name: str,
) -> None:  # fmt: skip
    rows, chunk = facts[0], facts[-1]
    if kernel is reduce_columns:
        block_r = min(256, next_power_of_2(rows))
        block_c = min(next_power_of_2(chunk), max(1, _TILE // block_r))
    else:
        block_c = min(1024, next_power_of_2(chunk))
        block_r = min(next_power_of_2(rows), max(1, _TILE // block_c))
    recorder.run(kernel, (cdiv(rows, block_r), splits), out, tensor, *facts, scale, KIND=name, BLOCK_R=block_r,
                 BLOCK_C=block_c)  # fmt: skip


@device_op("sum.dim_IntList")
def _sum_dims(recorder: Recorder, x: Tensor, dims: Sequence[int] | None, keep: bool, dtype: Any) -> Tensor:
    return reduce(recorder, x, dims, keep, "sum", dtype)


@device_op("sum")
def _sum(recorder: Recorder, x: Tensor, dtype: Any) -> Tensor:
    return reduce(recorder, x, None, False, "sum", dtype)


@device_op("mean.dim")
def _mean_dims(recorder: Recorder, x: Tensor, dims: Sequence[int] | None, keep: bool, dtype: Any) -> Tensor:
    return reduce(recorder, x, dims, keep, "mean", dtype)


@device_op("mean")
def _mean(recorder: Recorder, x: Tensor, dtype: Any) -> Tensor:
    return reduce(recorder, x, None, False, "mean", dtype)


@device_op("amax")
def _amax(recorder: Recorder, x: Tensor, dims: Sequence[int], keep: bool) -> Tensor:
    return reduce(recorder, x, dims, keep, "max", None)


@device_op("amin")
def _amin(recorder: Recorder, x: Tensor, dims: Sequence[int], keep: bool) -> Tensor:
    return reduce(recorder, x, dims, keep, "min", None)
