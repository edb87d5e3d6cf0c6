"""Pointer advance: a tile carried by a loop that only ever gains a scalar becomes `first tile + carried scalar`.

`p += BLOCK_K * stride` carries a tile of pointers from turn to turn; afterwards the loop carries one i64 (an integer of
the tile's type for tiles of integers) and no tile, and every address is affine in it. Equal advances share one scalar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supa.base.dtypes import DType
from supa.compiler.passes.advance import Step, advanced, following, offset_type, steps_between
from supa.compiler.passes.carried import add_carried, remove_carried, yield_also
from supa.compiler.passes.induction_while import rewrite_while
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.rewrite import Builder

_Offset = tuple[Value, Value]  # the carried scalar in the body, and after the loop


@dataclass(frozen=True, kw_only=True)
class RewriteInductions:
    """Tiles of pointers or integers that a loop advances by uniform amounts are carried as scalars."""

    name: ClassVar[str] = "rewrite_inductions"

    def run(self, func: ops.Func) -> None:
        """Rewrite all loops in place, inner ones first: an inner loop's advance is then a step of the outer one's."""
        for block in func.regions:
            _rewrite_in(block)


def _rewrite_in(block: Block) -> None:
    for op in list(block.ops):
        for inner in op.regions:
            _rewrite_in(inner)
        if isinstance(op, ops.For):
            _rewrite_loop(op)
        elif isinstance(op, ops.While):
            rewrite_while(op)


def _rewrite_loop(loop: ops.For) -> None:
    body = loop.regions[0]
    found: list[int] = []
    shared: dict[tuple[DType, tuple[Step, ...]], _Offset] = {}
    for index, argument in enumerate(body.args[1:]):
        dtype = offset_type(argument)
        handed = body.terminator.operands[index]
        if dtype is None or handed is None or handed is argument:
            continue
        steps = steps_between(handed, argument, body)
        if steps is None:
            continue
        key = (dtype, steps)
        if key not in shared:
            shared[key] = _carry_offset(loop, dtype, steps)
        _replace(loop, index, shared[key])
        found.append(index)
    remove_carried(loop, found)


def _carry_offset(loop: ops.For, dtype: DType, steps: tuple[Step, ...]) -> _Offset:
    """Carry one more scalar that starts at 0 and advances by `steps`."""
    assert loop.parent is not None
    init = Builder.before(loop).constant(0, dtype)
    argument, result = add_carried(loop, init)
    end = loop.regions[0].terminator
    builder = Builder.before(end)
    yield_also(loop, following(builder, argument, steps))
    return argument, result


def _replace(loop: ops.For, index: int, offset: _Offset) -> None:
    """In the body and after the loop the tile is `init + splat(offset)`."""
    body, init = loop.regions[0], loop.inits[index]
    argument, result = body.args[index + 1], loop.results[index]
    argument.replace_by(advanced(Builder(body, body.ops[0], loop.location), init, offset[0]))
    if result.uses:
        assert loop.parent is not None
        after = loop.parent.ops[loop.parent.ops.index(loop) + 1]
        result.replace_by(advanced(Builder(loop.parent, after, loop.location), init, offset[1]))
