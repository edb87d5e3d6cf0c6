"""Scalar expressions of the work slice: interned, folded while they are built, each at home in one region.

A kernel's control flow, addresses and limits are expressions over its arguments, program ids and loop variables.
Pointers are i64. Not here: how kernel operations become expressions (`scalars`, `tiles`), or LLVM text (`emission`).
"""

from __future__ import annotations

from typing import Any

WIDTHS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64}
"""Bits of the LLVM integer types."""


class Region:
    """A structured region of the slice; `depth` 0 is the whole call, 1 one block of the grid, then loops and sides."""

    __slots__ = ("depth", "loop", "parent")

    def __init__(self, parent: Region | None, *, loop: bool = False) -> None:
        self.parent, self.loop = parent, loop
        self.depth: int = 0 if parent is None else parent.depth + 1


class Expr:
    """One scalar value. `region` is the deepest region it depends on; `nonneg` says that it is provably >= 0,
    taking for granted that additions and products do not overflow.
    """

    __slots__ = ("args", "kind", "nonneg", "payload", "region", "type")

    def __init__(
        self, kind: str, type_: str, args: tuple[Expr, ...], payload: Any, region: Region, nonneg: bool = False
    ) -> None:
        self.kind, self.type, self.args = kind, type_, args
        self.payload, self.region, self.nonneg = payload, region, nonneg


_KEEP_SIGN = frozenset({"add", "mul", "and", "sdiv", "udiv", "lshr", "ashr", "shl"})


def _fold(opcode: str, left: Any, right: Any) -> int | None:
    """`left opcode right` for the few opcodes worth folding."""
    if opcode == "add":
        return int(left + right)
    if opcode == "sub":
        return int(left - right)
    if opcode == "mul":
        return int(left * right)
    if opcode in ("sdiv", "udiv") and left >= 0 and right > 0:
        return int(left // right)
    if opcode in ("srem", "urem") and left >= 0 and right > 0:
        return int(left % right)
    return None


class Expressions:
    """Makes expressions; equal ones are one object."""

    def __init__(self) -> None:
        self.call = Region(None)
        self.block = Region(self.call)
        self._interned: dict[tuple[Any, ...], Expr] = {}
        self.zero = self.const(0)
        self.one = self.const(1)

    # ---- leaves

    def const(self, value: int | float, type_: str = "i64") -> Expr:
        """A literal."""
        key = ("const", type_, value, isinstance(value, float), str(value) if isinstance(value, float) else "")
        found = self._interned.get(key)
        if found is None:
            found = self._interned[key] = Expr("const", type_, (), value, self.call, value >= 0)
        return found

    def leaf(self, kind: str, type_: str, payload: Any, region: Region, nonneg: bool = False) -> Expr:
        """An argument, program id or grid extent."""
        key = (kind, type_, payload)
        found = self._interned.get(key)
        if found is None:
            found = self._interned[key] = Expr(kind, type_, (), payload, region, nonneg)
        return found

    def node(self, kind: str, type_: str, args: tuple[Expr, ...], payload: Any = None, nonneg: bool = False) -> Expr:
        """A pure operation on `args`."""
        key = (kind, type_, payload, *args)
        found = self._interned.get(key)
        if found is None:
            region = self.call
            for arg in args:
                if arg.region.depth > region.depth:
                    region = arg.region
            found = self._interned[key] = Expr(kind, type_, args, payload, region, nonneg)
        return found

    # ---- integers of any width

    def binary(self, opcode: str, left: Expr, right: Expr) -> Expr:
        """An LLVM integer instruction (divisions by zero give the dividend; shifts by the width or more as in IR)."""
        if left.kind == "const" and right.kind == "const":
            folded = _fold(opcode, left.payload, right.payload)
            if folded is not None and abs(folded) < 1 << (WIDTHS[left.type] - 1):
                return self.const(folded, left.type)
        simple = self._identity(opcode, left, right)
        if simple is not None:
            return simple
        nonneg = (opcode in _KEEP_SIGN and left.nonneg and right.nonneg) or (opcode in ("srem", "urem") and left.nonneg)
        return self.node("binary", left.type, (left, right), opcode, nonneg)

    def _identity(self, opcode: str, left: Expr, right: Expr) -> Expr | None:
        if right.kind == "const":
            value = right.payload
            if value == 0 and opcode in ("add", "sub", "or", "xor", "shl", "lshr", "ashr"):
                return left
            if value == 1 and opcode in ("mul", "sdiv", "udiv"):
                return left
            if value == 0 and opcode == "mul":
                return right
            if opcode == "sub":
                return self.binary("add", left, self.const(-value, left.type))
            if opcode == "add" and left.kind == "binary" and left.payload == "add" and left.args[1].kind == "const":
                return self.binary("add", left.args[0], self.const(value + left.args[1].payload, left.type))
        elif left.kind == "const":
            if opcode in ("add", "mul"):
                return self.binary(opcode, right, left)
        elif left is right and opcode == "sub":
            return self.const(0, left.type)
        return None

    def add(self, left: Expr, right: Expr) -> Expr:
        """left + right."""
        return self.binary("add", left, right)

    def sub(self, left: Expr, right: Expr) -> Expr:
        """left - right; a sum minus one of its terms gives the other term."""
        if left.kind == "binary" and left.payload == "add":
            if left.args[0] is right:
                return left.args[1]
            if left.args[1] is right:
                return left.args[0]
        return self.binary("sub", left, right)

    def mul(self, left: Expr, right: Expr) -> Expr:
        """left * right."""
        return self.binary("mul", left, right)

    def smin(self, left: Expr, right: Expr) -> Expr:
        """The smaller of two signed integers."""
        if left is right:
            return left
        if left.kind == "const" and right.kind == "const":
            return left if left.payload <= right.payload else right
        return self.node("minmax", left.type, (left, right), "slt", left.nonneg and right.nonneg)

    def smax(self, left: Expr, right: Expr) -> Expr:
        """The larger of two signed integers."""
        if left is right:
            return left
        if left.kind == "const" and right.kind == "const":
            return left if left.payload >= right.payload else right
        for one, other in ((left, right), (right, left)):
            if one.nonneg and other.kind == "const" and other.payload <= 0:
                return one
        return self.node("minmax", left.type, (left, right), "sgt", left.nonneg or right.nonneg)

    def cmp(self, predicate: str, left: Expr, right: Expr) -> Expr:
        """An LLVM icmp."""
        return self.node("icmp", "i1", (left, right), predicate)

    def select(self, condition: Expr, left: Expr, right: Expr) -> Expr:
        """left where the condition holds."""
        if condition.kind == "const":
            return left if condition.payload else right
        if left is right:
            return left
        return self.node("select", left.type, (condition, left, right), None, left.nonneg and right.nonneg)

    def both(self, conditions: list[Expr]) -> Expr | None:
        """The conjunction, None of nothing."""
        result: Expr | None = None
        for condition in conditions:
            if condition.kind == "const" and condition.payload:
                continue
            result = condition if result is None else self.binary("and", result, condition)
        return result

    def resize(self, value: Expr, type_: str, *, signed: bool = True) -> Expr:
        """An integer as another width (i1 extends without sign)."""
        if value.type == type_:
            return value
        if value.kind == "const":
            source = WIDTHS[value.type]
            bits = value.payload & ((1 << min(source, WIDTHS[type_])) - 1)
            negative = signed and value.type != "i1" and bits >> (min(source, WIDTHS[type_]) - 1)
            return self.const(bits - (1 << min(source, WIDTHS[type_])) if negative else bits, type_)
        narrow = WIDTHS[type_] < WIDTHS[value.type]
        opcode = "trunc" if narrow else "sext" if signed and value.type != "i1" else "zext"
        return self.node("convert", type_, (value,), opcode, value.nonneg or opcode == "zext")

    def wide(self, value: Expr) -> Expr:
        """An integer as i64, sign extended."""
        return self.resize(value, "i64")
