"""Which comparisons hold for a whole tile if they hold for its last element: `i < n` over a range of i.

Where all of a nest's do, its masks are all true and its code needs none: it is emitted twice, and chooses when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

from supa.compiler.native.generator import Generator
from supa.compiler.native.peaks import peak_of
from supa.compiler.native.plan import Nest
from supa.compiler.native.tiles import Environment, Evaluator, is_virtual
from supa.compiler.native.vec import uniform
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import Tile, element_of

_UPPER = {"icmp_slt": "slt", "icmp_sle": "sle"}
_LOWER = {"icmp_sgt": "slt", "icmp_sge": "sle"}  # the operands the other way round


@dataclass(frozen=True, kw_only=True)
class Limit:
    """`mask` is true in every element if base + last `predicate` bound; without a base, if last is."""

    mask: Value
    predicate: str
    base: Value | None
    last: int
    bound: Value | int
    spread: int  # how far below the last element's value the first one's is; 0 where all elements have one
    is_wide: bool = False  # the base has 64 bits, and base + last may leave them


def limits_of_nest(generator: Generator, nest: Nest) -> list[Limit]:
    """The masks of a nest that can be known from scalars."""
    values = [value for root in nest.roots for value in root.op.operands if value is not None]
    values += [root.value for root in nest.roots if root.value is not None]
    return limits_of(generator, values, nest.products)


def limits_of(generator: Generator, values: list[Value], inside: Container[Value] = ()) -> list[Limit]:
    """The masks, below some values, that can be known from scalars; `inside`: kept tiles that are computed here."""
    waiting, found, seen = list(values), [], set()
    while waiting:
        value = waiting.pop()
        if value in seen or value.op is None or not isinstance(value.type, Tile):
            continue
        seen.add(value)
        limit = limit_of(value, generator.environment, takes_wide=True)
        if limit is not None:
            found.append(limit)
        elif is_virtual(value.op) and (value not in generator.planner.kept or value in inside):
            waiting.extend(operand for operand in value.op.operands if operand is not None)
    return found


def limits_covering(generator: Generator, mask: Value | None) -> list[Limit] | None:
    """What makes all of a mask true; None where it may be false all the same. Nothing is needed where there is none."""
    if mask is None:
        return []
    op = mask.op
    limit = limit_of(mask, generator.environment)
    if limit is not None:
        return [limit]
    if isinstance(op, ops.Broadcast | ops.ExpandDims | ops.Reshape | ops.Transpose):
        return limits_covering(generator, op.source)
    if isinstance(op, ops.Constant) and not op.values and op.value:
        return []
    if isinstance(op, ops.Map) and op.function == "and":
        sides = [limits_covering(generator, argument) for argument in op.arguments]
        return None if None in sides else [each for side in sides if side is not None for each in side]
    return None


def emit_versions(generator: Generator, limits: list[Limit], emit: Callable[[list[Limit]], None]) -> None:
    """`emit` once with the masks that are then true, and once for where they are not; once if there are none."""
    if not limits:
        emit([])
        return
    emitter = generator.emitter
    guard = emit_guard(generator.evaluator(), limits)
    whole, part, done = (emitter.fresh_label(hint) for hint in ("whole", "part", "done"))
    emitter.do(f"br i1 {guard}, label %{whole}, label %{part}")
    for label, true in ((whole, limits), (part, [])):
        emitter.label(label)
        emit(true)
        emitter.do(f"br label %{done}")
    emitter.label(done)


def assume(evaluator: Evaluator, true: list[Limit]) -> None:
    """Take these masks as true."""
    evaluator.bound.update((limit.mask, uniform("i1", "true")) for limit in true)


def emit_guard(evaluator: Evaluator, limits: list[Limit]) -> str:
    """The name of an i1: whether all limits hold. Sums are taken in 64 bits, and stop at the largest number there."""
    flags = []
    for limit in limits:
        last = str(limit.last) if limit.base is None else _sum(evaluator, limit.base, limit.last)
        bound = str(limit.bound) if isinstance(limit.bound, int) else _sum(evaluator, limit.bound, 0)
        flags.append(evaluator.emit(0, f"icmp {limit.predicate} i64 {last}, {bound}"))
    while len(flags) > 1:
        flags = [evaluator.emit(0, f"and i1 {flags[0]}, {flags[1]}"), *flags[2:]]
    return flags[0]


def _sum(evaluator: Evaluator, base: Value, last: int) -> str:
    vec = evaluator.scalar(base)
    wide = vec.name if vec.type == "i64" else evaluator.emit(0, f"sext {vec.type} {vec.name} to i64")
    if vec.type != "i64" or last == 0:
        return evaluator.emit(0, f"add i64 {wide}, {last}")
    evaluator.emitter.declare("declare i64 @llvm.sadd.sat.i64(i64, i64)")
    return evaluator.emit(0, f"call i64 @llvm.sadd.sat.i64(i64 {wide}, i64 {last})")


def limit_of(value: Value, environment: Environment, *, takes_wide: bool = False) -> Limit | None:
    """The limit that a comparison is, if its scalars are at hand; `takes_wide`: those of more than 32 bits, and what
    is one value for the whole tile, too.
    """
    op = value.op
    if takes_wide and isinstance(op, ops.Splat) and _bits(op.source) == 1 and op.source in environment.scalars:
        return Limit(mask=value, predicate="ne", base=op.source, last=0, bound=0, spread=0)
    if not isinstance(op, ops.Map) or op.function not in {**_UPPER, **_LOWER}:
        return None
    left, right = op.arguments if op.function in _UPPER else list(op.arguments)[::-1]
    if left is None or right is None:
        return None
    peak, bound = peak_of(left), peak_of(right)
    if peak is None or bound is None or bound.spread or (peak.spread == 0 and not takes_wide):
        return None
    if bound.base is not None and bound.last:
        return None
    for scalar in (peak.base, bound.base):
        if scalar is not None and (scalar not in environment.scalars or (_bits(scalar) > 32 and not takes_wide)):
            return None
    is_wide = any(scalar is not None and _bits(scalar) > 32 for scalar in (peak.base, bound.base))
    return Limit(
        mask=value,
        predicate={**_UPPER, **_LOWER}[op.function],
        base=peak.base,
        last=peak.last,
        bound=bound.last if bound.base is None else bound.base,
        spread=peak.spread,
        is_wide=is_wide,
    )


def _bits(value: Value) -> int:
    return getattr(element_of(value.type), "bits", 64)
