"""What each PTX opcode becomes: the table of rules. Not here: any rule, the registers (`registers`).

A rule gives the values of the instruction's destinations, or None if it does not know this form of the instruction; an
effect is a rule of an instruction without a destination and says whether it knows the form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from supa.base.dtypes import BF16, F16, F32, F64, I1, I8, I16, I32, I64, DType
from supa.compiler.ttir.ptx.reader import Instruction
from supa.ir.core import Value

if TYPE_CHECKING:
    from supa.compiler.ttir.ptx.registers import Registers

Rule = Callable[["Registers", Instruction], "Value | list[Value] | None"]
Effect = Callable[["Registers", Instruction], bool]
RULES: dict[str, tuple[tuple[int, ...], Rule]] = {}
"""Opcode -> how many operands it may have, destinations included, and its rule."""
EFFECTS: dict[str, Effect] = {}
"""Opcode without a destination -> its rule."""

DTYPES: dict[str, DType] = {
    "pred": I1, "f16": F16, "bf16": BF16, "f32": F32, "f64": F64,
    **{f"{sign}{dtype.bits}": dtype for sign in "bus" for dtype in (I8, I16, I32, I64)},
}  # fmt: skip
"""PTX type -> element type."""
PAIRS = {"f16x2": F16, "bf16x2": BF16, "f32x2": F32, "s16x2": I16, "u16x2": I16}
"""PTX type of two numbers in one register -> the type of each."""
WITHOUT_MEANING = ("approx", "ftz", "full", "rn", "noftz")
"""Modifiers that leave the device its own functions and its subnormal numbers, or ask for what it does anyway."""


def opcode(*names: str, operands: tuple[int, ...] = ()) -> Callable[[Rule], Rule]:
    """Register the decorated function as the rule of opcodes; no `operands`: any number."""

    def register(rule: Rule) -> Rule:
        RULES.update({name: (operands, rule) for name in names})
        return rule

    return register


def effect(*names: str) -> Callable[[Effect], Effect]:
    """Register the decorated function as the rule of opcodes without a destination."""

    def register(rule: Effect) -> Effect:
        EFFECTS.update(dict.fromkeys(names, rule))
        return rule

    return register


def last_type(instruction: Instruction) -> DType | None:
    """The element type that the last modifier names."""
    return DTYPES.get(instruction.modifiers[-1]) if instruction.modifiers else None


def modes(instruction: Instruction, types: int = 1) -> set[str]:
    """The modifiers before the `types` types, without those that mean nothing here."""
    return {modifier for modifier in instruction.modifiers[:-types] if modifier not in WITHOUT_MEANING}


def is_signed(name: str) -> bool:
    """Whether a PTX integer type is read as signed."""
    return name.startswith("s")
