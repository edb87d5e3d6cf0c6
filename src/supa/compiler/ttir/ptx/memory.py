"""PTX's accesses to global memory, atomic operations, fences, and instructions that wait or give hints.

Not here: shared memory, which programs do not address; asynchronous copies.
"""

from __future__ import annotations

from supa.base.dtypes import F16, I1, I8, I64, DType
from supa.compiler.ttir.elementwise import dtype_of
from supa.compiler.ttir.ptx.reader import Instruction, address, listed
from supa.compiler.ttir.ptx.registers import Registers
from supa.compiler.ttir.ptx.table import DTYPES, PAIRS, effect, is_signed, opcode
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import Pointer, element_of, with_element

_ORDERS = ("relaxed", "acquire", "release", "acq_rel")
_SCOPES = {"gpu": "gpu", "sys": "sys", "cta": "cta", "cluster": "gpu"}
_KNOWN = {"global", "volatile", "weak", "nc", "mmio", "ca", "cg", "cs", "lu", "cv", "wb", "wt", *_ORDERS, *_SCOPES}
_VECTORS = {"v2": 2, "v4": 4, "v8": 8}
_KINDS = {"add": "add", "and": "and", "or": "or", "xor": "xor", "exch": "xchg"}
_KINDS_BY_SIGN = {"min": ("smin", "umin"), "max": ("smax", "umax")}


def _is_known(modifier: str) -> bool:
    return modifier in _KNOWN or modifier.startswith(("L1::", "L2::"))


def _accessed(instruction: Instruction) -> tuple[DType, int] | None:
    """The type of each number and how many there are, of `ld` and `st`."""
    dtype = DTYPES.get(instruction.modifiers[-1]) if instruction.modifiers else None
    vectors = [_VECTORS[modifier] for modifier in instruction.modifiers if modifier in _VECTORS]
    others = [modifier for modifier in instruction.modifiers[:-1] if modifier not in _VECTORS]
    if dtype is None or "global" not in others or not all(map(_is_known, others)):
        return None
    return dtype, vectors[0] if vectors else 1


def _pointer(to: Registers, operand: str, dtype: DType, index: int) -> Value | None:
    """The address of the `index`-th number behind an operand in brackets."""
    place = address(operand)
    if place is None:
        return None
    name, offset = place
    pointer = to.pointer(name)
    offset += index * dtype.bytes
    if pointer is None:
        whole = to.cast("inttoptr", to.read(name, I64), Pointer(I8))
    else:
        whole = _retyped(to, pointer, I8) if offset else pointer
    if offset:
        offsets = to.constant(offset, I64)
        whole = to.conversion.make(to.op, ops.AddPtr, (whole, offsets), whole.type)
    return _retyped(to, whole, dtype)


def _retyped(to: Registers, pointer: Value, dtype: DType) -> Value:
    type_ = Pointer(dtype)
    if element_of(pointer.type) == type_:
        return pointer
    return to.conversion.make(to.op, ops.Cast, (pointer,), with_element(pointer.type, type_), {"kind": "bitcast"})


def _fence(to: Registers) -> None:
    to.conversion.block.append(ops.Barrier(location=to.conversion.place(to.op)))


@opcode("ld", operands=(2,))
def _load(to: Registers, instruction: Instruction) -> list[Value] | None:
    found = _accessed(instruction)
    if found is None:
        return None
    dtype, count = found
    volatile = not {"nc", "weak"} & set(instruction.modifiers)
    values = []
    for index in range(count):
        pointer = _pointer(to, instruction.operands[1], dtype, index)
        if pointer is None:
            return None
        operands = (pointer, to.active, None)
        type_ = with_element(pointer.type, dtype)
        value = to.conversion.make(to.op, ops.Load, operands, type_, {"volatile": volatile})
        narrow = dtype.bits < 32 and is_signed(instruction.modifiers[-1])
        values.append(to.as_bits(value, DTYPES["s32"], signed=True) if narrow else value)
    if "acquire" in instruction.modifiers:
        _fence(to)
    return values


@effect("st")
def _store(to: Registers, instruction: Instruction) -> bool:
    found = _accessed(instruction)
    if found is None or len(instruction.operands) != 2:
        return False
    dtype, count = found
    where, what = instruction.operands
    members = listed(what) or [what]
    if len(members) != count:
        return False
    if "release" in instruction.modifiers:
        _fence(to)
    for index, member in enumerate(members):
        pointer = _pointer(to, where, dtype, index)
        if pointer is None:
            return False
        operands = (pointer, to.read(member, dtype), to.active)
        to.conversion.block.append(ops.Store(operands, (), {}, (), to.conversion.place(to.op)))
    return True


@opcode("atom")
def _atomic(to: Registers, instruction: Instruction) -> Value | None:
    return _exchanged(to, instruction, instruction.operands[1:])


@effect("red")
def _reduction(to: Registers, instruction: Instruction) -> bool:
    return _exchanged(to, instruction, instruction.operands) is not None


def _exchanged(to: Registers, instruction: Instruction, operands: tuple[str, ...]) -> Value | None:
    """The old value; pairs are two atomic operations on neighbours."""
    *others, suffix = instruction.modifiers
    words = [word for word in others if word != "noftz" and not _is_known(word)]
    dtype = PAIRS.get(suffix) or DTYPES.get(suffix)
    if dtype is None or len(words) != 1 or "global" not in others:
        return None
    order = next((word for word in others if word in _ORDERS), "relaxed")
    attributes: dict[str, object] = {"order": order}
    attributes["scope"] = next((_SCOPES[word] for word in others if word in _SCOPES), "gpu")
    if words[0] == "cas":
        return _compare_and_swap(to, operands, dtype, attributes)
    kind = _KINDS.get(words[0])
    if words[0] in _KINDS_BY_SIGN and dtype.is_int:
        kind = _KINDS_BY_SIGN[words[0]][not is_signed(suffix)]
    if kind is None or len(operands) != 2:
        return None
    attributes["kind"] = "fadd" if dtype.is_float and kind == "add" else kind
    count = 2 if suffix in PAIRS else 1
    values = to.apart(operands[1], 2, dtype) if count == 2 else [to.read(operands[1], dtype)]
    results = []
    for index, value in enumerate(values):
        pointer = _pointer(to, operands[0], dtype, index)
        if pointer is None:
            return None
        type_ = with_element(pointer.type, dtype)
        results.append(to.conversion.make(to.op, ops.AtomicRmw, (pointer, value, to.active), type_, dict(attributes)))
    return to.together(results)


def _compare_and_swap(
    to: Registers, operands: tuple[str, ...], dtype: DType, attributes: dict[str, object]
) -> Value | None:
    """Elements left out swap a value for itself at their own place only if nothing is left out."""
    if len(operands) != 3 or dtype == F16:
        return None
    if to.active is not None:
        to.refuse("atom.cas under a predicate or after a branch is not supported", "use tl.atomic_cas in an `if`")
    pointer = _pointer(to, operands[0], dtype, 0)
    if pointer is None:
        return None
    expected, new = (to.read(operand, dtype) for operand in operands[1:])
    type_ = with_element(pointer.type, dtype_of(new))
    return to.conversion.make(to.op, ops.AtomicCas, (pointer, expected, new), type_, attributes)


@effect("membar", "fence", "bar", "barrier")
def _barrier(to: Registers, instruction: Instruction) -> bool:
    """One thread runs a block's tiles in order, and host memory is coherent."""
    if {"red", "popc"} & set(instruction.modifiers):
        return False
    _fence(to)
    return True


@effect("griddepcontrol", "nanosleep", "prefetch", "prefetchu", "applypriority", "discard", "pmevent")
def _nothing(to: Registers, instruction: Instruction) -> bool:
    """Launches run one after another; the rest are hints."""
    return True


@effect("trap")
def _trap(to: Registers, instruction: Instruction) -> bool:
    """Stops the launch if any element gets here."""
    active = to.active
    holds = to.constant(False, I1) if active is None else to.negated(active)
    message = {"message": "trap in inline assembly"}
    to.conversion.block.append(ops.Assert((holds,), (), message, (), to.conversion.place(to.op)))
    return True
