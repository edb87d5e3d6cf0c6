"""The scalar functions that `map` applies to elements. Each floor that handles them registers its own rule by name.

`domain` is what operands hold: floats, (signless) integers, or any. `result` is "same" (the first operand's type)
or "i1". `work` is the class of machine work one element costs (see `program.work`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Domain = Literal["float", "int", "any"]
WorkClass = Literal["add", "mul", "fma", "div", "compare", "logic", "special", "special2", "convert", "none"]


@dataclass(frozen=True, kw_only=True)
class Function:
    """One scalar function: its arity, what it takes and gives, and what it costs."""

    name: str
    arity: int
    domain: Domain
    result: Literal["same", "i1"] = "same"
    work: WorkClass = "add"
    doc: str = ""


FUNCTIONS: dict[str, Function] = {}
SYMBOL_PREFIX = "__supa_"
"""A front end's call of the external symbol `__supa_NAME` means the function NAME of this table."""


def _define(names: str, arity: int, domain: Domain, work: WorkClass, result: Literal["same", "i1"] = "same") -> None:
    for name in names.split():
        FUNCTIONS[name] = Function(name=name, arity=arity, domain=domain, result=result, work=work)


# Floats. fmin/fmax: a NaN operand loses; fminimum/fmaximum: a NaN operand wins. fdiv, sqrt and fma are correctly
# rounded. frem: C's fmod, remainder: IEEE 754's; nextafter: in the operands' own format.
_define("fadd fsub fmin fmax fminimum fmaximum", 2, "float", "add")
_define("fmul", 2, "float", "mul")
_define("fdiv", 2, "float", "div")
_define("frem", 2, "float", "div")
_define("fma", 3, "float", "fma")
_define("fneg fabs floor ceil trunc round rint", 1, "float", "logic")  # round: halves away from zero; rint: to even
_define("copysign", 2, "float", "logic")
_define("isnan isinf isfinite signbit", 1, "float", "logic", "i1")
_define("exp exp2 log log2 sqrt rsqrt sin cos tanh", 1, "float", "special")
_define(
    "erf erfc exp10 expm1 log10 log1p tan asin acos atan sinh cosh asinh acosh atanh cbrt rcbrt sinpi cospi tanpi"
    " lgamma tgamma erfinv erfcinv erfcx normcdf normcdfinv j0 j1 y0 y1 cyl_bessel_i0 cyl_bessel_i1 logb",
    1, "float", "special2",
)  # fmt: skip
_define("pow atan2 hypot rhypot nextafter fdim remainder", 2, "float", "special2")
# fcmp predicates: o* false if an operand is NaN, u* true.
_define("fcmp_oeq fcmp_one fcmp_olt fcmp_ole fcmp_ogt fcmp_oge", 2, "float", "compare", "i1")
_define("fcmp_ueq fcmp_une fcmp_ult fcmp_ule fcmp_ugt fcmp_uge fcmp_ord fcmp_uno", 2, "float", "compare", "i1")
# Integers: two's complement, wrap around. Shifts by the width or more (read as unsigned) give 0 (ashr: the sign).
# Division by zero gives all ones and the dividend as remainder; the minimum by -1 wraps. clz of 0 is the width, ffs
# counts from 1 (0: no bit set); i1 true is -1 where read as signed. mulhi: the high half of the double-width product.
_define("add sub smin smax umin umax", 2, "int", "add")
_define("mul mulhi_s mulhi_u", 2, "int", "mul")
_define("sdiv udiv srem urem", 2, "int", "div")
_define("and or xor shl lshr ashr", 2, "int", "logic")
_define("abs clz popcount ffs brev", 1, "int", "logic")
_define("icmp_eq icmp_ne icmp_slt icmp_sle icmp_sgt icmp_sge", 2, "any", "compare", "i1")
_define("icmp_ult icmp_ule icmp_ugt icmp_uge", 2, "any", "compare", "i1")
_define("select", 3, "any", "logic")  # (i1, a, b); the result has the type of a

CASTS: dict[str, str] = {
    "trunc": "integer to a narrower integer: the low bits",
    "sext": "integer to a wider integer, sign extended",
    "zext": "integer to a wider integer, zero extended",
    "fptrunc": "float to a narrower float (or another of the same width); attribute rounding: rtne or rtz;"
    " 8-bit floats saturate beyond their range, infinities too, and keep NaN; the others overflow as IEEE 754 says",
    "fpext": "float to a wider float, exact",
    "sitofp": "signed integer to float, to nearest even",
    "uitofp": "unsigned integer to float, to nearest even",
    "fptosi": "float to signed integer, toward zero, saturating; NaN gives 0",
    "fptoui": "float to unsigned integer, toward zero, saturating; NaN gives 0",
    "bitcast": "the same bits as another type of the same width",
    "ptrtoint": "address to i64",
    "inttoptr": "i64 to address",
}
"""The conversions that `cast` performs."""
