"""Rules of element-wise operations, reductions and scans: counts of scalar operations, and data changing lanes.

Element-wise operations that wait for the same steps are one `Vector` step, as a compiler fuses them. Scalar
operations are free (one lane does them); they become expressions of the slice.
"""

from __future__ import annotations

from supa.compiler.work import scalars
from supa.compiler.work.layout import spread
from supa.compiler.work.tiles import Index, Mask
from supa.compiler.work.walker import Waits, Walker, is_index, is_mask, rule
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.functions import FUNCTIONS
from supa.ir.types import Pointer, Tile, element_of, shape_of, storage_bytes
from supa.program.work import Exchange

_FREE_CASTS = ("bitcast", "ptrtoint", "inttoptr")


@rule(ops.Map)
def map_(w: Walker, op: ops.Map) -> None:
    """A scalar function on scalars or tiles."""
    result = op.results[0]
    after = w.waits(op.operands)
    if not isinstance(result.type, Tile):
        _scalar_map(w, op, result, after)
        return
    if is_index(result.type):
        w.indices[result] = _index_of(w, op)
    elif is_mask(result.type):
        w.masks[result] = _mask_of(w, op)
    source = op.operands[0]
    assert source is not None
    kind = FUNCTIONS[op.function].work
    if w.is_regular(op):
        w.count_index(op, kind)
    else:
        typed = source if op.function != "select" else result
        _elementwise(w, op, after, kind, str(element_of(typed.type)))


def _scalar_map(w: Walker, op: ops.Map, result: Value, after: Waits) -> None:
    compute = scalars.RULES.get(op.function)
    values = [value for value in op.operands if value is not None]
    carried = all(scalars.llvm_type(value.type) is not None for value in (result, *values))
    if carried and compute is not None:
        w.scalars[result] = compute(w.x, [w.scalar(value) for value in values])
    else:
        why = f"{op.function} on scalars decides control flow or addresses; 0 assumed"
        w.scalars[result] = w.guess(result.type, op.location, why)
    if after:
        w.after[result] = after


def _index_of(w: Walker, op: ops.Map) -> Index:
    """The integer tile that a function makes of integer tiles."""
    name, values = op.function, [v for v in op.operands if v is not None]
    if name == "select":
        if isinstance(element_of(op.results[0].type), Pointer):
            found = {w.argument(v) for v in values[1:]}
            if len(found) == 1:
                w.arguments[op.results[0]] = found.pop()
        return w.tiles.choose(w.index(values[1]), w.index(values[2]))
    indices = [w.index(v) for v in values]
    if name in ("add", "sub"):
        return w.tiles.add(indices[0], indices[1], subtract=name == "sub")
    if name == "mul":
        return w.tiles.mul(indices[0], indices[1])
    if len(indices) == 2:
        if name in ("smin", "smax", "and", "or", "xor") and indices[0].uniform and not indices[1].uniform:
            indices.reverse()
        return w.tiles.function(name, indices[0], indices[1])
    return w.tiles.blur(*indices)


def _mask_of(w: Walker, op: ops.Map) -> Mask:
    """The mask that a comparison or a logical function makes."""
    name, values = op.function, [v for v in op.operands if v is not None]
    if name.startswith("icmp_") and is_index(values[0].type):
        return w.tiles.compare(name[5:], w.index(values[0]), w.index(values[1]))
    if name == "and" or (name == "mul" and is_mask(values[0].type)):
        return w.tiles.conjunction(w.mask(values[0]), w.mask(values[1]))
    if name == "or":
        return w.tiles.disjunction(w.mask(values[0]), w.mask(values[1]))
    if name == "xor" and _is_true(values[1]):
        return w.tiles.negation(w.mask(values[0]))
    return Mask(complete=False)


def _is_true(value: Value) -> bool:
    op = value.op
    if isinstance(op, ops.Splat | ops.Broadcast):
        return _is_true(op.source)
    return isinstance(op, ops.Constant) and not op.values and bool(op.value)


def _elementwise(w: Walker, op: Op, after: Waits, kind: str, format_: str, elements: int | None = None) -> None:
    """Join the group of operations that wait for the same steps."""
    result = op.results[0]
    if kind == "none":
        if after:
            w.after[result] = after
    else:
        group = w.group(op, after)
        w.count_elements(group, kind, format_, _size(result) if elements is None else elements)
        w.after[result] = frozenset((group.id,))
    if any(v in w.fragments for v in op.operands if v is not None):
        w.fragments.update(op.results)


def _size(value: Value) -> int:
    return value.type.size if isinstance(value.type, Tile) else 1


@rule(ops.Cast)
def cast(w: Walker, op: ops.Cast) -> None:
    """A conversion; of bits only, free."""
    source, result = op.operands[0], op.results[0]
    assert source is not None
    after = w.waits([source])
    if source in w.arguments:
        w.arguments[result] = w.arguments[source]
    if not isinstance(result.type, Tile):
        _scalar_cast(w, op, source, result, after)
        return
    exact = op.kind in ("trunc", "sext", "zext", *_FREE_CASTS)
    if is_index(result.type):
        known = exact and is_index(source.type)
        w.indices[result] = w.index(source) if known else _counted(w, source, result)
    elif is_mask(result.type):
        w.masks[result] = Mask(complete=False)
    kind = "none" if op.kind in _FREE_CASTS else "convert"
    if w.is_regular(op):
        w.count_index(op, kind)
    else:
        wider = max(element_of(source.type), element_of(result.type), key=storage_bytes)
        _elementwise(w, op, after, kind, str(wider))


def _counted(w: Walker, source: Value, result: Value) -> Index:
    """An integer tile that is not affine: it varies where its source does, as far as that is known."""
    shape = shape_of(result.type)
    return w.tiles.opaque(shape) if source not in w.indices else w.tiles.blur(w.indices[source])


def _scalar_cast(w: Walker, op: ops.Cast, source: Value, result: Value, after: Waits) -> None:
    carrier = scalars.llvm_type(result.type)
    if carrier is not None and scalars.llvm_type(source.type) is not None:
        w.scalars[result] = scalars.cast(w.x, op.kind, w.scalar(source), carrier)
    if after:
        w.after[result] = after


@rule(ops.AddPtr)
def addptr(w: Walker, op: ops.AddPtr) -> None:
    """An address moved by an offset in elements."""
    pointer, offset = op.operands
    assert pointer is not None and offset is not None
    result = op.results[0]
    element = element_of(result.type)
    assert isinstance(element, Pointer)
    size = storage_bytes(element.pointee)
    if pointer in w.arguments:
        w.arguments[result] = w.arguments[pointer]
    after = w.waits(op.operands)
    if not isinstance(result.type, Tile):
        moved = w.x.mul(w.x.wide(w.scalar(offset)), w.x.const(size))
        w.scalars[result] = w.x.add(w.scalar(pointer), moved)
        if after:
            w.after[result] = after
        return
    w.indices[result] = w.tiles.add(w.index(pointer), w.tiles.scale(w.index(offset), w.x.const(size)))
    if w.is_regular(op):
        w.count_index(op, "add", size)
    else:
        _elementwise(w, op, after, "add", "i64")


# ---- reductions and scans


def _combine_counts(block: Block) -> dict[tuple[str, str], int]:
    """Scalar operations of a combining region."""
    counts: dict[tuple[str, str], int] = {}
    for op in block.ops:
        for inner in op.walk():
            if isinstance(inner, ops.Map) and inner.operands[-1] is not None:
                key = (FUNCTIONS[inner.function].work, str(element_of(inner.operands[-1].type)))
            elif isinstance(inner, ops.Cast) and inner.kind not in _FREE_CASTS:
                key = ("convert", str(element_of(inner.results[0].type)))
            else:
                continue
            counts[key] = counts.get(key, 0) + 1
    counts.pop(("none", "i1"), None)
    return counts


@rule(ops.Reduce)
def reduce(w: Walker, op: ops.Reduce) -> None:
    """Each lane combines its own elements, lanes exchange partial results, then warps do through shared memory."""
    waits = _folded(w, op, 1)
    source = op.operands[0]
    assert source is not None
    shape = shape_of(source.type)
    fragment = source in w.fragments
    shared = spread(shape, op.axis, w.options.num_warps, w.options.warp_size, fragment=fragment)
    lines = _size(source) // shape[op.axis]
    waits = _change_hands(w, op, waits, lines * shared.lanes, shared.lanes, shared.warps)
    for result in op.results:
        w.after[result] = waits
        if fragment and isinstance(result.type, Tile):
            w.fragments.add(result)
        if isinstance(result.type, Tile) and is_index(result.type):
            w.indices[result] = w.tiles.opaque(result.type.shape)


def _folded(w: Walker, op: Op, factor: int) -> Waits:
    """The vector part of a reduction or scan."""
    source = op.operands[0]
    assert source is not None
    group = w.group(op, w.waits(op.operands))
    for (kind, format_), times in _combine_counts(op.regions[0]).items():
        w.count_elements(group, kind, format_, times * factor * _size(source))
    return frozenset((group.id,))


def _change_hands(w: Walker, op: Op, waits: Waits, partials: int, lanes: int, warps: int) -> Waits:
    """The exchange of `partials` results in each of `warps` warps."""
    width = sum(storage_bytes(element_of(v.type)) for v in op.operands if v is not None)
    if lanes > 1:
        rounds = (lanes - 1).bit_length()
        step = w.step(Exchange, op, waits, scope="warp", bytes=partials * warps * width, rounds=rounds)
        waits = frozenset((step.id,))
    if warps > 1:
        step = w.step(Exchange, op, waits, scope="block", bytes=partials // lanes * warps * width)
        waits = frozenset((step.id,))
    return waits


@rule(ops.Scan)
def scan(w: Walker, op: ops.Scan) -> None:
    """As a reduction, with every element combined a second time with what came before its lane."""
    waits = _folded(w, op, 2)
    source = op.operands[0]
    assert source is not None
    shape = shape_of(source.type)
    shared = spread(shape, op.axis, w.options.num_warps, w.options.warp_size, fragment=False)
    lines = _size(source) // shape[op.axis]
    waits = _change_hands(w, op, waits, lines * shared.lanes, shared.lanes, shared.warps)
    for result in op.results:
        w.after[result] = waits


@rule(ops.Histogram)
def histogram(w: Walker, op: ops.Histogram) -> None:
    """One addition an element into bins in shared memory."""
    source, result = op.operands[0], op.results[0]
    assert source is not None
    group = w.group(op, w.waits(op.operands))
    w.count_elements(group, "add", "i32", _size(source))
    step = w.step(Exchange, op, frozenset((group.id,)), scope="block", bytes=4 * (_size(source) + _size(result)))
    w.after[result] = frozenset((step.id,))


@rule(ops.Gather)
def gather(w: Walker, op: ops.Gather) -> None:
    """The source goes through shared memory, each lane picks its elements."""
    source, result = op.operands[0], op.results[0]
    assert source is not None
    size = (_size(source) + _size(result)) * storage_bytes(element_of(source.type)) // 2
    step = w.step(Exchange, op, w.waits(op.operands), scope="block", bytes=size)
    w.after[result] = frozenset((step.id,))


@rule(ops.MapRegion)
def map_region(w: Walker, op: ops.MapRegion) -> None:
    """The region's operations once for each pack of elements; every branch of it counts."""
    after = w.waits(op.operands)
    group = w.group(op, after)
    times = _size(op.results[0]) // op.pack if op.results else 0
    for (kind, format_), each in _combine_counts(op.regions[0]).items():
        w.count_elements(group, kind, format_, each * times)
    for result in op.results:
        w.after[result] = frozenset((group.id,))


@rule(ops.InlineAsm)
def inline_asm(w: Walker, op: ops.InlineAsm) -> None:
    """One logic operation an element for each instruction of the text."""
    if not op.results:
        return
    instructions = max(1, op.text.count(";")) // max(1, op.pack) or 1
    after = w.waits(op.operands)
    _elementwise(w, op, after, "logic", "i32", _size(op.results[0]) * instructions)
    for result in op.results:
        w.after[result] = w.after[op.results[0]]


@rule(ops.Assert, ops.Print)
def report(w: Walker, op: Op) -> None:
    """Nothing: a report is rare, and its test was counted where the condition was made."""
