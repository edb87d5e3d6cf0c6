"""Makes tile operations on elements of one shape while one TTIR operation is converted. Not here: any rule."""

from __future__ import annotations

from supa.base.dtypes import I1, DType
from supa.compiler.ttir.conversion import Conversion
from supa.compiler.ttir.structure import MlirOp
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.functions import FUNCTIONS
from supa.ir.types import Scalar, Type, element_of, with_element


class Elementwise:
    """What `op` becomes, one function of elements after another; `type` has the shape of all of them."""

    def __init__(self, conversion: Conversion, op: MlirOp, type_: Type) -> None:
        self.conversion, self.op, self.type = conversion, op, type_

    def map(self, function: str, *operands: Value) -> Value:
        """A scalar function of `ir.functions` of each element."""
        type_ = operands[-1].type
        if FUNCTIONS[function].result == "i1":
            type_ = with_element(type_, I1)
        return self.conversion.make(self.op, ops.Map, operands, type_, {"function": function})

    def select(self, condition: Value, yes: Value, no: Value) -> Value:
        """`yes` where the condition holds, else `no`."""
        return self.map("select", condition, yes, no)

    def cast(self, kind: str, value: Value, dtype: Scalar, rounding: str = "rtne") -> Value:
        """A conversion of `ir.functions.CASTS`; none where the elements are of that type already."""
        if element_of(value.type) == dtype:
            return value
        attributes = {"kind": kind} if kind != "fptrunc" else {"kind": kind, "rounding": rounding}
        return self.conversion.make(self.op, ops.Cast, (value,), with_element(self.type, dtype), attributes)

    def constant(self, number: bool | int | float, dtype: DType) -> Value:
        """The same number in every element."""
        return self.conversion.constant(self.op, number, with_element(self.type, dtype))

    def like(self, number: int | float, value: Value) -> Value:
        """The same number in every element, of `value`'s type."""
        return self.constant(number, dtype_of(value))


def dtype_of(value: Value) -> DType:
    """The type of a value's elements, which are numbers."""
    element = element_of(value.type)
    assert isinstance(element, DType), element
    return element
