"""Tiles that are kept in a thread's scratch memory: their layout, and where in scratch they live."""

from __future__ import annotations

from dataclasses import dataclass, field

from supa.ir.types import Scalar, storage_bytes

_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Buffer:
    """A row-major tile in memory at `address` (an LLVM pointer defined in the entry block)."""

    address: str
    shape: tuple[int, ...]
    element: Scalar
    offset: int
    size: int

    def reshaped(self, shape: tuple[int, ...]) -> Buffer:
        """The same elements under another shape."""
        return Buffer(self.address, shape, self.element, self.offset, self.size)

    @property
    def strides(self) -> tuple[int, ...]:
        """Elements between neighbours along each dimension."""
        strides, stride = [], 1
        for extent in reversed(self.shape):
            strides.append(stride)
            stride *= extent
        return tuple(reversed(strides))


@dataclass
class Scratch:
    """First-fit allocation of scratch at compile time; `peak` is what a thread must hand over."""

    peak: int = 0
    taken: list[tuple[int, int]] = field(default_factory=list)  # (offset, size), by offset

    def take(self, size: int) -> int:
        """Reserve `size` bytes, 64-byte aligned; gives the offset."""
        size = -(-size // _ALIGNMENT) * _ALIGNMENT
        position, offset = 0, 0
        for position, (start, length) in enumerate([*self.taken, (1 << 62, 0)]):  # noqa: B007
            if start - offset >= size:
                break
            offset = start + length
        self.taken.insert(position, (offset, size))
        self.peak = max(self.peak, offset + size)
        return offset

    def give(self, offset: int) -> None:
        """Release what `take` gave."""
        self.taken = [entry for entry in self.taken if entry[0] != offset]


def tile_bytes(shape: tuple[int, ...], element: Scalar) -> int:
    """Bytes of a tile in scratch."""
    size = storage_bytes(element)
    for extent in shape:
        size *= extent
    return size
