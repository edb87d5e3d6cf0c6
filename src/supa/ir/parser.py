"""Reads the text form of the tile IR. Not here: whether the kernel makes sense (`ir.verify`).

The inverse of `ir.text`: printing what was parsed gives the same text. Lines that start with `//` are skipped.
"""

from __future__ import annotations

import json
import re
import struct
from typing import Any

from supa.base.dtypes import DTYPES, DType
from supa.base.errors import SupaError
from supa.base.location import UNKNOWN, Location
from supa.ir.core import OPERATIONS, Block, Op, Value
from supa.ir.ops import Func
from supa.ir.types import Descriptor, Pointer, Tile, Type

_BLANKS = re.compile(r"\s*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VALUE = re.compile(r"%\d+")
_INTEGER = re.compile(r"-?\d+(?![\d.eE])")
_FLOAT = re.compile(r"-?(?:inf|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")
_NAN = re.compile(r"nan(?::(0x[0-9a-f]{16}))?")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_EXTENTS = re.compile(r"(?:\d+x)+")


class ParseError(SupaError):
    """The text is not tile IR; the message gives line, column, what was expected and what was found."""


def parse_function(text: str) -> Func:
    """Read one kernel; `ParseError` names line and column of the first mistake."""
    lines = _Lines(text)
    values: dict[str, Value] = {}
    func = _parse_operation(lines.take("a function"), lines, values)
    if not isinstance(func, Func):
        raise ParseError(f"line 1: expected a func, found {func.name}")
    rest = lines.peek()
    if rest is not None:
        raise rest.error("the end of the text")
    return func


class _Cursor:
    """A place in one line; every `take` skips blanks first."""

    def __init__(self, line: str, number: int) -> None:
        self.line, self.number, self.at = line, number, 0

    def error(self, expected: str) -> ParseError:
        found = self.line[self.at :].strip() or "the end of the line"
        return ParseError(f"line {self.number}, column {self.at + 1}: expected {expected}, found {found[:40]}")

    def skip(self) -> None:
        match = _BLANKS.match(self.line, self.at)
        self.at = match.end() if match else self.at

    def accept(self, literal: str) -> bool:
        self.skip()
        if self.line.startswith(literal, self.at):
            self.at += len(literal)
            return True
        return False

    def take(self, literal: str) -> None:
        if not self.accept(literal):
            raise self.error(f"'{literal}'")

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self.skip()
        match = pattern.match(self.line, self.at)
        if match:
            self.at = match.end()
        return match

    def need(self, pattern: re.Pattern[str], what: str) -> str:
        match = self.match(pattern)
        if match is None:
            raise self.error(what)
        return match[0]

    @property
    def ended(self) -> bool:
        self.skip()
        return self.at == len(self.line)


class _Lines:
    """The lines that hold something, in order."""

    def __init__(self, text: str) -> None:
        numbered = enumerate(text.split("\n"), start=1)
        self._lines = [(n, line) for n, line in numbered if line.strip() and not line.lstrip().startswith("//")]
        self._next = 0
        self._last = text.count("\n") + 1

    def peek(self) -> _Cursor | None:
        if self._next == len(self._lines):
            return None
        number, line = self._lines[self._next]
        cursor = _Cursor(line, number)
        cursor.skip()
        return cursor

    def take(self, expected: str) -> _Cursor:
        cursor = self.peek()
        if cursor is None:
            raise ParseError(f"line {self._last}: expected {expected}, found the end of the text")
        self._next += 1
        return cursor


def _parse_operation(cursor: _Cursor, lines: _Lines, values: dict[str, Value]) -> Op:
    names = _parse_result_names(cursor)
    start = cursor.at
    name = cursor.need(_WORD, "an operation")
    if name not in OPERATIONS:
        cursor.at = start
        raise cursor.error("an operation of the tile IR")
    operands = _parse_operands(cursor, values)
    attributes = _parse_attributes(cursor)
    operand_types, result_types = _parse_signature(cursor)
    found_types = [value.type for value in operands if value is not None]
    if found_types != operand_types:
        raise cursor.error(f"operand types ({', '.join(map(str, found_types))}) as the operands were defined")
    if len(names) != len(result_types):
        raise cursor.error(f"one result type for each of {len(names)} results")
    location = _parse_location(cursor)
    has_regions = cursor.accept("{")
    if not cursor.ended:
        raise cursor.error("the end of the line")
    cls = OPERATIONS[name]
    regions = _parse_regions(cls, lines, values) if has_regions else []
    op = cls(operands, result_types, attributes, regions, location)
    for result_name, value in zip(names, op.results, strict=True):
        _define(values, result_name, value, cursor)
    return op


def _parse_result_names(cursor: _Cursor) -> list[str]:
    match = cursor.match(_VALUE)
    if match is None:
        return []
    names = [match[0]]
    while cursor.accept(","):
        names.append(cursor.need(_VALUE, "a result such as %3"))
    cursor.take("=")
    return names


def _define(values: dict[str, Value], name: str, value: Value, cursor: _Cursor) -> None:
    if name in values:
        raise ParseError(f"line {cursor.number}: {name} is defined twice")
    values[name] = value


def _parse_operands(cursor: _Cursor, values: dict[str, Value]) -> list[Value | None]:
    operands: list[Value | None] = []
    while not operands or cursor.accept(","):
        if cursor.accept("_"):
            operands.append(None)
            continue
        match = cursor.match(_VALUE)
        if match is None and not operands:
            return []
        if match is None:
            raise cursor.error("an operand such as %3, or _")
        if match[0] not in values:
            cursor.at = match.start()
            raise cursor.error("a value defined above")
        operands.append(values[match[0]])
    return operands


def _parse_attributes(cursor: _Cursor) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    here = cursor.at
    if not cursor.accept("{"):
        return attributes
    if cursor.ended:  # this brace opens the regions
        cursor.at = here
        return attributes
    while True:
        key = cursor.need(_WORD, "an attribute's name")
        cursor.take("=")
        attributes[key] = _parse_attribute(cursor)
        if not cursor.accept(","):
            break
    cursor.take("}")
    return attributes


def _parse_attribute(cursor: _Cursor) -> Any:
    if cursor.accept("true"):
        return True
    if cursor.accept("false"):
        return False
    if cursor.accept("("):
        return _parse_tuple(cursor)
    if match := cursor.match(_STRING):
        return json.loads(match[0])
    if match := cursor.match(_NAN):
        return float("nan") if match[1] is None else struct.unpack("<d", struct.pack("<Q", int(match[1], 16)))[0]
    if match := cursor.match(_INTEGER):
        return int(match[0])
    if match := cursor.match(_FLOAT):
        return float(match[0])
    raise cursor.error("an attribute's value")


def _parse_tuple(cursor: _Cursor) -> tuple[Any, ...]:
    items: list[Any] = []
    while not cursor.accept(")"):
        if items:
            cursor.take(",")
        items.append(_parse_attribute(cursor))
    return tuple(items)


def _parse_signature(cursor: _Cursor) -> tuple[list[Type], list[Type]]:
    if not cursor.accept(":"):
        return [], []
    cursor.take("(")
    operands = _parse_types(cursor)
    cursor.take("->")
    if cursor.accept("("):
        return operands, _parse_types(cursor)
    return operands, [_parse_type(cursor)]


def _parse_types(cursor: _Cursor) -> list[Type]:
    """Types up to the closing parenthesis."""
    types: list[Type] = []
    while not cursor.accept(")"):
        if types:
            cursor.take(",")
        types.append(_parse_type(cursor))
    return types


def _parse_type(cursor: _Cursor) -> Type:
    if cursor.accept("tile<"):
        shape = _parse_shape(cursor)
        tile = Tile(shape, _parse_scalar(cursor))
        cursor.take(">")
        return tile
    if cursor.accept("desc<"):
        shape = _parse_shape(cursor)
        element = _parse_dtype(cursor)
        unsigned = cursor.accept(",")
        if unsigned:
            cursor.take("unsigned")
        cursor.take(">")
        return Descriptor(shape, element, not unsigned)
    return _parse_scalar(cursor)


def _parse_shape(cursor: _Cursor) -> tuple[int, ...]:
    extents = cursor.need(_EXTENTS, "a shape such as 16x32x")
    return tuple(map(int, extents[:-1].split("x")))


def _parse_scalar(cursor: _Cursor) -> DType | Pointer:
    if cursor.accept("ptr<"):
        pointer = Pointer(_parse_scalar(cursor))
        cursor.take(">")
        return pointer
    return _parse_dtype(cursor)


def _parse_dtype(cursor: _Cursor) -> DType:
    match = _WORD.match(cursor.line, cursor.at)
    if match is None or match[0] not in DTYPES:
        cursor.skip()
        match = _WORD.match(cursor.line, cursor.at)
    if match is None or match[0] not in DTYPES:
        raise cursor.error("a type")
    cursor.at = match.end()
    return DTYPES[match[0]]


def _parse_location(cursor: _Cursor) -> Location:
    if not cursor.accept("loc("):
        return UNKNOWN
    places: list[tuple[str, int, int]] = []
    while not places or cursor.accept("at"):
        file = json.loads(cursor.need(_STRING, "a file's name"))
        cursor.take(":")
        line = int(cursor.need(_INTEGER, "a line"))
        cursor.take(":")
        places.append((file, line, int(cursor.need(_INTEGER, "a column"))))
    cursor.take(")")
    location: Location | None = None
    for file, line, column in reversed(places):
        location = Location(file, line, column, location)
    return location or UNKNOWN


def _parse_regions(cls: type[Op], lines: _Lines, values: dict[str, Value]) -> list[Block]:
    blocks: list[Block] = []
    for label in cls.region_names:
        header = lines.take(f"the region {label} of {cls.name}")
        header.take(label)
        blocks.append(_parse_region(header, lines, values))
    closing = lines.take("'}'")
    closing.take("}")
    if not closing.ended:
        raise closing.error("the end of the line")
    return blocks


def _parse_region(header: _Cursor, lines: _Lines, values: dict[str, Value]) -> Block:
    block = Block()
    header.take("(")
    while not header.accept(")"):
        if block.args:
            header.take(",")
        name = header.need(_VALUE, "an argument such as %3")
        header.take(":")
        _define(values, name, block.add_arg(_parse_type(header)), header)
    header.take(":")
    if not header.ended:
        raise header.error("the end of the line")
    while True:
        line = lines.peek()
        if line is None or line.line.startswith("}", line.at) or _REGION_HEADER.match(line.line, line.at):
            return block
        block.append(_parse_operation(lines.take("an operation"), lines, values))


_REGION_HEADER = re.compile(r"[a-z]+\((?:%\d+: [^)]*)?\):\s*$")
