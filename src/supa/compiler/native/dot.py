"""Tile products: operands packed for the micro-kernel that suits their format and the host, then one call.

f32, f64 and int32 operands enter plain kernels; bf16 and int8 enter pair kernels (two products per lane and
instruction) where the host has one. fp16 and fp8 are widened, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from supa.base.dtypes import BF16, F32, F64, I8, I16, I32, DType
from supa.base.errors import UnsupportedError
from supa.compiler.native import kernels
from supa.compiler.native.buffers import Buffer
from supa.compiler.native.finite import ProductWatch
from supa.compiler.native.formats import from_f32, to_f32
from supa.compiler.native.generator import Generator, emits
from supa.compiler.native.kernels import KernelSpec
from supa.compiler.native.loops import Loops, choose_space, columns_first
from supa.compiler.native.plan import Root
from supa.compiler.native.tiles import Evaluator, Index
from supa.compiler.native.vec import Vec, constant, vector
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.types import Tile, element_of, shape_of


@dataclass(frozen=True, kw_only=True)
class _Operand:
    """A dot operand seen through transposes and casts: evaluate `source` at (possibly swapped) indices, then cast."""

    source: Value
    casts: tuple[ops.Cast, ...]
    swapped: bool


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """The left operand in memory: bytes between rows and between k steps."""

    address: str
    row_bytes: int
    step_bytes: int


@emits(ops.Dot)
def emit_dot(generator: Generator, op: ops.Dot) -> None:
    """accumulator + left @ right, batched over a third dimension if there is one."""
    result = op.result
    assert isinstance(result.type, Tile)
    element = element_of(result.type)
    *batch, m, n = result.type.shape
    k = shape_of(op.left.type)[-1]
    spec = _choose(generator, op, n, k)
    target = generator.in_place.get(result) or generator.new_buffer(result.type.shape, element)
    with generator.scope():
        sums = target if element is spec.sum_type else generator.new_buffer(result.type.shape, spec.sum_type)
        from_zero = _is_zero(op.accumulator)
        watch = ProductWatch(generator, op, from_zero)
        if not from_zero and sums is not target:
            _convert_into(generator, op.accumulator, sums)
        elif not from_zero:
            generator.run_roots(_accumulator_roots(generator, op, target))
        for prefix, address in _batches(generator, batch, sums, m * n * spec.sum_type.bytes):
            _multiply(generator, op, spec, (m, n, k), prefix, address, from_zero)
            _end_batch(generator, batch)
        generator.environment.buffers[result] = sums
        if sums is not target:
            _convert_into(generator, result, target)
        generator.environment.buffers[result] = target
        watch.finish()


def _accumulator_roots(generator: Generator, op: ops.Dot, target: Buffer) -> list[Root]:
    if generator.environment.buffers.get(op.accumulator) == target:
        return []
    return [Root("keep", op, op.accumulator, target.shape, target=target)]


def _is_zero(value: Value) -> bool:
    op = value.op
    while isinstance(op, ops.Splat | ops.Broadcast):
        op = op.source.op
    return isinstance(op, ops.Constant) and not op.values and op.value == 0


def _choose(generator: Generator, op: ops.Dot, n: int, k: int) -> KernelSpec:
    left, right = element_of(op.left.type), element_of(op.right.type)
    assert isinstance(left, DType) and isinstance(right, DType)
    width = generator.width
    if left.is_int:
        if left is not I8 or right is not I8:
            raise UnsupportedError(f"dot of {left} and {right}", op.location, "use int8 operands, or floats")
        pairs = n >= width and k >= 2
        return kernels.specify(I16 if pairs else I32, I32, n, width)
    if F64 in (left, right):
        return kernels.specify(F64, F64, n, max(1, width // 2))
    narrow = all(type_ is BF16 or type_.bits == 8 for type_ in (left, right))
    pairs = narrow and generator.host.has_bf16_dot and n >= width and k >= 2
    return kernels.specify(BF16 if pairs else F32, F32, n, width)


def _convert_into(generator: Generator, value: Value, target: Buffer) -> None:
    """Evaluate a tile and store it in another float (or integer) type."""
    loops = Loops(
        generator.emitter, generator.environment, target.shape, choose_space(target.shape, None, generator.width)
    )
    ev, index = loops.evaluator, loops.indices[0]
    kept = generator.environment.buffers.get(value)  # sums may be wider than the type of their tile
    source = element_of(value.type) if kept is None else kept.element
    assert isinstance(source, DType) and isinstance(target.element, DType)
    ev.write_buffer(target, index, _convert(ev, ev.at(value, index), source, target.element), loops.level)
    loops.finish()


def _convert(ev: Evaluator, vec: Vec, source: DType, target: DType) -> Vec:
    if source is target:
        return vec
    if source.is_int:
        return ev.resize(ev.as_vector(vec) if vec.is_linear else vec, f"i{target.bits}", "sext")
    if target is F64:
        return ev.apply("fpext {t} {0} to {r}", (to_f32(ev, vec, source),), "double")
    if source is F64:
        return from_f32(ev, ev.apply("fptrunc {t} {0} to {r}", (vec,), "float"), target)
    return from_f32(ev, to_f32(ev, vec, source), target)


def _batches(generator: Generator, batch: list[int], sums: Buffer, stride: int) -> list[tuple[Index, str]]:
    """Begin a loop over the batch dimension, if any; gives the index prefix and the address of the batch's sums."""
    if not batch:
        return [((), sums.address)]
    emitter = generator.emitter
    counter = emitter.alloca("i64")
    emitter.do(f"store i64 0, ptr {counter}")
    head = emitter.fresh_label("batch")
    emitter.do(f"br label %{head}")
    emitter.label(head)
    at = emitter.op(f"load i64, ptr {counter}")
    generator.batch_loops.append((counter, head, at))
    position = emitter.op(f"trunc i64 {at} to i32")
    offset = emitter.op(f"mul i64 {at}, {stride}")
    return [((Vec("uniform", "i32", position),), emitter.op(f"getelementptr i8, ptr {sums.address}, i64 {offset}"))]


def _end_batch(generator: Generator, batch: list[int]) -> None:
    if not batch:
        return
    emitter = generator.emitter
    counter, head, at = generator.batch_loops.pop()
    following = emitter.op(f"add i64 {at}, 1")
    emitter.do(f"store i64 {following}, ptr {counter}")
    done = emitter.fresh_label("batched")
    more = emitter.op(f"icmp slt i64 {following}, {batch[0]}")
    emitter.do(f"br i1 {more}, label %{head}, label %{done}")
    emitter.label(done)


def _multiply(
    generator: Generator,
    op: ops.Dot,
    spec: KernelSpec,
    size: tuple[int, int, int],
    prefix: Index,
    sums: str,
    from_zero: bool,
) -> None:
    m, n, k = size
    with generator.scope():
        left = _place_left(generator, op, spec, m, k, prefix)
        right = _place_right(generator, op, spec, n, k, prefix)
        name = kernels.require(generator.emitter, spec, m)
        generator.emitter.do(
            f"call void {name}(ptr {left.address}, i64 {left.row_bytes}, i64 {left.step_bytes}, ptr {right},"
            f" ptr {sums}, i64 {m}, i64 {n}, i64 {k // spec.per_step}, i1 {'true' if from_zero else 'false'})"
        )


# ---- operands ----------------------------------------------------------------------------------------------------


def _peel(generator: Generator, value: Value) -> _Operand:
    """Look through casts and a swap of the last two dimensions down to what they are computed from."""
    casts: list[ops.Cast] = []
    op: Op | None = value.op
    current = value
    while isinstance(op, ops.Cast) and current not in generator.environment.buffers:
        casts.append(op)
        current, op = op.source, op.source.op
    if isinstance(op, ops.Transpose) and current not in generator.environment.buffers:
        rank = len(op.order)
        if op.order == (*range(rank - 2), rank - 1, rank - 2):
            return _Operand(source=op.source, casts=tuple(reversed(casts)), swapped=True)
    return _Operand(source=value, casts=(), swapped=False)


def _read(ev: Evaluator, op: ops.Dot, operand: _Operand, index: Index, spec: KernelSpec) -> Vec:
    """An operand's elements in the kernel's input format, rounded as the device rounds them."""
    from supa.compiler.native.elements import apply_cast

    vec = ev.at(operand.source, index)
    element = element_of(operand.source.type)
    for cast in operand.casts:
        target = element_of(cast.result.type)
        vec, element = apply_cast(ev, cast.kind, vec, element, target, cast.rounding), target
    assert isinstance(element, DType)
    vec = _convert(ev, vec, element, spec.input_type)
    return vec


def _fetch_ahead(ev: Evaluator, operand: _Operand, index: Index, dimension: int, distance: int) -> None:
    """Ask for what lies `distance` further along the k dimension: in a loop over k, the next turn's elements."""
    op = operand.source.op
    if not isinstance(op, ops.Load) or operand.source in ev.environment.buffers:
        return
    ahead = list(index)
    ahead[dimension] = ev.add(index[dimension], constant("i32", distance))
    pointer = ev.at(op.pointer, tuple(ahead))
    if pointer.kind == "vector" and pointer.parts is None:
        return
    if pointer.kind == "vector" and pointer.parts is not None:
        base, offsets = pointer.parts
        pointer = ev.add(base, ev.spacing(offsets, 1)[1])
    ev.emitter.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
    address = ev.emit(pointer.level, f"inttoptr i64 {pointer.name} to ptr")
    ev.run(pointer.level, f"call void @llvm.prefetch.p0(ptr {address}, i32 0, i32 2, i32 1)")


def _round_tf32(ev: Evaluator, vec: Vec, mantissa_bits: int, truncates: bool) -> Vec:
    """An f32 as the device's matrix unit takes it in tf32 mode."""
    drop = 23 - mantissa_bits
    bits = ev.apply("bitcast {t} {0} to {r}", (vec,), "i32")
    if not truncates:
        odd = ev.apply("lshr {t} {0}, {1}", (bits, constant("i32", drop)), "i32")
        odd = ev.apply("and {t} {0}, {1}", (odd, constant("i32", 1)), "i32")
        half = ev.apply("add {t} {0}, {1}", (odd, constant("i32", (1 << (drop - 1)) - 1)), "i32")
        rounded = ev.apply("add {t} {0}, {1}", (bits, half), "i32")
        special = ev.apply("and {t} {0}, {1}", (bits, constant("i32", 0x7F800000)), "i32")
        is_special = ev.apply("icmp eq {t} {0}, {1}", (special, constant("i32", 0x7F800000)), "i1")
        bits = ev.select(is_special, bits, rounded)
    mask = constant("i32", -(1 << drop))
    return ev.apply("bitcast {t} {0} to {r}", (ev.apply("and {t} {0}, {1}", (bits, mask), "i32"),), "float")


def _rounded(generator: Generator, op: ops.Dot) -> bool:
    return op.precision == "tf32" and element_of(op.left.type) is F32


def _device_form(generator: Generator, ev: Evaluator, op: ops.Dot, vec: Vec) -> Vec:
    if not _rounded(generator, op):
        return vec
    return _round_tf32(ev, vec, generator.rounding.tf32_mantissa_bits, generator.rounding.tf32_truncates)


def _direct(generator: Generator, op: ops.Dot, operand: _Operand, spec: KernelSpec) -> Buffer | None:
    """The buffer of an operand that the kernel can read as it is."""
    buffer = generator.environment.buffers.get(operand.source)
    fits = buffer is not None and not operand.casts and buffer.element is spec.input_type
    return buffer if fits and not _rounded(generator, op) else None


def _place_left(generator: Generator, op: ops.Dot, spec: KernelSpec, m: int, k: int, prefix: Index) -> _Placed:
    operand = _peel(generator, op.left)
    if operand.swapped and spec.per_step == 2:
        packed = _pack_pairs(generator, op, operand, spec, (m, k), prefix, m, False)
        return _Placed(address=packed.address, row_bytes=4, step_bytes=4 * m)
    size = spec.input_type.bytes
    buffer = _direct(generator, op, operand, spec) if not prefix else None
    shape = (k, m) if operand.swapped else (m, k)
    if buffer is None:
        buffer = _store_rows(generator, op, operand, spec, shape, prefix, 0 if operand.swapped else 1)
    if operand.swapped:
        return _Placed(address=buffer.address, row_bytes=size, step_bytes=m * size)
    return _Placed(address=buffer.address, row_bytes=k * size, step_bytes=spec.per_step * size)


def _store_rows(
    generator: Generator,
    op: ops.Dot,
    operand: _Operand,
    spec: KernelSpec,
    shape: tuple[int, int],
    prefix: Index,
    along: int,
) -> Buffer:
    """The operand row by row, in the kernel's input format; k runs along dimension `along`."""
    buffer = generator.new_buffer(shape, spec.input_type)
    lanes = _operand_lanes(generator, operand) if spec.input_type.bits == 16 else generator.width
    loops = Loops(generator.emitter, generator.environment, shape, choose_space(shape, None, lanes))
    ev, index = loops.evaluator, loops.indices[0]
    value = _device_form(generator, ev, op, _read(ev, op, operand, (*prefix, *index), spec))
    _fetch_ahead(ev, operand, (*prefix, *index), len(prefix) + along, shape[along])
    ev.write_buffer(buffer, index, value, loops.level)
    loops.finish()
    return buffer


def _place_right(generator: Generator, op: ops.Dot, spec: KernelSpec, n: int, k: int, prefix: Index) -> str:
    """The right operand in panels of `spec.columns` columns: [panel][k step][column]."""
    operand = _peel(generator, op.right)
    units = k // spec.per_step
    block = kernels.transpose_block(spec, n, units)
    if operand.swapped and block:
        rows = _direct(generator, op, operand, spec) if not prefix else None
        rows = rows or _store_rows(generator, op, operand, spec, (n, k), prefix, 1)
        return _transpose_into_panels(generator, spec, rows, n, units, block)
    if spec.per_step == 2:
        return _pack_pairs(generator, op, operand, spec, (n, k), prefix, spec.columns, operand.swapped).address
    return _pack_plain(generator, op, operand, spec, (n, k), prefix).address


def _pack_plain(
    generator: Generator, op: ops.Dot, operand: _Operand, spec: KernelSpec, size: tuple[int, int], prefix: Index
) -> Buffer:
    n, k = size
    panels = generator.new_buffer((n // spec.columns, k, spec.columns), spec.input_type)
    space = columns_first(choose_space((k, n), None, spec.lanes))
    loops = Loops(generator.emitter, generator.environment, (k, n), space)
    ev, (row, column) = loops.evaluator, loops.indices[0]
    at = (*prefix, column, row) if operand.swapped else (*prefix, row, column)
    value = _device_form(generator, ev, op, _read(ev, op, operand, at, spec))
    _fetch_ahead(ev, operand, at, len(at) - 1 if operand.swapped else len(at) - 2, k)
    panel, inside = _split_column(ev, column, spec.columns)
    ev.write_buffer(panels, (panel, row, inside), value, loops.level)
    loops.finish()
    return panels


def _split_column(ev: Evaluator, column: Vec, columns: int) -> tuple[Vec, Vec]:
    """Panel number and position inside the panel of a column index."""
    if not column.is_linear:
        panel = ev.apply("lshr {t} {0}, {1}", (column, constant("i32", columns.bit_length() - 1)), "i32")
        return panel, ev.apply("and {t} {0}, {1}", (column, constant("i32", columns - 1)), "i32")
    shift = columns.bit_length() - 1
    panel_name = ev.emit(column.level, f"lshr i32 {column.name}, {shift}")
    inside = ev.emit(column.level, f"and i32 {column.name}, {columns - 1}")
    return Vec("uniform", "i32", panel_name, column.level), Vec("linear", "i32", inside, column.level, 1)


def _pack_pairs(
    generator: Generator,
    op: ops.Dot,
    operand: _Operand,
    spec: KernelSpec,
    size: tuple[int, int],
    prefix: Index,
    columns: int,
    transposed: bool,
) -> Buffer:
    """Two neighbouring k of one column next to each other, as one 32-bit unit; `transposed`: the source is (n, k)."""
    n, k = size
    panels = generator.new_buffer((n // columns, k // 2, columns), I32)
    shape = (k // 2, n)
    width = min(_operand_lanes(generator, operand), columns)
    space = columns_first(choose_space(shape, None, width))
    loops = Loops(generator.emitter, generator.environment, shape, space)
    ev, (pair, column) = loops.evaluator, loops.indices[0]
    halves = []
    for part in range(2):
        row = ev.add(ev.mul(pair, constant("i32", 2)), constant("i32", part))
        at = (*prefix, column, row) if transposed else (*prefix, row, column)
        halves.append(_read(ev, op, operand, at, spec))
        _fetch_ahead(ev, operand, at, len(at) - 1 if transposed else len(at) - 2, k)
    unit = _interleaved(ev, *halves) if ev.count > 1 else _joined(ev, *halves)
    panel, inside = _split_column(ev, column, columns)
    ev.write_buffer(panels, (panel, pair, inside), unit, loops.level)
    loops.finish()
    return panels


def _joined(ev: Evaluator, low: Vec, high: Vec) -> Vec:
    """Two 16-bit values as one unit."""
    wide = [ev.apply("zext {t} {0} to {r}", (half,), "i32") for half in (low, high)]
    shifted = ev.apply("shl {t} {0}, {1}", (wide[1], constant("i32", 16)), "i32")
    return ev.apply("or {t} {0}, {1}", (wide[0], shifted), "i32")


def _interleaved(ev: Evaluator, low: Vec, high: Vec) -> Vec:
    """Two vectors of 16-bit values as one of units."""
    count, level = ev.count, max(low.level, high.level)
    order = ", ".join(f"i32 {lane}, i32 {lane + count}" for lane in range(count))
    both = ", ".join(f"{ev.vector_type('i16')} {ev.widen(half)}" for half in (low, high))
    mixed = ev.emit(level, f"shufflevector {both}, <{2 * count} x i32> <{order}>")
    return vector("i32", ev.emit(level, f"bitcast <{2 * count} x i16> {mixed} to {ev.vector_type('i32')}"), level)


def _operand_lanes(generator: Generator, operand: _Operand) -> int:
    """How many of an operand's elements are read at once: whole cache lines of 16-bit values as they are."""
    op = operand.source.op
    is_read = operand.source in generator.environment.buffers or isinstance(op, ops.Load | ops.DescriptorLoad)
    element = element_of(operand.source.type)
    narrow = isinstance(element, DType) and element.bits == 16 and not operand.casts
    return 2 * generator.width if is_read and narrow and generator.host.vector_bits == 512 else generator.width


def _transpose_into_panels(generator: Generator, spec: KernelSpec, rows: Buffer, n: int, units: int, block: int) -> str:
    """Rows of 32-bit units (n x units) to panels, block by block in registers."""
    emitter = generator.emitter
    panels = generator.new_buffer((n // spec.columns, units, spec.columns), I32)
    name = kernels.require_transpose(emitter, block)
    with emitter.loop(n, block) as row, emitter.loop(units, block) as unit:
        start = emitter.op(f"mul i64 {row}, {units}")
        source = emitter.op(f"getelementptr i32, ptr {rows.address}, i64 {emitter.op(f'add i64 {start}, {unit}')}")
        panel = emitter.op(f"udiv i64 {row}, {spec.columns}")
        inside = emitter.op(f"urem i64 {row}, {spec.columns}")
        base = emitter.op(f"mul i64 {panel}, {units * spec.columns}")
        along = emitter.op(f"mul i64 {unit}, {spec.columns}")
        offset = emitter.op(f"add i64 {emitter.op(f'add i64 {base}, {along}')}, {inside}")
        target = emitter.op(f"getelementptr i32, ptr {panels.address}, i64 {offset}")
        emitter.do(f"call void {name}(ptr {source}, i64 {units}, ptr {target}, i64 {spec.columns})")
    return panels.address
