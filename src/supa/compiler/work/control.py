"""Rules of loops and conditions: what is carried, and which steps a carried value comes from.

A carried tile of addresses or integers stays affine: its base is carried as a scalar and its spacing is that of the
initial value. It is also trusted to need no loaded data. Where the loop's body breaks that trust the walk starts
again without it (`BrokenTrust`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from supa.compiler.work.expressions import Expr, Region
from supa.compiler.work.plan import BranchPlan, Carried, Draft, Item, LoopPlan, Slot
from supa.compiler.work.scalars import llvm_type
from supa.compiler.work.tiles import Index
from supa.compiler.work.walker import BrokenTrust, Waits, Walker, is_index, is_mask, rule
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.types import Descriptor, Tile


@contextmanager
def _inside(w: Walker, region: Region, items: list[Item], control: Waits) -> Iterator[None]:
    """Walk into a region: its own list of steps and its own element-wise groups."""
    saved = (w.region, w.items, w.groups, w.control, w.loop, w.stages, w.pipeline_all)
    w.region, w.items, w.groups, w.control = region, items, [], w.control | control
    if region.loop:
        w.loop = region
    yield
    w.region, w.items, w.groups, w.control, w.loop, w.stages, w.pipeline_all = saved


def _alias(w: Walker, source: Value, copy: Value) -> None:
    """`copy` is another name of `source`, in a region inside that of `source`."""
    facts = (w.scalars, w.indices, w.masks, w.arguments, w.tensors, w.after)
    for table in facts:
        if source in table:
            table[copy] = table[source]  # type: ignore[assignment]
    for group in (w.fragments, w.regular):
        if source in group:
            group.add(copy)


def _has_steps(items: Sequence[Item]) -> bool:
    return any(isinstance(item, Draft) or item.has_steps for item in items)


class _Carrier:
    """The carried values of one loop: binds the arguments on entry, ties them to the yields at the back edge."""

    def __init__(self, w: Walker, plan: LoopPlan, op: Op) -> None:
        self.w, self.plan, self.op = w, plan, op
        self.number = w.loops
        w.loops += 1
        self.slots: dict[int, Slot] = {}
        self.coefficients: dict[int, tuple[Expr | None, ...]] = {}
        self.args: Sequence[Value] = ()
        self.quiet: set[int] = set()  # carried values that are trusted to wait for nothing

    def enter(self, inits: Sequence[Value], args: Sequence[Value], ends: Sequence[Value]) -> None:
        """Bind the body's arguments; `ends` are the values that the body will yield."""
        w, self.args = self.w, args
        for position, (init, arg, end) in enumerate(zip(inits, args, ends, strict=True)):
            token, before = Carried(self.number, position), w.waits([init])
            w.carried[token] = before
            if init in w.regular and self._trusted(position, "regular"):
                w.regular.add(arg)
            if not before and self._is_index(arg) and self._trusted(position, "waits"):
                self.quiet.add(position)
            else:
                w.after[arg] = frozenset((token,))
            if init in w.arguments:
                w.arguments[arg] = w.arguments[init]
            if isinstance(init.type, Descriptor):
                if end is arg:
                    _alias(w, init, arg)
            elif isinstance(init.type, Tile):
                self._enter_tile(position, init, arg)
            else:
                self._enter_scalar(position, init, arg, end)

    def _trusted(self, position: int, what: str) -> bool:
        return (id(self.op), position, what) not in self.w.untrusted

    def _is_index(self, value: Value) -> bool:
        return isinstance(value.type, Descriptor) or is_index(value.type) or is_mask(value.type)

    def _slot(self, position: int, type_: str, first: Expr, nonneg: bool) -> Expr:
        number = len(self.plan.slots)
        inner = Expr("carried", type_, (), (self.plan, number), self.plan.region, nonneg)
        slot = Slot(type_, first, inner)
        self.plan.slots.append(slot)
        self.slots[position] = slot
        return inner

    def _enter_tile(self, position: int, init: Value, arg: Value) -> None:
        w = self.w
        if not is_index(arg.type):
            return
        index = w.index(init)
        if index.base is None or not self._trusted(position, "spacing"):
            assert isinstance(arg.type, Tile)
            w.indices[arg] = w.tiles.opaque(arg.type.shape)
            return
        inner = self._slot(position, "i64", index.base, False)
        self.coefficients[position] = index.coefficients
        w.indices[arg] = Index(inner, index.coefficients)

    def _enter_scalar(self, position: int, init: Value, arg: Value, end: Value) -> None:
        w, carrier = self.w, llvm_type(arg.type)
        if carrier is not None:
            first = w.scalar(init)
            w.scalars[arg] = self._slot(position, carrier, first, first.nonneg and self._grows(end, arg))

    def _grows(self, end: Value, arg: Value) -> bool:
        """Whether each iteration adds something that is known not to be negative."""
        if end is arg:
            return True
        op = end.op
        if not (isinstance(op, ops.Map) and op.function == "add" and arg in op.operands):
            return False
        other = op.operands[1] if op.operands[0] is arg else op.operands[0]
        assert other is not None
        if isinstance(other.op, ops.Constant):
            return bool(other.op.value >= 0)
        known = self.w.scalars.get(other)
        return known is not None and known.nonneg

    def tie(self, ends: Sequence[Value]) -> None:
        """Hand the body's yields to the next iteration."""
        w = self.w
        for position, end in enumerate(ends):
            after = w.waits([end])
            if after and position in self.quiet:
                raise BrokenTrust((id(self.op), position, "waits"))
            if self.args[position] in w.regular and end not in w.regular:
                raise BrokenTrust((id(self.op), position, "regular"))
            token = Carried(self.number, position)
            w.carried[token] = w.carried[token] | after
            slot = self.slots.get(position)
            if slot is None:
                continue
            if isinstance(end.type, Tile):
                index = w.index(end)
                if index.base is None or index.coefficients != self.coefficients[position]:
                    raise BrokenTrust((id(self.op), position, "spacing"))
                slot.second = index.base
            else:
                slot.second = w.scalar(end)


# ---- for


@rule(ops.For)
def for_(w: Walker, op: ops.For) -> None:
    """A counted loop."""
    body = op.regions[0]
    region = Region(w.region, loop=True)
    lower, upper, step = (w.scalar(v) for v in (op.lower, op.upper, op.step))
    plan = LoopPlan(
        kind="for", region=region, outer=w.region, location=op.location, trips=_trips(w, op, lower, upper, step)
    )
    variable = Expr("iv", lower.type, (), plan, region, lower.nonneg)
    plan.variable = (variable, lower, step)
    w.items.append(plan)
    carrier = _Carrier(w, plan, op)
    ends = body.terminator.operands
    control = w.waits([op.lower, op.upper, op.step])
    with _inside(w, region, plan.body, control):
        w.stages = op.num_stages or w.options.num_stages
        w.pipeline_all = op.num_stages > 1
        w.scalars[body.args[0]] = variable
        carrier.enter(op.inits, body.args[1:], ends)  # type: ignore[arg-type]
        w.walk(body)
        carrier.tie(ends)  # type: ignore[arg-type]
        stages = w.stages
    _close(plan, stages)
    for position, result in enumerate(op.results):
        _for_result(w, plan, carrier, position, result)


def _trips(w: Walker, op: ops.For, lower: Expr, upper: Expr, step: Expr) -> Expr:
    x = w.x
    first, last, by = (x.resize(e, "i64", signed=not op.unsigned) for e in (lower, upper, step))
    span = x.sub(last, first)
    if by is not x.one:
        span = x.binary("sdiv", x.add(span, x.sub(by, x.one)), by)
    return x.smax(span, x.zero)


def _close(plan: LoopPlan, stages: int) -> None:
    plan.has_steps = _has_steps(plan.before) or _has_steps(plan.body)
    ahead = any(isinstance(item, Draft) and item.fields.get("asynchronous") for item in plan.body)
    plan.stages = stages if ahead else 1


def _for_result(w: Walker, plan: LoopPlan, carrier: _Carrier, position: int, result: Value) -> None:
    """What is known of a carried value after the loop."""
    if position not in carrier.quiet:
        w.after[result] = frozenset((Carried(carrier.number, position),))
    arg = carrier.args[position]
    if arg in w.regular:
        w.regular.add(result)
    if arg in w.arguments:
        w.arguments[result] = w.arguments[arg]
    if isinstance(result.type, Descriptor):
        _alias(w, arg, result)
    if carrier.op.regions[0].terminator.operands[position] in w.fragments:
        w.fragments.add(result)
    slot = carrier.slots.get(position)
    if slot is None or slot.inner is None:
        return
    inner = slot.inner
    final = Expr("result", slot.type, (), inner.payload, plan.outer, inner.nonneg)
    if isinstance(result.type, Tile):
        w.indices[result] = Index(final, carrier.coefficients[position])
    else:
        w.scalars[result] = final


# ---- while


@rule(ops.While)
def while_(w: Walker, op: ops.While) -> None:
    """A loop with a condition; steps of its test run once more than those of its body."""
    before, after = op.regions
    region = Region(w.region, loop=True)
    plan = LoopPlan(kind="while", region=region, outer=w.region, location=op.location)
    plan.after_region = Region(region)
    w.items.append(plan)
    carrier = _Carrier(w, plan, op)
    test = before.terminator
    ends, handed = after.terminator.operands, test.operands[1:]
    with _inside(w, region, plan.before, frozenset()):
        w.stages, w.pipeline_all = 1, False
        carrier.enter(op.inits, before.args, ends)  # type: ignore[arg-type]
        first_id = w.count
        w.walk(before)
        plan.test_ids = range(first_id, w.count)
        assert isinstance(test, ops.Condition)
        plan.condition = w.scalar(test.condition)
        with _inside(w, plan.after_region, plan.body, w.waits([test.condition])):
            for value, arg in zip(handed, after.args, strict=True):
                assert value is not None
                _alias(w, value, arg)
            w.walk(after)
        carrier.tie(ends)  # type: ignore[arg-type]
    plan.last_test_id = w.count
    w.count += len(plan.test_ids)
    _close(plan, 1)
    for value, result in zip(handed, op.results, strict=True):
        assert value is not None
        _while_result(w, plan, value, result)


def _while_result(w: Walker, plan: LoopPlan, value: Value, result: Value) -> None:
    """What the last test hands over."""

    def export(expr: Expr) -> Expr:
        if expr.region.depth < plan.region.depth:
            return expr
        plan.handed.append(Slot(expr.type, expr))
        return Expr("result", expr.type, (), (plan, len(plan.handed) - 1), plan.outer, expr.nonneg)

    for table in (w.arguments, w.after):
        if value in table:
            table[result] = table[value]  # type: ignore[assignment]
    for group in (w.fragments, w.regular):
        if value in group:
            group.add(result)
    if isinstance(result.type, Tile):
        index = w.indices.get(value)
        if index is not None:
            base = None if index.base is None else export(index.base)
            w.indices[result] = Index(base, tuple(c and export(c) for c in index.coefficients))
    elif isinstance(result.type, Descriptor):
        if value in w.tensors and w.tensors[value].base.region.depth < plan.region.depth:
            _alias(w, value, result)
    elif llvm_type(result.type) is not None:
        w.scalars[result] = export(w.scalar(value))


# ---- if


@rule(ops.If)
def if_(w: Walker, op: ops.If) -> None:
    """A choice."""
    condition = w.scalar(op.condition)
    plan = BranchPlan(condition, Region(w.region), Region(w.region), op.location)
    w.items.append(plan)
    control = w.waits([op.condition])
    sides = ((plan.then_region, plan.then), (plan.otherwise_region, plan.otherwise))
    for block, (region, items) in zip(op.regions, sides, strict=False):
        with _inside(w, region, items, control):
            w.walk(block)
    plan.has_steps = _has_steps(plan.then) or _has_steps(plan.otherwise)
    for position, result in enumerate(op.results):
        then, otherwise = (block.terminator.operands[position] for block in op.regions)
        assert then is not None and otherwise is not None
        _if_result(w, plan, (then, otherwise), result, control)


def _if_result(w: Walker, plan: BranchPlan, sides: tuple[Value, Value], result: Value, control: Waits) -> None:
    def join(then: Expr, otherwise: Expr) -> Expr:
        if then is otherwise and then.region.depth <= w.region.depth:
            return then
        plan.slots.append(Slot(then.type, then, None, otherwise))
        nonneg = then.nonneg and otherwise.nonneg
        return Expr("result", then.type, (), (plan, len(plan.slots) - 1), w.region, nonneg)

    after = w.waits(sides) | control
    if after:
        w.after[result] = after
    arguments = {w.argument(side) for side in sides}
    if len(arguments) == 1 and sides[0] in w.arguments:
        w.arguments[result] = arguments.pop()
    if any(side in w.fragments for side in sides):
        w.fragments.add(result)
    if all(side in w.regular for side in sides):
        w.regular.add(result)
    if isinstance(result.type, Descriptor):
        if sides[0] is sides[1]:
            _alias(w, sides[0], result)
    elif not isinstance(result.type, Tile):
        if llvm_type(result.type) is not None:
            w.scalars[result] = join(w.scalar(sides[0]), w.scalar(sides[1]))
    elif is_index(result.type):
        then, otherwise = (w.index(side) for side in sides)
        same = [a is None for a in then.coefficients] == [b is None for b in otherwise.coefficients]
        if then.base is None or otherwise.base is None or not same:
            w.indices[result] = w.tiles.blur(then, otherwise)
            return
        pairs = zip(then.coefficients, otherwise.coefficients, strict=True)
        parts = tuple(join(a, b) if a is not None and b is not None else None for a, b in pairs)
        w.indices[result] = Index(join(then.base, otherwise.base), parts)


@rule(ops.Yield, ops.Return, ops.Condition)
def end(w: Walker, op: Op) -> None:
    """Ends are read by the operation that they end."""
