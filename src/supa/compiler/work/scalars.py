"""Scalar operations of the tile IR as expressions of the slice. Not here: tiles, control flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from supa.base.dtypes import DType
from supa.compiler.work.expressions import WIDTHS, Expr, Expressions
from supa.ir.types import Pointer, Type

_FLOATS = {"f16": "half", "bf16": "bfloat", "f32": "float", "f64": "double"}

Rule = Callable[[Expressions, Sequence[Expr]], Expr]


def llvm_type(type_: Type) -> str | None:
    """The LLVM type that carries a scalar in the slice; None where the slice can not compute with it."""
    if isinstance(type_, Pointer):
        return "i64"
    if isinstance(type_, DType):
        return _FLOATS.get(type_.name) if type_.is_float else type_.name
    return None


def _integer(opcode: str) -> Rule:
    return lambda x, a: x.binary(opcode, a[0], a[1])


def _float(opcode: str) -> Rule:
    return lambda x, a: x.node("float", a[0].type, (a[0], a[1]), opcode)


def _icmp(predicate: str) -> Rule:
    return lambda x, a: x.cmp(predicate, a[0], a[1])


def _fcmp(predicate: str) -> Rule:
    return lambda x, a: x.node("fcmp", "i1", (a[0], a[1]), predicate)


def _unsigned(predicate: str) -> Rule:
    return lambda x, a: x.node("minmax", a[0].type, (a[0], a[1]), predicate, a[0].nonneg and a[1].nonneg)


def _floatpick(predicate: str) -> Rule:
    return lambda x, a: x.node("floatminmax", a[0].type, (a[0], a[1]), predicate)


def _fma(x: Expressions, a: Sequence[Expr]) -> Expr:
    product = x.node("float", a[0].type, (a[0], a[1]), "fmul")
    return x.node("float", a[0].type, (product, a[2]), "fadd")


def _negate(x: Expressions, a: Sequence[Expr]) -> Expr:
    return x.node("float", a[0].type, (x.const(-0.0, a[0].type), a[0]), "fsub")


def _absolute(x: Expressions, a: Sequence[Expr]) -> Expr:
    return x.smax(a[0], x.sub(x.const(0, a[0].type), a[0]))


def _each(make: Callable[[str], Rule], names: str, prefix: str = "") -> dict[str, Rule]:
    return {prefix + name: make(name) for name in names.split()}


RULES: dict[str, Rule] = {
    **_each(_integer, "add sub mul sdiv udiv srem urem and or xor shl lshr ashr"),
    **_each(_icmp, "eq ne slt sle sgt sge ult ule ugt uge", "icmp_"),
    **_each(_fcmp, "oeq one olt ole ogt oge ueq une ult ule ugt uge ord uno", "fcmp_"),
    **_each(_float, "fadd fsub fmul fdiv frem"),
    "smin": lambda x, a: x.smin(a[0], a[1]),
    "smax": lambda x, a: x.smax(a[0], a[1]),
    "umin": _unsigned("ult"),
    "umax": _unsigned("ugt"),
    **dict.fromkeys(("fmin", "fminimum"), _floatpick("olt")),
    **dict.fromkeys(("fmax", "fmaximum"), _floatpick("ogt")),
    "fma": _fma,
    "fneg": _negate,
    "abs": _absolute,
    "select": lambda x, a: x.select(a[0], a[1], a[2]),
}
"""Scalar functions that the slice computes. The others are guessed, and the work says so if the guess is needed."""


def cast(x: Expressions, kind: str, source: Expr, type_: str) -> Expr:
    """The conversion `kind` of a scalar."""
    if kind in ("trunc", "sext", "zext", "ptrtoint", "inttoptr"):
        if kind == "sext" and source.type == "i1":
            return x.select(source, x.const(-1, type_), x.const(0, type_))
        return x.resize(source, type_, signed=kind != "zext")
    if kind == "bitcast" and (source.type == type_):
        return source
    if kind == "bitcast" and source.type in WIDTHS and type_ in WIDTHS:
        return x.resize(source, type_)
    return x.node("convert", type_, (source,), kind)
