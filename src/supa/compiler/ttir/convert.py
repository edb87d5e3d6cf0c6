"""From a parsed TTIR module to a kernel of the tile IR: picks the kernel, makes its arguments, runs the rules.

Not here: the rules, by kind in `elements`, `integers`, `symbols`, `assembly`, `shapes`, `memory`, `control`.
"""

from __future__ import annotations

from supa.base.dtypes import I1, DType
from supa.base.errors import UnsupportedError
from supa.compiler.ttir import control, elements, integers, memory, shapes, symbols
from supa.compiler.ttir.conversion import Conversion, tile_type
from supa.compiler.ttir.ptx import assembly
from supa.compiler.ttir.structure import MlirOp
from supa.compiler.ttir.structuring import run_region
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.types import Descriptor, Pointer

__all__ = ["assembly", "control", "convert", "elements", "integers", "memory", "shapes", "symbols"]


def convert(module: MlirOp) -> ops.Func:
    """The one public kernel of a parsed module, all calls inlined, all control flow structured.

    A tensor descriptor argument becomes a pointer (its base) and an i1 (whether it pads with NaN), to which the i32
    extents and i64 strides that follow it in the signature belong. `UnsupportedError` names the operation that has no
    rule and the user's line.
    """
    functions = {str(op.attributes["sym_name"]): op for op in module.walk() if op.name == "tt.func"}
    kernels = [op for op in functions.values() if op.attributes.get("sym_visibility") != "private"]
    if len(kernels) != 1:
        found = ", ".join(str(op.attributes["sym_name"]) for op in kernels) or "none"
        raise UnsupportedError(f"expected one kernel in the module, found {found}", module.location)
    return _convert_kernel(Conversion(functions), kernels[0])


def _convert_kernel(conversion: Conversion, kernel: MlirOp) -> ops.Func:
    body = conversion.block = Block()
    values = _arguments(conversion, kernel, body)
    name = str(kernel.attributes["sym_name"])
    conversion.calls.append(name)
    run_region(conversion, kernel.regions[0], values)
    body.append(ops.Return(location=kernel.location))
    attributes = {
        "sym_name": name,
        "arg_names": _names(kernel),
        "arg_divisibility": _divisibility(kernel),
    }
    return ops.Func((), (), attributes, [body], kernel.location)


def _arguments(conversion: Conversion, kernel: MlirOp, body: Block) -> list[Value]:
    """The body's arguments; each tensor descriptor is made of its base, its choice of padding and the numbers behind
    them.
    """
    parameters = [(tile_type(conversion, kernel, one.type)) for one in kernel.regions[0].entry.arguments]
    values: list[Value] = []
    choices: dict[int, Value] = {}
    for index, type_ in enumerate(parameters):
        values.append(body.add_arg(Pointer(type_.element) if isinstance(type_, Descriptor) else type_))
        if isinstance(type_, Descriptor):
            choices[index] = body.add_arg(I1)
    for index, choice in choices.items():
        type_ = parameters[index]
        assert isinstance(type_, Descriptor)
        operands = values[index : index + 1 + 2 * len(type_.block)]
        is_float = isinstance(type_.element, DType) and type_.element.is_float
        attributes = {"padding": "choice" if is_float else "zero"}
        operands += [choice] * is_float
        values[index] = conversion.make(kernel, ops.MakeDescriptor, operands, type_, attributes)
    return values


def _names(kernel: MlirOp) -> tuple[str, ...]:
    """The user's names; what belongs to a tensor descriptor is called `name.padding`, `name.shape.0` and the like."""
    names: list[str] = []
    pending: list[str] = []
    for index, parameter in enumerate(kernel.regions[0].entry.arguments):
        name = pending.pop(0) if pending else parameter.name or f"arg{index}"
        names.append(name)
        if isinstance(parameter.type, Descriptor):
            names.append(f"{name}.padding")
            rank = range(len(parameter.type.block))
            pending = [f"{name}.{what}.{axis}" for what in ("shape", "stride") for axis in rank]
    return tuple(names)


def _divisibility(kernel: MlirOp) -> tuple[int, ...]:
    count = len(kernel.regions[0].entry.arguments)
    given = kernel.attributes.get("arg_attrs", ({},) * count)
    assert isinstance(given, tuple)
    found: list[int] = []
    for parameter, one in zip(kernel.regions[0].entry.arguments, given, strict=True):
        divisor = one.get("tt.divisibility", 1) if isinstance(one, dict) else 1
        found.append(divisor if isinstance(divisor, int) else 1)
        found += [1] * isinstance(parameter.type, Descriptor)
    return tuple(found)
