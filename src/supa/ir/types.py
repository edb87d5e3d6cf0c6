"""Types of tile IR values: scalars (a `DType` or a `Pointer`), `Tile`s of them, and tensor `Descriptor`s."""

from __future__ import annotations

from dataclasses import dataclass

from supa.base.dtypes import DType


@dataclass(frozen=True)
class Pointer:
    """A device address (64 bits) of elements of type `pointee`."""

    pointee: DType | Pointer

    def __str__(self) -> str:
        return f"ptr<{self.pointee}>"


Scalar = DType | Pointer


@dataclass(frozen=True)
class Tile:
    """A block of elements held by one program: `shape` (rank 1 to 5, powers of two) of `element`."""

    shape: tuple[int, ...]
    element: Scalar

    @property
    def size(self) -> int:
        """How many elements."""
        size = 1
        for extent in self.shape:
            size *= extent
        return size

    def __str__(self) -> str:
        return f"tile<{'x'.join(map(str, self.shape))}x{self.element}>"


@dataclass(frozen=True)
class Descriptor:
    """A tensor in memory as the tensor data accelerator sees it: base, shape and strides, moved in blocks of
    `block` elements of type `element`. `signed` matters to min/max reductions only.
    """

    block: tuple[int, ...]
    element: DType
    signed: bool = True

    def __str__(self) -> str:
        sign = "" if self.signed else ", unsigned"
        return f"desc<{'x'.join(map(str, self.block))}x{self.element}{sign}>"


Type = DType | Pointer | Tile | Descriptor


def element_of(type_: Type) -> Scalar:
    """The scalar type of a scalar or of a tile's elements."""
    if isinstance(type_, Tile):
        return type_.element
    if isinstance(type_, Descriptor):
        raise TypeError(f"a descriptor has no element value: {type_}")
    return type_


def shape_of(type_: Type) -> tuple[int, ...]:
    """The shape of a tile, () for a scalar."""
    return type_.shape if isinstance(type_, Tile) else ()


def with_element(type_: Type, element: Scalar) -> Type:
    """`type_` with another element type and the same shape."""
    return Tile(type_.shape, element) if isinstance(type_, Tile) else element


def storage_bytes(type_: Scalar) -> int:
    """Bytes of one element in memory."""
    return 8 if isinstance(type_, Pointer) else type_.bytes
