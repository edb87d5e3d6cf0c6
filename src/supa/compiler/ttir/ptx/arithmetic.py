"""PTX arithmetic on floats and integers, comparisons and selections. Not here: single bits (`bits`), conversions."""

from __future__ import annotations

from supa.base.dtypes import F64, I1, I32, I64, DType
from supa.compiler.ttir.directed import directed
from supa.compiler.ttir.elementwise import dtype_of
from supa.compiler.ttir.ptx.packs import INTEGERS
from supa.compiler.ttir.ptx.reader import Instruction
from supa.compiler.ttir.ptx.registers import Registers
from supa.compiler.ttir.ptx.table import DTYPES, PAIRS, is_signed, last_type, modes, opcode
from supa.ir.core import Value
from supa.ir.functions import FUNCTIONS

_INTEGERS = {
    "add": "add", "sub": "sub", "and": "and", "or": "or", "xor": "xor", "mul.lo": "mul", "mul24.lo": "mul",
    "abs": "abs", "brev": "brev",
}  # fmt: skip
_BY_SIGN = {"min": ("smin", "umin"), "max": ("smax", "umax"), "div": ("sdiv", "udiv"), "rem": ("srem", "urem"),
            "mul.hi": ("mulhi_s", "mulhi_u")}  # fmt: skip
_FLOATS = {
    "add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv", "fma": "fma", "neg": "fneg",
    "abs": "fabs", "min": "fmin", "max": "fmax", "min.NaN": "fminimum", "max.NaN": "fmaximum", "sqrt": "sqrt",
    "rsqrt": "rsqrt", "ex2": "exp2", "lg2": "log2", "sin": "sin", "cos": "cos", "tanh": "tanh",
}  # fmt: skip
_DIRECTIONS = {"rz": "z", "rm": "d", "rp": "u"}
_DIRECTED = ("add", "sub", "mul", "div", "fma", "sqrt", "rcp")
_RELATIONS = ("eq", "ne", "lt", "le", "gt", "ge")
_UNSIGNED_RELATIONS = {"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}
_CLASSES = {"finite": "isfinite", "infinite": "isinf", "notanumber": "isnan"}


@opcode(
    "add", "sub", "mul", "div", "rem", "fma", "neg", "abs", "min", "max", "sqrt", "rsqrt", "ex2", "lg2", "sin", "cos",
    "tanh", "and", "or", "xor", "brev", "mul24", "rcp",
)  # fmt: skip
def _mapped(to: Registers, instruction: Instruction) -> Value | None:
    """One function of all operands, or of both halves of pairs."""
    suffix = instruction.modifiers[-1] if instruction.modifiers else ""
    found = modes(instruction)
    saturates, clips = "sat" in found, "relu" in found
    name = ".".join((instruction.opcode, *sorted(found - {"sat", "relu"})))
    if suffix in PAIRS:
        element = PAIRS[suffix]
        operands = [to.apart(operand, 2, element) for operand in instruction.operands[1:]]
        halves = [_function(to, name, suffix, element, list(both)) for both in zip(*operands, strict=True)]
        if any(half is None for half in halves):
            return None
        limited = [_limited(to, half, suffix, saturates, clips) for half in halves if half is not None]
        return to.together(limited)
    dtype = DTYPES.get(suffix)
    if dtype is None:
        return None
    if saturates and not dtype.is_float:
        return _saturated_sum(to, instruction, name) if suffix == "s32" else None
    arguments = [to.read(operand, dtype, signed=is_signed(suffix)) for operand in instruction.operands[1:]]
    value = _function(to, name, suffix, dtype, arguments)
    return None if value is None else _limited(to, value, suffix, saturates, clips)


def _function(to: Registers, name: str, suffix: str, dtype: DType, arguments: list[Value]) -> Value | None:
    if dtype.is_float:
        return _of_floats(to, name, arguments)
    if name == "neg":
        return to.map("sub", to.constant(0, dtype), *arguments) if len(arguments) == 1 else None
    if name.startswith("mul24"):
        arguments = [_low24(to, value, is_signed(suffix)) for value in arguments]
    function = _BY_SIGN[name][not is_signed(suffix)] if name in _BY_SIGN else _INTEGERS.get(name)
    if name == "mul.wide":
        wide = INTEGERS.get(2 * dtype.bits)
        kind = "sext" if is_signed(suffix) else "zext"
        return to.map("mul", *(to.cast(kind, value, wide) for value in arguments)) if wide else None
    return _apply(to, function, arguments)


def _apply(to: Registers, function: str | None, arguments: list[Value]) -> Value | None:
    if function is None or FUNCTIONS[function].arity != len(arguments):
        return None
    return to.map(function, *arguments)


def _of_floats(to: Registers, name: str, arguments: list[Value]) -> Value | None:
    stem, _, mode = name.partition(".")
    if mode in _DIRECTIONS and stem in _DIRECTED:
        return directed(to, stem, _DIRECTIONS[mode], arguments)
    if name == "rcp":
        return to.map("fdiv", to.like(1.0, arguments[0]), *arguments)
    function = _FLOATS.get(name)
    if stem in ("min", "max") and len(arguments) == 3 and function:
        return to.map(function, to.map(function, *arguments[:2]), arguments[2])
    return _apply(to, function, arguments)


def _limited(to: Registers, value: Value, suffix: str, saturates: bool, clips: bool) -> Value:
    """`.sat`: to [0, 1], NaN gives 0; `.relu`: not below 0, NaN stays."""
    if clips:
        value = to.map("fmaximum", value, to.like(0.0, value))
    if saturates:
        value = to.map("fmin", to.map("fmax", value, to.like(0.0, value)), to.like(1.0, value))
    return value


def _saturated_sum(to: Registers, instruction: Instruction, name: str) -> Value | None:
    if name not in ("add", "sub"):
        return None
    wide = [to.cast("sext", to.read(operand, I32), I64) for operand in instruction.operands[1:]]
    return clamped(to, to.map(name, *wide), I32, signed=True)


def clamped(to: Registers, value: Value, dtype: DType, *, signed: bool) -> Value:
    """A wider signed integer brought into the range of `dtype`."""
    low = -(1 << (dtype.bits - 1)) if signed else 0
    high = (1 << (dtype.bits - signed)) - 1
    value = to.map("smin", to.map("smax", value, to.like(low, value)), to.like(high, value))
    return to.cast("trunc", value, dtype)


def _low24(to: Registers, value: Value, signed: bool) -> Value:
    eight = to.like(8, value)
    return to.map("ashr" if signed else "lshr", to.map("shl", value, eight), eight)


@opcode("mad", "mad24", operands=(4,))
def _multiply_add(to: Registers, instruction: Instruction) -> Value | None:
    dtype = last_type(instruction)
    if dtype is None:
        return None
    if dtype.is_float:
        operands = [to.read(operand, dtype) for operand in instruction.operands[1:]]
        return _of_floats(to, ".".join(("fma", *sorted(modes(instruction)))), operands)
    *factors, addend = instruction.operands[1:]
    suffix = instruction.modifiers[-1]
    arguments = [to.read(operand, dtype, signed=is_signed(suffix)) for operand in factors]
    name = ".".join((instruction.opcode.replace("mad", "mul"), *instruction.modifiers[:-1]))
    product = _function(to, name, suffix, dtype, arguments)
    return None if product is None else to.map("add", product, to.read(addend, dtype_of(product), signed=True))


@opcode("sad", operands=(4,))
def _absolute_difference(to: Registers, instruction: Instruction) -> Value | None:
    dtype = last_type(instruction)
    if dtype is None or dtype.is_float:
        return None
    a, b, c = (to.read(operand, dtype) for operand in instruction.operands[1:])
    least, most = ("smin", "smax") if is_signed(instruction.modifiers[-1]) else ("umin", "umax")
    return to.map("add", to.map("sub", to.map(most, a, b), to.map(least, a, b)), c)


@opcode("dp4a", operands=(4,))
def _dot_of_bytes(to: Registers, instruction: Instruction) -> Value | None:
    if len(instruction.modifiers) != 2:
        return None
    signs = [is_signed(name) for name in instruction.modifiers]
    parts = [to.apart(operand, 4, INTEGERS[8]) for operand in instruction.operands[1:3]]
    total = to.read(instruction.operands[3], I32)
    for left, right in zip(*parts, strict=True):
        a, b = (to.cast("sext" if s else "zext", value, I32) for s, value in zip(signs, (left, right), strict=True))
        total = to.map("add", total, to.map("mul", a, b))
    return total


@opcode("dp2a", operands=(4,))
def _dot_of_halves(to: Registers, instruction: Instruction) -> Value | None:
    if len(instruction.modifiers) != 3 or instruction.modifiers[0] not in ("lo", "hi"):
        return None
    first, second = (is_signed(name) for name in instruction.modifiers[1:])
    words = to.apart(instruction.operands[1], 2, INTEGERS[16])
    bytes_ = to.apart(instruction.operands[2], 4, INTEGERS[8])
    total = to.read(instruction.operands[3], I32)
    for left, right in zip(words, bytes_[2 * (instruction.modifiers[0] == "hi") :], strict=False):
        a = to.cast("sext" if first else "zext", left, I32)
        b = to.cast("sext" if second else "zext", right, I32)
        total = to.map("add", total, to.map("mul", a, b))
    return total


@opcode("copysign", operands=(3,))
def _copy_sign(to: Registers, instruction: Instruction) -> Value | None:
    """The sign of the first operand with the magnitude of the second."""
    dtype = last_type(instruction)
    if dtype is None or not dtype.is_float:
        return None
    sign, magnitude = (to.read(operand, dtype) for operand in instruction.operands[1:])
    return to.map("copysign", magnitude, sign)


# ---- comparisons -----------------------------------------------------------------------------------------------


def compared(to: Registers, relation: str, suffix: str, operands: tuple[str, ...]) -> Value | None:
    """Where a relation holds: of floats false where an operand is NaN, with `u` at its end true there."""
    dtype = DTYPES.get(suffix)
    if dtype is None or len(operands) != 2:
        return None
    left, right = (to.read(operand, dtype, signed=is_signed(suffix)) for operand in operands)
    if dtype.is_float:
        if relation in ("num", "nan"):
            return to.map("fcmp_ord" if relation == "num" else "fcmp_uno", left, right)
        kind, relation = ("u", relation[:-1]) if len(relation) == 3 else ("o", relation)
        return to.map(f"fcmp_{kind}{relation}", left, right) if relation in _RELATIONS else None
    unsigned = not is_signed(suffix) or relation in _UNSIGNED_RELATIONS
    relation = _UNSIGNED_RELATIONS.get(relation, relation)
    if relation not in _RELATIONS:
        return None
    sign = "" if relation in ("eq", "ne") else "u" if unsigned else "s"
    return to.map(f"icmp_{sign}{relation}", left, right)


@opcode("setp", operands=(3, 4))
def _set_predicate(to: Registers, instruction: Instruction) -> list[Value] | None:
    relation, *rest = (modifier for modifier in instruction.modifiers if modifier != "ftz")
    *combination, suffix = rest or [""]
    holds = compared(to, relation, suffix, instruction.operands[1:3])
    if holds is None or len(combination) != len(instruction.operands) - 3:
        return None
    values = [holds, to.negated(holds)] if "|" in instruction.operands[0] else [holds]
    if combination:
        if combination[0] not in ("and", "or", "xor"):
            return None
        other = to.read(instruction.operands[3], I1)
        values = [to.map(combination[0], value, other) for value in values]
    return values


@opcode("set", operands=(3,))
def _set_number(to: Registers, instruction: Instruction) -> Value | None:
    """All ones, or 1.0, where a relation holds."""
    found = [modifier for modifier in instruction.modifiers if modifier != "ftz"]
    dtype = DTYPES.get(found[1]) if len(found) == 3 else None
    holds = compared(to, found[0], found[-1], instruction.operands[1:]) if dtype else None
    if dtype is None or holds is None:
        return None
    one, zero = (1.0, 0.0) if dtype.is_float else (-1, 0)
    return to.select(holds, to.constant(one, dtype), to.constant(zero, dtype))


@opcode("selp", operands=(4,))
def _select(to: Registers, instruction: Instruction) -> Value | None:
    dtype = last_type(instruction)
    if dtype is None:
        return None
    yes, no, predicate = instruction.operands[1:]
    return to.select(to.read(predicate, I1), to.read(yes, dtype), to.read(no, dtype))


@opcode("slct", operands=(4,))
def _select_by_sign(to: Registers, instruction: Instruction) -> Value | None:
    """The first operand where the third is at least 0, else the second."""
    found = [DTYPES.get(modifier) for modifier in instruction.modifiers if modifier != "ftz"]
    if len(found) != 2 or found[0] is None or found[1] is None:
        return None
    by = to.read(instruction.operands[3], found[1])
    holds = to.map("fcmp_oge" if found[1].is_float else "icmp_sge", by, to.like(0.0 if found[1].is_float else 0, by))
    return to.select(holds, to.read(instruction.operands[1], found[0]), to.read(instruction.operands[2], found[0]))


@opcode("testp", operands=(2,))
def _test(to: Registers, instruction: Instruction) -> Value | None:
    dtype = last_type(instruction)
    if dtype is None or not dtype.is_float:
        return None
    what, value = instruction.modifiers[0], to.read(instruction.operands[1], dtype)
    if what in _CLASSES:
        return to.map(_CLASSES[what], value)
    if what == "number":
        return to.negated(to.map("isnan", value))
    smallest = to.like(2.0**-126 if dtype != F64 else 2.0**-1022, value)
    size = to.map("fabs", value)
    if what == "normal":
        return to.map("and", to.map("isfinite", value), to.map("fcmp_oge", size, smallest))
    positive = to.map("fcmp_ogt", size, to.like(0.0, value))
    return to.map("and", positive, to.map("fcmp_olt", size, smallest)) if what == "subnormal" else None
