"""Tiles whose memory runs along their first dimension, turned so that it runs along the last, which is the vectors'.

`x[None, :] + stride * r[:, None]` and `x[:, None] + stride * r[None, :]` name the same elements; a nest reads the first
in whole vectors and the second one element at a time. Generated kernels write reductions over columns the second way.
All tiles that meet in operations turn together, or none does. Not here: tiles of other ranks; operations that tie a
dimension to its place (products, reshapes), whose tiles stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

from supa.compiler.native.steps import step_of
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.rewrite import clone, replace
from supa.ir.types import Tile, shape_of

_LEAST_RUN = 4  # elements in a row of memory for which turning pays
_ELEMENTWISE = (ops.Splat, ops.Constant, ops.Broadcast, ops.Map, ops.Cast, ops.AddPtr, ops.Assert)
_ACCESSES = (ops.Load, ops.Store)
_TURNED = (1, 0)


def with_turned_tiles(func: ops.Func, least: int = 1) -> ops.Func:
    """A copy of the kernel with such tiles turned; the kernel itself if it has none. `least`: by how many elements more
    memory must run along the first dimension than along the last; a very small number turns all that can turn.
    """
    if not _to_turn(func, least):
        return func
    func = clone(func)
    chosen = _to_turn(func, least)
    for value in chosen:
        value.type = Tile(shape_of(value.type)[::-1], value.type.element)  # type: ignore[union-attr]
    done = [op for op in func.walk() if _is_transposition(op) and (op.operands[0] in chosen) != (op.result in chosen)]
    for op in func.walk():
        _turn(op, chosen)
    for op in done:
        replace(op, [value for value in op.operands if value is not None])
    return func


def _turn(op: Op, chosen: set[Value]) -> None:
    """The operation's own words for its dimensions, where its tiles turned."""
    if isinstance(op, ops.Reduce | ops.Scan):
        if op.sources[0] in chosen:
            op.attributes["axis"] = 1 - op.axis
    elif isinstance(op, ops.ExpandDims):
        if op.result in chosen:
            op.attributes["axis"] = 1 - op.axis
    elif isinstance(op, ops.Constant) and op.values and op.result in chosen:
        rows, columns = shape_of(op.result.type)
        op.attributes["values"] = tuple(op.values[j * rows + i] for i in range(rows) for j in range(columns))


def _to_turn(func: ops.Func, least: int) -> set[Value]:
    """The tiles to turn."""
    votes: dict[Value, int] = {}
    for op in func.walk():
        if isinstance(op, _ACCESSES) and _is_plane(op.pointer):
            votes[op.pointer] = votes.get(op.pointer, 0) + _vote(op)
    if least > 0 and not any(vote > 0 for vote in votes.values()):
        return set()
    families = _Families()
    for op in func.walk():
        families.meet(op)
    totals = dict.fromkeys((families.of(value) for value in families.members()), 0)
    for pointer, vote in votes.items():
        totals[families.of(pointer)] += vote
    tied = {families.of(value) for value in families.tied}
    turning = {home for home, total in totals.items() if total >= least and home not in tied}
    return {value for value in families.members() if families.of(value) in turning}


class _Families:
    """Planes (tiles of two dimensions) that must turn together; `tied` are some whose families can not."""

    def __init__(self) -> None:
        self._parent: dict[Value, Value] = {}
        self.tied: list[Value] = []

    def of(self, value: Value) -> Value:
        """The one that stands for the family."""
        parent = self._parent.setdefault(value, value)
        while parent is not value:
            value, parent = parent, self._parent[parent]
        return value

    def members(self) -> Iterable[Value]:
        """Every plane."""
        return list(self._parent)

    def meet(self, op: Op) -> None:
        """Join what the operation has in common; tie what it gives a place."""
        if isinstance(op, ops.For | ops.If | ops.While):
            for group in _handed(op):
                self._join(group)
            return
        planes = [value for value in (*op.operands, *op.results) if value is not None and _is_plane(value)]
        if not planes or op.is_terminator or _is_line(op) or _is_transposition(op):
            for value in planes:
                self.of(value)
        elif _is_indifferent(op):
            self._join(planes)
        else:
            self.tied += planes

    def _join(self, values: Iterable[Value]) -> None:
        planes = [value for value in values if _is_plane(value)]
        for value in planes:
            self._parent[self.of(value)] = self.of(planes[0])


def _is_plane(value: Value) -> bool:
    return len(shape_of(value.type)) == 2


def _is_transposition(op: Op) -> bool:
    return isinstance(op, ops.Transpose) and op.order == _TURNED


def _is_line(op: Op) -> bool:
    """Whether the operation gives elements that lie in one line other dimensions: their order has no turn."""
    shapes = [shape_of(value.type) for value in (*op.operands, *op.results) if value is not None]
    return isinstance(op, ops.Reshape) and all(sum(extent > 1 for extent in shape) <= 1 for shape in shapes)


def _is_indifferent(op: Op) -> bool:
    """Whether the operation is the same with all of its planes turned."""
    if isinstance(op, ops.Reduce | ops.Scan):
        return _is_plane(op.sources[0])
    if isinstance(op, ops.ExpandDims):
        return _is_plane(op.result)
    if isinstance(op, ops.MapRegion):
        return bool(op.pack == 1)
    if isinstance(op, ops.Store):
        return _is_separable(op.pointer)
    return isinstance(op, (*_ELEMENTWISE, ops.Load))


def _handed(op: Op) -> list[list[Value]]:
    """What a loop or a branch hands on, place by place."""
    ends = [block.terminator.operands for block in op.regions]
    if isinstance(op, ops.If):
        return _places(op.results, *ends)
    if isinstance(op, ops.For):
        return _places(op.results, op.inits, op.regions[0].args[1:], *ends)
    before, after = op.regions
    first = _places(op.operands, before.args, after.terminator.operands)
    return first + _places(op.results, before.terminator.operands[1:], after.args)


def _places(*groups: Iterable[Value | None]) -> list[list[Value]]:
    return [[value for value in place if value is not None] for place in zip(*groups, strict=True)]


def _vote(op: Op) -> int:
    """Elements whose memory runs along the first dimension, negative where along the last; writing counts double."""
    pointer = op.operands[0]
    assert pointer is not None
    shape = shape_of(pointer.type)
    runs = [step_of(pointer, axis) for axis in (0, 1)]
    weight = shape[0] * shape[1] * (2 if isinstance(op, ops.Store) else 1)
    for axis, sign in ((0, 1), (1, -1)):
        if shape[axis] >= _LEAST_RUN and _is_run(runs[axis]) and not (_is_run(runs[1 - axis]) or runs[1 - axis] == 0):
            return sign * weight
    return 0


def _is_run(step: int | None) -> bool:
    return step in (1, -1)


def _is_separable(pointer: Value) -> bool:
    """Whether addresses are sums of parts that vary along one dimension each. Elements that share an address then lie
    in one row or column (strides being no shorter than what they stride over): turning keeps their order.
    """
    op = pointer.op
    if len(_varied(pointer)) < 2:
        return True
    if isinstance(op, ops.AddPtr) or (isinstance(op, ops.Map) and op.function in ("add", "sub")):
        return all(_is_separable(operand) for operand in op.operands if operand is not None)
    if isinstance(op, ops.Map) and op.function == "mul":
        left, right = op.arguments
        return (not _varied(left) and _is_separable(right)) or (not _varied(right) and _is_separable(left))
    return isinstance(op, ops.Cast | ops.Broadcast) and _is_separable(op.source)


def _varied(value: Value) -> frozenset[int]:
    """The dimensions along which elements may differ."""
    op, shape = value.op, shape_of(value.type)
    long = frozenset(dim for dim, extent in enumerate(shape) if extent > 1)
    if not shape or isinstance(op, ops.Splat) or (isinstance(op, ops.Constant) and not op.values):
        return frozenset()
    if isinstance(op, ops.ExpandDims):
        return long - {op.axis}
    if isinstance(op, ops.Broadcast):
        return _varied(op.source)
    if isinstance(op, ops.Map | ops.Cast | ops.AddPtr):
        return frozenset().union(*(_varied(operand) for operand in op.operands if operand is not None))
    return long
