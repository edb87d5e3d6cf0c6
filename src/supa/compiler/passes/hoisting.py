"""Moves what does not change in a loop out of it. Triton's own pass did so before; inlining and the rewriting of
inductions leave more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.types import Descriptor, Tile

_ANY_SHAPE = (ops.Constant, ops.Range, ops.Splat, ops.ExpandDims, ops.Broadcast, ops.MakeDescriptor)
_SCALAR_ONLY = (ops.Map, ops.Cast, ops.AddPtr, ops.ProgramId, ops.NumPrograms)
_MAY_TRAP = ("sdiv", "udiv", "srem", "urem")


@dataclass(frozen=True, kw_only=True)
class HoistInvariant:
    """Scalars, and tiles that are made without arithmetic, leave loops in whose body they do not change.

    Arithmetic on tiles stays: it is fused with its users, and a hoisted tile would have to be kept in memory. Integer
    divisions stay: the loop may be there to avoid a division by zero.
    """

    name: ClassVar[str] = "hoist_invariant"

    def run(self, func: ops.Func) -> None:
        """Hoist in place, from inner loops first."""
        for block in func.regions:
            _hoist_in(block)


def _hoist_in(block: Block) -> None:
    for op in list(block.ops):
        for inner in op.regions:
            _hoist_in(inner)
        if isinstance(op, ops.For | ops.While):
            for inner in op.regions:
                _hoist_out_of(op, inner)


def _hoist_out_of(loop: Op, body: Block) -> None:
    assert loop.parent is not None
    inside: set[Value | None] = set(body.args)
    for op in list(body.ops):
        if _is_cheap(op) and inside.isdisjoint(op.operands):
            body.ops.remove(op)
            loop.parent.insert_before(loop, op)
        else:
            inside.update(op.results)


def _is_cheap(op: Op) -> bool:
    if isinstance(op, _ANY_SHAPE):
        return True
    if not isinstance(op, _SCALAR_ONLY) or isinstance(op.result.type, Tile | Descriptor):
        return False
    return op.attributes.get("function") not in _MAY_TRAP
