"""The rule of inline assembly: PTX on elements becomes the tile operations that compute the same; the rest is refused.

Read are arithmetic, logic, conversions, global memory, under predicates, branches and loops. Several
elements at a time are packed into registers and taken out again (`packs`). `.approx` and `.ftz` allow the device its
own functions and its subnormal numbers.
"""

from __future__ import annotations

from supa.base.dtypes import DType
from supa.compiler.ttir.conversion import Conversion, integer, rule, tile_type
from supa.compiler.ttir.ptx import arithmetic, bits, conversions, memory
from supa.compiler.ttir.ptx.packs import Packs
from supa.compiler.ttir.ptx.reader import PtxError, read_ptx
from supa.compiler.ttir.ptx.registers import HINT, Registers
from supa.compiler.ttir.structure import MlirOp
from supa.ir.core import Value
from supa.ir.types import Tile, element_of

__all__ = ["arithmetic", "bits", "conversions", "memory"]


@rule("tt.elementwise_inline_asm")
def _inline_assembly(conversion: Conversion, op: MlirOp) -> None:
    try:
        instructions = read_ptx(str(op.attributes["asm_string"]))
    except PtxError as error:
        conversion.refuse(op, f"the inline assembly `{error}` is not supported", HINT)
    if not op.results:
        conversion.refuse(op, "inline assembly without a result is not supported", HINT)
    whole = tile_type(conversion, op, op.results[0].type)
    count = integer(op, "packed_element", 1) if isinstance(whole, Tile) else 1
    packs = Packs(conversion, op, whole, count)
    if not packs.fits:
        conversion.refuse(
            op, f"inline assembly: a tile of type {whole} is no whole number of packs of {count}", "take a smaller pack"
        )
    elements = [_element(conversion, op, index) for index in range(len(op.results))]
    counts = [packs.register_count(element) for element in elements]
    registers = Registers(conversion, op, packs, _inputs(conversion, op, packs, sum(counts)))
    registers.run(instructions)
    conversion.bind(op, _results(registers, elements, counts))


def _element(conversion: Conversion, op: MlirOp, index: int) -> DType:
    element = element_of(tile_type(conversion, op, op.results[index].type))
    if not isinstance(element, DType):
        conversion.refuse(op, f"inline assembly: a result of type {element} is not supported", "return it as tl.int64")
    return element


def _inputs(conversion: Conversion, op: MlirOp, packs: Packs, start: int) -> dict[str, Value]:
    """The operands' registers by name, those that a constraint ties to a result under its name as well."""
    inputs = [register for value in conversion.operands(op) for register in packs.registers(value)]
    values = {f"${start + index}": value for index, value in enumerate(inputs)}
    constraints = [part.strip() for part in str(op.attributes.get("constraints", "")).split(",")]
    for constraint, value in zip(constraints[start:], inputs, strict=False):
        if constraint.isdigit() and int(constraint) < start:
            values[f"${constraint}"] = value
    return values


def _results(registers: Registers, elements: list[DType], counts: list[int]) -> list[Value]:
    packs, first = registers.packs, 0
    results: list[Value] = []
    for element, count in zip(elements, counts, strict=True):
        dtype = packs.register_dtype(element)
        names = [f"${index}" for index in range(first, first + count)]
        for name in names:
            if name not in registers.values and not registers.has_effect:
                registers.refuse(f"nothing is written to {name}")
        held = [
            registers.read(name, dtype) if name in registers.values else registers.constant(_zero(dtype), dtype)
            for name in names
        ]
        results.append(packs.elements(held, element))
        first += count
    return results


def _zero(dtype: DType) -> bool | int | float:
    """What a result that no instruction wrote holds: nobody may look at it."""
    return 0.0 if dtype.is_float else False if dtype.bits == 1 else 0
