"""Random well-typed kernels whose answers have one right value bit for bit. Not here: running them, nor tests.

A `Chooser` makes the decisions: Hypothesis (which then also shrinks) or a seeded generator. What the tile IR leaves
open is avoided: NaN's sign and payload do not reach integers, zero's sign does not depend on fmin, sums of floats have
exact values (small integers), combine regions are associative, special functions are left to their own tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from program_choices import Chooser
from program_memory import MemoryWriter
from program_values import Program

from supa.base.dtypes import I1, I8, I32, I64, DType
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.rewrite import Builder
from supa.ir.types import Tile, element_of, shape_of


class Writer(MemoryWriter):
    """Writes one kernel, statement by statement."""

    def finish(self) -> Program:
        """Store what was computed last, and end the kernel."""
        stored = [value for value in reversed(self.visible) if value not in self.body.args]
        for value in stored[: self.choose.integer(1, 1 + self.most_depth)]:
            self.output(value)
        self.builder.create(ops.Return)
        return self.program

    def statements(self, most: int) -> None:
        """A few statements."""
        for _ in range(self.choose.integer(1, most)):
            if self.multiplies and self.choose.chance(40):
                self.visible.append(self.product())
                continue
            kind = self.choose.integer(0, 23)
            if kind >= 21 and self.depth < (3 if self.choose.chance(20) else 2):
                (self._for, self._if, self._while)[kind - 21]()
            elif kind in (15, 16):
                self.store()
            elif kind in (17, 18):
                self.store_block()
            elif kind == 14:
                self.atomic()
            elif kind == 13:
                self._effect()
            else:
                self.visible.append(self.fresh(self.type(), self.most_depth))

    def output(self, value: Value) -> None:
        """Store a value to an area of its own, each program to its own part."""
        shape, element = shape_of(value.type), element_of(value.type)
        size = int(np.prod(shape, dtype=np.int64))
        base = self.area(element, size * int(np.prod(self.program.grid)))
        start = self.map("mul", self.pid, self.constant(size, I32))
        index = self.map("add", self.splat(start, shape), self.flat_index(shape))
        pointer = self.builder.value(ops.AddPtr, [self.splat(base, shape), index])
        mask = self.mask(shape) if self.choose.chance(20) else None
        self.builder.create(ops.Store, [pointer, value, mask])

    def _effect(self) -> None:
        """A barrier, or an assertion that holds."""
        if self.choose.chance(50):
            self.builder.create(ops.Barrier)
            return
        element = self.choose.pick((I8, I32, I64))
        value = self.value(Tile(self.choose.pick(self.shapes), element), 1)
        self.builder.create(ops.Assert, [self.map("icmp_sle", value, value)], message="it holds")

    @contextmanager
    def _inside(self, block: Block) -> Iterator[None]:
        """Write into a nested block; what it defines is not visible behind it."""
        saved, known = self.builder, list(self.visible)
        self.builder, self.depth = Builder(block), self.depth + 1
        yield
        self.builder, self.visible, self.depth = saved, known, self.depth - 1

    def _carried(self) -> list[Value]:
        known = [value for value in self.visible if value.type.__class__ in (Tile, DType)]
        values = []
        for _ in range(self.choose.integer(1, 3)):
            again = values and self.choose.chance(50)
            values.append(self.value(values[-1].type, 1) if again else self.value(self.choose.pick(known).type, 1))
        return values

    def _for(self) -> None:
        inits = self._carried()
        counter = self.choose.pick((I32, I32, I32, I64))
        first, step = self.choose.pick([0, 0, 0, 1, -2, 5]), self.choose.integer(1, 2)
        trips = self.constant(self.choose.integer(0, 3), I32)
        if self.choose.chance(50):
            trips = self.map("and", self.choose.pick(self.scalars), self.constant(3, I32))
        upper = self.map("add", trips, self.constant(first, I32)) if first else trips
        bounds = [self.constant(first, counter), upper, self.constant(step, counter)]
        if counter is I64:
            bounds[1] = self.cast(upper, I64, "sext")
        pointers = [self.moving_pointers() for _ in range(self.choose.pick([0, 0, 1, 2]))]
        body = Block([counter, *(value.type for value in [*inits, *pointers])])
        unsigned = first >= 0 and self.choose.chance(10)
        with self._inside(body):
            carried = body.args[: 1 + len(inits)]
            self.visible += carried
            moved = []
            for pointer, origin in zip(body.args[1 + len(inits) :], pointers, strict=True):
                moved.append(self.use_pointers(pointer, origin))
            self.statements(3)
            self.builder.create(ops.Yield, [*(self._next(carried, value.type) for value in inits), *moved])
        made = self.builder.create(ops.For, [*bounds, *inits, *pointers], regions=[body], unsigned=unsigned)
        self.visible += made.results[: len(inits)]

    def _next(self, arguments: Sequence[Value], type_: Any) -> Value:
        """What is carried on: often another carried value of this type, or something made from one."""
        same = [argument for argument in arguments if argument.type == type_]
        if same and self.choose.chance(40):
            return self.choose.pick(same)
        return self.value(type_, self.most_depth - 1)

    def _if(self) -> None:
        condition = self.value(I1, 1)
        types = [self.type() for _ in range(self.choose.integer(0, 2))]
        sides = []
        for _ in range(2):
            side = Block()
            with self._inside(side):
                if self.choose.chance(70):
                    self.statements(2)
                self.builder.create(ops.Yield, [self.value(type_, 1) for type_ in types])
            sides.append(side)
        self.visible += self.builder.create(ops.If, [condition], types, regions=sides).results

    def _while(self) -> None:
        inits = [self.constant(0, I32), *self._carried()]
        types = [value.type for value in inits]
        before, after = Block(types), Block(types)
        with self._inside(before):
            self.visible += before.args
            if self.choose.chance(40):
                self.statements(2)
            go = self.map("icmp_slt", before.args[0], self.constant(self.choose.integer(0, 3), I32))
            handed = [before.args[0], *(self._next(before.args[1:], type_) for type_ in types[1:])]
            self.builder.create(ops.Condition, [go, *handed])
        with self._inside(after):
            self.visible += after.args
            self.statements(2)
            count = self.map("add", after.args[0], self.constant(1, I32))
            yields = [self._next(after.args[1:], type_) for type_ in types[1:]]
            self.builder.create(ops.Yield, [count, *yields])
        self.visible += self.builder.create(ops.While, inits, regions=[before, after]).results


def generate_program(
    choose: Chooser, most_statements: int = 8, most_depth: int = 3, multiplies: bool = False
) -> Program:
    """One random kernel with its grid and arguments; a statement's value is computed in `most_depth` steps or fewer.

    `multiplies`: mostly products of small formats, of 16 rows and columns or more.
    """
    writer = Writer(choose, multiplies)
    writer.most_depth = most_depth
    writer.statements(most_statements)
    return writer.finish()
