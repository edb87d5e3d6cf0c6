"""The native work entry: LLVM text that walks the plan's control flow and writes each block's values.

Expressions are placed on demand, in the current basic block of the region that they are at home in, so what does not
change in a loop stands before it, and what nobody needs is not there. Values are written in runs: a run goes to the
output where it fits and to a scratch buffer where it does not, without branches.
"""

from __future__ import annotations

from collections.abc import Sequence

from supa.compiler.work.expressions import Expr, Expressions, Region
from supa.compiler.work.instructions import RULES, literal
from supa.compiler.work.plan import BranchPlan, Draft, Item, LoopPlan, Slot

WHILE_TRIPS = 1 << 20
"""A `while` whose condition the slice can not end stops after so many trips."""


class _BasicBlock:
    __slots__ = ("end", "label", "lines")

    def __init__(self, label: str) -> None:
        self.label, self.lines, self.end = label, list[str](), ""


class Emitter:
    """Writes one function."""

    def __init__(self, expressions: Expressions) -> None:
        self.call, self.grid_block = expressions.call, expressions.block
        self.blocks: list[_BasicBlock] = []
        self.current: dict[Region, _BasicBlock] = {}
        self.memo: dict[Region, dict[Expr, str]] = {}
        self.results: dict[tuple[LoopPlan | BranchPlan, int], str] = {}
        self.pending: list[str] = []
        self.longest_run = 1
        self._names = 0

    # ---- small pieces

    def fresh(self) -> str:
        """A new value's name."""
        self._names += 1
        return f"%v{self._names}"

    def _block(self) -> _BasicBlock:
        block = _BasicBlock(f"b{len(self.blocks)}")
        self.blocks.append(block)
        return block

    def _enter(self, region: Region, block: _BasicBlock) -> dict[Expr, str]:
        self.current[region] = block
        memo = self.memo[region] = {}
        return memo

    def value(self, expr: Expr) -> str:
        """The text of an expression, placed if it is not there yet."""
        if expr.kind == "const":
            return literal(expr.type, expr.payload)
        memo = self.memo[expr.region]
        found = memo.get(expr)
        if found is not None:
            return found
        stack = [expr]
        while stack:
            top = stack[-1]
            missing = [a for a in top.args if a.kind != "const" and a not in self.memo[a.region]]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            if top not in self.memo[top.region]:
                self._place(top)
        return memo[expr]

    def _place(self, expr: Expr) -> None:
        if expr.kind == "result":
            text = self.results[expr.payload]
        else:
            texts = [self.value(arg) for arg in expr.args]
            text = RULES[expr.kind](expr, texts, self.current[expr.region].lines, self.fresh)
        self.memo[expr.region][expr] = text

    # ---- writing the stream

    def flush(self, region: Region) -> None:
        """Write the pending run of values."""
        if self.pending:
            self._write(region, self.pending, "")
            self.pending = []

    def _write(self, region: Region, values: list[str], condition: str) -> None:
        """Write a run and move on; under a condition nothing happens where it is off."""
        lines, fresh = self.current[region].lines, self.fresh
        at, behind, fits, place, target = fresh(), fresh(), fresh(), fresh(), fresh()
        length = str(len(values))
        lines.append(f"{at} = load i64, ptr %position")
        if condition:
            moved = fresh()
            lines.append(f"{moved} = select i1 {condition}, i64 {length}, i64 0")
            length = moved
        lines.append(f"{behind} = add i64 {at}, {length}")
        lines.append(f"{fits} = icmp sle i64 {behind}, %capacity")
        if condition:
            both = fresh()
            lines.append(f"{both} = and i1 {fits}, {condition}")
            fits = both
        lines.append(f"{place} = getelementptr i64, ptr %out, i64 {at}")
        lines.append(f"{target} = select i1 {fits}, ptr {place}, ptr %scratch")
        lines.append(f"store i64 {values[0]}, ptr {target}")
        for offset, value in enumerate(values[1:], 1):
            slot = fresh()
            lines.append(f"{slot} = getelementptr i64, ptr {target}, i64 {offset}")
            lines.append(f"store i64 {value}, ptr {slot}")
        lines.append(f"store i64 {behind}, ptr %position")
        self.longest_run = max(self.longest_run, len(values))

    def _reserve(self, region: Region) -> str:
        """Leave room for one value that is known later; returns its position."""
        at, behind = self.fresh(), self.fresh()
        self.current[region].lines += [
            f"{at} = load i64, ptr %position",
            f"{behind} = add i64 {at}, 1",
            f"store i64 {behind}, ptr %position",
        ]
        return at

    def _patch(self, region: Region, at: str, value: str) -> None:
        fits, place, target = self.fresh(), self.fresh(), self.fresh()
        self.current[region].lines += [
            f"{fits} = icmp slt i64 {at}, %capacity",
            f"{place} = getelementptr i64, ptr %out, i64 {at}",
            f"{target} = select i1 {fits}, ptr {place}, ptr %scratch",
            f"store i64 {value}, ptr {target}",
        ]

    # ---- control flow

    def items(self, items: Sequence[Item], region: Region) -> None:
        """Everything of a body; its last run stays pending."""
        for item in items:
            if isinstance(item, Draft):
                self.pending += [self.value(value) for value in item.values]
            elif not (item.has_steps or item.alive):
                continue
            elif isinstance(item, BranchPlan):
                self._branch(item, region)
            elif item.kind == "while":
                self._while(item)
            elif item.affine:
                self._repeat(item)
            else:
                self._for(item)

    def _repeat(self, plan: LoopPlan) -> None:
        """Values of the first iteration and increments, from the body's slice at the first two iterations."""
        assert plan.trips is not None and plan.variable is not None
        trips, outer = self.value(plan.trips), plan.outer
        self.pending.append(trips)
        self.flush(outer)
        lines = self.current[outer].lines
        drafts = [item for item in plan.body if isinstance(item, Draft)]
        variable, lower, step = plan.variable
        slots = [slot for slot in plan.slots if slot.needed and slot.inner is not None and slot.second is not None]
        starts = [self.value(slot.first) for slot in slots]
        first = self._iteration(plan, slots, starts, self.value(lower) if plan.variable_needed else "")
        values = [self.value(value) for draft in drafts for value in draft.values]
        nexts = [self.value(slot.second) for slot in slots if slot.second is not None]
        self._results(plan, slots, starts, nexts, trips)
        if not values:
            return
        moved = ""
        if plan.variable_needed:
            moved = self.fresh()
            lines.append(f"{moved} = add {variable.type} {first[variable]}, {self.value(step)}")
        self._iteration(plan, slots, nexts, moved)
        seconds = [self.value(value) for draft in drafts for value in draft.values]
        increments = [self._difference(lines, b, a) for a, b in zip(values, seconds, strict=True)]
        some = self.fresh()
        lines.append(f"{some} = icmp sgt i64 {trips}, 0")
        self._write(outer, values + increments, some)

    def _iteration(self, plan: LoopPlan, slots: list[Slot], texts: list[str], variable: str) -> dict[Expr, str]:
        """Bind the body's carried values and induction variable for a straight-line copy of the body."""
        memo = self._enter(plan.region, self.current[plan.outer])
        for slot, text in zip(slots, texts, strict=True):
            assert slot.inner is not None
            memo[slot.inner] = text
        assert plan.variable is not None
        memo[plan.variable[0]] = variable
        return memo

    def _difference(self, lines: list[str], later: str, earlier: str) -> str:
        if later == earlier:
            return "0"
        name = self.fresh()
        lines.append(f"{name} = sub i64 {later}, {earlier}")
        return name

    def _results(self, plan: LoopPlan, slots: list[Slot], starts: list[str], nexts: list[str], trips: str) -> None:
        """Carried values after an affine loop: start + trips * increment."""
        lines = self.current[plan.outer].lines
        for slot, start, following in zip(slots, starts, nexts, strict=True):
            assert slot.inner is not None
            count, type_ = trips, slot.type
            step, grown, final = self.fresh(), self.fresh(), self.fresh()
            if type_ != "i64":
                count = self.fresh()
                lines.append(f"{count} = trunc i64 {trips} to {type_}")
            lines.append(f"{step} = sub {type_} {following}, {start}")
            lines.append(f"{grown} = mul {type_} {step}, {count}")
            lines.append(f"{final} = add {type_} {start}, {grown}")
            self.results[slot.inner.payload] = final

    def _for(self, plan: LoopPlan) -> None:
        assert plan.trips is not None and plan.variable is not None
        outer, region = plan.outer, plan.region
        trips = self.value(plan.trips)
        if plan.has_steps:
            self.pending.append(trips)
        self.flush(outer)
        variable, lower, step = plan.variable
        carried = [(slot.inner, slot.first, slot) for slot in plan.slots if slot.needed and slot.inner is not None]
        firsts = [self.value(first) for _, first, _ in carried]
        low, by = (self.value(lower), self.value(step)) if plan.variable_needed else ("", "")
        before, header, body = self.current[outer], self._block(), self._block()
        before.end = f"br label %{header.label}"
        memo = self._enter(region, body)
        count, count_next, more = self.fresh(), self.fresh(), self.fresh()
        for inner, _, _ in carried:
            memo[inner] = self.results[inner.payload] = self.fresh()
        if plan.variable_needed:
            memo[variable] = self.fresh()
        self.items(plan.body, region)
        self.flush(region)
        seconds = [self.value(slot.second) for _, _, slot in carried if slot.second is not None]
        latch = self.current[region]
        latch.lines.append(f"{count_next} = add i64 {count}, 1")
        header.lines.append(self._phi("i64", count, "0", before, count_next, latch))
        if plan.variable_needed:
            following = self.fresh()
            latch.lines.append(f"{following} = add {variable.type} {memo[variable]}, {by}")
            header.lines.append(self._phi(variable.type, memo[variable], low, before, following, latch))
        for (inner, _, slot), first, second in zip(carried, firsts, seconds, strict=True):
            header.lines.append(self._phi(slot.type, memo[inner], first, before, second, latch))
        latch.end = f"br label %{header.label}"
        after = self._block()
        header.lines.append(f"{more} = icmp slt i64 {count}, {trips}")
        header.end = f"br i1 {more}, label %{body.label}, label %{after.label}"
        self.current[outer] = after

    def _phi(self, type_: str, name: str, first: str, before: _BasicBlock, second: str, latch: _BasicBlock) -> str:
        return f"{name} = phi {type_} [ {first}, %{before.label} ], [ {second}, %{latch.label} ]"

    def _while(self, plan: LoopPlan) -> None:
        outer, region, after_region = plan.outer, plan.region, plan.after_region
        assert plan.condition is not None and after_region is not None
        self.flush(outer)
        at = self._reserve(outer) if plan.has_steps else ""
        carried = [(slot.inner, slot.first, slot) for slot in plan.slots if slot.needed and slot.inner is not None]
        firsts = [self.value(first) for _, first, _ in carried]
        before, header = self.current[outer], self._block()
        before.end = f"br label %{header.label}"
        memo = self._enter(region, header)
        count, count_next = self.fresh(), self.fresh()
        for inner, _, _ in carried:
            memo[inner] = self.fresh()
        phis = len(header.lines)
        self.items(plan.before, region)
        self.flush(region)
        go_on = self._guarded(plan, count)
        for number, slot in enumerate(plan.handed):
            if slot.needed:
                self.results[plan, number] = self.value(slot.first)
        body = self._block()
        self._enter(after_region, body)
        self.items(plan.body, after_region)
        self.flush(after_region)
        seconds = [self.value(slot.second) for _, _, slot in carried if slot.second is not None]
        latch = self.current[after_region]
        latch.lines.append(f"{count_next} = add i64 {count}, 1")
        latch.end = f"br label %{header.label}"
        lines = [self._phi("i64", count, "0", before, count_next, latch)]
        for (inner, _, slot), first, second in zip(carried, firsts, seconds, strict=True):
            lines.append(self._phi(slot.type, memo[inner], first, before, second, latch))
        header.lines[phis:phis] = lines
        end = self._block()
        self.current[region].end = f"br i1 {go_on}, label %{body.label}, label %{end.label}"
        self.current[outer] = end
        if plan.has_steps:
            self._patch(outer, at, count)

    def _guarded(self, plan: LoopPlan, count: str) -> str:
        """The condition of a while, false after very many trips."""
        assert plan.condition is not None
        lines, few, go_on = self.current[plan.region].lines, self.fresh(), self.fresh()
        condition = self.value(plan.condition)
        lines.append(f"{few} = icmp slt i64 {count}, {WHILE_TRIPS}")
        lines.append(f"{go_on} = and i1 {condition}, {few}")
        return go_on

    def _branch(self, plan: BranchPlan, outer: Region) -> None:
        condition = self.value(plan.condition)
        if plan.has_steps:
            chosen = self.fresh()
            self.current[outer].lines.append(f"{chosen} = zext i1 {condition} to i64")
            self.pending.append(chosen)
        self.flush(outer)
        slots = [(number, slot) for number, slot in enumerate(plan.slots) if slot.needed]
        ends: list[tuple[_BasicBlock, _BasicBlock, list[str]]] = []
        for region, items, first in (
            (plan.then_region, plan.then, True),
            (plan.otherwise_region, plan.otherwise, False),
        ):
            start = self._block()
            self._enter(region, start)
            self.items(items, region)
            self.flush(region)
            exprs = [slot.first if first else slot.second for _, slot in slots]
            texts = [self.value(expr) for expr in exprs if expr is not None]
            ends.append((start, self.current[region], texts))
        (then, then_end, lefts), (otherwise, otherwise_end, rights) = ends
        self.current[outer].end = f"br i1 {condition}, label %{then.label}, label %{otherwise.label}"
        after = self._block()
        then_end.end = otherwise_end.end = f"br label %{after.label}"
        for (number, slot), left, right in zip(slots, lefts, rights, strict=True):
            name = self.results[plan, number] = self.fresh()
            after.lines.append(self._phi(slot.type, name, left, then_end, right, otherwise_end))
        self.current[outer] = after

    # ---- the function

    def function(self, name: str, items: Sequence[Item]) -> str:
        """The whole text."""
        entry, header, body = self._block(), self._block(), self._block()
        self._enter(self.call, entry)
        self._enter(self.grid_block, body)
        at = self._reserve(self.grid_block)
        self.items(items, self.grid_block)
        self.flush(self.grid_block)
        latch, done = self.current[self.grid_block], self._block()
        latch.lines += ["%reached = load i64, ptr %position", f"%wrote0 = sub i64 %reached, {at}"]
        latch.lines.append("%wrote = sub i64 %wrote0, 1")
        self._patch(self.grid_block, at, "%wrote")
        latch.lines.append("%block.next = add i64 %block, 1")
        latch.end = f"br label %{header.label}"
        entry.lines[:0] = self._setup()
        entry.end = f"br label %{header.label}"
        header.lines = [
            f"%block = phi i64 [ %first, %{entry.label} ], [ %block.next, %{latch.label} ]",
            "%more = icmp slt i64 %block, %last",
        ]
        header.end = f"br i1 %more, label %{body.label}, label %{done.label}"
        done.lines = [
            "%total = load i64, ptr %position",
            "%over = icmp sgt i64 %total, %capacity",
            "%needed = sub i64 0, %total",
            "%answer = select i1 %over, i64 %needed, i64 %total",
        ]
        done.end = "ret i64 %answer"
        text = "\n".join(f"{b.label}:\n  " + "\n  ".join([*b.lines, b.end]) for b in self.blocks)
        parameters = "ptr %args, ptr %launch, i64 %first, i64 %last, ptr %out, i64 %capacity"
        return f'define i64 @"{name}.work"({parameters}) noinline optnone {{\n{text}\n}}\n'

    def _setup(self) -> list[str]:
        """Stack slots and the grid's extents."""
        lines = [
            "%position = alloca i64",
            "store i64 0, ptr %position",
            f"%scratch = alloca [{self.longest_run} x i64]",
            "%dummy = alloca i64",
            "store i64 0, ptr %dummy",
        ]
        for axis in (0, 1):
            slot = f"%extent{axis}"
            lines += [
                f"{slot}.at = getelementptr i32, ptr %launch, i64 {axis}",
                f"{slot} = load i32, ptr {slot}.at, align 4",
                f"%grid{axis} = zext i32 {slot} to i64",
            ]
        return [*lines, "%plane = mul i64 %grid0, %grid1"]
