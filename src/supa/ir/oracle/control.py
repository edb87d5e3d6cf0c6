"""Execution of structure, control flow and effects."""

from __future__ import annotations

from typing import Any

import numpy as np

from supa.base.dtypes import DType
from supa.base.errors import LaunchError, UnsupportedError
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.oracle.formats import to_float64
from supa.ir.oracle.functions import signed, unsigned, wrap
from supa.ir.oracle.program import DescriptorValue, Program, rule
from supa.ir.types import element_of


@rule(ops.Func)
@rule(ops.Return)
@rule(ops.Yield)
@rule(ops.Condition)
def _structure(op: Op, program: Program) -> None:
    raise LaunchError(f"{op.location}: {op.name} is executed by what encloses it, never by itself")


@rule(ops.For)
def _for(op: ops.For, program: Program) -> list[Any]:
    element = element_of(op.lower.type)
    read = unsigned if op.unsigned else signed
    lower, upper = (int(read(program.get(value), element)) for value in (op.lower, op.upper))
    step = int(signed(program.get(op.step), element))
    if step <= 0:
        raise LaunchError(f"{op.location}: a loop of program {program.program_id} has step {step}, expected above 0")
    carried = program.all(op.inits)
    for iv in range(lower, upper, step):
        carried = program.execute(op.regions[0], [wrap(np.asarray(iv), element), *carried])
    return carried


@rule(ops.If)
def _if(op: ops.If, program: Program) -> list[Any]:
    return program.execute(op.regions[0 if program.get(op.condition) else 1], ())


@rule(ops.While)
def _while(op: ops.While, program: Program) -> list[Any]:
    carried = program.all(op.inits)
    while True:
        version = program.access.memory.version
        condition, *handed = program.execute(op.regions[0], carried)
        if not condition:
            return handed
        following = program.execute(op.regions[1], handed)
        if program.access.memory.version == version and _same(carried, following):
            raise LaunchError(
                f"{op.location}: program {program.program_id} waits in this loop for what only another program can"
                " write, and programs run one after another here: it would never end"
            )
        carried = following


def _same(before: list[Any], after: list[Any]) -> bool:
    """Whether carried values are the same bits."""
    return all(
        one == other if isinstance(one, DescriptorValue) else np.asarray(one).tobytes() == np.asarray(other).tobytes()
        for one, other in zip(before, after, strict=True)
    )


@rule(ops.Barrier)
def _barrier(op: ops.Barrier, program: Program) -> None:
    """Operations of a program are in order already."""


@rule(ops.Assert)
def _assert(op: ops.Assert, program: Program) -> None:
    condition = np.asarray(program.get(op.condition))
    if not condition.all():
        lane = int(np.argmin(condition.reshape(-1)))
        program.access.find(program.place(op, condition.shape), "assertion", op.message, lane)


@rule(ops.Print)
def _print(op: ops.Print, program: Program) -> None:
    """One line an element, as on the device: `pid (0, 0, 0) idx ( 3) x: 1.500000`."""
    pid = f"pid {program.program_id}"
    if not op.values:
        program.access.report.printed.append(f"{pid} {op.prefix.lstrip()}")
    for position, value in enumerate(op.values):
        is_signed = bool(op.signed[position]) if op.signed else True
        operand = f"(operand {position}) " if len(op.values) > 1 else ""
        array = np.asarray(program.get(value))
        for index in np.ndindex(*array.shape):
            padded = [f"{at:{len(str(extent - 1))}}" for at, extent in zip(index, array.shape, strict=True)]
            text = _format(array[index], value, is_signed, op.hexadecimal)
            prefix = op.prefix if op.prefix[:1] in (" ", ":") else f" {op.prefix}"
            program.access.report.printed.append(f"{pid} idx ({', '.join(padded)}){prefix}{operand}{text}")


def _format(stored: Any, value: Value, is_signed: bool, hexadecimal: bool) -> str:
    element = element_of(value.type)
    array = np.asarray(stored)
    if isinstance(element, DType) and element.is_float and not hexadecimal:
        return f"{float(to_float64(array, element)):f}"
    if hexadecimal or not isinstance(element, DType):
        raw = array.view(f"u{array.dtype.itemsize}")
        return f"0x{int(raw):0{2 * array.dtype.itemsize}x}"
    return str(int(signed(array, element) if is_signed and element.bits > 1 else unsigned(array, element)))


@rule(ops.InlineAsm)
def _inline_asm(op: ops.InlineAsm, program: Program) -> None:
    raise UnsupportedError(
        f"inline assembly {op.text!r} has no meaning here",
        op.location,
        "write it with Triton's own operations, or add its pattern to the front end",
    )
