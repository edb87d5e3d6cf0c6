"""How a field of a hardware description declares its unit, its bounds and its meaning. Not here: reading values.

A component is a frozen dataclass whose fields are made by `leaf`. The TOML key of a field is its name without the
unit: `bandwidth_bytes_per_s` is written `bandwidth = ["1.6 TB/s", ...]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

SUFFIXES = {
    "": "",
    "B": "_bytes",
    "B/s": "_bytes_per_s",
    "B/clk": "_bytes_per_clock",
    "Hz": "_hz",
    "ps": "_ps",
    "cycles": "_cycles",
    "W": "_w",
    "pJ/MAC": "_pj_per_mac",
    "pJ/op": "_pj_per_op",
    "pJ/B": "_pj_per_byte",
    "FLOPS": "_flops",
    "MAC/clk": "_mac_per_clock",
    "op/clk": "_ops_per_clock",
    "block/clk": "_blocks_per_clock",
    "bit": "_bits",
    "mm2": "_mm2",
}
"""Canonical unit -> the suffix that a field of that unit must have."""


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One declared figure: canonical unit ("" for a plain number, word or flag), meaning, bounds."""

    key: str
    field_name: str
    type_name: str
    unit: str
    doc: str
    zero: bool
    at_most: float | None
    choices: tuple[str, ...]


def leaf(
    unit: str = "", doc: str = "", *, zero: bool = False, at_most: float | None = None, choices: tuple[str, ...] = ()
) -> Any:
    """Declare a field: numbers are positive unless `zero` is allowed; words are one of `choices` when given."""
    return field(metadata={"unit": unit, "doc": doc, "zero": zero, "at_most": at_most, "choices": choices})


def leaves(component: type[Any]) -> tuple[Leaf, ...]:
    """The declared figures of a component, in order; a field whose suffix does not match its unit is our defect."""
    if component not in _known:
        _known[component] = tuple(_leaves(component))
    return _known[component]


_known: dict[type[Any], tuple[Leaf, ...]] = {}


def _leaves(component: type[Any]) -> Iterator[Leaf]:
    for one in fields(component):
        suffix = SUFFIXES[one.metadata["unit"]]
        assert one.name.endswith(suffix), f"{component.__name__}.{one.name} must end with {suffix}"
        key = one.name.removesuffix(suffix) if suffix else one.name
        yield Leaf(key=key, field_name=one.name, type_name=str(one.type), **one.metadata)
