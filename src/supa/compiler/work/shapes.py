"""Rules of constants, program ids and operations that only rearrange a tile."""

from __future__ import annotations

from supa.base.dtypes import I64
from supa.compiler.work.scalars import llvm_type
from supa.compiler.work.tiles import Index, Mask, move_dims
from supa.compiler.work.walker import Walker, is_index, is_mask, rule
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.types import Tile, element_of, shape_of, storage_bytes
from supa.program.work import Exchange


@rule(ops.Constant)
def constant(w: Walker, op: ops.Constant) -> None:
    """A literal, or a tile of one."""
    result = op.results[0]
    carrier = llvm_type(element_of(result.type))
    if not isinstance(result.type, Tile):
        if carrier is not None:
            is_float = carrier not in ("i1", "i8", "i16", "i32", "i64")
            w.scalars[result] = w.x.const(float(op.value) if is_float else int(op.value), carrier)
        return
    if is_index(result.type) or is_mask(result.type):
        w.regular.add(result)
    if not op.values and is_index(result.type):
        w.indices[result] = Index(w.x.const(int(op.value)), (None,) * len(result.type.shape))
    elif not op.values and is_mask(result.type):
        w.masks[result] = Mask() if op.value else Mask(conditions=(w.x.const(0, "i1"),))


@rule(ops.ProgramId)
def program_id(w: Walker, op: ops.ProgramId) -> None:
    """A leaf of the block."""
    w.scalars[op.results[0]] = w.x.leaf("pid", "i32", op.axis, w.x.block, True)


@rule(ops.NumPrograms)
def num_programs(w: Walker, op: ops.NumPrograms) -> None:
    """A leaf of the call."""
    w.scalars[op.results[0]] = w.x.leaf("grid", "i32", op.axis, w.x.call, True)


@rule(ops.ReadDevice)
def read_device(w: Walker, op: ops.ReadDevice) -> None:
    """Known only where the program runs."""
    why = f"the device's {op.what} decides control flow or addresses; 0 assumed"
    w.scalars[op.results[0]] = w.guess(I64, op.location, why)


@rule(ops.Range)
def range_(w: Walker, op: ops.Range) -> None:
    """0, 1, .."""
    w.indices[op.results[0]] = w.tiles.range(op.start, op.end)
    w.regular.add(op.results[0])


def _follow(w: Walker, op: Op) -> None:
    """The results come from where the operands come from."""
    after = w.waits(op.operands)
    regular = w.is_regular(op)
    for result in op.results:
        if after:
            w.after[result] = after
        if regular:
            w.regular.add(result)
        if op.operands[0] in w.fragments:
            w.fragments.add(result)


@rule(ops.Splat)
def splat(w: Walker, op: ops.Splat) -> None:
    """A scalar in every element."""
    source, result = op.operands[0], op.results[0]
    assert source is not None
    rank = len(shape_of(result.type))
    if is_index(result.type):
        w.indices[result] = Index(w.x.wide(w.scalar(source)), (None,) * rank)
    elif is_mask(result.type):
        w.masks[result] = Mask(conditions=(w.scalar(source),))
    _trace(w, source, result)
    _follow(w, op)


def _trace(w: Walker, source: Value, result: Value) -> None:
    argument = w.arguments.get(source)
    if argument is not None:
        w.arguments[result] = argument


@rule(ops.Broadcast)
def broadcast(w: Walker, op: ops.Broadcast) -> None:
    """The same facts: nothing varies along a dimension of extent 1."""
    source, result = op.operands[0], op.results[0]
    assert source is not None
    if is_index(result.type):
        w.indices[result] = w.index(source)
    elif is_mask(result.type):
        w.masks[result] = w.mask(source)
    _trace(w, source, result)
    _follow(w, op)


@rule(ops.ExpandDims)
def expand_dims(w: Walker, op: ops.ExpandDims) -> None:
    """One more dimension of extent 1."""
    source, result = op.operands[0], op.results[0]
    assert source is not None
    if is_index(result.type):
        index = w.index(source)
        parts = index.coefficients
        w.indices[result] = Index(index.base, (*parts[: op.axis], None, *parts[op.axis :]))
    elif is_mask(result.type):
        places = [d + (d >= op.axis) for d in range(len(shape_of(source.type)))]
        w.masks[result] = move_dims(w.mask(source), places)
    _trace(w, source, result)
    _follow(w, op)


@rule(ops.Reshape)
def reshape(w: Walker, op: ops.Reshape) -> None:
    """Dropping and adding dimensions of extent 1 is free; other reshapes of data change hands in the block."""
    source, result = op.operands[0], op.results[0]
    assert source is not None
    old, new = shape_of(source.type), shape_of(result.type)
    _trace(w, source, result)
    _follow(w, op)
    if not isinstance(result.type, Tile):
        _unsplat(w, source, result)
        return
    if is_index(result.type):
        w.indices[result] = w.tiles.reshape(w.index(source), old, new)
    elif is_mask(result.type) and _squeezed(old) == _squeezed(new):
        kept = iter([d for d, extent in enumerate(new) if extent > 1])
        w.masks[result] = move_dims(w.mask(source), [next(kept) if extent > 1 else 0 for extent in old])
    if _squeezed(old) != _squeezed(new) and not op.reorder and _has_data(w, source):
        _exchange(w, op, source, result)


def _has_data(w: Walker, value: Value) -> bool:
    """Whether a tile came from some step (a filled one did not) and is not regular."""
    return bool(w.after.get(value)) and value not in w.regular


def _squeezed(shape: tuple[int, ...]) -> list[int]:
    return [extent for extent in shape if extent > 1]


def _unsplat(w: Walker, source: Value, result: Value) -> None:
    """The scalar of a tile of one element."""
    index, carrier = w.indices.get(source), llvm_type(result.type)
    if index is not None and index.base is not None and carrier is not None:
        w.scalars[result] = w.x.resize(index.base, carrier)


def _exchange(w: Walker, op: Op, source: Value, result: Value) -> None:
    size = source.type.size if isinstance(source.type, Tile) else 1
    step = w.step(Exchange, op, w.waits([source]), scope="block", bytes=size * storage_bytes(element_of(source.type)))
    w.after[result] = frozenset((step.id,))
    w.fragments.discard(result)


@rule(ops.Transpose)
def transpose(w: Walker, op: ops.Transpose) -> None:
    """Free for index tiles and for loaded tiles that only products read; other data changes hands in the block."""
    source, result = op.operands[0], op.results[0]
    assert source is not None
    _follow(w, op)
    _trace(w, source, result)
    if is_index(result.type):
        index = w.index(source)
        w.indices[result] = Index(index.base, tuple(index.coefficients[d] for d in op.order))
    elif is_mask(result.type):
        places = [0] * len(op.order)
        for new, old in enumerate(op.order):
            places[old] = new
        w.masks[result] = move_dims(w.mask(source), places)
    if _has_data(w, source) and not (from_memory(source) and _only_products(result)):
        _exchange(w, op, source, result)


def from_memory(value: Value) -> bool:
    """Whether a tile is a loaded one, perhaps transposed or reshaped."""
    op = value.op
    while isinstance(op, ops.Transpose | ops.Reshape):
        op = op.source.op
    return isinstance(op, ops.Load | ops.DescriptorLoad | ops.DescriptorGather)


def _only_products(value: Value) -> bool:
    return all(
        isinstance(user, ops.Dot | ops.DotScaled)
        or (isinstance(user, ops.Transpose | ops.Reshape) and _only_products(user.results[0]))
        for user in value.uses
    )


@rule(ops.Join, ops.Split, ops.Cat)
def pair(w: Walker, op: Op) -> None:
    """Joining and splitting happen in registers."""
    for result in op.results:
        if is_index(result.type):
            w.indices[result] = w.tiles.opaque(shape_of(result.type))
    source = op.operands[0]
    assert source is not None
    for result in op.results:
        _trace(w, source, result)
    _follow(w, op)
