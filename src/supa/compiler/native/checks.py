"""Calls of the sanitizer in native code: before every access, and where arithmetic goes wrong (`program.abi`).

A kernel compiled without checks has none of it. Not here: what the sanitizer knows of memory (`runtime`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from supa.base.dtypes import DType
from supa.base.location import UNKNOWN
from supa.compiler.native import looks
from supa.compiler.native.combination import identity_function
from supa.compiler.native.emitter import llvm_bytes
from supa.compiler.native.formats import to_f32
from supa.compiler.native.origins import argument_of, computed_origin_of, offset_arithmetic
from supa.compiler.native.rows import look, span_of
from supa.compiler.native.vec import Vec, constant, uniform, vector
from supa.ir import ops
from supa.ir.core import Op
from supa.ir.types import Scalar, Type, element_of, shape_of, storage_bytes
from supa.program.abi import FRESH
from supa.program.program import Site

if TYPE_CHECKING:
    from supa.compiler.native.lanes import Lanes
    from supa.compiler.native.tiles import Evaluator, Index

_LOADS = (ops.Load, ops.DescriptorLoad, ops.DescriptorGather)
_ATOMICS = (ops.AtomicRmw, ops.AtomicCas, ops.DescriptorReduce)
_ACQUIRING, _RELEASING = ("acquire", "acq_rel"), ("release", "acq_rel")
_EXPONENTS = {
    "float": ("i32", 0x7F800000),
    "double": ("i64", 0x7FF << 52),
    "half": ("i16", 0x7C00),
    "i16": ("i16", 0x7F80),
}
GROWING = ("fadd", "fmul")
"""Functions whose reductions are looked at as a whole (`finite`)."""
_FLOAT_CASTS = ("fptrunc", "sitofp", "uitofp")
_ZERO = constant("i32", 0)
_MARK = FRESH.to_bytes(4, "little")


class Checks:
    """The sites of one function, and which of its operations are checked. `kinds`: `memory`, `nan`."""

    def __init__(self, func: ops.Func, kinds: Sequence[str]) -> None:
        self.func, self.kinds = func, kinds
        self.sites: list[Site] = []
        self.offsets = offset_arithmetic(func) if "memory" in kinds else set()
        self._numbers: dict[tuple[Op, str], int] = {}

    def site(self, op: Op, kind: str, make: Site) -> int:
        """The number of the site of `op`; the same one each time that its code is emitted."""
        if (op, kind) not in self._numbers:
            self._numbers[op, kind] = len(self.sites)
            self.sites.append(make)
        return self._numbers[op, kind]


# ---- accesses ----------------------------------------------------------------------------------------------------


def access(ev: Evaluator, op: Op, pointer: Vec, mask: Vec | None, index: Index) -> Vec | None:
    """The mask of the lanes at `pointer` that may be accessed; `mask` itself in code without checks."""
    known = ev.environment.checks
    if known is None or "memory" not in known.kinds:
        return mask
    number, level = _access_site(known, op), max(pointer.level, mask.level if mask is not None else 0)
    site = known.sites[number]
    where = _elements(ev, shape_of(_value_type(op)), index, level)
    if mask is not None and mask.name == "true":
        mask = None
    row = _look_at_row(ev, known, op, pointer, mask, index)
    if row is not None:
        lanes = _lane_bits(ev, mask, level)
        found = _window_call(ev, level, "i64 @supa.rowed", number, site, pointer, lanes, where, f", i1 {row.name}")
        return _as_mask(ev, found, level)
    _tell_origin(ev, known, op, level)
    if pointer.is_uniform and (mask is None or mask.is_uniform):
        lanes = "1" if mask is None else ev.emit(level, f"zext i1 {mask.name} to i64")
        found = _call(ev, level, number, pointer.name, "null", lanes, where)
        return uniform("i1", ev.emit(level, f"trunc i64 {found} to i1"), level)
    lanes = _lane_bits(ev, mask, level)
    if _has_window(site, pointer):
        found = _window_call(ev, level, "i64 @supa.look", number, site, pointer, lanes, where)
    elif _are_neighbours(site, pointer):
        found = _call(ev, level, number, pointer.name, "null", lanes, where)
    else:
        found = _call(ev, level, number, "0", _spill(ev, pointer, level), lanes, where)
    return _as_mask(ev, found, level)


def _look_at_row(ev: Evaluator, known: Checks, op: Op, pointer: Vec, mask: Vec | None, index: Index) -> Vec | None:
    """Whether all of the row may be accessed that this vector is in; None where nobody looked at it as a whole.

    A store's row is looked at after the rows of loads before it, and only if those are fine: what it marks as written
    must not hide what they read (elements shorter than the mark are told from the written ones by those marks).
    """
    if ev.row is None:
        return None
    key = (op, tuple(_ZERO if at in ev.row.counters else at for at in index))
    if key not in ev.rows:
        ev.rows[key] = _row_flag(ev, known, op, pointer, mask, index)
    return ev.rows[key]


def _row_flag(ev: Evaluator, known: Checks, op: Op, pointer: Vec, mask: Vec | None, index: Index) -> Vec | None:
    number = _access_site(known, op)
    site = known.sites[number]
    is_row = isinstance(op, ops.Load | ops.Store) and pointer.is_linear and pointer.step == site.element_bytes
    if not is_row or mask is not None or site.volatile or computed_origin_of(known.func, op) is not None:
        return None
    earlier: list[Vec] = []
    if site.kind == "store":
        flags = [(flag, known.sites[_access_site(known, before)]) for (before, _), flag in ev.rows.items()]
        if any(flag is None and before.element_bytes < len(_MARK) for flag, before in flags):
            return None
        earlier = [flag for flag, _ in flags if flag is not None]
    span = span_of(ev, op.pointer, index, site.element_bytes)  # type: ignore[attr-defined]
    if span is None or any(flag.level > span.level for flag in earlier):
        return None
    return look(ev, span, number, site.element_bytes, earlier)


def loaded(ev: Evaluator, op: Op, pointer: Vec, mask: Vec | None, index: Index, value: Vec) -> None:
    """After a load that `access` allowed at once: where it read the mark of fresh memory, ask."""
    known = ev.environment.checks
    if known is None or "memory" not in known.kinds:
        return
    number = _access_site(known, op)
    site = known.sites[number]
    if not _has_window(site, pointer):
        return
    level = max(value.level, pointer.level, mask.level if mask is not None else 0)
    marked = _lane_bits(ev, _is_fresh(ev, value, pointer if _are_neighbours(site, pointer) else None), level)
    where = _elements(ev, shape_of(_value_type(op)), index, level)
    lanes = _lane_bits(ev, mask, level)
    _window_call(ev, level, "void @supa.fresh", number, site, pointer, lanes, where, f", i64 {marked}")


def _are_neighbours(site: Site, pointer: Vec) -> bool:
    return pointer.is_linear and pointer.step == site.element_bytes


def _has_window(site: Site, pointer: Vec) -> bool:
    """Whether native code looks at bounds itself: a tile's loads from an argument's memory."""
    plain = site.kind == "load" and site.argument != "" and not site.volatile and site.type != "i1"
    return plain and not pointer.is_uniform


def _is_fresh(ev: Evaluator, value: Vec, pointer: Vec | None) -> Vec:
    """Lanes that may hold the mark, or a part of it; `pointer` where they are neighbours."""
    bits = {"float": "i32", "double": "i64", "half": "i16"}.get(value.type, value.type)
    raw = value if bits == value.type else ev.apply("bitcast {t} {0} to {r}", (value,), bits)
    size = llvm_bytes(bits)
    if size == 1 and pointer is not None and ev.count % len(_MARK) == 0:
        return ev.apply("icmp eq {t} {0}, {1}", (raw, _mark_bytes(ev, pointer)), "i1")
    mark = _MARK * (2 if size == 8 else 1)
    parts = {int.from_bytes(mark[at : at + size], "little", signed=True) for at in range(0, len(mark), size)}
    found: Vec | None = None
    for part in sorted(parts):
        same = ev.apply("icmp eq {t} {0}, {1}", (raw, constant(bits, part)), "i1")
        found = same if found is None else ev.apply("or {t} {0}, {1}", (found, same), "i1")
    assert found is not None
    return found


def _mark_bytes(ev: Lanes, pointer: Vec) -> Vec:
    """What each byte from `pointer` on holds of the mark: an address decides which byte of it that is."""
    level, words = pointer.level, ev.count // len(_MARK)
    ev.emitter.declare("declare i32 @llvm.fshr.i32(i32, i32, i32)")
    low = ev.emit(level, f"trunc i64 {pointer.name} to i32")
    turn = ev.emit(level, f"shl i32 {low}, 3")  # of which a rotation takes the low five bits
    mark = int.from_bytes(_MARK, "little", signed=True)
    turned = ev.emit(level, f"call i32 @llvm.fshr.i32(i32 {mark}, i32 {mark}, i32 {turn})")
    type_ = f"<{words} x i32>"
    one = ev.emit(level, f"insertelement {type_} poison, i32 {turned}, i64 0")
    all_ = ev.emit(level, f"shufflevector {type_} {one}, {type_} poison, <{words} x i32> zeroinitializer")
    return vector("i8", ev.emit(level, f"bitcast {type_} {all_} to {ev.vector_type('i8')}"), level)


def _window_call(
    ev: Lanes,
    level: int,
    function: str,
    number: int,
    site: Site,
    pointer: Vec,
    lanes: str,
    where: tuple[str, str, str],
    more: str = "",
) -> str:
    """A call of the `function` ("type @name") that looks at the window of a site first."""
    first, step, elements = where
    if _are_neighbours(site, pointer):
        ev.emitter.definitions.update(looks.NEIGHBOURS)
        for count in ("cttz", "ctlz"):
            ev.emitter.declare(f"declare i64 @llvm.{count}.i64(i64, i1)")
        reach = f"i64 {pointer.name}"
    else:
        ev.emitter.definitions.update(looks.scattered(ev.count))
        type_ = ev.vector_type("i64")
        function, reach = f"{function}.{ev.count}", f"{type_} {ev.widen(pointer)}, ptr {ev.emitter.alloca(type_, 64)}"
    call = (
        f"call {function}(ptr %launch, i32 {number}, i64 %block, {reach}, i64 {site.element_bytes}, i64 {lanes},"
        f" i32 {first}, i32 {step}, ptr {elements}{more})"
    )
    if function.startswith("void"):
        ev.run(level, call)
        return ""
    return ev.emit(level, call)


def performed(ev: Evaluator, op: Op, pointer: Vec, level: int) -> None:
    """After a scalar atomic operation: what other programs released at its address is seen now."""
    known = ev.environment.checks
    if known is None or "memory" not in known.kinds or shape_of(_value_type(op)):
        return
    site = _access_site(known, op)
    if known.sites[site].acquires:
        _call(ev, max(level, pointer.level), site, pointer.name, "null", "0", ("0", "0", "null"))


def _tell_origin(ev: Evaluator, known: Checks, op: Op, level: int) -> None:
    """Right before the call of an access: what its addresses are made of, where the site does not say it."""
    origin = computed_origin_of(known.func, op)
    name = ev.environment.scalars.get(origin) if origin is not None else None
    if name is not None:
        ev.emitter.definitions["@supa.origin"] = looks.ORIGIN
        ev.run(level, f"call void @supa.origin(ptr %launch, i64 {name})")


def _value_type(op: Op) -> Type:
    type_: Type = op.result.type if isinstance(op, _LOADS) else op.value.type  # type: ignore[attr-defined]
    return type_


def _access_site(known: Checks, op: Op) -> int:
    element = element_of(_value_type(op))
    is_atomic = isinstance(op, _ATOMICS)
    order = str(getattr(op, "order", "relaxed")) if is_atomic else ""
    volatile = isinstance(op, ops.Load) and (op.volatile or op.cache == "cv")
    kind = "atomic" if is_atomic else "load" if isinstance(op, _LOADS) else "store"
    shape = shape_of(_value_type(op))
    site = Site(
        kind=kind,
        what=op.name,
        location=op.location,
        argument=argument_of(known.func, op),
        type=str(element),
        element_bytes=storage_bytes(element),
        shape=shape,
        masked=getattr(op, "mask", None) is not None,
        volatile=volatile,
        acquires=(order in _ACQUIRING or volatile) and not shape,
        releases=order in _RELEASING and not shape,
    )
    return known.site(op, kind, site)


# ---- arithmetic --------------------------------------------------------------------------------------------------


def computed(ev: Evaluator, op: Op, args: Sequence[Vec], result: Vec, index: Index) -> None:
    """After a scalar function or a conversion: report wrong results, in code with checks."""
    known = ev.environment.checks
    if known is None:
        return
    if op in known.offsets:
        _check_offset(ev, known, op, args, result, index)
    if "nan" in known.kinds:
        _check_finite(ev, known, op, args, result, index)


def _check_offset(ev: Evaluator, known: Checks, op: Op, args: Sequence[Vec], result: Vec, index: Index) -> None:
    """An i32 operation of an address: compute it in i64 too; of linear values the two ends say all."""
    function = str(op.function)  # type: ignore[attr-defined]
    if all(arg.constant is not None for arg in args):
        return
    site = known.site(op, "overflow", site_of(op, "overflow", function))
    level = max(result.level, *(arg.level for arg in args))
    where = _elements(ev, shape_of(op.result.type), index, level)
    if result.kind == "vector" or any(arg.kind == "vector" for arg in args):
        wide = [ev.apply("sext {t} {0} to {r}", (ev.as_vector(arg),), "i64") for arg in (*args, result)]
        exact = ev.apply(function + " {t} {0}, {1}", wide[:2], "i64")
        bad = ev.apply("icmp ne {t} {0}, {1}", (exact, wide[2]), "i1")
        _note(ev, max(level, bad.level), site, _lane_bits(ev, bad, bad.level), where)
        return
    flags = []
    for lane in (0,) if result.is_uniform else (0, ev.count - 1):
        wide = [
            uniform("i64", ev.emit(level, f"sext i32 {_lane(ev, vec, lane, level)} to i64"), level)
            for vec in (*args, result)
        ]
        exact = ev.apply(function + " {t} {0}, {1}", wide[:2], "i64")
        flag = ev.apply("icmp ne {t} {0}, {1}", (exact, wide[2]), "i1")
        bit = ev.emit(level, f"select i1 {flag.name}, i64 {1 << lane}, i64 0")
        flags.append(bit)
    bits = flags[0] if len(flags) == 1 else ev.emit(level, f"or i64 {flags[0]}, {flags[1]}")
    _note(ev, level, site, bits, where)


def _lane(ev: Lanes, vec: Vec, lane: int, level: int) -> str:
    """The i32 of one lane of a uniform or linear value."""
    if vec.is_uniform or lane == 0 or vec.step == 0:
        return vec.name
    step = str(vec.step * lane) if isinstance(vec.step, int) else ev.emit(level, f"mul i32 {vec.step}, {lane}")
    return ev.emit(level, f"add i32 {vec.name}, {step}")


def _check_finite(ev: Evaluator, known: Checks, op: Op, args: Sequence[Vec], result: Vec, index: Index) -> None:
    """A result that is NaN or infinite though all operands are finite."""
    if not _makes_float(op):
        return
    site = known.site(op, "not_finite", site_of(op, "not_finite", str(getattr(op, "function", "") or op.kind)))  # type: ignore[attr-defined]
    bad = not_finite(ev, result, element_of(op.result.type))
    for operand, arg in zip(op.operands, args, strict=True):
        element = element_of(operand.type) if operand is not None else None
        if isinstance(element, DType) and element.is_float:
            finite = ev.apply("xor {t} {0}, {1}", (not_finite(ev, arg, element), uniform("i1", "true")), "i1")
            bad = ev.apply("and {t} {0}, {1}", (bad, finite), "i1")
    where = _elements(ev, shape_of(op.result.type), index, bad.level)
    bits = ev.emit(bad.level, f"zext i1 {bad.name} to i64") if bad.is_uniform else _lane_bits(ev, bad, bad.level)
    _note(ev, bad.level, site, bits, where)


def _makes_float(op: Op) -> bool:
    element: Scalar = element_of(op.result.type)
    if not (isinstance(element, DType) and element.is_float) or _is_summand(op):
        return False
    return isinstance(op, ops.Map) or (isinstance(op, ops.Cast) and op.kind in _FLOAT_CASTS)


def _is_summand(op: Op) -> bool:
    reduction = op.parent.parent if op.parent is not None else None
    return isinstance(reduction, ops.Reduce) and identity_function(reduction) in GROWING


def not_finite(ev: Lanes, vec: Vec, element: Scalar) -> Vec:
    """Lanes of a float format that hold NaN or infinity, i1."""
    if isinstance(element, DType) and element.bits == 8:
        vec = to_f32(ev, vec, element)
    bits, exponent = _EXPONENTS[vec.type]
    raw = vec if vec.type == bits else ev.apply("bitcast {t} {0} to {r}", (vec,), bits)
    mask = constant(bits, exponent)
    return ev.apply("icmp eq {t} {0}, {1}", (ev.apply("and {t} {0}, {1}", (raw, mask), bits), mask), "i1")


def site_of(op: Op, kind: str, what: str) -> Site:
    """A site that is no access."""
    type_ = op.results[0].type
    return Site(
        kind=kind, what=what, location=op.location or UNKNOWN, type=str(element_of(type_)), shape=shape_of(type_)
    )


# ---- the calls ---------------------------------------------------------------------------------------------------


def _elements(ev: Evaluator, shape: tuple[int, ...], index: Index, level: int) -> tuple[str, str, str]:
    """Which element of the tile lane 0 is, the step from lane to lane, and the elements' addresses, else null.

    What only loops further in decide has no part in it: the same address serves them all.
    """
    if len(shape) != len(index):
        return "0", "0", "null"
    at = tuple(part if part.level <= level else _ZERO for part in index)
    strides, stride = [], 1
    for extent in reversed(shape):
        strides.append(stride)
        stride *= extent
    position = ev.offset(shape, tuple(reversed(strides)), at)
    if position.kind == "vector":
        return "0", "0", _spill(ev, position, level)
    return position.name, str(position.step), "null"


def _spill(ev: Lanes, vec: Vec, level: int) -> str:
    """The vector in memory."""
    type_ = ev.vector_type(vec.type)
    slot = ev.emitter.alloca(type_, 64)
    ev.run(level, f"store {type_} {ev.widen(vec)}, ptr {slot}")
    return slot


def _lane_bits(ev: Lanes, mask: Vec | None, level: int) -> str:
    """The mask as bits of an i64, lane 0 the lowest."""
    if mask is None:
        return str((1 << ev.count) - 1 if ev.count < 64 else -1)
    if mask.is_uniform:
        return ev.emit(level, f"select i1 {mask.name}, i64 {(1 << ev.count) - 1 if ev.count < 64 else -1}, i64 0")
    bits = ev.emit(level, f"bitcast {ev.vector_type('i1')} {mask.name} to i{ev.count}")
    return bits if ev.count == 64 else ev.emit(level, f"zext i{ev.count} {bits} to i64")


def _as_mask(ev: Lanes, bits: str, level: int) -> Vec:
    if ev.count < 64:
        bits = ev.emit(level, f"trunc i64 {bits} to i{ev.count}")
    return vector("i1", ev.emit(level, f"bitcast i{ev.count} {bits} to {ev.vector_type('i1')}"), level)


def _call(ev: Lanes, level: int, site: int, base: str, addresses: str, lanes: str, where: tuple[str, str, str]) -> str:
    ev.emitter.definitions["@supa.check"] = looks.CHECK
    first, step, elements = where
    return ev.emit(
        level,
        f"call i64 @supa.check(ptr %launch, i32 {site}, i64 %block, i64 {base}, ptr {addresses}, i64 {lanes},"
        f" i32 {first}, i32 {step}, ptr {elements})",
    )


def _note(ev: Lanes, level: int, site: int, lanes: str, where: tuple[str, str, str]) -> None:
    ev.emitter.definitions["@supa.note"] = looks.NOTE
    first, step, elements = where
    ev.run(
        level,
        f"call void @supa.note(ptr %launch, i32 {site}, i64 %block, i64 {lanes}, i32 {first}, i32 {step},"
        f" ptr {elements})",
    )
