"""LLVM text of one expression whose operands are already text. Not here: where it is placed (`emission`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from supa.base.dtypes import BF16, F16, F32, F64, I1, I8, I16, I32, I64
from supa.compiler.native.literals import encode
from supa.compiler.native.literals import literal as element_literal
from supa.compiler.work.expressions import WIDTHS, Expr

Fresh = Callable[[], str]
Rule = Callable[[Expr, list[str], list[str], Fresh], str]
_ELEMENTS = {"i1": I1, "i8": I8, "i16": I16, "i32": I32, "i64": I64, "half": F16, "float": F32, "double": F64}


def literal(type_: str, value: Any) -> str:
    """A constant in LLVM's text form."""
    if type_ == "bfloat":
        return f"0xR{encode(value, BF16):04X}"
    return element_literal(value, _ELEMENTS[type_])


def _binary(e: Expr, a: list[str], out: list[str], fresh: Fresh) -> str:
    opcode, type_ = e.payload, e.type
    if opcode in ("sdiv", "udiv", "srem", "urem"):
        return _division(e, a, out, fresh)
    if opcode in ("shl", "lshr", "ashr"):
        return _shift(e, a, out, fresh)
    name = fresh()
    out.append(f"{name} = {opcode} {type_} {a[0]}, {a[1]}")
    return name


def _division(e: Expr, a: list[str], out: list[str], fresh: Fresh) -> str:
    """Divisors 0 and -1, which would trap, are replaced; x / -1 is then computed as 0 - x."""
    opcode, type_, divisor = e.payload, e.type, e.args[1]
    name = fresh()
    if divisor.kind == "const" and divisor.payload > 0:
        out.append(f"{name} = {opcode} {type_} {a[0]}, {a[1]}")
        return name
    bad, safe = fresh(), fresh()
    if opcode[0] == "u":
        out.append(f"{bad} = icmp eq {type_} {a[1]}, 0")
    else:
        moved = fresh()
        out.append(f"{moved} = add {type_} {a[1]}, 1")
        out.append(f"{bad} = icmp ult {type_} {moved}, 2")
    out.append(f"{safe} = select i1 {bad}, {type_} 1, {type_} {a[1]}")
    out.append(f"{name} = {opcode} {type_} {a[0]}, {safe}")
    if opcode != "sdiv":
        return name
    minus, negated, result = fresh(), fresh(), fresh()
    out.append(f"{minus} = icmp eq {type_} {a[1]}, -1")
    out.append(f"{negated} = sub {type_} 0, {a[0]}")
    out.append(f"{result} = select i1 {minus}, {type_} {negated}, {type_} {name}")
    return result


def _shift(e: Expr, a: list[str], out: list[str], fresh: Fresh) -> str:
    """Shifts by the width or more give 0 (`ashr`: the sign)."""
    opcode, type_, width, amount = e.payload, e.type, WIDTHS[e.type], e.args[1]
    name, text = fresh(), a[1]
    if amount.kind == "const" and 0 <= amount.payload < width:
        out.append(f"{name} = {opcode} {type_} {a[0]}, {text}")
        return name
    far, near = fresh(), fresh()
    out.append(f"{far} = icmp uge {type_} {text}, {width}")
    out.append(f"{near} = select i1 {far}, {type_} {width - 1 if opcode == 'ashr' else 0}, {type_} {text}")
    out.append(f"{name} = {opcode} {type_} {a[0]}, {near}")
    if opcode == "ashr":
        return name
    result = fresh()
    out.append(f"{result} = select i1 {far}, {type_} 0, {type_} {name}")
    return result


def _compare(e: Expr, a: list[str], out: list[str], fresh: Fresh) -> str:
    name = fresh()
    out.append(f"{name} = {e.kind} {e.payload} {e.args[0].type} {a[0]}, {a[1]}")
    return name


def _pick(e: Expr, a: list[str], out: list[str], fresh: Fresh) -> str:
    test, name = fresh(), fresh()
    compare = "icmp" if e.kind == "minmax" else "fcmp"
    out.append(f"{test} = {compare} {e.payload} {e.type} {a[0]}, {a[1]}")
    out.append(f"{name} = select i1 {test}, {e.type} {a[0]}, {e.type} {a[1]}")
    return name


def _select(e: Expr, a: list[str], out: list[str], fresh: Fresh) -> str:
    name = fresh()
    out.append(f"{name} = select i1 {a[0]}, {e.type} {a[1]}, {e.type} {a[2]}")
    return name


def _float(e: Expr, a: list[str], out: list[str], fresh: Fresh) -> str:
    name = fresh()
    out.append(f"{name} = {e.payload} {e.type} {a[0]}, {a[1]}")
    return name


def _convert(e: Expr, a: list[str], out: list[str], fresh: Fresh) -> str:
    source, text = e.args[0].type, a[0]
    if {source, e.type} == {"half", "bfloat"}:
        middle = fresh()
        out.append(f"{middle} = fpext {source} {text} to float")
        source, text = "float", middle
    name = fresh()
    out.append(f"{name} = {e.payload} {source} {text} to {e.type}")
    return name


def _load(e: Expr, a: list[str], out: list[str], fresh: Fresh) -> str:
    """Really reads; where the mask is off, from a dummy."""
    pointer, raw = fresh(), fresh()
    out.append(f"{pointer} = inttoptr i64 {a[0]} to ptr")
    if len(a) > 1:
        masked = fresh()
        out.append(f"{masked} = select i1 {a[1]}, ptr {pointer}, ptr %dummy")
        pointer = masked
    memory = "i8" if e.type == "i1" else e.type
    out.append(f"{raw} = load {memory}, ptr {pointer}, align 1")
    if e.type == "i1":
        bit = fresh()
        out.append(f"{bit} = icmp ne i8 {raw}, 0")
        raw = bit
    if len(a) == 1:
        return raw
    name = fresh()
    out.append(f"{name} = select i1 {a[1]}, {e.type} {raw}, {e.type} {a[2]}")
    return name


def _argument(e: Expr, a: list[str], out: list[str], fresh: Fresh) -> str:
    slot, name = fresh(), fresh()
    out.append(f"{slot} = getelementptr i64, ptr %args, i64 {e.payload}")
    memory = "i8" if e.type == "i1" else e.type
    out.append(f"{name} = load {memory}, ptr {slot}, align 1")
    if e.type != "i1":
        return name
    bit = fresh()
    out.append(f"{bit} = trunc i8 {name} to i1")
    return bit


def _grid(e: Expr, a: list[str], out: list[str], fresh: Fresh) -> str:
    slot, name = fresh(), fresh()
    out.append(f"{slot} = getelementptr i32, ptr %launch, i64 {e.payload}")
    out.append(f"{name} = load i32, ptr {slot}, align 4")
    return name


def _program(e: Expr, a: list[str], out: list[str], fresh: Fresh) -> str:
    """A program id from the block's number, x fastest."""
    wide, inner, quotient = "%block", fresh(), fresh()
    if e.payload == 0:
        out.append(f"{quotient} = urem i64 {wide}, %grid0")
    elif e.payload == 1:
        out.append(f"{inner} = udiv i64 {wide}, %grid0")
        out.append(f"{quotient} = urem i64 {inner}, %grid1")
    else:
        out.append(f"{quotient} = udiv i64 {wide}, %plane")
    name = fresh()
    out.append(f"{name} = trunc i64 {quotient} to i32")
    return name


RULES: dict[str, Rule] = {
    "binary": _binary,
    "icmp": _compare,
    "fcmp": _compare,
    "minmax": _pick,
    "floatminmax": _pick,
    "select": _select,
    "float": _float,
    "convert": _convert,
    "load": _load,
    "arg": _argument,
    "grid": _grid,
    "pid": _program,
    "guess": lambda e, a, out, fresh: literal(e.type, 0 if e.type in WIDTHS else 0.0),
}
"""Instruction text by an expression's kind."""
