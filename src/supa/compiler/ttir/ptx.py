"""Reads the PTX of an inline assembly: straight lines of instructions. Not here: what instructions do (`assembly`).

Braces around lines, comments and `.reg` declarations are skipped: a register is whatever was last written to it.
Labels, branches and predicated instructions are refused.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_INSTRUCTION = re.compile(r"([a-z]\w*(?:\.\w+)*)(?:\s+(.+))?", re.DOTALL)
_BETWEEN = re.compile(r",(?![^{]*\})")  # commas, but for those of a list in braces
_FLOAT = r"0[fF][0-9a-fA-F]{8}|0[dD][0-9a-fA-F]{16}"
_OPERAND = re.compile(rf"\$\d+|%?[A-Za-z_]\w*(?:\.\w+)?|{_FLOAT}|-?0[xX][0-9a-fA-F]+U?|-?\d+U?")
_LIST = re.compile(rf"\{{(?:{_OPERAND.pattern})(?:\s*,\s*(?:{_OPERAND.pattern}))*\}}")
_ADDRESS = re.compile(r"\[\s*\$\d+\s*\]")
_LAYOUTS = {"0f": ">f", "0d": ">d"}


@dataclass(frozen=True)
class Instruction:
    """`opcode` without its modifiers, the modifiers in order, and the operands' texts, the destination first."""

    opcode: str
    modifiers: tuple[str, ...]
    operands: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((self.opcode, *self.modifiers))


class PtxError(ValueError):
    """The text is not a straight line of instructions; the message is the part that is not."""


def read_ptx(text: str) -> list[Instruction]:
    """The instructions of a text in order."""
    found: list[Instruction] = []
    for statement in _COMMENT.sub(" ", text).split(";"):
        line = _without_scope(statement).strip()
        if line and not line.startswith(".reg"):
            found.append(_read_instruction(line))
    return found


def _without_scope(statement: str) -> str:
    """The statement without the braces that open or close a scope before it."""
    return statement.strip().lstrip("{} \t\r\n")


def listed(operand: str) -> list[str] | None:
    """The members of a list in braces, or None."""
    return [member.strip() for member in operand[1:-1].split(",")] if operand.startswith("{") else None


def _read_instruction(line: str) -> Instruction:
    match = _INSTRUCTION.fullmatch(line)
    if match is None:
        raise PtxError(line)
    operands = tuple(operand.strip() for operand in _BETWEEN.split(match[2])) if match[2] else ()
    for operand in operands:
        if not any(form.fullmatch(operand) for form in (_OPERAND, _LIST, _ADDRESS)):
            raise PtxError(line)
    opcode, *modifiers = match[1].split(".")
    return Instruction(opcode, tuple(modifiers), operands)


def literal(operand: str) -> int | float | None:
    """The number that an operand is, or None if it is a register."""
    layout = _LAYOUTS.get(operand[:2].lower())
    if layout:
        return float(struct.unpack(layout, bytes.fromhex(operand[2:]))[0])
    if operand[0].isdigit() or operand[0] == "-":
        return int(operand.rstrip("U"), 0)
    return None
