"""Reads types: MLIR's text to `supa.ir.types` and `supa.base.dtypes`. A type that TTIR can not hold is refused."""

from __future__ import annotations

import re
from collections.abc import Callable

from supa.base.dtypes import DTYPES, I64, DType
from supa.compiler.ttir.cursor import Cursor
from supa.compiler.ttir.structure import NONE, FunctionType, MlirType, TupleType
from supa.ir.types import Descriptor, Pointer, Scalar, Tile

_HEAD = re.compile(r"!?[A-Za-z][\w.]*")
_SHAPE = re.compile(r"(?:\d+x)*")
_INTEGER = re.compile(r"i([1-9]\d*)\Z")
_SIGNED_INTEGER = re.compile(r"([su])i(\d+)")
_ADDRESS_SPACE = re.compile(r"\d+")
_LAYOUT = re.compile(r"#[A-Za-z_][\w.$-]*")
_BRACKET = re.compile(r"[^<>]*([<>])")
_DEPTH = {"<": 1, ">": -1}
_GLOBAL_MEMORY = 1
_TOKEN = re.compile(r"!?[A-Za-z][\w.]*(?:<[^<>]*(?:<[^<>]*>)?>)?")
_KNOWN: dict[str, MlirType] = {}  # what texts mean does not change: read once a process
_KNOWN_LIMIT = 4096


def read_type(cursor: Cursor) -> MlirType:
    """The type at the cursor; `CompileError` if it is none that TTIR holds."""
    token = _TOKEN.match(cursor.text, cursor.position)
    known = _KNOWN.get(token[0]) if token else None
    if known is not None and token:
        cursor.move_to(token.end())
        return known
    start = cursor.position
    type_ = _new_type(cursor)
    if token and cursor.text[start : cursor.position].rstrip() == token[0] and len(_KNOWN) < _KNOWN_LIMIT:
        _KNOWN[token[0]] = type_
    return type_


def _new_type(cursor: Cursor) -> MlirType:
    if cursor.peek("("):
        return read_function_type(cursor)
    start = cursor.position
    head = cursor.need(_HEAD, "a type")[0]
    reader = _READERS.get(head)
    return reader(cursor) if reader else _named_scalar(cursor, head, start)


def _named_scalar(cursor: Cursor, head: str, start: int) -> DType:
    known = DTYPES.get(head)
    if known:
        return known
    integer = _INTEGER.match(head)
    if integer is None:
        cursor.fail("expected a type of TTIR", start)
    return DType(name=head, bits=int(integer[1]))


def read_type_list(cursor: Cursor) -> tuple[MlirType, ...]:
    """Types in round brackets: `(i32, tensor<4xf32>)`."""
    cursor.expect("(")
    types: list[MlirType] = []
    while not cursor.accept(")"):
        if types:
            cursor.expect(",")
        types.append(read_type(cursor))
    return tuple(types)


def read_function_type(cursor: Cursor) -> FunctionType:
    """A function's type: `(i32) -> f32`, `(i32) -> (f32, f32)`, `() -> ()`."""
    inputs = read_type_list(cursor)
    cursor.expect("->")
    results = read_type_list(cursor) if cursor.peek("(") else (read_type(cursor),)
    return FunctionType(inputs, results)


def _scalar(cursor: Cursor) -> Scalar:
    start = cursor.position
    type_ = read_type(cursor)
    if not isinstance(type_, DType | Pointer):
        cursor.fail("expected a scalar type", start)
    return type_


def _shape(cursor: Cursor) -> tuple[int, ...]:
    text = cursor.need(_SHAPE, "a shape")[0]
    return tuple(map(int, text.split("x")[:-1]))


def _tile(cursor: Cursor) -> Tile:
    """`tensor<128x64xf32>`; a layout behind it says which thread of a GPU holds which element, so it is passed over."""
    cursor.expect("<")
    shape = _shape(cursor)
    tile = Tile(shape, _scalar(cursor))
    if cursor.accept(","):
        cursor.need(_LAYOUT, "a layout")
        _skip_brackets(cursor)
    if not cursor.accept(">"):
        cursor.fail("expected the end of a tensor type")
    return tile


def _skip_brackets(cursor: Cursor) -> None:
    if not cursor.accept("<"):
        return
    depth = 1
    while depth:
        depth += _DEPTH[cursor.need(_BRACKET, "the end of a layout")[1]]


def _pointer(cursor: Cursor) -> MlirType:
    """`!tt.ptr<f32>`; a pointer to a tensor (a block pointer that no pass has rewritten yet) is refused."""
    cursor.expect("<")
    start = cursor.position
    pointee = read_type(cursor)
    if not isinstance(pointee, DType | Pointer):
        cursor.fail("expected a pointer to a scalar (run Triton's pass rewrite_tensor_pointer first)", start)
    if cursor.accept(","):
        start = cursor.position
        if int(cursor.need(_ADDRESS_SPACE, "an address space")[0]) != _GLOBAL_MEMORY:
            cursor.fail("expected a pointer to global memory (address space 1)", start)
    cursor.expect(">")
    return Pointer(pointee)


def _descriptor(cursor: Cursor) -> Descriptor:
    """`!tt.tensordesc<tensor<16x64xf16>>` (Triton 3.7) or `!tt.tensordesc<16x64xf16>` (3.8)."""
    cursor.expect("<")
    nested = cursor.accept("tensor<")
    shape = _shape(cursor)
    signedness = cursor.take(_SIGNED_INTEGER)
    if signedness:
        element, signed = _named_scalar(cursor, f"i{signedness[2]}", cursor.position), signedness[1] == "s"
    else:
        start, scalar, signed = cursor.position, _scalar(cursor), True
        if not isinstance(scalar, DType):
            cursor.fail("expected a descriptor of numbers", start)
        element = scalar
    cursor.expect(">")
    if nested:
        cursor.expect(">")
    return Descriptor(shape, element, signed)


def _tuple(cursor: Cursor) -> TupleType:
    cursor.expect("<")
    elements: list[MlirType] = []
    while not cursor.accept(">"):
        if elements:
            cursor.expect(",")
        elements.append(read_type(cursor))
    return TupleType(tuple(elements))


_READERS: dict[str, Callable[[Cursor], MlirType]] = {
    "tensor": _tile,
    "!tt.ptr": _pointer,
    "!tt.tensordesc": _descriptor,
    "tuple": _tuple,
    "index": lambda cursor: I64,  # as on 64-bit devices
    "none": lambda cursor: NONE,
}
