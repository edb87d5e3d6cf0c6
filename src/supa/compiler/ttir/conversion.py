"""The state of one conversion from TTIR to tile IR, and the table of rules. Not here: any rule.

A rule is a function of the conversion and one TTIR operation; it emits tile operations at the end of the current
block and binds the results. An operation without a rule is refused at the user's line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from supa.base.dtypes import DType
from supa.base.errors import UnsupportedError
from supa.base.location import UNKNOWN, Location
from supa.compiler.ttir.structure import MlirOp, MlirType, MlirValue
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.types import Descriptor, Pointer, Tile, Type, element_of

Rule = Callable[["Conversion", MlirOp], None]
RULES: dict[str, Rule] = {}
"""TTIR operation name -> rule; filled where the rules are defined."""
HINTS: dict[str, str] = {
    "tt.make_tensor_ptr": "run Triton's pass rewrite_tensor_pointer first",
    "tt.advance": "run Triton's pass rewrite_tensor_pointer first",
}
"""TTIR operation name -> what to do instead, for operations that are refused on purpose."""
_GENERAL_HINT = "write it with other operations of triton.language"


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register the decorated function as the rule of the TTIR operations `names`."""

    def register(function: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise ValueError(f"two rules for {name}")
            RULES[name] = function
        return function

    return register


class Conversion:
    """What is known while a kernel is converted: values so far, the block that grows, functions, the call site."""

    def __init__(self, functions: dict[str, MlirOp]) -> None:
        self.functions = functions
        self.block = Block()
        self.values: dict[MlirValue, Value] = {}
        self.calls: list[str] = []  # functions being inlined, outermost first
        self.caller: Location | None = None
        self._placed: dict[tuple[Location, Location], Location] = {}

    def convert(self, operations: Iterable[MlirOp]) -> None:
        """Convert operations one after another into the current block."""
        for op in operations:
            found = RULES.get(op.name)
            if found is None:
                self.refuse(op, f"{op.name} is not supported", HINTS.get(op.name, _GENERAL_HINT))
            found(self, op)

    def refuse(self, op: MlirOp, what: str, hint: str = "") -> NoReturn:
        """End with `UnsupportedError` at the user's line."""
        raise UnsupportedError(what, self.place(op), hint)

    def place(self, op: MlirOp) -> Location:
        """The operation's location, with the call site if its function is being inlined."""
        if self.caller is None:
            return op.location
        key = (op.location, self.caller)
        if key not in self._placed:
            self._placed[key] = called_from(op.location, self.caller)
        return self._placed[key]

    def operands(self, op: MlirOp) -> list[Value]:
        """The tile values of the operands."""
        values = self.values
        return [values[value] for value in op.operands]

    def segments(self, op: MlirOp) -> list[list[Value]]:
        """The operands in the groups that `operandSegmentSizes` names."""
        sizes = op.attributes["operandSegmentSizes"]
        assert isinstance(sizes, tuple)
        operands, groups, start = self.operands(op), [], 0
        for size in sizes:
            assert isinstance(size, int)
            groups.append(operands[start : start + size])
            start += size
        return groups

    def optional_operands(self, op: MlirOp) -> list[Value | None]:
        """One operand or None for each group of `operandSegmentSizes`."""
        return [group[0] if group else None for group in self.segments(op)]

    def bind(self, op: MlirOp, values: Sequence[Value]) -> None:
        """The TTIR results mean these tile values from here on."""
        for result, value in zip(op.results, values, strict=True):
            self.values[result] = value

    def emit(
        self,
        op: MlirOp,
        cls: type[Op],
        operands: Sequence[Value | None],
        attributes: dict[str, Any] | None = None,
        regions: Sequence[Block] = (),
    ) -> Op:
        """Append the tile operation that `op` becomes, with the same result types, and bind the results."""
        types = [tile_type(self, op, result.type) for result in op.results]
        new = cls(operands, types, attributes, regions, self.place(op))
        self.block.append(new)
        for result, value in zip(op.results, new.results, strict=True):
            self.values[result] = value
        return new

    def make(
        self,
        op: MlirOp,
        cls: type[Op],
        operands: Sequence[Value | None],
        type_: Type,
        attributes: dict[str, Any] | None = None,
    ) -> Value:
        """Append a tile operation of one result that is only a part of what `op` becomes: that result."""
        new = cls(operands, (type_,), attributes, (), self.place(op))
        self.block.append(new)
        return new.result

    def constant(self, op: MlirOp, value: bool | int | float, type_: Type) -> Value:
        """A scalar, or a tile filled with one value."""
        return self.make(op, ops.Constant, (), type_, {"value": value})

    def nothing(self, op: MlirOp, type_: Type) -> Value:
        """A value that no correct program looks at: zero."""
        if isinstance(type_, Descriptor):
            self.refuse(op, "a tensor descriptor that is chosen by control flow is not supported", "branch on its use")
        element = element_of(type_)
        zero: bool | int | float = 0
        if isinstance(element, DType):
            zero = 0.0 if element.is_float else (False if element.bits == 1 else 0)
        return self.constant(op, zero, type_)


def called_from(location: Location, caller: Location) -> Location:
    """`location` with `caller` as its outermost call site."""
    if location == UNKNOWN:
        return caller
    outer = caller if location.caller is None else called_from(location.caller, caller)
    return dataclasses.replace(location, caller=outer)


def tile_type(conversion: Conversion, op: MlirOp, type_: MlirType) -> Type:
    """The type, if a kernel can compute with it."""
    if isinstance(type_, Tile | DType | Pointer | Descriptor):
        return type_
    conversion.refuse(op, f"{op.name}: a value of type {type_} is not supported", "use a type of triton.language")


def text(conversion: Conversion, op: MlirOp, table: dict[int, str], key: str, default: int) -> str:
    """The name that an enumeration attribute's number has in `table`; refused if it has none."""
    number = op.attributes.get(key, default)
    if not isinstance(number, int) or number not in table:
        conversion.refuse(op, f"{op.name}: {key} is one of {sorted(table)}, found {number}")
    return table[number]


def integer(op: MlirOp, key: str, default: int = 0) -> int:
    """An integer attribute."""
    value = op.attributes.get(key, default)
    assert isinstance(value, int)
    return int(value)


def flag(op: MlirOp, key: str) -> bool:
    """A boolean or unit attribute; false if absent."""
    value = op.attributes.get(key, False)
    return value is not False and value != 0
