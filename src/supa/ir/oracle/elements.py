"""Execution of operations on elements: constants, map, cast, addptr, map_region."""

from __future__ import annotations

import numpy as np

from supa.base.dtypes import DType
from supa.ir import ops
from supa.ir.core import Op
from supa.ir.oracle.casts import apply_cast
from supa.ir.oracle.formats import Array, from_float64, to_float64
from supa.ir.oracle.functions import apply_function, signed, wrap
from supa.ir.oracle.program import Program, result_shape, rule
from supa.ir.types import Pointer, Scalar, element_of, storage_bytes


def store_constants(values: tuple[bool | int | float, ...], element: Scalar) -> Array:
    """Python numbers as stored elements; floats are rounded to nearest even, integers wrap."""
    if isinstance(element, DType) and element.is_float:
        return from_float64(np.array(values, np.float64), element)
    return wrap(np.array([(int(value) + (1 << 63)) % (1 << 64) - (1 << 63) for value in values], np.int64), element)


@rule(ops.Constant)
def _constant(op: ops.Constant, program: Program) -> Array:
    shape = result_shape(op)
    stored = store_constants(op.values or (op.value,), element_of(op.result.type))
    return stored.reshape(shape) if op.values else np.broadcast_to(stored.reshape(()), shape)


@rule(ops.Map)
def _map(op: ops.Map, program: Program) -> Array:
    arguments = program.all(op.arguments)
    element = element_of(op.arguments[-1].type)
    result = apply_function(op.function, arguments, element, program.numerics)
    _check_finite(op, program, arguments, result)
    return result


def _check_finite(op: Op, program: Program, arguments: list[Array], result: Array) -> None:
    """Report inf or nan made from finite operands, if that is wanted."""
    made, taken = element_of(op.result.type), [element_of(value.type) for value in op.operands if value is not None]
    if not program.strict.not_finite or not isinstance(made, DType) or not made.is_float:
        return
    born = ~np.isfinite(to_float64(result, made))
    for array, element in zip(arguments, taken, strict=True):
        if isinstance(element, DType) and element.is_float:
            born = born & np.isfinite(to_float64(array, element))
    if born.any():
        lane = int(np.argmax(born.reshape(-1)))
        value = to_float64(result, made).reshape(-1)[lane]
        name = op.attributes.get("function", op.name)
        program.access.find(program.place(op, born.shape), "not finite", f"{name} of finite values gives {value}", lane)


@rule(ops.Cast)
def _cast(op: ops.Cast, program: Program) -> Array:
    source = np.asarray(program.get(op.source))
    types = element_of(op.source.type), element_of(op.result.type)
    result = apply_cast(op.kind, source, *types, op.rounding, program.numerics)
    _check_finite(op, program, [source], result)
    return result


@rule(ops.AddPtr)
def _addptr(op: ops.AddPtr, program: Program) -> Array:
    pointer = element_of(op.pointer.type)
    assert isinstance(pointer, Pointer)
    offset = signed(np.asarray(program.get(op.offset)), element_of(op.offset.type)).astype(np.int64)
    return np.asarray(program.get(op.pointer) + offset * storage_bytes(pointer.pointee))


@rule(ops.MapRegion)
def _map_region(op: ops.MapRegion, program: Program) -> list[Array]:
    sources = [np.asarray(array).reshape(-1, op.pack) for array in program.all(op.sources)]
    arguments = [array[:, position] for array in sources for position in range(op.pack)]
    yielded = program.lift(op.regions[0], arguments, (sources[0].shape[0],))
    shape = result_shape(op)
    return [
        np.stack(yielded[first : first + op.pack], axis=-1).reshape(shape) for first in range(0, len(yielded), op.pack)
    ]
