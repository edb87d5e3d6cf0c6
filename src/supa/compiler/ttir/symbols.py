"""The rule of external scalar functions: `__supa_NAME`, and the names of NVIDIA's libdevice, `__nv_NAME`.

`__supa_NAME` is the function NAME of `ir.functions`. Of NVIDIA's names those are read that are one function here, a
conversion, or a few functions; the others are refused. `_rz`, `_rd`, `_ru` round toward zero, down, up (`directed`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from supa.base.dtypes import I1, DType
from supa.compiler.ttir.conversion import Conversion, rule, tile_type
from supa.compiler.ttir.directed import directed, from_integer, narrowed
from supa.compiler.ttir.elementwise import Elementwise
from supa.compiler.ttir.structure import MlirOp
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.functions import FUNCTIONS, SYMBOL_PREFIX
from supa.ir.types import Type, element_of, with_element

_NVIDIA_PREFIX = "__nv_"
_NVIDIA = {
    "abs": "abs", "llabs": "abs", "brevll": "brev", "clzll": "clz", "popc": "popcount", "popcll": "popcount",
    "ffsll": "ffs", "min": "smin", "max": "smax", "llmin": "smin", "llmax": "smax", "ullmin": "umin", "ullmax": "umax",
    "mulhi": "mulhi_s", "mul64hi": "mulhi_s", "umulhi": "mulhi_u", "umul64hi": "mulhi_u",
    "fmod": "frem", "nearbyint": "rint", "fast_fdividef": "fdiv", "finite": "isfinite",
    "isfinited": "isfinite", "isinfd": "isinf", "isnand": "isnan", "signbitd": "signbit",
}  # fmt: skip
_ROUNDED = re.compile(r"(?:([df])?(add|sub|mul|div|sqrt|rsqrt)|(fma)f?)_rn")
_DIRECTED = re.compile(r"[fd]?(add|sub|mul|div|fma|sqrt|rcp)f?_r([zdu])")
_CONVERSION = re.compile(r"(double|float|int|uint|ll|ull)2(double|float|int|uint|ll|ull)_r([nzdu])")
_REINTERPRETED = re.compile(r"(?:float|double|int|uint|longlong)_as_(?:float|double|int|uint|longlong)")
_TO_INTEGER_BY = {"n": "rint", "d": "floor", "u": "ceil"}
_FLOAT_NAMES = ("float", "double")


@rule("tt.extern_elementwise")
def _external(conversion: Conversion, op: MlirOp) -> None:
    symbol = str(op.attributes["symbol"])
    operands = conversion.operands(op)
    value: Value | None
    rounded = _DIRECTED.fullmatch(symbol.removeprefix(SYMBOL_PREFIX).removeprefix(_NVIDIA_PREFIX))
    if rounded:
        value = directed(Elementwise(conversion, op, operands[0].type), rounded[1], rounded[2], operands)
    elif symbol.startswith(SYMBOL_PREFIX):
        value = _mapped(conversion, op, symbol.removeprefix(SYMBOL_PREFIX), operands)
    elif symbol.startswith(_NVIDIA_PREFIX):
        value = _nvidia(conversion, op, symbol.removeprefix(_NVIDIA_PREFIX), operands)
    else:
        value = None
    if value is None:
        hint = "call functions of triton.language.extra.libdevice"
        conversion.refuse(op, f"the external function {symbol} is not supported", hint)
    conversion.bind(op, [_as_result(conversion, op, value)])


def _mapped(conversion: Conversion, op: MlirOp, name: str, operands: list[Value]) -> Value | None:
    converted = _CONVERSION.fullmatch(name)
    if converted:
        return _converted(conversion, op, operands[0], *converted.groups())
    function = FUNCTIONS.get(name)
    if function is None or function.arity != len(operands):
        return None
    type_ = operands[-1].type if name == "select" else operands[0].type
    if function.result == "i1":
        type_ = with_element(type_, I1)
    return conversion.make(op, ops.Map, operands, type_, {"function": name})


def _nvidia(conversion: Conversion, op: MlirOp, name: str, operands: list[Value]) -> Value | None:
    composed = _COMPOSED.get(name) or _COMPOSED.get(name.removesuffix("f"))
    if composed:
        return composed(conversion, op, operands)
    if _CONVERSION.fullmatch(name):
        return _mapped(conversion, op, name, operands)
    if _REINTERPRETED.fullmatch(name):
        return conversion.make(op, ops.Cast, operands, _result_type(conversion, op), {"kind": "bitcast"})
    rounded = _ROUNDED.fullmatch(name)
    if rounded:
        operation = rounded[3] or rounded[2]
        name = operation if operation in FUNCTIONS and operation in ("fma", "sqrt", "rsqrt") else f"f{operation}"
    for candidate in (name, name.removesuffix("f"), name.removeprefix("fast_").removesuffix("f")):
        function = _NVIDIA.get(candidate, candidate)
        if function in FUNCTIONS:
            return _mapped(conversion, op, function, operands)
    return None


def _converted(conversion: Conversion, op: MlirOp, source: Value, before: str, after: str, mode: str) -> Value | None:
    """A conversion between numbers, `mode` is n, z, d or u: to nearest even, toward zero, down, up."""
    type_ = _result_type(conversion, op)
    to, dtype = Elementwise(conversion, op, source.type), element_of(type_)
    assert isinstance(dtype, DType)
    if after not in _FLOAT_NAMES:
        if mode in _TO_INTEGER_BY:
            source = to.map(_TO_INTEGER_BY[mode], source)
        return to.cast("fptoui" if after.startswith("u") else "fptosi", source, dtype)
    if before in _FLOAT_NAMES:
        if mode in "du":
            return narrowed(to, source, dtype, mode)
        return to.cast("fptrunc", source, dtype, "rtne" if mode == "n" else "rtz")
    signed = not before.startswith("u")
    if mode != "n" and not (dtype.bits == 64 and before in ("int", "uint")):
        return from_integer(to, source, dtype, mode, signed)
    return to.cast("sitofp" if signed else "uitofp", source, dtype)


def _reciprocal(conversion: Conversion, op: MlirOp, operands: list[Value]) -> Value:
    one = conversion.constant(op, 1.0, operands[0].type)
    return conversion.make(op, ops.Map, (one, operands[0]), one.type, {"function": "fdiv"})


def _saturate(conversion: Conversion, op: MlirOp, operands: list[Value]) -> Value:
    """Clamp to [0, 1]; NaN gives 0."""
    low, high = (conversion.constant(op, bound, operands[0].type) for bound in (0.0, 1.0))
    raised = conversion.make(op, ops.Map, (operands[0], low), low.type, {"function": "fmax"})
    return conversion.make(op, ops.Map, (raised, high), low.type, {"function": "fmin"})


def _integer_power(conversion: Conversion, op: MlirOp, operands: list[Value]) -> Value:
    base, exponent = operands
    power = conversion.make(op, ops.Cast, (exponent,), base.type, {"kind": "sitofp"})
    return conversion.make(op, ops.Map, (base, power), base.type, {"function": "pow"})


def _halved_sum(first: str, second: str, shift: str) -> Callable[[Conversion, MlirOp, list[Value]], Value]:
    """(a + b) / 2 without overflow: (a & b) + ((a ^ b) >> 1); rounded up: (a | b) - ((a ^ b) >> 1)."""

    def compose(conversion: Conversion, op: MlirOp, operands: list[Value]) -> Value:
        def of(function: str, *arguments: Value) -> Value:
            return conversion.make(op, ops.Map, arguments, operands[0].type, {"function": function})

        half = of(shift, of("xor", *operands), conversion.constant(op, 1, operands[0].type))
        return of(second, of(first, *operands), half)

    return compose


_COMPOSED: dict[str, Callable[[Conversion, MlirOp, list[Value]], Value]] = {
    "frcp_rn": _reciprocal,
    "drcp_rn": _reciprocal,
    "saturate": _saturate,
    "powi": _integer_power,
    "hadd": _halved_sum("and", "add", "ashr"),
    "uhadd": _halved_sum("and", "add", "lshr"),
    "rhadd": _halved_sum("or", "sub", "ashr"),
    "urhadd": _halved_sum("or", "sub", "lshr"),
}


def _result_type(conversion: Conversion, op: MlirOp) -> Type:
    return tile_type(conversion, op, op.results[0].type)


def _as_result(conversion: Conversion, op: MlirOp, value: Value) -> Value:
    """The value in the type the call has: C's functions give predicates and counts as int."""
    type_ = _result_type(conversion, op)
    if value.type == type_:
        return value
    found, expected = element_of(value.type), element_of(type_)
    if not isinstance(found, DType) or not isinstance(expected, DType) or found.is_float or expected.is_float:
        conversion.refuse(op, f"{op.attributes['symbol']} gives {value.type}, the kernel expects {type_}")
    kind = "zext" if expected.bits > found.bits else "trunc"
    return conversion.make(op, ops.Cast, (value,), type_, {"kind": kind})
