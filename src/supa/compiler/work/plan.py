"""What the walk over a kernel leaves behind: drafts of steps and control nodes with the expressions that they stream.

The plan still holds everything; `liveness` says which scalars are needed, `freeze` turns drafts into `Work`, and
`emission` into LLVM text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from supa.base.location import Location
from supa.compiler.work.expressions import Expr, Region


@dataclass(slots=True)
class Draft:
    """One step before its waits are resolved: `make` is the step's class, `fields` its own facts, `values` what it
    streams. `waits` holds step ids and `Carried` tokens.
    """

    id: int
    make: Any
    fields: dict[str, Any]
    waits: frozenset[Any]
    location: Location
    values: tuple[Expr, ...] = ()


@dataclass(slots=True)
class Slot:
    """One scalar that a control operation hands on: into a loop and round it, or out of either side of an if."""

    type: str
    first: Expr  # a loop's initial value, an if's value of `then`
    inner: Expr | None = None  # a loop's value inside the body
    second: Expr | None = None  # a loop's value for the next iteration, an if's value of `otherwise`
    needed: bool = False


@dataclass(slots=True, eq=False)
class LoopPlan:
    """A `for` (`trips` known before) or a `while` (`condition`, evaluated after `before`; `handed` are its results)."""

    kind: Literal["for", "while"]
    region: Region
    outer: Region
    location: Location
    stages: int = 1
    slots: list[Slot] = field(default_factory=list)
    before: list[Item] = field(default_factory=list)
    body: list[Item] = field(default_factory=list)
    after_region: Region | None = None
    trips: Expr | None = None
    variable: tuple[Expr, Expr, Expr] | None = None  # induction variable, lower bound, step
    condition: Expr | None = None
    handed: list[Slot] = field(default_factory=list)  # a while's results: `first` is the value in `before`
    test_ids: range = range(0)  # ids of the steps of a while's test
    last_test_id: int = 0  # first id of the same steps in the test that ends the while
    has_steps: bool = False
    alive: bool = False
    variable_needed: bool = False
    affine: bool = False


@dataclass(slots=True, eq=False)
class BranchPlan:
    """An `if`."""

    condition: Expr
    then_region: Region
    otherwise_region: Region
    location: Location
    then: list[Item] = field(default_factory=list)
    otherwise: list[Item] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    has_steps: bool = False
    alive: bool = False


Item = Draft | LoopPlan | BranchPlan


@dataclass(frozen=True)
class Carried:
    """Stands for the steps that made a loop's carried value `index`: before the loop, or in an iteration."""

    loop: int
    index: int
