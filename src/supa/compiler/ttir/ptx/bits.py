"""PTX instructions on the bits of words: moves, shifts, fields, permutations, counts. Not here: arithmetic."""

from __future__ import annotations

from supa.base.dtypes import I1, I32, I64
from supa.compiler.ttir.ptx.packs import INTEGERS
from supa.compiler.ttir.ptx.reader import Instruction, listed, literal
from supa.compiler.ttir.ptx.registers import Registers
from supa.compiler.ttir.ptx.table import is_signed, last_type, opcode
from supa.ir.core import Value


@opcode("mov", operands=(2,))
def _move(to: Registers, instruction: Instruction) -> Value | list[Value] | None:
    dtype = last_type(instruction)
    target, source = instruction.operands
    if dtype is None or len(instruction.modifiers) != 1:
        return None
    members = listed(source)
    if members is not None:
        narrow = INTEGERS.get(dtype.bits // len(members))
        return to.together([to.read(member, narrow) for member in members]) if narrow else None
    targets = listed(target)
    if targets is not None:
        narrow = INTEGERS.get(dtype.bits // len(targets))
        return to.packs.apart(to.read(source, dtype), len(targets), narrow) if narrow else None
    return to.pointer(source) or to.read(source, dtype)


@opcode("cvta", operands=(2,))
def _address(to: Registers, instruction: Instruction) -> Value | None:
    """There is one address space."""
    return to.pointer(instruction.operands[1]) or to.read(instruction.operands[1], I64)


@opcode("not", "cnot", operands=(2,))
def _not(to: Registers, instruction: Instruction) -> Value | None:
    dtype = last_type(instruction)
    if dtype is None:
        return None
    value = to.read(instruction.operands[1], dtype)
    if instruction.opcode == "not":
        return to.map("xor", value, to.constant(True if dtype == I1 else -1, dtype))
    return to.cast("zext", to.map("icmp_eq", value, to.constant(0, dtype)), dtype)


@opcode("shl", "shr", operands=(3,))
def _shift(to: Registers, instruction: Instruction) -> Value | None:
    """The count is a 32-bit number; counts of the width or more shift everything out."""
    dtype = last_type(instruction)
    if dtype is None or dtype.is_float or len(instruction.modifiers) != 1:
        return None
    left = instruction.opcode == "shl"
    function = "shl" if left else "ashr" if is_signed(instruction.modifiers[0]) else "lshr"
    value, count = instruction.operands[1:]
    by = to.map("umin", to.read(count, I32), to.constant(dtype.bits, I32))
    return to.map(function, to.read(value, dtype, signed=not left), to.as_bits(by, dtype))


@opcode("popc", "clz", operands=(2,))
def _count(to: Registers, instruction: Instruction) -> Value | None:
    dtype = last_type(instruction)
    if dtype not in (I32, I64):
        return None
    function = "popcount" if instruction.opcode == "popc" else "clz"
    return to.as_bits(to.map(function, to.read(instruction.operands[1], dtype)), I32)


@opcode("bfind", operands=(2,))
def _highest_bit(to: Registers, instruction: Instruction) -> Value | None:
    """The place of the highest bit, of negative numbers that of the highest 0; all ones where there is none."""
    dtype = last_type(instruction)
    if dtype not in (I32, I64):
        return None
    value = to.read(instruction.operands[1], dtype)
    if is_signed(instruction.modifiers[-1]):
        value = to.map("xor", value, to.map("ashr", value, to.constant(dtype.bits - 1, dtype)))
    zeros = to.as_bits(to.map("clz", value), I32)
    place = to.map("sub", to.constant(dtype.bits - 1, I32), zeros)
    if "shiftamt" not in instruction.modifiers:
        return place
    none = to.map("icmp_eq", value, to.constant(0, dtype))
    return to.select(none, to.constant(-1, I32), zeros)


@opcode("bfe", operands=(4,))
def _extract(to: Registers, instruction: Instruction) -> Value | None:
    """`length` bits from `position` on, extended; what lies beyond the word is filled as its highest bit says."""
    dtype = last_type(instruction)
    if dtype not in (I32, I64):
        return None
    signed = is_signed(instruction.modifiers[-1])
    shift = "ashr" if signed else "lshr"
    source, position, length = instruction.operands[1:]
    value = to.as_bits(to.read(source, dtype), I64, signed=signed)
    value = to.map(shift, value, _byte(to, position))
    rest = to.map("sub", to.constant(64, I64), to.map("umin", _byte(to, length), to.constant(64, I64)))
    return to.as_bits(to.map(shift, to.map("shl", value, rest), rest), dtype)


@opcode("bfi", operands=(5,))
def _insert(to: Registers, instruction: Instruction) -> Value | None:
    """The second operand with `length` bits from `position` on replaced by the low bits of the first."""
    dtype = last_type(instruction)
    if dtype not in (I32, I64):
        return None
    field, base, position, length = instruction.operands[1:]
    ones = to.constant(-1, I64)
    mask = to.map("xor", to.map("shl", ones, _byte(to, length)), ones)
    place = _byte(to, position)
    mask = to.map("shl", mask, place)
    value = to.map("and", to.map("shl", to.read(field, I64), place), mask)
    kept = to.map("and", to.read(base, I64), to.map("xor", mask, ones))
    return to.as_bits(to.map("or", kept, value), dtype)


def _byte(to: Registers, operand: str) -> Value:
    return to.as_bits(to.map("and", to.read(operand, I32), to.constant(255, I32)), I64)


@opcode("bmsk", operands=(3,))
def _mask(to: Registers, instruction: Instruction) -> Value | None:
    """`length` ones from `position` on."""
    mode, *suffix = (*instruction.modifiers, "")
    if mode not in ("clamp", "wrap") or suffix[:1] != ["b32"]:
        return None
    position, length = (to.as_bits(to.read(operand, I32), I64) for operand in instruction.operands[1:])
    if mode == "wrap":
        position, length = (to.map("and", value, to.constant(31, I64)) for value in (position, length))
    ones = to.constant(-1, I64)
    mask = to.map("xor", to.map("shl", ones, length), ones)
    return to.as_bits(to.map("shl", mask, position), I32)


@opcode("lop3", operands=(5,))
def _lookup(to: Registers, instruction: Instruction) -> Value | None:
    """Bit i of the table is the result where the bits of a, b, c are those of i."""
    *registers, table = instruction.operands[1:]
    number = literal(table)
    if instruction.modifiers != ("b32",) or not isinstance(number, int):
        return None
    inputs = [to.read(register, I32) for register in registers]
    flipped = [to.map("xor", value, to.constant(-1, I32)) for value in inputs]
    total = to.constant(0, I32)
    for index in range(8):
        if number >> index & 1:
            a, b, c = (inputs[place] if index >> (2 - place) & 1 else flipped[place] for place in range(3))
            total = to.map("or", total, to.map("and", to.map("and", a, b), c))
    return total


@opcode("prmt", operands=(4,))
def _permute_bytes(to: Registers, instruction: Instruction) -> Value | None:
    """Four of eight bytes, chosen by the selector's four low digits; a digit of 8 or more repeats the byte's sign."""
    if instruction.modifiers != ("b32",):
        return None
    a, b, selector = (to.as_bits(to.read(operand, I32), I64) for operand in instruction.operands[1:])
    both = to.map("or", a, to.map("shl", b, to.constant(32, I64)))
    number = literal(instruction.operands[3])
    total = to.constant(0, I64)
    for place in range(4):
        byte = _chosen_byte(to, both, selector, place, number if isinstance(number, int) else None)
        total = to.map("or", total, to.map("shl", byte, to.constant(8 * place, I64)))
    return to.as_bits(total, I32)


def _chosen_byte(to: Registers, both: Value, selector: Value, place: int, number: int | None) -> Value:
    if number is None:
        digit = to.map("and", to.map("lshr", selector, to.constant(4 * place, I64)), to.constant(15, I64))
        by = to.map("mul", to.map("and", digit, to.constant(7, I64)), to.constant(8, I64))
    else:
        by = to.constant(8 * (number >> 4 * place & 7), I64)
    byte = to.map("and", to.map("lshr", both, by), to.constant(255, I64))
    if number is not None and not number >> 4 * place & 8:
        return byte
    sign = to.map("icmp_ugt", byte, to.constant(127, I64))
    repeated = to.select(sign, to.constant(255, I64), to.constant(0, I64))
    if number is not None:
        return repeated
    return to.select(to.map("icmp_ugt", digit, to.constant(7, I64)), repeated, byte)


@opcode("shf", operands=(4,))
def _funnel_shift(to: Registers, instruction: Instruction) -> Value | None:
    """32 bits of the 64 that two registers are, the first the lower one, moved by the third."""
    direction, mode, *suffix = (*instruction.modifiers, "", "")
    if direction not in ("l", "r") or mode not in ("wrap", "clamp") or suffix[0] != "b32":
        return None
    low, high, by = (to.read(operand, I32) for operand in instruction.operands[1:])
    most = to.constant(31 if mode == "wrap" else 32, I32)
    by = to.map("and", by, most) if mode == "wrap" else to.map("umin", by, most)
    wide = to.map("or", to.cast("zext", low, I64), to.map("shl", to.cast("zext", high, I64), to.constant(32, I64)))
    count = to.cast("zext", by, I64)
    if direction == "l":
        return to.cast("trunc", to.map("lshr", to.map("shl", wide, count), to.constant(32, I64)), I32)
    return to.cast("trunc", to.map("lshr", wide, count), I32)
