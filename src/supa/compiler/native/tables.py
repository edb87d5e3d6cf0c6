"""Left operands that products read where they lie: a table of their rows' addresses instead of a packed copy.

A micro-kernel takes single elements of its left operand, one k after the other: rows that are contiguous in memory
serve as they are, wherever each of them begins. Tiles of which a mask may cut off something are packed on those turns
where it does, and the table then names the packed rows. AMX registers are loaded with rows that are equally far apart:
where those of a tile are, which is seen when they are named, the table says from where and how far, else it is packed
too. Not here: operands that need another format or order (`operands`).
"""

from __future__ import annotations

from supa.base.dtypes import BF16, F32, F64, I8, I64, DType
from supa.compiler.native import amx
from supa.compiler.native.ahead import ask, distance_of_runs, is_plain
from supa.compiler.native.batches import Batch
from supa.compiler.native.buffers import Buffer, tile_bytes
from supa.compiler.native.generator import Generator
from supa.compiler.native.host import Host
from supa.compiler.native.inside import emit_guard, limits_covering
from supa.compiler.native.kernels import KernelSpec
from supa.compiler.native.loops import Loops, choose_space
from supa.compiler.native.operands import Placed, address_at, is_rounded, peel, room, step_along, store_rows
from supa.compiler.native.sharing import LOADS, TileLoad, is_settled_in_loop, lies_ready
from supa.compiler.native.tiles import ZERO, Index, descriptor_of
from supa.compiler.native.vec import Vec, constant
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import Tile, element_of, shape_of, storage_bytes


def formats_in_place(host: Host) -> tuple[DType, ...]:
    """The formats of left operands that kernels read where they lie."""
    return (F32, F64, BF16, I8) if host.has_int8_amx else (F32, F64, BF16)


def place_table(
    generator: Generator,
    op: ops.Dot,
    spec: KernelSpec,
    m: int,
    k: int,
    prefix: Index,
    batch: Batch | None,
    *,
    spread: bool = False,
) -> Placed | None:
    """The table of a left operand's rows, a row of it for each turn of a batch; None where it is not read in place.

    `spread`: the rows that are read next are left to the product to ask for (`spread`).
    """
    load = op.left.op
    if not isinstance(load, LOADS) or not lies_ready(op, generator.planner.in_place):
        return None
    if not _is_at_hand(generator, op, load, spec, batch):
        return None
    guard = _whole(generator, load)
    if guard is None:
        return None
    row_bytes = amx.ENTRY_BYTES if spec.amx else m * 8
    table, now = room(generator, (row_bytes // 8,), I64, batch, row_bytes)
    made = Buffer(now, (m,), I64, 0, 0)
    emitter = generator.emitter
    placed = Placed(
        address=table,
        row_bytes=row_bytes,
        step_bytes=spec.per_step * spec.input_type.bytes,
        next_bytes=_distance(generator, load, prefix) if spread else "",
    )
    if guard == "true" and not spec.amx:
        _write_addresses(generator, load, prefix, made, spread=spread)
        return placed
    _, spare = room(generator, (m, k), spec.input_type, batch, tile_bytes((m, k), spec.input_type))
    whole, part, done = (emitter.fresh_label(hint) for hint in ("whole", "part", "placed"))
    emitter.do(f"br i1 {guard}, label %{whole}, label %{part}")
    emitter.label(whole)
    if spec.amx:
        _write_spacing(generator, load, prefix, m, now, part)
    else:
        _write_addresses(generator, load, prefix, made, spread=spread)
    emitter.do(f"br label %{done}")
    emitter.label(part)
    packed = Buffer(spare, (m, k), spec.input_type, 0, 0)
    store_rows(generator, op, peel(generator, op.left), spec, packed, k, prefix, 1)
    if spec.amx:
        write_entry(generator, now, spare, str(k * spec.input_type.bytes))
    else:
        _write_packed(generator, spare, k * spec.input_type.bytes, made)
    emitter.do(f"br label %{done}")
    emitter.label(done)
    return placed


def _write_spacing(generator: Generator, load: TileLoad, prefix: Index, m: int, entry: str, scattered: str) -> None:
    """Where the rows begin and how far apart they are, for AMX; to the label `scattered` where not equally far."""
    emitter = generator.emitter
    rows = generator.new_buffer((m,), I64)
    _write_addresses(generator, load, prefix, rows, spread=False)
    spacing = emitter.op(f"call i64 {amx.require_spacing(emitter)}(ptr {rows.address}, i64 {m})")
    even = emitter.fresh_label("even")
    is_scattered = emitter.op(f"icmp eq i64 {spacing}, {amx.SCATTERED}")
    emitter.do(f"br i1 {is_scattered}, label %{scattered}, label %{even}")
    emitter.label(even)
    write_entry(generator, entry, emitter.op(f"load ptr, ptr {rows.address}"), spacing)


def write_entry(generator: Generator, entry: str, first: str, row_bytes: str) -> None:
    """A turn's line in the table of an AMX kernel."""
    emitter = generator.emitter
    emitter.do(f"store ptr {first}, ptr {entry}")
    emitter.do(f"store i64 {row_bytes}, ptr {emitter.op(f'getelementptr i64, ptr {entry}, i64 1')}")


def _whole(generator: Generator, load: TileLoad) -> str | None:
    """An i1: whether nothing of a tile is masked off; None where that is not known from scalars."""
    if isinstance(load, ops.DescriptorLoad):
        return _inside(generator, load)
    limits = limits_covering(generator, load.mask)
    if limits is None:
        return None
    return emit_guard(generator.evaluator(), limits) if limits else "true"


def _inside(generator: Generator, load: ops.DescriptorLoad) -> str:
    """An i1: whether a descriptor's block lies in its tensor."""
    emitter, made = generator.emitter, descriptor_of(load, load.descriptor)
    shape = (1,) * (len(made.extents) - len(shape_of(load.result.type))) + shape_of(load.result.type)
    inside = "true"
    for start, extent, size in zip(load.indices, made.extents, shape, strict=True):
        first, bound = (emitter.op(f"sext i32 {generator.scalar(value).name} to i64") for value in (start, extent))
        last = emitter.op(f"add i64 {first}, {size}")
        for flag in (emitter.op(f"icmp sge i64 {first}, 0"), emitter.op(f"icmp sle i64 {last}, {bound}")):
            inside = emitter.op(f"and i1 {inside}, {flag}")
    return inside


def _is_at_hand(generator: Generator, op: ops.Dot, load: TileLoad, spec: KernelSpec, batch: Batch | None) -> bool:
    """Whether a load's rows are in memory as the kernel takes them, and still are when a batch is complete."""
    element = element_of(load.result.type)
    if op.left in generator.environment.buffers or generator.environment.checks is not None:
        return False
    if (
        element is not spec.input_type
        or spec.has_excess
        or is_rounded(generator, op)
        or (isinstance(load, ops.Load) and load.volatile)
    ):
        return False
    if batch is not None and not is_settled_in_loop(load):
        return False
    one_piece = isinstance(load, ops.DescriptorLoad) or _is_one_piece(load.pointer)
    return one_piece and step_along(generator, load, -1) == storage_bytes(element)


def _is_one_piece(pointer: Value) -> bool:
    """Whether addresses have one step all along a row: no reshape puts rows together from parts."""
    waiting, seen = [pointer], set[Value]()
    while waiting:
        value = waiting.pop()
        if value in seen or value.op is None or not isinstance(value.type, Tile):
            continue
        seen.add(value)
        if isinstance(value.op, ops.Reshape | ops.Cat | ops.Join | ops.Split | ops.Butterfly):
            return False
        waiting.extend(operand for operand in value.op.operands if operand is not None)
    return True


def _write_addresses(generator: Generator, load: TileLoad, prefix: Index, made: Buffer, *, spread: bool) -> None:
    """The addresses of the rows' first elements."""
    loops = Loops(generator.emitter, generator.environment, made.shape, choose_space(made.shape, None, generator.width))
    ev, (row,) = loops.evaluator, loops.indices[0]
    pointer = address_at(ev, load, (*prefix, row, ZERO))
    ev.write_buffer(made, (row,), pointer, loops.level)
    loops.finish()
    if not spread:
        _fetch_next(generator, load, prefix)


def _distance(generator: Generator, load: TileLoad, prefix: Index) -> str:
    """How far the rows read now are from those read before, an i64; empty where that is not known from scalars."""
    if not isinstance(load, ops.DescriptorLoad) and not is_plain(generator, load.pointer):
        return ""
    return distance_of_runs(generator, address_at(generator.evaluator(), load, (*prefix, ZERO, ZERO)).name)


def _fetch_next(generator: Generator, load: TileLoad, prefix: Index) -> None:
    """Ask for the rows that the loop's next turn or the next block reads: as far from these as these from the last."""
    *_, m, k = shape_of(load.result.type)
    in_loop = load.parent is not None and isinstance(load.parent.parent, ops.For)
    distance = _distance(generator, load, prefix)
    if not distance and not in_loop:
        return
    per_line = min(k, 64 // storage_bytes(element_of(load.result.type)))
    shape = (m, k // per_line)
    loops = Loops(generator.emitter, generator.environment, shape, choose_space(shape, None, 1))
    ev, (row, line) = loops.evaluator, loops.indices[0]
    column = ev.add(ev.mul(line, constant("i32", per_line)), constant("i32", 0 if distance else k))
    pointer = address_at(ev, load, (*prefix, row, column))
    place = ev.emit(loops.level, f"add i64 {pointer.name}, {distance}") if distance else pointer.name
    ask(ev, place, loops.level)
    loops.finish()


def _write_packed(generator: Generator, address: str, row_bytes: int, made: Buffer) -> None:
    """The addresses of rows that lie `row_bytes` apart from `address` on."""
    loops = Loops(generator.emitter, generator.environment, made.shape, choose_space(made.shape, None, generator.width))
    ev, (row,) = loops.evaluator, loops.indices[0]
    start = Vec("uniform", "i64", ev.emit(0, f"ptrtoint ptr {address} to i64"))
    offset = ev.mul(ev.resize(row, "i64", "zext"), Vec("uniform", "i64", str(row_bytes), constant=row_bytes))
    ev.write_buffer(made, (row,), ev.add(start, offset), loops.level)
    loops.finish()
