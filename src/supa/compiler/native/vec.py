"""What an element-wise computation holds at one point of a loop nest: `Vec`, a value for `lanes` elements at once.

It is uniform (one scalar for all lanes), linear (base + lane * step: addresses and indices), bent (two of these, the
second from some lane on: an index that crosses the end of a row), or a plain LLVM vector.
Knowing which is what makes a load contiguous, a broadcast free and an index computation scalar.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Literal

Kind = Literal["uniform", "linear", "bent", "vector"]


@dataclass(frozen=True, slots=True)
class Flat:
    """Marks an index that is bits [shift, shift + log2(extent)) of the flat counter of a nest."""

    shift: int
    extent: int


class Nan(IntEnum):
    """What is known of the NaNs among floats of 32 bits: rounding to bf16 may then leave them to themselves."""

    ANY = 0
    SHORT = 1  # the low sixteen bits are zero, as in what was a bf16
    QUIET = 2  # that, and arithmetic made them


@dataclass(frozen=True, slots=True)
class Cut:
    """Where lanes go over into the second piece: the first that does, a scalar of `type`; it may be none of them."""

    name: str
    type: str
    level: int


@dataclass(frozen=True, slots=True)
class Vec:
    """`name` is the scalar (uniform), the scalar at lane 0 (linear) or the vector; `type` its LLVM element type.

    `level` is the loop level whose body defines it (0: outside the nest); `constant` the value of a known uniform
    integer; `step` the increment per lane of a linear one: a Python int or the name of a scalar of `type`.
    """

    kind: Kind
    type: str
    name: str
    level: int = 0
    step: int | str = 0
    constant: int | None = None
    flat: Flat | None = None
    parts: tuple[Vec, Vec] | None = field(default=None, compare=False)  # a vector that is uniform + vector
    nan: Nan = field(default=Nan.ANY, compare=False)
    pieces: tuple[Vec, Vec] | None = None  # of a bent one, each as if it held for all lanes
    cut: Cut | None = None  # of a bent one

    def __hash__(self) -> int:
        return hash((self.name, self.kind))  # names are nearly unique: hashing every field would take longer

    @property
    def is_uniform(self) -> bool:
        """One value for all lanes."""
        return self.kind == "uniform"

    @property
    def is_linear(self) -> bool:
        """base + lane * step."""
        return self.kind == "linear"

    @property
    def is_bent(self) -> bool:
        """Two pieces, each uniform or linear."""
        return self.kind == "bent"

    @property
    def nans(self) -> Nan:
        """What is known of its NaNs; a constant is none."""
        if self.name.startswith(("%", "0x7FF", "0xFFF")) or self.type != "float":
            return self.nan
        return Nan.QUIET

    def with_nans(self, nan: Nan) -> Vec:
        """The same value, with what is known of its NaNs."""
        return replace(self, nan=nan)

    def at_level(self, level: int) -> Vec:
        """The same value, said to be defined no further out than `level`."""
        return replace(self, level=max(level, self.level))


def uniform(type_: str, name: str, level: int = 0) -> Vec:
    """One scalar for all lanes."""
    return Vec("uniform", type_, name, level)


def constant(type_: str, value: int) -> Vec:
    """A known integer for all lanes."""
    return Vec("uniform", type_, str(value), 0, constant=value)


def vector(type_: str, name: str, level: int) -> Vec:
    """A plain LLVM vector."""
    return Vec("vector", type_, name, level)


def bent(cut: Cut, low: Vec, high: Vec) -> Vec:
    """`low` in the lanes before the cut, `high` from there on."""
    level = max(cut.level, low.level, high.level)
    return Vec("bent", low.type, f"{cut.name}?{low.name}:{high.name}", level, pieces=(low, high), cut=cut)
