"""Atomic operations, element by element: true atomicity among all threads that run blocks.

On tiles the common ones are emitted twice: a launch that has the process's kernels to itself (`program.abi`) loads,
combines and stores, which costs a fraction; in vectors, where rows lie side by side in memory. Operations at system
scope stay atomic.
"""

from __future__ import annotations

from math import prod

from supa.base.dtypes import I1, DType
from supa.base.errors import UnsupportedError
from supa.compiler.native import checks
from supa.compiler.native.buffers import Buffer
from supa.compiler.native.emitter import llvm_bytes, register_type
from supa.compiler.native.formats import from_f32, is_small, to_f32
from supa.compiler.native.generator import Generator, emits
from supa.compiler.native.loops import Loops, choose_space
from supa.compiler.native.memory import load, store
from supa.compiler.native.tiles import Evaluator, Index, descriptor_access
from supa.compiler.native.vec import Vec, constant, uniform
from supa.ir import ops
from supa.ir.types import Scalar, Tile, element_of, shape_of, storage_bytes
from supa.program.abi import READ_ALONE

_INSTRUCTIONS = {
    "add": "add", "fadd": "fadd", "and": "and", "or": "or", "xor": "xor", "smax": "max", "smin": "min",
    "umax": "umax", "umin": "umin", "xchg": "xchg",
}  # fmt: skip
_PLAIN = {
    "add": "add {t} {0}, {1}", "and": "and {t} {0}, {1}", "or": "or {t} {0}, {1}", "xor": "xor {t} {0}, {1}",
    "smax": "smax", "smin": "smin", "umax": "umax", "umin": "umin",
}  # fmt: skip
_PLAIN_FLOATS = ("fadd", "fmin", "fmax")
_LEAST_ALONE = 16  # elements of a tile that is worth a second loop
_DISTANCE = 16  # elements: hides the latency of memory behind that many atomic operations
_ORDERS = {"relaxed": "monotonic", "acquire": "acquire", "release": "release", "acq_rel": "acq_rel"}

AtomicOp = ops.AtomicRmw | ops.AtomicCas | ops.DescriptorReduce


@emits(ops.AtomicRmw, ops.AtomicCas, ops.DescriptorReduce)
def emit_atomic(generator: Generator, op: AtomicOp) -> None:
    """One atomic operation on a scalar or on every element of a tile."""
    shape, result = shape_of(op.value.type), op.results[0] if op.results else None
    buffer = None
    if result is not None and isinstance(result.type, Tile) and result.uses:
        buffer = generator.environment.buffers[result] = generator.new_buffer(shape, element_of(result.type))
    allowed = _look_at_all(generator, op)
    if _may_be_alone(op):
        _emit_twice(generator, op, buffer, allowed)
    else:
        old = _emit_elements(generator, op, buffer, allowed, is_alone=False)
        if result is not None and not isinstance(result.type, Tile):
            generator.environment.scalars[result] = old.name
    if allowed is not None:
        generator.release(allowed)


def _emit_twice(generator: Generator, op: AtomicOp, buffer: Buffer | None, allowed: Buffer | None) -> None:
    """For a launch that is alone, and for one that is not."""
    emitter = generator.emitter
    labels = [emitter.fresh_label(hint) for hint in ("alone", "among", "done")]
    emitter.do(f"br i1 {_alone(generator)}, label %{labels[0]}, label %{labels[1]}")
    for label, is_alone in ((labels[0], True), (labels[1], False)):
        emitter.label(label)
        if is_alone and _lies_in_rows(generator, op):
            _emit_rows(generator, op, buffer)
        else:
            _emit_elements(generator, op, buffer, allowed, is_alone=is_alone)
        emitter.do(f"br label %{labels[2]}")
    emitter.label(labels[2])


def _look_at_all(generator: Generator, op: AtomicOp) -> Buffer | None:
    """In code with checks: which elements of a tile may be accessed, asked vector by vector before any of them is."""
    shape, known = shape_of(op.value.type), generator.environment.checks
    if known is None or "memory" not in known.kinds or not shape:
        return None
    allowed = generator.new_buffer(shape, I1)
    loops = Loops(generator.emitter, generator.environment, shape, choose_space(shape, None, generator.width))
    ev, index = loops.evaluator, loops.indices[0]
    pointer, mask = _reach(ev, op, index)
    found = checks.access(ev, op, pointer, mask, index)
    assert found is not None
    ev.write_buffer(allowed, index, found, loops.level)
    loops.finish()
    return allowed


def _emit_elements(
    generator: Generator, op: AtomicOp, buffer: Buffer | None, allowed: Buffer | None, *, is_alone: bool
) -> Vec:
    """The loops over all elements; old values go to `buffer`. Gives that of the innermost body."""
    shape = shape_of(op.value.type)
    loops = Loops(generator.emitter, generator.environment, shape, choose_space(shape, None, 1))
    if not is_alone:
        _ask_ahead(loops, op)
    old = _emit_element(loops.evaluator, op, loops.indices[0], loops.level, allowed, is_alone=is_alone)
    if buffer is not None:
        loops.evaluator.write_buffer(buffer, loops.indices[0], old, loops.level)
    loops.finish()
    return old


def _lies_in_rows(generator: Generator, op: AtomicOp) -> bool:
    """Whether the places of each vector of lanes lie side by side: then no two of them are one."""
    shape = shape_of(op.value.type)
    space = choose_space(shape, None, generator.width)
    if generator.environment.checks is not None or space.lanes == 1 or space.vector_dimension in (None, -1):
        return False
    assert space.vector_dimension is not None and isinstance(op, ops.AtomicRmw)
    probe = Evaluator(generator.emitter, space.lanes, [[]], generator.environment)  # what it emits is thrown away
    index = [constant("i32", 0) for _ in shape]
    index[space.vector_dimension] = Vec("linear", "i32", "0", 0, 1)
    pointer = probe.at(op.pointer, tuple(index))
    return pointer.is_linear and pointer.step == storage_bytes(element_of(op.value.type))


def _emit_rows(generator: Generator, op: AtomicOp, buffer: Buffer | None) -> None:
    """Vectors of neighbours loaded, combined and stored; old values go to `buffer`."""
    shape, element = shape_of(op.value.type), element_of(op.value.type)
    loops = Loops(generator.emitter, generator.environment, shape, choose_space(shape, None, generator.width))
    ev, index = loops.evaluator, loops.indices[0]
    pointer, mask = _reach(ev, op, index)
    value = ev.as_vector(ev.at(op.value, index))
    old = load(ev, pointer, mask, None, element).at_level(loops.level)
    new = _combine_alone(ev, str(op.kind), old, value, element, loops.level)  # type: ignore[union-attr]
    store(ev, pointer, new, mask, element, loops.level)
    if buffer is not None:
        ev.write_buffer(buffer, index, old, loops.level)
    loops.finish()


def _may_be_alone(op: AtomicOp) -> bool:
    if not isinstance(op, ops.AtomicRmw) or op.scope == "sys":
        return False
    element, shape = element_of(op.value.type), shape_of(op.value.type)
    known = _PLAIN_FLOATS if isinstance(element, DType) and element.is_float else _PLAIN
    return op.kind in known and prod(shape) >= _LEAST_ALONE


def _alone(generator: Generator) -> str:
    """The name of an i1: whether the launch is alone. Asked once in a call of the entry."""
    emitter = generator.emitter
    if "@supa.alone" not in emitter.definitions:
        emitter.definitions["@supa.alone"] = _ASK_ALONE
        emitter.entry.append("  %alone = call i1 @supa.alone(ptr %launch)")
    return "%alone"


_ASK_ALONE = f"""define internal i1 @supa.alone(ptr %launch) {{
  %at = getelementptr i8, ptr %launch, i64 40
  %read = load ptr, ptr %at
  %none = icmp eq ptr %read, null
  br i1 %none, label %no, label %ask
ask:
  %said = call i64 %read(ptr %launch, i32 {READ_ALONE})
  %flag = icmp ne i64 %said, 0
  ret i1 %flag
no:
  ret i1 false
}}
"""


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


def _reach(ev: Evaluator, op: AtomicOp, index: Index) -> tuple[Vec, Vec | None]:
    """Addresses, and which lanes are not masked off."""
    if isinstance(op, ops.DescriptorReduce):
        return descriptor_access(ev, op, op.descriptor, op.indices, index)
    masked = isinstance(op, ops.AtomicRmw) and op.mask is not None
    return ev.at(op.pointer, index), ev.at(op.mask, index) if masked else None  # type: ignore[union-attr]


def _emit_element(
    ev: Evaluator, op: AtomicOp, index: Index, level: int, allowed: Buffer | None, *, is_alone: bool
) -> Vec:
    pointer, mask = _reach(ev, op, index)
    mask = checks.access(ev, op, pointer, mask, index) if allowed is None else ev.read_buffer(allowed, index)
    value = ev.at(op.value, index)
    expected = ev.at(op.expected, index) if isinstance(op, ops.AtomicCas) else None
    element = element_of(op.value.type)
    slot = ev.emitter.alloca(value.type)
    ev.run(level, f"store {value.type} zeroinitializer, ptr {slot}")
    go, done = ev.emitter.fresh_label("atomic"), ev.emitter.fresh_label("after")
    ev.run(level, f"br i1 {mask.name if mask is not None else 'true'}, label %{go}, label %{done}")
    ev.sinks[level].append(f"{go}:")
    address = ev.emit(level, f"inttoptr i64 {pointer.name} to ptr")
    if is_alone:
        old = _perform_alone(ev, str(op.kind), address, value, element, level)  # type: ignore[union-attr]
    else:
        old = _perform(ev, op, address, value, expected, element, level)
    ev.run(level, f"store {value.type} {old}, ptr {slot}")
    ev.run(level, f"br label %{done}")
    ev.sinks[level].append(f"{done}:")
    checks.performed(ev, op, pointer, level)
    return uniform(value.type, ev.emit(level, f"load {value.type}, ptr {slot}"), level)


def _perform_alone(ev: Evaluator, kind: str, address: str, value: Vec, element: Scalar, level: int) -> str:
    """Load, combine, store."""
    type_ = register_type(element)
    size = llvm_bytes(type_)
    old = uniform(type_, ev.emit(level, f"load {type_}, ptr {address}, align {size}"), level)
    new = _combine_alone(ev, kind, old, value, element, level)
    ev.run(level, f"store {type_} {new.name}, ptr {address}, align {size}")
    return old.name


def _combine_alone(ev: Evaluator, kind: str, old: Vec, value: Vec, element: Scalar, level: int) -> Vec:
    if kind in _PLAIN_FLOATS:
        assert isinstance(element, DType)
        return _combine(ev, kind, old, value, element, level)
    both = (old, value.at_level(level))
    return ev.intrinsic(_PLAIN[kind], both) if kind[0] in "su" else ev.apply(_PLAIN[kind], both, old.type)


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
    made = _combine(ev, kind, uniform(type_, old, level), value, element, level).name
    new = made if type_ == bits else ev.emit(level, f"bitcast {type_} {made} to {bits}")
    pair = ev.emit(level, f"cmpxchg ptr {address}, {bits} {seen}, {bits} {new} acq_rel monotonic")
    now = ev.emit(level, f"extractvalue {{ {bits}, i1 }} {pair}, 0")
    ev.run(level, f"store {bits} {now}, ptr {slot}")
    ok = ev.emit(level, f"extractvalue {{ {bits}, i1 }} {pair}, 1")
    ev.run(level, f"br i1 {ok}, label %{done}, label %{again}")
    ev.sinks[level].append(f"{done}:")
    return old


def _combine(ev: Evaluator, kind: str, old: Vec, value: Vec, element: DType, level: int) -> Vec:
    wide = element.bits > 32
    left, right = (vec.at_level(level) if wide else to_f32(ev, vec.at_level(level), element) for vec in (old, value))
    if kind == "fadd":
        total = ev.apply("fadd {t} {0}, {1}", (left, right), left.type, level)
    elif kind in ("fmin", "fmax"):
        total = ev.intrinsic({"fmin": "minnum", "fmax": "maxnum"}[kind], (left, right))
    else:
        raise UnsupportedError(f"atomic operation {kind!r} on {element}")
    return total if wide else from_f32(ev, total, element)
