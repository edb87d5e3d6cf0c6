"""Type rules of operations on elements: constants, map, cast, addptr, map_region."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from supa.base.dtypes import I1, I64, DType
from supa.ir import ops
from supa.ir.functions import CASTS, FUNCTIONS
from supa.ir.rules.table import (
    is_float,
    is_integer,
    is_pointer,
    joined,
    need_tile,
    refuse,
    split,
    type_rule,
    types_of,
)
from supa.ir.types import Pointer, Scalar, Tile, Type, storage_bytes


@type_rule(ops.Constant)
def _constant(op: ops.Constant) -> Sequence[Type] | None:
    type_ = op.result.type
    element = split(type_)[1]
    if element is None:
        refuse(op, "a scalar or a tile as result", type_)
    values = op.values or (op.value,)
    if op.values and (not isinstance(type_, Tile) or len(values) != type_.size):
        refuse(op, f"one value for each element of {type_}", len(values))
    for value in values:
        if not _fits(value, element):
            refuse(op, f"a value of {element}", repr(value))
    return None


def _fits(value: object, element: Scalar) -> bool:
    if is_float(element):
        return value.__class__ in (float, int)
    if value.__class__ not in (int, bool):
        return False
    bits = element.bits if isinstance(element, DType) else 64
    return -(1 << (bits - 1)) <= value < (1 << bits)


@type_rule(ops.Map, infers=True)
def _map(op: ops.Map) -> Sequence[Type]:
    function = FUNCTIONS.get(op.attributes["function"])
    arguments = op.operands
    if function is None:
        refuse(op, "a function of ir.functions", repr(op.function))
    if len(arguments) != function.arity:
        refuse(op, f"{function.arity} operands of {function.name}", len(arguments))
    first = op.operands[-1].type if function.name == "select" else op.operands[0].type  # type: ignore[union-attr]
    shape, element = split(first)
    if element is None or (function.domain == "float" and not is_float(element)):
        refuse(op, f"operands of {function.name} to be floats", first)
    if (function.domain == "int" and not is_integer(element)) or (function.name[:4] == "icmp" and is_float(element)):
        refuse(op, f"operands of {function.name} to be integers", first)
    rest = arguments
    if function.name == "select":
        if split(arguments[0].type) != (shape, I1):  # type: ignore[union-attr]
            refuse(op, f"the condition as {joined(shape, I1)}", arguments[0].type)  # type: ignore[union-attr]
        rest = arguments[1:]
    for value in rest:
        if value.type is not first and value.type != first:  # type: ignore[union-attr]
            refuse(op, f"operands of {function.name} of one type {first}", value.type)  # type: ignore[union-attr]
    return (joined(shape, I1),) if function.result == "i1" else (first,)


def _integers(source: Scalar, target: Scalar, wider: bool) -> bool:
    if not (is_integer(source) and is_integer(target)):
        return False
    difference = target.bits - source.bits  # type: ignore[union-attr]
    return difference > 0 if wider else difference < 0


def _floats(source: Scalar, target: Scalar, wider: bool) -> bool:
    if not (is_float(source) and is_float(target)):
        return False
    difference = target.bits - source.bits  # type: ignore[union-attr]
    return difference > 0 if wider else difference <= 0


def _bits(element: Scalar) -> int:
    return element.bits if isinstance(element, DType) else 8 * storage_bytes(element)


_CAST_TYPES: dict[str, Callable[[Scalar, Scalar], bool]] = {
    "trunc": lambda source, target: _integers(source, target, wider=False),
    "sext": lambda source, target: _integers(source, target, wider=True),
    "zext": lambda source, target: _integers(source, target, wider=True),
    "fptrunc": lambda source, target: _floats(source, target, wider=False),
    "fpext": lambda source, target: _floats(source, target, wider=True),
    "sitofp": lambda source, target: is_integer(source) and is_float(target),
    "uitofp": lambda source, target: is_integer(source) and is_float(target),
    "fptosi": lambda source, target: is_float(source) and is_integer(target),
    "fptoui": lambda source, target: is_float(source) and is_integer(target),
    "bitcast": lambda source, target: _bits(source) == _bits(target),
    "ptrtoint": lambda source, target: is_pointer(source) and target == I64,
    "inttoptr": lambda source, target: source == I64 and is_pointer(target),
}


@type_rule(ops.Cast)
def _cast(op: ops.Cast) -> Sequence[Type] | None:
    source_shape, source = split(op.operands[0].type)  # type: ignore[union-attr]
    target_shape, target = split(op.result.type)
    allowed = _CAST_TYPES.get(op.attributes["kind"])
    if allowed is None:
        refuse(op, f"a kind out of {', '.join(CASTS)}", repr(op.kind))
    if source is None or target is None or source_shape != target_shape or not allowed(source, target):
        refuse(op, f"types that {op.kind} converts ({CASTS[op.kind]})", f"{op.source.type} to {op.result.type}")
    if op.rounding not in ("rtne", "rtz"):
        refuse(op, "rounding rtne or rtz", repr(op.rounding))
    return None


@type_rule(ops.AddPtr, infers=True)
def _addptr(op: ops.AddPtr) -> Sequence[Type]:
    shape, element = split(op.pointer.type)
    offset_shape, offset = split(op.offset.type)
    if element.__class__ is not Pointer:
        refuse(op, "a pointer", op.pointer.type)
    if offset_shape != shape or not is_integer(offset):
        refuse(op, f"integer offsets of shape {shape}", op.offset.type)
    return (op.pointer.type,)


@type_rule(ops.MapRegion)
def _map_region(op: ops.MapRegion) -> Sequence[Type] | None:
    tiles = [need_tile(op, value) for value in (*op.sources, *op.results)]
    if not tiles or len({tile.shape for tile in tiles}) > 1:
        refuse(op, "tiles of one shape", ", ".join(map(str, tiles)) or "none")
    pack = op.pack
    if pack < 1 or tiles[0].size % pack:
        refuse(op, f"a pack that divides {tiles[0].size} elements", pack)
    arguments = [tile.element for tile in tiles[: len(op.sources)] for _ in range(pack)]
    if types_of(op.regions[0].args) != arguments:
        refuse(op, f"{pack} scalar arguments of body for each operand", [str(arg.type) for arg in op.regions[0].args])
    results = [tile.element for tile in tiles[len(op.sources) :] for _ in range(pack)]
    yielded = op.regions[0].terminator.operands
    if [value.type for value in yielded if value is not None] != results:
        refuse(op, f"{pack} scalars yielded for each result", len(yielded))
    return None
