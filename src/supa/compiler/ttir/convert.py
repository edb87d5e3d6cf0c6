"""From a parsed TTIR module to a kernel of the tile IR: picks the kernel, makes its arguments, runs the rules.

Not here: the rules, by kind in `elements`, `symbols`, `assembly`, `shapes`, `memory`, `control`.
"""

from __future__ import annotations

from supa.base.errors import UnsupportedError
from supa.compiler.ttir import control, elements, memory, shapes, symbols
from supa.compiler.ttir.conversion import Conversion, tile_type
from supa.compiler.ttir.ptx import assembly
from supa.compiler.ttir.structure import MlirOp
from supa.compiler.ttir.structuring import run_region
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.types import Descriptor, Pointer

__all__ = ["assembly", "control", "convert", "elements", "memory", "shapes", "symbols"]


def convert(module: MlirOp) -> ops.Func:
    """The one public kernel of a parsed module, all calls inlined, all control flow structured.

    A tensor descriptor argument becomes a pointer (its base), to which the i32 extents and i64 strides that follow it
    in the signature belong. `UnsupportedError` names the operation that has no rule and the user's line.
    """
    functions = {str(op.attributes["sym_name"]): op for op in module.walk() if op.name == "tt.func"}
    kernels = [op for op in functions.values() if op.attributes.get("sym_visibility") != "private"]
    if len(kernels) != 1:
        found = ", ".join(str(op.attributes["sym_name"]) for op in kernels) or "none"
        raise UnsupportedError(f"expected one kernel in the module, found {found}", module.location)
    return _convert_kernel(Conversion(functions), kernels[0])


def _convert_kernel(conversion: Conversion, kernel: MlirOp) -> ops.Func:
    parameters = kernel.regions[0].entry.arguments
    body = conversion.block = Block()
    for parameter in parameters:
        type_ = tile_type(conversion, kernel, parameter.type)
        body.add_arg(Pointer(type_.element) if isinstance(type_, Descriptor) else type_)
    name = str(kernel.attributes["sym_name"])
    conversion.calls.append(name)
    run_region(conversion, kernel.regions[0], _descriptors(conversion, kernel, body))
    body.append(ops.Return(location=kernel.location))
    attributes = {
        "sym_name": name,
        "arg_names": _names(kernel),
        "arg_divisibility": _divisibility(kernel),
    }
    return ops.Func((), (), attributes, [body], kernel.location)


def _descriptors(conversion: Conversion, kernel: MlirOp, body: Block) -> list[Value]:
    """The body's arguments, with each tensor descriptor made of its pointer and the numbers behind it."""
    values = list(body.args)
    for index, parameter in enumerate(kernel.regions[0].entry.arguments):
        if isinstance(parameter.type, Descriptor):
            numbers = body.args[index + 1 : index + 1 + 2 * len(parameter.type.block)]
            values[index] = conversion.make(kernel, ops.MakeDescriptor, (body.args[index], *numbers), parameter.type)
    return values


def _names(kernel: MlirOp) -> tuple[str, ...]:
    """The user's names; what belongs to a tensor descriptor is called `name.shape.0`, `name.stride.0`."""
    names: list[str] = []
    pending: list[str] = []
    for index, parameter in enumerate(kernel.regions[0].entry.arguments):
        names.append(pending.pop(0) if pending else parameter.name or f"arg{index}")
        if isinstance(parameter.type, Descriptor):
            rank = range(len(parameter.type.block))
            pending = [f"{names[-1]}.{what}.{axis}" for what in ("shape", "stride") for axis in rank]
    return tuple(names)


def _divisibility(kernel: MlirOp) -> tuple[int, ...]:
    count = len(kernel.regions[0].entry.arguments)
    given = kernel.attributes.get("arg_attrs", ({},) * count)
    assert isinstance(given, tuple)
    found = [one.get("tt.divisibility", 1) if isinstance(one, dict) else 1 for one in given]
    return tuple(one if isinstance(one, int) else 1 for one in found)
