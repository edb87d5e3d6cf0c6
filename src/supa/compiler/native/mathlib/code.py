"""A notation for straight-line vector code: Python expressions that write LLVM IR. Not here: any function.

`Code` is one function's body; a `Value` is a vector in it. `x * x + 1.0`, `code.fma(a, b, c)` and
`code.select(x < 0.0, a, b)` append an instruction per operation. No fast-math flags are
ever set: the text means exactly what it says.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from supa.compiler.native.lanes import suffix

FLOATS = ("float", "double")
_INT_OF = {"float": "i32", "double": "i64", "i32": "i32", "i64": "i64"}
_FLOAT_OF = {"i32": "float", "i64": "double"}


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A vector of the code's width; `type` is the LLVM type of one lane, `name` an operand (a name or a splat)."""

    code: Code
    type: str
    name: str

    def __add__(self, other: Operand) -> Value:
        return self.code.binary("add", self, other)

    def __sub__(self, other: Operand) -> Value:
        return self.code.binary("sub", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return self.code.binary("sub", self.code.like(self, other), self)

    def __mul__(self, other: Operand) -> Value:
        return self.code.binary("mul", self, other)

    def __truediv__(self, other: Operand) -> Value:
        return self.code.binary("div", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self.code.binary("div", self.code.like(self, other), self)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Value:
        return self.code.op(self.type, f"fneg {self.code.vector(self.type)} {self.name}")

    def __and__(self, other: Operand) -> Value:
        return self.code.binary("and", self, other)

    def __or__(self, other: Operand) -> Value:
        return self.code.binary("or", self, other)

    def __xor__(self, other: Operand) -> Value:
        return self.code.binary("xor", self, other)

    def __invert__(self) -> Value:
        return self.code.op("i1", f"xor {self.code.vector('i1')} {self.name}, splat (i1 true)")

    def __lshift__(self, other: int) -> Value:
        return self.code.binary("shl", self, other)

    def __rshift__(self, other: int) -> Value:
        return self.code.binary("ashr", self, other)

    def __lt__(self, other: Operand) -> Value:
        return self.code.compare("lt", self, other)

    def __le__(self, other: Operand) -> Value:
        return self.code.compare("le", self, other)

    def __gt__(self, other: Operand) -> Value:
        return self.code.compare("gt", self, other)

    def __ge__(self, other: Operand) -> Value:
        return self.code.compare("ge", self, other)

    def same(self, other: Operand) -> Value:
        """Lanes that are equal (a NaN equals nothing)."""
        return self.code.compare("eq", self, other)

    def is_nan(self) -> Value:
        """Lanes that hold a NaN."""
        return self.code.op("i1", f"fcmp uno {self.code.vector(self.type)} {self.name}, {self.name}")

    def bits(self) -> Value:
        """The floats' bits as integers."""
        return self._cast("bitcast", _INT_OF[self.type])

    def floats(self) -> Value:
        """Integers taken as the bits of floats."""
        return self._cast("bitcast", _FLOAT_OF[self.type])

    def wide(self) -> Value:
        """The floats as double, exactly."""
        return self if self.type == "double" else self._cast("fpext", "double")

    def narrow(self) -> Value:
        """The doubles rounded to float."""
        return self if self.type == "float" else self._cast("fptrunc", "float")

    def to_int(self) -> Value:
        """Floats that are small integers, as i32."""
        return self._cast("fptosi", "i32")

    def to_float(self, type_: str) -> Value:
        """Signed integers as floats."""
        return self._cast("sitofp", type_)

    def resized(self, type_: str) -> Value:
        """Integers sign extended or cut to another width."""
        if self.type == type_:
            return self
        return self._cast("trunc" if (self.type, type_) == ("i64", "i32") else "sext", type_)

    def _cast(self, kind: str, type_: str) -> Value:
        code = self.code
        return code.op(type_, f"{kind} {code.vector(self.type)} {self.name} to {code.vector(type_)}")


Operand = Value | int | float


def bits_of(value: float) -> str:
    """LLVM's exact spelling of a float or double constant."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


class Code:
    """The body of one function on vectors of `lanes` elements of `type` (float or double)."""

    def __init__(self, type_: str, lanes: int, *, has_scale: bool, require: Callable[[str], str]) -> None:
        self.type = type_
        self.lanes = lanes
        self.has_scale = has_scale  # the host scales by powers of two in one instruction
        self.require = require  # another function of the library, of our type and width, by name
        self.lines: list[str] = []
        self.declarations: set[str] = set()
        self.block = "entry"
        self.slots: list[str] = []  # what stands first in the entry block; only a loop has any
        self._counter = 0

    def vector(self, type_: str) -> str:
        """LLVM's name of a vector of our width."""
        return f"<{self.lanes} x {type_}>"

    def op(self, type_: str, text: str) -> Value:
        """Append one instruction."""
        self._counter += 1
        name = f"%v{self._counter}"
        self.lines.append(f"  {name} = {text}")
        return Value(self, type_, name)

    def constant(self, value: float, type_: str) -> Value:
        """A constant in every lane."""
        if type_ in FLOATS:
            number = struct.unpack("<f", struct.pack("<f", value))[0] if type_ == "float" else float(value)
            return Value(self, type_, f"splat ({type_} {bits_of(number)})")
        return Value(self, type_, f"splat ({type_} {int(value)})")

    def like(self, model: Value, value: Operand) -> Value:
        """A value or a constant of the model's type."""
        return value if isinstance(value, Value) else self.constant(value, model.type)

    def binary(self, operation: str, left: Value, right: Operand) -> Value:
        """One arithmetic or logical instruction."""
        arithmetic = operation in ("add", "sub", "mul", "div")
        name = "f" + operation if arithmetic and left.type in FLOATS else operation
        return self.op(left.type, f"{name} {self.vector(left.type)} {left.name}, {self.like(left, right).name}")

    def compare(self, predicate: str, left: Value, right: Operand) -> Value:
        """An ordered comparison of floats, or a signed one of integers."""
        if left.type in FLOATS:
            instruction = "fcmp o" + predicate
        else:
            instruction = "icmp " + (predicate if predicate == "eq" else "s" + predicate)
        return self.op("i1", f"{instruction} {self.vector(left.type)} {left.name}, {self.like(left, right).name}")

    def select(self, mask: Value, yes: Operand, no: Operand) -> Value:
        """`yes` where the mask holds, else `no` (at least one a Value)."""
        model = yes if isinstance(yes, Value) else no
        assert isinstance(model, Value)
        yes, no, of = self.like(model, yes), self.like(model, no), self.vector(model.type)
        return self.op(model.type, f"select {self.vector('i1')} {mask.name}, {of} {yes.name}, {of} {no.name}")

    def intrinsic(self, name: str, *arguments: Value) -> Value:
        """A call of an LLVM intrinsic overloaded on its first argument's type."""
        of = self.vector(arguments[0].type)
        full = f"@llvm.{name}.{suffix(of)}"
        self.declarations.add(f"declare {of} {full}({', '.join(self.vector(a.type) for a in arguments)})")
        names = ", ".join(f"{self.vector(a.type)} {a.name}" for a in arguments)
        return self.op(arguments[0].type, f"call {of} {full}({names})")

    def fma(self, left: Value, right: Operand, addend: Operand) -> Value:
        """left * right + addend, rounded once."""
        return self.intrinsic("fma", left, self.like(left, right), self.like(left, addend))

    def abs(self, x: Value) -> Value:
        """|x|."""
        return self.intrinsic("fabs", x)

    def rint(self, x: Value) -> Value:
        """x rounded to an integer, halves to even."""
        return self.intrinsic("roundeven", x)

    def floor(self, x: Value) -> Value:
        """The largest integer up to x."""
        return self.intrinsic("floor", x)

    def sqrt(self, x: Value) -> Value:
        """The square root, correctly rounded."""
        return self.intrinsic("sqrt", x)

    def copysign(self, x: Value, sign: Value) -> Value:
        """|x| with the sign of `sign`."""
        return self.intrinsic("copysign", x, sign)

    def least(self, x: Value, bound: Operand) -> Value:
        """The smaller of two; a NaN in x stays."""
        return self.select(self.like(x, bound) < x, bound, x)

    def most(self, x: Value, bound: Operand) -> Value:
        """The larger of two; a NaN in x stays."""
        return self.select(self.like(x, bound) > x, bound, x)

    def poly(self, x: Value, coefficients: Sequence[float]) -> Value:
        """A polynomial, lowest coefficient first, by Horner's rule."""
        result = self.like(x, coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            result = self.fma(x, result, coefficient)
        return result

    def power_of_two(self, exponent: Value) -> Value:
        """2^n for an integer n (i32: float, i64: double) where that is a normal number."""
        bias, shift = (127, 23) if exponent.type == "i32" else (1023, 52)
        return ((exponent + bias) << shift).floats()

    def nearest(self, x: Value, factor: float) -> tuple[Value, Value]:
        """x * factor rounded to an integer (halves to even): as float and as i32 or i64. |x * factor| < 2^21 or 2^50.

        Adding 1.5 * 2^(digits - 1) leaves the integer in the low bits: unlike a conversion, harmless for a NaN.
        """
        magic = 1.5 * 2.0 ** (23 if x.type == "float" else 52)
        shifted = self.fma(x, factor, magic)
        return shifted - magic, shifted.bits() - self.constant(magic, x.type).bits()

    def scale(self, x: Value, exponent: Value) -> Value:
        """x * 2^n, rounded once, for x near 1 and an integer n (of x's width) that may leave the normal numbers."""
        if not self.has_scale:
            half = exponent >> 1
            return x * self.power_of_two(half) * self.power_of_two(exponent - half)
        of, ints = self.vector(x.type), self.vector("i32")
        full = f"@llvm.ldexp.{suffix(of)}.{suffix(ints)}"
        self.declarations.add(f"declare {of} {full}({of}, {ints})")
        return self.op(x.type, f"call {of} {full}({of} {x.name}, {ints} {exponent.resized('i32').name})")

    def patch(self, mask: Value, result: Value, function: str, *arguments: Value) -> Value:
        """`result`, but where the mask holds (rarely: a branch) what another function of the library gives."""
        of, count = self.vector(result.type), len(self.lines)
        rare, done = f"rare{count}", f"done{count}"
        reduce = f"@llvm.vector.reduce.or.v{self.lanes}i1"
        self.declarations.add(f"declare i1 {reduce}({self.vector('i1')})")
        any_ = self.op("i1", f"call i1 {reduce}({self.vector('i1')} {mask.name})")
        self.lines += [
            f'  br i1 {any_.name}, label %{rare}, label %{done}, !prof !{{!"branch_weights", i32 1, i32 4000}}'
        ]
        self.lines += [f"{rare}:"]
        patched = self.select(mask, self.call(function, *arguments), result)
        self.lines += [f"  br label %{done}", f"{done}:"]
        before = self.block
        self.block = done
        return self.op(result.type, f"phi {of} [ {result.name}, %{before} ], [ {patched.name}, %{rare} ]")

    def call(self, function: str, *arguments: Value) -> Value:
        """A call of another function of the library."""
        of = self.vector(self.type)
        names = ", ".join(f"{of} {a.name}" for a in arguments)
        return self.op(self.type, f"call {of} {self.require(function)}({names})")

    def each_lane(self, symbol: str, *arguments: Value) -> Value:
        """A scalar function of the C library, lane by lane: a loop, as sixteen calls take long to compile."""
        type_, of = arguments[0].type, self.vector(arguments[0].type)
        self.declarations.add(f"declare {type_} @{symbol}({', '.join([type_] * len(arguments))})")
        count = len(self.lines)
        lane, following, loop, done = f"%lane{count}", f"%next{count}", f"loop{count}", f"done{count}"
        slots = [f"%slot{count}.{index}" for index in range(len(arguments))]
        self.slots += [f"  {slot} = alloca {of}" for slot in slots]
        self.lines += [f"  store {of} {a.name}, ptr {slot}" for a, slot in zip(arguments, slots, strict=True)]
        self.lines += [f"  br label %{loop}", f"{loop}:"]
        self.lines.append(f"  {lane} = phi i64 [ 0, %{self.block} ], [ {following}, %{loop} ]")
        places = [self.op("ptr", f"getelementptr {type_}, ptr {slot}, i64 {lane}").name for slot in slots]
        one = [self.op(type_, f"load {type_}, ptr {place}").name for place in places]
        made = self.op(type_, f"call {type_} @{symbol}({', '.join(f'{type_} {name}' for name in one)})")
        self.lines.append(f"  store {type_} {made.name}, ptr {places[0]}")
        self.lines.append(f"  {following} = add nuw nsw i64 {lane}, 1")
        more = self.op("i1", f"icmp ult i64 {following}, {self.lanes}")
        self.lines += [f"  br i1 {more.name}, label %{loop}, label %{done}", f"{done}:"]
        self.block = done
        return self.op(type_, f"load {of}, ptr {slots[0]}")
