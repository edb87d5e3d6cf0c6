"""Rules of loads, stores, atomics and descriptors: which bytes a tile touches.

Not here: whether two accesses share lines or banks; that is the machine's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from supa.base.dtypes import I64
from supa.base.location import UNKNOWN
from supa.compiler.work.expressions import Expr
from supa.compiler.work.scalars import llvm_type
from supa.compiler.work.tiles import Bound, Index, Mask
from supa.compiler.work.walker import TensorFacts, Walker, is_index, rule
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.types import Descriptor, Pointer, Tile, element_of, shape_of, storage_bytes
from supa.program.work import Access, Barrier

_LIGHT = (ops.Cast, ops.Transpose, ops.Reshape, ops.Map, ops.Broadcast, ops.ExpandDims, ops.Join, ops.Split)
_CHAIN = 8  # operations between a load and the product that it feeds


@dataclass(slots=True)
class Footprint:
    """What an access streams, and the extents of its dimensions that matter."""

    shape: tuple[int, ...]
    values: tuple[Expr, ...]
    scattered: bool = False


def footprint(w: Walker, pointer: Index, shape: tuple[int, ...], mask: Mask, argument: int) -> Footprint:
    """The bytes behind an address tile under a mask."""
    x = w.x
    uppers: dict[int, list[Expr]] = {}
    lowers: dict[int, list[Expr]] = {}
    for bound in mask.bounds:
        (uppers if bound.upper else lowers).setdefault(bound.dim, []).append(bound.value)
    kept = [d for d, extent in enumerate(shape) if pointer.coefficients[d] is not None and extent > 1]
    conditions = list(mask.conditions)
    for dim in range(len(shape)):
        if dim not in kept:
            conditions += _some(w, shape[dim], uppers.get(dim, []), lowers.get(dim, []))
    spans = [_span(w, shape[dim], uppers.get(dim, []), lowers.get(dim, [])) for dim in kept]
    condition = x.both(conditions)
    if pointer.base is None:
        return _scattered(w, [shape[d] for d in kept], [limit for _, limit in spans], condition, argument)
    address, values = pointer.base, []
    for position, (dim, (start, limit)) in enumerate(zip(kept, spans, strict=True)):
        stride = pointer.coefficients[dim]
        assert stride is not None
        address = x.add(address, x.mul(stride, start))
        if condition is not None and position == 0:
            limit = x.select(condition, limit, x.zero)
        values += [limit, stride]
    extents = tuple(shape[d] for d in kept)
    if condition is not None and not kept:
        extents, values = (1,), [x.resize(condition, "i64", signed=False), x.zero]
    return Footprint(extents, (address, *values))


def _some(w: Walker, extent: int, uppers: list[Expr], lowers: list[Expr]) -> list[Expr]:
    """Conditions that say whether any index of a dimension is in."""
    x = w.x
    conditions = [x.cmp("sgt", upper, x.zero) for upper in uppers]
    conditions += [x.cmp("slt", lower, x.const(extent)) for lower in lowers]
    return conditions + [x.cmp("sgt", upper, lower) for upper in uppers for lower in lowers]


def _span(w: Walker, extent: int, uppers: list[Expr], lowers: list[Expr]) -> tuple[Expr, Expr]:
    """The first index that is in, and how many are (perhaps negative or beyond the extent where the first is 0)."""
    x = w.x
    start = x.zero
    for lower in lowers:
        start = x.smax(start, lower)
    limit: Expr | None = None
    for upper in uppers:
        if upper.kind == "const" and upper.payload >= extent:
            continue
        limit = upper if limit is None else x.smin(limit, upper)
    if start is x.zero:
        return start, x.const(extent) if limit is None else limit
    full = x.const(extent)
    return start, x.sub(full if limit is None else x.smin(limit, full), start)


def _scattered(w: Walker, shape: list[int], limits: list[Expr], condition: Expr | None, argument: int) -> Footprint:
    """Anywhere behind an argument: only the number of elements is known."""
    x = w.x
    count = x.one
    for extent, limit in zip(shape, limits, strict=True):
        count = x.mul(count, x.smax(x.smin(limit, x.const(extent)), x.zero))
    if condition is not None:
        count = x.select(condition, count, x.zero)
    region = x.leaf("arg", "i64", argument, x.call) if argument >= 0 else x.zero
    return Footprint(tuple(shape), (region, count), True)


def _access(w: Walker, op: Op, place: Footprint, reads: list[Value | None], **fields: Any) -> int:
    """Append an access; returns its id."""
    step = w.step(
        Access, op, w.waits(reads) | w.fence, place.values, shape=place.shape, scattered=place.scattered, **fields
    )
    w.unfenced.add(step.id)
    return step.id


def _pointer_place(w: Walker, op: Op, pointer: Value, mask: Value | None) -> Footprint:
    understood = w.mask(mask)
    if w.index(pointer).base is None:
        why = "depend on data" if w.waits([pointer]) else "are not evenly spaced"
        w.reasons[f"{op.location}: addresses {why}; the argument's start assumed"] = None
    if mask is not None and not understood.complete and w.waits([mask]):
        w.reasons[f"{op.location}: the mask depends on data; all elements assumed"] = None
    return footprint(w, w.index(pointer), shape_of(pointer.type), understood, w.argument(pointer))


def _pointee_bytes(pointer: Value) -> int:
    element = element_of(pointer.type)
    assert isinstance(element, Pointer)
    return storage_bytes(element.pointee)


def _loaded(w: Walker, result: Value, step: int) -> None:
    w.after[result] = frozenset((step,))
    if isinstance(result.type, Tile) and is_index(result.type):
        w.indices[result] = w.tiles.opaque(result.type.shape)


@rule(ops.Load)
def load(w: Walker, op: ops.Load) -> None:
    """A read; of a scalar the slice may need the value."""
    pointer, result = op.operands[0], op.results[0]
    mask, other = op.operands[1], op.operands[2]
    assert pointer is not None
    place = _pointer_place(w, op, pointer, mask)
    step = _access(
        w, op, place, [pointer, mask, other],
        kind="load", element_bytes=_pointee_bytes(pointer), cache=op.cache, argument=w.argument(pointer),
        asynchronous=_ahead(w, op),
    )  # fmt: skip
    _loaded(w, result, step)
    if not isinstance(result.type, Tile):
        _scalar_load(w, op, result, pointer, mask, other)


def _scalar_load(w: Walker, op: Op, result: Value, pointer: Value, mask: Value | None, other: Value | None) -> None:
    """The loaded value: really read if control flow or addresses need it, where the operation stands."""
    carrier = llvm_type(result.type)
    if carrier is None:
        return
    args = [w.scalar(pointer)]
    if mask is not None:
        fallback = w.x.const(0 if carrier.startswith("i") else 0.0, carrier)
        args += [w.scalar(mask), fallback if other is None else w.scalar(other)]
    reason = f"{op.location}: a value loaded from memory decides control flow or addresses"
    w.scalars[result] = Expr("load", carrier, tuple(args), reason, w.region)


def _ahead(w: Walker, op: Op) -> bool:
    """Whether a software pipeline issues a load ahead of its iteration."""
    if w.loop is None or w.stages < 2 or not isinstance(op.results[0].type, Tile):
        return False
    return w.pipeline_all or feeds_product(op.results[0], _CHAIN)


def feeds_product(value: Value, chain: int) -> bool:
    """Whether a tile is an operand of a product, perhaps through a few light operations."""
    for user in value.uses:
        if isinstance(user, ops.Dot) and (user.left is value or user.right is value):
            return True
        if isinstance(user, ops.DotScaled) and user.accumulator is not value:
            return True
        if chain and isinstance(user, _LIGHT) and any(feeds_product(r, chain - 1) for r in user.results):
            return True
    return False


@rule(ops.Store)
def store(w: Walker, op: ops.Store) -> None:
    """A write."""
    pointer, value, mask = op.operands[0], op.operands[1], op.operands[2]
    assert pointer is not None
    place = _pointer_place(w, op, pointer, mask)
    _access(
        w, op, place, [pointer, value, mask],
        kind="store", element_bytes=_pointee_bytes(pointer), cache=op.cache, argument=w.argument(pointer),
    )  # fmt: skip


@rule(ops.AtomicRmw, ops.AtomicCas)
def atomic(w: Walker, op: Op) -> None:
    """A read-modify-write at the memory."""
    pointer = op.operands[0]
    assert pointer is not None
    mask = op.operands[2] if isinstance(op, ops.AtomicRmw) else None
    place = _pointer_place(w, op, pointer, mask)
    used = bool(op.results and op.results[0].uses)
    step = _access(
        w, op, place, list(op.operands),
        kind="atomic", element_bytes=_pointee_bytes(pointer), argument=w.argument(pointer), returns=used,
    )  # fmt: skip
    for result in op.results:
        _loaded(w, result, step)
        if not isinstance(result.type, Tile):
            why = "an atomic's old value decides control flow or addresses; 0 assumed"
            w.scalars[result] = w.guess(result.type, op.location, why)


# ---- descriptors


@rule(ops.MakeDescriptor)
def make_descriptor(w: Walker, op: ops.MakeDescriptor) -> None:
    """Remembers base, extents and strides."""
    base, result = op.operands[0], op.results[0]
    assert base is not None and isinstance(result.type, Descriptor)
    extents, strides = ([w.x.wide(w.scalar(value)) for value in part] for part in (op.extents, op.strides))
    size = w.x.const(storage_bytes(result.type.element))
    w.tensors[result] = TensorFacts(
        base=w.scalar(base),
        extents=tuple(extents),
        strides=tuple(w.x.mul(stride, size) for stride in strides),
        argument=w.argument(base),
    )
    after = w.waits(op.operands)
    if after:
        w.after[result] = after


def _block_place(w: Walker, tensor: TensorFacts, block: tuple[int, ...], indices: list[Value]) -> Footprint:
    """The block at some indices, cut at the tensor's edges."""
    x, base = w.x, tensor.base
    bounds, strides = [], []
    for dim, value in enumerate(indices):
        at = x.wide(w.scalar(value))
        base = x.add(base, x.mul(tensor.strides[dim], at))
        strides.append(tensor.strides[dim] if block[dim] > 1 else None)
        bounds.append(Bound(dim, True, x.sub(tensor.extents[dim], at)))
        if not at.nonneg:
            bounds.append(Bound(dim, False, x.sub(x.zero, at)))
    return footprint(w, Index(base, tuple(strides)), block, Mask(tuple(bounds)), tensor.argument)


def _tensor(w: Walker, value: Value) -> tuple[TensorFacts, Descriptor]:
    assert isinstance(value.type, Descriptor)
    found = w.tensors.get(value)
    if found is None:
        where = value.op.location if value.op is not None else UNKNOWN
        unknown = w.guess(I64, where, "a descriptor is chosen by data; an empty tensor assumed")
        rank = len(value.type.block)
        found = TensorFacts(base=unknown, extents=(unknown,) * rank, strides=(unknown,) * rank, argument=-1)
    return found, value.type


@rule(ops.DescriptorLoad)
def descriptor_load(w: Walker, op: ops.DescriptorLoad) -> None:
    """A block through the tensor data engine."""
    tensor, type_ = _tensor(w, op.descriptor)
    place = _block_place(w, tensor, type_.block, op.indices)
    step = _access(
        w, op, place, list(op.operands),
        kind="load", element_bytes=storage_bytes(type_.element), engine="tensor_data", cache=op.cache,
        argument=tensor.argument, asynchronous=_ahead(w, op),
    )  # fmt: skip
    _loaded(w, op.results[0], step)


@rule(ops.DescriptorStore, ops.DescriptorReduce)
def descriptor_store(w: Walker, op: ops.DescriptorStore | ops.DescriptorReduce) -> None:
    """A block written, or combined at the memory, through the tensor data engine."""
    tensor, type_ = _tensor(w, op.descriptor)
    place = _block_place(w, tensor, type_.block, op.indices)
    kind = "store" if isinstance(op, ops.DescriptorStore) else "atomic"
    _access(
        w, op, place, list(op.operands),
        kind=kind, element_bytes=storage_bytes(type_.element), engine="tensor_data", argument=tensor.argument,
        returns=False,
    )  # fmt: skip


@rule(ops.DescriptorGather, ops.DescriptorScatter)
def descriptor_gather(w: Walker, op: ops.DescriptorGather | ops.DescriptorScatter) -> None:
    """Rows chosen by a tile of indices: a strided block if these are evenly spaced, else anywhere in the tensor."""
    tensor, type_ = _tensor(w, op.descriptor)
    loads = isinstance(op, ops.DescriptorGather)
    tile = op.value.type if isinstance(op, ops.DescriptorScatter) else op.results[0].type
    rows, column, x = w.index(op.row_indices), w.x.wide(w.scalar(op.column)), w.x
    if rows.base is None:
        w.reasons[f"{op.location}: rows depend on data; the argument's start assumed"] = None
    spaced = w.tiles.scale(rows, tensor.strides[0])
    base = None if spaced.base is None else x.add(x.add(tensor.base, spaced.base), x.mul(tensor.strides[1], column))
    bounds = [Bound(1, True, x.sub(tensor.extents[1], column))]
    if not column.nonneg:
        bounds.append(Bound(1, False, x.sub(x.zero, column)))
    edge = w.tiles.compare("slt", rows, Index(tensor.extents[0], (None,)))
    index = Index(base, (spaced.coefficients[0], tensor.strides[1]))
    mask = Mask((*edge.bounds, *bounds), edge.conditions)
    place = footprint(w, index, shape_of(tile), mask, tensor.argument)
    step = _access(
        w, op, place, list(op.operands),
        kind="load" if loads else "store", element_bytes=storage_bytes(type_.element), engine="tensor_data",
        argument=tensor.argument, asynchronous=loads and _ahead(w, op),
    )  # fmt: skip
    for result in op.results:
        _loaded(w, result, step)


@rule(ops.Barrier)
def barrier(w: Walker, op: ops.Barrier) -> None:
    """Later accesses wait for it, and it waits for the earlier ones."""
    step = w.step(Barrier, op, frozenset(w.unfenced) | w.fence)
    w.unfenced.clear()
    w.fence = frozenset((step.id,))
