"""Writes LLVM IR as text: fresh names, sinks, loops. Not here: what any tile operation means.

Text is emitted directly: building LLVM IR objects in Python takes several times as long as all other stages together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from supa.ir.types import Pointer, Scalar

_REGISTER_TYPES = {
    "i1": "i1", "i8": "i8", "i16": "i16", "i32": "i32", "i64": "i64",
    "f16": "half", "bf16": "i16", "f32": "float", "f64": "double",
}  # fmt: skip


def register_type(type_: Scalar) -> str:
    """LLVM type of one element in a register. bf16 and the fp8 formats are held as their bits; addresses as i64."""
    if isinstance(type_, Pointer):
        return "i64"
    return _REGISTER_TYPES.get(type_.name, "i8")


def memory_type(type_: Scalar) -> str:
    """LLVM type of one element in memory: i1 takes a byte."""
    name = register_type(type_)
    return "i8" if name == "i1" else name


_BYTES = {"i1": 1, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "half": 2, "float": 4, "double": 8}
_BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "half": 16, "float": 32, "double": 64}


def llvm_bytes(llvm_type: str) -> int:
    """Bytes of an LLVM scalar type in memory."""
    return _BYTES[llvm_type]


def llvm_bits(llvm_type: str) -> int:
    """Bits of an LLVM scalar type."""
    return _BITS[llvm_type]


class Emitter:
    """One LLVM function under construction, and the module-level definitions and declarations that it needs."""

    def __init__(self) -> None:
        self.counter = 0
        self.entry: list[str] = []  # allocas and buffer addresses, before everything else
        self.sink: list[str] = []  # where `do` and `op` write
        self.definitions: dict[str, str] = {}  # internal functions by name
        self.declarations: set[str] = set()

    def fresh(self, hint: str = "v") -> str:
        """A new SSA name."""
        self.counter += 1
        return f"%{hint}{self.counter}"

    def op(self, text: str) -> str:
        """Emit an instruction that has a value; gives its name."""
        self.counter += 1
        name = f"%v{self.counter}"
        self.sink.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Emit an instruction without a value."""
        self.sink.append("  " + text)

    def label(self, name: str) -> None:
        """Begin a basic block."""
        self.sink.append(f"{name}:")

    def fresh_label(self, hint: str = "b") -> str:
        """A new block name, without the percent sign."""
        self.counter += 1
        return f"{hint}{self.counter}"

    def alloca(self, llvm_type: str, align: int = 0) -> str:
        """A stack slot, made in the function's entry block."""
        name = self.fresh("slot")
        self.entry.append(f"  {name} = alloca {llvm_type}" + (f", align {align}" if align else ""))
        return name

    def declare(self, text: str) -> None:
        """Declare an external function or intrinsic once."""
        self.declarations.add(text)

    @contextmanager
    def into(self, sink: list[str]) -> Iterator[None]:
        """Emit to another list of lines for a while."""
        saved, self.sink = self.sink, sink
        try:
            yield
        finally:
            self.sink = saved

    @contextmanager
    def loop(self, count: int | str, step: int = 1) -> Iterator[str]:
        """A counted loop from 0 below `count` (i64, at least one trip) by `step`; gives the i64 counter."""
        head, exit_, pre = self.fresh_label("loop"), self.fresh_label("exit"), self.fresh_label("pre")
        counter, following = self.fresh("i"), self.fresh("n")
        self.do(f"br label %{pre}")
        self.label(pre)
        self.do(f"br label %{head}")
        self.label(head)
        latch = self.fresh_label("latch")
        self.sink.append(f"  {counter} = phi i64 [ 0, %{pre} ], [ {following}, %{latch} ]")
        yield counter
        self.do(f"br label %{latch}")
        self.label(latch)
        self.sink.append(f"  {following} = add nuw nsw i64 {counter}, {step}")
        again = self.op(f"icmp slt i64 {following}, {count}")
        self.do(f"br i1 {again}, label %{head}, label %{exit_}")
        self.label(exit_)
