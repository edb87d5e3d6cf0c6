"""Emits the nests that `plan` made: keeps tiles in buffers, stores, reduces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from supa.compiler.native import ahead, checks, memory, periods, tails
from supa.compiler.native.buffers import Buffer
from supa.compiler.native.combination import is_commutative
from supa.compiler.native.finite import watch_reductions
from supa.compiler.native.generator import Generator, emits
from supa.compiler.native.inside import Limit, assume, emit_versions, limits_of_nest
from supa.compiler.native.loops import Loops, Space, choose_space
from supa.compiler.native.plan import Nest, Root
from supa.compiler.native.reduction import Place, Reduction, places_of, publish
from supa.compiler.native.steps import step_of
from supa.compiler.native.streaming import stream_bits
from supa.compiler.native.tiles import (
    Evaluator,
    Index,
    coordinates_access,
    descriptor_access,
    descriptor_of,
)
from supa.compiler.native.vec import Vec
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.types import element_of, storage_bytes

# Independent accumulators hide the combining instruction's latency; along columns they make longer runs of memory.
_REDUCTION_COPIES = 4
_HALVED_BYTES = 4  # of the elements whose full vectors are wider than what memory likes
_ORDERED_COPIES = 8  # vectors whose elements are combined in order: their halves fill vectors until one is left
_BUSY_COPIES = 2  # where a body has work enough to hide the latency, and copies would only be code


@emits(Nest)
def emit_nest(generator: Generator, nest: Nest) -> None:
    """Emit the loops of `nest` and everything its roots do; short bodies twice, without masks where none is needed."""
    halved = _streams_in_halves(generator, nest)
    space = choose_space(nest.shape, nest.axis, generator.width // 2 if halved else generator.width)
    buffers = {root: _destination(generator, nest, root) for root in nest.roots if root.kind == "keep"}
    places = {root: places_of(generator, root.op) for root in nest.roots if isinstance(root.op, ops.Reduce)}
    limits = _limits(generator, nest, space)
    runs = _runs(generator, nest) if space.lanes > 1 else {}
    form = _Form(
        nest=nest,
        space=space,
        copies=_copies(generator, nest, space),
        buffers=buffers,
        places=places,
        stream=stream_bits(generator, nest),
        distances=ahead.distances(generator, nest),
        runs=runs,
    )
    names = {run.base: generator.scalar(run.base) for run in runs.values() if run.base is not None}
    guard = periods.emit_guard(generator.evaluator(), runs.values(), names)
    if guard:
        _emit_guarded(generator, guard, form, limits)
    else:
        _emit_form(generator, form, limits)
    for root, buffer in buffers.items():
        if root.target is None and buffer is not None:
            assert root.value is not None
            generator.environment.buffers[root.value] = buffer
    for root, found in places.items():
        assert isinstance(root.op, ops.Reduce)
        publish(generator, root.op, found)
    watch_reductions(generator, nest)


def _emit_guarded(generator: Generator, guard: str, form: _Form, limits: list[Limit]) -> None:
    """Vectors where divided indices are known to be no less than zero, and a loop over single elements elsewhere."""
    emitter, nest = generator.emitter, form.nest
    within, wrapped, done = (emitter.fresh_label(hint) for hint in ("within", "wrapped", "done"))
    emitter.do(f"br i1 {guard}, label %{within}, label %{wrapped}")
    emitter.label(within)
    _emit_form(generator, form, limits)
    emitter.do(f"br label %{done}")
    emitter.label(wrapped)
    space = choose_space(nest.shape, nest.axis, 1)
    _emit_loops(generator, replace(form, space=space, copies=1, stream="", distances={}, runs={}), [])
    emitter.do(f"br label %{done}")
    emitter.label(done)


def _runs(generator: Generator, nest: Nest) -> dict[Value, periods.Run]:
    """The indices that the nest divides."""
    planner = generator.planner
    if not planner.divides or planner.exchanged or generator.environment.checks is not None:
        return {}
    values = [value for root in nest.roots for value in (*root.op.operands, root.value) if value is not None]
    return periods.runs_of(values, generator.environment.scalars)


def _emit_form(generator: Generator, form: _Form, limits: list[Limit]) -> None:
    """The loops, cut where a row ends in its tile, or with and without masks."""
    along = [limit for limit in limits if limit.spread]
    if tails.may_cut(form.nest, form.space, along, form.copies) and generator.environment.checks is None:
        _emit_cut(generator, form, along)
    else:
        emit_versions(generator, limits, lambda true: _emit_loops(generator, form, true))


def _streams_in_halves(generator: Generator, nest: Nest) -> bool:
    """Whether a nest does little more than move 32-bit elements through memory, on a host that prefers halves."""
    loads = [op for op in nest.accesses if isinstance(op, ops.Load)]
    stores = [root.op for root in nest.roots if isinstance(root.op, ops.Store)]
    if not generator.host.halves_streams or nest.axis is not None or not loads or not stores:
        return False
    moved = [element_of(op.result.type) for op in loads] + [element_of(op.value.type) for op in stores]
    return (
        nest.shape[-1] % generator.width == 0
        and nest.shape[-1] > generator.width
        and all(storage_bytes(element) == _HALVED_BYTES for element in moved)
        and all(step_of(pointer) == 1 for pointer in (*(op.pointer for op in loads), *(op.pointer for op in stores)))
        and not generator.planner.exchanged
        and not generator.planner.is_busy(nest)
    )


def _limits(generator: Generator, nest: Nest, space: Space) -> list[Limit]:
    """What would let the masks go, where that is worth a second version of the loops."""
    if prod(nest.shape) <= space.lanes or space.lanes == 1 or generator.planner.multiplies:
        return []  # beside products masks hardly count
    return limits_of_nest(generator, nest)


def _copies(generator: Generator, nest: Nest, space: Space) -> int:
    """Neighbouring vectors that one turn of the loop takes."""
    if nest.axis is None:
        return generator.width // space.lanes  # of halves: two
    if any(isinstance(root.op, ops.Reduce) and not is_commutative(root.op) for root in nest.roots):
        return _ORDERED_COPIES if space.horizontal else 1
    return _BUSY_COPIES if generator.planner.is_busy(nest) else _REDUCTION_COPIES


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How a nest is emitted, in all of its versions; `stream`: see `memory.store`."""

    nest: Nest
    space: Space
    copies: int
    buffers: dict[Root, Buffer | None]
    places: dict[Root, list[Place]]
    stream: str
    distances: dict[Op, str]
    runs: dict[Value, periods.Run]


def _emit_cut(generator: Generator, form: _Form, limits: list[Limit]) -> None:
    """The loop in parts: without masks, with them, and the rest of kept tiles."""
    cut = tails.cut(generator, form.nest, form.space, limits, form.copies)
    first: dict[Root, Reduction] = {}
    _emit_loops(generator, form, limits, bounds=("0", cut.whole), first=first)
    _emit_loops(generator, form, [], bounds=(cut.whole, cut.end), before=first)
    fills = [(buffer, value) for root, value in cut.fills.items() if (buffer := form.buffers[root]) is not None]
    if fills:
        rest = (cut.end, str(prod(form.nest.shape)))
        loops = Loops(generator.emitter, generator.environment, form.nest.shape, form.space, 1, rest)
        for buffer, value in fills:
            loops.evaluator.write_buffer(buffer, loops.indices[0], value, loops.level)
        loops.finish()


def _emit_loops(
    generator: Generator,
    form: _Form,
    true: list[Limit],
    bounds: tuple[str, str] | None = None,
    before: dict[Root, Reduction] | None = None,
    first: dict[Root, Reduction] | None = None,
) -> None:
    """One version of the loops, in which the masks of `true` are.

    A first part of them leaves its reductions in `first`; the part that goes on with these gets them as `before`.
    """
    nest, buffers = form.nest, form.buffers
    loops = Loops(generator.emitter, generator.environment, nest.shape, form.space, form.copies, bounds)
    assume(loops.evaluator, true)
    loops.evaluator.runs = form.runs
    known = before or {}
    reductions = {
        root: Reduction(generator, loops, root, found, known.get(root)) for root, found in form.places.items()
    }
    for copy, index in enumerate(loops.indices):
        # First read everything, then write: a tile updated in place is read by all roots before it changes.
        seen = {
            root: [_evaluate(loops.evaluator, root, value, index) for value in _evaluated(root)] for root in nest.roots
        }
        for root, values in seen.items():
            if root.kind == "keep":
                buffer = buffers[root]
                if buffer is not None:
                    loops.evaluator.write_buffer(buffer, index, values[0], loops.level)
            elif root.kind == "reduce":
                reductions[root].combine(copy, values)
            else:
                emit_store(loops.evaluator, root.op, index, values, loops.level, form.stream)
    if before is None:
        ahead.fetch(loops, form.distances)
    if first is not None:
        first.update(reductions)
    else:
        for reduction in reductions.values():
            reduction.finish()
    loops.finish()


def _evaluated(root: Root) -> list[Value]:
    if root.kind == "store":
        return [root.op.value]  # type: ignore[attr-defined]
    return root.inputs


def _evaluate(evaluator: Evaluator, root: Root, value: Value, index: Index) -> Vec:
    return evaluator.at(value, index)


def _destination(generator: Generator, nest: Nest, root: Root) -> Buffer | None:
    """The buffer that a keep-root writes, None where only roots of the same nest read the value."""
    assert root.value is not None
    if root.target is not None:
        return root.target
    here: set[object] = {other.reader for other in nest.roots}
    if generator.planner.uses[root.value].readers <= here:
        return None
    return generator.new_buffer(root.shape, element_of(root.value.type))


def emit_store(evaluator: Evaluator, op: Op, index: Index, values: list[Vec], level: int, stream: str = "") -> None:
    """Write one vector of the value of a storing operation."""
    mask: Vec | None
    if isinstance(op, ops.Store):
        pointer = evaluator.at(op.pointer, index)
        mask = evaluator.at(op.mask, index) if op.mask is not None else None
    elif isinstance(op, ops.DescriptorStore):
        pointer, mask = descriptor_access(evaluator, op, op.descriptor, op.indices, index)
    else:
        assert isinstance(op, ops.DescriptorScatter)
        row = evaluator.at(op.row_indices, (index[0],))
        column = evaluator.add(evaluator.scalar(op.column), index[1])
        pointer, mask = coordinates_access(evaluator, descriptor_of(op, op.descriptor), (row, column))
    mask = checks.access(evaluator, op, pointer, mask, index)
    memory.store(evaluator, pointer, values[0], mask, element_of(op.value.type), level, stream)
