"""Operands of tile products where and how the micro-kernels want them: rows of the left one, panels of the right one.

Not here: the kernels (`kernels`), the choice among them and the sums (`dot`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from supa.base.dtypes import F32, F64, I32, DType
from supa.compiler.native import kernels, panels, transposition
from supa.compiler.native.ahead import ask, distance_of_runs, is_plain
from supa.compiler.native.batches import Batch
from supa.compiler.native.buffers import Buffer, tile_bytes
from supa.compiler.native.formats import from_f32, to_f32
from supa.compiler.native.generator import Generator
from supa.compiler.native.kernels import KernelSpec
from supa.compiler.native.loops import Loops, choose_space, columns_first
from supa.compiler.native.sharing import LOADS, TileLoad, lies_ready
from supa.compiler.native.tiles import ZERO, Evaluator, Index, descriptor_access
from supa.compiler.native.vec import Vec, constant, vector
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.types import element_of, shape_of, storage_bytes


@dataclass(frozen=True, kw_only=True)
class Operand:
    """A dot operand seen through transposes and casts: evaluate `source` at (possibly swapped) indices, then cast."""

    source: Value
    casts: tuple[ops.Cast, ...]
    swapped: bool
    unsigned: bool = False  # int8 as 128 more


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The left operand in memory: bytes between rows and between k steps.

    A table of its rows' addresses (`tables`) is placed likewise: bytes between its turns, and between k steps. Its
    `next_bytes` is an i64, from these rows to those that are read next, where who multiplies shall ask for them.
    """

    address: str
    row_bytes: int
    step_bytes: int
    next_bytes: str = ""


@dataclass(frozen=True, kw_only=True)
class Panels:
    """The right operand, packed; the rows of its excess (`kernels`), one for each turn, `excess_bytes` apart."""

    address: str
    excess: str = ""
    excess_bytes: int = 0


def convert(ev: Evaluator, vec: Vec, source: DType, target: DType) -> Vec:
    """Numbers of one type as another's."""
    if source is target:
        return vec
    if source.is_int:
        return ev.resize(ev.as_vector(vec) if vec.is_linear else vec, f"i{target.bits}", "sext")
    if target is F64:
        return ev.apply("fpext {t} {0} to {r}", (to_f32(ev, vec, source),), "double")
    if source is F64:
        return from_f32(ev, ev.apply("fptrunc {t} {0} to {r}", (vec,), "float"), target)
    return from_f32(ev, to_f32(ev, vec, source), target)


def peel(generator: Generator, value: Value) -> Operand:
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
            return Operand(source=op.source, casts=tuple(reversed(casts)), swapped=True)
    return Operand(source=value, casts=(), swapped=False)


def _read(ev: Evaluator, op: ops.Dot, operand: Operand, index: Index, spec: KernelSpec) -> Vec:
    """An operand's elements in the kernel's input format, rounded as the device rounds them."""
    from supa.compiler.native.elements import apply_cast

    vec = ev.at(operand.source, index)
    element = element_of(operand.source.type)
    for cast in operand.casts:
        target = element_of(cast.result.type)
        vec, element = apply_cast(ev, cast.kind, vec, element, target, cast.rounding), target
    assert isinstance(element, DType)
    vec = convert(ev, vec, element, spec.input_type)
    return vec


@dataclass(frozen=True, kw_only=True)
class _Ahead:
    """What is fetched while a tile is packed: bytes from each element, or elements along a dimension of the index."""

    bytes: str = ""
    dimension: int = 0
    elements: int = 0


def _ahead_of(generator: Generator, operand: Operand, prefix: Index, dimension: int, elements: int) -> _Ahead | None:
    """What a loop's next turn will read: as far from this tile as the one packed here before. Where the rows' places
    are not known from scalars: what lies `elements` further along k.
    """
    load, environment = operand.source.op, generator.environment
    if not isinstance(load, LOADS) or operand.source in environment.buffers or environment.checks is not None:
        return None
    if isinstance(load, ops.Load) and not is_plain(generator, load.pointer):
        return _Ahead(dimension=dimension, elements=elements)
    first = (*prefix, ZERO, ZERO)
    return _Ahead(bytes=distance_of_runs(generator, address_at(generator.evaluator(), load, first).name))


def _fetch_ahead(ev: Evaluator, operand: Operand, index: Index, ahead: _Ahead | None) -> None:
    """Ask for what will be read after the element at `index`."""
    load = operand.source.op
    if ahead is None or not isinstance(load, LOADS):
        return
    place = list(index)
    if not ahead.bytes:
        place[ahead.dimension] = ev.add(index[ahead.dimension], constant("i32", ahead.elements))
    pointer = address_at(ev, load, tuple(place))
    if pointer.kind == "vector" and pointer.parts is None:
        return
    if pointer.kind == "vector" and pointer.parts is not None:
        base, offsets = pointer.parts
        pointer = ev.add(base, ev.spacing(offsets, 1)[1])
    distant = ev.emit(pointer.level, f"add i64 {pointer.name}, {ahead.bytes}") if ahead.bytes else pointer.name
    ask(ev, distant, pointer.level)


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


def is_rounded(generator: Generator, op: ops.Dot) -> bool:
    """Whether a product takes its f32 operands as tf32."""
    return op.precision == "tf32" and element_of(op.left.type) is F32


def _device_form(generator: Generator, ev: Evaluator, op: ops.Dot, vec: Vec) -> Vec:
    if not is_rounded(generator, op):
        return vec
    return _round_tf32(ev, vec, generator.rounding.tf32_mantissa_bits, generator.rounding.tf32_truncates)


def _direct(generator: Generator, op: ops.Dot, operand: Operand, spec: KernelSpec) -> Buffer | None:
    """The buffer of an operand that the kernel can read as it is."""
    buffer = generator.environment.buffers.get(operand.source)
    fits = buffer is not None and not (operand.casts or operand.unsigned) and buffer.element is spec.input_type
    return buffer if fits and not is_rounded(generator, op) else None


def place_left(
    generator: Generator, op: ops.Dot, spec: KernelSpec, m: int, k: int, prefix: Index, batch: Batch | None
) -> Placed:
    """The left operand, where it is or in a buffer of its own; of all turns of a batch, from its first."""
    operand = replace(peel(generator, op.left), unsigned=spec.has_excess)
    size, turns = spec.input_type.bytes, batch.turns if batch is not None else 1
    upright = not operand.swapped and _runs_down(generator, operand)  # in memory a column is contiguous, not a row
    in_units = (operand.swapped or upright) and spec.per_step > 1 and not spec.amx
    turned = (operand.swapped or upright) and spec.amx
    in_order = not prefix and batch is None and not (in_units or turned)
    buffer = _direct(generator, op, operand, spec) if in_order else None
    made: tuple[int, ...]
    if in_units:
        element, made = I32, (1, k // spec.per_step, m)
        row_bytes, step_bytes, turn_bytes = 4, 4 * m, k // spec.per_step * m * 4
    elif (operand.swapped or upright) and not turned:
        element, made = spec.input_type, (k, m)
        row_bytes, step_bytes, turn_bytes = size, m * size, k * m * size
    else:
        element, made = spec.input_type, (m, turns * k)
        row_bytes, step_bytes, turn_bytes = turns * k * size, spec.per_step * size, k * size

    def pack(target: str) -> None:
        with generator.scope():
            tile = Buffer(target, made, element, 0, 0)
            if turned:
                _pack_turned(generator, op, operand, spec, (m, k), prefix, tile, upright)
            elif in_units:
                _pack_units(generator, op, operand, spec, (m, k), prefix, tile, upright)
            elif operand.swapped or upright:
                store_rows(generator, op, operand, spec, tile, m, prefix, 0, upright)
            else:
                store_rows(generator, op, operand, spec, tile, k, prefix, 1)

    address = buffer.address if buffer is not None else None
    load, whole, kept = operand.source.op, m * k * size, generator.environment.buffers
    if (
        isinstance(load, LOADS)
        and operand.source not in kept
        and not prefix
        and not lies_ready(op, generator.planner.in_place)
    ):
        address = panels.place(generator, op, load, m, whole, pack, batch, turn_bytes)
    if address is None:
        address, now = room(generator, (m, k), spec.input_type, batch, turn_bytes)
        pack(now)
    return Placed(address=address, row_bytes=row_bytes, step_bytes=step_bytes)


def _pack_turned(
    generator: Generator,
    op: ops.Dot,
    operand: Operand,
    spec: KernelSpec,
    size: tuple[int, int],
    prefix: Index,
    made: Buffer,
    upright: bool,
) -> None:
    """Columns of an operand that lies on its side, as rows in the first columns of `made`: in units of 32 bits, which
    are then transposed in registers."""
    (m, k), emitter = size, generator.emitter
    units, row_units = k // spec.per_step, made.shape[1] // spec.per_step
    columns = generator.new_buffer((1, units, m), I32)
    _pack_units(generator, op, operand, spec, (m, k), prefix, columns, upright)
    block = transposition.transpose_block(spec, m, units)
    name = transposition.require_transpose(emitter, block)
    with emitter.loop(units, block) as unit, emitter.loop(m, block) as row:
        above = emitter.op(f"mul i64 {unit}, {m}")
        source = emitter.op(f"getelementptr i32, ptr {columns.address}, i64 {emitter.op(f'add i64 {above}, {row}')}")
        before = emitter.op(f"mul i64 {row}, {row_units}")
        target = emitter.op(f"getelementptr i32, ptr {made.address}, i64 {emitter.op(f'add i64 {before}, {unit}')}")
        emitter.do(f"call void {name}(ptr {source}, i64 {m}, ptr {target}, i64 {row_units})")


def _runs_down(generator: Generator, operand: Operand) -> bool:
    """Whether a tile is loaded from addresses whose distance along its last dimension is not one element."""
    load = operand.source.op
    if not isinstance(load, LOADS) or operand.source in generator.environment.buffers:
        return False
    step = step_along(generator, load, -1)
    return step is not None and step != storage_bytes(element_of(load.result.type))


def address_at(ev: Evaluator, load: TileLoad, index: Index) -> Vec:
    """The addresses of a load's elements, i64."""
    if isinstance(load, ops.DescriptorLoad):
        return descriptor_access(ev, load, load.descriptor, load.indices, index)[0]
    return ev.at(load.pointer, index)


def _lies_on_its_side(generator: Generator, operand: Operand) -> bool:
    """Whether what is contiguous in memory is a column of the tile that is loaded."""
    load = operand.source.op
    if not isinstance(load, LOADS) or operand.source in generator.environment.buffers:
        return False
    size = storage_bytes(element_of(load.result.type))
    return step_along(generator, load, -2) == size != step_along(generator, load, -1)


def step_along(generator: Generator, load: TileLoad, dimension: int) -> int | str | None:
    """The distance of a load's addresses along a dimension, in bytes: a number or a scalar; None: unknown."""
    shape = shape_of(load.result.type)
    lanes = min(generator.width, shape[dimension])
    if lanes == 1:
        return None
    probe = Evaluator(generator.emitter, lanes, [[]], generator.environment)  # what it emits is thrown away
    index = [constant("i32", 0) for _ in shape]
    index[dimension] = Vec("linear", "i32", "0", 0, 1)
    pointer = address_at(probe, load, tuple(index))
    return pointer.step if pointer.is_linear else None


def room(
    generator: Generator,
    shape: tuple[int, ...],
    element: DType,
    batch: Batch | None,
    step: int,
) -> tuple[str, str]:
    """A tile's place: where the batch begins and, `step` bytes further for each turn before, where this turn's is."""
    if batch is None:
        address = generator.new_buffer(shape, element).address
        return address, address
    first = generator.lasting(batch.turns * tile_bytes(shape, element), clear=False)
    return first, batch.place(generator, first, step)


def store_rows(
    generator: Generator,
    op: ops.Dot,
    operand: Operand,
    spec: KernelSpec,
    made: Buffer,
    columns: int,
    prefix: Index,
    along: int,
    upright: bool = False,
) -> None:
    """The operand row by row, in the kernel's input format, in the first columns of `made`; k runs along `along`.

    `upright`: rows of `made` are the operand's columns.
    """
    shape = (made.shape[0], columns)
    ahead = _ahead_of(generator, operand, prefix, len(prefix) + (1 - along if upright else along), shape[along])
    lanes = _operand_lanes(generator, operand) if spec.per_step > 1 else generator.width
    space = choose_space(shape, None, lanes)
    loops = Loops(generator.emitter, generator.environment, shape, columns_first(space) if upright else space)
    ev, index = loops.evaluator, loops.indices[0]
    at = (*prefix, *(index[::-1] if upright else index))
    value = _device_form(generator, ev, op, _read(ev, op, operand, at, spec))
    if operand.unsigned:
        value = _as_unsigned(ev, value)
    _fetch_ahead(ev, operand, at, ahead)
    ev.write_buffer(made, index, value, loops.level)
    loops.finish()


def place_right(
    generator: Generator, op: ops.Dot, spec: KernelSpec, n: int, k: int, prefix: Index, batch: Batch | None
) -> Panels:
    """The right operand in panels of `spec.columns` columns: [panel][k step][column]; a batch's turns one panel.

    Behind the panels comes their excess, if the kernel has one: a row of n numbers for each turn.
    """
    operand, emitter = peel(generator, op.right), generator.emitter
    turns = batch.turns if batch is not None else 1
    element = I32 if spec.per_step > 1 else spec.input_type
    count, units = n // spec.columns, k // spec.per_step
    step = units * spec.columns * element.bytes
    excess_at, excess_bytes = turns * count * step, n * element.bytes if spec.has_excess else 0

    def pack(target: str) -> None:
        with generator.scope():
            made = Buffer(target, (count, turns * units, spec.columns), element, 0, 0)
            _pack_right(generator, op, operand, spec, (n, k), prefix, made)
        if spec.has_excess:
            ahead = "0" if batch is None else emitter.op(f"mul i64 {batch.phase}, {excess_bytes - step}")
            distance = emitter.op(f"add i64 {ahead}, {excess_at}")
            place = emitter.op(f"getelementptr i8, ptr {target}, i64 {distance}")
            name = kernels.require_excess(emitter, spec)
            emitter.do(f"call void {name}(ptr {target}, i64 {turns * step}, i64 {count}, i64 {units}, ptr {place})")

    load, address = operand.source.op, None
    if isinstance(load, LOADS) and operand.source not in generator.environment.buffers and not prefix:
        address = panels.place(generator, op, load, n, count * step + excess_bytes, pack, batch, step)
    if address is None:
        shape = (units + spec.has_excess, n)
        address, now = room(generator, shape, element, batch, step)
        pack(now)
    if not spec.has_excess:
        return Panels(address=address)
    excess = emitter.op(f"getelementptr i8, ptr {address}, i64 {excess_at}")
    return Panels(address=address, excess=excess, excess_bytes=excess_bytes)


def _pack_right(
    generator: Generator,
    op: ops.Dot,
    operand: Operand,
    spec: KernelSpec,
    size: tuple[int, int],
    prefix: Index,
    made: Buffer,
) -> None:
    """Write the panels into `made`, which may have more steps than these."""
    n, k = size
    units = k // spec.per_step
    block = transposition.transpose_block(spec, n, units)
    upright = spec.per_step > 1 and not operand.swapped and _lies_on_its_side(generator, operand)  # as in x @ w.t()
    if (operand.swapped or upright) and block:
        rows = _direct(generator, op, operand, spec) if not (prefix or upright) else None
        if rows is None:
            rows = generator.new_buffer((n, k), spec.input_type)
            store_rows(generator, op, operand, spec, rows, k, prefix, 1, upright)
        _transpose_into_panels(generator, spec, rows, made, n, units, block)
    elif spec.per_step > 1:
        _pack_units(generator, op, operand, spec, (n, k), prefix, made, operand.swapped)
    else:
        _pack_plain(generator, op, operand, spec, (n, k), prefix, made)


def _pack_plain(
    generator: Generator,
    op: ops.Dot,
    operand: Operand,
    spec: KernelSpec,
    size: tuple[int, int],
    prefix: Index,
    made: Buffer,
) -> None:
    n, k = size
    ahead = _ahead_of(generator, operand, prefix, len(prefix) + operand.swapped, k)
    space = columns_first(choose_space((k, n), None, spec.lanes))
    loops = Loops(generator.emitter, generator.environment, (k, n), space)
    ev, (row, column) = loops.evaluator, loops.indices[0]
    at = (*prefix, column, row) if operand.swapped else (*prefix, row, column)
    value = _device_form(generator, ev, op, _read(ev, op, operand, at, spec))
    _fetch_ahead(ev, operand, at, ahead)
    panel, inside = _split_column(ev, column, spec.columns)
    ev.write_buffer(made, (panel, row, inside), value, loops.level)
    loops.finish()


def _split_column(ev: Evaluator, column: Vec, columns: int) -> tuple[Vec, Vec]:
    """Panel number and position inside the panel of a column index."""
    if not column.is_linear:
        panel = ev.apply("lshr {t} {0}, {1}", (column, constant("i32", columns.bit_length() - 1)), "i32")
        return panel, ev.apply("and {t} {0}, {1}", (column, constant("i32", columns - 1)), "i32")
    shift = columns.bit_length() - 1
    panel_name = ev.emit(column.level, f"lshr i32 {column.name}, {shift}")
    inside = ev.emit(column.level, f"and i32 {column.name}, {columns - 1}")
    return Vec("uniform", "i32", panel_name, column.level), Vec("linear", "i32", inside, column.level, 1)


def _pack_units(
    generator: Generator,
    op: ops.Dot,
    operand: Operand,
    spec: KernelSpec,
    size: tuple[int, int],
    prefix: Index,
    made: Buffer,
    transposed: bool,
) -> None:
    """The k of one step of one column next to each other, as one 32-bit unit; `transposed`: the source is (n, k)."""
    n, k = size
    parts, columns = spec.per_step, made.shape[-1]
    ahead = _ahead_of(generator, operand, prefix, len(prefix) + transposed, k)
    shape = (k // parts, n)
    width = min(_operand_lanes(generator, operand), columns if transposed else n)  # several panels at once, at most
    space = columns_first(choose_space(shape, None, width))
    loops = Loops(generator.emitter, generator.environment, shape, space)
    ev, (step, column) = loops.evaluator, loops.indices[0]
    values = []
    for part in range(parts):
        row = ev.add(ev.mul(step, constant("i32", parts)), constant("i32", part))
        at = (*prefix, column, row) if transposed else (*prefix, row, column)
        values.append(_read(ev, op, operand, at, spec))
        _fetch_ahead(ev, operand, at, ahead)
    if operand.unsigned:
        values = [_as_unsigned(ev, value) for value in values]
    unit = _interleaved(ev, values) if ev.count > 1 else _joined(ev, values)
    panel, inside = _split_column(ev, column, columns)
    if ev.count > columns:
        _write_panels(ev, made, panel, step, unit, loops.level)
    else:
        ev.write_buffer(made, (panel, step, inside), unit, loops.level)
    loops.finish()


def _write_panels(ev: Evaluator, made: Buffer, first: Vec, step: Vec, units: Vec, level: int) -> None:
    """Units of one step's columns into the neighbouring panels that they fill, from the first one on."""
    columns, all_units = made.shape[-1], ev.vector_type("i32")
    for part in range(ev.count // columns):
        lanes = ", ".join(f"i32 {lane}" for lane in range(part * columns, (part + 1) * columns))
        text = f"shufflevector {all_units} {units.name}, {all_units} poison, <{columns} x i32> <{lanes}>"
        piece = ev.emit(level, text)
        place = ev.offset(made.shape, made.strides, (ev.add(first, constant("i32", part)), step, ZERO))
        address = ev.emit(level, f"getelementptr i32, ptr {made.address}, i32 {place.name}")
        ev.run(level, f"store <{columns} x i32> {piece}, ptr {address}, align 4")


def _joined(ev: Evaluator, values: list[Vec]) -> Vec:
    """A few small values as one unit, the first lowest."""
    bits = 32 // len(values)
    total, *rest = (ev.apply("zext {t} {0} to {r}", (value,), "i32") for value in values)
    for place, value in enumerate(rest, 1):
        shifted = ev.apply("shl {t} {0}, {1}", (value, constant("i32", bits * place)), "i32")
        total = ev.apply("or {t} {0}, {1}", (total, shifted), "i32")
    return total


def _interleaved(ev: Evaluator, values: list[Vec]) -> Vec:
    """Vectors of small values as one of units: neighbours are merged, those furthest apart first."""
    level, type_, count = max(value.level for value in values), values[0].type, ev.count
    names = [ev.widen(value) for value in values]
    while len(names) > 1:
        half, vector_type = len(names) // 2, f"<{count} x {type_}>"
        order = ", ".join(f"i32 {lane}, i32 {lane + count}" for lane in range(count))
        pairs = zip(names[:half], names[half:], strict=True)
        names = [
            ev.emit(level, f"shufflevector {vector_type} {a}, {vector_type} {b}, <{2 * count} x i32> <{order}>")
            for a, b in pairs
        ]
        count *= 2
    return vector("i32", ev.emit(level, f"bitcast <{count} x {type_}> {names[0]} to {ev.vector_type('i32')}"), level)


def _as_unsigned(ev: Evaluator, value: Vec) -> Vec:
    """int8 plus 128, as the left side of the host's instruction takes it."""
    return ev.apply("xor {t} {0}, {1}", (value, constant("i8", -128)), "i8")


def _operand_lanes(generator: Generator, operand: Operand) -> int:
    """How many of an operand's elements are read at once: a cache line of small ones that are read as they are."""
    op = operand.source.op
    is_read = operand.source in generator.environment.buffers or isinstance(op, ops.Load | ops.DescriptorLoad)
    element = element_of(operand.source.type)
    if not is_read or operand.casts or not isinstance(element, DType) or generator.host.vector_bits != 512:
        return generator.width
    return generator.width * max(1, 32 // element.bits)


def _transpose_into_panels(
    generator: Generator, spec: KernelSpec, rows: Buffer, made: Buffer, n: int, units: int, block: int
) -> None:
    """Rows of 32-bit units (n x units) to panels, block by block in registers."""
    emitter = generator.emitter
    name = transposition.require_transpose(emitter, block)
    with emitter.loop(n, block) as row, emitter.loop(units, block) as unit:
        start = emitter.op(f"mul i64 {row}, {units}")
        source = emitter.op(f"getelementptr i32, ptr {rows.address}, i64 {emitter.op(f'add i64 {start}, {unit}')}")
        panel = emitter.op(f"udiv i64 {row}, {spec.columns}")
        inside = emitter.op(f"urem i64 {row}, {spec.columns}")
        base = emitter.op(f"mul i64 {panel}, {made.shape[1] * spec.columns}")
        along = emitter.op(f"mul i64 {unit}, {spec.columns}")
        offset = emitter.op(f"add i64 {emitter.op(f'add i64 {base}, {along}')}, {inside}")
        target = emitter.op(f"getelementptr i32, ptr {made.address}, i64 {offset}")
        emitter.do(f"call void {name}(ptr {source}, i64 {units}, ptr {target}, i64 {spec.columns})")
