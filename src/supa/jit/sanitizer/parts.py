"""Which bytes of fresh memory kernels have written: what tells an element of one or two bytes that never was.

The mark of unwritten memory has four bytes. A part of it alone proves nothing, unless the program itself wrote nothing
there and kernels did not either. Not here: the mark, torch.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 1 << 30
_CLEAN_EVERY = 256


@dataclass(frozen=True, kw_only=True)
class _Marked:
    bytes: int
    version: int
    is_gone: Callable[[], bool]
    bits: Any


class WrittenParts:
    """By the address of a storage that was marked: a bit for each of its bytes, set by kernels."""

    def __init__(self) -> None:
        self._marked: dict[int, _Marked] = {}

    def begin(self, address: int, size_bytes: int, version: int, is_gone: Callable[[], bool]) -> None:
        """A storage was marked. `version` counts the program's own writes; `is_gone` tells that it was freed."""
        if len(self._marked) % _CLEAN_EVERY == _CLEAN_EVERY - 1:
            self._marked = {key: one for key, one in self._marked.items() if not one.is_gone()}
        self._marked.pop(address, None)
        if size_bytes <= MOST_BYTES:
            bits = (ctypes.c_uint8 * (size_bytes // 8 + 1))()
            self._marked[address] = _Marked(bytes=size_bytes, version=version, is_gone=is_gone, bits=bits)

    def of(self, storage_address: int, version: int) -> int:
        """The address of a storage's bits; 0 where it was not marked, or the program wrote there itself."""
        marked = self._marked.get(storage_address)
        if marked is None or marked.version != version or marked.is_gone():
            return 0
        return ctypes.addressof(marked.bits)
