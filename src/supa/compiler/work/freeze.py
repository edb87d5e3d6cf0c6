"""The plan as `Work`: waits resolved to step ids, loops and branches as nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from supa.compiler.work.plan import BranchPlan, Carried, Draft, Item, LoopPlan
from supa.program.work import Branch, Count, Loop, Node, Repeat, Step, Vector


class Freezer:
    """Turns plan items into nodes."""

    def __init__(self, carried: dict[Carried, frozenset[Any]]) -> None:
        self._sources = {token: _reach(token, carried) for token in carried}
        self._renames: dict[int, int] = {}

    def nodes(self, items: Sequence[Item]) -> tuple[Node, ...]:
        """The nodes of a body."""
        result: list[Node] = []
        for item in items:
            if isinstance(item, Draft):
                result.append(self._step(item))
            elif not item.has_steps:
                continue
            elif isinstance(item, BranchPlan):
                then, otherwise = self.nodes(item.then), self.nodes(item.otherwise)
                result.append(Branch(then=then, otherwise=otherwise, location=item.location))
            elif item.kind == "for":
                result.append(self._for(item))
            else:
                result.extend(self._while(item))
        return tuple(result)

    def _for(self, plan: LoopPlan) -> Node:
        if plan.affine:
            steps = tuple(self._step(item) for item in plan.body if isinstance(item, Draft))
            return Repeat(body=steps, stages=plan.stages, location=plan.location)
        return Loop(body=self.nodes(plan.body), stages=plan.stages, location=plan.location)

    def _while(self, plan: LoopPlan) -> Iterable[Node]:
        """The loop, then the steps of the test that ends it."""
        body = self.nodes(plan.before) + self.nodes(plan.body)
        yield Loop(body=body, location=plan.location)
        shift = plan.last_test_id - plan.test_ids.start
        saved = self._renames
        self._renames = {**saved, **{old: old + shift for old in plan.test_ids}}
        yield from self.nodes(plan.before)
        self._renames = saved

    def _step(self, draft: Draft) -> Step:
        fields = draft.fields
        if draft.make is Vector:
            counts = fields["counts"].items()
            fields = {"counts": tuple(Count(kind=k, format=f, elements=n) for (k, f), n in counts)}
        waits: set[int] = set()
        for wait in draft.waits:
            waits |= self._sources[wait] if isinstance(wait, Carried) else {wait}
        rename = self._renames.get
        step: Step = draft.make(
            id=rename(draft.id, draft.id),
            waits=tuple(sorted({rename(wait, wait) for wait in waits})),
            location=draft.location,
            **fields,
        )
        return step


def _reach(token: Carried, carried: dict[Carried, frozenset[Any]]) -> set[int]:
    """The steps behind a carried value, through other carried values."""
    found: set[int] = set()
    seen, stack = {token}, [token]
    while stack:
        for source in carried[stack.pop()]:
            if not isinstance(source, Carried):
                found.add(source)
            elif source not in seen:
                seen.add(source)
                stack.append(source)
    return found
