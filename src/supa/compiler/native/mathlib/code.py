"""A notation for straight-line vector code: Python expressions that write LLVM IR. Not here: any function.

`Code` is one function's body; a `Value` is a vector in it. `x * x + 1.0`, `code.fma(a, b, c)` and
`code.select(x < 0.0, a, b)` append an instruction per operation. No fast-math flags are
ever set: the text means exactly what it says.
"""

from __future__ import annotations

import struct
import zlib
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

    def __init__(self, type_: str, lanes: int, *, vector_bits: int, require: Callable[[str], str]) -> None:
        self.type = type_
        self.lanes = lanes
        self.vector_bits = vector_bits  # of the host: AVX-512 scales by powers of two, AVX2 permutes registers
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

    def scale(self, x: Value, exponent: Value, n: Value | None = None) -> Value:
        """x * 2^n, rounded once, for x near 1 and an integer n (of x's width) that may leave the normal numbers.

        `n`: the same as a float, where it is at hand. A NaN in it gives a NaN.
        """
        if n is not None and self.scales_whole(x):
            return self.scale_whole(x, n)
        if self.vector_bits != 512:
            half = exponent >> 1
            return x * self.power_of_two(half) * self.power_of_two(exponent - half)
        of, ints = self.vector(x.type), self.vector("i32")
        full = f"@llvm.ldexp.{suffix(of)}.{suffix(ints)}"
        self.declarations.add(f"declare {of} {full}({of}, {ints})")
        return self.op(x.type, f"call {of} {full}({of} {x.name}, {ints} {exponent.resized('i32').name})")

    def scales_whole(self, x: Value) -> bool:
        """Whether x fills a vector of a host that has `scale_whole` and `fraction`."""
        return self.vector_bits == 512 and self.lanes * (4 if x.type == "float" else 8) == 64

    def fraction(self, x: Value) -> Value:
        """x less the nearest integer (halves to even), exactly; of an infinity zero."""
        of, kind, lanes = self.vector(x.type), "ps" if x.type == "float" else "pd", self.lanes
        full = f"@llvm.x86.avx512.mask.reduce.{kind}.512"
        self.declarations.add(f"declare {of} {full}({of}, i32, {of}, i{lanes}, i32)")
        return self.op(x.type, f"call {of} {full}({of} {x.name}, i32 0, {of} poison, i{lanes} -1, i32 4)")

    def scale_whole(self, x: Value, n: Value) -> Value:
        """x * 2^n for any integer n, infinities included."""
        of, kind, lanes = self.vector(x.type), "ps" if x.type == "float" else "pd", self.lanes
        full = f"@llvm.x86.avx512.mask.scalef.{kind}.512"
        self.declarations.add(f"declare {of} {full}({of}, {of}, {of}, i{lanes}, i32)")
        return self.op(x.type, f"call {of} {full}({of} {x.name}, {of} {n.name}, {of} poison, i{lanes} -1, i32 4)")

    def lookup(self, entries: Sequence[float], index: Value) -> Value:
        """The one of sixteen f32 constants that the low four bits of the index (i32) name."""
        whole = 16 if self.vector_bits == 512 else 8 if self.vector_bits == 256 else 0
        if not whole:
            return self._lookup_by_lane(entries, index)
        pieces = []
        for first in range(0, self.lanes, whole):
            part = index.name if self.lanes == whole else self._lanes_of(index, first, whole)
            pieces.append(self._permute(entries, part, whole))
        if len(pieces) == 1 and self.lanes == whole:
            return Value(self, "float", pieces[0])
        kept = ", ".join(f"i32 {lane}" for lane in range(self.lanes))
        pair = f"<{whole} x float> {pieces[0]}, <{whole} x float> {pieces[-1]}"
        return self.op("float", f"shufflevector {pair}, <{self.lanes} x i32> <{kept}>")

    def _lanes_of(self, index: Value, first: int, count: int) -> str:
        """`count` lanes of an index from `first`; what is beyond the last of them is undefined."""
        lanes = ", ".join(f"i32 {lane}" if lane < self.lanes else "i32 poison" for lane in range(first, first + count))
        of = self.vector("i32")
        return self.op("i32", f"shufflevector {of} {index.name}, {of} poison, <{count} x i32> <{lanes}>").name

    def _permute(self, entries: Sequence[float], index: str, count: int) -> str:
        """A permutation of registers by a register: one of 16 lanes, or of 8 lanes twice and a choice."""
        of, ints = f"<{count} x float>", f"<{count} x i32>"
        full = "@llvm.x86.avx512.permvar.sf.512" if count == 16 else "@llvm.x86.avx2.permps"
        self.declarations.add(f"declare {of} {full}({of}, {ints})")
        halves = []
        for first in range(0, 16, count):
            listed = ", ".join(f"float {bits_of(entry)}" for entry in entries[first : first + count])
            halves.append(self.op("float", f"call {of} {full}({of} <{listed}>, {ints} {index})").name)
        if count == 16:
            return halves[0]
        bit = self.op("i32", f"shl {ints} {index}, splat (i32 28)")
        upper = self.op("i1", f"icmp slt {ints} {bit.name}, zeroinitializer")
        return self.op("float", f"select <8 x i1> {upper.name}, {of} {halves[1]}, {of} {halves[0]}").name

    def _lookup_by_lane(self, entries: Sequence[float], index: Value) -> Value:
        """Sixteen constants in memory, for hosts without such a permutation."""
        listed = ", ".join(f"float {bits_of(entry)}" for entry in entries)
        name = f"@supa.table.{zlib.crc32(listed.encode()):08x}"
        self.declarations.add(f"{name} = private unnamed_addr constant [16 x float] [{listed}]")
        low, found = index & 15, f"{self.vector('float')} poison"
        for lane in range(self.lanes):
            one = self.op("i32", f"extractelement {self.vector('i32')} {low.name}, i64 {lane}").name
            place = self.op("ptr", f"getelementptr float, ptr {name}, i32 {one}").name
            value = self.op("float", f"load float, ptr {place}").name
            made = self.op("float", f"insertelement {found}, float {value}, i64 {lane}")
            found = f"{self.vector('float')} {made.name}"
        return made

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
