"""Quantities with units, read and written exactly. Not here: what a quantity means (`arch` gives it a name and bounds).

A quantity is stored in its dimension's canonical unit (`B`, `B/s`, `Hz`, `ps`, `W`, `pJ`, ...) as a `Fraction`, so
that "976.5625 MHz" is 976562500 Hz and nothing else. `KB` is 1000 bytes, `KiB` is 1024.
"""

from __future__ import annotations

import re
from fractions import Fraction
from types import MappingProxyType

from supa.base.errors import SupaError


class UnitError(SupaError):
    """A quantity can not be read: no number, no unit, or a unit of another dimension. Says which units fit."""


def _scaled(symbol: str, prefixes: str, one: Fraction = Fraction(1)) -> dict[str, Fraction]:
    powers = {"f": -5, "p": -4, "n": -3, "u": -2, "m": -1, "": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
    names = ["", *prefixes.split()]
    return {name + symbol: one * Fraction(1000) ** powers[name] for name in names}


_BYTES = _scaled("B", "K M G T")
_BINARY = {f"{prefix}iB": Fraction(1024) ** (power + 1) for power, prefix in enumerate("KMGT")}
_SECONDS = _scaled("s", "m u n p", Fraction(10) ** 12)
_JOULES = _scaled("J", "k m u n p f", Fraction(10) ** 12)

DIMENSIONS: MappingProxyType[str, MappingProxyType[str, Fraction]] = MappingProxyType(
    {
        canonical: MappingProxyType(spellings)
        for canonical, spellings in {
            "B": _BYTES | _BINARY,
            "B/s": {f"{name}/s": factor for name, factor in (_BYTES | _BINARY).items()},
            "B/clk": {"B/clk": Fraction(1)},
            "Hz": _scaled("Hz", "k M G"),
            "ps": _SECONDS | {"µs": Fraction(10) ** 6},
            "cycles": {"cycles": Fraction(1), "cycle": Fraction(1)},
            "W": _scaled("W", "k m"),
            "pJ": _JOULES,
            "pJ/MAC": {f"{name}/MAC": _JOULES[name] for name in ("fJ", "pJ", "nJ")},
            "pJ/op": {f"{name}/op": _JOULES[name] for name in ("fJ", "pJ", "nJ")},
            "pJ/B": {f"{name}/B": _JOULES[name] for name in ("fJ", "pJ", "nJ")},
            "FLOPS": _scaled("FLOPS", "G T P") | _scaled("OPS", "G T P"),
            "OPS": _scaled("OPS", "G T P"),
            "MAC/clk": {"MAC/clk": Fraction(1)},
            "op/clk": {"op/clk": Fraction(1)},
            "block/clk": {"block/clk": Fraction(1)},
            "bit": {"bit": Fraction(1)},
            "mm2": {"mm2": Fraction(1), "mm²": Fraction(1)},
        }.items()
    }
)
"""Canonical unit -> {spelling: how many canonical units it is}."""

_QUANTITY = re.compile(r"\s*([+-]?\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(\S*)\s*")


def parse(text: str, canonical: str) -> Fraction:
    """Read "1.64 TB/s" as an exact number of `canonical` units; `UnitError` when the unit is missing or wrong."""
    match = _QUANTITY.fullmatch(text)
    spellings = DIMENSIONS[canonical]
    if match is None:
        raise UnitError(f"expected a number and a unit ({choices(canonical)}), found {text!r}")
    number, unit = match.groups()
    if not unit:
        raise UnitError(f"missing unit: expected {choices(canonical)} after {number}")
    if unit not in spellings:
        raise UnitError(f"unknown unit {unit!r}: expected {choices(canonical)}")
    return Fraction(number.replace("_", "")) * spellings[unit]


def parse_number(text: str) -> Fraction:
    """Read a number without unit exactly: "16", "0.9", "90 %"."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in ("", "%"):
        raise UnitError(f"expected a plain number, found {text!r}")
    return Fraction(match[1].replace("_", "")) / (100 if match[2] else 1)


def choices(canonical: str) -> str:
    """The spellings of a dimension, for messages: "B, KB, MB or GB"."""
    names = list(DIMENSIONS[canonical])
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def format_exact(value: Fraction | int, canonical: str) -> str:
    """Write a quantity so that `parse` gives it back exactly, in the unit that takes the fewest digits.

    Raises `UnitError` when no unit gives a finite decimal (1/3 of a byte).
    """
    spelled = [(_decimal(Fraction(value) / factor), unit) for unit, factor in DIMENSIONS[canonical].items()]
    finite = [(number, unit) for number, unit in spelled if number is not None]
    if not finite:
        raise UnitError(f"{value} {canonical} has no finite decimal")
    number, unit = min(finite, key=lambda pair: len(pair[0].lstrip("0.")) + 3 * pair[0].startswith("0."))
    return f"{number} {unit}"


def format_rounded(value: Fraction | int | float, canonical: str, unit: str = "") -> str:
    """Write a quantity for people: four significant digits in `unit`, or in the largest decimal unit not above it."""
    amount = Fraction(value)
    factors = DIMENSIONS[canonical]
    if not unit:
        fitting = [name for name, factor in factors.items() if factor <= abs(amount) and "iB" not in name]
        unit = max(fitting or [min(factors, key=lambda name: factors[name])], key=lambda name: factors[name])
    number = float(amount / factors[unit])
    text = f"{number:.{max(0, 4 - len(str(int(abs(number)))))}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}"


def _decimal(value: Fraction) -> str | None:
    """The finite decimal of a fraction without exponent, or None when it has none."""
    denominator, digits = value.denominator, 0
    while denominator % 10 == 0:
        denominator, digits = denominator // 10, digits + 1
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator, digits = denominator // prime, digits + 1
    if denominator != 1:
        return None
    scaled = abs(value) * 10**digits
    text = str(scaled.numerator).rjust(digits + 1, "0")
    sign = "-" if value < 0 else ""
    if digits == 0:
        return sign + text
    return (sign + text[:-digits] + "." + text[-digits:]).rstrip("0").rstrip(".")
