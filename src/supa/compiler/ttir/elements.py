"""Rules of operations on elements: `arith`, `math` and their kin in `tt`. Not here: external symbols (`symbols`)."""

from __future__ import annotations

from supa.base.dtypes import F32, DType
from supa.compiler.ttir.conversion import RULES, Conversion, Rule, integer, rule, text, tile_type
from supa.compiler.ttir.structure import Dense, MlirOp
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.types import Descriptor, Tile, Type, element_of, with_element

_SAME_IN_MATH = (
    "acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 floor isfinite isinf "
    "isnan log log10 log1p log2 round rsqrt sin sinh sqrt tan tanh trunc"
)
_MAPS = {
    "arith.addi": "add", "arith.subi": "sub", "arith.muli": "mul", "arith.divsi": "sdiv", "arith.divui": "udiv",
    "arith.remsi": "srem", "arith.remui": "urem", "arith.andi": "and", "arith.ori": "or", "arith.xori": "xor",
    "arith.shli": "shl", "arith.shrsi": "ashr", "arith.shrui": "lshr", "arith.minsi": "smin", "arith.maxsi": "smax",
    "arith.minui": "umin", "arith.maxui": "umax", "arith.addf": "fadd", "arith.subf": "fsub", "arith.mulf": "fmul",
    "arith.divf": "fdiv", "arith.remf": "frem", "arith.negf": "fneg", "arith.maximumf": "fmaximum",
    "arith.minimumf": "fminimum", "arith.maxnumf": "fmax", "arith.minnumf": "fmin",
    "math.absf": "fabs", "math.absi": "abs", "math.fma": "fma", "math.powf": "pow", "math.ctlz": "clz",
    "math.ctpop": "popcount", "math.roundeven": "rint",
    "tt.mulhiui": "mulhi_u", "tt.precise_divf": "fdiv", "tt.precise_sqrt": "sqrt",
    **{f"math.{name}": name for name in _SAME_IN_MATH.split()},
}  # fmt: skip
_CASTS = {
    "arith.trunci": "trunc", "arith.extsi": "sext", "arith.extui": "zext", "arith.extf": "fpext",
    "arith.sitofp": "sitofp", "arith.uitofp": "uitofp", "arith.fptosi": "fptosi", "arith.fptoui": "fptoui",
    "tt.ptr_to_int": "ptrtoint", "tt.int_to_ptr": "inttoptr",
}  # fmt: skip
_INTEGER_PREDICATES = "eq ne slt sle sgt sge ult ule ugt uge"
_FLOAT_PREDICATES = "false oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno true"
_COMPARISONS = {
    "arith.cmpi": dict(enumerate(_INTEGER_PREDICATES.split())),
    "arith.cmpf": dict(enumerate(_FLOAT_PREDICATES.split())),
}
_PROPAGATE_NAN = {0: ("fmax", "fmin"), 65535: ("fmaximum", "fminimum")}
_TTIR_ROUNDING = {0: "rtz", 1: "rtne"}
_MLIR_ROUNDING = {0: "rtne", 3: "rtz"}  # arith.RoundingMode: to_nearest_even, downward, upward, toward_zero


def _mapping(function: str) -> Rule:
    attributes = {"function": function}

    def convert(conversion: Conversion, op: MlirOp) -> None:
        conversion.emit(op, ops.Map, conversion.operands(op), dict(attributes))

    return convert


def _casting(kind: str) -> Rule:
    def convert(conversion: Conversion, op: MlirOp) -> None:
        conversion.emit(op, ops.Cast, conversion.operands(op), {"kind": kind})

    return convert


RULES.update({name: _mapping(function) for name, function in _MAPS.items()})
RULES.update({name: _casting(kind) for name, kind in _CASTS.items()})


@rule("arith.constant")
def _constant(conversion: Conversion, op: MlirOp) -> None:
    value = op.attributes["value"]
    if isinstance(value, Dense):
        attributes = {"value": value.values[0]} if value.is_splat else {"values": value.values}
        conversion.emit(op, ops.Constant, (), attributes)
    else:
        conversion.emit(op, ops.Constant, (), {"value": value})


@rule("ub.poison")
def _poison(conversion: Conversion, op: MlirOp) -> None:
    conversion.bind(op, [conversion.nothing(op, tile_type(conversion, op, op.results[0].type))])


@rule("arith.cmpi")
def _compare_integers(conversion: Conversion, op: MlirOp) -> None:
    predicate = text(conversion, op, _COMPARISONS[op.name], "predicate", -1)
    conversion.emit(op, ops.Map, conversion.operands(op), {"function": f"icmp_{predicate}"})


@rule("arith.cmpf")
def _compare_floats(conversion: Conversion, op: MlirOp) -> None:
    predicate = text(conversion, op, _COMPARISONS[op.name], "predicate", -1)
    if predicate in ("false", "true"):
        conversion.emit(op, ops.Constant, (), {"value": predicate == "true"})
    else:
        conversion.emit(op, ops.Map, conversion.operands(op), {"function": f"fcmp_{predicate}"})


@rule("arith.select")
def _select(conversion: Conversion, op: MlirOp) -> None:
    condition, yes, no = conversion.operands(op)
    if isinstance(yes.type, Descriptor):
        _choose_descriptor(conversion, op, condition, yes, no)
        return
    if isinstance(yes.type, Tile) and not isinstance(condition.type, Tile):
        condition = conversion.make(op, ops.Splat, (condition,), Tile(yes.type.shape, condition.type))  # type: ignore[arg-type]
    conversion.emit(op, ops.Map, (condition, yes, no), {"function": "select"})


def _choose_descriptor(conversion: Conversion, op: MlirOp, condition: Value, yes: Value, no: Value) -> None:
    """A branch that yields one of them: what descriptors that control flow hands on are read from."""
    sides = []
    for value in (yes, no):
        side = Block()
        side.append(ops.Yield((value,), location=conversion.place(op)))
        sides.append(side)
    conversion.emit(op, ops.If, (condition,), {}, sides)


@rule("arith.bitcast", "tt.bitcast")
def _bitcast(conversion: Conversion, op: MlirOp) -> None:
    (source,) = conversion.operands(op)
    if source.type == op.results[0].type:
        conversion.bind(op, [source])
    else:
        conversion.emit(op, ops.Cast, (source,), {"kind": "bitcast"})


@rule("arith.truncf")
def _truncate_float(conversion: Conversion, op: MlirOp) -> None:
    rounding = text(conversion, op, _MLIR_ROUNDING, "roundingmode", 0)
    (source,) = conversion.operands(op)
    type_ = tile_type(conversion, op, op.results[0].type)
    conversion.bind(op, [convert_float(conversion, op, source, type_, rounding)])


@rule("tt.fp_to_fp")
def _float_to_float(conversion: Conversion, op: MlirOp) -> None:
    rounding = text(conversion, op, _TTIR_ROUNDING, "rounding", 1)
    (source,) = conversion.operands(op)
    type_ = tile_type(conversion, op, op.results[0].type)
    conversion.bind(op, [convert_float(conversion, op, source, type_, rounding)])


def convert_float(conversion: Conversion, op: MlirOp, source: Value, type_: Type, rounding: str) -> Value:
    """`source` as floats of another format; between formats of one width it goes through f32."""
    before, after = element_of(source.type), element_of(type_)
    assert isinstance(before, DType) and isinstance(after, DType)
    if before == after:
        return source
    if after.bits > before.bits:
        return conversion.make(op, ops.Cast, (source,), type_, {"kind": "fpext"})
    if after.bits == before.bits:
        source = conversion.make(op, ops.Cast, (source,), with_element(type_, F32), {"kind": "fpext"})
    return conversion.make(op, ops.Cast, (source,), type_, {"kind": "fptrunc", "rounding": rounding})


@rule("tt.clampf")
def _clamp(conversion: Conversion, op: MlirOp) -> None:
    source, low, high = conversion.operands(op)
    names = _PROPAGATE_NAN.get(integer(op, "propagateNan"))
    if names is None:
        conversion.refuse(op, f"tt.clampf: propagateNan is 0 or 65535, found {op.attributes['propagateNan']}")
    raised = conversion.make(op, ops.Map, (source, low), source.type, {"function": names[0]})
    conversion.emit(op, ops.Map, (raised, high), {"function": names[1]})
