"""Type rules of memory: loads, stores, atomics and tensor descriptors."""

from __future__ import annotations

from collections.abc import Sequence

from supa.base.dtypes import I1, I32, I64
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.rules.table import (
    is_float,
    is_integer,
    need_choice,
    need_descriptor,
    need_mask,
    need_scalar,
    need_tile,
    need_type,
    refuse,
    split,
    type_rule,
)
from supa.ir.types import Descriptor, Pointer, Tile, Type, with_element

CACHES = ("", "ca", "cg", "cv", "cs", "wb", "wt")
EVICTIONS = ("", "evict_first", "evict_last")
ATOMIC_KINDS = ("add", "fadd", "and", "or", "xor", "smax", "smin", "umax", "umin", "xchg")
ORDERS = ("relaxed", "acquire", "release", "acq_rel")
SCOPES = ("gpu", "cta", "sys")
REDUCTION_KINDS = ("add", "min", "max", "and", "or", "xor", "inc", "dec")
PADDINGS = ("zero", "nan", "choice")


def _pointee(op: Op, pointer: Value) -> tuple[tuple[int, ...], Type]:
    """Shape of a tile of pointers (or scalar), and the type of what they point to."""
    shape, element = split(pointer.type)
    if element.__class__ is not Pointer:
        refuse(op, "a pointer or a tile of pointers", pointer.type)
    return shape, with_element(pointer.type, element.pointee)


@type_rule(ops.Load, infers=True)
def _load(op: ops.Load) -> Sequence[Type]:
    shape, value = _pointee(op, op.operands[0])  # type: ignore[arg-type]
    need_mask(op, op.operands[1], shape)
    if op.operands[2] is not None:
        need_type(op, op.operands[2], value, "other")
    need_choice(op, "cache", op.cache, CACHES)
    need_choice(op, "eviction", op.eviction, EVICTIONS)
    return (value,)


@type_rule(ops.Store, infers=True)
def _store(op: ops.Store) -> Sequence[Type]:
    shape, value = _pointee(op, op.pointer)
    need_type(op, op.value, value, "a value")
    need_mask(op, op.mask, shape)
    need_choice(op, "cache", op.cache, CACHES)
    need_choice(op, "eviction", op.eviction, EVICTIONS)
    return ()


@type_rule(ops.AtomicRmw, infers=True)
def _atomic_rmw(op: ops.AtomicRmw) -> Sequence[Type]:
    shape, value = _pointee(op, op.pointer)
    need_type(op, op.value, value, "a value")
    need_mask(op, op.mask, shape)
    need_choice(op, "kind", op.kind, ATOMIC_KINDS)
    element = split(value)[1]
    if op.kind != "xchg" and is_float(element) != (op.kind == "fadd"):
        refuse(op, f"elements that {op.kind} combines", value)
    _need_order(op, op.order, op.scope)
    return (value,)


@type_rule(ops.AtomicCas, infers=True)
def _atomic_cas(op: ops.AtomicCas) -> Sequence[Type]:
    _, value = _pointee(op, op.pointer)
    need_type(op, op.expected, value, "an expected value")
    need_type(op, op.value, value, "a value")
    _need_order(op, op.order, op.scope)
    return (value,)


def _need_order(op: Op, order: str, scope: str) -> None:
    need_choice(op, "order", order, ORDERS)
    need_choice(op, "scope", scope, SCOPES)


@type_rule(ops.MakeDescriptor)
def _make_descriptor(op: ops.MakeDescriptor) -> Sequence[Type] | None:
    descriptor = need_descriptor(op, op.result)
    need_type(op, op.base, Pointer(descriptor.element), "a base")
    rank = len(descriptor.block)
    numbers = op.extents_and_strides
    need_choice(op, "padding", op.padding, PADDINGS)
    chooses = op.padding == "choice"
    if len(numbers) != 2 * rank + chooses:
        refuse(op, f"{rank} extents and {rank} strides{' and a choice' * chooses}", f"{len(numbers)} operands")
    for value in op.extents:
        need_scalar(op, value, I32, "an extent")
    for value in op.strides:
        need_scalar(op, value, I64, "a stride")
    if op.pads_with_nan is not None:
        need_scalar(op, op.pads_with_nan, I1, "a choice")
    if op.padding != "zero" and not descriptor.element.is_float:
        refuse(op, "float elements to pad with nan", descriptor)
    return None


@type_rule(ops.DescriptorLoad)
def _descriptor_load(op: ops.DescriptorLoad) -> Sequence[Type] | None:
    descriptor = need_descriptor(op, op.descriptor)
    _need_indices(op, descriptor, op.indices)
    _need_block(op, descriptor, op.result)
    need_choice(op, "cache", op.cache, CACHES)
    need_choice(op, "eviction", op.eviction, EVICTIONS)
    return None


@type_rule(ops.DescriptorStore, infers=True)
def _descriptor_store(op: ops.DescriptorStore) -> Sequence[Type]:
    descriptor = need_descriptor(op, op.descriptor)
    _need_indices(op, descriptor, op.indices)
    _need_block(op, descriptor, op.value)
    return ()


@type_rule(ops.DescriptorReduce, infers=True)
def _descriptor_reduce(op: ops.DescriptorReduce) -> Sequence[Type]:
    descriptor = need_descriptor(op, op.descriptor)
    _need_indices(op, descriptor, op.indices)
    _need_block(op, descriptor, op.value)
    need_choice(op, "kind", op.kind, REDUCTION_KINDS)
    if descriptor.element.is_float and op.kind not in ("add", "min", "max"):
        refuse(op, f"integers to combine by {op.kind}", descriptor)
    return ()


@type_rule(ops.DescriptorGather)
def _descriptor_gather(op: ops.DescriptorGather) -> Sequence[Type] | None:
    _need_rows(op, op.descriptor, op.row_indices, op.column, op.result)
    return None


@type_rule(ops.DescriptorScatter, infers=True)
def _descriptor_scatter(op: ops.DescriptorScatter) -> Sequence[Type]:
    _need_rows(op, op.descriptor, op.row_indices, op.column, op.value)
    return ()


def _need_indices(op: Op, descriptor: Descriptor, indices: Sequence[Value]) -> None:
    if len(indices) != len(descriptor.block):
        refuse(op, f"{len(descriptor.block)} indices", len(indices))
    for value in indices:
        need_scalar(op, value, I32, "an index")


def _need_block(op: Op, descriptor: Descriptor, value: Value) -> None:
    """The value is the descriptor's block; leading or other extents of 1 may be left out."""
    tile = need_tile(op, value)
    squeezed = [extent for extent in tile.shape if extent != 1]
    if squeezed != [extent for extent in descriptor.block if extent != 1] or tile.element != descriptor.element:
        refuse(op, f"a tile of the block of {descriptor}", tile)


def _need_rows(op: Op, described: Value, rows: Value, column: Value, value: Value) -> None:
    descriptor, indices = need_descriptor(op, described), need_tile(op, rows)
    if len(descriptor.block) != 2 or descriptor.block[0] != 1:
        refuse(op, "a descriptor of blocks of one row", descriptor)
    if len(indices.shape) != 1 or not is_integer(indices.element):
        refuse(op, "row indices as an integer tile of rank 1", indices)
    need_scalar(op, column, I32, "the column")
    need_type(op, value, Tile((indices.shape[0], descriptor.block[1]), descriptor.element), "rows")
