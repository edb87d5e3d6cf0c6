"""A `Program` as bytes and back, for caches on disk. Not here: where caches lie (`jit`), loading the code (`runtime`).

The format holds data only, so that reading a cache never runs anything: a fixed head (magic, format, length of the
text, SHA-256 of it all), a JSON text with everything but the code, then the object code itself. Locations,
of which a kernel has few and its steps many, are written once and referred to by number.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

from supa.base.errors import SupaError
from supa.base.location import Location
from supa.program.program import Argument, Program, Resources, Site
from supa.program.work import Access, Barrier, Branch, Count, Exchange, Loop, Matrix, Repeat, Vector, Work

FORMAT = 1
_MAGIC = b"SUPAPROG"
_HEAD = struct.Struct("<8sIQ32s")
_CLASSES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        Program, Argument, Resources, Site, Work,
        Access, Matrix, Count, Vector, Exchange, Barrier, Repeat, Loop, Branch,
    )
}  # fmt: skip


class ProgramFormatError(SupaError):
    """Bytes that should hold a `Program` do not: truncated, changed, or written by another version."""


def dumps(program: Program) -> bytes:
    """`program` as bytes that `loads` gives back equal, on any machine."""
    places: dict[Location, int] = {}
    table: list[list[Any]] = []
    body = _encode(replace(program, object_code=b""), places, table)
    text = json.dumps({"program": body, "locations": table}, separators=(",", ":")).encode()
    payload = text + program.object_code
    return _HEAD.pack(_MAGIC, FORMAT, len(text), _digest(len(text), payload)) + payload


def loads(data: bytes) -> Program:
    """The program in `data`; raises `ProgramFormatError` when it was not written by `dumps` or was damaged since."""
    if len(data) < _HEAD.size or data[:8] != _MAGIC:
        raise ProgramFormatError(f"expected a compiled program, found {len(data)} bytes that do not begin like one")
    _, version, length, digest = _HEAD.unpack_from(data)
    if version != FORMAT:
        raise ProgramFormatError(f"expected a compiled program of format {FORMAT}, found format {version}")
    payload = memoryview(data)[_HEAD.size :]
    if length > len(payload) or _digest(length, payload) != digest:
        raise ProgramFormatError("a compiled program is damaged; remove it from the cache to have it compiled again")
    header = json.loads(bytes(payload[:length]))
    program = _decode(header["program"], _locations(header["locations"]))
    if not isinstance(program, Program):
        raise ProgramFormatError(f"expected a Program, found a {type(program).__name__}")
    return replace(program, object_code=bytes(payload[length:]))


def _digest(length: int, payload: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(length.to_bytes(8, "little"))
    digest.update(payload)
    return digest.digest()


def _encode(value: Any, places: dict[Location, int], table: list[list[Any]]) -> Any:
    if isinstance(value, Location):
        return {"at": _place(value, places, table)}
    if is_dataclass(value):
        encoded: dict[str, Any] = {"is": type(value).__name__}
        for field in fields(value):
            held = getattr(value, field.name)
            if field.default is MISSING or held != field.default:
                encoded[field.name] = _encode(held, places, table)
        return encoded
    if isinstance(value, tuple):
        return [_encode(item, places, table) for item in value]
    if isinstance(value, dict):
        return {"map": [[key, item] for key, item in value.items()]}
    if isinstance(value, bytes):
        return ""
    return value


def _place(location: Location, places: dict[Location, int], table: list[list[Any]]) -> int:
    if location not in places:
        caller = -1 if location.caller is None else _place(location.caller, places, table)
        places[location] = len(table)
        table.append([location.file, location.line, location.column, caller])
    return places[location]


def _locations(table: list[list[Any]]) -> list[Location]:
    found: list[Location] = []
    for file, line, column, caller in table:
        found.append(Location(file, line, column, None if caller < 0 else found[caller]))
    return found


def _decode(value: Any, places: list[Location]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, places) for item in value)
    if not isinstance(value, dict):
        return value
    if "at" in value:
        return places[value["at"]]
    if "map" in value:
        return {key: item for key, item in value["map"]}
    name = value.get("is")
    if name not in _CLASSES:
        raise ProgramFormatError(f"expected a part of a program, found {name!r}")
    held = {key: _decode(item, places) for key, item in value.items() if key != "is"}
    try:
        return _CLASSES[name](**held)
    except TypeError as error:
        raise ProgramFormatError(f"a compiled program's {name} does not fit this version: {error}") from error
