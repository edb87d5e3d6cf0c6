"""Which scalars the work needs, and which loops are affine. Works on the plan in place."""

from __future__ import annotations

from collections.abc import Sequence

from supa.compiler.work.expressions import Expr
from supa.compiler.work.plan import BranchPlan, Draft, Item, LoopPlan


class Liveness:
    """Marks what streams, control flow and their sources need; `reasons` says what data was read or guessed."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.reasons: dict[str, None] = {}
        self._seen: set[Expr] = set()
        self._stack: list[Expr] = []
        self._roots(items)
        self._drain()
        decide_affine(items)

    def _roots(self, items: Sequence[Item]) -> None:
        for item in items:
            if isinstance(item, Draft):
                self._stack.extend(item.values)
            elif isinstance(item, LoopPlan):
                if item.has_steps:
                    self._wake(item)
                self._roots(item.before)
                self._roots(item.body)
            else:
                if item.has_steps:
                    self._wake(item)
                self._roots(item.then)
                self._roots(item.otherwise)

    def _wake(self, plan: LoopPlan | BranchPlan) -> None:
        """The plan's control flow must run."""
        if plan.alive:
            return
        plan.alive = True
        control = plan.condition if isinstance(plan, BranchPlan) or plan.kind == "while" else plan.trips
        assert control is not None
        self._stack.append(control)

    def _drain(self) -> None:
        while self._stack:
            expr = self._stack.pop()
            if expr in self._seen:
                continue
            self._seen.add(expr)
            if expr.kind in ("carried", "result"):
                self._handed_on(expr)
            elif expr.kind == "iv":
                expr.payload.variable_needed = True
                self._stack.extend(expr.payload.variable[1:])
            else:
                if expr.kind in ("load", "guess"):
                    self.reasons[expr.payload] = None
                self._stack.extend(expr.args)

    def _handed_on(self, expr: Expr) -> None:
        plan, number = expr.payload
        if expr.kind == "result":
            self._wake(plan)
        handed = expr.kind == "result" and isinstance(plan, LoopPlan) and plan.kind == "while"
        slot = plan.handed[number] if handed else plan.slots[number]
        slot.needed = True
        self._stack.append(slot.first)
        if slot.second is not None:
            self._stack.append(slot.second)


def decide_affine(items: Sequence[Item]) -> None:
    """Set `affine` on every innermost counted loop whose streamed values move by fixed increments."""
    for item in items:
        if isinstance(item, BranchPlan):
            decide_affine(item.then)
            decide_affine(item.otherwise)
        elif isinstance(item, LoopPlan):
            decide_affine(item.before)
            decide_affine(item.body)
            if item.kind == "for" and item.has_steps:
                item.affine = _is_affine(item)


def _is_affine(plan: LoopPlan) -> bool:
    degrees = _Degrees(plan)
    for item in plan.body:
        if isinstance(item, Draft):
            if any(degrees.of(value) is None for value in item.values):
                return False
        elif item.has_steps or item.alive:
            return False
    return all(slot.inner is None or not slot.needed or degrees.of(slot.inner) is not None for slot in plan.slots)


class _Degrees:
    """0: the same in each iteration; 1: moves by a fixed amount; None: neither, as far as can be seen."""

    def __init__(self, plan: LoopPlan) -> None:
        self.plan = plan
        self.known: dict[Expr, int | None] = {}

    def of(self, expr: Expr) -> int | None:
        """The degree of an expression in the loop's iteration number."""
        stack = [expr]
        while stack:
            top = stack[-1]
            if top in self.known or self._fixed(top):
                stack.pop()
                continue
            missing = [a for a in top.args if a not in self.known and not self._fixed(a)]
            if missing:
                stack.extend(missing)
                continue
            self.known[top] = None  # while it is being looked at: values that move each other are not affine
            self.known[top] = self._look(top)
        return self._now(expr)

    def _fixed(self, expr: Expr) -> bool:
        return expr.region.depth < self.plan.region.depth

    def _now(self, expr: Expr) -> int | None:
        return 0 if self._fixed(expr) else self.known[expr]

    def _look(self, expr: Expr) -> int | None:
        """The degree of an expression whose operands' are known."""
        if expr.kind == "iv":
            return 1
        if expr.kind == "carried":
            slot = expr.payload[0].slots[expr.payload[1]]
            if slot.second is expr:
                return 0
            return 1 if slot.second is not None and self._moves(slot.second, expr) else None
        if expr.kind == "convert" and expr.payload in ("sext", "zext", "trunc"):
            return self._now(expr.args[0])
        if expr.kind != "binary":
            return None
        left, right = (self._now(arg) for arg in expr.args)
        if left is None or right is None:
            return None
        if expr.payload in ("add", "sub"):
            return max(left, right)
        if expr.payload == "mul" and left + right <= 1:
            return left + right
        return left if expr.payload == "shl" and right == 0 else None

    def _moves(self, expr: Expr, start: Expr) -> bool:
        """Whether expr is start plus something that does not change."""
        after = _those_after(expr, start)
        while expr is not start:
            if expr.kind != "binary" or expr.payload not in ("add", "sub"):
                return False
            left, right = expr.args
            if left in after and right not in after and self.of(right) == 0:
                expr = left
            elif right in after and left not in after and expr.payload == "add" and self.of(left) == 0:
                expr = right
            else:
                return False
        return True


def _those_after(expr: Expr, start: Expr) -> set[Expr]:
    """The parts of an expression that are computed from `start`."""
    after, seen, stack = {start}, {start}, [expr]
    while stack:
        top = stack[-1]
        fresh = [a for a in top.args if a not in seen and a.region.depth >= start.region.depth]
        if top not in seen and fresh:
            stack.extend(fresh)
            continue
        stack.pop()
        if top not in seen:
            seen.add(top)
            if any(a in after for a in top.args):
                after.add(top)
    return after
