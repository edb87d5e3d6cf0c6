"""Reads locations: `loc(...)` and the aliases `#locN` to `supa.base.location`, with the user's names of values.

Triton's columns count from 0, ours from 1. A fused location is its first known one; a call site keeps its callers.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from supa.base.location import UNKNOWN, Location
from supa.compiler.ttir.cursor import Cursor, unescape

_FORM = re.compile(
    r"(?P<alias>#[A-Za-z_][\w.$-]*)"
    r'|"(?P<file>(?:[^"\\\n]|\\.)*)":(?P<line>\d+):(?P<column>\d+)(?:\s+to\s+(?:\d+)?:\d+)?'
    r'|"(?P<name>(?:[^"\\\n]|\\.)*)"'
    r"|(?P<callsite>callsite\()"
    r"|(?P<fused>fused(?:<[^\[\n]*>)?\[)"
    r"|(?P<unknown>unknown)"
)
_PLAIN = re.compile(  # what nearly all aliases are
    r'loc\((?:callsite\((#\w+) at (#\w+)\)|"([^"\\\n]*)"(?:\((#\w+)\)|:(\d+):(\d+)))\)'
)


class Place(NamedTuple):
    """Where a value comes from and the user's name for it ("" if none)."""

    location: Location
    name: str = ""


NOWHERE = Place(UNKNOWN)


class LocationReader:
    """Reads locations; aliases may be defined anywhere in the text. `aliases` maps `#loc1` to (its text's) position."""

    def __init__(self, text: str, source: str, aliases: dict[str, int]) -> None:
        self._text, self._source, self._aliases = text, source, aliases
        self._known: dict[str, Place] = {}
        self._open: set[str] = set()

    def trailing(self, cursor: Cursor) -> Place:
        """The optional `loc(...)` after an operation or a block argument."""
        if not cursor.accept("loc("):
            return NOWHERE
        place = self._inside(cursor)
        cursor.expect(")")
        return place

    def of_alias(self, name: str, cursor: Cursor) -> Place:
        """The place behind `#locN`; errors are reported at `cursor`."""
        known = self._known.get(name)
        if known is not None:
            return known
        if name not in self._aliases:
            cursor.fail(f"expected a location that is defined, {name} is not")
        if name in self._open:
            cursor.fail(f"expected a location that ends, {name} refers to itself")
        self._open.add(name)
        plain = _PLAIN.match(self._text, self._aliases[name])
        place = self._known[name] = self._plain(plain, cursor) if plain else self._behind(self._aliases[name])
        self._open.remove(name)
        return place

    def _plain(self, form: re.Match[str], cursor: Cursor) -> Place:
        callee, caller, text, child, line, column = form.groups()
        if callee is not None:
            called = self.of_alias(callee, cursor)
            return Place(_called_from(called.location, self.of_alias(caller, cursor).location), called.name)
        if child is not None:
            return Place(self.of_alias(child, cursor).location, text)
        return Place(Location(text, int(line), int(column) + 1 if int(line) else 0))

    def _behind(self, position: int) -> Place:
        inner = Cursor(self._text, self._source, position)
        inner.expect("loc(")
        place = self._inside(inner)
        inner.expect(")")
        return place

    def _inside(self, cursor: Cursor) -> Place:
        form = cursor.need(_FORM, "a location")
        match form.lastgroup:
            case "alias":
                return self.of_alias(form[0], cursor)
            case "column":
                line = int(form["line"])
                return Place(Location(unescape(form["file"]), line, int(form["column"]) + 1 if line else 0))
            case "name":
                return self._named(cursor, unescape(form["name"]))
            case "callsite":
                return self._call_site(cursor)
            case "fused":
                return self._fused(cursor)
        return NOWHERE

    def _named(self, cursor: Cursor, name: str) -> Place:
        if not cursor.accept("("):
            return Place(UNKNOWN, name)
        place = self._inside(cursor)
        cursor.expect(")")
        return Place(place.location, name)

    def _call_site(self, cursor: Cursor) -> Place:
        callee = self._inside(cursor)
        cursor.expect("at")
        caller = self._inside(cursor)
        cursor.expect(")")
        return Place(_called_from(callee.location, caller.location), callee.name)

    def _fused(self, cursor: Cursor) -> Place:
        places: list[Place] = []
        while not cursor.accept("]"):
            if places:
                cursor.expect(",")
            places.append(self._inside(cursor))
        known = [place for place in places if place.location != UNKNOWN]
        return known[0] if known else NOWHERE


def _called_from(callee: Location, caller: Location) -> Location:
    """`callee` with `caller` as its outermost call site; the caller alone if the callee is unknown."""
    if callee == UNKNOWN:
        return caller
    if caller == UNKNOWN:
        return callee
    outer = caller if callee.caller is None else _called_from(callee.caller, caller)
    return Location(callee.file, callee.line, callee.column, outer)
