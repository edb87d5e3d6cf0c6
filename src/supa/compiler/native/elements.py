"""The table from scalar functions and casts of the tile IR to LLVM instructions. A name without a rule is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from supa.base.dtypes import F16, F32, F64, DType
from supa.base.errors import UnsupportedError
from supa.compiler.native.division import divide
from supa.compiler.native.emitter import llvm_bits, register_type
from supa.compiler.native.formats import f64_to_f32_odd, f64_to_f32_zero, from_f32, is_small, to_f32
from supa.compiler.native.lanes import Lanes
from supa.compiler.native.literals import FP8, literal
from supa.compiler.native.vec import Nan, Vec, constant, uniform, vector
from supa.ir.functions import FUNCTIONS
from supa.ir.types import Pointer, Scalar

Rule = Callable[[Lanes, Sequence[Vec]], Vec]
_RULES: dict[str, Rule] = {}

_SIMPLE = {
    "fadd": "fadd {t} {0}, {1}", "fsub": "fsub {t} {0}, {1}", "fmul": "fmul {t} {0}, {1}", "fdiv": "fdiv {t} {0}, {1}",
    "fneg": "fneg {t} {0}",
    "and": "and {t} {0}, {1}", "or": "or {t} {0}, {1}", "xor": "xor {t} {0}, {1}",
}  # fmt: skip
_PICKING = ("fmin", "fmax", "fminimum", "fmaximum", "fneg", "fabs", "copysign")
_WHOLE_BITS = 64  # of numbers that no vector instruction multiplies to twice their width
_KEEPING = (*_PICKING, "select")  # what becomes of NaNs, see `Nan`
_CALCULATING = ("fadd", "fsub", "fmul", "fdiv", "fma", "sqrt", "rsqrt", "exp", "exp2", "log", "log2", "erf", "tanh",
                "sin", "cos")  # fmt: skip
_INTRINSICS = {
    "fmin": "minnum", "fmax": "maxnum", "fminimum": "minimum", "fmaximum": "maximum", "fma": "fma", "fabs": "fabs",
    "floor": "floor", "ceil": "ceil", "trunc": "trunc", "round": "round", "rint": "roundeven", "copysign": "copysign",
    "sqrt": "sqrt", "smin": "smin", "smax": "smax", "umin": "umin", "umax": "umax", "popcount": "ctpop",
    "brev": "bitreverse",
}  # fmt: skip


def _template_rule(template: str) -> Rule:
    return lambda lanes, args: lanes.apply(template, args, args[0].type)


def _compare_rule(instruction: str) -> Rule:
    return lambda lanes, args: lanes.apply(instruction + " {t} {0}, {1}", args, "i1")


def _intrinsic_rule(name: str) -> Rule:
    return lambda lanes, args: lanes.intrinsic(name, args)


for _name, _template in _SIMPLE.items():
    _RULES[_name] = _template_rule(_template)
for _name, _intrinsic in _INTRINSICS.items():
    _RULES[_name] = _intrinsic_rule(_intrinsic)
for _name in FUNCTIONS:
    if _name.startswith(("fcmp_", "icmp_")):
        _RULES[_name] = _compare_rule(_name.replace("_", " "))
_RULES["add"] = lambda lanes, args: lanes.add(*args)
_RULES["sub"] = lambda lanes, args: lanes.sub(*args)
_RULES["mul"] = lambda lanes, args: lanes.mul(*args)
_RULES["select"] = lambda lanes, args: lanes.select(*args)
_RULES["and"] = lambda lanes, args: _and(lanes, *args)


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register the code of one or more functions."""

    def register(function: Rule) -> Rule:
        for name in names:
            _RULES[name] = function
        return function

    return register


def _and(lanes: Lanes, left: Vec, right: Vec) -> Vec:
    """Bits of both; of masks, one that is known to be true goes."""
    for known, other in ((left, right), (right, left)):
        if known.name == "true":
            return other.at_level(known.level)
    return lanes.apply("and {t} {0}, {1}", (left, right), left.type)


# ---- integers --------------------------------------------------------------------------------------------------


def _shift(instruction: str) -> Rule:
    def emit(lanes: Lanes, args: Sequence[Vec]) -> Vec:
        value, amount = args
        bits = llvm_bits(value.type)
        if amount.constant is not None and 0 <= amount.constant < bits:
            if instruction == "shl" and (value.is_linear or value.is_bent):
                return lanes.mul(value, constant(value.type, 1 << amount.constant))
            return lanes.apply(f"{instruction} {{t}} {{0}}, {{1}}", args, value.type)
        last = constant(value.type, bits - 1)
        inside = lanes.apply("icmp ule {t} {0}, {1}", (amount, last), "i1")
        safe = lanes.apply(
            f"{instruction} {{t}} {{0}}, {{1}}", (value, lanes.intrinsic("umin", (amount, last))), value.type
        )
        return safe if instruction == "ashr" else lanes.select(inside, safe, constant(value.type, 0))

    return emit


for _name in ("shl", "lshr", "ashr"):
    _RULES[_name] = _shift(_name)


def _division(instruction: str) -> Rule:
    signed = instruction.startswith("s")

    def emit(lanes: Lanes, args: Sequence[Vec]) -> Vec:
        value, divisor = args
        plain = f"{instruction} {{t}} {{0}}, {{1}}"
        known = divisor.constant
        scalar = value.is_uniform and divisor.is_uniform
        if known is not None and known not in (0, -1):
            if value.pieces is not None and all(piece.is_uniform for piece in value.pieces):
                return lanes.bend(lambda piece: emit(lanes, (piece, divisor)), value)
            is_easy = known > 0 and known & (known - 1) == 0
            if scalar or is_easy or llvm_bits(value.type) < _WHOLE_BITS:
                return lanes.apply(plain, args, value.type)
        if not scalar:
            return divide(lanes, instruction, value, divisor)
        # A zero divisor and the one overflowing pair must not trap on the host.
        zero = lanes.apply("icmp eq {t} {0}, {1}", (divisor, constant(value.type, 0)), "i1")
        bad = zero
        if signed:
            lowest = constant(value.type, -(1 << (llvm_bits(value.type) - 1)))
            minus = lanes.apply("icmp eq {t} {0}, {1}", (divisor, constant(value.type, -1)), "i1")
            overflow = lanes.apply("icmp eq {t} {0}, {1}", (value, lowest), "i1")
            bad = lanes.apply("or {t} {0}, {1}", (bad, lanes.apply("and {t} {0}, {1}", (minus, overflow), "i1")), "i1")
        safe = lanes.select(bad, constant(value.type, 1), divisor)
        result = lanes.apply(plain, (value, safe), value.type)
        return lanes.select(zero, constant(value.type, -1) if instruction.endswith("div") else value, result)

    return emit


for _name in ("sdiv", "udiv", "srem", "urem"):
    _RULES[_name] = _division(_name)


def _high_product(extend: str) -> Rule:
    def emit(lanes: Lanes, args: Sequence[Vec]) -> Vec:
        bits = llvm_bits(args[0].type)
        wide = f"i{2 * bits}"
        left, right = (lanes.apply(f"{extend} {{t}} {{0}} to {{r}}", (arg,), wide) for arg in args)
        product = lanes.apply("mul {t} {0}, {1}", (left, right), wide)
        high = lanes.apply("lshr {t} {0}, {1}", (product, Vec("uniform", wide, str(bits))), wide)
        return lanes.apply("trunc {t} {0} to {r}", (high,), args[0].type)

    return emit


_RULES["mulhi_s"], _RULES["mulhi_u"] = _high_product("sext"), _high_product("zext")


@rule("abs")
def _abs(lanes: Lanes, args: Sequence[Vec]) -> Vec:
    return lanes.intrinsic("abs", args, extra="i1 false")


@rule("clz")
def _clz(lanes: Lanes, args: Sequence[Vec]) -> Vec:
    return lanes.intrinsic("ctlz", args, extra="i1 false")


@rule("ffs")
def _ffs(lanes: Lanes, args: Sequence[Vec]) -> Vec:
    zeros = lanes.intrinsic("cttz", args, extra="i1 false")
    position = lanes.apply("add {t} {0}, {1}", (zeros, constant(zeros.type, 1)), zeros.type)
    empty = lanes.apply("icmp eq {t} {0}, {1}", (args[0], constant(zeros.type, 0)), "i1")
    return lanes.select(empty, constant(zeros.type, 0), position)


# ---- floats ----------------------------------------------------------------------------------------------------


def _infinity(type_: str) -> Vec:
    return uniform(type_, "0x7FF0000000000000")


@rule("isnan")
def _isnan(lanes: Lanes, args: Sequence[Vec]) -> Vec:
    return lanes.apply("fcmp uno {t} {0}, {1}", (args[0], args[0]), "i1")


@rule("isinf")
def _isinf(lanes: Lanes, args: Sequence[Vec]) -> Vec:
    return lanes.apply("fcmp oeq {t} {0}, {1}", (lanes.intrinsic("fabs", args), _infinity(args[0].type)), "i1")


@rule("isfinite")
def _isfinite(lanes: Lanes, args: Sequence[Vec]) -> Vec:
    return lanes.apply("fcmp one {t} {0}, {1}", (lanes.intrinsic("fabs", args), _infinity(args[0].type)), "i1")


@rule("signbit")
def _signbit(lanes: Lanes, args: Sequence[Vec]) -> Vec:
    bits = "i32" if args[0].type == "float" else "i64"
    return lanes.apply(
        "icmp slt {t} {0}, {1}", (lanes.apply("bitcast {t} {0} to {r}", args, bits), constant(bits, 0)), "i1"
    )


@rule("frem")
def _frem(lanes: Lanes, args: Sequence[Vec]) -> Vec:
    return lanes.apply("frem {t} {0}, {1}", args, args[0].type)


def _library(lanes: Lanes, function: str, args: Sequence[Vec]) -> Vec:
    """A call of the vectorised mathematics library; uniform operands take one lane of it."""
    from supa.compiler.native import mathlib  # most kernels need none of it

    type_ = args[0].type
    level = max(arg.level for arg in args)
    name = mathlib.require(lanes.emitter, function, "f64" if type_ == "double" else "f32", lanes.count)
    vector_type = lanes.vector_type(type_)
    names = ", ".join(f"{vector_type} {lanes.widen(arg)}" for arg in args)
    made = lanes.emit(level, f"call {vector_type} {name}({names})")
    if not all(arg.is_uniform for arg in args):
        return vector(type_, made, level)
    return uniform(type_, lanes.emit(level, f"extractelement {vector_type} {made}, i64 0"), level)


def _next_after(lanes: Lanes, args: Sequence[Vec], type_: DType) -> Vec:
    """The neighbour of a float of at most 16 bits, toward another: one step of its bits."""

    def whole(vec: Vec) -> Vec:
        return lanes.apply("bitcast {t} {0} to {r}", (vec,), kind) if vec.type == "half" else vec

    def integer(instruction: str, left: Vec, right: Vec) -> Vec:
        return lanes.apply(instruction + " {t} {0}, {1}", (left, right), kind)

    def compare(predicate: str, left: Vec, right: Vec) -> Vec:
        return lanes.apply(f"fcmp {predicate} {{t}} {{0}}, {{1}}", (left, right), "i1")

    kind, sign = f"i{type_.bits}", constant(f"i{type_.bits}", -(1 << (type_.bits - 1)))
    one, zero = constant(kind, 1), uniform("float", "0.0")
    here, there = (to_f32(lanes, arg, type_) for arg in args)
    bits, target = (whole(arg) for arg in args)
    negative = lanes.apply("icmp slt {t} {0}, {1}", (bits, constant(kind, 0)), "i1")
    away = lanes.select(negative, compare("olt", there, here), compare("ogt", there, here))
    moved = lanes.select(away, integer("add", bits, one), integer("sub", bits, one))
    least = lanes.select(compare("ogt", there, zero), one, integer("or", sign, one))
    moved = lanes.select(compare("oeq", here, zero), least, moved)
    if type_.bits == 8 and FP8[type_.name].fnuz:  # no negative zero
        lost = lanes.apply("icmp eq {t} {0}, {1}", (moved, sign), "i1")
        moved = lanes.select(lost, constant(kind, 0), moved)
    moved = lanes.select(compare("oeq", here, there), target, moved)
    nan = constant(kind, int(literal(float("nan"), type_)) if type_ is not F16 else 0x7E00)
    moved = lanes.select(compare("uno", here, there), nan, moved)
    return lanes.apply("bitcast {t} {0} to {r}", (moved,), "half") if type_ is F16 else moved


def _fused(lanes: Lanes, args: Sequence[Vec], type_: DType) -> Vec:
    """x * y + z of floats of at most 16 bits, rounded once: the sum in f64, rounded to odd by its error."""
    x, y, z = (lanes.apply("fpext {t} {0} to {r}", (to_f32(lanes, arg, type_),), "double") for arg in args)

    def double(instruction: str, left: Vec, right: Vec) -> Vec:
        return lanes.apply(instruction + " {t} {0}, {1}", (left, right), "double")

    product = double("fmul", x, y)  # exact
    total = double("fadd", product, z)
    high = double("fsub", total, product)
    error = double("fadd", double("fsub", product, double("fsub", total, high)), double("fsub", z, high))
    bits = lanes.apply("bitcast {t} {0} to {r}", (total,), "i64")
    outward = lanes.apply("fcmp ogt {t} {0}, {1}", (double("fmul", error, total), uniform("double", "0.0")), "i1")
    exact = lanes.apply("fcmp ueq {t} {0}, {1}", (error, uniform("double", "0.0")), "i1")  # or infinite
    below = lanes.select(outward, bits, lanes.apply("sub {t} {0}, {1}", (bits, constant("i64", 1)), "i64"))
    odd = lanes.apply("or {t} {0}, {1}", (below, constant("i64", 1)), "i64")
    whole = lanes.apply("bitcast {t} {0} to {r}", (lanes.select(exact, bits, odd),), "double")
    return from_f32(lanes, f64_to_f32_odd(lanes, whole), type_)


# ---- the face --------------------------------------------------------------------------------------------------


def apply_function(lanes: Lanes, function: str, args: Sequence[Vec], types: Sequence[Scalar]) -> Vec:
    """The code of one scalar function on `args`, whose tile IR element types are `types`."""
    first = types[0]
    if function == "select" or not isinstance(first, DType) or not (is_small(first) or first is F16):
        return _dispatch(lanes, function, args)
    if function == "nextafter":
        return _next_after(lanes, args, first)
    if function == "fma":
        return _fused(lanes, args, first)
    widened = [to_f32(lanes, arg, first) if type_ == first else arg for arg, type_ in zip(args, types, strict=True)]
    result = _dispatch(lanes, function, widened)
    if FUNCTIONS[function].result == "i1":
        return result
    # What only picks an operand or its sign fits the narrow type as it is.
    return from_f32(lanes, result, first, "rtz" if function in _PICKING else "rtne")


def _dispatch(lanes: Lanes, function: str, args: Sequence[Vec]) -> Vec:
    made = _RULES[function](lanes, args) if function in _RULES else _library(lanes, function, args)
    if made.type != "float":
        return made
    floats = [arg.nans for arg in args if arg.type == "float"]
    if function in _KEEPING and floats:
        return made.with_nans(min(floats))
    if function in _CALCULATING and min(floats) > Nan.ANY:
        return made.with_nans(Nan.QUIET)
    return made


def apply_cast(lanes: Lanes, kind: str, vec: Vec, source: Scalar, target: Scalar, rounding: str = "rtne") -> Vec:
    """The code of a conversion from element type `source` to `target`."""
    to = register_type(target)
    if kind in ("ptrtoint", "inttoptr"):
        return lanes.resize(vec, to, "zext")
    if kind == "bitcast":
        return (
            vec
            if vec.type == to
            else lanes.apply("bitcast {t} {0} to {r}", (lanes.as_vector(vec) if vec.is_linear else vec,), to)
        )
    if isinstance(source, Pointer) or isinstance(target, Pointer):
        raise UnsupportedError(f"conversion {kind} from {source} to {target}")
    if kind in ("trunc", "sext", "zext"):
        return lanes.resize(vec, to, kind)
    if kind in ("fpext", "fptrunc"):
        return _float_to_float(lanes, vec, source, target, rounding)
    if kind in ("sitofp", "uitofp"):
        return _int_to_float(lanes, kind, vec, source, target)
    wide = vec if source.bits >= 32 and not is_small(source) else to_f32(lanes, vec, source)
    return lanes.intrinsic(kind + ".sat", (wide,), to)


def _float_to_float(lanes: Lanes, vec: Vec, source: DType, target: DType, rounding: str) -> Vec:
    if source is F64:
        if target is F32 and rounding == "rtz":
            return f64_to_f32_zero(lanes, vec)
        if target is F32:
            return lanes.apply("fptrunc {t} {0} to {r}", (vec,), "float")
        return from_f32(lanes, f64_to_f32_odd(lanes, vec), target, rounding)
    wide = to_f32(lanes, vec, source)
    if target is F64:
        return lanes.apply("fpext {t} {0} to {r}", (wide,), "double")
    return from_f32(lanes, wide, target, rounding)


def _int_to_float(lanes: Lanes, kind: str, vec: Vec, source: DType, target: DType) -> Vec:
    instruction = kind + " {t} {0} to {r}"
    if target in (F32, F64):
        return lanes.apply(instruction, (vec,), register_type(target)).with_nans(Nan.QUIET)
    if source.bits <= 16:
        return from_f32(lanes, lanes.apply(instruction, (vec,), "float").with_nans(Nan.QUIET), target)
    if target is F16:
        vec = _within_f16(lanes, kind, vec)
    # A wide integer to a small float: through f64, which holds 32-bit integers exactly.
    return from_f32(lanes, f64_to_f32_odd(lanes, lanes.apply(instruction, (vec,), "double")), target)


def _within_f16(lanes: Lanes, kind: str, vec: Vec) -> Vec:
    """Integers that become infinite, brought next to the largest f16. LLVM takes a conversion to `half` of an integer
    with many zeros at its end for exact, and so for undone by one that follows, even where it gives infinity."""
    most = 0xFFFF  # rounds to infinity, and has no zeros at its end
    if kind == "uitofp":
        return lanes.intrinsic("umin", (vec, constant(vec.type, most)))
    return lanes.intrinsic(
        "smax", (lanes.intrinsic("smin", (vec, constant(vec.type, most))), constant(vec.type, -most))
    )
