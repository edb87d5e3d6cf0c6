"""Runs a kernel over a grid, one program after another. Not here: what operations do (the rules beside)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from supa.base.errors import LaunchError
from supa.ir import ops
from supa.ir.oracle.access import Access
from supa.ir.oracle.elements import store_constants
from supa.ir.oracle.findings import Report, Strict
from supa.ir.oracle.formats import Numerics
from supa.ir.oracle.memory import Memory, Region
from supa.ir.oracle.program import DescriptorValue, Program
from supa.ir.types import Descriptor, Pointer, Tile, Type


def run(
    func: ops.Func,
    grid: Sequence[int],
    args: Sequence[Any],
    memory: Memory,
    *,
    numerics: Numerics | None = None,
    strict: Strict | None = None,
) -> Report:
    """Execute every program of a launch in grid order, axis 0 fastest.

    `grid` has one to three extents. `args`: a number for a scalar, a `Region`, an address or 0 for a pointer, a
    `DescriptorValue` for a descriptor. Raises `FindingError` at the first finding (or collects, see `Strict`), and
    `LaunchError` for a wait that never ends or wrong arguments. The kernel must have been verified.
    """
    extents = (*map(int, grid), 1, 1)[:3]
    values = _bind(func, args)
    report = Report()
    access = Access(memory, strict or Strict(), report)
    x_extent, y_extent, z_extent = extents
    for z in range(z_extent):
        for y in range(y_extent):
            for x in range(x_extent):
                program = Program((x, y, z), (x_extent, y_extent, z_extent), access, numerics or Numerics())
                program.execute(func.regions[0], values)
                report.steps += program.steps
    return report


def _bind(func: ops.Func, args: Sequence[Any]) -> list[Any]:
    types = [value.type for value in func.regions[0].args]
    if len(args) != len(types):
        raise LaunchError(f"{func.sym_name} takes {len(types)} arguments, {len(args)} are given")
    return [_bind_one(arg, type_) for arg, type_ in zip(args, types, strict=True)]


def _bind_one(arg: Any, type_: Type) -> Any:
    if isinstance(type_, Descriptor) or isinstance(arg, DescriptorValue):
        if not (isinstance(type_, Descriptor) and isinstance(arg, DescriptorValue)):
            raise LaunchError(f"an argument of type {type_} can not be {arg!r}")
        return arg
    if isinstance(type_, Tile):
        raise LaunchError(f"an argument can not be a tile: {type_}")
    if isinstance(type_, Pointer):
        return np.asarray(arg.base if isinstance(arg, Region) else int(arg), np.int64)
    return store_constants((arg,), type_).reshape(())
