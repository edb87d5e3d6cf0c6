"""Reads the PTX of an inline assembly: instructions, what guards them, and labels. Not here: what instructions do.

Comments, `.reg` declarations and braces around lines are skipped: a register is whatever was last written to it.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_LABEL = re.compile(r"([A-Za-z_$%][\w$%.=]*(?:\$\{:uid\})?[\w$]*)\s*:(?!:)")
_GUARD = re.compile(r"@(!?\s*[%$]?\w+)\s+")
_INSTRUCTION = re.compile(r"([a-z]\w*(?:\.\w+(?:::\w+)*)*)(?:\s+(.+))?", re.DOTALL)
_BETWEEN = re.compile(r",(?![^{]*\})")  # commas, but for those of a list in braces
_NUMBER = r"0[fF][0-9a-fA-F]{8}|0[dD][0-9a-fA-F]{16}|-?0[xX][0-9a-fA-F]+U?|-?\d+\.\d*(?:[eE][-+]?\d+)?|-?\d+U?"
_REGISTER = r"\$\d+|%?[A-Za-z_$][\w$]*(?:\.\w+)?(?:\$\{:uid\})?"
_OPERAND = re.compile(rf"{_NUMBER}|!?(?:{_REGISTER})(?:\s*\|\s*(?:{_REGISTER}))?")
_LIST = re.compile(rf"\{{\s*(?:{_OPERAND.pattern})(?:\s*,\s*(?:{_OPERAND.pattern}))*\s*\}}")
_ADDRESS = re.compile(rf"\[\s*({_REGISTER})\s*(?:\+\s*(-?(?:0[xX][0-9a-fA-F]+|\d+))\s*)?\]")
_LAYOUTS = {"0f": ">f", "0d": ">d"}
_DECLARATIONS = (".reg", ".pragma", ".loc", ".file")


@dataclass(frozen=True)
class Instruction:
    """`opcode` without its modifiers, the modifiers in order, the operands' texts with the destination first, and the
    predicate that guards it (`p`, `!p`, or nothing).
    """

    opcode: str
    modifiers: tuple[str, ...]
    operands: tuple[str, ...]
    guard: str = ""

    def __str__(self) -> str:
        return ".".join((self.opcode, *self.modifiers))


@dataclass(frozen=True)
class Label:
    """A place that branches name."""

    name: str


class PtxError(ValueError):
    """The text is not a list of instructions; the message is the part that is not."""


def read_ptx(text: str) -> list[Instruction | Label]:
    """The instructions and labels of a text in order."""
    found: list[Instruction | Label] = []
    for statement in _COMMENT.sub(" ", text).split(";"):
        line = statement.strip().lstrip("{} \t\r\n")
        while match := _LABEL.match(line):
            found.append(Label(match[1]))
            line = line[match.end() :].lstrip("{} \t\r\n")
        if line and not line.startswith(_DECLARATIONS):
            found.append(_read_instruction(line))
    return found


def listed(operand: str) -> list[str] | None:
    """The members of a list in braces, or None."""
    return [member.strip() for member in operand[1:-1].split(",")] if operand.startswith("{") else None


def address(operand: str) -> tuple[str, int] | None:
    """The register and the offset in bytes of an address in brackets, or None."""
    match = _ADDRESS.fullmatch(operand)
    return (match[1], int(match[2] or "0", 0)) if match else None


def _read_instruction(line: str) -> Instruction:
    guard = _GUARD.match(line)
    match = _INSTRUCTION.fullmatch(line[guard.end() :] if guard else line)
    if match is None:
        raise PtxError(line)
    operands = tuple(operand.strip() for operand in _BETWEEN.split(match[2])) if match[2] else ()
    for operand in operands:
        if not any(form.fullmatch(operand) for form in (_OPERAND, _LIST, _ADDRESS)):
            raise PtxError(line)
    opcode, *modifiers = match[1].split(".")
    return Instruction(opcode, tuple(modifiers), operands, guard[1].replace(" ", "") if guard else "")


def literal(operand: str) -> int | float | None:
    """The number that an operand is, or None if it is a register."""
    layout = _LAYOUTS.get(operand[:2].lower())
    if layout:
        return float(struct.unpack(layout, bytes.fromhex(operand[2:]))[0])
    if not operand[0].isdigit() and operand[0] != "-":
        return None
    return float(operand) if "." in operand else int(operand.rstrip("U"), 0)
