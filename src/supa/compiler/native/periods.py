"""Indices that are divided: `x % n` and `x // n` of a range of x, as generated kernels write rows, planes and images.

Lanes of such an x cross one multiple of n at most where n is no less than the lanes are many: the quotient is one
number before it and one from there on, the remainder grows by one in each piece (`vec.bent`). Where x begins at a
multiple of the lanes and n is one too, no vector crosses anything. Not here: divisors that are known only when the
kernel runs; x that may be negative or wrap, for which the nest has another version.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from math import gcd

from supa.compiler.native.lanes import Lanes
from supa.compiler.native.peaks import peak_of
from supa.compiler.native.vec import Cut, Vec, bent, uniform
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.types import Tile, element_of

DIVISIONS = {"srem": "urem", "urem": "urem", "sdiv": "udiv", "udiv": "udiv"}
_MOST_FACTOR = 1 << 16  # powers of two beyond it tell nothing more
_DEEPEST = 12  # definitions that `factor_of` follows
_SHAPES = (ops.Splat, ops.Broadcast, ops.ExpandDims)


@dataclass(frozen=True, kw_only=True)
class Run:
    """An index that grows by one from element to element: a scalar and a range, from base + first to base + last.

    `factor` is a power of two that the first element is a multiple of, `unit` what divides all its divisors. Where
    `safe`, it is known to be no less than zero and not to wrap.
    """

    base: Value | None
    first: int
    last: int
    factor: int
    unit: int
    safe: bool


def number_of(value: Value | None) -> int | None:
    """The one integer that a value is, where it is written out."""
    op = value.op if value is not None else None
    while isinstance(op, _SHAPES):
        op = op.source.op
    return int(op.value) if isinstance(op, ops.Constant) and not op.values else None


def is_division(op: Op | None) -> bool:
    """Whether an operation divides by a positive number that is written out."""
    return isinstance(op, ops.Map) and op.function in DIVISIONS and (number_of(op.arguments[1]) or 0) > 0


def is_cheap(op: Op, width: int) -> bool:
    """Whether a division costs little in a nest, for it is one of an index by no less than `width`."""
    if not is_division(op) or not isinstance(op, ops.Map) or (number_of(op.arguments[1]) or 0) < width:
        return False
    dividend: Op | None = op.arguments[0].op
    while isinstance(dividend, _SHAPES):
        dividend = dividend.source.op
    return peak_of(op.arguments[0]) is not None or (dividend is not None and is_cheap(dividend, width))


def runs_of(values: Iterable[Value], scalars: Container[Value]) -> dict[Value, Run]:
    """The indices that are divided among what some values are computed from."""
    divisors: dict[Value, list[int]] = {}
    for op in _below(values):
        if is_division(op) and isinstance(op, ops.Map):
            divisors.setdefault(op.arguments[0], []).append(number_of(op.arguments[1]) or 1)
    found = {}
    for dividend, numbers in divisors.items():
        run = _run(dividend, gcd(*numbers))
        if run is not None and (run.base is None or run.base in scalars):
            found[dividend] = run
    return found


def _below(values: Iterable[Value]) -> Iterator[Op]:
    waiting, seen = list(values), set[Value]()
    while waiting:
        value = waiting.pop()
        if value in seen or value.op is None or not isinstance(value.type, Tile):
            continue
        seen.add(value)
        yield value.op
        waiting.extend(operand for operand in value.op.operands if operand is not None)


def _run(value: Value, unit: int) -> Run | None:
    peak = peak_of(value)
    if peak is None or peak.spread == 0:
        return None
    first = peak.last - peak.spread
    factor = _low_bit(first) if _count_ranges(value) == 1 else 1
    if peak.base is not None:
        factor = min(factor, factor_of(peak.base))
    safe = first >= 0 and (peak.base is None or _stays_in_range(peak.base, factor, peak.last))
    return Run(base=peak.base, first=first, last=peak.last, factor=factor, unit=unit, safe=safe)


def _count_ranges(value: Value) -> int:
    op = value.op
    if op is None or isinstance(op, ops.Splat):
        return 0
    return int(isinstance(op, ops.Range)) + sum(_count_ranges(one) for one in op.operands if one is not None)


def _stays_in_range(base: Value, factor: int, last: int) -> bool:
    """Whether base is no less than zero and base + last does not wrap: a counter of multiples of more than `last`,
    or one and a number.
    """
    if isinstance(base.op, ops.Map) and base.op.function == "add":
        left, right = base.op.arguments
        added = number_of(right)
        return added is not None and added >= 0 and _stays_in_range(left, factor_of(left), last + added)
    block = base.owner
    loop = block.parent if isinstance(block, Block) else None
    if not isinstance(loop, ops.For) or base.index != 0 or loop.unsigned:
        return False
    lower, step = number_of(loop.lower), number_of(loop.step)
    return lower is not None and lower >= 0 and step is not None and step > 0 and factor > last


def _low_bit(number: int) -> int:
    return min(number & -number, _MOST_FACTOR) if number else _MOST_FACTOR


def factor_of(value: Value, depth: int = 0) -> int:
    """A power of two that an integer scalar is a multiple of."""
    op = value.op
    if depth > _DEEPEST:
        return 1
    if op is None:
        return _factor_of_argument(value, depth)
    if isinstance(op, ops.Constant) and not op.values:
        return _low_bit(int(op.value))
    if isinstance(op, ops.Cast) and op.kind in ("sext", "zext"):
        return factor_of(op.source, depth + 1)
    if isinstance(op, ops.Map) and op.function in ("add", "sub", "mul"):
        left, right = (factor_of(argument, depth + 1) for argument in op.arguments)
        return min(left * right, _MOST_FACTOR) if op.function == "mul" else min(left, right)
    return 1


def _factor_of_argument(value: Value, depth: int) -> int:
    block = value.owner
    parent = block.parent if isinstance(block, Block) else None
    if isinstance(parent, ops.For) and value.index == 0:
        return min(factor_of(parent.lower, depth + 1), factor_of(parent.step, depth + 1))
    if isinstance(parent, ops.Func) and value.index < len(parent.arg_divisibility):
        return _low_bit(parent.arg_divisibility[value.index])
    return 1


def emit_guard(lanes: Lanes, runs: Iterable[Run], names: dict[Value, Vec]) -> str:
    """The name of an i1: whether the indices that are not known to be safe are; "" where all are known."""
    flags = []
    for base, first, last in dict.fromkeys((one.base, one.first, one.last) for one in runs if not one.safe):
        if base is None:  # below zero, always
            return "false"
        vec = names[base]
        wide = vec.name if vec.type == "i64" else lanes.emit(0, f"sext {vec.type} {vec.name} to i64")
        bits = getattr(element_of(base.type), "bits", 64)
        low = lanes.emit(0, f"icmp sge i64 {wide}, {-first}")
        high = lanes.emit(0, f"icmp sle i64 {wide}, {(1 << (bits - 1)) - 1 - max(last, 0)}")
        flags.append(lanes.emit(0, f"and i1 {low}, {high}"))
    while len(flags) > 1:
        flags = [lanes.emit(0, f"and i1 {flags[0]}, {flags[1]}"), *flags[2:]]
    return flags[0] if flags else ""


def divide(lanes: Lanes, function: str, value: Vec, divisor: Vec, run: Run) -> Vec | None:
    """A division of an index that is no less than zero in any lane and does not wrap; None where it is no vector of a
    row, or its divisor is less than the lanes are many.
    """
    number, count = divisor.constant, lanes.count
    if not value.is_linear or value.step != 1 or number is None or number < count:
        return None
    instruction = DIVISIONS[function]
    if number % count == 0 and run.factor % count == 0:
        return _piece(lanes, instruction, value.name, value, number)
    cut, second = _cut(lanes, value, run.unit if run.unit >= count else number)
    low = _piece(lanes, instruction, value.name, value, number)
    start = lanes.emit(value.level, f"add {value.type} {value.name}, {second}")
    high = _piece(lanes, instruction, start, value, number)
    if high.is_linear:  # as if it began in the first lane
        high = Vec("linear", high.type, lanes.emit(high.level, f"sub {high.type} {high.name}, {second}"), high.level, 1)
    return bent(cut, low, high)


def _piece(lanes: Lanes, instruction: str, start: str, value: Vec, number: int) -> Vec:
    name = lanes.emit(value.level, f"{instruction} {value.type} {start}, {number}")
    if instruction == "udiv":
        return uniform(value.type, name, value.level)
    return Vec("linear", value.type, name, value.level, 1)


def _cut(lanes: Lanes, value: Vec, unit: int) -> tuple[Cut, str]:
    """The first lane at a multiple of `unit`, and that lane, or the last of all: a lane of the second piece."""
    type_, level = value.type, value.level
    rest = lanes.emit(level, f"urem {type_} {value.name}, {unit}")
    until = lanes.emit(level, f"sub {type_} {unit}, {rest}")
    lanes.emitter.declare(f"declare {type_} @llvm.umin.{type_}({type_}, {type_})")
    lane = lanes.emit(level, f"call {type_} @llvm.umin.{type_}({type_} {until}, {type_} {lanes.count - 1})")
    return Cut(until, type_, level), lane
