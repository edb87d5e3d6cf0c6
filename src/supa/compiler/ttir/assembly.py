"""The rule of inline assembly: PTX on elements becomes the tile operations that compute the same; the rest is refused.

Read are straight lines of arithmetic, logic and conversions on whole registers, one element at a time. `.approx` and
`.ftz` allow the device its own functions and its subnormal numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from supa.base.dtypes import BF16, F16, F32, F64, I1, I8, I16, I32, I64, DType
from supa.compiler.ttir.conversion import Conversion, integer, rule, tile_type
from supa.compiler.ttir.elements import convert_float
from supa.compiler.ttir.ptx import Instruction, PtxError, literal, read_ptx
from supa.compiler.ttir.structure import MlirOp
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.functions import FUNCTIONS
from supa.ir.types import Type, element_of, with_element

_TYPES = {
    "pred": I1, "f16": F16, "bf16": BF16, "f32": F32, "f64": F64,
    **{f"{sign}{dtype.bits}": dtype for sign in "bus" for dtype in (I8, I16, I32, I64)},
}  # fmt: skip
_INTEGERS = {
    "add": "add", "sub": "sub", "and": "and", "or": "or", "xor": "xor", "shl": "shl", "mul.lo": "mul",
    "abs": "abs", "popc": "popcount", "clz": "clz", "brev": "brev",
}  # fmt: skip
_BY_SIGN = {"min": ("smin", "umin"), "max": ("smax", "umax"), "div": ("sdiv", "udiv"), "rem": ("srem", "urem"),
            "mul.hi": ("mulhi_s", "mulhi_u"), "shr": ("ashr", "lshr")}  # fmt: skip
_FLOATS = {
    "add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv", "fma": "fma", "neg": "fneg", "abs": "fabs",
    "min": "fmin", "max": "fmax", "min.NaN": "fminimum", "max.NaN": "fmaximum", "sqrt": "sqrt", "rsqrt": "rsqrt",
    "ex2": "exp2", "lg2": "log2", "sin": "sin", "cos": "cos", "tanh": "tanh",
}  # fmt: skip
_WITHOUT_MEANING = ("approx", "ftz", "full", "rn")
_RELATIONS = ("eq", "ne", "lt", "le", "gt", "ge")
_TO_INTEGER = {"rni": "rint", "rmi": "floor", "rpi": "ceil", "rzi": ""}
_TF32_HALF, _TF32_MASK = 1 << 12, -(1 << 13)
_HINT = "write the arithmetic with triton.language; known are straight lines of PTX on whole registers with pack=1"


@rule("tt.elementwise_inline_asm")
def _inline_assembly(conversion: Conversion, op: MlirOp) -> None:
    try:
        instructions = read_ptx(str(op.attributes["asm_string"]))
    except PtxError as error:
        conversion.refuse(op, f"the inline assembly `{error}` is not supported", _HINT)
    if integer(op, "packed_element", 1) != 1 or not op.results:
        conversion.refuse(op, "inline assembly of packed elements is not supported", _HINT)
    _Assembly(conversion, op).run(instructions)


class _Assembly:
    """Registers by name while the instructions of one text are translated."""

    def __init__(self, conversion: Conversion, op: MlirOp) -> None:
        self.conversion, self.op = conversion, op
        self.type: Type = tile_type(conversion, op, op.results[0].type)
        start = len(op.results)
        self.registers = {f"${start + index}": value for index, value in enumerate(conversion.operands(op))}

    def run(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            self.registers[instruction.operands[0]] = self._value(instruction)
        results: list[Value] = []
        for index, result in enumerate(self.op.results):
            if f"${index}" not in self.registers:
                self.refuse(f"nothing is written to ${index}")
            element = element_of(tile_type(self.conversion, self.op, result.type))
            assert isinstance(element, DType)
            results.append(self.read(f"${index}", element))
        self.conversion.bind(self.op, results)

    def refuse(self, what: str) -> NoReturn:
        self.conversion.refuse(self.op, f"inline assembly: {what}", _HINT)

    def _value(self, instruction: Instruction) -> Value:
        count, special = _SPECIAL.get(instruction.opcode, (len(instruction.operands), _Assembly._mapped))
        value = special(self, instruction) if count == len(instruction.operands) else None
        if value is None:
            self.conversion.refuse(self.op, f"the PTX instruction {instruction} is not supported", _HINT)
        return value

    def _mapped(self, instruction: Instruction) -> Value | None:
        """An instruction that is one function of all its operands."""
        *modifiers, suffix = instruction.modifiers or ("",)
        dtype = _TYPES.get(suffix)
        name = ".".join((instruction.opcode, *(m for m in modifiers if m not in _WITHOUT_MEANING)))
        if dtype is None:
            return None
        if dtype.is_float:
            function = _FLOATS.get(name)
        else:
            function = _BY_SIGN[name][suffix[0] != "s"] if name in _BY_SIGN else _INTEGERS.get(name)
        if function is None or FUNCTIONS[function].arity != len(instruction.operands) - 1:
            return None
        operands = [self.read(operand, dtype) for operand in instruction.operands[1:]]
        return self.map(function, *operands)

    def read(self, operand: str, dtype: DType) -> Value:
        """An operand as elements of `dtype`: a number, or a register's bits."""
        number = literal(operand)
        type_ = with_element(self.type, dtype)
        if isinstance(number, float) and not dtype.is_float:
            return self.cast("bitcast", self.constant(number, F32 if dtype.bits == F32.bits else F64), dtype)
        if number is not None:
            return self.conversion.constant(self.op, number, type_)
        value = self.registers.get(operand)
        if value is None:
            self.conversion.refuse(self.op, f"inline assembly: the register {operand} is not supported", _HINT)
        found = element_of(value.type)
        if found == dtype:
            return value
        if isinstance(found, DType) and found.bits == dtype.bits:
            return self.cast("bitcast", value, dtype)
        if found == I64 or not isinstance(found, DType) or dtype.is_float or found.is_float:
            self.refuse(f"{operand} holds {found}, the instruction takes {dtype}")
        return self.cast("zext" if dtype.bits > found.bits else "trunc", value, dtype)

    def map(self, function: str, *operands: Value) -> Value:
        type_ = operands[-1].type
        if function.startswith(("icmp", "fcmp", "is")):
            type_ = with_element(type_, I1)
        return self.conversion.make(self.op, ops.Map, operands, type_, {"function": function})

    def cast(self, kind: str, value: Value, dtype: DType) -> Value:
        return self.conversion.make(self.op, ops.Cast, (value,), with_element(self.type, dtype), {"kind": kind})

    def constant(self, number: int | float, dtype: DType) -> Value:
        return self.conversion.constant(self.op, number, with_element(self.type, dtype))


def _last_type(instruction: Instruction) -> DType | None:
    return _TYPES.get(instruction.modifiers[-1]) if instruction.modifiers else None


def _move(to: _Assembly, instruction: Instruction) -> Value | None:
    dtype = _last_type(instruction)
    return to.read(instruction.operands[1], dtype) if dtype and len(instruction.modifiers) == 1 else None


def _not(to: _Assembly, instruction: Instruction) -> Value | None:
    dtype = _last_type(instruction)
    if dtype is None:
        return None
    return to.map("xor", to.read(instruction.operands[1], dtype), to.constant(dtype.bits == 1 or -1, dtype))


def _reciprocal(to: _Assembly, instruction: Instruction) -> Value | None:
    dtype = _last_type(instruction)
    known = all(modifier in _WITHOUT_MEANING for modifier in instruction.modifiers[:-1])
    if dtype is None or not dtype.is_float or not known:
        return None
    return to.map("fdiv", to.constant(1.0, dtype), to.read(instruction.operands[1], dtype))


def _multiply_add(to: _Assembly, instruction: Instruction) -> Value | None:
    dtype = _last_type(instruction)
    if dtype is None or instruction.modifiers[0] != "lo":
        return None
    a, b, c = (to.read(operand, dtype) for operand in instruction.operands[1:])
    return to.map("add", to.map("mul", a, b), c)


def _lookup(to: _Assembly, instruction: Instruction) -> Value | None:
    """`lop3`: bit i of the table is the result where the bits of a, b, c are those of i."""
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


def _permute_bytes(to: _Assembly, instruction: Instruction) -> Value | None:
    """`prmt` with a constant selector and no sign replication."""
    a, b, selector = instruction.operands[1:]
    number = literal(selector)
    if instruction.modifiers != ("b32",) or not isinstance(number, int) or number & 0x8888:
        return None
    sources, total = (to.read(a, I32), to.read(b, I32)), to.constant(0, I32)
    for place in range(4):
        chosen = number >> 4 * place & 7
        byte = to.map("lshr", sources[chosen // 4], to.constant(8 * (chosen % 4), I32))
        byte = to.map("and", byte, to.constant(255, I32))
        total = to.map("or", total, to.map("shl", byte, to.constant(8 * place, I32)))
    return total


def _set_predicate(to: _Assembly, instruction: Instruction) -> Value | None:
    """`setp`: the relations of floats are false where an operand is NaN; `b` types are compared as equal or not."""
    dtype = _last_type(instruction)
    relation, suffix = instruction.modifiers[0], instruction.modifiers[-1]
    if dtype is None or relation not in _RELATIONS:
        return None
    sign = "o" if dtype.is_float else "" if relation in ("eq", "ne") else "s" if suffix[0] == "s" else "u"
    function = f"{'fcmp' if dtype.is_float else 'icmp'}_{sign}{relation}"
    return to.map(function, *(to.read(operand, dtype) for operand in instruction.operands[1:]))


def _select(to: _Assembly, instruction: Instruction) -> Value | None:
    dtype = _last_type(instruction)
    if dtype is None:
        return None
    yes, no, predicate = instruction.operands[1:]
    return to.map("select", to.read(predicate, I1), to.read(yes, dtype), to.read(no, dtype))


def _convert(to: _Assembly, instruction: Instruction) -> Value | None:
    if instruction.modifiers == ("rna", "tf32", "f32"):
        return _to_tf32(to, to.read(instruction.operands[1], F32))
    *modes, after_name, before_name = ("", "", *instruction.modifiers)
    before, after = _TYPES.get(before_name), _TYPES.get(after_name)
    mode = "".join(mode for mode in modes if mode != "ftz")
    if before is None or after is None:
        return None
    value = to.read(instruction.operands[1], before)
    if before.is_float and after.is_float and mode in ("", "rn", "rz"):
        type_ = with_element(value.type, after)
        return convert_float(to.conversion, to.op, value, type_, "rtz" if mode == "rz" else "rtne")
    if before.is_float and mode in _TO_INTEGER and not after.is_float:
        rounded = to.map(_TO_INTEGER[mode], value) if _TO_INTEGER[mode] else value
        return to.cast("fptosi" if after_name[0] == "s" else "fptoui", rounded, after)
    if not before.is_float and after.is_float and mode == "rn":
        return to.cast("sitofp" if before_name[0] == "s" else "uitofp", value, after)
    if before.is_float or after.is_float or mode:
        return None
    if before.bits == after.bits:
        return value
    narrower = after.bits < before.bits
    return to.cast("trunc" if narrower else "sext" if before_name[0] == "s" else "zext", value, after)


def _to_tf32(to: _Assembly, value: Value) -> Value:
    """The nearest number with 10 bits of mantissa, halves away from zero."""
    raised = to.map("add", to.cast("bitcast", value, I32), to.constant(_TF32_HALF, I32))
    rounded = to.cast("bitcast", to.map("and", raised, to.constant(_TF32_MASK, I32)), F32)
    return to.map("select", to.map("isfinite", value), rounded, value)


_SPECIAL: dict[str, tuple[int, Callable[[_Assembly, Instruction], Value | None]]] = {
    "mov": (2, _move),
    "not": (2, _not),
    "rcp": (2, _reciprocal),
    "mad": (4, _multiply_add),
    "lop3": (5, _lookup),
    "prmt": (4, _permute_bytes),
    "setp": (3, _set_predicate),
    "selp": (4, _select),
    "cvt": (2, _convert),
}
"""Opcode -> how many operands, and the translation of instructions that are more than one function."""
