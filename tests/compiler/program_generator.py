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
from program_values import Program, ValueWriter

from supa.base.dtypes import F16, F32, F64, I1, I32, I64, DType
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.rewrite import Builder
from supa.ir.types import Tile, element_of, shape_of


class Writer(ValueWriter):
    """Writes one kernel, statement by statement."""

    def finish(self) -> Program:
        """Store what was computed last, and end the kernel."""
        stored = [value for value in reversed(self.visible) if value not in self.body.args]
        for value in stored[: self.choose.integer(1, 4)]:
            self.output(value)
        self.builder.create(ops.Return)
        return self.program

    def statements(self, most: int) -> None:
        """A few statements."""
        for _ in range(self.choose.integer(1, most)):
            kind = self.choose.integer(0, 19)
            if kind == 19 and self.depth < 2:
                self._for()
            elif kind == 18 and self.depth < 2:
                self._if()
            elif kind == 17 and self.depth < 2:
                self._while()
            elif kind in (15, 16):
                self._store()
            elif kind == 14:
                self._atomic()
            else:
                self.visible.append(self.fresh(self.type(), 3))

    def output(self, value: Value) -> None:
        """Store a value to an area of its own, each program to its own part."""
        shape, element = shape_of(value.type), element_of(value.type)
        size = int(np.prod(shape, dtype=np.int64))
        base = self.area(element, size * self.program.grid[0])
        start = self.map("mul", self.pid, self.constant(size, I32))
        index = self.map("add", self.splat(start, shape), self.flat_index(shape))
        pointer = self.builder.value(ops.AddPtr, [self.splat(base, shape), index])
        mask = self.mask(shape) if self.choose.chance(20) else None
        self.builder.create(ops.Store, [pointer, value, mask])

    def _store(self) -> None:
        value = self.value(self.type(), 2)
        shape, element = shape_of(value.type), element_of(value.type)
        pointer = self.pointers(self._base(self.shared, element), shape, self.choose.chance(25))
        mask = self.mask(shape) if self.choose.chance(35) else None
        self.builder.create(ops.Store, [pointer, value, mask])

    def _atomic(self) -> None:
        shape = self.choose.pick([(), (4,), (2, 4), (32,)])
        element = self.choose.pick((I32, I64, F32, F16, F64))
        type_ = Tile(shape, element) if shape else element
        base = self._base(self.shared, element)
        pointer = self.pointers(base, shape, self.choose.chance(50))
        value = self.value(type_, 1)
        if element.is_int and self.choose.chance(30):
            made = self.builder.value(ops.AtomicCas, [pointer, self.value(type_, 1), value])
        else:
            kinds = (
                ("fadd", "xchg")
                if element.is_float
                else ("add", "and", "or", "xor", "smax", "smin", "umax", "umin", "xchg")
            )
            mask = self.mask(shape) if self.choose.chance(40) else None
            made = self.builder.value(ops.AtomicRmw, [pointer, value, mask], kind=self.choose.pick(kinds))
        if made is not None and self.choose.chance(60):
            self.visible.append(made)

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
        trips = self.choose.integer(0, 3)
        lower, step = self.constant(0, I32), self.constant(self.choose.integer(1, 2), I32)
        upper = self.constant(trips, I32)
        if self.choose.chance(50):
            upper = self.map("and", self.choose.pick(self.scalars), self.constant(3, I32))
        body = Block([I32, *(value.type for value in inits)])
        with self._inside(body):
            self.visible += body.args
            self.statements(3)
            self.builder.create(ops.Yield, [self._next(body.args, value.type) for value in inits])
        self.visible += self.builder.create(ops.For, [lower, upper, step, *inits], regions=[body]).results

    def _next(self, arguments: Sequence[Value], type_: Any) -> Value:
        """What is carried on: often another carried value of this type, or something made from one."""
        same = [argument for argument in arguments if argument.type == type_]
        if same and self.choose.chance(40):
            return self.choose.pick(same)
        return self.value(type_, 2)

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


def generate_program(choose: Chooser, most_statements: int = 8) -> Program:
    """One random kernel with its grid and arguments."""
    writer = Writer(choose)
    writer.statements(most_statements)
    return writer.finish()
