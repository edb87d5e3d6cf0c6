"""Loads and stores of `lanes` elements whose addresses are a `Vec`: contiguous where known, checked at run time else.

A masked-off lane reads `other`, or zero without it: always the same answer.
"""

from __future__ import annotations

from supa.compiler.native.emitter import Emitter, llvm_bytes, memory_type, register_type
from supa.compiler.native.lanes import Lanes, suffix
from supa.compiler.native.strided import masked_strided_load, masked_strided_store, strided_load, strided_store
from supa.compiler.native.vec import Vec, uniform, vector
from supa.ir.types import Scalar


def _zero(type_: str) -> str:
    return {"float": "0.0", "double": "0.0", "half": "0xH0000", "i1": "false"}.get(type_, "0")


def load(lanes: Lanes, pointer: Vec, mask: Vec | None, other: Vec | None, element: Scalar) -> Vec:
    """The elements at `pointer` (i64 addresses)."""
    if mask is not None and mask.name == "true":
        mask = None
    memory, register = memory_type(element), register_type(element)
    if other is not None and memory != register:
        other = lanes.apply("zext {t} {0} to {r}", (other,), memory)
    value = _load_memory(lanes, pointer, mask, other, memory)
    if memory != register:
        value = lanes.apply("icmp ne {t} {0}, {1}", (value, uniform(memory, "0")), "i1")
    return value


def _load_memory(lanes: Lanes, pointer: Vec, mask: Vec | None, other: Vec | None, type_: str) -> Vec:
    level = max(vec.level for vec in (pointer, mask, other) if vec is not None)
    if pointer.is_uniform and (mask is None or mask.is_uniform) and (other is None or other.is_uniform):
        return _load_scalar(lanes, pointer, mask, other, type_, level)
    vector_type = lanes.vector_type(type_)
    size = llvm_bytes(type_)
    other_name = lanes.widen(other) if other is not None else "zeroinitializer"
    if pointer.is_linear and pointer.step == size:
        address = lanes.emit(level, f"inttoptr i64 {pointer.name} to ptr")
        if mask is None:
            return vector(type_, lanes.emit(level, f"load {vector_type}, ptr {address}, align {size}"), level)
        call = masked_load(lanes.emitter, vector_type, f"ptr {address}", size, lanes.widen(mask), other_name)
        return vector(type_, lanes.emit(level, call), level)
    if pointer.is_bent and _lies_in_two_pieces(pointer, size):
        return _load_pieces(lanes, pointer, mask, other_name, type_, level)
    if pointer.is_bent and all(piece.is_uniform for piece in pointer.pieces or ()):
        return _load_two(lanes, pointer, mask, other_name, type_, level)
    if pointer.is_uniform and mask is not None:
        return _load_for_all(lanes, pointer, mask, other_name, type_, level)
    if pointer.is_linear:
        arguments = f"i64 {pointer.name}, i64 {pointer.step}"
        if mask is None:
            name = strided_load(lanes.emitter, type_, lanes.count)
        else:
            gather = _gather(lanes.emitter, type_, lanes.count)
            name = masked_strided_load(lanes.emitter, type_, lanes.count, gather)
            arguments += f", {lanes.vector_type('i1')} {lanes.widen(mask)}, {vector_type} {other_name}"
        return vector(type_, lanes.emit(level, f"call {vector_type} {name}({arguments})"), level)
    if pointer.parts is not None and pointer.parts[1].level < level:
        return _load_split(lanes, pointer, mask, other_name, type_, level)
    name = _gather(lanes.emitter, type_, lanes.count)
    mask_name = lanes.widen(mask) if mask is not None else "splat (i1 true)"
    arguments = f"{lanes.vector_type('i64')} {lanes.widen(pointer)}, {lanes.vector_type('i1')} {mask_name}"
    call = f"call {vector_type} {name}({arguments}, {vector_type} {other_name})"
    return vector(type_, lanes.emit(level, call), level)


def _lies_in_two_pieces(pointer: Vec, size: int) -> bool:
    return pointer.pieces is not None and all(piece.is_linear and piece.step == size for piece in pointer.pieces)


def _sides(lanes: Lanes, pointer: Vec, mask: Vec | None) -> list[tuple[Vec, Vec]]:
    """Each piece of a bent address, and the lanes that are in it."""
    assert pointer.pieces is not None and pointer.cut is not None
    before = lanes.before(pointer.cut)
    after = lanes.apply("xor {t} {0}, {1}", (before, uniform("i1", "true")), "i1")
    inside = [side if mask is None else lanes.apply("and {t} {0}, {1}", (mask, side), "i1") for side in (before, after)]
    return list(zip(pointer.pieces, inside, strict=True))


def _load_pieces(lanes: Lanes, pointer: Vec, mask: Vec | None, other: str, type_: str, level: int) -> Vec:
    """Lanes that lie side by side in each of two pieces of memory."""
    vector_type = lanes.vector_type(type_)
    for piece, inside in _sides(lanes, pointer, mask):
        address = lanes.emit(piece.level, f"inttoptr i64 {piece.name} to ptr")
        call = masked_load(lanes.emitter, vector_type, f"ptr {address}", llvm_bytes(type_), lanes.widen(inside), other)
        other = lanes.emit(level, call)
    return vector(type_, other, level)


def _load_two(lanes: Lanes, pointer: Vec, mask: Vec | None, other: str, type_: str, level: int) -> Vec:
    """One element for the lanes before the cut, one for the others."""
    assert pointer.pieces is not None and pointer.cut is not None
    if mask is not None:
        for piece, inside in _sides(lanes, pointer, mask):
            other = _load_for_all(lanes, piece, inside, other, type_, level).name
        return vector(type_, other, level)
    low, high = (_load_scalar(lanes, piece, None, None, type_, piece.level) for piece in pointer.pieces)
    return lanes.select(lanes.before(pointer.cut), lanes.as_vector(low), lanes.as_vector(high))


def _load_for_all(lanes: Lanes, pointer: Vec, mask: Vec, other: str, type_: str, level: int) -> Vec:
    """One element for all lanes whose mask is true, loaded if there are any."""
    flags, level = lanes.vector_type("i1"), max(level, mask.level)
    lanes.emitter.declare(f"declare i1 @llvm.vector.reduce.or.v{lanes.count}i1({flags})")
    wide = lanes.widen(mask)
    any_ = lanes.emit(mask.level, f"call i1 @llvm.vector.reduce.or.v{lanes.count}i1({flags} {wide})")
    loaded = _load_scalar(lanes, pointer, uniform("i1", any_, mask.level), None, type_, max(pointer.level, mask.level))
    return lanes.select(vector("i1", wide, mask.level), loaded, vector(type_, other, level))


def _load_split(lanes: Lanes, pointer: Vec, mask: Vec | None, other: str, type_: str, level: int) -> Vec:
    """Addresses that are uniform + vector: how the vector is spaced is found where it is made, outside this loop."""
    assert pointer.parts is not None
    base, offsets = pointer.parts
    near, first = lanes.spacing(offsets, llvm_bytes(type_))
    start = lanes.add(base, first)
    name = _near_or_gather(lanes.emitter, type_, lanes.count)
    vector_type = lanes.vector_type(type_)
    mask_name = lanes.widen(mask) if mask is not None else "splat (i1 true)"
    arguments = f"i1 {near.name}, i64 {start.name}, {lanes.vector_type('i64')} {lanes.widen(pointer)}"
    arguments += f", {lanes.vector_type('i1')} {mask_name}, {vector_type} {other}"
    return vector(type_, lanes.emit(level, f"call {vector_type} {name}({arguments})"), level)


def _load_scalar(lanes: Lanes, pointer: Vec, mask: Vec | None, other: Vec | None, type_: str, level: int) -> Vec:
    size = llvm_bytes(type_)
    address = lanes.emit(level, f"inttoptr i64 {pointer.name} to ptr")
    if mask is None:
        return uniform(type_, lanes.emit(level, f"load {type_}, ptr {address}, align {size}"), level)
    # Not a masked load of one lane: LLVM 22 takes some masks of one lane wrongly on hosts of 128 bits.
    default = other.name if other is not None else _zero(type_)
    loaded = lanes.emit(level, f"load {type_}, ptr {_or_spare(lanes, address, mask, type_, level)}, align {size}")
    return uniform(type_, lanes.emit(level, f"select i1 {mask.name}, {type_} {loaded}, {type_} {default}"), level)


def _or_spare(lanes: Lanes, address: str, mask: Vec, type_: str, level: int) -> str:
    """An address if the mask is true, else that of a place on the stack."""
    spare = lanes.emitter.alloca(type_)
    return lanes.emit(level, f"select i1 {mask.name}, ptr {address}, ptr {spare}")


def store(
    lanes: Lanes, pointer: Vec, value: Vec, mask: Vec | None, element: Scalar, level: int, stream: str = ""
) -> None:
    """Write `value` to `pointer` (i64 addresses) at loop level `level`.

    `stream` names an i64: where it is 0, whole vectors at whole addresses go past the caches; else it is -1.
    """
    if mask is not None and mask.name == "true":
        mask = None
    memory = memory_type(element)
    if value.type != memory:
        value = lanes.apply("zext {t} {0} to {r}", (value,), memory)
    size = llvm_bytes(memory)
    level = max(vec.level for vec in (pointer, value, mask, uniform("i1", "", level)) if vec is not None)
    if pointer.is_uniform and value.is_uniform and (mask is None or mask.is_uniform):
        _store_scalar(lanes, pointer, value, mask, level)
        return
    vector_type = lanes.vector_type(memory)
    if pointer.is_linear and pointer.step == size:
        address = lanes.emit(level, f"inttoptr i64 {pointer.name} to ptr")
        if mask is None:
            _store_vector(lanes, pointer, address, f"{vector_type} {lanes.widen(value)}", size, level, stream)
        else:
            lanes.run(
                level,
                masked_store(lanes.emitter, vector_type, lanes.widen(value), f"ptr {address}", size, lanes.widen(mask)),
            )
        return
    if pointer.is_bent and _lies_in_two_pieces(pointer, size):
        for piece, inside in _sides(lanes, pointer, mask):
            address = lanes.emit(piece.level, f"inttoptr i64 {piece.name} to ptr")
            text = masked_store(
                lanes.emitter, vector_type, lanes.widen(value), f"ptr {address}", size, lanes.widen(inside)
            )
            lanes.run(level, text)
        return
    if pointer.is_linear:
        arguments = f"{vector_type} {lanes.widen(value)}, i64 {pointer.name}, i64 {pointer.step}"
        if mask is None:
            name = strided_store(lanes.emitter, memory, lanes.count)
        else:
            scatter = _scatter(lanes.emitter, memory, lanes.count)
            name = masked_strided_store(lanes.emitter, memory, lanes.count, scatter)
            arguments += f", {lanes.vector_type('i1')} {lanes.widen(mask)}"
        lanes.run(level, f"call void {name}({arguments})")
        return
    name = _scatter(lanes.emitter, memory, lanes.count)
    mask_name = lanes.widen(mask) if mask is not None else "splat (i1 true)"
    lanes.run(
        level,
        f"call void {name}({vector_type} {lanes.widen(value)}, {lanes.vector_type('i64')} {lanes.widen(pointer)},"
        f" {lanes.vector_type('i1')} {mask_name})",
    )


def _store_vector(lanes: Lanes, pointer: Vec, address: str, value: str, size: int, level: int, stream: str) -> None:
    plain = f"store {value}, ptr {address}, align {size}"
    if not stream:
        lanes.run(level, plain)
        return
    past, through, done = (lanes.emitter.fresh_label(hint) for hint in ("past", "through", "stored"))
    # Each vector asks for its own size: a line of which one half alone goes past the caches takes many times longer.
    odd = lanes.emit(level, f"or i64 {stream}, {size * lanes.count - 1}")
    low = lanes.emit(level, f"and i64 {pointer.name}, {odd}")
    lanes.run(level, f"br i1 {lanes.emit(level, f'icmp eq i64 {low}, 0')}, label %{past}, label %{through}")
    lanes.sinks[level].append(f"{past}:")
    lanes.run(level, f"store {value}, ptr {address}, align {size * lanes.count}, !nontemporal !{{i32 1}}")
    lanes.sinks[level].append(f"  br label %{done}\n{through}:")
    lanes.run(level, plain)
    lanes.sinks[level].append(f"  br label %{done}\n{done}:")


def _store_scalar(lanes: Lanes, pointer: Vec, value: Vec, mask: Vec | None, level: int) -> None:
    size = llvm_bytes(value.type)
    address = lanes.emit(level, f"inttoptr i64 {pointer.name} to ptr")
    if mask is None:
        lanes.run(level, f"store {value.type} {value.name}, ptr {address}, align {size}")
        return
    place = _or_spare(lanes, address, mask, value.type, level)
    lanes.run(level, f"store {value.type} {value.name}, ptr {place}, align {size}")


# ---- intrinsics ------------------------------------------------------------------------------------------------


def _masks(vector_type: str) -> str:
    return f"<{vector_type[1:].split(' x ')[0]} x i1>"


def masked_load(emitter: Emitter, type_: str, address: str, align: int, mask: str, other: str) -> str:
    """The text of a masked vector load; `address` is typed ("ptr %p").

    Eight elements of 64 bits take two registers of 256 bits, and are loaded by halves: where a half's mask is known to
    be off, LLVM 22 makes it a load without a mask.
    """
    masks = _masks(type_)
    if type_ in ("<8 x i64>", "<8 x double>"):
        return f"call {type_} {_by_halves(emitter, type_, align)}({address}, {masks} {mask}, {type_} {other})"
    return _masked_load_at_once(emitter, type_, address, align, mask, other)


def _masked_load_at_once(emitter: Emitter, type_: str, address: str, align: int, mask: str, other: str) -> str:
    masks = _masks(type_)
    emitter.declare(f"declare {type_} @llvm.masked.load.{suffix(type_)}.p0(ptr, {masks}, {type_})")
    arguments = f"ptr align {align} {address[4:]}, {masks} {mask}, {type_} {other}"
    return f"call {type_} @llvm.masked.load.{suffix(type_)}.p0({arguments})"


def _by_halves(emitter: Emitter, type_: str, align: int) -> str:
    """The name of a masked load of 8 elements as two of 4: (address, mask, other). Masks are halved as vectors of
    numbers: halves of bits meet the same fault.
    """
    name = f"@supa.masked.load.{suffix(type_)}.{align}"
    if name not in emitter.definitions:
        half = type_.replace("8", "4", 1)
        text = f"define internal {type_} {name}(ptr %p0, <8 x i1> %m, {type_} %o) alwaysinline {{\n"
        text += "  %w = sext <8 x i1> %m to <8 x i32>\n  %p1 = getelementptr i8, ptr %p0, i64 32\n"
        for side, lanes in enumerate(("i32 0, i32 1, i32 2, i32 3", "i32 4, i32 5, i32 6, i32 7")):
            for what, whole in (("w", "<8 x i32>"), ("o", type_)):
                text += f"  %{what}{side} = shufflevector {whole} %{what}, {whole} poison, <4 x i32> <{lanes}>\n"
            text += f"  %m{side} = icmp ne <4 x i32> %w{side}, zeroinitializer\n"
            load = _masked_load_at_once(emitter, half, f"ptr %p{side}", align, f"%m{side}", f"%o{side}")
            text += f"  %v{side} = {load}\n"
        both = ", ".join(f"i32 {lane}" for lane in range(8))
        text += f"  %v = shufflevector {half} %v0, {half} %v1, <8 x i32> <{both}>\n  ret {type_} %v\n}}\n"
        emitter.definitions[name] = text
    return name


def masked_store(emitter: Emitter, type_: str, value: str, address: str, align: int, mask: str) -> str:
    """The text of a masked vector store."""
    masks = _masks(type_)
    emitter.declare(f"declare void @llvm.masked.store.{suffix(type_)}.p0({type_}, ptr, {masks})")
    arguments = f"{type_} {value}, ptr align {align} {address[4:]}, {masks} {mask}"
    return f"call void @llvm.masked.store.{suffix(type_)}.p0({arguments})"


def masked_gather(emitter: Emitter, type_: str, addresses: str, align: int, mask: str, other: str) -> str:
    """The text of a gather; `addresses` is a vector of pointers."""
    count = type_[1:].split(" x ")[0]
    pointers, masks = f"<{count} x ptr>", f"<{count} x i1>"
    emitter.declare(f"declare {type_} @llvm.masked.gather.{suffix(type_)}.v{count}p0({pointers}, {masks}, {type_})")
    arguments = f"{pointers} align {align} {addresses}, {masks} {mask}, {type_} {other}"
    return f"call {type_} @llvm.masked.gather.{suffix(type_)}.v{count}p0({arguments})"


def masked_scatter(emitter: Emitter, type_: str, value: str, addresses: str, align: int, mask: str) -> str:
    """The text of a scatter; of lanes with one address the last wins."""
    count = type_[1:].split(" x ")[0]
    pointers, masks = f"<{count} x ptr>", f"<{count} x i1>"
    emitter.declare(f"declare void @llvm.masked.scatter.{suffix(type_)}.v{count}p0({type_}, {pointers}, {masks})")
    arguments = f"{type_} {value}, {pointers} align {align} {addresses}, {masks} {mask}"
    return f"call void @llvm.masked.scatter.{suffix(type_)}.v{count}p0({arguments})"


# ---- addresses of unknown form -----------------------------------------------------------------------------------


def _contiguity_check(emitter: Emitter, count: int, size: int) -> str:
    """Text of a function body's start: %yes is 1 if every active lane lies `size` bytes after the one before."""
    ramp = "<" + ", ".join(f"i64 {lane * size}" for lane in range(count)) + ">"
    emitter.declare(f"declare i1 @llvm.vector.reduce.and.v{count}i1(<{count} x i1>)")
    return f"""  %first = extractelement <{count} x i64> %p, i64 0
  %one = insertelement <{count} x i64> poison, i64 %first, i64 0
  %all = shufflevector <{count} x i64> %one, <{count} x i64> poison, <{count} x i32> zeroinitializer
  %expected = add <{count} x i64> %all, {ramp}
  %same = icmp eq <{count} x i64> %p, %expected
  %off = xor <{count} x i1> %m, splat (i1 true)
  %good = or <{count} x i1> %same, %off
  %yes = call i1 @llvm.vector.reduce.and.v{count}i1(<{count} x i1> %good)
  br i1 %yes, label %near, label %far
near:
  %address = inttoptr i64 %first to ptr
"""


def _far_gather(emitter: Emitter, type_: str, count: int) -> str:
    """A function of its own for addresses anywhere: many hosts take an element at a time, which is long code."""
    name = f"@supa.gather.far.{suffix(type_)}.v{count}"
    if name not in emitter.definitions:
        of = f"<{count} x {type_}>"
        far = masked_gather(emitter, of, "%each", llvm_bytes(type_), "%m", "%o")
        emitter.declare(f"declare i1 @llvm.vector.reduce.and.v{count}i1(<{count} x i1>)")
        emitter.definitions[name] = (
            f"define internal {of} {name}(<{count} x i64> %p, <{count} x i1> %m, {of} %o) noinline cold {{\n"
            f"  %true = call i1 @llvm.vector.reduce.and.v{count}i1(<{count} x i1> %m)\n"
            f"  br i1 %true, label %all, label %some\nall:\n{_each_lane(type_, count)}some:\n"
            f"  %each = inttoptr <{count} x i64> %p to <{count} x ptr>\n"
            f"  %slow = {far}\n  ret {of} %slow\n}}\n"
        )
    of = f"<{count} x {type_}>"
    return f"call {of} {name}(<{count} x i64> %p, <{count} x i1> %m, {of} %o)"


def _each_lane(type_: str, count: int) -> str:
    """Text that loads one element for each of the addresses %p: without masks nothing is asked before a load."""
    of, lines, made = f"<{count} x {type_}>", [], "poison"
    for lane in range(count):
        lines.append(f"  %p{lane} = extractelement <{count} x i64> %p, i64 {lane}")
        lines.append(f"  %a{lane} = inttoptr i64 %p{lane} to ptr")
        lines.append(f"  %x{lane} = load {type_}, ptr %a{lane}, align {llvm_bytes(type_)}")
        lines.append(f"  %v{lane} = insertelement {of} {made}, {type_} %x{lane}, i64 {lane}")
        made = f"%v{lane}"
    return "\n".join([*lines, f"  ret {of} {made}\n"])


def _gather(emitter: Emitter, type_: str, count: int) -> str:
    name = f"@supa.gather.{suffix(type_)}.v{count}"
    if name not in emitter.definitions:
        vector_type, size = f"<{count} x {type_}>", llvm_bytes(type_)
        near = masked_load(emitter, vector_type, "ptr %address", size, "%m", "%o")
        far = _far_gather(emitter, type_, count)
        emitter.definitions[name] = (
            f"define internal {vector_type} {name}(<{count} x i64> %p, <{count} x i1> %m, {vector_type} %o)"
            + " alwaysinline {\n"
            + _contiguity_check(emitter, count, size)
            + f"  %quick = {near}\n  ret {vector_type} %quick\nfar:\n"
            + f"  %slow = {far}\n  ret {vector_type} %slow\n}}\n"
        )
    return name


def _near_or_gather(emitter: Emitter, type_: str, count: int) -> str:
    name = f"@supa.fetch.{suffix(type_)}.v{count}"
    if name not in emitter.definitions:
        vector_type, size = f"<{count} x {type_}>", llvm_bytes(type_)
        near = masked_load(emitter, vector_type, "ptr %address", size, "%m", "%o")
        far = _far_gather(emitter, type_, count)
        masks = f"<{count} x i1> %m, {vector_type} %o"
        emitter.definitions[name] = (
            f"define internal {vector_type} {name}(i1 %yes, i64 %first, <{count} x i64> %p, {masks}) alwaysinline {{\n"
            + "  br i1 %yes, label %near, label %far\nnear:\n  %address = inttoptr i64 %first to ptr\n"
            + f"  %quick = {near}\n  ret {vector_type} %quick\nfar:\n"
            + f"  %slow = {far}\n  ret {vector_type} %slow\n}}\n"
        )
    return name


def _scatter(emitter: Emitter, type_: str, count: int) -> str:
    name = f"@supa.scatter.{suffix(type_)}.v{count}"
    if name not in emitter.definitions:
        vector_type, size = f"<{count} x {type_}>", llvm_bytes(type_)
        near = masked_store(emitter, vector_type, "%v", "ptr %address", size, "%m")
        far = masked_scatter(emitter, vector_type, "%v", "%each", size, "%m")
        emitter.definitions[name] = (
            f"define internal void {name}({vector_type} %v, <{count} x i64> %p, <{count} x i1> %m) alwaysinline {{\n"
            + _contiguity_check(emitter, count, size)
            + f"  {near}\n  ret void\nfar:\n"
            + f"  %each = inttoptr <{count} x i64> %p to <{count} x ptr>\n  {far}\n  ret void\n}}\n"
        )
    return name
