"""The text form of the tile IR, derived from the declarations of the operations. Not here: reading it (`ir.parser`).

One operation a line, `[%results =] name [%operands] [{attributes}] [: (types) -> types] [loc(...)]`; a line that ends
in `{` opens the operation's regions. Absent optional operands are `_`, attributes at their default are left out.

    %3 = load %1, %2, _ {cache="ca"} : (tile<128xptr<f32>>, tile<128xi1>) -> tile<128xf32> loc("k.py":7:12)
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

from supa.base.location import UNKNOWN, Location
from supa.ir.core import Block, Op, Value
from supa.ir.ops import Func
from supa.ir.types import Type

_QUIET_NAN_BITS = 0x7FF8000000000000
_INDENT = "  "


def print_function(func: Func, *, locations: bool = True) -> str:
    """The text of a kernel, one line for each operation, ending in a newline; `ir.parser` gives the same kernel back.

    Values are numbered in the order in which they are defined. `locations=False` leaves the user's lines out.
    """
    printer = _Printer(locations)
    printer.operation(func, "")
    return "\n".join(printer.lines) + "\n"


def format_attribute(value: Any) -> str:
    """One attribute value: `true`, `7`, `0.5`, `-inf`, `nan`, `"text"`, `(1, 2)`. Other types raise `TypeError`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _format_float(float(value))
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(format_attribute, value))})"
    raise TypeError(f"an attribute is a bool, int, float, str or tuple of them, found {type(value).__name__}")


def format_location(location: Location) -> str:
    """A location with its callers: `loc("k.py":7:12 at "main.py":3:1)`."""
    parts: list[str] = []
    place: Location | None = location
    while place is not None:
        parts.append(f"{json.dumps(place.file)}:{place.line}:{place.column}")
        place = place.caller
    return f"loc({' at '.join(parts)})"


def _format_float(value: float) -> str:
    if math.isnan(value):
        (bits,) = struct.unpack("<Q", struct.pack("<d", value))
        return "nan" if bits == _QUIET_NAN_BITS else f"nan:{bits:#018x}"
    return repr(value)


class _Printer:
    """Lines so far, and the names given to values."""

    def __init__(self, locations: bool) -> None:
        self.lines: list[str] = []
        self.locations = locations
        self._names: dict[Value, str] = {}

    def name(self, value: Value | None) -> str:
        if value is None:
            return "_"
        return self._names.setdefault(value, f"%{len(self._names)}")

    def operation(self, op: Op, indent: str) -> None:
        operands = [self.name(value) for value in op.operands]  # before the results, which are defined after
        head = [op.name]
        if op.results:
            head.insert(0, f"{', '.join(self.name(value) for value in op.results)} =")
        if operands:
            head.append(", ".join(operands))
        shown = [
            f"{key}={format_attribute(value)}" for key, value in op.attributes.items() if _is_shown(op, key, value)
        ]
        if shown:
            head.append(f"{{{', '.join(shown)}}}")
        head.extend(_signature(op))
        if self.locations and op.location != UNKNOWN:
            head.append(format_location(op.location))
        if not op.regions:
            self.lines.append(indent + " ".join(head))
            return
        self.lines.append(indent + " ".join([*head, "{"]))
        for label, block in zip(op.region_names, op.regions, strict=True):
            self.region(label, block, indent + _INDENT)
        self.lines.append(indent + "}")

    def region(self, label: str, block: Block, indent: str) -> None:
        arguments = ", ".join(f"{self.name(value)}: {value.type}" for value in block.args)
        self.lines.append(f"{indent}{label}({arguments}):")
        for op in block.ops:
            self.operation(op, indent + _INDENT)


def _is_shown(op: Op, key: str, value: Any) -> bool:
    """Attributes at their default are not shown; -0.0 and False are not the default 0."""
    spec = op.attribute_specs.get(key)
    if spec is None or spec.required or type(value) is not type(spec.default):
        return True
    return bool(value != spec.default)


def _signature(op: Op) -> list[str]:
    types = [str(value.type) for value in op.operands if value is not None]
    if not types and not op.results:
        return []
    return [f": ({', '.join(types)}) -> {_result_types([value.type for value in op.results])}"]


def _result_types(types: list[Type]) -> str:
    return str(types[0]) if len(types) == 1 else f"({', '.join(map(str, types))})"
