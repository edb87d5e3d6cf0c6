"""Which rows and columns of a product anyone sees: the rest, beyond the edge of what is stored, is not computed.

At the edge of a matrix most of a tile may be of no use: all that becomes of it is cut off by the mask of a store. Where
elements of a product reach stores alone, each by its own index, a comparison in the stores' masks that bounds rows or
columns bounds the product too. Not here: the comparisons (`inside`).
"""

from __future__ import annotations

from collections.abc import Iterator

from supa.compiler.native.generator import Generator
from supa.compiler.native.inside import Limit, limit_of
from supa.compiler.native.tiles import Evaluator
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.types import Tile, shape_of

_MOST_INT = (1 << 31) - 1


def visible_extents(generator: Generator, op: ops.Dot) -> tuple[str, str]:
    """How many rows and columns of a product have to be computed, as i64: at most its own."""
    *batch, m, n = shape_of(op.result.type)
    stores = stores_of(op.result) if not batch and generator.environment.checks is None else None
    if not stores:
        return str(m), str(n)
    cuts = [list(_cuts(generator, store.mask)) for store in stores]
    return _most(generator, cuts, 0, m), _most(generator, cuts, 1, n)


def stores_of(value: Value) -> list[ops.Store] | None:
    """The stores that a tile's elements reach, if they reach nothing else and keep their indices."""
    found: list[ops.Store] = []
    waiting, seen = [value], set[Value]()
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        for user in value.uses:
            if isinstance(user, ops.Store) and [each for each in user.operands if each is value] == [user.value]:
                found.append(user)
                continue
            following = _following(user, value)
            if following is None:
                return None
            waiting.extend(following)
    return found


def _following(user: Op, value: Value) -> list[Value] | None:
    """The values whose elements depend on those of `value` at the same index only; None for any other kind of use."""
    if isinstance(user, ops.Map | ops.Cast):
        return [user.result]
    if isinstance(user, ops.Dot):
        return [user.result] if value is user.accumulator and value not in (user.left, user.right) else None
    places = [place for place, operand in enumerate(user.operands) if operand is value]
    if isinstance(user, ops.For):  # lower, upper, step, then what it carries
        return [each for place in places for each in (user.regions[0].args[place - 2], user.results[place - 3])]
    loop = user.parent.parent if isinstance(user, ops.Yield) and user.parent is not None else None
    if isinstance(loop, ops.For):
        return [each for place in places for each in (loop.regions[0].args[place + 1], loop.results[place])]
    return [loop.results[place] for place in places] if isinstance(loop, ops.If) else None


def _cuts(generator: Generator, mask: Value | None, axis: int | None = None) -> Iterator[tuple[int, Limit]]:
    """The comparisons that a mask of rank 2 can not be true without, each with the dimension that it bounds."""
    op = mask.op if mask is not None else None
    if mask is None or op is None or not isinstance(mask.type, Tile):
        return
    if isinstance(op, ops.Map) and op.function == "and":
        for argument in op.arguments:
            yield from _cuts(generator, argument, axis)
    elif isinstance(op, ops.Broadcast):
        yield from _cuts(generator, op.source, axis)
    elif isinstance(op, ops.ExpandDims) and len(mask.type.shape) == 2:
        yield from _cuts(generator, op.source, 1 - op.axis)
    else:
        if axis is None and 1 in mask.type.shape:
            axis = 1 - mask.type.shape.index(1)
        limit = limit_of(mask, generator.environment)
        if limit is not None and axis is not None:
            yield axis, limit


def _most(generator: Generator, cuts: list[list[tuple[int, Limit]]], axis: int, extent: int) -> str:
    """The most that any of the stores sees along `axis`; each has its own cuts."""
    limits = [[limit for along, limit in each if along == axis] for each in cuts]
    if not all(limits):
        return str(extent)
    evaluator = generator.evaluator()
    seen = [_seen(evaluator, each[0], extent) for each in limits]
    while len(seen) > 1:
        larger = evaluator.emit(0, f"icmp ugt i64 {seen[0]}, {seen[1]}")
        seen = [evaluator.emit(0, f"select i1 {larger}, i64 {seen[0]}, i64 {seen[1]}"), *seen[2:]]
    return seen[0]


def _seen(evaluator: Evaluator, limit: Limit, extent: int) -> str:
    """How many of the first elements a limit lets through; all where its sums might wrap."""
    first, bound = limit.last - (extent - 1), str(limit.bound)
    base = "0" if limit.base is None else _wide(evaluator, limit.base)
    if isinstance(limit.bound, Value):
        bound = _wide(evaluator, limit.bound)
    start = evaluator.emit(0, f"add i64 {base}, {first - (limit.predicate == 'sle')}")
    count = evaluator.emit(0, f"sub i64 {bound}, {start}")
    none = evaluator.emit(0, f"icmp slt i64 {count}, 0")
    some = evaluator.emit(0, f"select i1 {none}, i64 0, i64 {count}")
    last = evaluator.emit(0, f"add i64 {base}, {limit.last}")
    wraps = evaluator.emit(0, f"icmp sgt i64 {last}, {_MOST_INT}")
    more = evaluator.emit(0, f"icmp sgt i64 {some}, {extent}")
    whole = evaluator.emit(0, f"or i1 {wraps}, {more}")
    return evaluator.emit(0, f"select i1 {whole}, i64 {extent}, i64 {some}")


def _wide(evaluator: Evaluator, value: Value) -> str:
    vec = evaluator.scalar(value)
    return evaluator.emit(0, f"sext {vec.type} {vec.name} to i64")
