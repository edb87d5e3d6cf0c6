"""Sums, products, means, extremes, any and all, norms, variances over any axes: the tensor as rows, in one or two
launches. Not here: extremes with their place, scans (`along`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.along import compute_of
from supa.frameworks.torch.ops.elementwise import FLOATS, INTEGERS, loops_of
from supa.frameworks.torch.ops.moves import contiguous, filled
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.frameworks.torch.registration import clock
from supa.libs.elementwise.reduction import reduce_columns, reduce_rows, variance
from supa.libs.sizes import cdiv, next_power_of_2
from supa.runtime import Device

Tensor = torch.Tensor
_TILE = 4096
_VARIANCE_TILE = 2048
_ROWS_TILE = 1024  # where a block takes several short rows
_WIDE, _WIDE_ON_HOST = 256, 1024  # neighbouring rows of a turned tile; the host likes long runs of memory
_BLOCKS_A_UNIT, _BLOCKS_ON_HOST = 4, 16
_LONG = 8  # tiles of a block that are worth a second launch
_OF_NOTHING = {"sum": 0, "prod": 1, "any": 0, "all": 1, "count": 0}
_BEHIND = {"abs": "sum", "square": "sum", "count": "sum", "mean": "sum"}


def reduce(
    recorder: Recorder, tensor: Tensor, dims: Sequence[int] | None, keep: bool, kind: str, dtype: torch.dtype | None,
    *, root: bool = False, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`kind` (mean, or one of `libs.elementwise.reduction`) over `dims`, all if None or empty; with `root` its square
    root. Raises `Declined` for complex numbers, and for nothing where that is no number.
    """
    wanted = dtype or tensor.dtype
    compute_of(wanted)
    rank = tensor.dim()
    chosen = sorted({dim % rank for dim in dims}) if dims and rank else list(range(rank))
    sizes = [1 if dim in chosen else size for dim, size in enumerate(tensor.shape)]
    shape = sizes if keep else [size for dim, size in enumerate(tensor.shape) if dim not in chosen]
    if out is None:
        out = recorder.new(shape, wanted)
    elif list(out.shape) != shape or not out.is_contiguous() or out.dtype != wanted:
        raise Declined
    if tensor.numel() == 0:
        if out.numel() and kind not in _OF_NOTHING:
            raise Declined
        return filled(recorder, out, _OF_NOTHING[kind]) if out.numel() else out
    if not root and kind != "mean" and len(groups := _groups(tensor, chosen)) > 1:
        inner = reduce(recorder, tensor, groups[-1], True, kind, _between(tensor, wanted))
        kept = recorder.view(out.view(sizes), out)
        reduce(recorder, inner, groups[0], True, _BEHIND.get(kind, kind), wanted, out=kept)
        return out
    loops = _loops(tensor, chosen)
    if loops is None:
        tensor, chosen = rows_first(recorder, tensor, chosen)
        loops = _loops(tensor, chosen)
        if loops is None:
            raise Declined
    (columns, step), outer = loops
    _launch(recorder, tensor, out, outer, columns, step, kind, root)
    return out


def _groups(tensor: Tensor, chosen: list[int]) -> list[list[int]]:
    """The axes in two groups, the last of which is one loop, if all of them together are none; else in one."""
    if _one_loop(tensor, chosen) is not None or tensor.numel() < _TILE:
        return [chosen]
    for first in range(1, len(chosen)):
        if _one_loop(tensor, chosen[first:]) is not None:
            return [chosen[:first], chosen[first:]]
    return [chosen]


def _between(tensor: Tensor, wanted: torch.dtype) -> torch.dtype:
    """The type of partial results, which are rounded once."""
    return _held(tensor.dtype if wanted == torch.bool else wanted)


def _held(dtype: torch.dtype) -> torch.dtype:
    if dtype in INTEGERS:
        return torch.int64
    return torch.float64 if dtype == torch.float64 else torch.float32


def rows_first(recorder: Recorder, tensor: Tensor, chosen: Sequence[int]) -> tuple[Tensor, list[int]]:
    """A contiguous tensor (rows, columns) of the same values, `chosen` axes along its columns."""
    rest = [dim for dim in range(tensor.dim()) if dim not in chosen]
    turned = tensor.permute([*rest, *chosen])
    columns = math.prod(tensor.shape[dim] for dim in chosen)
    return contiguous(recorder, turned).view(-1, columns), [1]


def _loops(tensor: Tensor, chosen: list[int]) -> tuple[tuple[int, int], list[tuple[int, int]]] | None:
    inside = _one_loop(tensor, chosen)
    outside = _row_loops(tensor, [dim for dim in range(tensor.dim()) if dim not in chosen])
    return None if inside is None or outside is None else (inside, outside)


def _one_loop(tensor: Tensor, dims: list[int]) -> tuple[int, int] | None:
    if not dims:
        return 1, 1
    loops = loops_of([tensor.shape[dim] for dim in dims], [[tensor.stride(dim) for dim in dims]])
    return None if len(loops) > 1 else (loops[0][0], loops[0][1][0])


def _row_loops(tensor: Tensor, dims: list[int]) -> list[tuple[int, int]] | None:
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
        return None
    return [(1, 0)] * (2 - len(loops)) + loops


def _launch(
    recorder: Recorder, tensor: Tensor, out: Tensor, outer: list[tuple[int, int]], columns: int, step: int, kind: str,
    root: bool,
) -> None:  # fmt: skip
    (_, outer_stride), (inner, inner_stride) = outer
    rows = math.prod(size for size, _ in outer)
    scale = 1.0 / columns if kind == "mean" else 1.0
    name = "sum" if kind == "mean" else kind
    held = _between(tensor, out.dtype) if out.dtype == torch.bool else _held(out.dtype)
    kernel = reduce_columns if inner_stride == 1 and step != 1 and inner > 1 else reduce_rows
    splits = _splits(clock.devices[tensor.device.index], kernel, rows, columns)
    chunk = cdiv(columns, splits)
    splits = cdiv(columns, chunk)
    target = out if splits == 1 else recorder.new((splits, rows), held)
    _run(recorder, kernel, target, tensor, (rows, columns, inner, outer_stride, inner_stride, step, chunk), splits,
         scale if splits == 1 else 1.0, name, root and splits == 1, held)  # fmt: skip
    if splits > 1:
        facts = (rows, splits, max(rows, 1), 0, 1, rows, splits)
        _run(recorder, reduce_columns if rows > 1 else reduce_rows, out, target, facts, 1, scale,
             _BEHIND.get(name, name), root, held)  # fmt: skip


def _blocks(device: Device, kernel: Any, rows: int, columns: int) -> tuple[int, int]:
    """(rows, columns) of a tile."""
    if kernel is reduce_columns:
        block_r = min(_WIDE_ON_HOST if device.mode == "execute" else _WIDE, next_power_of_2(rows))
        return block_r, min(next_power_of_2(columns), _TILE // block_r * (4 if device.mode == "execute" else 1))
    block_c = min(_TILE, next_power_of_2(columns))
    return min(next_power_of_2(rows), max(1, _ROWS_TILE // block_c)), block_c


def _splits(device: Device, kernel: Any, rows: int, columns: int) -> int:
    """How many blocks share a row: enough for the device's units, each with a tile or two of its own."""
    block_r, block_c = _blocks(device, kernel, rows, columns)
    wanted = _BLOCKS_ON_HOST if device.mode == "execute" else _BLOCKS_A_UNIT * device.description.chip.cu_count
    if columns < _LONG * block_c or cdiv(rows, block_r) * 2 > wanted:
        return 1
    return min(cdiv(columns, 2 * block_c), cdiv(wanted, cdiv(rows, block_r)))


def _run(
    recorder: Recorder, kernel: Any, out: Tensor, tensor: Tensor, facts: tuple[int, ...], splits: int, scale: float,
    name: str, root: bool, held: torch.dtype,
) -> None:  # fmt: skip
    rows, chunk = facts[0], facts[-1]
    block_r, block_c = _blocks(clock.devices[tensor.device.index], kernel, rows, chunk)
    recorder.run(kernel, (cdiv(rows, block_r), splits), out, tensor, *facts, scale, KIND=name, ROOT=root,
                 COMPUTE=compute_of(held), BLOCK_R=block_r, BLOCK_C=block_c)  # fmt: skip


def _summed(x: Tensor, dtype: torch.dtype | None) -> torch.dtype:
    return dtype or (torch.int64 if x.dtype in INTEGERS else x.dtype)


@device_op("sum.dim_IntList")
def _sum_dims(recorder: Recorder, x: Tensor, dims: Sequence[int] | None, keep: bool, dtype: Any) -> Tensor:
    return reduce(recorder, x, dims, keep, "sum", _summed(x, dtype))


@device_op("sum.IntList_out")
def _sum_out(recorder: Recorder, x: Tensor, dims: Sequence[int] | None, keep: bool, dtype: Any, out: Tensor) -> Tensor:
    return reduce(recorder, x, dims, keep, "sum", _summed(x, dtype), out=out)


@device_op("sum")
def _sum(recorder: Recorder, x: Tensor, dtype: Any) -> Tensor:
    return reduce(recorder, x, None, False, "sum", _summed(x, dtype))


def _mean_type(x: Tensor, dtype: Any) -> torch.dtype:
    wanted: torch.dtype = dtype or x.dtype
    if wanted in INTEGERS:
        raise Declined  # the host words the error
    return wanted


@device_op("mean.dim")
def _mean_dims(recorder: Recorder, x: Tensor, dims: Sequence[int] | None, keep: bool, dtype: Any) -> Tensor:
    return reduce(recorder, x, dims, keep, "mean", _mean_type(x, dtype))


@device_op("mean")
def _mean(recorder: Recorder, x: Tensor, dtype: Any) -> Tensor:
    return reduce(recorder, x, None, False, "mean", _mean_type(x, dtype))


@device_op("prod")
def _prod(recorder: Recorder, x: Tensor, dtype: Any) -> Tensor:
    return reduce(recorder, x, None, False, "prod", _summed(x, dtype))


@device_op("prod.dim_int")
def _prod_dim(recorder: Recorder, x: Tensor, dim: int, keep: bool, dtype: Any) -> Tensor:
    return reduce(recorder, x, [dim], keep, "prod", _summed(x, dtype))


@device_op("amax")
def _amax(recorder: Recorder, x: Tensor, dims: Sequence[int], keep: bool) -> Tensor:
    return reduce(recorder, x, dims, keep, "max", None)


@device_op("amin")
def _amin(recorder: Recorder, x: Tensor, dims: Sequence[int], keep: bool) -> Tensor:
    return reduce(recorder, x, dims, keep, "min", None)


@device_op("max")
def _max(recorder: Recorder, x: Tensor) -> Tensor:
    return reduce(recorder, x, None, False, "max", None)


@device_op("min")
def _min(recorder: Recorder, x: Tensor) -> Tensor:
    return reduce(recorder, x, None, False, "min", None)


@device_op("aminmax")
def _aminmax(recorder: Recorder, x: Tensor, dim: int | None, keep: bool) -> tuple[Tensor, Tensor]:
    dims = None if dim is None else [dim]
    return reduce(recorder, x, dims, keep, "min", None), reduce(recorder, x, dims, keep, "max", None)


def _enter_truth(name: str) -> None:
    def run(recorder: Recorder, x: Tensor, dims: Sequence[int] | None, keep: bool) -> Tensor:
        return reduce(recorder, x, dims, keep, name, torch.uint8 if x.dtype == torch.uint8 else torch.bool)

    @device_op(name)
    def whole(recorder: Recorder, x: Tensor) -> Tensor:
        return run(recorder, x, None, False)

    @device_op(f"{name}.dim")
    def along(recorder: Recorder, x: Tensor, dim: int, keep: bool) -> Tensor:
        return run(recorder, x, [dim], keep)

    @device_op(f"{name}.dims")
    def along_all(recorder: Recorder, x: Tensor, dims: Sequence[int] | None, keep: bool) -> Tensor:
        if dims is not None and not len(dims):
            raise Declined
        return run(recorder, x, dims, keep)


_enter_truth("any")
_enter_truth("all")


@device_op("count_nonzero.dim_IntList")
def _count(recorder: Recorder, x: Tensor, dims: Sequence[int]) -> Tensor:
    return reduce(recorder, x, dims, False, "count", torch.int64)


@device_op("linalg_vector_norm")
def _norm(recorder: Recorder, x: Tensor, order: float, dims: Sequence[int] | None, keep: bool, dtype: Any) -> Tensor:
    wanted = dtype or x.dtype
    if wanted not in (*FLOATS, torch.float64) or x.dtype in INTEGERS or x.dtype.is_complex:
        raise Declined
    if order == 2:
        return reduce(recorder, x, dims, keep, "square", wanted, root=True)
    if order in (0, 1):
        return reduce(recorder, x, dims, keep, "count" if order == 0 else "abs", wanted)
    raise Declined


def _variance(
    recorder: Recorder, x: Tensor, dims: Sequence[int] | None, correction: float | None, keep: bool, root: bool,
    mean: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    if x.dtype not in (*FLOATS, torch.float64) or not x.numel():
        raise Declined
    rank = x.dim()
    chosen = sorted({dim % rank for dim in dims}) if dims and rank else list(range(rank))
    sizes = [1 if dim in chosen else size for dim, size in enumerate(x.shape)]
    shape = sizes if keep else [size for dim, size in enumerate(x.shape) if dim not in chosen]
    matrix = rows_first(recorder, x, chosen)[0]
    rows, columns = matrix.shape
    out = recorder.new(shape, x.dtype)
    middle = recorder.new(shape, x.dtype) if mean else out
    block_c = min(1024, next_power_of_2(columns))
    block_r = min(next_power_of_2(rows), max(1, _VARIANCE_TILE // block_c))
    recorder.run(variance, cdiv(rows, block_r), out, middle, matrix, rows, columns,
                 1.0 if correction is None else float(correction), MEAN=mean, ROOT=root, COMPUTE=compute_of(x.dtype),
                 BLOCK_R=block_r, BLOCK_C=block_c)  # fmt: skip
    return out, middle


@device_op("var.correction")
def _var(recorder: Recorder, x: Tensor, dims: Any, correction: float | None, keep: bool) -> Tensor:
    return _variance(recorder, x, dims, correction, keep, False, False)[0]


@device_op("std.correction")
def _std(recorder: Recorder, x: Tensor, dims: Any, correction: float | None, keep: bool) -> Tensor:
    return _variance(recorder, x, dims, correction, keep, True, False)[0]


@device_op("var_mean.correction")
def _var_mean(recorder: Recorder, x: Tensor, dims: Any, correction: float | None, keep: bool) -> tuple[Tensor, Tensor]:
    return _variance(recorder, x, dims, correction, keep, False, True)


@device_op("std_mean.correction")
def _std_mean(recorder: Recorder, x: Tensor, dims: Any, correction: float | None, keep: bool) -> tuple[Tensor, Tensor]:
    return _variance(recorder, x, dims, correction, keep, True, True)
