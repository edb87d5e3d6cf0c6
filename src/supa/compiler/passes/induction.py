"""Pointer advance: a tile carried by a loop that only ever gains a scalar becomes `first tile + carried scalar`.

`p += BLOCK_K * stride` carries a tile of pointers from turn to turn; afterwards the loop carries one i64 (an integer of
the tile's type for tiles of integers) and no tile, and every address is affine in it. Equal advances share one scalar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supa.base.dtypes import I64, DType
from supa.compiler.passes.carried import add_carried, remove_carried, yield_also
from supa.compiler.passes.uniform import Uniform, uniform_of
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.rewrite import Builder
from supa.ir.types import Pointer, Tile

_Step = tuple[str, Uniform]  # ("add" or "sub", what)
_Offset = tuple[Value, Value]  # the carried scalar in the body, and after the loop


@dataclass(frozen=True, kw_only=True)
class RewriteInductions:
    """Tiles of pointers or integers that a counted loop advances by uniform amounts are carried as scalars."""

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


def _rewrite_loop(loop: ops.For) -> None:
    body = loop.regions[0]
    found: list[int] = []
    shared: dict[tuple[DType, tuple[_Step, ...]], _Offset] = {}
    for index, argument in enumerate(body.args[1:]):
        dtype = _offset_type(argument)
        handed = body.terminator.operands[index]
        if dtype is None or handed is None or handed is argument:
            continue
        steps = _steps(handed, argument, body)
        if steps is None:
            continue
        key = (dtype, steps)
        if key not in shared:
            shared[key] = _carry_offset(loop, dtype, steps)
        _replace(loop, index, shared[key])
        found.append(index)
    remove_carried(loop, found)


def _offset_type(argument: Value) -> DType | None:
    """The type of the scalar that can stand for this tile's advance, None for other values."""
    if not isinstance(argument.type, Tile):
        return None
    element = argument.type.element
    if isinstance(element, Pointer):
        return I64
    return None if element.is_float else element


def _steps(value: Value, argument: Value, body: Block) -> tuple[_Step, ...] | None:
    """What is added to `argument` on the way to `value`, first to last; None if anything else happens."""
    steps: list[_Step] = []
    while value is not argument:
        op = value.op
        if op is None or op.parent is not body:
            return None
        found = _step(op)
        if found is None:
            return None
        step, value = found
        steps.append(step)
    return tuple(steps[::-1])


def _step(op: object) -> tuple[_Step, Value] | None:
    if isinstance(op, ops.AddPtr):
        offset = uniform_of(op.offset)
        return (("add", offset), op.pointer) if offset else None
    if not isinstance(op, ops.Map) or op.function not in ("add", "sub"):
        return None
    left, right = op.arguments
    uniform = uniform_of(right)
    if uniform:
        return (op.function, uniform), left
    uniform = uniform_of(left) if op.function == "add" else None
    return (("add", uniform), right) if uniform else None


def _carry_offset(loop: ops.For, dtype: DType, steps: tuple[_Step, ...]) -> _Offset:
    """Carry one more scalar that starts at 0 and advances by `steps`."""
    assert loop.parent is not None
    init = Builder.before(loop).constant(False if dtype.bits == 1 else 0, dtype)
    argument, result = add_carried(loop, init)
    end = loop.regions[0].terminator
    builder = Builder.before(end)
    following = argument
    for function, uniform in steps:
        scalar = uniform.build(builder)
        if scalar.type != dtype:
            scalar = builder.value(ops.Cast, (scalar,), dtype, kind=_resize(scalar, dtype))
        following = builder.map(function, following, scalar)
    yield_also(loop, following)
    return argument, result


def _resize(scalar: Value, dtype: DType) -> str:
    assert isinstance(scalar.type, DType)
    return "sext" if scalar.type.bits < dtype.bits else "trunc"


def _replace(loop: ops.For, index: int, offset: _Offset) -> None:
    """In the body and after the loop the tile is `init + splat(offset)`."""
    body, init = loop.regions[0], loop.inits[index]
    argument, result = body.args[index + 1], loop.results[index]
    argument.replace_by(_advanced(Builder(body, body.ops[0], loop.location), init, offset[0]))
    if result.uses:
        assert loop.parent is not None
        after = loop.parent.ops[loop.parent.ops.index(loop) + 1]
        result.replace_by(_advanced(Builder(loop.parent, after, loop.location), init, offset[1]))


def _advanced(builder: Builder, init: Value, offset: Value) -> Value:
    assert isinstance(init.type, Tile) and isinstance(offset.type, DType)
    spread = builder.value(ops.Splat, (offset,), Tile(init.type.shape, offset.type))
    if isinstance(init.type.element, Pointer):
        return builder.value(ops.AddPtr, (init, spread), init.type)
    return builder.value(ops.Map, (init, spread), init.type, function="add")
