"""Scans, orders, extremes with their places, and searches along an axis. Not here: plain reductions (`reductions`)."""

from __future__ import annotations

from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS, INTEGERS
from supa.frameworks.torch.ops.indexing import grid_of
from supa.frameworks.torch.ops.moves import contiguous, copy_into, filled
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.frameworks.torch.registration import clock
from supa.libs.elementwise.pointwise import COMPUTE
from supa.libs.indexing import lines, sorting
from supa.libs.sizes import cdiv, next_power_of_2
from supa.runtime import Device

Tensor = torch.Tensor
_TILE = 2048
_WIDE = (torch.float64, torch.int64)
_MOST_SELECTED = 64
_SHORT = 64
_TURNED, _LEAST_TURNED = 128, 8  # lines of a turned tile
_PART = 4096  # of a long line that is scanned in parts
_RUN = 1024  # elements that one network sorts: twice as many take twice as long to compile


def compute_of(dtype: torch.dtype) -> Any:
    """fp32, fp64 or int64: what lines of a type are worked on in. Raises `Declined` for complex numbers."""
    if dtype in FLOATS:
        return COMPUTE["f32"]
    if dtype == torch.float64:
        return COMPUTE["f64"]
    if dtype in INTEGERS:
        return COMPUTE["i64"]
    raise Declined


def lines_of(x: Tensor, dim: int) -> tuple[int, int, int]:
    """(lines, elements of each, elements after it) of an axis of a contiguous tensor."""
    if not x.dim():
        return 1, 1, 1
    if not -x.dim() <= dim < x.dim():
        raise Declined  # the host words the error
    dim %= x.dim()
    inner = 1
    for size in x.shape[dim + 1 :]:
        inner *= size
    columns = x.shape[dim]
    return x.numel() // max(columns, 1), columns, inner


def _tile(rows: int, columns: int) -> tuple[int, int]:
    block_c = min(1024, next_power_of_2(columns))
    return min(next_power_of_2(rows), max(1, _TILE // block_c)), block_c


def _scan(recorder: Recorder, x: Tensor, dim: int, kind: str, dtype: torch.dtype | None, out: Tensor | None) -> Tensor:
    wanted = dtype or (torch.int64 if x.dtype in INTEGERS and kind != "logsum" else x.dtype)
    target = recorder.new(x.shape, wanted) if out is None or not out.is_contiguous() else out
    if tuple(target.shape) != tuple(x.shape) or target.dtype != wanted:
        raise Declined
    walk = lines_of(x, dim)
    if x.numel():
        x = contiguous(recorder, x)
        if x.dtype != wanted and wanted not in FLOATS:
            x = copy_into(recorder, x, recorder.new(x.shape, wanted))
        _scan_lines(recorder, target, x, *walk, kind)
    return target if out is None or out is target else copy_into(recorder, target, out)


def _scan_lines(recorder: Recorder, target: Tensor, x: Tensor, rows: int, columns: int, inner: int, kind: str) -> None:
    """Long lines in parts, whose totals are scanned first; lines side by side by a tile that is turned."""
    compute = compute_of(target.dtype)
    if inner >= _SHORT and columns > 1:
        most = max(_TURNED, _TILE // next_power_of_2(columns))
        block_r = min(_turned(clock.devices[x.device.index], rows, most), next_power_of_2(inner))
        block_c = min(_TILE // block_r, next_power_of_2(columns))
        recorder.run(lines.scan_columns, cdiv(rows, block_r), target, x, rows, columns, inner, KIND=kind,
                     COMPUTE=compute, BLOCK_R=block_r, BLOCK_C=block_c)  # fmt: skip
        return
    part = _PART if columns > 2 * _PART else columns
    parts = cdiv(columns, part)
    held = (
        torch.int64 if target.dtype in INTEGERS else torch.float64 if target.dtype == torch.float64 else torch.float32
    )
    block_r, block_c = _tile(rows, part)
    options = {"KIND": kind, "COMPUTE": compute, "BLOCK_R": block_r, "BLOCK_C": block_c}
    grid = (cdiv(rows, block_r), parts)
    totals = target
    if parts > 1:
        totals = recorder.new((rows, parts), held)
        recorder.run(lines.part_totals, grid, totals, x, rows, columns, inner, part, **options)
        _scan_lines(recorder, totals, totals, rows, parts, 1, kind)
    recorder.run(lines.scan, grid, target, totals, x, rows, columns, inner, part, CARRIED=parts > 1, **options)


def _turned(device: Device, rows: int, most: int) -> int:
    """Lines of a turned tile: few where the device has units for more blocks, long runs of memory on the host."""
    if device.mode == "execute":
        return most
    return max(_LEAST_TURNED, min(most, next_power_of_2(rows // device.description.chip.cu_count)))


def _enter_running(name: str, largest: bool) -> None:
    @device_op(name)
    def running(recorder: Recorder, x: Tensor, value: Tensor, index: Tensor, dim: int) -> None:
        if not (value.is_contiguous() and index.is_contiguous()) or x.dtype != value.dtype:
            raise Declined
        if x.numel():
            rows, columns, inner = lines_of(x, dim)
            block_r, block_c = _tile(rows, columns)
            recorder.run(lines.running_extreme, cdiv(rows, block_r), value, index, contiguous(recorder, x), rows,
                         columns, inner, LARGEST=largest, COMPUTE=compute_of(x.dtype), BLOCK_R=block_r,
                         BLOCK_C=block_c)  # fmt: skip


_enter_running("_cummax_helper", True)
_enter_running("_cummin_helper", False)


def _enter_scan(name: str, kind: str) -> None:
    @device_op(name)
    def plain(recorder: Recorder, x: Tensor, dim: int, dtype: Any = None) -> Tensor:
        return _scan(recorder, x, dim, kind, dtype, None)

    if name != "_logcumsumexp":

        @device_op(f"{name}_")
        def in_place(recorder: Recorder, x: Tensor, dim: int, dtype: Any = None) -> Tensor:
            return _scan(recorder, x, dim, kind, x.dtype, x)


for _name, _kind in (("cumsum", "sum"), ("cumprod", "prod"), ("_logcumsumexp", "logsum")):
    _enter_scan(_name, _kind)


def _extreme(
    recorder: Recorder, x: Tensor, dim: int | None, keep: bool, largest: bool, values: bool
) -> tuple[Tensor, Tensor]:
    if x.numel() == 0:
        raise Declined
    if dim is None:
        shape = [1] * x.dim() if keep else []
        x, dim = contiguous(recorder, x).view(-1), 0
    else:
        shape = list(x.shape)
        if shape:
            axis = dim % len(shape)
            shape = [*shape[:axis], *([1] if keep else []), *shape[axis + 1 :]]
        x = contiguous(recorder, x)
    rows, columns, inner = lines_of(x, dim)
    if columns == 0:
        raise Declined
    index = recorder.new(shape, torch.int64)
    value = recorder.new(shape, x.dtype) if values else index
    block_r, block_c = _tile(rows, columns)
    recorder.run(lines.extreme, cdiv(rows, block_r), value, index, x, rows, columns, inner, LARGEST=largest,
                 COMPUTE=compute_of(x.dtype), VALUES=values, BLOCK_R=block_r, BLOCK_C=block_c)  # fmt: skip
    return value, index


def _enter_extreme(name: str, largest: bool) -> None:
    @device_op(f"arg{name}")
    def place(recorder: Recorder, x: Tensor, dim: int | None, keep: bool) -> Tensor:
        return _extreme(recorder, x, dim, keep, largest, False)[1]

    @device_op(f"{name}.dim")
    def both(recorder: Recorder, x: Tensor, dim: int, keep: bool) -> tuple[Tensor, Tensor]:
        return _extreme(recorder, x, dim, keep, largest, True)


_enter_extreme("max", True)
_enter_extreme("min", False)


def ordered(recorder: Recorder, x: Tensor, dim: int, kept: int, largest: bool) -> tuple[Tensor, Tensor]:
    """The first `kept` of each line in order, and their places."""
    x = contiguous(recorder, x)
    rows, columns, inner = lines_of(x, dim)
    shape = list(x.shape)
    if shape:
        shape[dim % len(shape)] = kept
    value, index = recorder.new(shape, x.dtype), recorder.new(shape, torch.int64)
    if not value.numel():
        return value, index
    compute = compute_of(x.dtype)
    is_wide = x.dtype in _WIDE
    if columns <= _SHORT:
        block = min(16, next_power_of_2(columns))
        recorder.run(lines.order, (cdiv(columns, block), rows), value, index, x, columns, inner, kept, LARGEST=largest,
                     COMPUTE=compute, BLOCK_R=block, BLOCK_C=next_power_of_2(columns))  # fmt: skip
    elif is_wide and kept <= _MOST_SELECTED and kept * 32 < columns:
        recorder.run(lines.select, rows, value, index, x, columns, inner, kept, LARGEST=largest, COMPUTE=compute,
                     BLOCK=min(1024, next_power_of_2(columns)))  # fmt: skip
    elif columns > _RUN:
        return _of_long_lines(recorder, x, dim, kept, largest)
    elif is_wide or kept * 4 > columns:
        recorder.run(sorting.sort_lines, rows, value, index, x, columns, inner, kept, LARGEST=largest, WIDE=is_wide,
                     BLOCK=next_power_of_2(columns))  # fmt: skip
    else:
        recorder.run(sorting.select_lines, rows, value, index, x, columns, inner, kept, LARGEST=largest,
                     KEPT=_few(kept), BLOCK=next_power_of_2(columns))  # fmt: skip
    return value, index


def _few(kept: int) -> int:
    """How many keys are kept, of few numbers: each is a kernel of its own."""
    return max(16, next_power_of_2(kept))


def _of_long_lines(recorder: Recorder, x: Tensor, dim: int, kept: int, largest: bool) -> tuple[Tensor, Tensor]:
    """The same for lines that no tile holds: runs, then pairs of runs merged; of few the first of each run's first."""
    last = contiguous(recorder, x.transpose(dim, -1)) if x.dim() else x
    rows, columns, _ = lines_of(last, -1)
    shape = (*last.shape[:-1], kept)
    value, index = recorder.new(shape, x.dtype), recorder.new(shape, torch.int64)
    order, keys, held = last, last, columns
    if x.dtype in _WIDE:
        keys = _sorted_keys(recorder, last, last, rows, columns, largest, 1)
        order = recorder.new((rows, columns), torch.int64)
        recorder.run(sorting.places_of, (cdiv(columns, _RUN), rows), order, order, last, keys, order, columns, columns,
                     columns, ORDERED=False, VALUES=False, BLOCK=_RUN)  # fmt: skip
        keys = _sorted_keys(recorder, last, order, rows, columns, largest, 2)
    elif _few(kept) * 4 <= _RUN:
        half = 0
        while half == 0 or held > _few(kept):
            parts = cdiv(held, _RUN)
            first = recorder.new((rows, parts * _few(kept)), torch.int64)
            recorder.run(sorting.sort_runs, (parts, rows), first, keys, keys, held, LARGEST=largest, HALF=half,
                         KEPT=_few(kept), BLOCK=_RUN)  # fmt: skip
            keys, held, half = first, parts * _few(kept), 3
    else:
        keys = _sorted_keys(recorder, last, last, rows, columns, largest, 0)
    recorder.run(sorting.places_of, (cdiv(kept, _RUN), rows), value, index, last, keys, order, columns, held, kept,
                 ORDERED=x.dtype in _WIDE, VALUES=True, BLOCK=_RUN)  # fmt: skip
    found = [one.transpose(dim, -1) if x.dim() else one for one in (value, index)]
    return contiguous(recorder, found[0]), contiguous(recorder, found[1])


def _sorted_keys(
    recorder: Recorder, x: Tensor, order: Tensor, rows: int, columns: int, largest: bool, half: int
) -> Tensor:
    keys, other = (recorder.new((rows, columns), torch.int64) for _ in range(2))
    recorder.run(sorting.sort_runs, (cdiv(columns, _RUN), rows), keys, x, order, columns, LARGEST=largest, HALF=half,
                 KEPT=_RUN, BLOCK=_RUN)  # fmt: skip
    width = _RUN
    while width < columns:
        recorder.run(sorting.merge_runs, (cdiv(columns, _RUN), rows), other, keys, columns, width, BLOCK=_RUN)
        keys, other = other, keys
        width *= 2
    return keys


@device_op("sort")
def _sort(recorder: Recorder, x: Tensor, dim: int, descending: bool) -> tuple[Tensor, Tensor]:
    return ordered(recorder, x, dim, lines_of(x, dim)[1], descending)


@device_op("sort.stable")
def _sort_stable(recorder: Recorder, x: Tensor, _: bool | None, dim: int, descending: bool) -> tuple[Tensor, Tensor]:
    return ordered(recorder, x, dim, lines_of(x, dim)[1], descending)


@device_op("argsort.stable")
def _argsort(recorder: Recorder, x: Tensor, _: bool, dim: int, descending: bool) -> Tensor:
    return ordered(recorder, x, dim, lines_of(x, dim)[1], descending)[1]


@device_op("topk")
def _topk(recorder: Recorder, x: Tensor, kept: int, dim: int, largest: bool, _: bool) -> tuple[Tensor, Tensor]:
    if not 0 <= kept <= lines_of(x, dim)[1]:
        raise Declined
    return ordered(recorder, x, dim, kept, largest)


def _search(
    recorder: Recorder, line: Tensor, values: Tensor, narrow: bool, right: bool, sorter: Tensor | None
) -> Tensor:
    if sorter is not None or line.device != values.device or line.dim() == 0:
        raise Declined
    if line.dim() > 1 and line.shape[:-1] != values.shape[:-1]:
        raise Declined
    compute = compute_of(torch.promote_types(line.dtype, values.dtype))
    out = recorder.new(values.shape, torch.int32 if narrow else torch.int64)
    if not out.numel():
        return out
    if line.numel() == 0:
        return filled(recorder, out, 0)
    line, values = contiguous(recorder, line), contiguous(recorder, values)
    block, blocks = grid_of(out.numel())
    recorder.run(lines.search, blocks, out, line, values, out.numel(), line.shape[-1],
                 values.shape[-1] if values.dim() else 1, RIGHT=right, SHARED=line.dim() == 1, COMPUTE=compute,
                 BLOCK=block)  # fmt: skip
    return out


@device_op("searchsorted.Tensor")
def _searchsorted(
    recorder: Recorder, line: Tensor, values: Tensor, narrow: bool, right: bool, side: str | None, sorter: Tensor | None
) -> Tensor:
    return _search(recorder, line, values, narrow, right or side == "right", sorter)


@device_op("bucketize.Tensor")
def _bucketize(recorder: Recorder, values: Tensor, line: Tensor, narrow: bool, right: bool) -> Tensor:
    return _search(recorder, line, values, narrow, right, None)
