"""Reads attributes: MLIR's text to Python values (see `structure.Attribute`). What it does not know it refuses.

Integers and floats lose their type (the operation has it) after the value was rounded to it and checked against it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from supa.base.dtypes import DType
from supa.compiler.ttir.cursor import Cursor
from supa.compiler.ttir.floats import float_from_bits, round_to
from supa.compiler.ttir.locations import LocationReader
from supa.compiler.ttir.structure import UNIT, Attribute, Dense, DialectAttribute, MlirType, SymbolRef
from supa.compiler.ttir.types import read_type
from supa.ir.types import Tile

_NUMBER = re.compile(r"0x[0-9A-Fa-f]+|-?\d+(?:\.\d*(?:[eE][+-]?\d+)?)?")
_WORD = re.compile(r"[a-z_]+\b")
_KEY = re.compile(r"[A-Za-z_][\w.$]*")
_SYMBOL = re.compile(r'@(?:"((?:[^"\\]|\\.)*)"|([A-Za-z_][\w.$-]*))')
_DIALECT = re.compile(r"#([A-Za-z_]\w*(?:\.\w+)+)(?![\w.])")
_BRACKET = re.compile(r'[^<>"\n-]*(?:->?[^<>"\n-]*|"(?:[^"\\\n]|\\.)*"[^<>"\n-]*)*([<>])')
_ALIAS = re.compile(r"#[A-Za-z_][\w$-]*")
_PLAIN_DICTIONARY = re.compile(r'\{[^{}"]*\}')
Number = int | float | bool


class AttributeReader:
    """Reads attributes at a cursor. Dictionaries without nesting or strings are remembered by their text."""

    def __init__(self, text: str, source: str, aliases: dict[str, int], locations: LocationReader) -> None:
        self._text, self._source, self._aliases, self._locations = text, source, aliases, locations
        self._remembered: dict[str, dict[str, Attribute]] = {}
        self._words: dict[str, Callable[[Cursor], Attribute]] = {
            "true": lambda cursor: True,
            "false": lambda cursor: False,
            "unit": lambda cursor: UNIT,
            "array": self._packed_array,
            "dense": self._dense,
        }

    def dictionary(self, cursor: Cursor) -> dict[str, Attribute]:
        """`{name = attribute, name}`; a name alone is the unit attribute."""
        plain = _PLAIN_DICTIONARY.match(cursor.text, cursor.position)
        if plain is None:
            return self._entries(cursor)
        known = self._remembered.get(plain[0])
        if known is None:
            known = self._remembered[plain[0]] = self._entries(cursor)
        else:
            cursor.move_to(plain.end())
        return dict(known)

    def _entries(self, cursor: Cursor) -> dict[str, Attribute]:
        cursor.expect("{")
        entries: dict[str, Attribute] = {}
        while not cursor.accept("}"):
            if entries:
                cursor.expect(",")
            start = cursor.position
            name = cursor.string() if cursor.peek('"') else cursor.need(_KEY, "an attribute's name")[0]
            if name in entries:
                cursor.fail(f"expected each attribute once, '{name}' is here twice", start)
            entries[name] = self.attribute(cursor) if cursor.accept("=") else UNIT
        return entries

    def attribute(self, cursor: Cursor) -> Attribute:
        """The attribute at the cursor."""
        lead = cursor.text[cursor.position : cursor.position + 1]
        if lead.isdigit() or lead == "-":
            return self._number(cursor)
        if lead == '"':
            return self._string(cursor)
        if lead == "@":
            return self._symbol(cursor)
        if lead == "[":
            return self._array(cursor)
        if lead == "{":
            return self.dictionary(cursor)
        if lead == "#":
            return self._dialect_or_alias(cursor)
        if cursor.peek("loc("):
            return self._locations.trailing(cursor).location
        return self._word_or_type(cursor)

    def _word_or_type(self, cursor: Cursor) -> Attribute:
        start = cursor.position
        word = cursor.take(_WORD)
        reader = self._words.get(word[0]) if word else None
        if reader:
            return reader(cursor)
        cursor.position = start
        return read_type(cursor)

    def _number(self, cursor: Cursor) -> Number:
        start = cursor.position
        text = cursor.need(_NUMBER, "a number")[0]
        if cursor.accept(":"):
            return number(cursor, text, read_type(cursor), start)
        if text.startswith("0x"):
            cursor.fail("expected a type after a bit pattern", start)
        return float(text) if "." in text else int(text)

    def _string(self, cursor: Cursor) -> str:
        text = cursor.string()
        if cursor.accept(":"):
            read_type(cursor)
        return text

    def _symbol(self, cursor: Cursor) -> SymbolRef:
        parts = [_symbol_name(cursor)]
        while cursor.accept("::"):
            parts.append(_symbol_name(cursor))
        return SymbolRef("::".join(parts))

    def _array(self, cursor: Cursor) -> tuple[Attribute, ...]:
        cursor.expect("[")
        entries: list[Attribute] = []
        while not cursor.accept("]"):
            if entries:
                cursor.expect(",")
            entries.append(self.attribute(cursor))
        return tuple(entries)

    def _dialect_or_alias(self, cursor: Cursor) -> Attribute:
        dialect = cursor.take(_DIALECT)
        if dialect:
            return DialectAttribute(dialect[1], _body(cursor))
        start = cursor.position
        name = cursor.need(_ALIAS, "an attribute")[0]
        if name not in self._aliases or cursor.peek(".") or cursor.peek("<"):
            cursor.fail("expected a known attribute", start)
        position = self._aliases.pop(name)  # gone while it is read: an alias of itself is refused
        value = self.attribute(Cursor(self._text, self._source, position))
        self._aliases[name] = position
        return value

    def _packed_array(self, cursor: Cursor) -> tuple[Attribute, ...]:
        """`array<i32: 1, 2>`; empty is `array<i32>`."""
        cursor.expect("<")
        element = read_type(cursor)
        values: list[Attribute] = []
        separator = ":"
        while not cursor.accept(">"):
            cursor.expect(separator)
            values.append(_literal(cursor, element))
            separator = ","
        return tuple(values)

    def _dense(self, cursor: Cursor) -> Dense:
        """`dense<...> : tensor<...>`: a splat, nested lists or a string of raw little-endian bytes."""
        cursor.expect("<")
        start = cursor.position
        raw = cursor.string() if cursor.peek('"') else None
        literals: list[tuple[str, int]] = []
        shape = _nested_literals(cursor, literals) if raw is None and not cursor.peek(">") else ()
        is_list = cursor.text.startswith("[", start)
        cursor.expect(">")
        cursor.expect(":")
        type_ = read_type(cursor)
        if not isinstance(type_, Tile):
            cursor.fail("expected a tensor type of a dense constant", start)
        if raw is not None:
            return Dense(type_, _raw_elements(cursor, raw, type_, start))
        if shape != type_.shape if is_list else len(literals) != 1 and type_.size:
            cursor.fail(f"expected {type_.shape} elements, the constant has {shape}", start)
        return Dense(type_, tuple(number(cursor, text, type_.element, at) for text, at in literals))


def _body(cursor: Cursor) -> str:
    """The text in the angle brackets here, which may hold more of them; "" if there are none."""
    if not cursor.accept("<"):
        return ""
    start, depth = cursor.position, 1
    while depth:
        depth += 1 if cursor.need(_BRACKET, "'>'")[1] == "<" else -1
    return cursor.text[start : cursor.text.rindex(">", start, cursor.position)].strip()


def _symbol_name(cursor: Cursor) -> str:
    match = cursor.need(_SYMBOL, "a symbol")
    return match[1] if match[1] is not None else match[2]


_BOOLEANS = {"true": True, "false": False}
_LITERAL = re.compile(rf"true|false|{_NUMBER.pattern}")


def _literal(cursor: Cursor, type_: MlirType) -> Number:
    start = cursor.position
    return number(cursor, cursor.need(_LITERAL, "a number")[0], type_, start)


def _nested_literals(cursor: Cursor, found: list[tuple[str, int]]) -> tuple[int, ...]:
    """Collects the literals of `[[1, 2], [3, 4]]` in order with their positions and returns the lists' shape."""
    if not cursor.accept("["):
        position = cursor.position
        found.append((cursor.need(_LITERAL, "a number")[0], position))
        return ()
    shapes: list[tuple[int, ...]] = []
    while not cursor.accept("]"):
        if shapes:
            cursor.expect(",")
        shapes.append(_nested_literals(cursor, found))
        if shapes[-1] != shapes[0]:
            cursor.fail("expected lists of equal length in a dense constant")
    return (len(shapes), *(shapes[0] if shapes else ()))


def number(cursor: Cursor, text: str, type_: MlirType, position: int) -> Number:
    """The value of a literal of a type: the nearest number of a float type, for `0x...` the number with these bits.

    `CompileError` at `position` if the literal does not fit the type.
    """
    if isinstance(type_, DType) and type_.is_float:
        return _float(cursor, text, type_, position)
    if not isinstance(type_, DType):
        cursor.fail(f"expected a number's type, found {type_}", position)
    bits = type_.bits
    if text in _BOOLEANS:
        if bits != 1:
            cursor.fail(f"expected a number of type {type_}", position)
        return _BOOLEANS[text]
    if "." in text or text.startswith("0x"):
        cursor.fail(f"expected an integer of type {type_}", position)
    value = int(text)
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        cursor.fail(f"expected an integer of {bits} bits", position)
    return bool(value) if bits == 1 else value


def _float(cursor: Cursor, text: str, dtype: DType, position: int) -> float:
    if text.startswith("0x"):
        pattern = int(text, 16)
        if pattern >> dtype.bits:
            cursor.fail(f"expected a bit pattern of {dtype.bits} bits", position)
        return float_from_bits(dtype, pattern)
    if "." not in text:
        cursor.fail(f"expected a number of type {dtype} with a point, or its bit pattern", position)
    try:
        return round_to(dtype, float(text))
    except OverflowError:
        cursor.fail(f"expected a number that fits {dtype}", position)


def _raw_elements(cursor: Cursor, raw: str, type_: Tile, position: int) -> tuple[Number, ...]:
    """The elements of `dense<"0x...">`: little-endian bytes, as many as the tile has or one element (a splat)."""
    element = type_.element
    if not isinstance(element, DType) or element.bits % 8:
        cursor.fail(f"expected raw elements of whole bytes, the constant has {element}", position)
    data = bytes.fromhex(raw[2:]) if re.fullmatch("0x(?:[0-9A-Fa-f]{2})*", raw) else b""
    width = element.bytes
    if len(data) not in (width, width * type_.size):
        cursor.fail(f"expected {width * type_.size} bytes in hexadecimal for {type_}", position)
    patterns = [int.from_bytes(data[at : at + width], "little") for at in range(0, len(data), width)]
    if element.is_float:
        return tuple(float_from_bits(element, pattern) for pattern in patterns)
    half = 1 << (element.bits - 1)
    return tuple((pattern ^ half) - half for pattern in patterns)
