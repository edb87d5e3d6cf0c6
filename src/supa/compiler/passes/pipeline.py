"""The passes on tile IR that every back end wants, as one straight list. Not here: what a target needs (its folder)."""

from __future__ import annotations

from typing import ClassVar, Protocol

from supa.compiler.passes.assertions import LiftAssertions
from supa.compiler.passes.carried import PruneCarried
from supa.compiler.passes.cleanup import EraseDead, MergeCommon
from supa.compiler.passes.combining import SpreadCombining
from supa.compiler.passes.descriptors import SpreadDescriptors
from supa.compiler.passes.folding import Fold
from supa.compiler.passes.hoisting import HoistInvariant
from supa.compiler.passes.induction import RewriteInductions
from supa.compiler.passes.regions import SpreadRegions
from supa.ir.ops import Func


class Pass(Protocol):
    """One step: a frozen dataclass whose fields are its options."""

    name: ClassVar[str]

    def run(self, func: Func) -> None:
        """Change the kernel in place; its results keep every bit."""


PIPELINE: tuple[Pass, ...] = (
    SpreadDescriptors(),
    LiftAssertions(),
    SpreadCombining(),
    SpreadRegions(),
    Fold(),
    MergeCommon(),
    PruneCarried(),
    RewriteInductions(),
    Fold(),
    HoistInvariant(),
    MergeCommon(),
    PruneCarried(),
    EraseDead(),
)


def simplify(func: Func, passes: tuple[Pass, ...] = PIPELINE) -> Func:
    """Run `passes` in order over a kernel, in place, and give it back."""
    for step in passes:
        step.run(func)
    return func
