"""Tile products: operands placed for the micro-kernel that suits their format and the host, then one call.

f32, f64 and int32 operands enter plain kernels; bf16 and int8 enter kernels of two or four products per lane and
instruction where the host has one. fp16 and fp8 are widened, exactly. Not here: the operands' places (`operands`).
"""

from __future__ import annotations

from supa.base.dtypes import BF16, F32, F64, I8, I16, I32, I64, DType
from supa.base.errors import UnsupportedError
from supa.compiler.native import amx, kernels, spread
from supa.compiler.native.batches import batch_of
from supa.compiler.native.buffers import Buffer
from supa.compiler.native.finite import ProductWatch
from supa.compiler.native.generator import Generator, emits
from supa.compiler.native.kernels import KernelSpec
from supa.compiler.native.loops import Loops, choose_space
from supa.compiler.native.operands import Placed, convert, place_left, place_right
from supa.compiler.native.plan import Root
from supa.compiler.native.tables import place_table, write_entry
from supa.compiler.native.tiles import Index
from supa.compiler.native.vec import Vec
from supa.compiler.native.visible import visible_extents
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import Tile, element_of, shape_of


@emits(ops.Dot)
def emit_dot(generator: Generator, op: ops.Dot) -> None:
    """accumulator + left @ right, batched over a third dimension if there is one."""
    result = op.result
    assert isinstance(result.type, Tile)
    element = element_of(result.type)
    *batch, m, n = result.type.shape
    k = shape_of(op.left.type)[-1]
    spec = _choose(generator, op, m, n, k)
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


def _choose(generator: Generator, op: ops.Dot, m: int, n: int, k: int) -> KernelSpec:
    left, right = element_of(op.left.type), element_of(op.right.type)
    assert isinstance(left, DType) and isinstance(right, DType)
    width = generator.width
    if left.is_int:
        if left is not I8 or right is not I8:
            raise UnsupportedError(f"dot of {left} and {right}", op.location, "use int8 operands, or floats")
        if generator.host.has_int8_amx and amx.suits(m, n, k // 4):
            return kernels.specify(I8, I32, n, width, amx=True)
        if generator.host.has_int8_dot and n >= width and k >= 4:
            return kernels.specify(I8, I32, n, width)
        pairs = n >= width and k >= 2
        return kernels.specify(I16 if pairs else I32, I32, n, width)
    if F64 in (left, right):
        return kernels.specify(F64, F64, n, max(1, width // 2))
    narrow = all(type_ is BF16 or type_.bits == 8 for type_ in (left, right))
    if narrow and generator.host.has_bf16_amx and amx.suits(m, n, k // 2):
        return kernels.specify(BF16, F32, n, width, amx=True)
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
    ev.write_buffer(target, index, convert(ev, ev.at(value, index), source, target.element), loops.level)
    loops.finish()


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
    emitter = generator.emitter
    batch = None if prefix or from_zero else batch_of(generator, op, spec, k)
    is_grouped = not (prefix or batch is not None or spec.amx)
    stores = spread.stores_to_ask_for(generator, op, spec) if is_grouped else []
    asked = spread.result_of_loop(generator, op, batch) if batch is not None and not spec.amx else None
    with generator.scope():
        table = place_table(generator, op, spec, m, k, prefix, batch, spread=bool(stores))
        left = place_left(generator, op, spec, m, k, prefix, batch) if table is None else table
        right = place_right(generator, op, spec, n, k, prefix, batch)
        units = k // spec.per_step
        turns = "1" if batch is None else batch.done
        rows, columns = visible_extents(generator, op)
        steps = str(units) if batch is None or table else emitter.op(f"mul i64 {turns}, {units}")
        sum_row_bytes = n * spec.sum_type.bytes
        after_rows = (
            f"i64 {columns}, i64 {steps}, i64 {units * (batch.turns if batch else 1)},"
            f" i1 {'true' if from_zero else 'false'}"
        )

        def call(first: str, count: str) -> None:
            if spec.amx:
                entries = left.address if table else _entry_of(generator, left)
                emitter.do(
                    f"call void {amx.require(emitter, spec, m, units)}(ptr {entries}, i64 {turns if table else 1},"
                    f" ptr {right.address}, ptr {sums}, i64 {sum_row_bytes}, i64 {count}, {after_rows})"
                )
                return
            name = kernels.require(emitter, spec, m, table=table is not None, result_bytes=asked.bytes if asked else 0)
            left_at = emitter.op(f"mul i64 {first}, {8 if table is not None else left.row_bytes}")
            sums_at = emitter.op(f"mul i64 {first}, {sum_row_bytes}")
            emitter.do(
                f"call void {name}(ptr {emitter.op(f'getelementptr i8, ptr {left.address}, i64 {left_at}')},"
                f" i64 {left.row_bytes}, i64 {left.step_bytes}, ptr {right.address},"
                f" ptr {emitter.op(f'getelementptr i8, ptr {sums}, i64 {sums_at}')}, i64 {sum_row_bytes},"
                f" i64 {count}, {after_rows}"
                + (f", i64 {turns}" if table else "")
                + (f", ptr {right.excess}, i64 {right.excess_bytes}, i64 {turns}" if spec.has_excess else "")
                + (f", ptr {asked.address}, i64 {asked.row_bytes}" if asked else "")
                + ")"
            )

        if batch is None and stores:
            spread.multiply(generator, spec, left, stores, rows, k * spec.input_type.bytes, call)
            return
        if batch is None:
            call("0", rows)
            return
        now, later = emitter.fresh_label("now"), emitter.fresh_label("later")
        emitter.do(f"br i1 {batch.is_full}, label %{now}, label %{later}")
        emitter.label(now)
        call("0", rows)
        emitter.do(f"br label %{later}")
        emitter.label(later)


def _entry_of(generator: Generator, left: Placed) -> str:
    """A packed left operand as the only turn of an AMX kernel's table."""
    entry = generator.new_buffer((2,), I64).address
    write_entry(generator, entry, left.address, str(left.row_bytes))
    return entry
