"""The table of type rules and the words of their refusals. Not here: the rules, nor structure (`ir.verify`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from supa.base.dtypes import I1, DType
from supa.base.errors import VerifyError
from supa.ir.core import Op, Value
from supa.ir.types import Descriptor, Pointer, Scalar, Tile, Type

TypeRule = Callable[[Any], Sequence[Type] | None]
TYPE_RULES: dict[type[Op], TypeRule] = {}
"""Operation -> rule. It refuses wrong operands and gives the result types, or None where it checked them itself."""
INFERS: set[type[Op]] = set()
"""Operations whose rule finds the result types from operands and attributes alone."""


def type_rule(cls: type[Op], *, infers: bool = False) -> Callable[[TypeRule], TypeRule]:
    """Register the decorated function as the rule of `cls`."""

    def register(function: TypeRule) -> TypeRule:
        TYPE_RULES[cls] = function
        if infers:
            INFERS.add(cls)
        return function

    return register


def refuse(op: Op, expected: str, found: object) -> NoReturn:
    """Raise the verifier's error at the operation's place in the user's file."""
    raise VerifyError(f"{op.name}: expected {expected}, found {found}", op.location)


def need_tile(op: Op, value: Value, what: str = "a tile") -> Tile:
    """The type of a value that has to be a tile."""
    type_ = value.type
    if type_.__class__ is not Tile:
        refuse(op, what, type_)
    return type_


def need_scalar(op: Op, value: Value, dtype: DType, what: str) -> None:
    """Refuse a value that is not a scalar of type `dtype`."""
    if value.type is not dtype and value.type != dtype:
        refuse(op, f"{what} as a scalar {dtype}", value.type)


def need_integer(op: Op, value: Value, what: str) -> None:
    """Refuse a value that is not a scalar integer."""
    if not isinstance(value.type, DType) or value.type.is_float:
        refuse(op, f"{what} as an integer scalar", value.type)


def need_type(op: Op, value: Value, type_: Type, what: str) -> None:
    """Refuse a value of another type."""
    if value.type is not type_ and value.type != type_:
        refuse(op, f"{what} of type {type_}", value.type)


def need_descriptor(op: Op, value: Value) -> Descriptor:
    """The type of a value that has to be a tensor descriptor."""
    if not isinstance(value.type, Descriptor):
        refuse(op, "a tensor descriptor", value.type)
    return value.type


def need_choice(op: Op, what: str, value: object, choices: Sequence[object]) -> None:
    """Refuse an attribute that is none of `choices`."""
    if value not in choices:
        refuse(op, f"{what} as one of {', '.join(map(repr, choices))}", repr(value))


def need_mask(op: Op, mask: Value | None, shape: tuple[int, ...]) -> None:
    """Refuse a mask that is not i1 of `shape`."""
    if mask is None:
        return
    if split(mask.type) != (shape, I1):
        refuse(op, f"a mask of type {Tile(shape, I1) if shape else I1}", mask.type)


def split(type_: Type) -> tuple[tuple[int, ...], Scalar | None]:
    """Shape and element type; a descriptor has no element (None)."""
    if type_.__class__ is Tile:
        return type_.shape, type_.element
    return (), (None if type_.__class__ is Descriptor else type_)  # type: ignore[return-value]


def joined(shape: tuple[int, ...], element: Scalar) -> Type:
    """The tile of `shape`, or the scalar where it is ()."""
    return Tile(shape, element) if shape else element


def is_float(element: Scalar | None) -> bool:
    """Whether the element is a float."""
    return element.__class__ is DType and element.is_float


def is_integer(element: Scalar | None) -> bool:
    """Whether the element is a signless integer."""
    return element.__class__ is DType and not element.is_float


def is_pointer(element: Scalar | None) -> bool:
    """Whether the element is an address."""
    return element.__class__ is Pointer


def types_of(values: Sequence[Value]) -> list[Type]:
    """The types of values."""
    return [value.type for value in values]
