"""Atomic operations, element by element: true atomicity among all threads that run blocks."""

from __future__ import annotations

from supa.base.dtypes import DType
from supa.base.errors import UnsupportedError
from supa.compiler.native import checks
from supa.compiler.native.emitter import llvm_bytes, register_type
from supa.compiler.native.formats import from_f32, is_small, to_f32
from supa.compiler.native.generator import Generator, emits
from supa.compiler.native.loops import Loops, choose_space
from supa.compiler.native.tiles import Evaluator, Index, descriptor_access
from supa.compiler.native.vec import Vec, constant, uniform
from supa.ir import ops
from supa.ir.types import Scalar, Tile, element_of, shape_of

_INSTRUCTIONS = {
    "add": "add", "fadd": "fadd", "and": "and", "or": "or", "xor": "xor", "smax": "max", "smin": "min",
    "umax": "umax", "umin": "umin", "xchg": "xchg",
}  # fmt: skip
_DISTANCE = 16  # elements: hides the latency of memory behind that many atomic operations
_ORDERS = {"relaxed": "monotonic", "acquire": "acquire", "release": "release", "acq_rel": "acq_rel"}

AtomicOp = ops.AtomicRmw | ops.AtomicCas | ops.DescriptorReduce


@emits(ops.AtomicRmw, ops.AtomicCas, ops.DescriptorReduce)
def emit_atomic(generator: Generator, op: AtomicOp) -> None:
    """One atomic operation on a scalar or on every element of a tile."""
    shape = shape_of(op.value.type)
    loops = Loops(generator.emitter, generator.environment, shape, choose_space(shape, None, 1))
    _ask_ahead(loops, op)
    old = _emit_element(loops.evaluator, op, loops.indices[0], loops.level)
    result = op.results[0] if op.results else None
    if result is not None and isinstance(result.type, Tile) and result.uses:
        buffer = generator.new_buffer(shape, element_of(result.type))
        loops.evaluator.write_buffer(buffer, loops.indices[0], old, loops.level)
        loops.finish()
        generator.environment.buffers[result] = buffer
        return
    loops.finish()
    if result is not None and not isinstance(result.type, Tile):
        generator.environment.scalars[result] = old.name


def _ask_ahead(loops: Loops, op: AtomicOp) -> None:
    """Ask for the line of a later element: an atomic operation waits for its own and lets no other load go on."""
    if isinstance(op, ops.DescriptorReduce) or not loops.shape or loops.shape[-1] < 2 * _DISTANCE:
        return
    ev, (*outer, last) = loops.evaluator, loops.indices[0]
    later = ev.add(last, constant("i32", _DISTANCE))
    ev.emitter.declare("declare i32 @llvm.umin.i32(i32, i32)")
    name = ev.emit(later.level, f"call i32 @llvm.umin.i32(i32 {later.name}, i32 {loops.shape[-1] - 1})")
    pointer = ev.at(op.pointer, (*outer, uniform("i32", name, later.level)))
    if pointer.level < loops.level:
        return  # all elements of a row at one address
    ev.emitter.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
    address = ev.emit(loops.level, f"inttoptr i64 {pointer.name} to ptr")
    ev.run(loops.level, f"call void @llvm.prefetch.p0(ptr {address}, i32 1, i32 3, i32 1)")


def _emit_element(ev: Evaluator, op: AtomicOp, index: Index, level: int) -> Vec:
    mask: Vec | None = None
    if isinstance(op, ops.DescriptorReduce):
        pointer, mask = descriptor_access(ev, op, op.descriptor, op.indices, index)
    else:
        pointer = ev.at(op.pointer, index)
        if isinstance(op, ops.AtomicRmw) and op.mask is not None:
            mask = ev.at(op.mask, index)
    mask = checks.access(ev, op, pointer, mask, index)
    value = ev.at(op.value, index)
    expected = ev.at(op.expected, index) if isinstance(op, ops.AtomicCas) else None
    element = element_of(op.value.type)
    slot = ev.emitter.alloca(value.type)
    ev.run(level, f"store {value.type} zeroinitializer, ptr {slot}")
    go, done = ev.emitter.fresh_label("atomic"), ev.emitter.fresh_label("after")
    ev.run(level, f"br i1 {mask.name if mask is not None else 'true'}, label %{go}, label %{done}")
    ev.sinks[level].append(f"{go}:")
    address = ev.emit(level, f"inttoptr i64 {pointer.name} to ptr")
    old = _perform(ev, op, address, value, expected, element, level)
    ev.run(level, f"store {value.type} {old}, ptr {slot}")
    ev.run(level, f"br label %{done}")
    ev.sinks[level].append(f"{done}:")
    checks.performed(ev, op, pointer, level)
    return uniform(value.type, ev.emit(level, f"load {value.type}, ptr {slot}"), level)


def _perform(
    ev: Evaluator, op: AtomicOp, address: str, value: Vec, expected: Vec | None, element: Scalar, level: int
) -> str:
    order = _ORDERS[getattr(op, "order", "acq_rel")]
    if expected is not None:
        return _compare_and_swap(ev, address, expected, value, order, level)
    kind = str(op.kind)  # type: ignore[union-attr]
    if isinstance(op, ops.DescriptorReduce):
        kind = _descriptor_kind(op, element)
    if isinstance(element, DType) and element.is_float and (is_small(element) or kind != "fadd"):
        return _loop(ev, kind, address, value, element, level)
    if kind in ("inc", "dec"):
        instruction = {"inc": "uinc_wrap", "dec": "udec_wrap"}[kind]
    elif kind in _INSTRUCTIONS:
        instruction = _INSTRUCTIONS[kind]
    else:
        raise UnsupportedError(f"atomic operation {kind!r}", op.location)
    return ev.emit(level, f"atomicrmw {instruction} ptr {address}, {value.type} {value.name} {order}")


def _descriptor_kind(op: ops.DescriptorReduce, element: Scalar) -> str:
    is_float = isinstance(element, DType) and element.is_float
    descriptor = op.descriptor.type
    signed = "s" if getattr(descriptor, "signed", True) else "u"
    if op.kind == "add":
        return "fadd" if is_float else "add"
    if op.kind in ("min", "max"):
        return ("f" if is_float else signed) + str(op.kind)
    return str(op.kind)


def _compare_and_swap(ev: Evaluator, address: str, expected: Vec, value: Vec, order: str, level: int) -> str:
    failure = {"release": "monotonic", "acq_rel": "acquire"}.get(order, order)
    type_ = value.type
    is_float = type_ in ("float", "double", "half")
    bits = f"i{8 * llvm_bytes(type_)}" if is_float else type_
    names = [
        ev.emit(level, f"bitcast {type_} {vec.name} to {bits}") if is_float else vec.name for vec in (expected, value)
    ]
    pair = ev.emit(level, f"cmpxchg ptr {address}, {bits} {names[0]}, {bits} {names[1]} {order} {failure}")
    old = ev.emit(level, f"extractvalue {{ {bits}, i1 }} {pair}, 0")
    return ev.emit(level, f"bitcast {bits} {old} to {type_}") if is_float else old


def _loop(ev: Evaluator, kind: str, address: str, value: Vec, element: DType, level: int) -> str:
    """Float operations that no instruction has: compute, try to swap, again."""
    type_ = register_type(element)
    bits = f"i{element.bits}"
    if kind == "xchg":
        new = value.name if type_ == bits else ev.emit(level, f"bitcast {type_} {value.name} to {bits}")
        old = ev.emit(level, f"atomicrmw xchg ptr {address}, {bits} {new} acq_rel")
        return old if type_ == bits else ev.emit(level, f"bitcast {bits} {old} to {type_}")
    slot = ev.emitter.alloca(bits)
    again, done = ev.emitter.fresh_label("again"), ev.emitter.fresh_label("swapped")
    first = ev.emit(level, f"load atomic {bits}, ptr {address} monotonic, align {element.bytes}")
    ev.run(level, f"store {bits} {first}, ptr {slot}")
    ev.run(level, f"br label %{again}")
    ev.sinks[level].append(f"{again}:")
    seen = ev.emit(level, f"load {bits}, ptr {slot}")
    old = seen if type_ == bits else ev.emit(level, f"bitcast {bits} {seen} to {type_}")
    made = _combine(ev, kind, uniform(type_, old, level), value, element, level)
    new = made if type_ == bits else ev.emit(level, f"bitcast {type_} {made} to {bits}")
    pair = ev.emit(level, f"cmpxchg ptr {address}, {bits} {seen}, {bits} {new} acq_rel monotonic")
    now = ev.emit(level, f"extractvalue {{ {bits}, i1 }} {pair}, 0")
    ev.run(level, f"store {bits} {now}, ptr {slot}")
    ok = ev.emit(level, f"extractvalue {{ {bits}, i1 }} {pair}, 1")
    ev.run(level, f"br i1 {ok}, label %{done}, label %{again}")
    ev.sinks[level].append(f"{done}:")
    return old


def _combine(ev: Evaluator, kind: str, old: Vec, value: Vec, element: DType, level: int) -> str:
    wide = element.bits > 32
    left, right = (vec.at_level(level) if wide else to_f32(ev, vec.at_level(level), element) for vec in (old, value))
    if kind == "fadd":
        total = ev.apply("fadd {t} {0}, {1}", (left, right), left.type, level)
    elif kind in ("fmin", "fmax"):
        total = ev.intrinsic({"fmin": "minnum", "fmax": "maxnum"}[kind], (left, right))
    else:
        raise UnsupportedError(f"atomic operation {kind!r} on {element}")
    return (total if wide else from_f32(ev, total, element)).name
