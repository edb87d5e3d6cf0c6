"""Rules of integers that MLIR's dialects hold and Triton's front end does not write: `index`, quotients rounded up or
down, sums and products with their high part.
"""

from __future__ import annotations

from supa.base.dtypes import DType
from supa.compiler.ttir.conversion import Conversion, rule, tile_type
from supa.compiler.ttir.elementwise import Elementwise
from supa.compiler.ttir.structure import MlirOp
from supa.ir import ops
from supa.ir.types import element_of


@rule("arith.index_cast", "arith.index_castui")
def _to_or_from_index(conversion: Conversion, op: MlirOp) -> None:
    (source,) = conversion.operands(op)
    before, after = element_of(source.type), element_of(tile_type(conversion, op, op.results[0].type))
    assert isinstance(before, DType) and isinstance(after, DType)
    if before == after:
        conversion.bind(op, [source])
    else:
        wider = "zext" if op.name == "arith.index_castui" else "sext"
        conversion.emit(op, ops.Cast, (source,), {"kind": wider if after.bits > before.bits else "trunc"})


@rule("arith.ceildivsi", "arith.floordivsi", "arith.ceildivui")
def _rounded_quotient(conversion: Conversion, op: MlirOp) -> None:
    """The quotient rounded to 0, and one more or less where a rest on the side in question remains."""
    dividend, divisor = conversion.operands(op)
    make = Elementwise(conversion, op, dividend.type)
    zero, one = make.like(0, dividend), make.like(1, dividend)
    kind = "u" if op.name == "arith.ceildivui" else "s"
    quotient = make.map(f"{kind}div", dividend, divisor)
    rest = make.map(f"{kind}rem", dividend, divisor)
    correct = make.map("icmp_ne", rest, zero)
    if kind == "s":
        # a rest has the dividend's sign
        beyond = "icmp_sge" if op.name == "arith.ceildivsi" else "icmp_slt"
        signs = make.map("xor", rest, divisor)
        correct = make.map("and", correct, make.map(beyond, signs, zero))
    corrected = make.map("sub" if op.name == "arith.floordivsi" else "add", quotient, one)
    conversion.bind(op, [make.select(correct, corrected, quotient)])


@rule("arith.mului_extended", "arith.mulsi_extended")
def _wide_product(conversion: Conversion, op: MlirOp) -> None:
    operands = conversion.operands(op)
    make = Elementwise(conversion, op, operands[0].type)
    high = "mulhi_u" if op.name == "arith.mului_extended" else "mulhi_s"
    conversion.bind(op, [make.map("mul", *operands), make.map(high, *operands)])


@rule("arith.addui_extended")
def _sum_with_carry(conversion: Conversion, op: MlirOp) -> None:
    operands = conversion.operands(op)
    make = Elementwise(conversion, op, operands[0].type)
    total = make.map("add", *operands)
    conversion.bind(op, [total, make.map("icmp_ult", total, operands[0])])


@rule("math.cttz")
def _trailing_zeros(conversion: Conversion, op: MlirOp) -> None:
    """The ones of ~x & (x - 1)."""
    (source,) = conversion.operands(op)
    make = Elementwise(conversion, op, source.type)
    ones = make.like(-1, source)
    below = make.map("and", make.map("xor", source, ones), make.map("add", source, ones))
    conversion.bind(op, [make.map("popcount", below)])
