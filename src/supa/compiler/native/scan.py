"""Inclusive scans and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from supa.base.dtypes import I32
from supa.compiler.native import tails
from supa.compiler.native.buffers import Buffer
from supa.compiler.native.emitter import llvm_bits, memory_type, register_type
from supa.compiler.native.generator import Generator, emits
from supa.compiler.native.inside import Limit, assume, emit_versions, limits_of
from supa.compiler.native.loops import Loops, Space, choose_space
from supa.compiler.native.plan import Nest, Root
from supa.compiler.native.tiles import Index, evaluate_region
from supa.compiler.native.vec import Vec, constant, uniform, vector
from supa.ir import ops
from supa.ir.types import element_of, shape_of


@emits(ops.Scan)
def emit_scan(generator: Generator, op: ops.Scan) -> None:
    """Walk the axis from its start (or end), carrying the running value; vectors along the axis scan by doubling."""
    shape = shape_of(op.sources[0].type)
    space = choose_space(shape, op.axis, generator.width)
    limits = [] if op.reverse or generator.environment.checks is not None else limits_of(generator, list(op.sources))
    limits = [limit for limit in limits if limit.spread]
    nest = Nest(shape, [Root("reduce", op, None, shape, op.axis)], op.axis)
    buffers = [generator.new_buffer(shape, element_of(result.type)) for result in op.results]
    if not tails.may_cut(nest, space, limits, 1):
        _emit_part(generator, op, space, buffers)
    else:
        cut = tails.cut(generator, nest, space, limits, 1)
        first = _emit_part(generator, op, space, buffers, limits, ("0", cut.whole))
        _emit_part(generator, op, space, buffers, [], (cut.whole, cut.end), first)
        _fill(generator, space, buffers, cut.end)
    for result, buffer in zip(op.results, buffers, strict=True):
        generator.environment.buffers[result] = buffer


def _emit_part(
    generator: Generator,
    op: ops.Scan,
    space: Space,
    buffers: list[Buffer],
    true: Sequence[Limit] = (),
    bounds: tuple[str, str] | None = None,
    before: _Carried | None = None,
) -> _Carried | None:
    """All elements, or those between `bounds`; gives what is carried on from there."""
    loops = Loops(generator.emitter, generator.environment, buffers[0].shape, space, 1, bounds)
    evaluator, lanes = loops.evaluator, space.lanes
    assume(evaluator, list(true))
    looped = bool(loops.looped) and loops.looped[-1][0] == op.axis
    index = _from_the_end(loops, op, looped) if op.reverse else loops.indices[0]
    values = [evaluator.at(source, index) for source in op.sources]
    if lanes > 1:
        values = [evaluator.as_vector(value) for value in values]
    if space.horizontal:
        values = _scan_lanes(loops, op, values)
    carried = None
    if looped:
        carried = before or _start_carrying(generator, loops, op)
        values = _carry(loops, op, values, carried)
    for buffer, value in zip(buffers, values, strict=True):
        evaluator.write_buffer(buffer, index, value, loops.level)
    loops.finish()
    return carried


def _fill(generator: Generator, space: Space, buffers: list[Buffer], end: str) -> None:
    """Behind `end` nothing changes what is carried: all elements are as the last before it."""
    emitter = generator.emitter
    for buffer in buffers:
        (extent,) = (extent for extent in buffer.shape if extent > 1)
        type_ = memory_type(buffer.element)
        last = emitter.op(f"add i64 {end}, -1")
        place = emitter.op(f"getelementptr {type_}, ptr {buffer.address}, i64 {last}")
        value = uniform(type_, emitter.op(f"load {type_}, ptr {place}"))
        loops = Loops(emitter, generator.environment, buffer.shape, space, 1, (end, str(extent)))
        loops.evaluator.write_buffer(buffer, loops.indices[0], value, loops.level)
        loops.finish()


def _from_the_end(loops: Loops, op: ops.Scan, looped: bool) -> Index:
    index = loops.indices[0]
    if not looped:
        return index
    _, extent, step = loops.looped[-1]
    at = index[op.axis]
    name = loops.evaluator.emit(at.level, f"sub i32 {extent - step}, {at.name}")
    return (*index[: op.axis], Vec(at.kind, "i32", name, at.level, at.step), *index[op.axis + 1 :])


def _scan_lanes(loops: Loops, op: ops.Scan, values: list[Vec]) -> list[Vec]:
    """Scan inside vectors: after step d every lane holds the combination of up to 2d lanes."""
    evaluator, count, level = loops.evaluator, loops.space.lanes, loops.level
    distance = 1
    while distance < count:
        source = [lane + distance if op.reverse else lane - distance for lane in range(count)]
        order = ", ".join(f"i32 {lane if 0 <= lane < count else 0}" for lane in source)
        inside = "<" + ", ".join(f"i1 {'true' if 0 <= lane < count else 'false'}" for lane in source) + ">"
        moved = []
        for value in values:
            type_ = evaluator.vector_type(value.type)
            text = f"shufflevector {type_} {evaluator.widen(value)}, {type_} poison, <{count} x i32> <{order}>"
            moved.append(vector(value.type, evaluator.emit(level, text), level))
        combined = evaluate_region(evaluator, op, [*moved, *values])
        flag = vector("i1", inside, level)
        values = [evaluator.select(flag, new, old) for new, old in zip(combined, values, strict=True)]
        distance *= 2
    return values


@dataclass(frozen=True, kw_only=True)
class _Carried:
    """The stack slots of what one step hands to the next, their LLVM types, and of whether there was a step."""

    slots: list[str]
    types: list[str]
    forms: list[str]
    started: str


def _start_carrying(generator: Generator, loops: Loops, op: ops.Scan) -> _Carried:
    """Slots that say, outside the loop, that nothing has been seen."""
    outside, is_vector = loops.before[loops.level - 1], loops.space.lanes > 1 and not loops.space.horizontal
    types = [register_type(element_of(source.type)) for source in op.sources]
    forms = [loops.evaluator.vector_type(type_) if is_vector else type_ for type_ in types]
    slots = [generator.emitter.alloca(form) for form in forms]
    started = generator.emitter.alloca("i1")
    outside.append(f"  store i1 false, ptr {started}")
    for slot, form in zip(slots, forms, strict=True):
        outside.append(f"  store {form} zeroinitializer, ptr {slot}")
    return _Carried(slots=slots, types=types, forms=forms, started=started)


def _carry(loops: Loops, op: ops.Scan, values: list[Vec], carried: _Carried) -> list[Vec]:
    """Combine with what was carried from the last step, and carry on."""
    evaluator, level = loops.evaluator, loops.level
    horizontal, is_vector = loops.space.horizontal, loops.space.lanes > 1 and not loops.space.horizontal
    slots, types, forms, started = carried.slots, carried.types, carried.forms, carried.started
    make = vector if is_vector else uniform
    old = [
        make(type_, evaluator.emit(level, f"load {form}, ptr {slot}"), level)
        for type_, form, slot in zip(types, forms, slots, strict=True)
    ]
    flag = uniform("i1", evaluator.emit(level, f"load i1, ptr {started}"), level)
    evaluator.run(level, f"store i1 true, ptr {started}")
    combined = evaluate_region(evaluator, op, [*old, *values])
    new = [evaluator.select(flag, made, value) for made, value in zip(combined, values, strict=True)]
    last = 0 if op.reverse else loops.space.lanes - 1
    for slot, form, vec in zip(slots, forms, new, strict=True):
        name = vec.name
        if horizontal and loops.space.lanes > 1:
            name = evaluator.emit(
                level, f"extractelement {evaluator.vector_type(vec.type)} {evaluator.widen(vec)}, i64 {last}"
            )
        elif is_vector:
            name = evaluator.widen(vec)
        evaluator.run(level, f"store {form} {name}, ptr {slot}")
    return new


_TABLES = 2  # neighbours count in turn, so that equal ones need not wait for each other


@emits(ops.Histogram)
def emit_histogram(generator: Generator, op: ops.Histogram) -> None:
    """The bins of all elements in vectors, then a count each; what is masked off or out of range has a spare bin."""
    (bins,) = shape_of(op.result.type)
    counts = generator.new_buffer((bins,), I32)
    with generator.scope():
        places = _histogram_bins(generator, op, bins)
        tables = [generator.new_buffer((bins + 1,), I32) for _ in range(_TABLES)]
        emitter = generator.emitter
        emitter.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        for table in tables:
            size = I32.bytes * (bins + 1)
            emitter.do(f"call void @llvm.memset.p0.i64(ptr align 64 {table.address}, i8 0, i64 {size}, i1 false)")
        total = prod(places.shape)
        turns = min(2 * _TABLES, total)
        with emitter.loop(total, turns) as first:
            for turn in range(turns):
                position = emitter.op(f"add i64 {first}, {turn}")
                bin_ = emitter.op(
                    f"load i32, ptr {emitter.op(f'getelementptr i32, ptr {places.address}, i64 {position}')}"
                )
                address = emitter.op(f"getelementptr i32, ptr {tables[turn % _TABLES].address}, i32 {bin_}")
                old = emitter.op(f"load i32, ptr {address}")
                emitter.do(f"store i32 {emitter.op(f'add i32 {old}, 1')}, ptr {address}")
        loops = Loops(emitter, generator.environment, (bins,), choose_space((bins,), None, generator.width))
        evaluator, index = loops.evaluator, loops.indices[0]
        left, right = (evaluator.read_buffer(table.reshaped((bins,)), index) for table in tables)
        evaluator.write_buffer(counts, index, evaluator.add(left, right), loops.level)
        loops.finish()
    generator.environment.buffers[op.result] = counts


def _histogram_bins(generator: Generator, op: ops.Histogram, bins: int) -> Buffer:
    """The bin of each element."""
    shape = shape_of(op.source.type)
    places = generator.new_buffer(shape, I32)

    def emit(true: list[Limit]) -> None:
        space = choose_space(shape, None, generator.width)
        loops = Loops(generator.emitter, generator.environment, shape, space)
        evaluator, index = loops.evaluator, loops.indices[0]
        assume(evaluator, true)
        value = evaluator.at(op.source, index)
        if llvm_bits(value.type) < I32.bits:  # wide enough for the number of bins
            value = evaluator.resize(value, "i32", "zext" if value.type == "i1" else "sext")
        value = evaluator.as_vector(value) if value.is_linear else value
        limit = constant(value.type, bins)
        inside = evaluator.apply("icmp ult {t} {0}, {1}", (value, limit), "i1")
        if op.mask is not None:
            inside = evaluator.apply("and {t} {0}, {1}", (inside, evaluator.at(op.mask, index)), "i1")
        chosen = evaluator.resize(evaluator.select(inside, value, limit), "i32", "trunc")
        evaluator.write_buffer(places, index, chosen, loops.level)
        loops.finish()

    sources = [op.source] if op.mask is None else [op.source, op.mask]
    emit_versions(generator, limits_of(generator, sources), emit)
    return places
