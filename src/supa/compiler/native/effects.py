"""Scalar stores, assertions, prints, and what a block knows of its place in the grid."""

from __future__ import annotations

from supa.base.dtypes import DType
from supa.compiler.native import checks, memory
from supa.compiler.native.emitter import llvm_bits
from supa.compiler.native.formats import to_f32
from supa.compiler.native.generator import Generator, emits
from supa.compiler.native.inside import Limit, assume, emit_versions, limits_of
from supa.compiler.native.loops import Loops, choose_space
from supa.compiler.native.tiles import Evaluator
from supa.compiler.native.vec import Vec
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import element_of, shape_of

_REPORT = "void (ptr, i32, i32, i64, i64, ptr)"


@emits(ops.Store)
def emit_scalar_store(generator: Generator, op: ops.Store) -> None:
    """A store of one scalar."""
    ev = generator.evaluator()
    mask = ev.scalar(op.mask) if op.mask is not None else None
    pointer = ev.scalar(op.pointer)
    mask = checks.access(ev, op, pointer, mask, ())
    memory.store(ev, pointer, ev.scalar(op.value), mask, element_of(op.value.type), 0)


@emits(ops.Assert, ops.Print)
def emit_report(generator: Generator, op: ops.Assert | ops.Print) -> None:
    """A device_assert or a device_print, through the launch's report function."""
    if isinstance(op, ops.Assert):
        _emit_assert(generator, op)
        return
    values = list(op.values)
    for position, value in enumerate(values):
        _print_value(generator, op, value, position)
    if not values:
        _call(generator, 1, _message(generator, op.prefix), 0, "null")


def _message(generator: Generator, text: str) -> int:
    """Register the text that the runtime shows, with a form of `_kind` and the tile's extents in the values' place."""
    generator.messages.append(text)
    return len(generator.messages) - 1


def _call(generator: Generator, kind: int, message: int, count: int, values: str) -> None:
    emitter = generator.emitter
    at = emitter.op("getelementptr i8, ptr %launch, i64 16")
    function = emitter.op(f"load ptr, ptr {at}")
    emitter.do(
        f"call {_REPORT} {function}(ptr %launch, i32 {kind}, i32 {message}, i64 %block, i64 {count}, ptr {values})"
    )


def _emit_assert(generator: Generator, op: ops.Assert) -> None:
    emitter = generator.emitter
    shape = shape_of(op.condition.type)
    is_checked = generator.environment.checks is not None
    space = choose_space(shape, None, 1 if is_checked else generator.width)
    flags = f"<{space.lanes} x i1>"
    holds = emitter.alloca(flags)
    emitter.do(f"store {flags} splat (i1 true), ptr {holds}")

    def emit(true: list[Limit]) -> None:
        loops = Loops(emitter, generator.environment, shape, space)
        ev, level = loops.evaluator, loops.level
        assume(ev, true)
        flag = ev.at(op.condition, loops.indices[0])
        if flag.type != "i1":
            flag = ev.apply("icmp ne {t} {0}, {1}", (flag, Vec("uniform", flag.type, "0")), "i1")
        so_far = ev.emit(level, f"load {flags}, ptr {holds}")
        both = ev.emit(level, f"and {flags} {so_far}, {ev.widen(flag.at_level(level))}")
        ev.run(level, f"store {flags} {both}, ptr {holds}")
        loops.finish()

    emit_versions(generator, [] if is_checked else limits_of(generator, [op.condition]), emit)
    emitter.declare(f"declare i1 @llvm.vector.reduce.and.v{space.lanes}i1({flags})")
    every = emitter.op(f"load {flags}, ptr {holds}")
    all_hold = emitter.op(f"call i1 @llvm.vector.reduce.and.v{space.lanes}i1({flags} {every})")
    good, bad = emitter.fresh_label("holds"), emitter.fresh_label("fails")
    emitter.do(f"br i1 {all_hold}, label %{good}, label %{bad}")
    emitter.label(bad)
    _call(generator, 0, _message(generator, f"{op.location}: {op.message}"), 0, "null")
    emitter.do("store atomic i32 1, ptr %stopped.at release, align 4")
    emitter.do("br label %block.next")
    emitter.label(good)


def _print_value(generator: Generator, op: ops.Print, value: Value, position: int) -> None:
    shape, element = shape_of(value.type), element_of(value.type)
    count = 1
    for extent in shape:
        count *= extent
    signed = op.signed[position] if position < len(op.signed) else True
    kind = _kind(element, bool(signed), op.hexadecimal)
    form = f"{{{kind}:{'x'.join(map(str, shape))}}}"
    operand = f"(operand {position}) " if len(op.values) > 1 else ""
    emitter = generator.emitter
    from supa.base.dtypes import I64

    buffer = generator.new_buffer(shape or (1,), I64)
    loops = Loops(emitter, generator.environment, shape, choose_space(shape, None, 1))
    index = loops.indices[0]
    bits = _as_slot(loops.evaluator, loops.evaluator.at(value, index), element, bool(signed), op.hexadecimal)
    loops.evaluator.write_buffer(buffer, index or (Vec("uniform", "i32", "0", constant=0),), bits, loops.level)
    loops.finish()
    _call(generator, 1, _message(generator, op.prefix + operand + form), count, buffer.address)


def _kind(element: object, signed: bool, hexadecimal: bool) -> str:
    """How the runtime reads and shows the slots of a printed tile (`program.abi`)."""
    if not isinstance(element, DType):
        return "ptr"
    if hexadecimal:
        return f"hex{max(element.bits, 8)}"
    if element.is_float:
        return "f64"
    return "i64" if signed else "u64"


def _as_slot(ev: Evaluator, vec: Vec, element: object, signed: bool, raw: bool) -> Vec:
    """A value as 8 bytes: integers extended, floats as f64 bits, in hexadecimal the element's own bits."""
    if isinstance(element, DType) and element.is_float and not raw:
        wide = vec if element.bits == 64 else ev.apply("fpext {t} {0} to {r}", (to_f32(ev, vec, element),), "double")
        return ev.apply("bitcast {t} {0} to {r}", (wide,), "i64")
    if vec.type in ("half", "float", "double"):
        vec = ev.apply("bitcast {t} {0} to {r}", (vec,), f"i{llvm_bits(vec.type)}")
    if vec.type == "i64":
        return vec
    return ev.apply(("sext" if signed and not raw and vec.type != "i1" else "zext") + " {t} {0} to {r}", (vec,), "i64")


@emits(ops.ProgramId)
def emit_program_id(generator: Generator, op: ops.ProgramId) -> None:
    """This block's place in the grid."""
    generator.environment.scalars[op.result] = f"%pid{op.axis}"


@emits(ops.NumPrograms)
def emit_num_programs(generator: Generator, op: ops.NumPrograms) -> None:
    """The grid's extent."""
    generator.environment.scalars[op.result] = f"%grid{op.axis}"


@emits(ops.ReadDevice)
def emit_read_device(generator: Generator, op: ops.ReadDevice) -> None:
    """What the runtime says, through the launch's `read`; 0 where it has none."""
    emitter = generator.emitter
    kind = ops.DEVICE_READINGS.index(op.what)
    function = emitter.op(f"load ptr, ptr {emitter.op('getelementptr i8, ptr %launch, i64 40')}")
    result = emitter.alloca("i64")
    emitter.do(f"store i64 0, ptr {result}")
    ask, done = emitter.fresh_label("ask"), emitter.fresh_label("known")
    emitter.do(f"br i1 {emitter.op(f'icmp eq ptr {function}, null')}, label %{done}, label %{ask}")
    emitter.label(ask)
    emitter.do(f"store i64 {emitter.op(f'call i64 {function}(ptr %launch, i32 {kind})')}, ptr {result}")
    emitter.do(f"br label %{done}")
    emitter.label(done)
    generator.environment.scalars[op.result] = emitter.op(f"load i64, ptr {result}")


@emits(ops.Barrier)
def emit_barrier(generator: Generator, op: ops.Barrier) -> None:
    """Nothing: a block's tiles are computed by one thread, in order."""
