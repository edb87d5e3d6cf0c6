"""Reading and writing by index: gather, scatter, index, index_put and their kin. Not here: the kernels (`libs`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS, apply, broadcast, operand
from supa.frameworks.torch.ops.masks import without_masks
from supa.frameworks.torch.ops.moves import contiguous, copy_into, filled
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.indexing import elements
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor
_BLOCK = 1024
_INDEX = (torch.int64, torch.int32)
_LOOPS = 5


def merged(sizes: Sequence[int], strides: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """The same walk with at most five loops: (sizes, strides of each tensor). Raises `Declined` if it needs more."""
    kept: list[int] = []
    found: list[list[int]] = [[] for _ in strides]
    for dim, size in enumerate(sizes):
        if size == 1:
            continue
        if kept and all(one[-1] == stride[dim] * size for one, stride in zip(found, strides, strict=True)):
            kept[-1] *= size
            for one, stride in zip(found, strides, strict=True):
                one[-1] = stride[dim]
            continue
        kept.append(size)
        for one, stride in zip(found, strides, strict=True):
            one.append(stride[dim])
    if len(kept) > _LOOPS:
        raise Declined
    missing = _LOOPS - len(kept)
    return [1] * missing + kept, [[0] * missing + one for one in found]


def grid_of(count: int) -> tuple[int, int]:
    """(block, number of blocks) for `count` elements."""
    block = min(_BLOCK, next_power_of_2(count))
    return block, cdiv(count, block)


@dataclass(frozen=True)
class Tiles:
    """Rows and columns of a program's tile, and how many programs there are."""

    rows: int
    columns: int
    grid: int


def tiles_of(count: int, columns: int) -> Tiles:
    """Tiles of `count` elements in rows of `columns`."""
    block_c = min(_BLOCK, next_power_of_2(columns))
    rows = count // columns
    block_r = min(next_power_of_2(rows), max(1, _BLOCK // block_c))
    return Tiles(block_r, block_c, cdiv(rows, block_r) * cdiv(columns, block_c))


def _checked(x: Tensor, index: Tensor) -> None:
    if index.dtype not in _INDEX or index.device != x.device or x.dtype.is_complex or x.is_neg():
        raise Declined


def take(
    recorder: Recorder, x: Tensor, index: Tensor, sizes: Sequence[int], x_strides: Sequence[int],
    index_strides: Sequence[int], *, size: int, step: int, axis: int, wraps: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of `sizes` whose element e is x[place of e + index[e] * step]; with `wraps` negative indices count from
    the end. `axis` is which of x's is indexed, for the error.
    """
    _checked(x, index)
    recorder.indexed(index, size, axis, wraps=wraps)
    out = recorder.new(sizes, x.dtype)
    count = out.numel()
    if count and not x.numel():
        raise Declined
    if count:
        loops, (own, by) = merged(sizes, [x_strides, index_strides])
        tiles = tiles_of(count, loops[-1])
        recorder.run(elements.take, tiles.grid, out, x, index, count // loops[-1], loops[-1], size, step, *loops[1:-1],
                     *own, *by, SHARED=by[-1] == 0, WRAPS=wraps, BLOCK_R=tiles.rows, BLOCK_C=tiles.columns,
                     debug=True)  # fmt: skip
    return out


def put(
    recorder: Recorder, out: Tensor, x: Tensor, index: Tensor, sizes: Sequence[int], strides: Sequence[Sequence[int]],
    *, size: int, step: int, kind: str, axis: int, wraps: bool = False,
) -> Tensor:  # fmt: skip
    """out[place of e + index[e] * step] becomes x[e], or is combined with it; `strides` of out, x and index; `axis` and
    `wraps` as `take` has them.
    """
    _checked(x, index)
    recorder.indexed(index, size, axis, wraps=wraps)
    count = math.prod(sizes)
    if not count:
        return out
    if kind != "set" and out.dtype not in (torch.float32, torch.float64, torch.int32, torch.int64):
        wide = torch.float32 if out.dtype in FLOATS else torch.int32
        if out.dtype == torch.bool:
            raise Declined
        total = copy_into(recorder, out, recorder.new(out.shape, wide, out.stride()))
        put(recorder, total, x, index, sizes, strides, size=size, step=step, kind=kind, axis=axis,
            wraps=wraps)  # fmt: skip
        return copy_into(recorder, total, out)
    loops, (own, source, by) = merged(sizes, strides)
    tiles = tiles_of(count, loops[-1])
    recorder.run(elements.put, tiles.grid, out, x, index, count // loops[-1], loops[-1], size, step, *loops[1:-1], *own,
                 *source, *by, KIND=kind, SHARED=by[-1] == 0, WRAPS=wraps, BLOCK_R=tiles.rows, BLOCK_C=tiles.columns,
                 debug=True)  # fmt: skip
    return out


def without(strides: Sequence[int], dim: int) -> list[int]:
    """Strides with none along `dim`."""
    return [0 if at == dim else stride for at, stride in enumerate(strides)]


def _lifted(tensor: Tensor) -> Tensor:
    return tensor if tensor.dim() else tensor.unsqueeze(0)


@device_op("gather")
def _gather(recorder: Recorder, x: Tensor, dim: int, index: Tensor, _: bool) -> Tensor:
    shape = index.shape
    x, index = recorder.view(_lifted(x), x), recorder.view(_lifted(index), index)
    dim %= x.dim()
    if x.dim() != index.dim() or any(index.shape[at] > x.shape[at] for at in range(x.dim()) if at != dim):
        raise Declined
    out = take(recorder, x, index, index.shape, without(x.stride(), dim), index.stride(), size=x.shape[dim],
               step=x.stride(dim), axis=dim)  # fmt: skip
    return out.view(shape)


@device_op("index_select")
def _index_select(recorder: Recorder, x: Tensor, dim: int, index: Tensor) -> Tensor:
    if x.dim() == 0 or index.dim() > 1:
        raise Declined
    dim %= x.dim()
    sizes = list(x.shape)
    sizes[dim] = index.numel()
    along = [0] * x.dim()
    along[dim] = index.stride(0) if index.dim() else 0
    return take(recorder, x, index, sizes, without(x.stride(), dim), along, size=x.shape[dim], step=x.stride(dim),
                axis=dim)  # fmt: skip


@device_op("take")
def _take(recorder: Recorder, x: Tensor, index: Tensor) -> Tensor:
    x = contiguous(recorder, x)
    return take(recorder, x, index, index.shape, [0] * index.dim(), index.stride(), size=x.numel(), step=1, axis=0,
                wraps=True)  # fmt: skip


@device_op("put_")
def _put(recorder: Recorder, x: Tensor, index: Tensor, source: Tensor, accumulate: bool) -> Tensor:
    if not x.is_contiguous() or source.dtype != x.dtype or source.numel() != index.numel():
        raise Declined
    index, source = contiguous(recorder, index), contiguous(recorder, source)
    return put(recorder, x, source, index, [index.numel()], [[0], [1], [1]], size=x.numel(), step=1,
               kind="add" if accumulate else "set", axis=0, wraps=True)  # fmt: skip


_KINDS = {"add": "add", "sum": "add", "amax": "max", "amin": "min", None: "set"}


def _scatter(
    recorder: Recorder, target: Tensor, dim: int, index: Tensor, source: Tensor | float, reduce: str | None
) -> Tensor:
    if reduce not in _KINDS or target.dtype.is_complex:
        raise Declined
    view, index = recorder.view(_lifted(target), target), recorder.view(_lifted(index), index)
    dim %= view.dim()
    if isinstance(source, (int, float)):
        one = filled(recorder, recorder.new((1,), target.dtype), source)
        source = one.expand(index.shape)
    else:
        source = recorder.view(_lifted(source), source)
    if source.dtype != target.dtype or not view.dim() == index.dim() == source.dim() or not index.numel():
        raise Declined
    for at in range(view.dim()):
        if index.shape[at] > source.shape[at] or (at != dim and index.shape[at] > view.shape[at]):
            raise Declined
    strides = [without(view.stride(), dim), source.stride(), index.stride()]
    put(recorder, view, source, index, index.shape, strides, size=view.shape[dim], step=view.stride(dim),
        kind=_KINDS[reduce], axis=dim)  # fmt: skip
    return target


def cloned(recorder: Recorder, x: Tensor) -> Tensor:
    """A contiguous copy."""
    return copy_into(recorder, x, recorder.new(x.shape, x.dtype)) if x.numel() else recorder.new(x.shape, x.dtype)


def _reduced(
    recorder: Recorder, x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, with_own: bool
) -> Tensor:
    """x with what is scattered to each element reduced into it, or instead of it without its own."""
    if reduce not in ("sum", "mean", "amax", "amin") or x.dtype.is_complex or x.dtype == torch.bool:
        raise Declined
    wide = torch.float32 if x.dtype in FLOATS else x.dtype  # exact counts
    counts = torch.ones_like(x, dtype=wide) if with_own else torch.zeros_like(x, dtype=wide)
    counts = _scatter(recorder, counts, dim, index, 1, "add")
    base = x
    if not with_own:
        base = torch.where(counts > 0, _neutral(x.dtype, reduce), x)
    found = _scatter(recorder, cloned(recorder, base), dim, index, source, "sum" if reduce == "mean" else reduce)
    if reduce != "mean":
        return found
    if x.is_floating_point():
        return (found / counts.clamp_min(1)).to(x.dtype)
    return torch.div(found, counts.clamp_min(1), rounding_mode="floor")


def _neutral(dtype: torch.dtype, reduce: str) -> float:
    if reduce in ("sum", "mean"):
        return 0
    if not dtype.is_floating_point:
        raise Declined  # the largest whole number is no argument of a kernel
    return -math.inf if reduce == "amax" else math.inf


@device_op("scatter_reduce.two")
def _scatter_reduce(
    recorder: Recorder, x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, with_own: bool
) -> Tensor:
    if with_own and reduce in _KINDS:
        return _scatter(recorder, cloned(recorder, x), dim, index, source, reduce)
    return _reduced(recorder, x, dim, index, source, reduce, with_own)


@device_op("scatter_reduce_.two")
def _scatter_reduce_in_place(
    recorder: Recorder, x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, with_own: bool
) -> Tensor:
    if with_own and reduce in _KINDS:
        return _scatter(recorder, x, dim, index, source, reduce)
    x.copy_(_reduced(recorder, x, dim, index, source, reduce, with_own))
    return x


def _enter_scatter(name: str, overload: str, reduce: str | None) -> None:
    def fixed(options: tuple[Any, ...]) -> str | None:
        if overload in ("reduce", "value_reduce"):
            return str(options[0]) if options[0] == "add" else "declined"
        return reduce

    suffix = f".{overload}" if overload else ""

    @device_op(f"{name}{suffix}")
    def plain(recorder: Recorder, x: Tensor, dim: int, index: Tensor, source: Any, *options: Any) -> Tensor:
        return _scatter(recorder, cloned(recorder, x), dim, index, source, fixed(options))

    @device_op(f"{name}_{suffix}")
    def in_place(recorder: Recorder, x: Tensor, dim: int, index: Tensor, source: Any, *options: Any) -> Tensor:
        return _scatter(recorder, x, dim, index, source, fixed(options))


for _name, _overload, _reduce in (
    ("scatter", "src", None), ("scatter", "value", None), ("scatter", "reduce", None), ("scatter_add", "", "add"),
    ("scatter", "value_reduce", None),
):  # fmt: skip
    _enter_scatter(_name, _overload, _reduce)


def _along(recorder: Recorder, target: Tensor, dim: int, index: Tensor, source: Tensor, kind: str) -> Tensor:
    if index.dim() > 1 or source.dtype != target.dtype or target.dim() != source.dim() or target.dim() == 0:
        raise Declined
    dim %= target.dim()
    wanted = [index.numel() if at == dim else size for at, size in enumerate(target.shape)]
    if list(source.shape) != wanted:
        raise Declined
    along = [0] * target.dim()
    along[dim] = index.stride(0) if index.dim() else 0
    return put(recorder, target, source, index, wanted, [without(target.stride(), dim), source.stride(), along],
               size=target.shape[dim], step=target.stride(dim), kind=kind, axis=dim)  # fmt: skip


def _scaled(recorder: Recorder, source: Tensor, alpha: float) -> Tensor:
    if alpha == 1:
        return source
    factor = filled(recorder, recorder.new((1,), source.dtype), alpha)
    return apply(recorder, "mul", [operand(source, 0), factor], dtype=source.dtype)


@device_op("index_add")
def _index_add(recorder: Recorder, x: Tensor, dim: int, index: Tensor, source: Tensor, alpha: float) -> Tensor:
    return _along(recorder, cloned(recorder, x), dim, index, _scaled(recorder, source, alpha), "add")


@device_op("index_add_")
def _index_add_in_place(recorder: Recorder, x: Tensor, dim: int, index: Tensor, source: Tensor, alpha: float) -> Tensor:
    return _along(recorder, x, dim, index, _scaled(recorder, source, alpha), "add")


@device_op("index_copy")
def _index_copy(recorder: Recorder, x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    return _along(recorder, cloned(recorder, x), dim, index, source, "set")


@device_op("index_copy_")
def _index_copy_in_place(recorder: Recorder, x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    return _along(recorder, x, dim, index, source, "set")


class _Advanced:
    """x[.., indices, ..]: where the indexed axes lie, and the place in memory that they mean together."""

    def __init__(self, recorder: Recorder, x: Tensor, indices: Sequence[Tensor | None]) -> None:
        indices = without_masks(recorder, x, indices)
        self.axes = [axis for axis, index in enumerate(indices) if index is not None]
        chosen = [index for index in indices if index is not None]
        if not chosen or len(indices) > x.dim() or any(index.dtype not in _INDEX for index in chosen):
            raise Declined
        if any(index.device != x.device for index in chosen):
            raise Declined
        shape = list(broadcast(*(index.shape for index in chosen)))
        close = self.axes == list(range(self.axes[0], self.axes[-1] + 1))
        first = self.axes[0] if close else 0
        rest = [axis for axis in range(x.dim()) if axis not in self.axes]
        before, after = rest[:first], rest[first:]
        self.sizes = [*(x.shape[axis] for axis in before), *shape, *(x.shape[axis] for axis in after)]
        self.strides = [*(x.stride(axis) for axis in before), *[0] * len(shape), *(x.stride(axis) for axis in after)]
        if len(chosen) == 1 and chosen[0].shape == torch.Size(shape):
            self.places, own = chosen[0], list(chosen[0].stride())
            self.size, self.step = x.shape[self.axes[0]], x.stride(self.axes[0])
        else:
            self.places = _places(recorder, x, self.axes, chosen, shape)
            own, self.size, self.step = list(self.places.stride()), 1 << 62, 1
        self.by = [*[0] * len(before), *own, *[0] * len(after)]


def _places(recorder: Recorder, x: Tensor, axes: list[int], chosen: list[Tensor], shape: list[int]) -> Tensor:
    places = recorder.new(shape, torch.int64)
    count = places.numel()
    for number, (axis, index) in enumerate(zip(axes, chosen, strict=True)):
        if count:
            seen = [0] * (len(shape) - index.dim()) + [
                0 if size == 1 else stride for size, stride in zip(index.shape, index.stride(), strict=True)
            ]
            loops, (own,) = merged(shape, [seen])
            recorder.indexed(index, x.shape[axis], axis, wraps=True)
            tiles = tiles_of(count, loops[-1])
            recorder.run(elements.combine, tiles.grid, places, index, count // loops[-1], loops[-1], x.shape[axis],
                         x.stride(axis), *loops[1:-1], *own, ADDS=number > 0, BLOCK_R=tiles.rows,
                         BLOCK_C=tiles.columns, debug=True)  # fmt: skip
    return places


@device_op("index.Tensor", "_unsafe_index.Tensor")
def _index(recorder: Recorder, x: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    found = _Advanced(recorder, x, indices)
    return take(recorder, x, found.places, found.sizes, found.strides, found.by, size=found.size, step=found.step,
                axis=found.axes[0], wraps=True)  # fmt: skip


def _index_put(
    recorder: Recorder, x: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool
) -> Tensor:
    mask = indices[0] if len(indices) == 1 else None
    if mask is not None and mask.dtype == torch.bool and not accumulate and values.numel() == 1:
        if values.dtype != x.dtype or mask.device != x.device or mask.shape != x.shape[: mask.dim()]:
            raise Declined
        mask = recorder.view(mask.view(*mask.shape, *[1] * (x.dim() - mask.dim())), mask)
        one = recorder.view(values.reshape(1), values)
        return apply(recorder, "where", [mask, one, x], dtype=x.dtype, out=x)
    found = _Advanced(recorder, x, indices)
    if values.dtype != x.dtype or values.device != x.device:
        raise Declined
    if broadcast(values.shape, found.sizes) != torch.Size(found.sizes):
        raise Declined
    spread = recorder.view(values.expand(found.sizes), values)
    return put(recorder, x, spread, found.places, found.sizes, [found.strides, spread.stride(), found.by],
               size=found.size, step=found.step, kind="add" if accumulate else "set", axis=found.axes[0],
               wraps=True)  # fmt: skip


@device_op("index_put_")
def _index_put_in_place(recorder: Recorder, x: Tensor, indices: Any, values: Tensor, accumulate: bool) -> Tensor:
    return _index_put(recorder, x, indices, values, accumulate)


@device_op("_index_put_impl_")
def _index_put_impl(recorder: Recorder, x: Tensor, indices: Any, values: Tensor, accumulate: bool, _: bool) -> Tensor:
    return _index_put(recorder, x, indices, values, accumulate)
