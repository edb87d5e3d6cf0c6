"""PTX's `cvt` and `cvt.pack`: among floats, integers and the small formats of quantised models. Not here: bit moves."""

from __future__ import annotations

import math

from supa.base.dtypes import BF16, F8E4M3FN, F8E5M2, F16, F32, I1, I8, I16, I32, I64, DType
from supa.compiler.ttir.directed import from_integer, narrowed
from supa.compiler.ttir.elements import convert_float
from supa.compiler.ttir.elementwise import dtype_of
from supa.compiler.ttir.floats import largest
from supa.compiler.ttir.ptx.arithmetic import clamped
from supa.compiler.ttir.ptx.reader import Instruction
from supa.compiler.ttir.ptx.registers import Registers
from supa.compiler.ttir.ptx.table import DTYPES, is_signed, opcode
from supa.ir.core import Value
from supa.ir.types import with_element

_TO_INTEGER = {"rni": "rint", "rmi": "floor", "rpi": "ceil", "rzi": "trunc"}
_DIRECTIONS = {"rz": "z", "rm": "d", "rp": "u"}
_HALVES = {"f16x2": F16, "bf16x2": BF16}
_BYTES = {"e4m3x2": F8E4M3FN, "e5m2x2": F8E5M2}
_TF32_HALF, _TF32_MASK = 1 << 12, -(1 << 13)
_E2M1_STEPS = ((0.25, "fcmp_ogt"), (0.75, "fcmp_oge"), (1.25, "fcmp_ogt"), (1.75, "fcmp_oge"), (2.5, "fcmp_ogt"),
               (3.5, "fcmp_oge"), (5.0, "fcmp_ogt"))  # fmt: skip
"""Between neighbours of e2m1; halves go to the even code."""


@opcode("cvt")
def _convert(to: Registers, instruction: Instruction) -> Value | None:
    names = [modifier for modifier in instruction.modifiers if modifier != "ftz"]
    if names[:1] == ["pack"]:
        return _packed(to, instruction, names[1:])
    if len(names) < 2:
        return None
    *modes, after, before = names
    found = set(modes)
    if after == "tf32":
        return _to_tf32(to, to.read(instruction.operands[1], F32)) if found == {"rna"} else None
    operands = instruction.operands[1:]
    if after in _HALVES or after in _BYTES or after in ("e2m1x2", "ue8m0x2"):
        return _to_pair(to, operands, after, before, found)
    if len(operands) != 1 or before not in DTYPES or after not in DTYPES:
        return None
    return _number(to, to.read(operands[0], DTYPES[before], signed=is_signed(before)), before, after, found)


# ---- one number ------------------------------------------------------------------------------------------------


def _number(to: Registers, value: Value, before_name: str, after_name: str, modes: set[str]) -> Value | None:
    before, after = DTYPES[before_name], DTYPES[after_name]
    mode = "".join(modes - {"sat", "relu", "satfinite"})
    if before.is_float and after.is_float:
        value_or_none = _float_to_float(to, value, after, mode)
        return None if value_or_none is None else _limited(to, value_or_none, modes)
    if before.is_float:
        if mode not in _TO_INTEGER:
            return None
        rounded = to.map(_TO_INTEGER[mode], value)
        return to.cast("fptosi" if is_signed(after_name) else "fptoui", rounded, after)
    if after.is_float:
        return _integer_to_float(to, value, after, mode, is_signed(before_name))
    if mode:
        return None
    if "sat" in modes:
        wide = to.as_bits(value, I64, signed=is_signed(before_name))
        return clamped(to, wide, after, signed=is_signed(after_name))
    return to.as_bits(value, after, signed=is_signed(before_name))


def _float_to_float(to: Registers, value: Value, after: DType, mode: str) -> Value | None:
    before = dtype_of(value)
    if before == after and mode in _TO_INTEGER:
        return to.map(_TO_INTEGER[mode], value)
    type_ = with_element(value.type, after)
    if mode in ("", "rn"):
        return convert_float(to.conversion, to.op, value, type_, "rtne")
    if mode == "rz":
        return convert_float(to.conversion, to.op, value, type_, "rtz")
    return narrowed(to, value, after, _DIRECTIONS[mode]) if mode in _DIRECTIONS and after.bits < before.bits else None


def _integer_to_float(to: Registers, value: Value, after: DType, mode: str, signed: bool) -> Value | None:
    if mode in _DIRECTIONS:
        return from_integer(to, value, after, _DIRECTIONS[mode], signed)
    return to.cast("sitofp" if signed else "uitofp", value, after) if mode == "rn" else None


def _limited(to: Registers, value: Value, modes: set[str]) -> Value:
    """`.relu`: not below 0; `.sat`: to [0, 1]; `.satfinite`: to the finite numbers."""
    if "relu" in modes:
        value = to.map("fmaximum", value, to.like(0.0, value))
    if "sat" in modes:
        value = to.map("fmin", to.map("fmax", value, to.like(0.0, value)), to.like(1.0, value))
    if "satfinite" in modes:
        most = largest(dtype_of(value))
        value = to.map("fminimum", to.map("fmaximum", value, to.like(-most, value)), to.like(most, value))
    return value


def _to_tf32(to: Registers, value: Value) -> Value:
    """The nearest number with 10 bits of mantissa, halves away from zero."""
    raised = to.map("add", to.cast("bitcast", value, I32), to.constant(_TF32_HALF, I32))
    rounded = to.cast("bitcast", to.map("and", raised, to.constant(_TF32_MASK, I32)), F32)
    return to.select(to.map("isfinite", value), rounded, value)


# ---- two numbers in one register -------------------------------------------------------------------------------


def _to_pair(to: Registers, operands: tuple[str, ...], after: str, before: str, modes: set[str]) -> Value | None:
    """Two f32, the first for the upper half, or the two numbers of a register, as two numbers of another format."""
    if "rs" in modes:
        return _randomly_rounded(to, operands, after, modes) if before == "f32" and len(operands) == 3 else None
    if before == "f32" and len(operands) == 2:
        sources = [to.read(operand, F32) for operand in reversed(operands)]
    elif len(operands) == 1:
        found = _sources(to, operands[0], before)
        if found is None:
            return None
        sources = found
    else:
        return None
    if after == "e2m1x2":
        return _to_e2m1(to, sources, modes)
    if after == "ue8m0x2":
        return _to_e8m0(to, sources, "rp" in modes)
    dtype = _HALVES.get(after) or _BYTES[after]
    mode = "".join(modes - {"satfinite", "relu"})
    if mode not in ("", "rn", "rz") or (mode == "rz" and after in _BYTES):
        return None
    if "relu" in modes:
        sources = [to.map("fmaximum", source, to.like(0.0, source)) for source in sources]
    halves = [_float_to_float(to, source, dtype, mode) for source in sources]
    limits = modes & {"satfinite"} if after in _HALVES else set()
    return to.together([_limited(to, half, limits) for half in halves if half is not None])


def _sources(to: Registers, operand: str, before: str) -> list[Value] | None:
    if before in _HALVES:
        return to.apart(operand, 2, _HALVES[before])
    if before in _BYTES:
        return [to.cast("fpext", part, F32) for part in to.apart(operand, 2, _BYTES[before])]
    if before == "ue8m0x2":
        return [_from_e8m0(to, part) for part in to.apart(operand, 2, I8)]
    if before == "e2m1x2":
        byte = to.as_bits(to.read(operand, I8), I32)
        return [_from_e2m1(to, to.map("lshr", byte, to.constant(shift, I32))) for shift in (0, 4)]
    return None


def _from_e2m1(to: Registers, code: Value) -> Value:
    """Sign, two bits of exponent, one of mantissa: as the high bits of an f32, which is 2**126 times smaller."""
    magnitude = to.map("shl", to.map("and", code, to.constant(7, I32)), to.constant(22, I32))
    sign = to.map("shl", to.map("and", code, to.constant(8, I32)), to.constant(28, I32))
    small = to.cast("bitcast", to.map("or", magnitude, sign), F32)
    return to.map("fmul", small, to.constant(2.0**126, F32))


def _to_e2m1(to: Registers, sources: list[Value], modes: set[str]) -> Value | None:
    """To the nearest, at most 6; NaN gives 6. The first number takes the low half of the byte."""
    if modes - {"rn", "satfinite", "relu"}:
        return None
    total = to.constant(0, I32)
    for place, source in enumerate(sources):
        value = to.cast("fpext", source, F32)
        if "relu" in modes:
            value = to.map("fmaximum", value, to.like(0.0, value))
        nan = to.map("isnan", value)
        size = to.select(nan, to.like(6.0, value), to.map("fabs", value))
        code = to.constant(0, I32)
        for bound, relation in _E2M1_STEPS:
            code = to.map("add", code, to.cast("zext", to.map(relation, size, to.like(bound, size)), I32))
        negative = to.map("and", to.map("signbit", value), to.map("xor", nan, to.constant(True, I1)))
        code = to.map("or", code, to.select(negative, to.constant(8, I32), to.constant(0, I32)))
        total = to.map("or", total, to.map("shl", code, to.constant(4 * place, I32)))
    return to.as_bits(total, I8)


def _from_e8m0(to: Registers, code: Value) -> Value:
    """2**(code - 127); 255 is NaN."""
    wide = to.cast("zext", code, I32)
    normal = to.cast("bitcast", to.map("shl", wide, to.constant(23, I32)), F32)
    lowest = to.map("icmp_eq", wide, to.constant(0, I32))
    value = to.select(lowest, to.constant(2.0**-127, F32), normal)
    return to.select(to.map("icmp_eq", wide, to.constant(255, I32)), to.constant(math.nan, F32), value)


def _to_e8m0(to: Registers, sources: list[Value], up: bool) -> Value:
    """The power of two at or below the magnitude, or, rounding up, at or above it; at most 2**127; NaN gives 255."""
    parts = []
    for source in sources:
        value = to.map("fabs", to.cast("fpext", source, F32))
        bits = to.cast("bitcast", value, I32)
        code = to.map("lshr", bits, to.constant(23, I32))
        if up:
            mantissa = to.map("and", bits, to.constant(0x7FFFFF, I32))
            subnormal = to.map("icmp_eq", code, to.constant(0, I32))
            exact = to.select(subnormal, to.constant(0x400000, I32), to.constant(0, I32))
            code = to.map("add", code, to.cast("zext", to.map("icmp_ugt", mantissa, exact), I32))
        code = to.map("umin", code, to.constant(254, I32))
        code = to.select(to.map("isnan", value), to.constant(255, I32), code)
        parts.append(to.cast("trunc", code, I8))
    return to.together(parts)


def _randomly_rounded(to: Registers, operands: tuple[str, ...], after: str, modes: set[str]) -> Value | None:
    """Toward zero after random bits were added below the last bit kept: 13 (f16) or 16 (bf16) of each half of the last
    operand, its upper half for the upper number.
    """
    if after not in _HALVES:
        return None
    dtype = _HALVES[after]
    width = F32.mantissa_bits - dtype.mantissa_bits
    sources = [to.read(operand, F32) for operand in (operands[1], operands[0])]
    halves = []
    for source, word in zip(sources, to.apart(operands[2], 2, I16), strict=True):
        random = to.map("and", to.cast("zext", word, I32), to.constant((1 << width) - 1, I32))
        raised = to.cast("bitcast", to.map("add", to.cast("bitcast", source, I32), random), F32)
        if dtype == F16:
            raised = _among_subnormals(to, source, raised, random)
        raised = to.select(to.map("isfinite", source), raised, source)
        half = convert_float(to.conversion, to.op, raised, with_element(source.type, dtype), "rtz")
        halves.append(_limited(to, half, modes & {"satfinite", "relu"}))
    return to.together(halves)


def _among_subnormals(to: Registers, source: Value, raised: Value, random: Value) -> Value:
    """Below f16's normal numbers the last bit kept is 2**-24, so the random bits are multiples of 2**-37."""
    part = to.map("fmul", to.cast("uitofp", random, F32), to.constant(2.0**-37, F32))
    moved = to.map("fadd", source, to.map("copysign", part, source))
    small = to.map("fcmp_olt", to.map("fabs", source), to.constant(2.0**-14, F32))
    return to.select(small, moved, raised)


def _packed(to: Registers, instruction: Instruction, names: list[str]) -> Value | None:
    """`cvt.pack.sat`: two s32 clamped into the low bits, the second operand lowest, the third moved above them."""
    if len(names) < 3 or names[0] != "sat" or names[1] not in ("s8", "u8", "s16", "u16") or names[2] != "s32":
        return None
    dtype = DTYPES[names[1]]
    first, second, *rest = instruction.operands[1:]
    wide = [to.cast("sext", to.read(operand, I32), I64) for operand in (second, first)]
    low = to.together([clamped(to, value, dtype, signed=is_signed(names[1])) for value in wide])
    if dtype == I16:
        return low if not rest else None
    if len(rest) != 1:
        return None
    return to.together([low, to.read(rest[0], I16)])
