"""Execution of scalars and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from supa.ir import ops
from supa.ir.oracle.formats import Array
from supa.ir.oracle.program import Program, result_shape, rule


@rule(ops.ProgramId)
def _program_id(op: ops.ProgramId, program: Program) -> Array:
    return np.asarray(program.program_id[op.axis], np.int32)


@rule(ops.NumPrograms)
def _num_programs(op: ops.NumPrograms, program: Program) -> Array:
    return np.asarray(program.grid[op.axis], np.int32)


@rule(ops.ReadDevice)
def _read_device(op: ops.ReadDevice, program: Program) -> Array:
    """One processor, and clocks that go on by one whenever they are read."""
    if op.what == "processor":
        return np.asarray(0, np.int64)
    if op.what == "processors":
        return np.asarray(1, np.int64)
    program.readings += 1
    return np.asarray(program.readings, np.int64)


@rule(ops.Range)
def _range(op: ops.Range, program: Program) -> Array:
    return np.arange(op.start, op.end, dtype=np.int32)


@rule(ops.Splat)
@rule(ops.Broadcast)
def _broadcast(op: Any, program: Program) -> Array:
    return np.broadcast_to(program.get(op.source), result_shape(op))


@rule(ops.ExpandDims)
@rule(ops.Reshape)
def _reshape(op: Any, program: Program) -> Array:
    return np.asarray(program.get(op.source)).reshape(result_shape(op))


@rule(ops.Transpose)
def _transpose(op: ops.Transpose, program: Program) -> Array:
    return np.transpose(program.get(op.source), op.order)


@rule(ops.Join)
def _join(op: ops.Join, program: Program) -> Array:
    return np.stack([program.get(op.left), program.get(op.right)], axis=-1)


@rule(ops.Split)
def _split(op: ops.Split, program: Program) -> list[Array]:
    source = program.get(op.source)
    return [np.asarray(source[..., 0]), np.asarray(source[..., 1])]


@rule(ops.Butterfly)
def _butterfly(op: ops.Butterfly, program: Program) -> Array:
    return np.flip(program.get(op.source), op.axis)


@rule(ops.Cat)
def _cat(op: ops.Cat, program: Program) -> Array:
    return np.concatenate([program.get(op.left), program.get(op.right)])


@rule(ops.Gather)
def _gather(op: ops.Gather, program: Program) -> Array:
    source, indices = program.get(op.source), program.get(op.indices)
    inside = (indices >= 0) & (indices < source.shape[op.axis])
    if not inside.all():
        lane = int(np.argmin(inside.reshape(-1)))
        message = f"index {indices.reshape(-1)[lane]} along axis {op.axis} of extent {source.shape[op.axis]}"
        program.access.find(program.place(op, indices.shape), "out of bounds", message, lane)
    return np.take_along_axis(source, np.where(inside, indices, 0).astype(np.int64), axis=op.axis)
