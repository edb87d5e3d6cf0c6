"""The registers of one inline assembly while its instructions are translated, and which elements run them.

A guard or a branch forward leaves some elements out: what they write is chosen element by element, and their accesses
are masked. Not here: what an opcode becomes (`table` and what registers in it).
"""

from __future__ import annotations

from typing import NoReturn

from supa.base.dtypes import F32, F64, I1, I64, DType
from supa.compiler.ttir.conversion import Conversion
from supa.compiler.ttir.elementwise import Elementwise, dtype_of
from supa.compiler.ttir.ptx import places
from supa.compiler.ttir.ptx.loops import emit_loop, last_branch
from supa.compiler.ttir.ptx.packs import INTEGERS, Packs
from supa.compiler.ttir.ptx.reader import Instruction, Label, listed, literal
from supa.compiler.ttir.ptx.table import EFFECTS, RULES
from supa.compiler.ttir.structure import MlirOp
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import Pointer, Tile, element_of, shape_of, with_element

_NESTED = "let loops stand in one another or side by side, or write them in triton.language"
HINT = "write it with triton.language; docs/assembly.md lists the PTX that is known"
_THREADS = "the threads of a program are not told apart: use tl.arange, tl.reduce, tl.gather"
_THREAD_WORDS = ("shfl", "vote", "redux", "match", "activemask", "elect", "movmatrix", "ldmatrix", "stmatrix", "mma")


class Registers(Elementwise):
    """Registers by name, and the elements that run now."""

    def __init__(self, conversion: Conversion, op: MlirOp, packs: Packs, values: dict[str, Value]) -> None:
        super().__init__(conversion, op, packs.register_type)
        self.packs, self.values = packs, values
        self.has_effect = False  # an instruction without a destination ran: results may be left unwritten
        self.base: Value | None = None  # the elements that this turn of the innermost loop is for; None: all
        self.running: Value | None = None  # those of them that no branch has left out; None: all
        self._guard: Value | None = None
        self.jumped: dict[str, Value] = {}  # label -> the elements that wait there
        self.passed: set[str] = set()
        self.loops: list[str] = []  # the labels of the loops around, outermost first

    def run(self, instructions: list[Instruction | Label]) -> None:
        """Translate all instructions."""
        self.translate(instructions)
        if self.jumped:
            self.refuse(f"a branch to {next(iter(self.jumped))}, which no line has as its label, or one inside a loop")

    def translate(self, instructions: list[Instruction | Label]) -> None:
        """Translate some of the instructions, loops as a whole."""
        place = 0
        while place < len(instructions):
            instruction = instructions[place]
            if isinstance(instruction, Label):
                self._arrive(instruction.name)
                last = last_branch(instructions, place)
                if last is not None:
                    self.loops.append(instruction.name)
                    emit_loop(self, instruction.name, instructions[place + 1 : last + 1])
                    self.loops.pop()
                    place = last
            else:
                self._step(instruction)
            place += 1

    @property
    def active(self) -> Value | None:
        """The elements that run this instruction; None: all."""
        return self._both(self.running, self._guard)

    # ---- instructions ----------------------------------------------------------------------------------------

    def _step(self, instruction: Instruction) -> None:
        self._guard = self._predicate(instruction.guard) if instruction.guard else None
        if instruction.opcode == "bra":
            self._branch(instruction)
        elif instruction.opcode in EFFECTS:
            self.has_effect = True
            if not EFFECTS[instruction.opcode](self, instruction):
                self._unknown(instruction)
        else:
            self._write(instruction)

    def _write(self, instruction: Instruction) -> None:
        counts, rule = RULES.get(instruction.opcode, ((), None))
        known = rule and instruction.operands and (not counts or len(instruction.operands) in counts)
        found = rule(self, instruction) if known and rule else None
        if found is None:
            self._unknown(instruction)
        targets = listed(instruction.operands[0]) or [part.strip() for part in instruction.operands[0].split("|")]
        values = found if isinstance(found, list) else [found]
        if len(targets) != len(values):
            self._unknown(instruction)
        active = self.active
        for name, value in zip(targets, values, strict=True):
            if active is not None and name in self.values:
                if isinstance(element_of(value.type), Pointer):
                    value = self.cast("ptrtoint", value, I64)
                value = self.select(active, value, self.read(name, dtype_of(value)))
            self.values[name] = value

    def _unknown(self, instruction: Instruction) -> NoReturn:
        hint = _THREADS if instruction.opcode in _THREAD_WORDS else HINT
        self.conversion.refuse(self.op, f"the PTX instruction {instruction} is not supported", hint)

    def refuse(self, what: str, hint: str = HINT) -> NoReturn:
        """End at the user's line."""
        self.conversion.refuse(self.op, f"inline assembly: {what}", hint)

    # ---- which elements run ----------------------------------------------------------------------------------

    def _predicate(self, name: str) -> Value:
        value = self.read(name.removeprefix("!"), I1)
        return self.negated(value) if name.startswith("!") else value

    def negated(self, predicate: Value) -> Value:
        """Where a predicate does not hold."""
        return self.map("xor", predicate, self.constant(True, I1))

    def _both(self, left: Value | None, right: Value | None) -> Value | None:
        if left is None or right is None:
            return right if left is None else left
        return self.map("and", left, right)

    def _branch(self, instruction: Instruction) -> None:
        label = instruction.operands[0]
        if label in self.passed and label not in self.loops:
            self.refuse(f"the branch back to {label} from outside its loop is not supported", _NESTED)
        leaving = self.active
        if leaving is None:
            leaving = self.constant(True, I1)
        self.wait_at(label, leaving)
        staying = self.negated(leaving)
        self.running = staying if self.running is None else self.map("and", self.running, staying)

    def _arrive(self, label: str) -> None:
        self.passed.add(label)
        waiting = self.jumped.pop(label, None)
        if waiting is None or self.running is None:
            return
        self.running = self.map("or", self.running, waiting) if self.jumped else self.base

    def wait_at(self, label: str, elements: Value) -> None:
        """These elements go on at `label`."""
        before = self.jumped.get(label)
        self.jumped[label] = elements if before is None else self.map("or", before, elements)

    # ---- operands --------------------------------------------------------------------------------------------

    def read(self, operand: str, dtype: DType, *, signed: bool = False) -> Value:
        """An operand as elements of `dtype`: a number, or a register's bits; narrower ones are extended."""
        number = literal(operand)
        if isinstance(number, float) and not dtype.is_float:
            return self.cast("bitcast", self.constant(number, F32 if dtype.bits == F32.bits else F64), dtype)
        if isinstance(number, int) and dtype.is_float:
            return self.cast("bitcast", self.constant(_signed(number, dtype), INTEGERS[dtype.bits]), dtype)
        if number is not None:
            return self.constant(_signed(number, dtype) if isinstance(number, int) else number, dtype)
        if operand.startswith("!"):
            return self.negated(self.read(operand[1:], dtype))
        return self.as_bits(self._value(operand), dtype, signed=signed)

    def _value(self, name: str) -> Value:
        value = self.values.get(name)
        if value is not None:
            return value
        place = places.read(self.conversion, self.op, name)
        if place is not None:
            return self._spread(place)
        hint = _THREADS if places.tells_threads_apart(name) else HINT
        self.refuse(f"the register {name} is not supported", hint)

    def _spread(self, scalar: Value) -> Value:
        if not isinstance(self.type, Tile):
            return scalar
        return self.conversion.make(self.op, ops.Splat, (scalar,), with_element(self.type, dtype_of(scalar)))

    def pointer(self, name: str) -> Value | None:
        """The register's value if it is a pointer."""
        value = self.values.get(name)
        return value if value is not None and isinstance(element_of(value.type), Pointer) else None

    def as_bits(self, value: Value, dtype: DType, *, signed: bool = False) -> Value:
        """The low bits of a value as elements of `dtype`; narrower integers are extended."""
        if isinstance(element_of(value.type), Pointer):
            value = self.cast("ptrtoint", value, I64)
        found = dtype_of(value)
        if found.bits == dtype.bits:
            return self.cast("bitcast", value, dtype)
        if dtype == I1:
            self.refuse(f"a predicate is expected, found {found}")
        if found.is_float:
            value = self.cast("bitcast", value, INTEGERS[found.bits])
        to = INTEGERS[dtype.bits]
        kind = "trunc" if dtype.bits < found.bits else "sext" if signed and found != I1 else "zext"
        return self.cast("bitcast", self.cast(kind, value, to), dtype)

    def apart(self, operand: str, count: int, dtype: DType) -> list[Value]:
        """The `count` values of `dtype` that a register holds, the lowest first."""
        return self.packs.apart(self.read(operand, INTEGERS[dtype.bits * count]), count, dtype)

    def together(self, parts: list[Value]) -> Value:
        """One register of several values, the first in the lowest bits."""
        return self.packs.together(parts)

    @property
    def shape(self) -> tuple[int, ...]:
        """The extents of a register's tile."""
        return shape_of(self.type)


def _signed(number: int, dtype: DType) -> int:
    """A literal's bits as the signed number that constants hold."""
    if dtype == I1:
        return number & 1
    bits = dtype.bits
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number
