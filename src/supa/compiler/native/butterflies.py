"""Exchanges of pairs, as sorts write them, as one operation: `x ^ (the xor of x along an axis of two)` is the other.

Floats are exchanged as their bits; the operation exchanges what these are of, so that no tile of bits stands between.
Not here: their code (`tiles`), and what keeps them in registers (`plan`).
"""

from __future__ import annotations

from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.rewrite import Builder, clone, erase_dead, replace
from supa.ir.types import shape_of


def with_butterflies(func: ops.Func) -> ops.Func:
    """A copy of the kernel with its exchanges as `butterfly`; the kernel itself if it has none."""
    if not any(_exchanged(op) for op in func.walk()):
        return func
    func = clone(func)
    for op in list(func.walk()):
        found = _exchanged(op)
        if found is not None:
            source, reduce = found
            _exchange(op, source, reduce.axis)
    erase_dead(func)
    return func


def _exchange(op: Op, source: Value, axis: int) -> None:
    """Put a butterfly in the place of an exchange, before the cast to bits if `source` is one."""
    builder, bits = Builder.before(op), source.type
    while isinstance(source.op, ops.Cast) and source.op.kind == "bitcast":
        source = source.op.source
    other = builder.value(ops.Butterfly, (source,), source.type, axis=axis)
    for user in list(op.results[0].uses):
        if isinstance(user, ops.Cast) and user.kind == "bitcast" and user.result.type == source.type:
            replace(user, [other])
    if bits != source.type:
        other = builder.value(ops.Cast, (other,), bits, kind="bitcast")
    replace(op, [other])


def _exchanged(op: Op) -> tuple[Value, ops.Reduce] | None:
    """The tile whose pairs an operation exchanges, and the reduction that it uses for it."""
    if not isinstance(op, ops.Map) or op.function != "xor":
        return None
    left, right = op.operands
    for source, other in ((left, right), (right, left)):
        reduce = _spread_reduction(other)
        if source is not None and reduce is not None and list(reduce.sources) == [source] and _is_xor(reduce):
            return source, reduce
    return None


def _spread_reduction(value: Value | None) -> ops.Reduce | None:
    """The reduction over an axis of two whose result `value` repeats along that axis."""
    spread = value.op if value is not None else None
    if not isinstance(spread, ops.Broadcast) or spread.source.op is None:
        return None
    grown = spread.source.op
    if not isinstance(grown, ops.ExpandDims | ops.Reshape) or not isinstance(grown.source.op, ops.Reduce):
        return None
    reduce = grown.source.op
    shape = list(shape_of(reduce.sources[0].type))
    if shape[reduce.axis] != 2 or list(shape_of(spread.result.type)) != shape:
        return None
    shape[reduce.axis] = 1
    return reduce if list(shape_of(grown.result.type)) == shape else None


def _is_xor(reduce: ops.Reduce) -> bool:
    block = reduce.regions[0]
    first = block.ops[0]
    return (
        len(block.ops) == 2
        and isinstance(first, ops.Map)
        and first.function == "xor"
        and set(first.operands) == set(block.args)
        and block.terminator.operands == first.results
    )
