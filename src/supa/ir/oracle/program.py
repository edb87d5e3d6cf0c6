"""One running program: its values, and the table of rules that execute operations. Not here: the rules themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from supa.base.errors import LaunchError
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.oracle.access import Access, Place
from supa.ir.oracle.findings import Strict
from supa.ir.oracle.formats import Array, Numerics
from supa.ir.types import shape_of


@dataclass(frozen=True, kw_only=True)
class DescriptorValue:
    """A tensor descriptor at run time: base address, extents and strides (in elements), padding zero or nan."""

    base: int
    extents: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str = "zero"


Rule = Callable[[Any, "Program"], Any]
RULES: dict[type[Op], Rule] = {}
"""Operation -> rule: gives an array, a sequence of arrays (one a result), or None."""
_LIFTED = (ops.Map, ops.Cast, ops.Constant, ops.AddPtr, ops.Yield)


def rule(cls: type[Op]) -> Callable[[Rule], Rule]:
    """Register the decorated function as what executes `cls`."""

    def register(function: Rule) -> Rule:
        RULES[cls] = function
        return function

    return register


class Program:
    """One program of a launch. Values are arrays of the tile's shape, 0-d for scalars, in `formats` storage."""

    def __init__(
        self, program_id: tuple[int, int, int], grid: tuple[int, int, int], access: Access, numerics: Numerics
    ) -> None:
        self.program_id, self.grid, self.access, self.numerics = program_id, grid, access, numerics
        x, y, z = program_id
        self.linear = x + grid[0] * (y + grid[1] * z)
        self.steps = self.readings = 0
        self._values: dict[Value, Any] = {}

    @property
    def strict(self) -> Strict:
        """What findings are looked for."""
        return self.access.strict

    def get(self, value: Value) -> Any:
        """What a value holds now."""
        return self._values[value]

    def all(self, values: Sequence[Value]) -> list[Any]:
        """What values hold now."""
        return [self._values[value] for value in values]

    def place(self, op: Op, shape: tuple[int, ...] = ()) -> Place:
        """Where findings of `op` belong."""
        return Place(op=op, program_id=self.program_id, program=self.linear, shape=shape)

    def execute(self, block: Block, arguments: Sequence[Any]) -> list[Any]:
        """Run a block; gives the operands of its terminator."""
        for value, argument in zip(block.args, arguments, strict=True):
            self._values[value] = argument
        for op in block.ops[:-1]:
            self._step(op)
        return [self._values[value] for value in block.terminator.operands if value is not None]

    def _step(self, op: Op) -> None:
        self.steps += 1
        if self.steps > self.strict.max_steps:
            raise LaunchError(
                f"{op.location}: program {self.program_id} did not end after {self.strict.max_steps} operations:"
                " it waits for another program, or its loop is longer than the bound"
            )
        results = RULES[op.__class__](op, self)
        if len(op.results) == 1 and not isinstance(results, (list, tuple)):
            results = (results,)
        for value, result in zip(op.results, results or (), strict=True):
            self._values[value] = result

    def lift(self, block: Block, arguments: Sequence[Array], shape: tuple[int, ...]) -> list[Array]:
        """Run a region of scalars for every element of `shape`: all at once if it has no loop and no effect."""
        if _is_lifted(block, branches=not self.strict.not_finite):
            return [np.broadcast_to(result, shape) for result in self._execute_lifted(block, arguments)]
        spread = [np.broadcast_to(argument, shape) for argument in arguments]
        rows = [self.execute(block, [np.asarray(array[index]) for array in spread]) for index in np.ndindex(*shape)]
        return [
            np.asarray([row[position] for row in rows]).reshape(shape)
            for position in range(len(block.terminator.operands))
        ]

    def _execute_lifted(self, block: Block, arguments: Sequence[Array]) -> list[Array]:
        """Both sides of a branch for all elements, of which each takes its own."""
        for value, argument in zip(block.args, arguments, strict=True):
            self._values[value] = argument
        for op in block.ops[:-1]:
            if isinstance(op, ops.If):
                sides = [self._execute_lifted(side, ()) for side in op.regions]
                for value, yes, no in zip(op.results, *sides, strict=True):
                    self._values[value] = np.where(self._values[op.condition], yes, no)
            else:
                self._step(op)
        return [self._values[value] for value in block.terminator.operands if value is not None]


def _is_lifted(block: Block, branches: bool) -> bool:
    return all(
        isinstance(op, _LIFTED)
        or (branches and isinstance(op, ops.If) and all(_is_lifted(side, branches) for side in op.regions))
        for op in block.ops
    )


def result_shape(op: Op) -> tuple[int, ...]:
    """The shape of the first result."""
    return shape_of(op.results[0].type)
