"""Regions of TTIR become structured blocks of the tile IR: branches between blocks become `if`s with results.

A walk runs from a block until it lands on one of its stops (the place where paths meet again, or the exit). Where both
ways of a branch land on one stop, that is an ordinary `if`. Where some paths leave early, the `if` also yields which
stop was reached, and what follows runs under a guard; only short blocks that leave the region are repeated.
"""

from __future__ import annotations

from dataclasses import dataclass

from supa.base.dtypes import I1, I32
from supa.compiler.ttir.conversion import Conversion
from supa.compiler.ttir.graph import Graph
from supa.compiler.ttir.structure import MlirOp, MlirRegion
from supa.ir import ops
from supa.ir.core import Block, Value

_BRANCHES = ("cf.br", "cf.cond_br")


@dataclass
class Landing:
    """Where a walk ended: the position of one stop, or a value that tells it at run time; and for each stop that may
    have been reached the values handed to it.
    """

    choice: int | Value
    handed: dict[int, list[Value]]


def run_region(conversion: Conversion, region: MlirRegion, arguments: list[Value]) -> list[Value]:
    """Emit a region into the current block; gives the operands of the operation that ends it (return, yield, ...)."""
    entry = region.entry
    conversion.values.update(zip(entry.arguments, arguments, strict=True))
    if not entry.ops[-1].successors:
        conversion.convert(entry.ops[:-1])
        return conversion.operands(entry.ops[-1])
    graph = Graph(region)
    landing = _Walk(conversion, graph).run(0, (graph.exit,))
    return landing.handed[graph.exit]


def region_block(conversion: Conversion, op: MlirOp, region: MlirRegion) -> Block:
    """The region as a block of its own, with the same arguments, ended by `yield`."""
    block, values = open_block(conversion, region)
    block.append(ops.Yield(values, location=conversion.place(op)))
    return block


def open_block(conversion: Conversion, region: MlirRegion) -> tuple[Block, list[Value]]:
    """The region as a block of its own without an end, and the operands of the operation that ends the region."""
    if not region.blocks:  # the absent `else`
        return Block(), []
    block = Block(argument.type for argument in region.entry.arguments)  # type: ignore[misc]
    outer, conversion.block = conversion.block, block
    values = run_region(conversion, region, block.args)
    conversion.block = outer
    return block, values


class _Walk:
    """Emits the blocks of one graph."""

    def __init__(self, conversion: Conversion, graph: Graph) -> None:
        self.conversion, self.graph = conversion, graph

    def run(self, position: int, stops: tuple[int, ...]) -> Landing:
        """Emit from the block at `position` on, until a stop."""
        conversion, graph = self.conversion, self.graph
        while True:
            *body, end = graph.blocks[position].ops
            conversion.convert(body)
            if end.name == "cf.cond_br":
                return self._branch(position, end, stops)
            if end.name == "cf.br" or not end.successors:
                (target,) = graph.targets(position)
                values = conversion.operands(end)
            else:
                conversion.refuse(end, f"{end.name} is not supported", f"branches are {' and '.join(_BRANCHES)}")
            if target in stops:
                return Landing(target, {target: values})
            self._enter(target, values)
            position = target

    def _enter(self, position: int, values: list[Value]) -> None:
        arguments = self.graph.blocks[position].arguments
        self.conversion.values.update(zip(arguments, values, strict=True))

    def _branch(self, position: int, end: MlirOp, stops: tuple[int, ...]) -> Landing:
        graph = self.graph
        (condition,), *handed = self.conversion.segments(end)
        left, right = graph.targets(position)
        merge, join = graph.merge(position), graph.join(position)
        near = tuple(dict.fromkeys((*stops, merge, join)))
        arms = [self._arm(target, values, near) for target, values in zip((left, right), handed, strict=True)]
        landing = self._choose(end, condition, arms)
        for stop in sorted({join, merge} - set(stops)):
            if stop in landing.handed:
                landing = self._go_on(end, landing, stop, tuple(other for other in near if other != stop))
        return landing

    def _arm(self, target: int, values: list[Value], stops: tuple[int, ...]) -> tuple[Block, Landing]:
        block = Block()
        if target in stops:
            return block, Landing(target, {target: values})
        outer, self.conversion.block = self.conversion.block, block
        self._enter(target, values)
        landing = self.run(target, stops)
        self.conversion.block = outer
        return block, landing

    def _go_on(self, end: MlirOp, landing: Landing, stop: int, stops: tuple[int, ...]) -> Landing:
        """Emit what follows `stop`: plainly if all paths landed there, else under a guard."""
        values = landing.handed.pop(stop)
        if not isinstance(landing.choice, Value):
            self._enter(stop, values)
            return self.run(stop, stops)
        conversion = self.conversion
        number = conversion.constant(end, stop, I32)
        here = conversion.make(end, ops.Map, (landing.choice, number), I1, {"function": "icmp_eq"})
        rest = landing.handed
        elsewhere = Landing(next(iter(rest)) if len(rest) == 1 else landing.choice, rest)
        return self._choose(end, here, [self._arm(stop, values, stops), (Block(), elsewhere)])

    def _choose(self, end: MlirOp, condition: Value, arms: list[tuple[Block, Landing]]) -> Landing:
        """The `if` of two arms; it yields which stop was reached, unless that is sure, and what each stop gets."""
        landings = [landing for _, landing in arms]
        first = landings[0].choice
        sure = not isinstance(first, Value) and all(landing.choice == first for landing in landings)
        stops = sorted({stop for landing in landings for stop in landing.handed})
        patterns = {stop: next(one.handed[stop] for one in landings if stop in one.handed) for stop in stops}
        types = [*([] if sure else [I32]), *(value.type for stop in stops for value in patterns[stop])]
        for block, landing in arms:
            self._yield(end, block, landing, patterns, sure)
        place = self.conversion.place(end)
        chosen = ops.If((condition,), types, {}, [block for block, _ in arms], place)
        self.conversion.block.append(chosen)
        results = iter(chosen.results)
        choice = first if sure else next(results)
        return Landing(choice, {stop: [next(results) for _ in patterns[stop]] for stop in stops})

    def _yield(self, end: MlirOp, block: Block, landing: Landing, patterns: dict[int, list[Value]], sure: bool) -> None:
        conversion = self.conversion
        outer, conversion.block = conversion.block, block
        values: list[Value] = []
        if not sure:
            choice = landing.choice
            values.append(choice if isinstance(choice, Value) else conversion.constant(end, choice, I32))
        for stop, pattern in patterns.items():
            given = landing.handed.get(stop)
            values.extend(given if given is not None else [conversion.nothing(end, one.type) for one in pattern])
        block.append(ops.Yield(values, location=conversion.place(end)))
        conversion.block = outer
