"""Device memory as the oracle sees it: regions by base address, real or virtual. Not here: checks (`oracle.access`).

A real region is the memory of an array or tensor at its own address; a virtual one is a buffer of ours under an
address that no other region has.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIRST_VIRTUAL = 1 << 56  # above every address of a process
_GAP_BYTES = 4096
_ALIGNMENT_BYTES = 256
_UNWRITTEN = 0xFF  # all ones is nan in every IEEE format and -1 in integers


class Region:
    """Bytes from address `base` on. `written` marks the bytes that hold a value; None: all."""

    def __init__(
        self, name: str, base: int, data: NDArray[np.uint8], *, is_written: bool, owner: object = None
    ) -> None:
        self.name, self.base, self.data = name, base, data
        self.written: NDArray[np.bool_] | None = None if is_written else np.zeros(data.size, np.bool_)
        self.is_live = True
        self.owner = owner  # keeps real memory alive

    @property
    def end(self) -> int:
        """The first address behind."""
        return self.base + self.data.size

    def array(self, dtype: Any, shape: Sequence[int] | int = -1) -> NDArray[Any]:
        """The bytes as an array that shares them."""
        return np.asarray(self.data.view(dtype).reshape(shape))


class Memory:
    """All regions. `version` grows whenever stored bytes change."""

    def __init__(self) -> None:
        self.regions: list[Region] = []
        self.freed: list[Region] = []
        self.version = 0
        self._next = _FIRST_VIRTUAL
        self._bases: NDArray[np.int64] = np.zeros(0, np.int64)
        self._ends: NDArray[np.int64] = np.zeros(0, np.int64)

    def new(self, name: str, nbytes: int) -> Region:
        """A virtual region that was never written: reads of it are findings, and give nan."""
        return self._virtual(name, np.full(nbytes, _UNWRITTEN, np.uint8), is_written=False)

    def copy_of(self, name: str, array: NDArray[Any]) -> Region:
        """A virtual region that starts as a copy of `array` in row-major order."""
        data = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8).copy()
        return self._virtual(name, data, is_written=True)

    def at(self, name: str, array: Any) -> Region:
        """The memory of a NumPy array or a CPU tensor, at its own address; the kernel changes it in place.

        A strided array spans from its first to its last element.
        """
        if hasattr(array, "data_ptr"):
            base, item = int(array.data_ptr()), int(array.element_size())
            extents = zip(array.shape, array.stride(), strict=True)
            span = item * (1 + sum((int(n) - 1) * int(stride) for n, stride in extents)) if array.numel() else 0
        else:
            base, end = np.lib.array_utils.byte_bounds(array)
            span = end - base
        return self.at_address(name, base, span, owner=array)

    def at_address(self, name: str, base: int, nbytes: int, *, owner: object = None) -> Region:
        """Real memory of this process from `base` on; the caller answers for it."""
        data = np.ctypeslib.as_array((ctypes.c_ubyte * nbytes).from_address(base))
        return self._insert(Region(name, base, data, is_written=True, owner=owner))

    def free(self, region: Region) -> None:
        """End a region's life: later accesses are findings that name it."""
        region.is_live = False
        self.regions.remove(region)
        self.freed.append(region)
        self._index()

    def _virtual(self, name: str, data: NDArray[np.uint8], *, is_written: bool) -> Region:
        region = Region(name, self._next, data, is_written=is_written)
        self._next = -(-(region.end + _GAP_BYTES) // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
        return self._insert(region)

    def _insert(self, region: Region) -> Region:
        clash = next((r for r in self.regions if r.base < region.end and region.base < r.end), None)
        if clash is not None and (clash.base, clash.end) != (region.base, region.end):
            raise ValueError(f"region {region.name} overlaps {clash.name} and is not the same bytes")
        if clash is not None:
            return clash
        self.regions.append(region)
        self.regions.sort(key=lambda r: r.base)
        self._index()
        return region

    def _index(self) -> None:
        self._bases = np.array([region.base for region in self.regions], np.int64)
        self._ends = np.array([region.end for region in self.regions], np.int64)

    def locate(self, addresses: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        """The position in `regions` of the region that holds `size` bytes from each address; -1: none."""
        if not self.regions:
            return np.full(addresses.shape, -1, np.int64)
        found = np.searchsorted(self._bases, addresses, side="right") - 1
        inside = (found >= 0) & (addresses + size <= self._ends[found]) & (addresses <= self._ends[found])
        return np.where(inside, found, -1)

    def nearest(self, address: int) -> Region | None:
        """The live or freed region that holds the address or is closest to it; a live one where both do."""
        candidates = [*self.regions, *self.freed]
        return min(candidates, key=lambda r: max(r.base - address, address - r.end + 1, 0), default=None)
