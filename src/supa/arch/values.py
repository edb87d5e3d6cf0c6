"""Turns the text of a figure into its field's value, with unit and bounds. Not here: what figures mean together."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from supa.arch.leaf import Leaf
from supa.base.units import UnitError, parse, parse_number

Value = int | float | bool | str | tuple[int, ...]


class ValueRefusedError(Exception):
    """A text is no value for its field; says what was expected. Its catcher adds file and line."""


def value_of(one: Leaf, text: str) -> Value:
    """Read a figure's text exactly; `ValueRefusedError` for a missing unit or an impossible value."""
    reader = _READERS[one.type_name]
    try:
        return reader(one, text)
    except UnitError as error:
        raise ValueRefusedError(str(error)) from error


def _number(one: Leaf, text: str) -> Fraction:
    number = parse(text, one.unit) if one.unit else parse_number(text)
    if number < 0 or (number == 0 and not one.zero):
        bound = "zero or more" if one.zero else "more than zero"
        raise ValueRefusedError(f"expected {bound}, found {text}")
    if one.at_most is not None and number > Fraction(one.at_most):
        raise ValueRefusedError(f"expected at most {one.at_most:g}, found {text}")
    return number


def _integer(one: Leaf, text: str) -> int:
    number = _number(one, text)
    if number.denominator != 1:
        raise ValueRefusedError(f"expected a whole number of {one.unit or 'units'}, found {text}")
    return number.numerator


def _float(one: Leaf, text: str) -> float:
    return float(_number(one, text))


def _flag(one: Leaf, text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueRefusedError(f"expected true or false, found {text}")
    return text == "true"


def _word(one: Leaf, text: str) -> str:
    if one.choices and text not in one.choices:
        raise ValueRefusedError(f"expected {' or '.join(one.choices)}, found {text}")
    return text


def _integers(one: Leaf, text: str) -> tuple[int, ...]:
    return tuple(_integer(one, part.strip()) for part in text.split(","))


_READERS: dict[str, Callable[[Leaf, str], Value]] = {
    "int": _integer,
    "float": _float,
    "bool": _flag,
    "str": _word,
    "tuple[int, ...]": _integers,
}
