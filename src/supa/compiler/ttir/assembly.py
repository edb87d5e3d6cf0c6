"""The rule of inline assembly: PTX on elements becomes the tile operations that compute the same; the rest is refused.

Read are straight lines of arithmetic, logic and conversions on whole registers; several elements at a time are packed
into registers and taken out again (`packs`). `.approx` and `.ftz` allow the device its own functions and its subnormal
numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from supa.base.dtypes import BF16, F16, F32, F64, I1, I8, I16, I32, I64, DType
from supa.compiler.ttir.conversion import Conversion, integer, rule, tile_type
from supa.compiler.ttir.elements import convert_float
from supa.compiler.ttir.packs import INTEGERS, Packs
from supa.compiler.ttir.ptx import Instruction, PtxError, listed, literal, read_ptx
from supa.compiler.ttir.structure import MlirOp, MlirValue
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.functions import FUNCTIONS
from supa.ir.types import Pointer, Tile, Type, element_of, with_element

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
_ORDERING = (
    "membar",
    "fence",
    "bar",
    "barrier",
)  # one thread runs a block's tiles in order, and host memory is coherent
_WAITING = ("griddepcontrol", "nanosleep")  # launches run one after another
_PAIRS = {"f16x2": F16, "bf16x2": BF16}
_TF32_HALF, _TF32_MASK = 1 << 12, -(1 << 13)
_HINT = "write the arithmetic with triton.language; known are straight lines of PTX on whole registers"


@rule("tt.elementwise_inline_asm")
def _inline_assembly(conversion: Conversion, op: MlirOp) -> None:
    try:
        instructions = read_ptx(str(op.attributes["asm_string"]))
    except PtxError as error:
        conversion.refuse(op, f"the inline assembly `{error}` is not supported", _HINT)
    if not op.results:
        conversion.refuse(op, "inline assembly without a result is not supported", _HINT)
    _Assembly(conversion, op).run(instructions)


class _Assembly:
    """Registers by name while the instructions of one text are translated."""

    def __init__(self, conversion: Conversion, op: MlirOp) -> None:
        self.conversion, self.op = conversion, op
        whole = tile_type(conversion, op, op.results[0].type)
        count = integer(op, "packed_element", 1) if isinstance(whole, Tile) else 1
        self.packs = Packs(conversion, op, whole, count)
        if not self.packs.fits:
            self.refuse(f"a tile of type {whole} is no whole number of packs of {count}")
        self.type: Type = self.packs.register_type
        self.results = [self._element(result) for result in op.results]
        self.counts = [self.packs.register_count(element) for element in self.results]
        inputs = [register for value in conversion.operands(op) for register in self.packs.registers(value)]
        start = sum(self.counts)
        self.registers = {f"${start + index}": value for index, value in enumerate(inputs)}
        self.orders_memory = False

    def _element(self, result: MlirValue) -> DType:
        element = element_of(tile_type(self.conversion, self.op, result.type))
        if not isinstance(element, DType):
            self.refuse(f"a result of type {element}")
        return element

    def run(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            if instruction.opcode in _ORDERING:
                self.conversion.block.append(ops.Barrier(location=self.conversion.place(self.op)))
                self.orders_memory = True
            elif instruction.opcode not in _WAITING:
                self._write(instruction)
            else:
                self.orders_memory = True
        results, first = [], 0
        for element, count in zip(self.results, self.counts, strict=True):
            dtype = self.packs.register_dtype(element)
            registers = [self._result(first + index, dtype) for index in range(count)]
            results.append(self.packs.elements(registers, element))
            first += count
        self.conversion.bind(self.op, results)

    def _write(self, instruction: Instruction) -> None:
        if not instruction.operands:
            self.conversion.refuse(self.op, f"the PTX instruction {instruction} is not supported", _HINT)
        members = listed(instruction.operands[0])
        if members is None:
            self.registers[instruction.operands[0]] = self._value(instruction)
            return
        dtype = _last_type(instruction)
        narrow = None if dtype is None else INTEGERS.get(dtype.bits // len(members))
        if instruction.opcode != "mov" or dtype is None or narrow is None or len(instruction.operands) != 2:
            self.conversion.refuse(self.op, f"the PTX instruction {instruction} is not supported", _HINT)
        parts = self.packs.apart(self.read(instruction.operands[1], dtype), len(members), narrow)
        self.registers.update(zip(members, parts, strict=True))

    def _result(self, index: int, dtype: DType) -> Value:
        if f"${index}" in self.registers:
            return self.read(f"${index}", dtype)
        if not self.orders_memory:
            self.refuse(f"nothing is written to ${index}")
        return self.constant(0, dtype)  # a fence's result means nothing

    def refuse(self, what: str) -> NoReturn:
        self.conversion.refuse(self.op, f"inline assembly: {what}", _HINT)

    def _value(self, instruction: Instruction) -> Value:
        counts, special = _SPECIAL.get(instruction.opcode, ((len(instruction.operands),), _Assembly._mapped))
        value = special(self, instruction) if len(instruction.operands) in counts else None
        if value is None:
            self.conversion.refuse(self.op, f"the PTX instruction {instruction} is not supported", _HINT)
        return value

    def _mapped(self, instruction: Instruction) -> Value | None:
        """An instruction that is one function of all its operands."""
        *modifiers, suffix = instruction.modifiers or ("",)
        if suffix in _PAIRS:
            return self._paired(instruction, _PAIRS[suffix])
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

    def _paired(self, instruction: Instruction, dtype: DType) -> Value | None:
        """An instruction on both 16-bit floats of 32-bit registers."""
        name = ".".join((instruction.opcode, *(m for m in instruction.modifiers[:-1] if m not in _WITHOUT_MEANING)))
        function = _FLOATS.get(name)
        if function is None or FUNCTIONS[function].arity != len(instruction.operands) - 1:
            return None
        operands = [self.packs.apart(self.read(operand, I32), 2, dtype) for operand in instruction.operands[1:]]
        return self.packs.together([self.map(function, *halves) for halves in zip(*operands, strict=True)])

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
    members = listed(instruction.operands[1])
    if members is not None:
        narrow = None if dtype is None else INTEGERS.get(dtype.bits // len(members))
        return None if narrow is None else to.packs.together([to.read(member, narrow) for member in members])
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


def _funnel_shift(to: _Assembly, instruction: Instruction) -> Value | None:
    """`shf`: 32 bits of the 64 that two registers are, the first the lower one, moved by the third."""
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


def _load(to: _Assembly, instruction: Instruction) -> Value | None:
    """`ld.global` through a pointer; what another block released is seen."""
    dtype, address = _last_type(instruction), instruction.operands[1]
    pointer = to.registers.get(address.strip("[] ")) if address.startswith("[") else None
    element = None if pointer is None else element_of(pointer.type)
    known = set(instruction.modifiers[:-1]) <= {"global", "acquire", "relaxed", "volatile", "gpu", "sys", "cta"}
    if dtype is None or pointer is None or not isinstance(element, Pointer) or not known:
        return None
    pointee = element.pointee
    if not isinstance(pointee, DType) or pointee.bits != dtype.bits:
        return None
    type_ = with_element(pointer.type, pointee)
    operands = (pointer, None, None)
    return to.conversion.make(to.op, ops.Load, operands, type_, {"volatile": True})


def _convert_pair(to: _Assembly, instruction: Instruction) -> Value | None:
    """`cvt` of two f32 into the halves of one register, the first operand into the upper one."""
    *modes, after, before = ("", *instruction.modifiers)
    if after not in _PAIRS or before != "f32" or "".join(modes) not in ("rn", "rz"):
        return None
    rounding = "rtz" if "rz" in modes else "rtne"
    high, low = (to.read(operand, F32) for operand in instruction.operands[1:])
    type_ = with_element(low.type, _PAIRS[after])
    return to.packs.together([convert_float(to.conversion, to.op, half, type_, rounding) for half in (low, high)])


def _convert(to: _Assembly, instruction: Instruction) -> Value | None:
    if len(instruction.operands) == 3:
        return _convert_pair(to, instruction)
    if instruction.modifiers == ("rna", "tf32", "f32"):
        return _to_tf32(to, to.read(instruction.operands[1], F32))
    *modes, after_name, before_name = ("", "", *instruction.modifiers)
    before, after = _TYPES.get(before_name), _TYPES.get(after_name)
    mode = "".join(mode for mode in modes if mode != "ftz")
    if before is None or after is None:
        return None
    value = to.read(instruction.operands[1], before)
    if before is after and before.is_float and mode in _TO_INTEGER:
        return to.map(_TO_INTEGER[mode] or "trunc", value)
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


_SPECIAL: dict[str, tuple[tuple[int, ...], Callable[[_Assembly, Instruction], Value | None]]] = {
    "mov": ((2,), _move),
    "not": ((2,), _not),
    "rcp": ((2,), _reciprocal),
    "mad": ((4,), _multiply_add),
    "lop3": ((5,), _lookup),
    "prmt": ((4,), _permute_bytes),
    "setp": ((3,), _set_predicate),
    "selp": ((4,), _select),
    "cvt": ((2, 3), _convert),
    "shf": ((4,), _funnel_shift),
    "ld": ((2,), _load),
}
"""Opcode -> how many operands it may have, and the translation of instructions that are more than one function."""
