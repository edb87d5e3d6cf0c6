"""Rows that end inside their tile: `i < n` along one dimension cuts the loop over it into parts.

The vectors before n need no masks, a few are masked, and all behind these hold one value. Where a sum or an extreme
does not change by taking that value once more, and a store writes nothing, the loop ends there; kept tiles are filled.
The answers are the same to the bit: accumulators take the elements that they always took, in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from supa.compiler.native.combination import identity_function
from supa.compiler.native.generator import Generator
from supa.compiler.native.inside import Limit
from supa.compiler.native.loops import Space
from supa.compiler.native.plan import Nest, Root
from supa.compiler.native.tiles import Evaluator, is_virtual
from supa.compiler.native.vec import Vec, uniform
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import Tile

_LEAST_STEPS = 16  # of a loop that is worth being cut
_LEAST_MOVING = 2048  # elements of a tile whose place a block or a turn decides: most of those end inside nowhere
_MOST = (1 << 31) - 1
_SUMS = {"fadd": "fcmp ueq {t} {0}, 0.0", "add": "icmp eq {t} {0}, 0"}
_EXTREMES = (
    "fmax", "fmin", "fmaximum", "fminimum", "smax", "smin", "umax", "umin", "and", "or",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Where the loop over a row is cut, i64 names in elements: no masks before `whole`, nothing new from `end` on."""

    whole: str
    end: str
    fills: dict[Root, Vec]  # of tiles that are kept: what each element from `end` on is


def may_cut(nest: Nest, space: Space, limits: list[Limit], copies: int) -> bool:
    """Whether a nest is one loop over one dimension, long enough, and its limits are about that loop's counter."""
    extent = prod(nest.shape)
    if (
        not limits
        or len(space.loops) != 1
        or space.loops[0][0] != space.vector_dimension
        or space.vector_dimension == -1
        or any(limit.is_wide for limit in limits)
    ):
        return False
    if nest.axis is not None and space.loops[0][0] != nest.axis:
        return False  # a reduction of each element alone has its result where the element is
    step = space.lanes * copies
    if extent < _LEAST_MOVING and any(limit.base is not None for limit in limits):
        return False
    return extent % step == 0 and extent // step >= _LEAST_STEPS and all(one.spread == extent - 1 for one in limits)


def cut(generator: Generator, nest: Nest, space: Space, limits: list[Limit], copies: int) -> Cut:
    """Emit what says where the loop is cut."""
    emitter, extent, step = generator.emitter, prod(nest.shape), space.lanes * copies
    emitter.declare("declare i64 @llvm.smax.i64(i64, i64)")
    emitter.declare("declare i64 @llvm.smin.i64(i64, i64)")
    counts = [_count(generator, limit, extent) for limit in limits]
    least, most = counts[0][0], counts[0][0]
    plain = [flag for _, flag in counts if flag]
    for count, _ in counts[1:]:
        least = emitter.op(f"call i64 @llvm.smin.i64(i64 {least}, i64 {count})")
        most = emitter.op(f"call i64 @llvm.smax.i64(i64 {most}, i64 {count})")
    whole = emitter.op(f"and i64 {least}, {-step}")
    masks = {limit.mask for limit in limits}
    values = {root: _masked_value(generator, nest, root, masks, space) for root in nest.roots}
    if any(value is None for value in values.values()):
        return Cut(whole=whole, end=str(extent), fills={})
    up = emitter.op(f"and i64 {emitter.op(f'add i64 {most}, {2 * step - 1}')}, {-step}")  # one step more: see above
    end = emitter.op(f"call i64 @llvm.smin.i64(i64 {up}, i64 {extent})")
    evaluator = generator.evaluator(space.lanes)
    for root, value in values.items():
        function = identity_function(root.op) if isinstance(root.op, ops.Reduce | ops.Scan) else None
        if function in _SUMS and value is not None:
            first = value
            if not value.is_uniform:
                type_ = evaluator.vector_type(value.type)
                first = uniform(value.type, emitter.op(f"extractelement {type_} {value.name}, i64 0"))
            plain.append(evaluator.apply(_SUMS[function], (first,), "i1").name)
    for flag in plain:
        end = emitter.op(f"select i1 {flag}, i64 {end}, i64 {extent}")
    return Cut(
        whole=whole, end=end, fills={root: v for root, v in values.items() if root.kind == "keep" and v is not None}
    )


def _count(generator: Generator, limit: Limit, extent: int) -> tuple[str, str]:
    """How many elements from the first on a mask is true for, and the name of an i1: whether no sum of its wraps."""
    emitter, evaluator = generator.emitter, generator.evaluator()

    def wide(value: Value) -> str:
        vec = evaluator.scalar(value)
        return vec.name if vec.type == "i64" else emitter.op(f"sext {vec.type} {vec.name} to i64")

    bound = str(limit.bound) if isinstance(limit.bound, int) else wide(limit.bound)
    base = "0" if limit.base is None else wide(limit.base)
    first = emitter.op(f"add i64 {base}, {limit.last - limit.spread}")
    beyond = emitter.op(f"add i64 {bound}, {int(limit.predicate == 'sle')}")
    count = emitter.op(f"sub i64 {beyond}, {first}")
    positive = emitter.op(f"call i64 @llvm.smax.i64(i64 {count}, i64 0)")
    inside = emitter.op(f"call i64 @llvm.smin.i64(i64 {positive}, i64 {extent})")
    if limit.base is None:
        return inside, ""
    last = emitter.op(f"add i64 {base}, {limit.last}")
    return inside, emitter.op(f"icmp sle i64 {last}, {_MOST}")


def _masked_value(generator: Generator, nest: Nest, root: Root, masks: set[Value], space: Space) -> Vec | None:
    """What a root takes in every element where the masks are false, if that is one value, which may be taken once.

    Any value for a store: it writes nothing there.
    """
    if isinstance(root.op, ops.Store) and root.kind == "store":
        return uniform("i1", "false") if _is_false(root.op.mask, masks) else None
    if root.kind == "reduce":
        assert isinstance(root.op, ops.Reduce | ops.Scan)
        function = identity_function(root.op)
        if len(root.inputs) != 1 or function not in (*_SUMS, *_EXTREMES):
            return None
    elif root.kind != "keep" or root.target is not None or root.value is None:
        return None
    (value,) = root.inputs
    kept = set(nest.products)
    if not _is_same(generator, value, masks, kept):
        return None
    evaluator = generator.evaluator(space.lanes)
    evaluator.bound.update((mask, uniform("i1", "false")) for mask in masks)
    made = evaluator.at(value, _far(evaluator, nest, space))
    if made.type not in ("float", "double", "i32", "i64") and root.kind == "reduce" and function in _SUMS:
        return None
    return made


def _far(evaluator: Evaluator, nest: Nest, space: Space) -> tuple[Vec, ...]:
    """The index of the last vector."""
    zero = Vec("uniform", "i32", "0", 0, constant=0)
    last = Vec("linear", "i32", str(prod(nest.shape) - space.lanes), 0, 1)
    return tuple(last if dim == space.vector_dimension else zero for dim in range(len(nest.shape)))


def _is_false(mask: Value | None, masks: set[Value]) -> bool:
    if mask is None:
        return False
    op = mask.op
    if isinstance(op, ops.Map) and op.function == "and":
        return any(_is_false(operand, masks) for operand in op.arguments)
    return mask in masks


def _is_same(generator: Generator, value: Value, masks: set[Value], kept: set[Value]) -> bool:
    """Whether a value is the same in all elements where the masks are false, and computed from nothing in buffers."""
    if not isinstance(value.type, Tile) or value in masks:
        return True
    op = value.op
    if op is None or not is_virtual(op) or value in generator.environment.buffers:
        return False
    if value in generator.planner.kept and value not in kept:
        return False
    if isinstance(op, ops.Splat):
        return True
    if isinstance(op, ops.Constant):
        return not op.values
    if isinstance(op, ops.Load):
        return _is_false(op.mask, masks) and (op.other is None or _is_same(generator, op.other, masks, kept))
    if isinstance(op, ops.Map) and op.function == "select" and _is_false(op.operands[0], masks):
        return op.operands[2] is not None and _is_same(generator, op.operands[2], masks, kept)
    if isinstance(op, ops.Map | ops.Cast):
        return all(operand is None or _is_same(generator, operand, masks, kept) for operand in op.operands)
    return False
