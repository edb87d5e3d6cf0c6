"""Element-wise regions with loops or accesses inside, as operations on whole tiles: a pass.

A scalar of the region becomes a tile; a loop runs until no element wants another turn, and elements that are done, or
that a branch leaves out, keep what they have. Not here: regions of plain arithmetic, which the native code evaluates
element by element in vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from supa.base.dtypes import I1, DType
from supa.base.errors import UnsupportedError
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.rewrite import Builder, replace
from supa.ir.types import Scalar, Tile, element_of, shape_of

_PURE = (ops.Map, ops.Cast, ops.AddPtr)


@dataclass(frozen=True, kw_only=True)
class SpreadRegions:
    """Rewrites each `map_region` whose body has loops, accesses or effects."""

    name: ClassVar[str] = "spread_regions"

    def run(self, func: ops.Func) -> None:
        """Rewrite in place."""
        for op in list(func.walk()):
            if isinstance(op, ops.MapRegion) and any(_needs_tiles(inner) for inner in op.regions[0].ops):
                _spread(op)


def _needs_tiles(op: Op) -> bool:
    return any(
        isinstance(inner, ops.For | ops.While) or inner.has_effect or inner.reads_memory or inner.writes_memory
        for inner in op.walk()
    )


def _spread(op: ops.MapRegion) -> None:
    builder = Builder.before(op)
    shape = shape_of(op.results[0].type)
    columns = [part for source in op.sources for part in _apart(builder, source, op.pack)]
    outer = shape_of(columns[0].type)
    body = op.regions[0]
    yields = _Tiles(outer, dict(zip(body.args, columns, strict=True))).run(builder, body, None)
    results = []
    for index, result in enumerate(op.results):
        joined = _joined(builder, yields[index * op.pack : (index + 1) * op.pack])
        results.append(_reshaped(builder, joined, shape) if shape_of(joined.type) != shape else joined)
        assert results[-1].type == result.type
    replace(op, results)


def _apart(builder: Builder, tile: Value, pack: int) -> list[Value]:
    """The tiles of each pack's first elements, second elements, and so on."""
    if pack == 1:
        return [tile]
    shape = shape_of(tile.type)
    size = 1
    for extent in shape:
        size *= extent
    return _columns(builder, _reshaped(builder, tile, (size // pack, pack)), pack)


def _columns(builder: Builder, tile: Value, count: int) -> list[Value]:
    rows = shape_of(tile.type)[0]
    if count == 1:
        return [_reshaped(builder, tile, (rows,))]
    half = Tile((rows, count // 2), element_of(tile.type))
    pairs = _reshaped(builder, tile, (rows, count // 2, 2))
    even, odd = (
        _columns(builder, part, count // 2) for part in builder.create(ops.Split, (pairs,), (half, half)).results
    )
    return [part for both in zip(even, odd, strict=True) for part in both]


def _joined(builder: Builder, parts: Sequence[Value]) -> Value:
    if len(parts) == 1:
        return parts[0]
    even, odd = _joined(builder, parts[::2]), _joined(builder, parts[1::2])
    shape = shape_of(even.type)
    both = builder.value(ops.Join, (even, odd), Tile((*shape, 2), element_of(even.type)))
    return _reshaped(builder, both, (shape[0], len(parts)))


def _reshaped(builder: Builder, value: Value, shape: tuple[int, ...]) -> Value:
    return builder.value(ops.Reshape, (value,), Tile(shape, element_of(value.type)))


class _Tiles:
    """The tiles that stand for a region's scalars."""

    def __init__(self, shape: tuple[int, ...], values: dict[Value, Value]) -> None:
        self.shape, self.values = shape, values

    def run(self, builder: Builder, block: Block, active: Value | None) -> list[Value]:
        """Everything a block does, for the elements in `active` (None: all): what its terminator hands on."""
        for op in block.ops[:-1]:
            builder.location = op.location
            self._step(builder, op, active)
        return [self.get(builder, operand) for operand in block.terminator.operands if operand is not None]

    def get(self, builder: Builder, value: Value) -> Value:
        """The tile that stands for a scalar; one from outside the region is the same in all elements."""
        found = self.values.get(value)
        if found is None:
            return builder.value(ops.Splat, (value,), self._tile(element_of(value.type)))
        return found

    def _tile(self, element: Scalar) -> Tile:
        return Tile(self.shape, element)

    def _step(self, builder: Builder, op: Op, active: Value | None) -> None:
        if isinstance(op, ops.Constant):
            self.values[op.result] = builder.value(
                ops.Constant, (), self._tile(element_of(op.result.type)), value=op.value
            )
        elif isinstance(op, _PURE):
            operands = [self.get(builder, operand) for operand in op.operands if operand is not None]
            self._copy(builder, op, operands)
        elif isinstance(op, ops.If):
            self._branch(builder, op, active)
        elif isinstance(op, ops.While):
            self._while(builder, op, active)
        elif isinstance(op, ops.For):
            self._for(builder, op, active)
        elif isinstance(op, ops.Load | ops.Store | ops.AtomicRmw):
            self._access(builder, op, active)
        elif isinstance(op, ops.Assert):
            holds = self.get(builder, op.condition)
            if active is not None:
                holds = builder.map("or", holds, _negated(builder, active))
            builder.create(ops.Assert, (holds,), (), message=op.message)
        elif isinstance(op, ops.ProgramId | ops.NumPrograms):
            scalar = builder.insert(type(op)((), [op.result.type], dict(op.attributes), (), op.location)).result
            self.values[op.result] = builder.value(ops.Splat, (scalar,), self._tile(element_of(scalar.type)))
        else:
            hint = "call it outside tl.map_elementwise"
            raise UnsupportedError(f"{op.name} in an element-wise function is not supported", op.location, hint)

    def _copy(self, builder: Builder, op: Op, operands: Sequence[Value | None]) -> None:
        types = [self._tile(element_of(result.type)) for result in op.results]
        new = builder.insert(type(op)(operands, types, dict(op.attributes), (), op.location))
        self.values.update(zip(op.results, new.results, strict=True))

    def _access(self, builder: Builder, op: Op, active: Value | None) -> None:
        """Elements that do not run are masked off."""
        operands = [None if operand is None else self.get(builder, operand) for operand in op.operands]
        place = 1 if isinstance(op, ops.Load) else 2
        mask = operands[place]
        if active is not None:
            operands[place] = active if mask is None else builder.map("and", mask, active)
        self._copy(builder, op, operands)

    def _branch(self, builder: Builder, op: ops.If, active: Value | None) -> None:
        condition = self.get(builder, op.condition)
        sides = []
        for block, holds in zip(op.regions, (condition, _negated(builder, condition)), strict=False):
            running = holds if active is None else builder.map("and", holds, active)
            sides.append(self.run(builder, block, running) if block.ops else [])
        for index, result in enumerate(op.results):
            self.values[result] = builder.map("select", condition, sides[0][index], sides[1][index])

    def _while(self, builder: Builder, op: ops.While, active: Value | None) -> None:
        """Carried are: who still runs, the results as far as they are known, and the loop's own values."""
        before, after = op.regions
        inits = [self.get(builder, init) for init in op.inits]
        known = [self._zero(builder, result) for result in op.results]
        running = active if active is not None else builder.constant(True, self._tile(I1))
        start = [running, *known, *inits]
        first, second = Block([value.type for value in start]), Block()
        inner = Builder(first, None, op.location)
        runs, old = first.args[0], first.args[1 : 1 + len(known)]
        self.values.update(zip(before.args, first.args[1 + len(known) :], strict=True))
        wants, *handed = self.run(inner, before, runs)
        known = [inner.map("select", runs, new, value) for new, value in zip(handed, old, strict=True)]
        again = inner.map("and", runs, wants)
        passed = [again, *known, *handed]
        inner.create(ops.Condition, (_any(inner, again), *passed), ())
        for value in passed:
            second.add_arg(value.type)
        inner = Builder(second, None, op.location)
        self.values.update(zip(after.args, second.args[1 + len(known) :], strict=True))
        following = self.run(inner, after, second.args[0])
        inner.create(ops.Yield, (*second.args[: 1 + len(known)], *following), ())
        loop = builder.create(ops.While, start, [value.type for value in passed], regions=(first, second))
        self.values.update(zip(op.results, loop.results[1:], strict=False))

    def _for(self, builder: Builder, op: ops.For, active: Value | None) -> None:
        """Carried are the counter and the loop's own values, which stay as they are where the loop is over."""
        lower, upper, step = (self.get(builder, operand) for operand in op.operands[:3] if operand is not None)
        start = [lower, *(self.get(builder, init) for init in op.inits)]
        first, second = Block([value.type for value in start]), Block()
        inner = Builder(first, None, op.location)
        runs = inner.map("icmp_ult" if op.unsigned else "icmp_slt", first.args[0], upper)
        if active is not None:
            runs = inner.map("and", runs, active)
        passed = [runs, *first.args]
        inner.create(ops.Condition, (_any(inner, runs), *passed), ())
        for value in passed:
            second.add_arg(value.type)
        inner = Builder(second, None, op.location)
        again, counter, *old = second.args
        self.values.update(zip(op.regions[0].args, (counter, *old), strict=True))
        new = [inner.map("add", counter, step), *self.run(inner, op.regions[0], again)]
        kept = [inner.map("select", again, *pair) for pair in zip(new, (counter, *old), strict=True)]
        inner.create(ops.Yield, kept, ())
        loop = builder.create(ops.While, start, [value.type for value in passed], regions=(first, second))
        self.values.update(zip(op.results, loop.results[2:], strict=True))

    def _zero(self, builder: Builder, result: Value) -> Value:
        element = element_of(result.type)
        if not isinstance(element, DType):
            where = result.op.location if result.op is not None else builder.location
            raise UnsupportedError("a pointer carried by a loop in an element-wise function", where, "carry an offset")
        number: bool | int | float = 0.0 if element.is_float else False if element.bits == 1 else 0
        return builder.constant(number, self._tile(element))


def _negated(builder: Builder, mask: Value) -> Value:
    return builder.map("xor", mask, builder.constant(True, mask.type))


def _any(builder: Builder, mask: Value) -> Value:
    """Whether any element is true, as a scalar."""
    size = 1
    for extent in shape_of(mask.type):
        size *= extent
    flat = mask if len(shape_of(mask.type)) == 1 else _reshaped(builder, mask, (size,))
    combine = Block((I1, I1))
    inner = Builder(combine, None, builder.location)
    inner.create(ops.Yield, (inner.map("or", *combine.args),), ())
    return builder.create(ops.Reduce, (flat,), (I1,), regions=(combine,), axis=0).result
