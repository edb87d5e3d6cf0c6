"""Execution of memory operations: loads, stores, atomics, tensor descriptors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from supa.base.dtypes import DType
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.oracle.elements import store_constants
from supa.ir.oracle.formats import Array, Numerics, from_float64, storage_of
from supa.ir.oracle.functions import apply_function
from supa.ir.oracle.program import DescriptorValue, Program, rule
from supa.ir.types import Descriptor, Scalar, element_of, shape_of, storage_bytes

_POISON_BYTE = 0xA5


def unspecified(element: Scalar, shape: tuple[int, ...], program: Program) -> Array:
    """What lanes hold that the language leaves open."""
    if program.strict.unspecified == "zero":
        return np.zeros(shape, storage_of(element))
    if isinstance(element, DType) and element.is_float:
        return np.full(shape, from_float64(np.asarray(np.nan), element))
    if storage_of(element) == np.bool_:
        return np.ones(shape, np.bool_)
    return np.full((*shape, storage_bytes(element)), _POISON_BYTE, np.uint8).view(storage_of(element)).reshape(shape)


def _to_bytes(array: Array) -> Array:
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).reshape(flat.size, flat.dtype.itemsize)


def _from_bytes(data: Array, element: Scalar, shape: tuple[int, ...]) -> Array:
    if storage_of(element) == np.bool_:
        return (data[:, 0] & 1).astype(np.bool_).reshape(shape)
    return np.ascontiguousarray(data).view(storage_of(element)).reshape(shape)


def _flat(addresses: Any) -> Array:
    return np.ascontiguousarray(addresses, np.int64).reshape(-1)


def _lanes(mask: Any, shape: tuple[int, ...]) -> Array:
    """Flat positions of the lanes that take part."""
    everywhere = np.ones(shape, np.bool_) if mask is None else np.broadcast_to(mask, shape)
    return np.flatnonzero(everywhere)


def read_elements(
    op: Op, program: Program, addresses: Array, mask: Any, fallback: Array, element: Scalar, *, atomic: bool = False
) -> Array:
    """Elements at addresses; `fallback` where masked off or not readable. Shapes are those of the addresses."""
    shape = np.shape(addresses)
    data = _to_bytes(np.broadcast_to(fallback, shape)).copy()
    place, lanes = program.place(op, shape), _lanes(mask, shape)
    program.access.load(place, _flat(addresses), lanes, storage_bytes(element), data, atomic=atomic)
    return _from_bytes(data, element, shape)


def write_elements(op: Op, program: Program, addresses: Array, mask: Any, values: Array) -> None:
    """Store elements where the mask holds."""
    shape = np.shape(addresses)
    data = _to_bytes(np.broadcast_to(values, shape))
    program.access.store(program.place(op, shape), _flat(addresses), _lanes(mask, shape), data, atomic=False)


def _optional(program: Program, value: Value | None) -> Any:
    return None if value is None else program.get(value)


@rule(ops.Load)
def _load(op: ops.Load, program: Program) -> Array:
    addresses = np.asarray(program.get(op.pointer))
    element = element_of(op.result.type)
    fallback = unspecified(element, addresses.shape, program)
    other, mask = _optional(program, op.other), _optional(program, op.mask)
    if other is not None:
        fallback = fallback if mask is None else np.where(mask, fallback, other)
    if op.volatile:
        place = program.place(op, addresses.shape)
        program.access.synchronise(place, _flat(addresses), _lanes(mask, addresses.shape), "acquire", "gpu")
    return read_elements(op, program, addresses, mask, fallback, element, atomic=op.volatile)


@rule(ops.Store)
def _store(op: ops.Store, program: Program) -> None:
    addresses = np.asarray(program.get(op.pointer))
    write_elements(op, program, addresses, _optional(program, op.mask), program.get(op.value))


# ---- atomics ---------------------------------------------------------------------------------------------------

Combine = Callable[[Array, Array], Array]


def _combiner(name: str, element: Scalar, numerics: Numerics) -> Combine:
    return lambda old, value: apply_function(name, [old, value], element, numerics)


def _update(
    op: Op, program: Program, addresses: Array, mask: Any, element: Scalar,
    step: Callable[[int, Array], Array | None], order: str, scope: str,
) -> Array:  # fmt: skip
    """One lane after another in row-major order: step(lane, old) gives the new element or None. Old elements."""
    shape = np.shape(addresses)
    place, flat, lanes = program.place(op, shape), _flat(addresses), _lanes(mask, shape)
    size = storage_bytes(element)
    program.access.synchronise(place, flat, lanes, {"acq_rel": "acquire"}.get(order, order), scope)
    old_data = _to_bytes(unspecified(element, shape, program)).copy()
    for lane in lanes:
        one = np.array([lane])
        program.access.load(place, flat, one, size, old_data, atomic=True)
        new = step(int(lane), _from_bytes(old_data[one], element, ()))
        if new is not None:
            new_data = np.broadcast_to(_to_bytes(new), old_data.shape)
            program.access.store(place, flat, one, new_data, atomic=True)
    if order == "acq_rel":
        program.access.synchronise(place, flat, lanes, "release", scope)
    return _from_bytes(old_data, element, shape)


@rule(ops.AtomicRmw)
def _atomic_rmw(op: ops.AtomicRmw, program: Program) -> Array:
    element = element_of(op.value.type)
    values = np.asarray(program.get(op.value)).reshape(-1)
    combine: Combine = (
        (lambda old, value: value) if op.kind == "xchg" else _combiner(op.kind, element, program.numerics)
    )
    mask = _optional(program, op.mask)
    addresses = np.asarray(program.get(op.pointer))
    return _update(
        op, program, addresses, mask, element, lambda lane, old: combine(old, values[lane]), op.order, op.scope
    )


@rule(ops.AtomicCas)
def _atomic_cas(op: ops.AtomicCas, program: Program) -> Array:
    element = element_of(op.value.type)
    expected, values = (np.asarray(program.get(value)).reshape(-1) for value in (op.expected, op.value))

    def step(lane: int, old: Array) -> Array | None:
        return values[lane] if old.tobytes() == expected[lane].tobytes() else None

    return _update(op, program, np.asarray(program.get(op.pointer)), None, element, step, op.order, op.scope)


# ---- tensor descriptors ----------------------------------------------------------------------------------------


@rule(ops.MakeDescriptor)
def _make_descriptor(op: ops.MakeDescriptor, program: Program) -> DescriptorValue:
    extents, strides = (tuple(int(number) for number in program.all(part)) for part in (op.extents, op.strides))
    padding = op.padding
    if op.pads_with_nan is not None:
        padding = "nan" if program.get(op.pads_with_nan) else "zero"
    return DescriptorValue(base=int(program.get(op.base)), extents=extents, strides=strides, padding=padding)


def _block(descriptor: DescriptorValue, indices: Sequence[Array], element: Scalar) -> tuple[Array, Array]:
    """Addresses, and which elements are inside the tensor; `indices` hold one broadcastable array a dimension."""
    inside: Array = np.asarray(True)
    offset: Array = np.asarray(0, np.int64)
    for index, extent, stride in zip(indices, descriptor.extents, descriptor.strides, strict=True):
        inside = inside & (index >= 0) & (index < extent)
        offset = offset + index * stride
    addresses = descriptor.base + offset * storage_bytes(element)
    return addresses, np.broadcast_to(inside, addresses.shape)


def _dense_indices(type_: Descriptor, starts: Sequence[Any]) -> list[Array]:
    grids = np.ix_(*(np.arange(extent) for extent in type_.block))
    return [int(start) + grid for start, grid in zip(starts, grids, strict=True)]


def _row_indices(type_: Descriptor, rows: Array, column: Any) -> list[Array]:
    return [rows.astype(np.int64)[:, None], int(column) + np.arange(type_.block[1])[None, :]]


def _padding(descriptor: DescriptorValue, element: Scalar) -> Array:
    value = float("nan") if descriptor.padding == "nan" else 0
    return store_constants((value,), element).reshape(())


def _read_block(op: Op, program: Program, described: Value, indices: list[Array]) -> Array:
    descriptor, type_ = program.get(described), described.type
    assert isinstance(type_, Descriptor)
    addresses, inside = _block(descriptor, indices, type_.element)
    read = read_elements(op, program, addresses, inside, _padding(descriptor, type_.element), type_.element)
    return read.reshape(shape_of(op.result.type))


def _write_block(op: Op, program: Program, described: Value, indices: list[Array], value: Value) -> None:
    assert isinstance(described.type, Descriptor)
    addresses, inside = _block(program.get(described), indices, described.type.element)
    write_elements(op, program, addresses, inside, np.asarray(program.get(value)).reshape(addresses.shape))


@rule(ops.DescriptorLoad)
def _descriptor_load(op: ops.DescriptorLoad, program: Program) -> Array:
    return _read_block(op, program, op.descriptor, _dense_indices(op.descriptor.type, program.all(op.indices)))


@rule(ops.DescriptorStore)
def _descriptor_store(op: ops.DescriptorStore, program: Program) -> None:
    _write_block(op, program, op.descriptor, _dense_indices(op.descriptor.type, program.all(op.indices)), op.value)


@rule(ops.DescriptorGather)
def _descriptor_gather(op: ops.DescriptorGather, program: Program) -> Array:
    indices = _row_indices(op.descriptor.type, program.get(op.row_indices), program.get(op.column))
    return _read_block(op, program, op.descriptor, indices)


@rule(ops.DescriptorScatter)
def _descriptor_scatter(op: ops.DescriptorScatter, program: Program) -> None:
    indices = _row_indices(op.descriptor.type, program.get(op.row_indices), program.get(op.column))
    _write_block(op, program, op.descriptor, indices, op.value)


@rule(ops.DescriptorReduce)
def _descriptor_reduce(op: ops.DescriptorReduce, program: Program) -> None:
    type_ = op.descriptor.type
    assert isinstance(type_, Descriptor)
    indices = _dense_indices(type_, program.all(op.indices))
    addresses, inside = _block(program.get(op.descriptor), indices, type_.element)
    values = np.asarray(program.get(op.value)).reshape(-1)
    combine = _reduction(op.kind, type_, program.numerics)
    _update(
        op, program, addresses, inside, type_.element, lambda lane, old: combine(old, values[lane]), "relaxed", "gpu"
    )


def _reduction(kind: str, type_: Descriptor, numerics: Numerics) -> Combine:
    element = type_.element
    if kind in ("inc", "dec"):
        return lambda old, value: _count(kind, old, value)
    if element.is_float:
        return _combiner(f"f{kind}", element, numerics)
    if kind in ("min", "max"):
        return _combiner(f"{'s' if type_.signed else 'u'}{kind}", element, numerics)
    return _combiner(kind, element, numerics)


def _count(kind: str, old: Array, value: Array) -> Array:
    """inc wraps to 0 after `value`, dec wraps from 0 (or from above `value`) to `value`; unsigned."""
    raw = f"u{old.dtype.itemsize}"
    before, bound = int(old.view(raw)), int(np.asarray(value).view(raw))
    if kind == "inc":
        after = 0 if before >= bound else before + 1
    else:
        after = bound if before == 0 or before > bound else before - 1
    return np.asarray(after, raw).view(old.dtype)
